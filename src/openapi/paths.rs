//! Every operation, and what is said about all of them.

use serde_json::Value;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::api;
use crate::health;
use crate::ingress;
use crate::pages;

/// Second addresses of an operation: those that users of the product's predecessor know.
const SECOND_ADDRESSES: [(&str, &str); 3] = [
    ("/api/v1/agents/{agent_id}/webhook-secret", "/api/agents/{agent_id}/webhook-secret"),
    ("/api/v1/agents/{agent_id}/webhook-secret/rotate", "/api/agents/{agent_id}/webhook-secret/rotate"),
    (
        "/api/v1/agents/{agent_id}/webhook-secret/{secret_id}",
        "/api/agents/{agent_id}/webhook-secret/{secret_id}",
    ),
];

#[derive(OpenApi)]
#[openapi(
    info(
        title = "agenthook",
        description = "Signed webhooks in, AI-agent runs in the middle, a trace of each.\n\nTimes are RFC 3339 in UTC \
                       with milliseconds, durations are in ms (`*_ms`), money is in US dollars. Unknown fields of a \
                       request are refused. Lists are read page by page: `cursor` of the next one is `next_cursor`. \
                       A trailing slash is accepted everywhere. Every refusal but a webhook's 401 is a problem \
                       document (RFC 9457) whose `code` is from a closed list and whose `type` is the address of a \
                       page that says what to do.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "webhooks", description = "What senders call."),
        (name = "agents", description = "A prompt, a model and a trigger, in immutable versions."),
        (name = "executions", description = "What ran, what came of it, and why."),
        (name = "hits", description = "What became of every POST to an agent's webhook, and why."),
        (name = "events", description = "What happened, and what there may be to hear of."),
        (name = "endpoints", description = "Who is told of events, in which form, and how that went."),
        (name = "tenants", description = "Whose agents, whose data, and whose LLM key pays."),
        (name = "keys", description = "Keys to this API: `admin` (all tenants), `operator` (writes in one), `viewer` \
                                       (reads in one)."),
        (name = "models", description = "Versions in MLflow, and who is told of them."),
        (name = "audit", description = "Who changed what, and to whom secrets were shown."),
        (name = "operation", description = "What supervisors ask."),
        (name = "documentation", description = "For people, without a key.")
    ),
    modifiers(&Security),
    paths(
        ingress::receive,
        api::agents::list, api::agents::create, api::agents::get, api::agents::update, api::agents::delete,
        api::agent_versions::list, api::agent_versions::get, api::trials::run,
        api::callback_secrets::rotate, api::webhook_secrets::get, api::webhook_secrets::rotate, api::webhook_secrets::revoke,
        api::executions::list, api::executions::get, api::export::export, api::stream::all, api::stream::one, api::timeline::get, api::stats::get,
        api::hits::list, api::hits::get,
        api::execution_actions::cancel, api::execution_actions::retry, api::execution_actions::replay,
        api::held::release, api::held::discard, api::bulk::start,
        api::tenants::list, api::tenants::create, api::tenants::get, api::tenants::update, api::tenants::delete,
        api::llm_keys::set, api::llm_keys::remove,
        api::api_keys::list, api::api_keys::create, api::api_keys::delete,
        api::models::register, api::models::notify,
        api::audit::list,
        api::webhooks::list, api::webhooks::create, api::webhooks::get, api::webhooks::replace, api::webhooks::update,
        api::webhooks::delete, api::webhook_actions::enable, api::webhook_actions::disable, api::webhook_actions::test,
        api::webhook_actions::rotate,
        api::deliveries::list, api::deliveries::get, api::deliveries::retry, api::deliveries::recover,
        api::events::publish, api::events::list, api::events::get, api::events::types,
        health::healthz, health::readyz,
        super::json, super::browser::docs, super::browser::file,
        pages::list, pages::page, pages::style
    ),
    // What is in a request only by way of a larger one that `agents` makes.
    components(schemas(crate::model::AgentSpec, api::WebhookSettings, crate::model::AuditAction, super::problems::FieldFault, super::problems::Mismatch))
)]
pub(super) struct Paths;

struct Security;

impl Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let key = Http::builder().scheme(HttpAuthScheme::Bearer).bearer_format("ahk_…");
        let key = key.description(Some("An API key.")).build();
        components.add_security_scheme("key", SecurityScheme::Http(key));
        let signature = ApiKeyValue::with_description(
            "X-Hub-Signature-256",
            "`sha256=` and the HMAC-SHA256 of the body's bytes, in hex, by the agent's webhook secret.",
        );
        components.add_security_scheme("signature", SecurityScheme::ApiKey(ApiKey::Header(signature)));
    }
}

/// Says each second address, as deprecated.
pub(super) fn add_second_addresses(document: &mut Value) {
    for (path, second) in SECOND_ADDRESSES {
        let mut item = document["paths"][path].clone();
        for operation in item.as_object_mut().into_iter().flat_map(|item| item.values_mut()) {
            let id = operation["operationId"].as_str().unwrap_or_default();
            operation["operationId"] = format!("{id}_as_before").into();
            operation["deprecated"] = true.into();
        }
        document["paths"][second] = item;
    }
}
