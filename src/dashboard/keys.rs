//! API keys: the list, a new one, and the end of one.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use serde_json::json;

use super::answer::{page, page_with, see};
use super::confirm::Confirm;
use super::done::Done;
use super::faults::Faults;
use super::filters::Filters;
use super::frame::{Frame, Section};
use super::sent::{Button, Sent};
use super::session::{SignedIn, no_cookie};
use super::show::Show;
use super::shown_once::ShownOncePage;
use super::typed::text;
use crate::api::api_keys;
use crate::api::view::ApiKeyView;
use crate::app::App;
use crate::model::ApiKeyId;
use crate::web::{ApiError, Body, Code};

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage {
    frame: Frame,
    filters: Filters,
    keys: Vec<ApiKeyView>,
    /// The one of whoever looks.
    own: ApiKeyId,
    next_cursor: Option<String>,
}

#[derive(Template)]
#[template(path = "key_form.html")]
struct FormPage {
    frame: Frame,
    fields: NewKey,
    faults: Faults,
}

/// A key to make.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NewKey {
    name: String,
    role: String,
    tenant_id: String,
}

impl FormPage {
    fn roles(&self) -> [(&'static str, &'static str); 3] {
        [
            ("viewer", "viewer: reads in one tenant, and sees no secret"),
            ("operator", "operator: reads and writes in one tenant"),
            ("admin", "admin: everything, in all tenants"),
        ]
    }
}

/// A page of keys.
///
/// # Errors
/// 403: who is no admin sees none; 422: a filter is wrong.
pub async fn list(
    app: web::Data<App>,
    signed_in: SignedIn,
    filters: Filters,
) -> Result<HttpResponse, ApiError> {
    let found = api_keys::page(&app, &signed_in.caller, &filters.read()?).await?;
    let (keys, next_cursor) = found.into_parts();
    let frame = Frame::of(&app, &signed_in, Section::Keys, "API keys").after(filters.done);
    page(&KeysPage { frame, filters, keys, own: signed_in.caller.key.key_id, next_cursor })
}

/// The form for a new one.
///
/// # Errors
/// 403: who is no admin makes none.
pub async fn new(
    app: web::Data<App>,
    signed_in: SignedIn,
    filters: Filters,
) -> Result<HttpResponse, ApiError> {
    signed_in.caller.admin()?;
    let fields = NewKey { tenant_id: filters.get("tenant_id").to_owned(), ..NewKey::default() };
    shown(&app, &signed_in, StatusCode::OK, fields, Faults::default())
}

/// Makes one, and shows it, this once.
///
/// # Errors
/// 403: who is no admin makes none.
pub async fn create(app: web::Data<App>, sent: Sent<NewKey>) -> Result<HttpResponse, ApiError> {
    let Sent { signed_in, fields } = sent;
    let wish = json!({"name": fields.name, "role": fields.role, "tenant_id": text(&fields.tenant_id)});
    match api_keys::make(&signed_in.caller, &app, Body::of(&wish)).await {
        Ok(made) => ShownOncePage {
            frame: Frame::of(&app, &signed_in, Section::Keys, "API key made"),
            lead: None,
            webhook_url: None,
            secrets: made.key.map(|text| ("API key".into(), text)).into_iter().collect(),
            notes: Vec::new(),
            next: "/keys".to_owned(),
            next_name: "To the API keys",
        }
        .page(StatusCode::CREATED),
        Err(refused) => {
            let (status, faults) = Faults::of(refused)?;
            shown(&app, &signed_in, status, fields, faults)
        }
    }
}

/// Asks whether it shall be revoked.
///
/// # Errors
/// 404: there is none of this id, or who asks is no admin.
pub async fn ask_to_delete(
    app: web::Data<App>,
    signed_in: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let key = api_keys::find(&app, &signed_in.caller, &path).await?;
    let is_own = key.key_id == signed_in.caller.key.key_id;
    Confirm {
        frame: Frame::of(&app, &signed_in, Section::Keys, "Revoke an API key"),
        subject: format!("{} ({})", key.name, key.role.word()),
        consequences: match is_own {
            true => "It is the key that you are signed in with: you are signed out, everywhere and at once.",
            false => "Whoever uses it is refused within a second, and its sessions end.",
        },
        action: format!("/keys/{}/delete", key.key_id),
        version: None,
        label: "Revoke the key",
        back: "/keys".to_owned(),
    }
    .page()
}

/// Revokes it. Whoever revokes their own is signed out.
///
/// # Errors
/// 404, 409: as the API says it.
pub async fn delete(
    app: web::Data<App>,
    sent: Sent<Button>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let caller = sent.caller();
    let is_own = path.parse() == Ok(caller.key.key_id);
    api_keys::delete(caller, app.clone(), path).await?;
    if !is_own {
        return Ok(see(&app, &Done::KeyRevoked.at("/keys")));
    }
    let mut answer = see(&app, "/sign-in");
    answer.add_cookie(&no_cookie(&app)).map_err(|_| ApiError::new(Code::Internal, "the cookie stays"))?;
    Ok(answer)
}

fn shown(
    app: &App,
    signed_in: &SignedIn,
    status: StatusCode,
    fields: NewKey,
    faults: Faults,
) -> Result<HttpResponse, ApiError> {
    let frame = Frame::of(app, signed_in, Section::Keys, "New API key");
    page_with(status, &FormPage { frame, fields, faults })
}
