//! The error table: what LiteLLM 1.106.2 answered, and what it must mean here.

use FallbackReason::{BudgetExceeded, RateLimited, Rejected};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::*;
use crate::model::{ErrorCode, FallbackReason};

const ROUTED: &str = "x-litellm-call-id: 0197-1";
const PROVIDER: &str = "x-litellm-call-id: 0197-1\nllm_provider-x-request-id: req_1";
const NOTE: &str = "\n\nLiteLLM: model group 'X' failed with the error above and no fallback model group was \
                    found. Fallbacks are configured for: ['secret-group']";

fn answer(status: u16, headers: &str, body: impl Into<Vec<u8>>) -> Answer {
    let headers = headers.lines().map(|line| {
        let (name, value) = line.split_once(": ").expect("name: value");
        (name.parse::<HeaderName>().expect("a name"), HeaderValue::from_str(value).expect("a value"))
    });
    Answer { status, headers: headers.collect::<HeaderMap>(), body: body.into() }
}

fn error(status: u16, kind: &str, message: &str, headers: &str) -> LlmError {
    let kind = if kind.is_empty() { Value::Null } else { kind.into() };
    let body = serde_json::json!({
        "error": {"message": message, "type": kind, "param": null, "code": status.to_string()},
    });
    classify(&answer(status, headers, body.to_string()), "X")
}

#[test]
#[rustfmt::skip]
fn every_row_of_the_table() {
    let hash = "Received API Key = sk-...1234, Key Hash (Token) =854f3a09854f3a09854f3a09854f3a09";
    let unknown_key = format!("Authentication Error, Invalid proxy server token passed. {hash}");
    let denied = "The requested model 'X' is not available for this API key, or the model name is invalid.";
    let over = "Budget has been exceeded! Key=alias-of-acme (sk-...5YVw) Current cost: 4.6e-05, Max budget: 4e-05";
    let rpm = |whose: &str| format!("Rate limit exceeded for {whose}: 88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b. Limit type: requests. Current limit: 2, Remaining: 0. Limit resets at: 2026-11-22 00:49:05 UTC");
    let routed = |message: &str| format!("{message}{NOTE}");
    // (status, type, message, headers) → (code, retryable, fallback)
    let (auth, bad, rate, gone) = (LlmAuth, LlmBadRequest, LlmRateLimited, LlmUnavailable);
    type Row<'a> = (u16, &'a str, String, &'a str, ErrorCode, bool, Option<FallbackReason>);
    let rows: Vec<Row<'_>> = vec![
        (401, "auth_error", "Authentication Error, No api key passed in.".into(), "", auth, false, Some(Rejected)),
        (401, "auth_error", "LiteLLM Virtual Key expected. Received=wron****1234, expected to start with 'sk-'.".into(), "", auth, false, Some(Rejected)),
        (401, "token_not_found_in_db", unknown_key, "", auth, false, Some(Rejected)),
        (401, "expired_key", "Authentication Error - Expired Key. Key Expiry time 2026".into(), "", auth, false, Some(Rejected)),
        (401, "auth_error", "Authentication Error, Key is blocked. Update via `/key/unblock`".into(), "", auth, false, Some(Rejected)),
        (403, "key_model_access_denied", denied.into(), "", auth, false, Some(Rejected)),
        (403, "team_model_access_denied", denied.into(), "", auth, false, Some(Rejected)),
        (400, "invalid_request_error", "/chat/completions: Invalid model name passed in model=X. Call `/v1/models`".into(), ROUTED, LlmNoDeployment, false, None),
        (400, "invalid_request_error", "/chat/completions: Invalid model name passed in model=None.".into(), ROUTED, LlmNoDeployment, false, None),
        (400, "", "litellm.BadRequestError: You passed in model=X. There are no healthy deployments for this model".into(), ROUTED, LlmNoDeployment, false, None),
        (400, "invalid_request_error", "Missing required parameter: 'messages'.".into(), ROUTED, bad, false, None),
        (400, "invalid_request_error", "Invalid JSON payload: x".into(), "", bad, false, None),
        (422, "budget_exceeded", over.into(), "", LlmBudgetExceeded, false, Some(BudgetExceeded)),
        (400, "budget_exceeded", over.into(), "", LlmBudgetExceeded, false, Some(BudgetExceeded)),
        (429, "budget_exceeded", over.into(), ROUTED, LlmBudgetExceeded, false, Some(BudgetExceeded)),
        (429, "budget_exceeded", over.into(), PROVIDER, LlmBudgetExceeded, false, None),
        (429, "throttling_error", rpm("api_key"), ROUTED, rate, true, Some(RateLimited)),
        (429, "throttling_error", rpm("team"), ROUTED, rate, true, Some(RateLimited)),
        (429, "throttling_error", rpm("tag"), ROUTED, rate, true, None),
        (429, "throttling_error", rpm("api_key"), PROVIDER, rate, true, None),
        (429, "all_deployments_in_cooldown", "No deployments available for selected model, Try again in 7 seconds. Passed model=X. cooldown_list=['secret-group']".into(), ROUTED, rate, true, None),
        (429, "internal_server_error", "No deployments available for selected model.".into(), ROUTED, rate, true, None),
        (429, "throttling_error", routed("litellm.RateLimitError: RateLimitError: OpenAIException - slow down"), PROVIDER, rate, true, None),
        (429, "throttling_error", routed("litellm.RateLimitError: RateLimitError: OpenAIException - You exceeded your current quota, please check your plan"), PROVIDER, LlmBudgetExceeded, false, None),
        (401, "invalid_request_error", routed("litellm.BadRequestError: OpenAIException - Incorrect API key provided: sk-ab***yz"), PROVIDER, auth, false, None),
        (401, "auth_error", "litellm.AuthenticationError".into(), ROUTED, auth, false, None),
        (403, "permission_error", routed("litellm.APIError: APIError: OpenAIException"), PROVIDER, auth, false, None),
        (404, "invalid_request_error", routed("litellm.NotFoundError: OpenAIException"), PROVIDER, bad, false, None),
        (400, "invalid_request_error", routed("litellm.BadRequestError: OpenAIException - bad temperature"), PROVIDER, bad, false, None),
        (400, "invalid_request_error", routed("litellm.ContextWindowExceededError: 9000 > 8192"), ROUTED, bad, false, None),
        (400, "invalid_request_error", routed("litellm.BadRequestError: litellm.ContentPolicyViolationError: no"), PROVIDER, bad, false, None),
        (408, "invalid_request_error", routed("litellm.Timeout: APITimeoutError - Request timed out."), ROUTED, LlmTimeout, true, None),
        (500, "internal_server_error", routed("litellm.InternalServerError: InternalServerError: OpenAIException"), PROVIDER, gone, true, None),
        (503, "internal_server_error", routed("litellm.ServiceUnavailableError: OpenAIException"), PROVIDER, gone, true, None),
        (500, "internal_server_error", routed("litellm.InternalServerError: Connection error."), ROUTED, gone, true, None),
        (400, "no_db_connection", "No connected db.".into(), "", auth, false, None),
        (503, "no_db_connection", "Service Unavailable".into(), "", gone, true, None),
        (401, "auth_error", "Authentication Error, Error in external connector".into(), "", gone, true, None),
        (401, "auth_error", "Not allowed to access model due to tags configuration".into(), ROUTED, LlmNoDeployment, false, None),
        (418, "invalid_request_error", "short and stout".into(), ROUTED, bad, false, None),
        (529, "overloaded_error", "Overloaded".into(), ROUTED, gone, true, None),
        (402, "invalid_request_error", "Insufficient Balance".into(), ROUTED, LlmBudgetExceeded, false, None),
    ];
    for (status, kind, message, headers, code, retryable, fallback) in rows {
        let error = error(status, kind, &message, headers);
        let seen = (error.code, error.retryable, error.fallback, error.status);
        assert_eq!(seen, (code, retryable, fallback, Some(status)), "{status} {kind} {message}");
        for secret in ["854f3a", "88dc28", "sk-a", "sk-.", "****", "alias-of-acme", "4e-05", "secret-group", "LiteLLM:"] {
            assert!(!error.message.contains(secret), "{secret} in: {}", error.message);
        }
        if code == LlmNoDeployment || kind.ends_with("access_denied") {
            assert!(error.message.contains("`X`"), "{}", error.message);
        }
    }
}

