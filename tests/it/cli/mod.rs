//! The command line as people and scripts use it: the real binary against a real server.

mod agents;
mod events;
mod executions;
mod history;
mod management;
mod models;
mod operation;
mod schemes;
mod signatures;
mod tail;
mod webhooks;

/// A published vector: base64 of 32 bytes, and a ticket.
const SECRET: &str = "c2VlZC1zZWNyZXQtMzItYnl0ZXMtMDEyMzQ1Njc4OWFi";
const TICKET: &str = r#"{"ticket_id":"TKT-123","description":"Issue"}"#;
