//! The LLM keys that tenants bring: checked with LiteLLM, kept encrypted, never shown again.

use actix_web::{HttpResponse, web};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::tenants::find;
use super::{RACES, through, view};
use crate::app::{App, llm_key_owner};
use crate::llm::KeyStanding;
use crate::model::{AuditAction, Change, LlmKey, Tenant, TenantId};
use crate::store;
use crate::web::{ApiError, Body, Caller, Code, Writer};

/// Longest LLM key, in bytes.
const MAX_KEY_BYTES: usize = 1000;

/// A LiteLLM key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LlmKeySet)]
struct Key {
    #[schema(value_type = String, write_only, min_length = 1, max_length = 1000, pattern = "^[!-~]+$")]
    #[schema(example = "sk-0123456789abcdefwxyz")]
    key: SecretString,
}

/// Set a tenant's LLM key
///
/// It is stored encrypted and never shown again. A tenant that is changed while LiteLLM is asked about the key keeps the
/// change, and the key is not set.
#[utoipa::path(
    put, path = "/api/v1/tenants/{tenant_id}/llm-key", tag = "tenants", operation_id = "set_llm_key",
    params(("tenant_id" = TenantId, Path, description = "The tenant.")),
    request_body(content = Key, example = json!({"key": "sk-0123456789abcdefwxyz"})),
    responses((status = 200, description = "The tenant.", body = view::TenantView), (status = 409, description = "conflict"))
)]
pub async fn set(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(set_one(&caller, &app, &path, body).await?))
}

/// Sets a tenant's key, as it is asked for.
pub(crate) async fn set_one(
    caller: &Caller,
    app: &web::Data<App>,
    path: &str,
    body: Body,
) -> Result<view::TenantView, ApiError> {
    let before = find(app, caller, path).await?;
    let writer = caller.writer()?;
    let Key { key } = body.parse()?;
    let text = key.expose_secret();
    if text.is_empty() || text.len() > MAX_KEY_BYTES || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message =
            format!("must be a LiteLLM key: 1 to {MAX_KEY_BYTES} printable characters without spaces");
        return Err(ApiError::field("/key", message));
    }
    let warnings = match app.llm.key_standing(&key).await {
        KeyStanding::Valid => Vec::new(),
        KeyStanding::Limited(why) => vec![format!("the key is valid and was saved, but {why}")],
        KeyStanding::Unknown(why) => vec![format!("the key was saved, but could not be checked: {why}")],
        KeyStanding::Refused(why) => {
            return Err(ApiError::field("/key", format!("is not valid, so it was not saved: {why}")));
        }
    };
    let sealed = app.cipher.seal(&llm_key_owner(&before.tenant_id), &key);
    if !change(app, &writer, &before, Some(LlmKey { sealed, hint: hint(text) })).await? {
        // If it is gone, that is the answer.
        find(app, caller, path).await?;
        return Err(ApiError::new(
            Code::Conflict,
            "the tenant was changed meanwhile, so the key was not set: send it again",
        ));
    }
    let tenant = find(app, caller, path).await?;
    Ok(view::tenant_warned(tenant, caller.key.role, warnings))
}

/// Remove a tenant's LLM key
#[utoipa::path(
    delete, path = "/api/v1/tenants/{tenant_id}/llm-key", tag = "tenants", operation_id = "remove_llm_key",
    params(("tenant_id" = TenantId, Path, description = "The tenant.")),
    responses((status = 200, description = "The tenant.", body = view::TenantView), (status = 409, description = "conflict"))
)]
pub async fn remove(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    for _ in 0..RACES {
        let before = find(&app, &caller, &path).await?;
        if change(&app, &caller.writer()?, &before, None).await? {
            let tenant = find(&app, &caller, &path).await?;
            return Ok(HttpResponse::Ok().json(view::tenant(tenant, caller.key.role)));
        }
    }
    Err(store::Error::Conflict.into())
}

/// Sets or removes the key of a tenant as it was read; `false` if it is another one by now.
async fn change(
    app: &web::Data<App>,
    writer: &Writer<'_>,
    before: &Tenant,
    key: Option<LlmKey>,
) -> Result<bool, ApiError> {
    let action = if key.is_some() { AuditAction::LlmKeySet } else { AuditAction::LlmKeyRemoved };
    let (tenant_id, version) = (before.tenant_id.clone(), before.version);
    let entry = writer.does(action, &tenant_id, app.clock.now()).of(&tenant_id);
    let changed = {
        let (app, tenant_id) = (app.clone(), tenant_id.clone());
        async move { app.store.set_llm_key(&tenant_id, version, key.as_ref(), &entry).await }
    };
    Ok(through(app, Change::Tenant(tenant_id), changed).await??)
}

/// Characters of a key that its hint must leave to be guessed; else it shows none of them.
const HIDDEN: usize = 9;
/// Last characters of a key that its hint shows.
const SHOWN: usize = 4;

/// `sk-…wxyz`, or `sk-…` of a key that is too short to show four characters of.
fn hint(key: &str) -> String {
    let (start, rest) = match key.strip_prefix("sk-") {
        Some(rest) => ("sk-", rest),
        None => ("", key),
    };
    let end = if rest.len() >= HIDDEN + SHOWN { &rest[rest.len() - SHOWN..] } else { "" };
    format!("{start}…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_leaves_nine_characters_to_be_guessed() {
        for (key, shown) in [
            ("sk-1234", "sk-…"),
            ("1234", "…"),
            ("sk-012345678wxy", "sk-…"),
            ("sk-012345678wxyz", "sk-…wxyz"),
            ("sk-0123456789wxyz", "sk-…wxyz"),
            ("012345678wxy", "…"),
            ("012345678wxyz", "…wxyz"),
        ] {
            assert_eq!(hint(key), shown);
        }
    }
}