#[test]
fn what_is_not_litellms_is_judged_by_its_status() {
    let page = "<html>404</html>";
    for (status, body, code, retryable) in [
        (404, r#"{"detail":"Not Found"}"#, LlmUnavailable, true),
        (405, r#"{"detail":"Method Not Allowed"}"#, LlmUnavailable, true),
        (404, page, LlmUnavailable, true),
        (302, "", LlmUnavailable, true),
        (401, page, LlmAuth, false),
        (403, page, LlmAuth, false),
        (413, page, LlmBadRequest, false),
        (400, r#"{"error":"text"}"#, LlmBadRequest, false),
        (429, page, LlmRateLimited, true),
        (502, page, LlmUnavailable, true),
        (504, "", LlmUnavailable, true),
        (204, "", LlmInvalidResponse, true),
        (999, r#"{"error":{"type":7,"message":[]}}"#, LlmUnavailable, true),
        (400, &"[".repeat(60_000), LlmBadRequest, false),
    ] {
        let error = classify(&answer(status, "", body), "X");
        assert_eq!(
            (error.code, error.retryable, error.fallback),
            (code, retryable, None),
            "{status} {body:.40}"
        );
        assert!(!error.message.contains("html"), "{}", error.message);
    }
}

#[test]
fn the_wait_is_what_the_proxy_else_the_provider_asks_for() {
    let date = "date: Sun, 22 Nov 2026 00:48:05 GMT";
    let at = |when: &str| format!("retry-after: Sun, 22 Nov 2026 {when} GMT");
    for (headers, seconds) in [
        ("retry-after: 60".to_owned(), Some(60.0)),
        ("retry-after: 0.5".to_owned(), Some(0.5)),
        ("retry-after: 7\nllm_provider-retry-after: 9".to_owned(), Some(7.0)),
        ("llm_provider-retry-after: 9".to_owned(), Some(9.0)),
        (format!("{}\n{date}", at("00:49:05")), Some(60.0)),
        (format!("{}\n{date}", at("00:47:05")), None),
        (at("00:49:05"), None),
        ("retry-after: 1e300".to_owned(), Some(86_400.0)),
        ("retry-after: inf".to_owned(), Some(86_400.0)),
        ("retry-after: -1".to_owned(), None),
        ("retry-after: NaN".to_owned(), None),
        ("retry-after: 0".to_owned(), None),
        ("retry-after: soon".to_owned(), None),
        (String::new(), None),
    ] {
        let wait = error(429, "throttling_error", "x", &headers).retry_after;
        assert_eq!(wait.map(|w| w.as_secs_f64()), seconds, "{headers}");
    }
    assert_eq!(error(401, "expired_key", "x", "retry-after: 60").retry_after, None, "permanent");
}

proptest::proptest! {
    #[test]
    fn any_answer_means_something(status: u16, body: Vec<u8>, kind: String, message: String) {
        let random = classify(&answer(status, "", body), "X");
        let shaped = error(status, &kind, &message, PROVIDER);
        proptest::prop_assert!(random.message.len() < 4000 && shaped.message.len() < 4000);
    }
}
