//! Who pays: the tenant's key, the platform's, or nobody. Never another than policy says, and never silently.

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::harness::{Agent, PLATFORM_KEY, Server, Setup, completion, error, key_of};
use agenthook::config::SettingsArgs;

const TENANT_KEY: &str = "sk-the-tenants-own-key-wxyz";
const ALL_REASONS: [&str; 4] = ["missing", "rejected", "budget_exceeded", "rate_limited"];

/// A tenant with these fields, its key if it has one, and an agent that calls once.
async fn agent_of(server: &Server, tenant_id: &str, fields: Value, key: Option<&str>) -> Agent {
    let mut tenant = json!({ "tenant_id": tenant_id });
    tenant.as_object_mut().expect("an object").extend(fields.as_object().expect("fields").clone());
    server.tenant(tenant).await;
    if let Some(key) = key {
        server.set_llm_key(tenant_id, key).await;
    }
    server.agent_with(json!({"tenant_id": tenant_id, "retry": {"max_attempts": 1}})).await
}

/// What LiteLLM says to a tenant's key that it does not like; the platform's it likes.
fn refuses_the_tenant(refusal: ResponseTemplate) -> impl Fn(&wiremock::Request) -> ResponseTemplate {
    move |call| if key_of(call) == TENANT_KEY { refusal.clone() } else { completion("paid by the platform") }
}

/// LiteLLM's three refusals of a key, by the `fallback_on` that each is.
fn refusals() -> [(&'static str, &'static str, ResponseTemplate); 3] {
    let rejected = "Authentication Error, Invalid proxy server token passed. Received API Key = sk-...wxyz";
    let broke = "Budget has been exceeded! Key=acme (sk-...wxyz) Current cost: 4.6e-05, Max budget: 4e-05";
    let fast =
        "Rate limit exceeded for api_key: 88dc28d0f. Limit type: requests. Current limit: 2, Remaining: 0";
    [
        ("rejected", "llm_auth", error(401, "token_not_found_in_db", rejected)),
        ("budget_exceeded", "llm_budget_exceeded", error(422, "budget_exceeded", broke)),
        (
            "rate_limited",
            "llm_rate_limited",
            error(429, "throttling_error", fast)
                .insert_header("x-litellm-call-id", "c-1")
                .insert_header("retry-after", "60"),
        ),
    ]
}

