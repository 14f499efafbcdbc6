//! The dashboard: pages for people who look before they read. It shows what the API shows (`api::view`) and does what the
//! API does, by the same functions: what a key may not do there, it may not do here.
//!
//! Everything works without a script, and nothing is loaded from outside: `answer.rs` says so to the browser.

pub mod agent;
pub mod agents;
mod answer;
pub mod assets;
pub mod audit;
mod chart;
pub mod compare;
mod confirm;
pub mod delivery;
mod diff;
mod done;
pub mod event;
pub mod events;
pub mod execution;
pub mod executions;
mod faults;
mod filters;
mod frame;
pub mod hits;
pub mod keys;
pub mod live;
mod names;
pub mod overview;
mod prompt;
mod refusal;
mod sent;
mod session;
mod show;
mod shown_once;
pub mod sign_in;
pub mod tenant;
pub mod tenant_form;
pub mod tenants;
mod told;
mod trouble;
mod typed;
mod waterfall;
pub mod webhook;
mod webhook_fields;
pub mod webhook_form;
pub mod webhook_secret;
pub mod webhooks;

pub use filters::Filters;
pub use refusal::with_refusals_as_pages;
pub use sent::{Button, FromOutside, Sent};
pub use session::SignedIn;
