//! agenthook: signed webhooks in, AI-agent runs in the middle.
pub mod api;
pub mod app;
pub mod cipher;
pub mod cli;
pub mod clock;
pub mod config;
pub mod ingress;
pub mod llm;
pub mod model;
pub mod queue;
pub mod schema;
pub mod server;
pub mod signature;
pub mod store;
pub mod telemetry;
pub mod web;
pub mod worker;
