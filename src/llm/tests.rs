//! The client against a real HTTP server: what goes over the wire, and what comes back broken.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::model::FallbackReason;

const EXECUTION: &str = "01936f3a-0000-7000-8000-0000000000aa";
const AGENT: &str = "01936f3a-0000-7000-8000-0000000000bb";

fn client(url: &str) -> LlmClient {
    // Fails when another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let base_url = url.parse().expect("a URL");
    LlmClient::new(LlmSettings { base_url, platform_key: None, max_response_bytes: 10_000 })
        .expect("a client")
}

async fn call(client: &LlmClient, timeout: Duration) -> Result<Completion, LlmError> {
    call_with(client, timeout, &LlmConfig::of_model("gpt-4o-mini"), "You triage.", "sk-tenant").await
}

async fn call_with(
    client: &LlmClient,
    timeout: Duration,
    config: &LlmConfig,
    system_prompt: &str,
    key: &str,
) -> Result<Completion, LlmError> {
    let call = Call {
        config,
        system_prompt,
        user_message: "data",
        key: &SecretString::from(key),
        timeout,
        execution_id: EXECUTION.parse().expect("an id"),
        agent_id: AGENT.parse().expect("an id"),
        tenant_id: &"acme".parse().expect("an id"),
        attempt: 2,
    };
    client.complete(&call).await
}

const LONG: Duration = Duration::from_secs(20);

fn good() -> Value {
    json!({
        "id": "chatcmpl-1", "model": "gpt-4o-mini", "service_tier": "default",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi\0"}}],
        "usage": {
            "prompt_tokens": 1200, "completion_tokens": 300, "total_tokens": 1500,
            "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": null},
            "completion_tokens_details": {"reasoning_tokens": 256},
        },
    })
}

/// A server that always answers like this.
async fn serving(answer: ResponseTemplate) -> (MockServer, LlmClient) {
    let server = MockServer::start().await;
    Mock::given(method("POST")).and(path("/v1/chat/completions")).respond_with(answer).mount(&server).await;
    let client = client(&server.uri());
    (server, client)
}

async fn answered(answer: ResponseTemplate) -> Result<Completion, LlmError> {
    let (_server, client) = serving(answer).await;
    call(&client, LONG).await
}

/// A server that sends these bytes to everyone, slowly if told to, and hangs up.
async fn raw(parts: Vec<Vec<u8>>, pause: Duration) -> LlmClient {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = vec![0; 65_536];
            let _ = socket.read(&mut request).await;
            for part in &parts {
                if socket.write_all(part).await.is_err() {
                    break;
                }
                tokio::time::sleep(pause).await;
            }
        }
    });
    client(&url)
}

#[tokio::test]
async fn what_goes_out_is_exactly_this() {
    let (server, client) = serving(ResponseTemplate::new(200).set_body_json(good())).await;
    let config = json!({"model": "gpt-4o-mini", "temperature": 0.2, "max_tokens": 512, "stop": ["a"]});
    let config = serde_json::from_value(config).expect("a configuration");
    let prompt = "  Ticket\u{0}s ä\n<payload> ";
    call_with(&client, LONG, &config, prompt, "sk-tenant").await.expect("an answer");
    call_with(&client, Duration::from_secs(1), &config, "", "sk-tenant").await.expect("an answer");

    let requests = server.received_requests().await.expect("recorded");
    let body: Value = serde_json::from_slice(&requests[0].body).expect("JSON");
    assert_eq!(
        body,
        json!({
            "model": "gpt-4o-mini", "temperature": 0.2, "max_tokens": 512, "stop": ["a"],
            "messages": [{"role": "system", "content": prompt}, {"role": "user", "content": "data"}],
        })
    );
    let body: Value = serde_json::from_slice(&requests[1].body).expect("JSON");
    assert_eq!(body["messages"], json!([{"role": "user", "content": "data"}]), "no empty system message");

    let header = |at: usize, name: &str| {
        requests[at]
            .headers
            .get_all(name)
            .iter()
            .map(|v| v.to_str().expect("text").to_owned())
            .collect::<Vec<_>>()
    };
    let metadata = json!({"execution_id": EXECUTION, "agent_id": AGENT, "tenant_id": "acme"});
    for (name, value) in [
        ("authorization", "Bearer sk-tenant"),
        ("content-type", "application/json"),
        ("x-litellm-call-id", &format!("{EXECUTION}-2")),
        ("x-litellm-trace-id", EXECUTION),
        ("x-litellm-tags", &format!("agent:{AGENT},tenant:acme")),
        ("x-litellm-spend-logs-metadata", &metadata.to_string()),
        ("x-litellm-num-retries", "0"),
        ("x-litellm-timeout", "19"),
        ("traceparent", "00-01936f3a00007000800000000000 00aa-80000000000000ac-01".replace(' ', "").as_str()),
    ] {
        assert_eq!(header(0, name), [value], "{name}");
    }
    assert_eq!(header(1, "x-litellm-timeout"), ["0.8"]);
}

