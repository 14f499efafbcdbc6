//! One hit: what came in, and why it was taken or refused.

use actix_web::{HttpResponse, web};
use askama::Template;

use super::agent::Mending;
use super::answer::page;
use super::frame::{Frame, Section};
use super::names::Names;
use super::session::SignedIn;
use super::show::{Show, pretty};
use crate::api::hits;
use crate::api::view::HitDetailView;
use crate::app::App;
use crate::ingress::Ingress;
use crate::web::ApiError;

#[derive(Template)]
#[template(path = "hit.html")]
struct HitPage {
    frame: Frame,
    detail: HitDetailView,
    names: Names,
}

impl HitPage {
    fn body(&self) -> String {
        pretty(&self.detail.body.text)
    }
}

/// One hit.
///
/// # Errors
/// 404: there is none of this id.
pub async fn show(
    app: web::Data<App>,
    ingress: web::Data<Ingress>,
    signed_in: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let detail = hits::whole(&app, &signed_in.caller, &ingress, &path).await?;
    let names = Names::of(&app, [detail.hit.agent_id]).await?;
    let frame = Frame::of(&app, &signed_in, Section::Agents, format!("Hit {}", detail.hit.hit_id));
    page(&HitPage { frame, detail, names })
}
