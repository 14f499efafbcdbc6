//! The front door: a POST becomes a durable execution, or is refused for one reason.
//!
//! `RawWebhook → Verified → Checked → accept`: each step takes what the one before proved, so none can be left out. The
//! order of the checks is the public contract's. Whatever becomes of a hook ([`Outcome`]) is noted ([`Hits`]).

mod accept;
mod callback;
mod check;
mod delivery;
mod headers;
mod hits;
mod outcome;
mod prefer;
mod rate;
mod raw;
mod trial;
pub mod validate;
mod verify;
mod wait;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use url::Url;

use crate::app::{AgentEntry, App};
use crate::model::{ExecutionId, Headers, HeldReason, NewExecution, SchemaPolicy};
use crate::schema::Mismatch;
use crate::store::Accepted;
use crate::web::{ApiError, Code, RequestId, to_the_end};

pub use accept::Intake;
use check::{Checked, Checker, Scope};
pub use hits::Hits;
use outcome::{Answer, Done, InvalidSignature, Outcome};
use raw::RawWebhook;
pub use trial::{Filtered, Tried};
use verify::Verified;
pub use verify::{active, standing};

/// What the front door keeps between requests.
pub struct Ingress {
    app: Arc<App>,
    intake: Intake,
    checker: Checker,
    hits: Hits,
}

impl Ingress {
    /// A front door that stores through this intake.
    #[must_use]
    pub fn new(app: Arc<App>, intake: Intake) -> Self {
        Self { hits: Hits::start(&app), app, intake, checker: Checker::default() }
    }

    /// What became of each hook.
    #[must_use]
    pub fn hits(&self) -> &Hits {
        &self.hits
    }

    /// Where a payload that was accepted does not match a schema.
    ///
    /// # Errors
    /// 503 while the server stops.
    pub async fn mismatches(
        &self,
        payload: Vec<u8>,
        schema: serde_json::Value,
    ) -> Result<Vec<Mismatch>, ApiError> {
        self.checker.against(payload, schema).await
    }

    /// What becomes of a hook that was read whole, and whose agent is known.
    async fn take(&self, hook: &Arc<RawWebhook>, entry: &Arc<AgentEntry>) -> Result<Outcome, ApiError> {
        let Some(verified) = verify::verify(hook, entry).await? else { return Ok(Outcome::Unverified) };
        let mut held = standing(&entry.agent)?;
        let (scheme, json) = (&verified.hook().scheme, hook.json());
        if let Some(handshake) = scheme.handshake(hook.as_ref(), &json) {
            check::parse(&json)?;
            return Ok(Outcome::Handshake(handshake));
        }
        let headers = headers::kept(hook.headers(), entry);
        match self.checker.check(&json, &headers, entry, Scope::Hook).await? {
            Checked::Fine => {}
            Checked::Filtered(fault) => return Ok(Outcome::Filtered(fault)),
            Checked::Mismatch(mismatches) => match verified.hook().trigger.schema_policy {
                SchemaPolicy::Reject => return Err(check::mismatch(mismatches)),
                // Of both reasons this one: who releases what came in during a pause has not looked at the payloads.
                SchemaPolicy::Quarantine => held = Some(HeldReason::Quarantine),
            },
        }
        let callback = callback::wanted(&self.app, verified.hook(), hook);
        self.accept(hook, headers, held, callback, &verified).await
    }

    /// Stores what has passed every check, unless it is there already.
    async fn accept(
        &self,
        hook: &RawWebhook,
        headers: Headers,
        held: Option<HeldReason>,
        callback: Result<Option<Url>, ApiError>,
        verified: &Verified,
    ) -> Result<Outcome, ApiError> {
        let (agent, delivery) = (&verified.entry.agent, delivery::of(verified, hook));
        // Of one POST comes one execution at most, and so its id is the request's: a hit is found by either.
        let execution_id = ExecutionId(hook.request_id);
        let waiter = match held {
            None => wait::begin(&self.app, verified.hook(), hook),
            Some(_) => None,
        };
        // Of what was accepted before nothing more is asked: its agent may call back elsewhere by now.
        let (callback, refused) = callback.map_or_else(|refused| (None, Some(refused)), |url| (url, None));
        let new = NewExecution {
            execution_id,
            tenant_id: agent.tenant_id.clone(),
            agent_id: agent.agent_id,
            agent_version: agent.version,
            payload: hook.body.to_vec(),
            secret_id: verified.secret_id,
            request_id: hook.request_id,
            dedupe_key: delivery.key,
            dedupe_until: delivery.until,
            headers,
            held,
            callback: callback.map(|url| callback::sealed(&self.app, execution_id, url)),
            received_at: hook.received_at,
            event: None,
        };
        if let Some(refused) = refused {
            let before = self.app.store.accepted_before(&new).await?;
            let Some(Accepted::Duplicate(execution_id)) = before else { return Err(refused) };
            return Ok(Outcome::Duplicate(execution_id));
        }
        let accepted = match rate::take(&self.app, &verified.entry).await? {
            Ok(taken) => {
                let accepted = self.intake.accept(new).await;
                if !matches!(accepted, Ok(Accepted::New)) {
                    self.app.rates.give_back(taken).await;
                }
                accepted?
            }
            // What is held already costs nothing, so it is nobody's rate.
            Err(over) => self.app.store.accepted_before(&new).await?.ok_or_else(|| rate::refused(&over))?,
        };
        match accepted {
            Accepted::New => {
                let status = StatusCode::from_u16(verified.hook().scheme.accepted_status());
                let status = status.unwrap_or(StatusCode::ACCEPTED);
                Ok(match (held, waiter) {
                    (Some(reason), _) => Outcome::Held(execution_id, reason, status),
                    (None, Some(wait)) => Outcome::Awaited(wait, status),
                    (None, None) => Outcome::Accepted(execution_id, status),
                })
            }
            Accepted::Duplicate(execution_id) => Ok(Outcome::Duplicate(execution_id)),
            Accepted::Mismatch => Err(ApiError::new(
                Code::IdempotencyMismatch,
                "another body was accepted under this delivery id; send a new id with a new body",
            )),
        }
    }
}

