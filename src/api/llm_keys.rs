//! The LLM keys that tenants bring: checked with LiteLLM, kept encrypted, never shown again.

use actix_web::{HttpResponse, web};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::tenants::find;
use super::{through, view};
use crate::app::{App, llm_key_owner};
use crate::llm::KeyStanding;
use crate::model::{AuditAction, Change, LlmKey, Tenant, TenantId};
use crate::web::{ApiError, Body, Caller, Writer};

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
/// It is stored encrypted and never shown again.
#[utoipa::path(
    put, path = "/api/v1/tenants/{tenant_id}/llm-key", tag = "tenants", operation_id = "set_llm_key",
    params(("tenant_id" = TenantId, Path, description = "The tenant.")),
    request_body(content = Key, example = json!({"key": "sk-0123456789abcdefwxyz"})),
    responses((status = 200, description = "The tenant.", body = view::TenantView))
)]
pub async fn set(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let tenant_id = find(&app, &caller, &path).await?.tenant_id;
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
    let sealed = app.cipher.seal(&llm_key_owner(&tenant_id), &key);
    let tenant = change(app, &writer, tenant_id, Some(LlmKey { sealed, hint: hint(text) })).await?;
    Ok(HttpResponse::Ok().json(view::tenant_warned(tenant, warnings)))
}

/// Remove a tenant's LLM key
#[utoipa::path(
    delete, path = "/api/v1/tenants/{tenant_id}/llm-key", tag = "tenants", operation_id = "remove_llm_key",
    params(("tenant_id" = TenantId, Path, description = "The tenant.")),
    responses((status = 200, description = "The tenant.", body = view::TenantView))
)]
pub async fn remove(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let tenant_id = find(&app, &caller, &path).await?.tenant_id;
    let tenant = change(app, &caller.writer()?, tenant_id, None).await?;
    Ok(HttpResponse::Ok().json(view::tenant(tenant)))
}

async fn change(
    app: web::Data<App>,
    writer: &Writer<'_>,
    tenant_id: TenantId,
    key: Option<LlmKey>,
) -> Result<Tenant, ApiError> {
    let action = if key.is_some() { AuditAction::LlmKeySet } else { AuditAction::LlmKeyRemoved };
    let entry = writer.does(action, &tenant_id, app.clock.now()).of(&tenant_id);
    let changed = {
        let (app, tenant_id) = (app.clone(), tenant_id.clone());
        async move { app.store.set_llm_key(&tenant_id, key.as_ref(), &entry).await }
    };
    if !through(&app, Change::Tenant(tenant_id.clone()), changed).await?? {
        return Err(ApiError::not_found());
    }
    app.store.tenant(&tenant_id).await?.ok_or_else(ApiError::not_found)
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