#[tokio::test]
async fn an_answer_is_read_with_all_it_reports() {
    let template = ResponseTemplate::new(200)
        .insert_header("x-litellm-response-cost", "0.0002832")
        .insert_header("x-litellm-call-id", "theirs")
        .set_body_json(good());
    let completion = answered(template).await.expect("an answer");
    let usage = Usage {
        prompt_tokens: 1200,
        completion_tokens: 300,
        total_tokens: 1500,
        cached_tokens: 1024,
        reasoning_tokens: 256,
    };
    let expected = Completion {
        output: "hi\u{FFFD}".to_owned(),
        finish_reason: Some("stop".to_owned()),
        usage: Some(usage),
        cost: Some(Cost(283_200)),
        call_id: "theirs".to_owned(),
        model: Some("gpt-4o-mini".to_owned()),
        status: 200,
    };
    assert_eq!(completion, expected);
}

#[tokio::test]
async fn everything_but_the_text_may_be_missing_or_absurd() {
    let choices = json!([{"message": {"content": "ok"}}]);
    let bare = answered(ResponseTemplate::new(200).set_body_json(json!({"choices": choices}))).await;
    let bare = bare.expect("an answer");
    assert_eq!((bare.output.as_str(), bare.usage, bare.cost, bare.model), ("ok", None, None, None));
    assert_eq!(bare.call_id, format!("{EXECUTION}-2"));

    for (usage, tokens) in [
        (json!([1]), None),
        (json!({}), None),
        (json!({"prompt_tokens": "many"}), None),
        (json!({"prompt_tokens": -5, "completion_tokens": 7.0}), Some((0, 7, 7))),
        (json!({"total_tokens": 1e300}), Some((0, 0, 1_000_000_000))),
        (json!({"prompt_tokens": u64::MAX, "total_tokens": 3}), Some((1_000_000_000, 0, 3))),
    ] {
        let body = json!({"choices": choices, "usage": usage, "model": 7});
        let completion = answered(ResponseTemplate::new(200).set_body_json(body)).await.expect("an answer");
        let seen = completion.usage.map(|u| (u.prompt_tokens, u.completion_tokens, u.total_tokens));
        assert_eq!(seen, tokens, "{usage}");
    }
    for cost in ["", "free", "-0.1", "NaN", "inf", "1e300", "None"] {
        let template = ResponseTemplate::new(200).insert_header("x-litellm-response-cost", cost);
        assert_eq!(answered(template.set_body_json(good())).await.expect("an answer").cost, None, "{cost}");
    }
}

