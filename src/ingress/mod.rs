//! The front door: what happens to a webhook before its 202.

pub mod validate;
