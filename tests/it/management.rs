//! The management API: tenants and agents made, listed, found and removed.

use serde_json::{Value, json};

use crate::harness::Server;

/// Every item of a list, read page by page, and the sizes of the pages.
async fn pages(server: &Server, path: &str, name: &str, limit: usize) -> (Vec<Value>, Vec<usize>) {
    let (mut items, mut sizes, mut cursor) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = server.get(&format!("{path}limit={limit}{cursor}")).await;
        let shown = page[name].as_array().expect("a list");
        sizes.push(shown.len());
        items.extend(shown.iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { return (items, sizes) };
        cursor = format!("&cursor={next}");
    }
}

fn names(items: &[Value], field: &str) -> Vec<String> {
    items.iter().map(|item| item[field].as_str().expect("text").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_life() {
    let server = Server::start().await;
    let made = server.tenant(json!({"tenant_id": "acme"})).await;
    let time = &made["created_at"];
    assert!(time.as_str().is_some_and(|t| t.len() == 24 && t.ends_with('Z')), "milliseconds, UTC: {time}");
    let expected = json!({
        "tenant_id": "acme", "name": null, "key_policy": "tenant_then_platform", "fallback_on": ["missing"],
        "allowed_models": null, "rate_limit": null, "concurrency": null, "llm_key": {"configured": false},
        "created_at": time, "updated_at": time,
    });
    assert_eq!(made, expected);
    assert_eq!(server.get("/api/v1/tenants/acme").await, made);
    let (status, answer) = server.api("POST", "/api/v1/tenants", Some(json!({"tenant_id": "acme"}))).await;
    assert_eq!((status, &answer["code"]), (409, &json!("conflict")));

    let change = json!({"name": "Acme", "key_policy": "tenant_only", "fallback_on": ["rejected"], "allowed_models": ["m"]});
    let changed = server.expect(200, "PATCH", "/api/v1/tenants/acme", Some(change.clone())).await;
    for (field, value) in change.as_object().expect("an object") {
        assert_eq!(&changed[field], value);
    }
    let renamed = server.expect(200, "PATCH", "/api/v1/tenants/acme", Some(json!({"name": "A"}))).await;
    assert_eq!(
        (&renamed["name"], &renamed["key_policy"]),
        (&json!("A"), &json!("tenant_only")),
        "the rest stays"
    );
    let nulls = json!({"name": null, "key_policy": null, "fallback_on": null, "allowed_models": null});
    let mut reset = server.expect(200, "PATCH", "/api/v1/tenants/acme", Some(nulls)).await;
    reset["updated_at"] = time.clone();
    assert_eq!(reset, made, "null is the default again");

    server.expect(204, "DELETE", "/api/v1/tenants/acme", None).await;
    for method in ["GET", "DELETE"] {
        server.expect(404, method, "/api/v1/tenants/acme", None).await;
    }
    server.expect(404, "PATCH", "/api/v1/tenants/acme", Some(json!({}))).await;
    server.agent().await;
    let (status, answer) = server.api("DELETE", "/api/v1/tenants/acme", None).await;
    assert_eq!((status, &answer["code"]), (409, &json!("conflict")), "it has an agent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_a_fault_is_refused_where_the_fault_is() {
    let server = Server::start().await;
    let long = "x".repeat(101);
    for (tenant, pointer) in [
        (json!({}), "/tenant_id"),
        (json!(["acme", null, "tenant_only", null, null, null, null]), ""),
        (json!({"tenant_id": ""}), "/tenant_id"),
        (json!({"tenant_id": "a b"}), "/tenant_id"),
        (json!({"tenant_id": ".."}), "/tenant_id"),
        (json!({"tenant_id": long}), "/tenant_id"),
        (json!({"tenant_id": "a", "name": "x".repeat(201)}), "/name"),
        (json!({"tenant_id": "a", "name": "a\0b"}), "/name"),
        (json!({"tenant_id": "a", "key_policy": "nobody"}), "/key_policy"),
        (json!({"tenant_id": "a", "fallback_on": ["missing", "boredom"]}), "/fallback_on/1"),
        (json!({"tenant_id": "a", "allowed_models": [""]}), "/allowed_models"),
        (json!({"tenant_id": "a", "allowed_models": ["a\0"]}), "/allowed_models/0"),
        (json!({"tenant_id": "a", "rate_limit": {"per_minute": 1}}), "/rate_limit/burst"),
        (json!({"tenant_id": "a", "role": "admin"}), "/role"),
        (json!({"tenant_id": "a", "llm_key": "sk-x"}), "/llm_key"),
        (json!({"tenant_id": "a", "a/b~c": 1}), "/a~1b~0c"),
    ] {
        let answer = server.expect(422, "POST", "/api/v1/tenants", Some(tenant.clone())).await;
        assert_eq!(
            (&answer["code"], &answer["errors"][0]["pointer"]),
            (&json!("invalid_request"), &json!(pointer)),
            "{tenant}: {answer}"
        );
    }
    assert_eq!(server.get("/api/v1/tenants").await, json!({"tenants": [], "next_cursor": null}));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_read_to_their_end_page_by_page() {
    let server = Server::start().await;
    let mut tenants: Vec<_> = (0..7).map(|n| format!("tenant-{}", (b'a' + (n * 3 % 7)) as char)).collect();
    let mut agents = Vec::new();
    for tenant in &tenants {
        agents.push(server.agent_with(json!({"tenant_id": tenant})).await.id);
        agents.push(server.agent_with(json!({"tenant_id": tenant})).await.id);
    }
    let of_the_first = [agents[1].clone(), agents[0].clone()];
    let first = tenants[0].clone();
    tenants.sort();
    agents.reverse();
    for limit in [1, 2, 3, 7, 200] {
        let (found, sizes) = pages(&server, "/api/v1/tenants?", "tenants", limit).await;
        assert_eq!(names(&found, "tenant_id"), tenants, "{limit}");
        assert!(sizes.iter().all(|size| (1..=limit).contains(size)), "{sizes:?}");
        let (found, _) = pages(&server, "/api/v1/agents?", "agents", limit).await;
        assert_eq!(names(&found, "agent_id"), agents, "the newest first, by {limit}");
        let (found, _) = pages(&server, &format!("/api/v1/agents?tenant_id={first}&"), "agents", limit).await;
        assert_eq!(names(&found, "agent_id"), of_the_first, "{limit}");
    }
    assert_eq!(
        server.get("/api/v1/agents?tenant_id=nobody").await,
        json!({"agents": [], "next_cursor": null})
    );
    for wrong in ["limit=0", "limit=201", "limit=-1", "limit=x", "limit=", "page=2", "cursor=%20"] {
        server.expect(422, "GET", &format!("/api/v1/tenants?{wrong}"), None).await;
        server.expect(422, "GET", &format!("/api/v1/agents?{wrong}"), None).await;
    }
    server.expect(422, "GET", "/api/v1/agents?cursor=tenant-a", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_shown_as_it_was_made() {
    let server = Server::start().await;
    let plain = server.agent().await;
    let shown = server.get(&format!("/api/v1/agents/{}", plain.id)).await;
    assert_eq!(
        shown,
        json!({
            "agent_id": plain.id, "tenant_id": "acme", "version": 1, "name": "Triage", "status": "active",
            "system_prompt": "You triage tickets.", "llm_config": {"model": "gpt-4o-mini"},
            "trigger": {
                "type": "webhook", "scheme": "hub", "secret_encoding": "base64", "payload_schema": null,
                "dedupe": {"by": "id", "window_seconds": 86_400, "identical_seconds": 300},
                "filter": null, "prompt_template": null, "rate_limit": null, "concurrency": null,
                "when_paused": "refuse", "schema_policy": "reject", "custom": null, "allow_wait": false, "callback_hosts": null,
            },
            "retry": {"max_attempts": 3, "backoff": "exponential", "initial_delay_ms": 1000, "max_delay_ms": 60_000},
            "timeout_seconds": 120, "webhook_url": plain.webhook_url,
            "created_at": shown["created_at"], "updated_at": shown["created_at"],
        })
    );
    assert_eq!(plain.webhook_url, format!("{}/webhook/agents/{}/webhook", server.url, plain.id));
    let sampling = json!({
        "model": "openai/gpt-4o", "temperature": 0.25, "top_p": 1.0, "max_tokens": 1, "max_completion_tokens": 2,
        "stop": ["a", "b"], "presence_penalty": -1.5, "frequency_penalty": 2.0, "logit_bias": {"50256": -100.0},
        "logprobs": true, "top_logprobs": 3, "seed": -7, "response_format": {"type": "json_object"},
        "reasoning_effort": "low", "verbosity": "high",
    });
    let full = server.agent_with(json!({"llm_config": sampling, "system_prompt": " ä\r\n\u{1F600} "})).await;
    let shown = server.get(&format!("/api/v1/agents/{}", full.id)).await;
    assert_eq!((&shown["llm_config"], &shown["system_prompt"]), (&sampling, &json!(" ä\r\n\u{1F600} ")));
    full.run(&server, "{}").await;
    let [call] = server.llm.bodies().await.try_into().expect("one call");
    assert_eq!(call["messages"][0]["content"], " ä\r\n\u{1F600} ");
    for (field, value) in sampling.as_object().expect("an object") {
        assert_eq!(&call[field], value);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_cannot_say_more_about_its_call_than_how_it_samples() {
    let server = Server::start().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let create = async |field: &str, value: Value| {
        let mut agent = json!({"tenant_id": "acme", "name": "a", "llm_config": {"model": "m"}});
        agent["llm_config"][field] = value;
        server.expect(422, "POST", "/api/v1/agents", Some(agent)).await
    };
    for field in [
        "api_base",
        "base_url",
        "api_key",
        "api_version",
        "extra_headers",
        "extra_body",
        "headers",
        "user_config",
        "mock_response",
        "mock_tool_calls",
        "messages",
        "prompt",
        "stream",
        "stream_options",
        "n",
        "tools",
        "tool_choice",
        "functions",
        "user",
        "metadata",
        "tags",
        "fallbacks",
        "num_retries",
        "timeout",
        "custom_llm_provider",
        "organization",
        "cache",
        "model_list",
        "litellm_params",
        "aws_access_key_id",
        "vertex_credentials",
        "Model",
        "",
    ] {
        let answer = create(field, json!("x")).await;
        assert_eq!(answer["errors"][0]["pointer"], format!("/llm_config/{field}"), "{answer}");
    }
    for (field, value) in [
        ("temperature", json!("hot")),
        ("temperature", json!(2.1)),
        ("top_p", json!(-0.1)),
        ("max_tokens", json!(0)),
        ("max_tokens", json!(1.5)),
        ("stop", json!({})),
        ("model", json!("a\nb")),
        ("model", json!("x".repeat(201))),
    ] {
        let answer = create(field, value.clone()).await;
        assert_eq!(answer["errors"][0]["pointer"], format!("/llm_config/{field}"), "{value}: {answer}");
    }
    assert_eq!(server.get("/api/v1/agents").await["agents"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_changes_of_a_tenant_at_once_are_both_kept() {
    let server = Server::start().await;
    for round in 0..20 {
        let path = format!("/api/v1/tenants/t{round}");
        server.tenant(json!({"tenant_id": format!("t{round}")})).await;
        let change = |fields| server.api("PATCH", &path, Some(fields));
        let (policy, name) =
            tokio::join!(change(json!({"key_policy": "tenant_only"})), change(json!({"name": "new"})));
        assert_eq!((policy.0, name.0), (200, 200));
        let tenant = server.get(&path).await;
        assert_eq!((&tenant["key_policy"], &tenant["name"]), (&json!("tenant_only"), &json!("new")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_null_does_not_smuggle_an_unknown_field() {
    let server = Server::start().await;
    let agent = server.agent().await;
    for change in
        [json!({"bogus": null}), json!({"trigger": {"nope": null}}), json!({"llm_config": {"stream": null}})]
    {
        let (status, body) = server.api("PATCH", &format!("/api/v1/agents/{}", agent.id), Some(change)).await;
        assert_eq!((status, &body["code"]), (422, &json!("invalid_request")), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_large_agents_ends_early() {
    let server = Server::without_worker().await;
    let large = json!({"system_prompt": "x".repeat(262_144)});
    for _ in 0..18 {
        server.agent_with(large.clone()).await;
    }
    let (found, sizes) = pages(&server, "/api/v1/agents?", "agents", 200).await;
    assert_eq!((found.len(), sizes), (18, vec![16, 2]), "4 MiB are sixteen such prompts");
    let (_, sizes) = pages(&server, "/api/v1/agents?", "agents", 15).await;
    assert_eq!(sizes, [15, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_format_has_its_limit() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let path = format!("/api/v1/agents/{}", agent.id);
    let around = json!({"type": ""}).to_string().len();
    for (bytes, status) in [(65_535, 200), (65_536, 200), (65_537, 422)] {
        let format = json!({"type": "x".repeat(bytes - around)});
        let change = json!({"llm_config": {"response_format": format}});
        let answer = server.expect(status, "PATCH", &path, Some(change)).await;
        if status == 422 {
            assert_eq!(answer["errors"][0]["pointer"], "/llm_config/response_format", "{answer}");
        }
    }
}
