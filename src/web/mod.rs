//! What every HTTP answer has in common: its request id, its errors, who may ask, how a body is read.

mod auth;
mod body;
mod error;
mod page;
mod request_id;
mod unread;

pub use auth::{Admin, only_with_key};
pub use body::{Json, MAX_BODY_BYTES, OptionalJson, from_value};
pub use error::{ApiError, Code, FieldError};
pub use page::{DEFAULT_LIMIT, MAX_LIMIT, Page, limit};
pub use request_id::{RequestId, with_request_id};
pub use unread::end_unread;
