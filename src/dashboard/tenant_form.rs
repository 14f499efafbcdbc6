//! Making a tenant, and changing its settings. What the API does not take is told at its field, with what was typed.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{page_with, see};
use super::done::Done;
use super::faults::Faults;
use super::frame::{Frame, Section};
use super::sent::Sent;
use super::session::SignedIn;
use super::show::Show;
use super::typed::{changed, number, rate_limit, text, words};
use crate::api::tenants::{find, make, patch};
use crate::app::App;
use crate::model::{FallbackReason, Tenant, TenantId};
use crate::web::{ApiError, Body};

#[derive(Template)]
#[template(path = "tenant_form.html")]
struct FormPage {
    frame: Frame,
    /// The one that is changed; else a new one is made.
    tenant_id: Option<TenantId>,
    fields: TenantFields,
    faults: Faults,
}

/// What was typed, or what is there.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TenantFields {
    tenant_id: String,
    name: String,
    key_policy: String,
    fallback_missing: String,
    fallback_rejected: String,
    fallback_budget_exceeded: String,
    fallback_rate_limited: String,
    /// Between spaces, commas and ends of lines; none is any.
    allowed_models: String,
    per_minute: String,
    burst: String,
    concurrency: String,
    /// The settings as the form showed them, as JSON: what is left as it was is not changed, and so is nobody else's change.
    were: String,
}

impl FormPage {
    fn path(&self) -> String {
        self.tenant_id.as_ref().map_or_else(|| "/tenants".to_owned(), |id| format!("/tenants/{id}"))
    }

    fn policies(&self) -> [(&'static str, &'static str); 3] {
        [
            ("tenant_then_platform", "the tenant's; the platform's for the reasons below"),
            ("tenant_only", "the tenant's or none"),
            ("platform_only", "always the platform's"),
        ]
    }

    fn reasons(&self) -> [(&'static str, &'static str, bool); 4] {
        let is_on = |field: &str| !field.is_empty();
        let fields = &self.fields;
        [
            ("missing", "the tenant has none", is_on(&fields.fallback_missing)),
            ("rejected", "LiteLLM refuses the tenant's", is_on(&fields.fallback_rejected)),
            ("budget_exceeded", "the tenant's has spent its budget", is_on(&fields.fallback_budget_exceeded)),
            ("rate_limited", "the tenant's is over its own rate limit", is_on(&fields.fallback_rate_limited)),
        ]
    }
}

impl TenantFields {
    fn of(tenant: Tenant) -> Self {
        let shown = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
        let on = |reason| if tenant.fallback_on.contains(&reason) { "on".to_owned() } else { String::new() };
        let mut fields = Self {
            tenant_id: String::new(),
            key_policy: tenant.key_policy.word(),
            fallback_missing: on(FallbackReason::Missing),
            fallback_rejected: on(FallbackReason::Rejected),
            fallback_budget_exceeded: on(FallbackReason::BudgetExceeded),
            fallback_rate_limited: on(FallbackReason::RateLimited),
            name: tenant.name.unwrap_or_default(),
            allowed_models: tenant.allowed_models.unwrap_or_default().join("\n"),
            per_minute: shown(tenant.rate_limit.map(|limit| limit.per_minute)),
            burst: shown(tenant.rate_limit.map(|limit| limit.burst)),
            concurrency: shown(tenant.concurrency),
            were: String::new(),
        };
        fields.were = Value::Object(fields.settings()).to_string();
        fields
    }

    /// As the API takes them.
    fn settings(&self) -> Map<String, Value> {
        let reasons = [
            ("missing", &self.fallback_missing),
            ("rejected", &self.fallback_rejected),
            ("budget_exceeded", &self.fallback_budget_exceeded),
            ("rate_limited", &self.fallback_rate_limited),
        ];
        let reasons = reasons.iter().filter(|(_, field)| !field.is_empty()).map(|(reason, _)| *reason);
        let models: Vec<_> = words(&self.allowed_models).collect();
        let settings = json!({
            "name": text(&self.name),
            "key_policy": text(&self.key_policy),
            "fallback_on": reasons.collect::<Vec<_>>(),
            "allowed_models": (!models.is_empty()).then_some(models),
            "rate_limit": rate_limit(&self.per_minute, &self.burst),
            "concurrency": number(&self.concurrency),
        });
        match settings {
            Value::Object(settings) => settings,
            _ => Map::new(),
        }
    }
}

/// The form for a new one.
///
/// # Errors
/// 403: who is no admin makes none.
pub async fn new(app: web::Data<App>, signed_in: SignedIn) -> Result<HttpResponse, ApiError> {
    signed_in.caller.admin()?;
    let fields = TenantFields { fallback_missing: "on".into(), ..TenantFields::default() };
    shown(&app, &signed_in, StatusCode::OK, None, fields, Faults::default())
}

/// Makes one, and goes there.
///
/// # Errors
/// 403: who is no admin makes none.
pub async fn create(app: web::Data<App>, sent: Sent<TenantFields>) -> Result<HttpResponse, ApiError> {
    let Sent { signed_in, fields } = sent;
    let mut wish = fields.settings();
    wish.insert("tenant_id".to_owned(), fields.tenant_id.trim().into());
    wish.retain(|_, value| !value.is_null());
    match make(&signed_in.caller, &app, Body::of(&wish)).await {
        Ok(made) => Ok(see(&app, &Done::TenantMade.at(&format!("/tenants/{}", made.tenant_id)))),
        Err(refused) => {
            let (status, faults) = Faults::of(refused)?;
            shown(&app, &signed_in, status, None, fields, faults)
        }
    }
}

/// The form for one that is there.
///
/// # Errors
/// 403: who is no admin changes none; 404: there is none of this id.
pub async fn edit(
    app: web::Data<App>,
    signed_in: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let tenant = find(&app, &signed_in.caller, &path).await?;
    signed_in.caller.admin()?;
    let tenant_id = tenant.tenant_id.clone();
    let fields = TenantFields::of(tenant);
    shown(&app, &signed_in, StatusCode::OK, Some(tenant_id), fields, Faults::default())
}

/// Changes what is not as it was when the form was opened.
///
/// # Errors
/// 403: who is no admin changes none; 404: there is none of this id.
pub async fn save(
    app: web::Data<App>,
    sent: Sent<TenantFields>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let Sent { signed_in, fields } = sent;
    let were = serde_json::from_str(&fields.were).unwrap_or_default();
    let wish = Body::of(&changed(fields.settings(), &were));
    match patch(&signed_in.caller, &app, &path, wish).await {
        Ok(saved) => Ok(see(&app, &Done::Saved.at(&format!("/tenants/{}", saved.tenant_id)))),
        Err(refused) => {
            let (status, faults) = Faults::of(refused)?;
            let tenant_id = find(&app, &signed_in.caller, &path).await?.tenant_id;
            shown(&app, &signed_in, status, Some(tenant_id), fields, faults)
        }
    }
}

fn shown(
    app: &App,
    signed_in: &SignedIn,
    status: StatusCode,
    tenant_id: Option<TenantId>,
    fields: TenantFields,
    faults: Faults,
) -> Result<HttpResponse, ApiError> {
    let title = if tenant_id.is_some() { "Change a tenant" } else { "New tenant" };
    let frame = Frame::of(app, signed_in, Section::Tenants, title);
    page_with(status, &FormPage { frame, tenant_id, fields, faults })
}
