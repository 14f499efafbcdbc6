//! What the API would say of a schema, a filter or a template, while it is being typed.

use actix_web::HttpResponse;
use serde::{Deserialize, Serialize};

use crate::api::agent_request::{check_filter, check_schema, check_template};
use crate::dashboard::answer::json;
use crate::dashboard::sent::Sent;
use crate::web::ApiError;

/// The text, and what it is.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Text {
    /// The name of its field.
    field: String,
    text: String,
}

#[derive(Serialize)]
struct Verdict {
    fine: bool,
    message: String,
}

/// The verdict, for the script that asks.
///
/// # Errors
/// 403: a viewer. 422: there is no such field.
pub async fn check(sent: Sent<Text>) -> Result<HttpResponse, ApiError> {
    let Sent { signed_in, fields: Text { field, text } } = sent;
    signed_in.caller.writer()?;
    let text = text.replace("\r\n", "\n");
    let verdict = match field.as_str() {
        _ if text.trim().is_empty() => Ok(()),
        "payload_schema" => serde_json::from_str(&text)
            .map_err(|error| ApiError::field("", format!("is not JSON: {error}")))
            .and_then(|schema| check_schema(&schema)),
        "filter" => check_filter(&text),
        "prompt_template" => check_template(&text),
        _ => return Err(ApiError::field("field", "must be one of: payload_schema, filter, prompt_template")),
    };
    Ok(json(&match verdict {
        Ok(()) => Verdict { fine: true, message: String::new() },
        Err(error) => Verdict { fine: false, message: error.detail().to_owned() },
    }))
}
