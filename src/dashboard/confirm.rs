//! The page between a button that takes something away and its being gone.

use actix_web::HttpResponse;
use askama::Template;

use super::answer::page;
use super::frame::Frame;
use crate::web::ApiError;

#[derive(Template)]
#[template(path = "confirm.html")]
pub(super) struct Confirm {
    pub frame: Frame,
    /// What is taken away, as its page names it.
    pub subject: String,
    /// What becomes of it.
    pub consequences: &'static str,
    /// Where the button's form goes.
    pub action: String,
    /// The version that is looked at, of what has versions.
    pub version: Option<i32>,
    pub label: &'static str,
    /// Where whoever thinks better of it goes.
    pub back: String,
}

impl Confirm {
    pub fn page(&self) -> Result<HttpResponse, ApiError> {
        page(self)
    }
}