#[tokio::test]
async fn an_answer_without_text_says_what_came_instead_and_what_it_cost() {
    let message = |message: Value| json!({"choices": [{"message": message}], "usage": good()["usage"]});
    let tool = json!([{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    for (body, says) in [
        (json!({}), "no list of choices"),
        (json!([]), "no list of choices"),
        (json!({"choices": "x"}), "no list of choices"),
        (json!({"choices": []}), "no choices"),
        (json!({"choices": [7]}), "no message"),
        (message(json!({"content": null})), "without any text"),
        (message(json!({})), "without any text"),
        (message(json!({"content": ["x"]})), "no text"),
        (message(json!({"content": 7})), "no text"),
        (message(json!({"content": null, "refusal": "I will not"})), "refused"),
        (message(json!({"content": null, "tool_calls": tool})), "tool call"),
        (message(json!({"content": "", "tool_calls": tool})), "tool call"),
        (json!({"choices": [{"message": {"content": null}, "finish_reason": "length"}]}), "max_tokens"),
        (json!({"choices": [{"message": {"content": null}, "finish_reason": "content_filter"}]}), "filter"),
    ] {
        let template = ResponseTemplate::new(200).insert_header("x-litellm-response-cost", "0.5");
        let error = answered(template.set_body_json(&body)).await.expect_err("no text");
        assert_eq!((error.code, error.retryable), (ErrorCode::LlmInvalidResponse, false), "{body}");
        assert!(error.message.contains(says), "{body}: {}", error.message);
        let billed = error.billed.expect("what it cost");
        assert_eq!(billed.cost, Some(Cost(500_000_000)));
        assert_eq!(billed.usage.is_some(), body.get("usage").is_some());
    }
    let empty = answered(ResponseTemplate::new(200).set_body_json(message(json!({"content": ""})))).await;
    assert_eq!(empty.expect("an empty text is a text").output, "");
}

#[tokio::test]
async fn what_is_no_json_is_no_success() {
    for body in ["<html>Log in</html>", "", "\"hi\" there", "{\"choices\": tru}", "\u{FEFF}{}"] {
        let error = answered(ResponseTemplate::new(200).set_body_string(body)).await.expect_err("no JSON");
        assert_eq!((error.code, error.retryable), (ErrorCode::LlmInvalidResponse, true), "{body}");
    }
    let deep = "[".repeat(9_000);
    let error = answered(ResponseTemplate::new(200).set_body_string(deep)).await.expect_err("no JSON");
    assert_eq!(error.code, ErrorCode::LlmInvalidResponse);
}

#[tokio::test]
async fn an_answer_is_never_longer_than_the_cap() {
    let long = json!({"choices": [{"message": {"content": "x".repeat(10_000)}}]});
    let error = answered(ResponseTemplate::new(200).set_body_json(long)).await.expect_err("too long");
    assert_eq!((error.code, error.retryable), (ErrorCode::LlmInvalidResponse, false));
    assert!(error.message.contains("10000"), "{}", error.message);

    // Endless and without a length: what counts is what came.
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let mut parts = vec![head];
    parts.resize(2_000, format!("1000\r\n{}\r\n", " ".repeat(0x1000)).into_bytes());
    let client = raw(parts, Duration::from_millis(1)).await;
    let error = call(&client, LONG).await.expect_err("too long");
    assert_eq!((error.code, error.retryable), (ErrorCode::LlmInvalidResponse, false));
}

#[tokio::test]
async fn half_an_answer_is_a_failure_to_repeat() {
    let body = good().to_string();
    let half = &body[..body.len() / 2];
    let length = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{half}", body.len());
    let chunk =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{half}\r\n", half.len());
    let close = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{half}");
    for wire in [length, chunk, close, "HTTP/1.1 200 O".to_owned(), String::new(), "SSH-2.0".to_owned()] {
        let client = raw(vec![wire.clone().into_bytes()], Duration::ZERO).await;
        let error = call(&client, LONG).await.expect_err("half an answer");
        assert_eq!((error.code, error.retryable), (ErrorCode::LlmUnavailable, true), "{wire}");
    }
    // An error's status says enough, even when its body is cut.
    let refusal = "HTTP/1.1 429 Too Many\r\ncontent-length: 900\r\nretry-after: 3\r\n\r\n{\"error\":";
    let client = raw(vec![refusal.as_bytes().to_vec()], Duration::ZERO).await;
    let error = call(&client, LONG).await.expect_err("a refusal");
    assert_eq!((error.code, error.retry_after), (ErrorCode::LlmRateLimited, Some(Duration::from_secs(3))));
}

#[tokio::test]
async fn a_slow_answer_ends_at_the_timeout() {
    let (_server, slow) = serving(ResponseTemplate::new(200).set_delay(LONG)).await;
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n".to_vec();
    let mut drops = vec![head];
    drops.resize(500, b" ".to_vec());
    let trickle = raw(drops, Duration::from_millis(50)).await;
    for client in [slow, trickle] {
        let start = Instant::now();
        let error = call(&client, Duration::from_millis(300)).await.expect_err("no answer");
        assert!(start.elapsed() < Duration::from_secs(5));
        assert_eq!(
            (error.code, error.retryable, error.status.is_none() || error.status == Some(200)),
            (ErrorCode::LlmTimeout, true, true)
        );
        assert!(error.message.contains("0.3 s"), "{}", error.message);
    }
}

#[tokio::test]
async fn nobody_there_is_said_without_an_address() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    for url in [format!("http://127.0.0.1:{port}"), "http://no-such-host.invalid:4000".to_owned()] {
        let error = call(&client(&url), LONG).await.expect_err("nobody there");
        assert_eq!((error.code, error.retryable, error.status), (ErrorCode::LlmUnavailable, true, None));
        assert!(error.message.contains("cannot be reached"), "{}", error.message);
        assert!(!error.message.contains("127.0.0.1") && !error.message.contains("no-such-host"));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = MockServer::start().await;
    let (_server, client) =
        serving(ResponseTemplate::new(307).insert_header("location", elsewhere.uri())).await;
    let error = call(&client, LONG).await.expect_err("no answer");
    assert_eq!((error.code, error.status), (ErrorCode::LlmUnavailable, Some(307)));
    assert!(elsewhere.received_requests().await.expect("recorded").is_empty());
}

#[tokio::test]
async fn a_key_that_no_header_can_carry_makes_no_call() {
    let (server, client) = serving(ResponseTemplate::new(200).set_body_json(good())).await;
    let config = LlmConfig::of_model("m");
    let error = call_with(&client, LONG, &config, "", "sk-a\r\nx: y").await.expect_err("no call");
    assert_eq!((error.code, error.fallback), (ErrorCode::LlmAuth, Some(FallbackReason::Rejected)));
    assert!(!error.message.contains("sk-a"));
    assert!(server.received_requests().await.expect("recorded").is_empty());
}

#[tokio::test]
async fn the_questions_of_doctor() {
    let server = MockServer::start().await;
    let models = json!({"object": "list", "data": [{"id": "a"}, {"id": "b"}, {"no": 1}]});
    let serve = |at: &str, template| Mock::given(method("GET")).and(path(at)).respond_with(template);
    serve("/llm/v1/models", ResponseTemplate::new(200).set_body_json(models)).mount(&server).await;
    serve("/llm/health/liveliness", ResponseTemplate::new(200).set_body_json("I'm alive!"))
        .mount(&server)
        .await;
    serve("/health/liveliness", ResponseTemplate::new(200).set_body_string("Welcome")).mount(&server).await;
    let refusal = json!({"error": {"message": "no", "type": "token_not_found_in_db"}});
    serve("/v1/models", ResponseTemplate::new(401).set_body_json(refusal)).mount(&server).await;
    let key = SecretString::from("sk-p");

    for prefix in ["/llm", "/llm/", "/llm/v1", "/llm/v1/"] {
        let client = client(&format!("{}{prefix}", server.uri()));
        assert_eq!(client.models(&key).await.expect("models"), ["a", "b"], "{prefix}");
        client.liveliness().await.expect("alive");
    }
    let client = client(&server.uri());
    let refused = client.models(&key).await.expect_err("a refused key");
    assert_eq!(refused.fallback, Some(FallbackReason::Rejected));
    assert!(client.liveliness().await.expect_err("no LiteLLM").message.contains("no LiteLLM proxy"));
}

#[test]
fn settings_that_no_call_could_use_are_refused() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let build = |url: &str, key: Option<&str>| {
        LlmClient::new(LlmSettings {
            base_url: url.parse().expect("a URL"),
            platform_key: key.map(SecretString::from),
            max_response_bytes: 1,
        })
    };
    for url in ["ftp://host", "mailto:a@b", "http://me:hunter2@host", "http://host/?key=1", "http://host/#a"]
    {
        let error = build(url, None).expect_err(url).to_string();
        assert!(error.starts_with("LITELLM_BASE_URL") && !error.contains("hunter2"), "{error}");
    }
    let error = build("http://host", Some("sk-secret\n")).expect_err("a bad key").to_string();
    assert!(error.starts_with("LITELLM_API_KEY") && !error.contains("secret"), "{error}");
    let client = build("https://host/llm", Some("sk-secret")).expect("a client");
    assert!(!format!("{client:?}").contains("sk-secret"), "no key in debug output");
}