/// Deliver a webhook
///
/// Any JSON that the agent's `payload_schema` takes, signed over the body's bytes. A 202 says that it is stored and will
/// run. The same delivery again is a 200 with the same execution.
#[utoipa::path(
    post, path = "/webhook/agents/{agent_id}/webhook", tag = "webhooks", operation_id = "deliver_webhook",
    security(("signature" = [])),
    params(
        ("agent_id" = String, Path, description = "The agent.", example = "01a20174-af9d-764c-ac07-00a385c2f011"),
        ("Idempotency-Key" = Option<String>, Header, description = "Names the delivery."),
        ("X-GitHub-Delivery" = Option<String>, Header, description = "The same, as GitHub says it."),
        ("Prefer" = Option<String>, Header, description = "`wait=N` (RFC 7240): wait up to N s, 1 to 60, for the end. \
            Heeded where the agent's `allow_wait` says so.", example = "wait=10"),
        ("Agenthook-Callback-Url" = Option<String>, Header, description = "Where to tell the end of this run, on one of the \
            agent's `callback_hosts`.", example = "https://example.com/done"),
    ),
    request_body(content = serde_json::Value, example = json!({"ticket_id": "TKT-123"})),
    responses(
        (status = 202, description = "Stored; it will run, or it is `held` and runs when a person releases it.",
            body = Answer),
        (status = 204, description = "The answer to a handshake of Discord's webhook events."),
        (status = 200, description = "It was accepted before, and runs once; or it is new, and the scheme's sender takes \
                                      no other status; or its end, where the sender waited for it; or the filter leaves \
                                      it out; or it was a handshake, and this is its answer.",
            body = inline(Done), headers(
                ("Preference-Applied" = Option<String>, description = "`wait=N`: the answer is the end.")
            ), examples(
                ("duplicate" = (value = json!({
                    "status": "duplicate", "execution_id": "01a20174-af9d-764c-ac07-00a385c2f011",
                    "message": "This delivery was accepted before; it runs once"
                }))),
                ("ended" = (value = json!({
                    "execution_id": "01a20174-af9d-764c-ac07-00a385c2f011", "status": "success",
                    "output": "High priority", "error": null
                }))),
                ("ignored" = (value = json!({ "status": "ignored", "reason": "filter" })))
            )),
        (status = 400, description = "malformed_json incomplete_body"),
        (status = 401, description = "It could not be verified; the answer is the same for every reason.",
            body = InvalidSignature),
        (status = 403, description = "agent_not_active"),
        (status = 408, description = "request_timeout"),
        (status = 413, description = "payload_too_large"),
        (status = 415, description = "unsupported_media_type"),
        (status = 422, description = "schema_mismatch callback_not_allowed idempotency_mismatch"),
        (status = 429, description = "too_many_requests")
    )
)]
pub async fn receive(
    request: HttpRequest,
    payload: web::Payload,
    agent_id: web::Path<String>,
    request_id: RequestId,
    ingress: web::Data<Ingress>,
) -> Result<HttpResponse, ApiError> {
    let hook = match RawWebhook::read(&request, payload, &agent_id, request_id, &ingress.app).await {
        Ok(hook) => Arc::new(hook),
        Err((unread, error)) => {
            ingress.hits.unread(unread, &error);
            return Err(error);
        }
    };
    let Some(entry) = verify::known(&ingress.app, &hook).await? else {
        return Ok(verify::refuse(&hook).await);
    };
    // Also when the sender hangs up: what is stored is noted, and a place in a rate that was not needed is given back.
    let taken = to_the_end({
        let ingress = ingress.clone();
        async move {
            let outcome = ingress.take(&hook, &entry).await;
            ingress.hits.note(&hook, &entry, &outcome);
            (hook, entry, outcome)
        }
    });
    let (hook, entry, outcome) = taken.await?;
    if let Some(detail) = outcome.as_ref().ok().and_then(Outcome::detail) {
        tracing::debug!(agent_id = %entry.agent.agent_id, detail, "a hook was ignored");
    }
    match outcome? {
        Outcome::Unverified => Ok(verify::refuse(&hook).await),
        Outcome::Awaited(wait, status) => match wait.ended(&ingress.app).await {
            Some(answer) => Ok(answer),
            None => Ok(Outcome::Awaited(wait, status).answer()),
        },
        outcome => Ok(outcome.answer()),
    }
}
