//! The list of executions.

use actix_web::{HttpResponse, web};
use askama::Template;
use url::form_urlencoded;

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

impl ExecutionsPage {
    /// What tells of changes on this page. Further pages do not change, and each search has its price.
    fn live(&self) -> Option<String> {
        let is_first = ["cursor", "q"].iter().all(|name| self.filters.get(name).is_empty());
        is_first.then(|| {
            // What leaves a state is to leave a list of that state too, so only these two.
            let fields = ["tenant_id", "agent_id"].map(|name| (name, self.filters.get(name)));
            let asked = fields.into_iter().filter(|(_, value)| !value.is_empty());
            let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(asked).finish();
            format!("/executions/stream?{query}")
        })
    }
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
