//! The management API, a file per noun. Handlers say what happens; the store says how.

pub(crate) mod agent_request;
pub mod agent_versions;
pub mod agents;
pub mod api_keys;
pub mod audit;
pub mod bulk;
pub mod callback_secrets;
pub mod deliveries;
mod event_data;
pub mod events;
pub mod execution_actions;
pub mod executions;
pub mod export;
pub mod held;
pub mod hits;
pub mod llm_keys;
pub mod models;
pub(crate) mod prompts;
mod query;
mod signing_secret;
pub mod stats;
pub mod stream;
pub mod tenants;
pub mod timeline;
pub mod trials;
pub(crate) mod view;
pub mod webhook_actions;
mod webhook_request;
mod webhook_retry;
mod webhook_row;
pub mod webhook_secrets;
pub mod webhooks;

pub use webhook_request::Given as WebhookSettings;

use std::future::Future;

use actix_web::web::Data;

use crate::app::App;
use crate::model::Change;
use crate::store;
use crate::web::{ApiError, to_the_end};

/// How often a change is made anew because another one came first.
const RACES: usize = 50;

/// An id in a path; what is no id names nothing.
fn id<T: std::str::FromStr>(text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| ApiError::not_found())
}

/// Carries a change through to its end although the asker may hang up: between the commit and the word to the
/// caches nobody may let go, or the old agent, key or policy would live on.
async fn through<T: 'static>(
    app: &Data<App>,
    what: Change,
    write: impl Future<Output = store::Result<T>> + 'static,
) -> Result<store::Result<T>, ApiError> {
    let app = app.clone();
    to_the_end(async move {
        let done = write.await;
        app.changed(what).await;
        done
    })
    .await
}
