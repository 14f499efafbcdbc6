//! The page right after a secret was made: the only one that shows it. It answers the form that made it, so that no
//! address leads there again, and like every page it is not to be stored.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::answer::page_with;
use super::frame::Frame;
use crate::web::ApiError;

#[derive(Template)]
#[template(path = "shown_once.html")]
pub(super) struct ShownOncePage {
    pub frame: Frame,
    /// What was done; without it the page says that this is the only time.
    pub lead: Option<String>,
    /// What senders need beside them.
    pub webhook_url: Option<String>,
    /// What they are for, and their texts.
    pub secrets: Vec<(Cow<'static, str>, String)>,
    /// What else should be known.
    pub notes: Vec<String>,
    /// Where to go on.
    pub next: String,
    pub next_name: &'static str,
}

impl ShownOncePage {
    pub fn page(&self, status: StatusCode) -> Result<HttpResponse, ApiError> {
        page_with(status, self)
    }
}
