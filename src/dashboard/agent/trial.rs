//! "Send a test": a payload that the agent's schema takes, tried out or run.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError, web};
use askama::Template;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::here;
use crate::api::agents;
use crate::api::trials::{Trial, example_payload, try_out};
use crate::api::view::RehearsalView;
use crate::app::App;
use crate::dashboard::answer::{page_with, see};
use crate::dashboard::done::Done;
use crate::dashboard::frame::{Frame, Section};
use crate::dashboard::sent::Sent;
use crate::dashboard::session::SignedIn;
use crate::ingress::Ingress;
use crate::model::{Agent, AgentId};
use crate::web::{ApiError, Body, Code};

#[derive(Template)]
#[template(path = "agent_test.html")]
struct TestPage {
    frame: Frame,
    agent_id: AgentId,
    payload: String,
    headers: String,
    /// Why no payload stands there.
    note: Option<&'static str>,
    /// Why it was refused, and where it does not match.
    refused: Option<ApiError>,
    /// The filter has left it out, or could not be asked, and why.
    ignored: Option<Option<String>>,
    rehearsal: Option<RehearsalView>,
}

impl TestPage {
    fn path(&self) -> String {
        format!("{}/test", here(self.agent_id))
    }

    /// Where a payload does not match, and how.
    fn mismatches(errors: &[serde_json::Value]) -> Vec<(String, String)> {
        let text = |entry: &serde_json::Value, name: &str| entry.get(name)?.as_str().map(ToOwned::to_owned);
        let entry = |entry| Some((text(entry, "instance_path")?, text(entry, "message")?));
        errors.iter().filter_map(entry).collect()
    }
}

/// What to try.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wish {
    payload: String,
    headers: String,
    /// Which button.
    dry_run: bool,
}

/// As the API takes it: the payload's bytes stay as they are.
#[derive(Serialize)]
struct Test<'a> {
    payload: &'a RawValue,
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<&'a RawValue>,
}

/// The form.
///
/// # Errors
/// 403: a viewer. 404: there is no such agent.
pub async fn form(
    app: web::Data<App>,
    signed_in: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let agent = agents::find(&app, &signed_in.caller, &path).await?;
    signed_in.caller.writer()?;
    let mut page = empty(&app, &signed_in, &agent);
    match example_payload(&agent).await {
        Ok(payload) => page.payload = serde_json::to_string_pretty(&payload).unwrap_or_default(),
        Err(note) => page.note = Some(note),
    }
    page_with(StatusCode::OK, &page)
}

/// Tries the payload out, or runs it and goes to its execution.
///
/// # Errors
/// 403, 404: as the API says it.
pub async fn run(
    app: web::Data<App>,
    ingress: web::Data<Ingress>,
    sent: Sent<Wish>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let Sent { signed_in, fields: Wish { payload, headers, dry_run } } = sent;
    let caller = &signed_in.caller;
    let agent = agents::find(&app, caller, &path).await?;
    caller.writer()?;
    let [payload, headers] = [payload, headers].map(|text| text.replace("\r\n", "\n"));
    let tried = match body(&payload, &headers, dry_run) {
        Ok(body) => try_out(caller, &app, &ingress, &path, body).await,
        Err(error) => Err(error),
    };
    let mut page = TestPage { payload, headers, ..empty(&app, &signed_in, &agent) };
    let status = match tried {
        Ok(Trial::Queued(id)) => return Ok(see(&app, &Done::TestQueued.at(&format!("/executions/{id}")))),
        Ok(Trial::DryRun(rehearsal)) => {
            page.rehearsal = Some(rehearsal);
            StatusCode::OK
        }
        Ok(Trial::Ignored(why)) => {
            page.ignored = Some(why);
            StatusCode::OK
        }
        Err(error) if matches!(error.code(), Code::Forbidden | Code::NotFound) => return Err(error),
        Err(error) => {
            let status = error.status_code();
            page.refused = Some(error);
            status
        }
    };
    page_with(status, &page)
}

fn body(payload: &str, headers: &str, dry_run: bool) -> Result<Body, ApiError> {
    let no_json =
        |what: &str, error| ApiError::new(Code::MalformedJson, format!("the {what} is not JSON: {error}"));
    let payload = serde_json::from_str(payload).map_err(|error| no_json("payload", error))?;
    let headers = (!headers.trim().is_empty()).then(|| serde_json::from_str(headers)).transpose();
    let headers = headers.map_err(|error| no_json("text of the headers", error))?;
    Ok(Body::of(&Test { payload, dry_run, headers }))
}

fn empty(app: &App, signed_in: &SignedIn, agent: &Agent) -> TestPage {
    TestPage {
        frame: Frame::of(app, signed_in, Section::Agents, format!("Try {}", agent.spec.name)),
        agent_id: agent.agent_id,
        payload: String::new(),
        headers: String::new(),
        note: None,
        refused: None,
        ignored: None,
        rehearsal: None,
    }
}
