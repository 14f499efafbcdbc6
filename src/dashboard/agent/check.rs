//! What the API would say of a schema, a filter or a template, while it is being typed.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::api::agent_request::{check_filter, check_schema, check_template};
use crate::dashboard::answer::json;
use crate::dashboard::sent::Sent;
use crate::web::{ApiError, Code};

/// Texts that are compiled at a time: that keeps a core busy, and whoever types sends many of them.
static CHECKS: Semaphore = Semaphore::const_new(2);

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
    let check = match field.as_str() {
        "payload_schema" => check_schema_text,
        "filter" => check_filter,
        "prompt_template" => check_template,
        _ => return Err(ApiError::field("field", "must be one of: payload_schema, filter, prompt_template")),
    };
    let text = text.replace("\r\n", "\n");
    let broken_off = |_| ApiError::new(Code::Internal, "the check was broken off");
    let verdict = match text.trim() {
        "" => Ok(()),
        _ => {
            let turn = CHECKS.acquire().await.map_err(|_| ApiError::unavailable("the server stops"))?;
            // Who has gone meanwhile leaves the work behind: it keeps its turn.
            let checked = web::block(move || {
                let verdict = check(&text);
                drop(turn);
                verdict
            });
            checked.await.map_err(broken_off)?
        }
    };
    Ok(json(&match verdict {
        Ok(()) => Verdict { fine: true, message: String::new() },
        Err(error) => Verdict { fine: false, message: error.detail().to_owned() },
    }))
}

fn check_schema_text(text: &str) -> Result<(), ApiError> {
    let schema = serde_json::from_str(text);
    check_schema(&schema.map_err(|error| ApiError::field("", format!("is not JSON: {error}")))?)
}
