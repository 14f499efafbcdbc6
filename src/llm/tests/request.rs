//! What goes out, and where it goes.

use super::*;

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
        ("traceparent", "00-01936f3a0000700080000000000000aa-80000000000000ac-01"),
    ] {
        assert_eq!(header(0, name), [value], "{name}");
    }
    assert_eq!(header(1, "x-litellm-timeout"), ["0.8"]);
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
