//! What every HTTP answer has in common: its request id, its errors, who may ask, how a body is read.

mod address;
mod auth;
mod body;
mod caller;
mod error;
mod if_match;
mod page;
mod query;
mod request_id;
mod to_the_end;
mod typed;
mod unread;

pub use auth::{only_with_key, with_key};
pub use body::{Body, MAX_BODY_BYTES};
pub use caller::{Caller, Scope, Writer};
pub use error::{ApiError, Code, FieldError};
pub use if_match::{IfMatch, etag};
pub use page::{DEFAULT_LIMIT, MAX_LIMIT, Page, limit, limit_within};
pub use query::{Query, from_fields};
pub use request_id::{RequestId, refusal, with_request_id};
pub use to_the_end::to_the_end;
pub use typed::from_value;
pub use unread::end_unread;
