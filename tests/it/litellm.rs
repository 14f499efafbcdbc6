//! The LLM client against a real LiteLLM proxy, behind which `tests/litellm/fake_upstream.py` plays the
//! provider: what the proxy answers today is what the client's error table claims.
//!
//! Every test uses a key of its own (`sk-tenant-…-<random>`): the proxy counts rates by key.

use std::time::{Duration, Instant};

use agenthook::llm::{Call, Completion, KeyStanding, LlmClient, LlmError, LlmSettings, call_id_for, prompt};
use agenthook::model::ErrorCode::{self, *};
use agenthook::model::FallbackReason::{self, BudgetExceeded, RateLimited, Rejected};
use agenthook::model::{AgentId, Cost, ExecutionId, LlmConfig, Usage};
use secrecy::SecretString;
use serde_json::{Value, json};

/// What `scripts/test.sh` exports.
#[allow(clippy::disallowed_methods, reason = "the test's own settings, which the product does not have")]
fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run ./scripts/test.sh"))
}

fn client() -> LlmClient {
    // Fails when another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = LlmSettings {
        base_url: setting("AGENTHOOK_TEST_LITELLM_URL").parse().expect("a URL"),
        platform_key: None,
        max_response_bytes: 1 << 20,
    };
    LlmClient::new(settings).expect("a client")
}

/// A key by one of the rules of `tests/litellm/custom_auth.py`, with counters of its own.
fn key(rule: &str) -> SecretString {
    format!("sk-tenant-{rule}-{:08x}", rand::random::<u32>()).into()
}

async fn ask(key: &SecretString, config: &LlmConfig, message: &str) -> Result<Completion, LlmError> {
    call(key, config, message, Duration::from_secs(30)).await
}

async fn call(
    key: &SecretString,
    config: &LlmConfig,
    user_message: &str,
    timeout: Duration,
) -> Result<Completion, LlmError> {
    let call = Call {
        config,
        system_prompt: "You triage tickets.",
        user_message,
        key,
        timeout,
        execution_id: ExecutionId::new(),
        agent_id: AgentId::new(),
        tenant_id: &"acme".parse().expect("a tenant id"),
        attempt: 1,
    };
    let answer = client().complete(&call).await;
    if let Ok(completion) = &answer {
        assert_eq!(completion.call_id, call_id_for(call.execution_id, 1), "the proxy takes our call id");
        assert_eq!(completion.status, 200);
    }
    answer
}

async fn ask_model(model: &str) -> Result<Completion, LlmError> {
    ask(&key("ok"), &LlmConfig::of_model(model), "hello").await
}

#[tokio::test]
async fn the_mock_model_answers_with_tokens_and_cost() {
    let answer = ask_model("mock-model").await.expect("an answer");
    assert_eq!(answer.output, "Priority: P2. The user cannot sign in since the password reset.");
    assert_eq!(
        (answer.finish_reason.as_deref(), answer.model.as_deref()),
        (Some("stop"), Some("mock-model"))
    );
    let usage = Usage { prompt_tokens: 10, completion_tokens: 20, total_tokens: 30, ..Usage::default() };
    assert_eq!((answer.usage, answer.cost), (Some(usage), Some(Cost(50_000))));
}

#[tokio::test]
async fn cached_and_reasoning_tokens_and_their_cost_are_read() {
    let answer = ask_model("usage-details").await.expect("an answer");
    let usage = Usage {
        prompt_tokens: 1200,
        completion_tokens: 300,
        total_tokens: 1500,
        cached_tokens: 1024,
        reasoning_tokens: 256,
    };
    assert_eq!((answer.usage, answer.cost), (Some(usage), Some(Cost(283_200))));
}

#[tokio::test]
async fn the_provider_gets_what_the_agent_says_and_nothing_of_ours() {
    let sampling = json!({
        "model": "echo-model", "temperature": 0.2, "top_p": 0.5, "max_tokens": 512, "stop": ["END"],
        "presence_penalty": 0.1, "frequency_penalty": 0.2, "seed": 7, "logprobs": true, "top_logprobs": 2,
        "logit_bias": {"50256": -100.0}, "response_format": {"type": "json_object"},
    });
    let config: LlmConfig = serde_json::from_value(sampling.clone()).expect("a configuration");
    let message = prompt::user_message("{\"a\": \"\\u0000 ä 😀\"}".as_bytes(), prompt::random_marker);
    let answer = ask(&key("ok"), &config, &message).await.expect("an answer");
    assert_eq!(answer.cost, None, "the proxy has no price for it");

    let sent: Value = serde_json::from_str(&answer.output).expect("the echo is JSON");
    let mut expected = sampling;
    expected["messages"] = json!([
        {"role": "system", "content": "You triage tickets."},
        {"role": "user", "content": message},
    ]);
    assert_eq!(sent["body"], expected);
    assert_eq!(sent["headers"]["authorization"], "Bearer sk-provider-key-of-the-operator");
    assert_eq!(sent["headers"]["traceparent"], Value::Null);
    assert!(!sent.to_string().contains("sk-tenant"), "the tenant's key stays with the proxy");
}

