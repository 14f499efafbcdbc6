//! agenthook: signed webhooks in, AI-agent runs in the middle.
pub mod clock;
pub mod llm;
pub mod model;
