//! The management API, a file per noun. Handlers say what happens; the store says how.

mod agent_request;
pub mod agents;
pub mod api_keys;
pub mod execution_actions;
pub mod executions;
pub mod tenants;
pub mod timeline;
mod view;
pub mod webhook_secrets;

use std::future::Future;

use tracing::Instrument;

use crate::web::{ApiError, Code};

/// An id in a path; what is no id names nothing.
fn id<T: std::str::FromStr>(text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| ApiError::not_found())
}

/// Carries a change through to its end although the asker may hang up: between the commit and the word to the
/// caches nobody may let go, or the old agent, key or policy would live on.
async fn through<T: 'static>(change: impl Future<Output = T> + 'static) -> Result<T, ApiError> {
    let broken = |_| ApiError::new(Code::Internal, "the server failed; its log has the details");
    actix_web::rt::spawn(change.in_current_span()).await.map_err(broken)
}
