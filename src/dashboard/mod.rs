//! The dashboard: pages for people who look before they read. It shows what the API shows (`api::view`) and does what the
//! API does, by the same functions: what a key may not do there, it may not do here.
//!
//! Everything works without a script, and nothing is loaded from outside: `answer.rs` says so to the browser.

pub mod agent;
pub mod agents;
mod answer;
pub mod assets;
mod chart;
pub mod compare;
pub mod delivery;
mod diff;
mod done;
pub mod execution;
pub mod executions;
mod filters;
mod frame;
pub mod hits;
pub mod live;
mod names;
pub mod overview;
mod prompt;
mod refusal;
mod sent;
mod session;
mod show;
pub mod sign_in;
mod told;
mod trouble;
mod waterfall;
pub mod webhook;
pub mod webhooks;

pub use filters::Filters;
pub use refusal::with_refusals_as_pages;
pub use sent::{Button, FromOutside, Sent};
pub use session::SignedIn;
