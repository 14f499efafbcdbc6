//! agenthook: signed webhooks in, AI-agent runs in the middle.
pub mod cipher;
pub mod clock;
pub mod config;
pub mod llm;
pub mod model;
pub mod queue;
pub mod signature;
pub mod store;