#[tokio::test]
async fn a_model_that_the_proxy_lacks_is_named() {
    let error = ask_model("gpt-99").await.expect_err("no such model");
    assert_eq!((error.code, error.retryable, error.fallback), (LlmNoDeployment, false, None));
    assert!(error.message.contains("`gpt-99`") && error.message.contains("model_list"), "{}", error.message);
}

#[tokio::test]
async fn a_refused_key_says_why_and_what_it_means_for_a_fallback() {
    let cases: [(SecretString, &str, ErrorCode, FallbackReason, &str); 8] = [
        ("sk-nobody".into(), "mock-model", LlmAuth, Rejected, "does not know it"),
        ("no-key-at-all".into(), "mock-model", LlmAuth, Rejected, "start with `sk-`"),
        (key("expired"), "mock-model", LlmAuth, Rejected, "expired"),
        (key("blocked"), "mock-model", LlmAuth, Rejected, "blocked"),
        (key("allowlist"), "echo-model", LlmAuth, Rejected, "`echo-model`"),
        (key("allowlist"), "gpt-99", LlmAuth, Rejected, "`gpt-99`"),
        (key("broke"), "mock-model", LlmBudgetExceeded, BudgetExceeded, "budget"),
        (key("broke"), "echo-model", LlmBudgetExceeded, BudgetExceeded, "budget"),
    ];
    for (key, model, code, fallback, says) in cases {
        let error = ask(&key, &LlmConfig::of_model(model), "hello").await.expect_err("a refused key");
        let seen = (error.code, error.retryable, error.fallback);
        assert_eq!(seen, (code, false, Some(fallback)), "{model}: {}", error.message);
        assert!(error.message.contains(says), "{}", error.message);
        for secret in ["sk-t", "sk-.", "sk-n", "no-k", "roke", "4e-05"] {
            assert!(!error.message.contains(secret), "{secret} in {}", error.message);
        }
    }
    let allowed = ask(&key("allowlist"), &LlmConfig::of_model("mock-model"), "hello").await;
    allowed.expect("its own model is allowed");
}

#[tokio::test]
async fn a_key_over_its_rate_waits_for_the_window() {
    let (key, model) = (key("rpm"), LlmConfig::of_model("mock-model"));
    ask(&key, &model, "hello").await.expect("the first of a minute");
    let error = ask(&key, &model, "hello").await.expect_err("the second");
    assert_eq!((error.code, error.retryable, error.fallback), (LlmRateLimited, true, Some(RateLimited)));
    assert_eq!((error.status, error.retry_after), (Some(429), Some(Duration::from_secs(60))));
}

