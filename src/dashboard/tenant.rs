//! One tenant: its settings, and the LLM key that it brings, which is never shown.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use serde_json::json;

use super::answer::{page_with, see};
use super::confirm::Confirm;
use super::done::Done;
use super::faults::Faults;
use super::filters::Filters;
use super::frame::{Frame, Section};
use super::sent::{Button, Sent};
use super::session::SignedIn;
use super::show::Show;
use crate::api::view::{TenantView, tenant};
use crate::api::{llm_keys, tenants};
use crate::app::App;
use crate::model::TenantId;
use crate::web::{ApiError, Body};

#[derive(Template)]
#[template(path = "tenant.html")]
struct TenantPage {
    frame: Frame,
    tenant: TenantView,
    /// Of the LLM key that was sent.
    faults: Faults,
}

/// An LLM key.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LlmKey {
    key: String,
}

impl TenantPage {
    fn path(&self) -> String {
        here(&self.tenant.tenant_id)
    }
}

/// One tenant.
///
/// # Errors
/// 404: there is none of this id.
pub async fn show(
    app: web::Data<App>,
    signed_in: SignedIn,
    path: web::Path<String>,
    filters: Filters,
) -> Result<HttpResponse, ApiError> {
    let view = found(&app, &signed_in, &path).await?;
    shown(&app, &signed_in, StatusCode::OK, view, Faults::default(), filters.done)
}

/// Asks LiteLLM about an LLM key, which may take seconds, and keeps it.
///
/// # Errors
/// 403, 404: as the API says it.
pub async fn set_llm_key(
    app: web::Data<App>,
    sent: Sent<LlmKey>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let Sent { signed_in, fields } = sent;
    let wish = Body::of(&json!({"key": fields.key.trim()}));
    match llm_keys::set_one(&signed_in.caller, &app, &path, wish).await {
        Ok(set) if set.warnings.is_empty() => Ok(see(&app, &Done::LlmKeySet.at(&here(&set.tenant_id)))),
        Ok(set) => shown(&app, &signed_in, StatusCode::OK, set, Faults::default(), None),
        Err(refused) => {
            let (status, faults) = Faults::of(refused)?;
            let view = found(&app, &signed_in, &path).await?;
            shown(&app, &signed_in, status, view, faults, None)
        }
    }
}

/// Asks whether its LLM key shall go.
///
/// # Errors
/// 403: a viewer removes none; 404: there is none of this id.
pub async fn ask_to_remove_llm_key(
    app: web::Data<App>,
    signed_in: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let tenant_id = found(&app, &signed_in, &path).await?.tenant_id;
    signed_in.caller.writer()?;
    Confirm {
        frame: Frame::of(&app, &signed_in, Section::Tenants, "Remove the LLM key of a tenant"),
        consequences: "Its calls are then made with the platform's key, where its settings allow that, or fail. The key is \
                       kept nowhere else: whoever wants it back needs it at hand.",
        action: format!("{}/llm-key/remove", here(&tenant_id)),
        version: None,
        label: "Remove the LLM key",
        back: here(&tenant_id),
        subject: tenant_id.into(),
    }
    .page()
}

/// Forgets its LLM key.
///
/// # Errors
/// 403, 404: as the API says it.
pub async fn remove_llm_key(
    app: web::Data<App>,
    sent: Sent<Button>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let next = Done::LlmKeyRemoved.at(&format!("/tenants/{path}"));
    llm_keys::remove(sent.caller(), app.clone(), path).await?;
    Ok(see(&app, &next))
}

/// Asks whether it shall be deleted.
///
/// # Errors
/// 403: who is no admin deletes none; 404: there is none of this id.
pub async fn ask_to_delete(
    app: web::Data<App>,
    signed_in: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let tenant_id = found(&app, &signed_in, &path).await?.tenant_id;
    signed_in.caller.admin()?;
    Confirm {
        frame: Frame::of(&app, &signed_in, Section::Tenants, "Delete a tenant"),
        consequences: "Its API keys and its LLM key go with it. A tenant that has, or had, agents or webhooks stays: its \
                       history names it.",
        action: format!("{}/delete", here(&tenant_id)),
        version: None,
        label: "Delete the tenant",
        back: here(&tenant_id),
        subject: tenant_id.into(),
    }
    .page()
}

/// Deletes it.
///
/// # Errors
/// 403, 404, 409: as the API says it.
pub async fn delete(
    app: web::Data<App>,
    sent: Sent<Button>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    tenants::delete(sent.caller(), app.clone(), path).await?;
    Ok(see(&app, &Done::TenantDeleted.at("/tenants")))
}

async fn found(app: &App, signed_in: &SignedIn, path: &str) -> Result<TenantView, ApiError> {
    let found = tenants::find(app, &signed_in.caller, path).await?;
    Ok(tenant(found, signed_in.caller.key.role))
}

fn here(id: &TenantId) -> String {
    format!("/tenants/{id}")
}

fn shown(
    app: &App,
    signed_in: &SignedIn,
    status: StatusCode,
    tenant: TenantView,
    faults: Faults,
    done: Option<Done>,
) -> Result<HttpResponse, ApiError> {
    let title = format!("Tenant {}", tenant.tenant_id);
    let frame = Frame::of(app, signed_in, Section::Tenants, title).after(done);
    page_with(status, &TenantPage { frame, tenant, faults })
}
