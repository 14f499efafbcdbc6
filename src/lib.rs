//! agenthook: signed webhooks in, AI-agent runs in the middle, a trace of each.
//!
//! This page is the map. `docs/architecture.md` walks one webhook through it.
//!
//! # The path of a webhook
//!
//! A process begins in [`cli`], whose `serve` opens the house ([`app`]) and its door ([`server`]). Then, in the order
//! in which a webhook meets them:
//!
//! - [`server`]: every route on one screen, and the life of a server process; [`health`] says how it is
//! - [`web`]: what all HTTP answers have in common: request ids, problems, who may ask, pages
//! - [`ingress`]: the front door: raw bytes → verified → checked → named → stored, and only then the 202
//!   - [`signature`]: who sent it; each scheme verifies and signs
//!   - [`filter`]: does the agent want the payload, at a bounded price
//!   - [`schema`]: does the payload match, at a bounded price
//! - [`store`]: the ledger: every row, and the only module that knows SQL. **The row is the truth**
//! - [`queue`]: the doorbell: carries ids, and may lose them
//! - [`signal`]: between processes: hints that something is due or has changed, and how much comes in
//! - [`worker`]: claims what is due, calls, writes the end; its sweep finds what nobody rang for
//!   - [`template`]: what the model reads of a payload, at a bounded price
//!   - [`llm`]: one chat completion through LiteLLM: who pays, what goes out, what an answer means
//!   - [`egress`]: an event as a signed request, to a checked address and nowhere else
//! - [`api`]: tenants, agents, secrets and executions over HTTP, for whoever looks at it afterwards
//!   - [`registry`]: models in MLflow: what a run has reached, and the version that is made of it
//! - [`dashboard`]: the same for people, as pages that they sign in to
//! - [`openapi`]: the document of all that, and a page to browse it
//! - [`pages`]: what each error code means and what to do, for people
//!
//! # What all of them stand on
//!
//! - [`app`]: everything opened once and shared, and the caches of the hot path
//! - [`config`]: the settings, checked before anything starts
//! - [`telemetry`]: log lines, for people or machines; [`quiet`] keeps one trouble from filling them
//! - [`cipher`]: secrets at rest
//! - [`clock`]: the time, as an argument
//! - [`source`]: texts that customers write and we compile
//! - [`model`]: the nouns and their rules, without I/O
//!
//! Imports point down, and `tests/it/layers.rs` holds the list: [`model`] names nobody, [`store`] only [`model`], and
//! [`ingress`] and [`worker`] never name each other, because they meet in a row.

pub mod api;
pub mod app;
pub mod cipher;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dashboard;
pub mod egress;
pub mod filter;
pub mod health;
pub mod ingress;
pub mod llm;
pub mod model;
pub mod openapi;
pub mod pages;
pub mod queue;
pub mod quiet;
pub mod registry;
pub mod schema;
pub mod server;
pub mod signal;
pub mod signature;
pub mod source;
pub mod store;
pub mod telemetry;
pub mod template;
pub mod web;
pub mod worker;