#[tokio::test]
async fn a_slow_provider_ends_in_the_proxys_own_timeout() {
    let start = Instant::now();
    let slow = LlmConfig::of_model("slow-model");
    let error = call(&key("ok"), &slow, "hello", Duration::from_secs(3)).await.expect_err("too slow");
    assert_eq!((error.code, error.retryable, error.fallback), (LlmTimeout, true, None));
    assert_eq!(error.status, Some(408), "x-litellm-timeout is the shorter one");
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn after_a_fallback_in_the_proxy_the_trace_names_what_answered() {
    let answer = ask_model("fails-then-falls-back").await.expect("the fallback answers");
    assert_eq!(answer.model.as_deref(), Some("mock-model"));
    assert_eq!(answer.cost, Some(Cost(50_000)));
}

#[tokio::test]
async fn a_providers_failure_is_never_blamed_on_the_callers_key() {
    let unavailable = (LlmUnavailable, true);
    for (model, (code, retryable), wait, says) in [
        ("provider-401", (LlmAuth, false), None, "operator must repair"),
        ("provider-403", (LlmAuth, false), None, "operator must repair"),
        ("provider-404", (LlmBadRequest, false), None, "does not exist"),
        ("provider-429", (LlmRateLimited, true), Some(7), "provider"),
        ("provider-quota", (LlmBudgetExceeded, false), None, "provider's quota"),
        ("provider-500", unavailable, None, "The server had an error"),
        ("provider-503", unavailable, Some(3), "overloaded"),
        ("refused-model", unavailable, None, "Connection error"),
        ("hang-up-model", unavailable, None, "Connection error"),
        ("garbage-model", unavailable, None, "invalid response"),
        ("context-window", (LlmBadRequest, false), None, "too long"),
        ("content-policy", (LlmBadRequest, false), None, "content policy"),
    ] {
        let error = ask_model(model).await.expect_err(model);
        let seen = (error.code, error.retryable, error.fallback, error.retry_after);
        assert_eq!(
            seen,
            (code, retryable, None, wait.map(Duration::from_secs)),
            "{model}: {}",
            error.message
        );
        assert!(error.message.contains(says), "{model}: {}", error.message);
        assert!(error.call_id.is_some(), "{model} was routed");
        for secret in ["sk-", "fails-then-falls-back", "mock-model", "LiteLLM:"] {
            assert!(!error.message.contains(secret), "{secret} in {}", error.message);
        }
    }
}

#[tokio::test]
async fn an_answer_of_no_use_is_no_success() {
    let tool = ask_model("tool-call-model").await.expect_err("no text");
    assert_eq!((tool.code, tool.retryable), (LlmInvalidResponse, false));
    assert!(tool.message.contains("tool call"), "{}", tool.message);
    assert!(tool.billed.expect("it was paid").usage.is_some());

    let huge = ask_model("huge-model").await.expect_err("8 MB are too long");
    assert_eq!((huge.code, huge.retryable), (LlmInvalidResponse, false));

    let cut_off = ask_model("cut-off-model").await.expect("a text, if short");
    assert_eq!(cut_off.finish_reason.as_deref(), Some("length"));
}

/// The test's proxy would try three times by itself.
#[tokio::test]
async fn one_call_is_one_call_at_the_provider() {
    let marker = format!("{:032x}", prompt::random_marker());
    ask(&key("ok"), &LlmConfig::of_model("provider-503"), &marker).await.expect_err("a failure");
    let upstream = setting("AGENTHOOK_TEST_UPSTREAM_URL");
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let calls = http.get(format!("{upstream}/calls?contains={marker}")).send().await.expect("an answer");
    let calls: Value = calls.json().await.expect("JSON");
    assert_eq!(calls["total"], 1);
}

#[tokio::test]
async fn doctor_sees_whether_a_key_is_accepted() {
    let client = client();
    client.liveliness().await.expect("alive");
    let all = client.models(&key("ok")).await.expect("models");
    assert!(["mock-model", "echo-model"].iter().all(|model| all.iter().any(|m| m == model)), "{all:?}");
    assert_eq!(client.models(&key("allowlist")).await.expect("models"), ["mock-model"]);
    for key in [SecretString::from("sk-nobody"), key("expired"), key("blocked")] {
        let error = client.models(&key).await.expect_err("a refused key");
        assert_eq!((error.code, error.fallback), (LlmAuth, Some(Rejected)), "{}", error.message);
    }
}

/// This proxy has no database, so `/key/info` knows nothing, and `/v1/models` decides.
#[tokio::test]
async fn a_key_is_known_for_what_it_is_before_it_is_stored() {
    let client = client();
    let master = SecretString::from(setting("AGENTHOOK_TEST_LITELLM_MASTER_KEY"));
    for good in [key("ok"), key("allowlist"), master] {
        assert_eq!(client.key_standing(&good).await, KeyStanding::Valid);
    }
    for (bad, says) in [
        (SecretString::from("sk-nobody"), "does not know it"),
        ("no-key-at-all".into(), "start with `sk-`"),
        (key("expired"), "expired"),
        (key("blocked"), "blocked"),
    ] {
        match client.key_standing(&bad).await {
            KeyStanding::Refused(why) => assert!(why.contains(says), "{why}"),
            other => panic!("{says}: {other:?}"),
        }
    }
    match client.key_standing(&key("broke")).await {
        KeyStanding::Limited(why) => assert!(why.contains("budget"), "{why}"),
        other => panic!("a spent budget: {other:?}"),
    }
}
