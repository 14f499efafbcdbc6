//! agenthook: signed webhooks in, AI-agent runs in the middle.
pub mod clock;
pub mod ingress;
pub mod model;
pub mod store;
