//! One agent: made and changed by a form, its versions, its secrets, and how to send to it.

pub mod check;
pub mod edit;
mod form;
mod mending;
mod saved;
pub mod secrets;
mod snippets;
pub mod status;
pub mod trial;
pub mod versions;

pub(super) use mending::Mending;
pub(super) use snippets::{Snippet, snippets};

use crate::model::AgentId;

/// Its page.
fn here(id: AgentId) -> String {
    format!("/agents/{id}")
}
