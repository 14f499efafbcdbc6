//! The list of executions.

use actix_web::{HttpResponse, web};
use askama::Template;

use super::answer::page;
use super::filters::Filters;
use super::frame::{Frame, Section};
use super::names::Names;
use super::session::SignedIn;
use super::show::Show;
use crate::api::executions::{self, ExecutionPage};
use crate::app::App;
use crate::model::ExecutionStatus;
use crate::web::ApiError;

#[derive(Template)]
#[template(path = "executions.html")]
struct ExecutionsPage {
    frame: Frame,
    filters: Filters,
    statuses: [ExecutionStatus; 6],
    list: ExecutionPage,
    names: Names,
}

/// A page of executions.
///
/// # Errors
/// 422: a filter is wrong.
pub async fn list(
    app: web::Data<App>,
    signed_in: SignedIn,
    filters: Filters,
) -> Result<HttpResponse, ApiError> {
    let list = executions::page(&app, &signed_in.caller, &filters.read()?).await?;
    let names = Names::of(&app, list.executions.iter().map(|one| one.agent_id)).await?;
    let frame = Frame::of(&app, &signed_in, Section::Executions, "Executions");
    page(&ExecutionsPage { frame, filters, statuses: ExecutionStatus::ALL, list, names })
}
