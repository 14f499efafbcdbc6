//! agenthook: signed webhooks in, AI-agent runs in the middle.
pub mod cipher;
pub mod cli;
pub mod clock;
pub mod model;
pub mod signature;
