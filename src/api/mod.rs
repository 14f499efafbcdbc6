//! The management API, a file per noun. Handlers say what happens; the store says how.

mod agent_request;
pub mod agents;
pub mod executions;
pub mod tenants;
mod view;
pub mod webhook_secrets;

use crate::web::ApiError;

/// An id in a path; what is no id names nothing.
fn id<T: std::str::FromStr>(text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| ApiError::not_found())
}