/// `(key_source, status_code, error.code)` of every attempt.
fn attempts(trace: &Value) -> Vec<(&str, Option<u64>, Option<&str>)> {
    let attempts = trace["attempts"].as_array().expect("attempts").iter();
    attempts
        .map(|a| {
            (
                a["key_source"].as_str().expect("a word"),
                a["status_code"].as_u64(),
                a["error"]["code"].as_str(),
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_policy_pays_with_the_key_that_it_names() {
    let server = Server::start().await;
    let (tenants, platforms) = (Some((TENANT_KEY, "tenant")), Some((PLATFORM_KEY, "platform")));
    let cases = [
        (json!({}), true, tenants),
        (json!({}), false, platforms),
        (json!({"fallback_on": []}), true, tenants),
        (json!({"fallback_on": []}), false, None),
        (json!({"fallback_on": ["rejected"]}), false, None),
        (json!({"key_policy": "tenant_only"}), true, tenants),
        (json!({"key_policy": "tenant_only"}), false, None),
        (json!({"key_policy": "tenant_only", "fallback_on": ALL_REASONS}), false, None),
        (json!({"key_policy": "platform_only"}), true, platforms),
        (json!({"key_policy": "platform_only", "fallback_on": []}), false, platforms),
    ];
    let mut keys = Vec::new();
    for (index, (fields, has_key, payer)) in cases.into_iter().enumerate() {
        let id = format!("tenant-{index}");
        let agent = agent_of(&server, &id, fields.clone(), has_key.then_some(TENANT_KEY)).await;
        let trace = agent.run(&server, "{}").await;
        keys.extend(payer.map(|(key, _)| key));
        assert_eq!(server.llm.keys().await, keys, "{fields}");
        let source = payer.map(|(_, source)| source);
        assert_eq!(trace["key_source"].as_str(), source, "{fields}: {trace}");
        match source {
            Some(source) => assert_eq!(attempts(&trace), [(source, Some(200), None)], "{fields}"),
            None => {
                assert_eq!(trace["status"], "failed", "{fields}");
                assert_eq!(
                    (&trace["error"]["code"], &trace["error"]["retryable"]),
                    (&json!("no_key"), &json!(false))
                );
                assert!(attempts(&trace).is_empty(), "no call, no attempt: {trace}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_tenant_key_costs_the_platform_nothing_unless_policy_says_so() {
    let server = Server::start().await;
    for (reason, code, refusal) in refusals() {
        server.llm.answers(refuses_the_tenant(refusal));
        let others: Vec<_> = ALL_REASONS.into_iter().filter(|other| *other != reason).collect();
        let policies = [
            json!({}),
            json!({ "fallback_on": others }),
            json!({"key_policy": "tenant_only", "fallback_on": ALL_REASONS}),
        ];
        for (index, policy) in policies.into_iter().enumerate() {
            let calls = server.llm.calls().await.len();
            let agent = agent_of(&server, &format!("{reason}-{index}"), policy, Some(TENANT_KEY)).await;
            let trace = agent.run(&server, "{}").await;
            assert_eq!(
                (&trace["status"], &trace["error"]["code"]),
                (&json!("failed"), &json!(code)),
                "{trace}"
            );
            assert_eq!(trace["key_source"], "tenant");
            assert!(
                matches!(attempts(&trace)[..], [("tenant", Some(_), Some(seen))] if seen == code),
                "{trace}"
            );
            assert_eq!(server.llm.keys().await[calls..], [TENANT_KEY], "no call for the platform");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_reason_makes_one_more_attempt_that_is_no_retry() {
    let server = Server::start().await;
    for (reason, code, refusal) in refusals() {
        server.llm.answers(refuses_the_tenant(refusal));
        let calls = server.llm.calls().await.len();
        let agent =
            agent_of(&server, reason, json!({"fallback_on": ["missing", reason]}), Some(TENANT_KEY)).await;
        let trace = agent.run(&server, "{}").await;
        // max_attempts is 1: had the refusal been counted, there would be no second call.
        assert_eq!((&trace["status"], &trace["output"]), (&json!("success"), &json!("paid by the platform")));
        let seen = attempts(&trace);
        assert_eq!((seen[0].0, seen[0].2), ("tenant", Some(code)));
        assert_eq!(seen[1..], [("platform", Some(200), None)]);
        assert_eq!((&trace["key_source"], &trace["error"]), (&json!("platform"), &json!(null)));
        assert_eq!(server.llm.keys().await[calls..], [TENANT_KEY, PLATFORM_KEY]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_asks_the_tenants_key_first_again_and_the_fallbacks_stay_uncounted() {
    let server = Server::start().await;
    let [(_, _, refusal), ..] = refusals();
    let down = error(500, "internal_server_error", "litellm.InternalServerError: oh");
    server.llm.answers_in_turn([refusal.clone(), down, refusal, completion("at last")]);
    server.tenant(json!({"tenant_id": "acme", "fallback_on": ["rejected"]})).await;
    server.set_llm_key("acme", TENANT_KEY).await;
    let agent = server.agent_with(json!({"retry": {"max_attempts": 2, "initial_delay_ms": 0}})).await;
    let trace = agent.run(&server, "{}").await;
    assert_eq!(trace["output"], "at last", "{trace}");
    let payers: Vec<_> = attempts(&trace).into_iter().map(|(payer, ..)| payer).collect();
    assert_eq!(payers, ["tenant", "platform", "tenant", "platform"]);
    assert_eq!(server.llm.keys().await, [TENANT_KEY, PLATFORM_KEY, TENANT_KEY, PLATFORM_KEY]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_refusal_is_nobodys_key() {
    let server = Server::start().await;
    let message = "litellm.AuthenticationError: OpenAIException - Incorrect API key provided: sk-prov...";
    for (index, (status, header)) in
        [(401, "x-litellm-call-id"), (401, "llm_provider-date"), (403, "llm_provider-date")]
            .into_iter()
            .enumerate()
    {
        let refusal = error(status, "invalid_request_error", message).insert_header(header, "1");
        server.llm.answers(refuses_the_tenant(refusal));
        let calls = server.llm.calls().await.len();
        let policy = json!({ "fallback_on": ALL_REASONS });
        let agent = agent_of(&server, &format!("tenant-{index}"), policy, Some(TENANT_KEY)).await;
        let trace = agent.run(&server, "{}").await;
        assert_eq!(
            (&trace["status"], &trace["error"]["code"]),
            (&json!("failed"), &json!("llm_auth")),
            "{trace}"
        );
        assert_eq!(server.llm.keys().await[calls..], [TENANT_KEY], "the platform's key would fare no better");
        assert!(!trace.to_string().contains("sk-prov"), "{trace}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_platform_key_nothing_stands_in() {
    let args = SettingsArgs { litellm_api_key: Some("".into()), ..SettingsArgs::default() };
    let server = Server::with(Setup { args, ..Setup::default() }).await;
    let without = agent_of(&server, "without", json!({}), None).await;
    assert_eq!(without.run(&server, "{}").await["error"]["code"], "no_key");
    assert!(server.llm.calls().await.is_empty());

    let [(_, code, refusal), ..] = refusals();
    server.llm.answers(refusal);
    let with = agent_of(&server, "with", json!({"fallback_on": ALL_REASONS}), Some(TENANT_KEY)).await;
    assert_eq!(with.run(&server, "{}").await["error"]["code"], code);
    assert_eq!(server.llm.keys().await, [TENANT_KEY]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_the_tenant_may_not_call_is_not_called() {
    let server = Server::start().await;
    let agent = agent_of(&server, "acme", json!({"allowed_models": ["gpt-4o"]}), None).await;
    let trace = agent.run(&server, r#"{"try":1}"#).await;
    assert_eq!((&trace["status"], &trace["error"]["code"]), (&json!("failed"), &json!("model_not_allowed")));
    assert!(trace["error"]["message"].as_str().is_some_and(|m| m.contains("gpt-4o-mini")), "{trace}");
    assert!(attempts(&trace).is_empty() && trace["key_source"].is_null(), "{trace}");
    assert!(server.llm.calls().await.is_empty());

    let allow = |models: Value| json!({ "allowed_models": models });
    for models in [json!(["gpt-4o", "gpt-4o-mini"]), json!(null)] {
        server.expect(200, "PATCH", "/api/v1/tenants/acme", Some(allow(models.clone()))).await;
        let trace = agent.run(&server, json!({ "allowed": models }).to_string()).await;
        assert_eq!(trace["status"], "success", "{models}");
    }
    server.expect(200, "PATCH", "/api/v1/tenants/acme", Some(allow(json!([])))).await;
    assert_eq!(
        agent.run(&server, "[]").await["error"]["code"],
        "model_not_allowed",
        "an empty list allows none"
    );
}
