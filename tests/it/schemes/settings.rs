//! Forms, handshakes, and what an agent may say about its scheme.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_seen_as_json_and_kept_as_it_came() {
    let server = Server::start().await;
    let now = server.clock.now();
    let form = "command=%2Fdeploy&text=now+please&text=later&empty=";
    let schema =
        json!({"type": "object", "required": ["command"], "properties": {"command": {"const": "/deploy"}}});
    for name in [SchemeName::Slack, SchemeName::Twilio, SchemeName::Zendesk] {
        let sender = Sender::new(&server, name, json!({"payload_schema": schema})).await;
        let answer = sender.post_raw(form, &sender.signed(form, now), FORM).await;
        let trace = server.ended(&new(&answer)).await;
        assert_eq!(trace["input"], json!({"command": "/deploy", "text": "later", "empty": ""}), "{name:?}");
        let messages = server.llm.bodies().await.pop().expect("a call")["messages"].to_string();
        assert!(messages.contains(r#"\"command\":\"/deploy\""#) && !messages.contains("%2F"), "{messages}");
        let replay = format!("/api/v1/executions/{}/replay", answer.execution_id());
        let replayed = server.expect(202, "POST", &replay, Some(json!({}))).await;
        let replayed = server.ended(replayed["execution_id"].as_str().expect("an id")).await;
        assert_eq!(replayed["input"], trace["input"], "a replay knows what its payload is");
        let other = form.replace("deploy", "remove");
        let answer = sender.post_raw(&other, &sender.signed(&other, now), FORM).await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (422, &json!("schema_mismatch")),
            "{}",
            answer.text
        );
    }
    let stored = &server.database.contents().await["executions.payload"];
    assert!(String::from_utf8_lossy(stored).contains(form), "the bytes that were signed are stored");
    // who signs no forms is refused like anybody who signs nothing
    for name in [SchemeName::Hub, SchemeName::Github, SchemeName::Stripe] {
        let sender = Sender::new(&server, name, json!({})).await;
        refused(&sender.post_raw(form, &sender.signed(form, now), FORM).await);
    }
    let slack = Sender::new(&server, SchemeName::Slack, json!({})).await;
    let answer = slack.post_raw(form, &slack.signed(form, now), "text/plain").await;
    assert_eq!(answer.status, 415, "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_is_answered_and_runs_nothing() {
    let server = Server::start().await;
    let now = server.clock.now();
    let slack = Sender::new(&server, SchemeName::Slack, json!({})).await;
    let question = json!({"token": "t", "challenge": "3eZbrw1aB", "type": "url_verification"}).to_string();
    let answer = slack.post(&question, &slack.signed(&question, now)).await;
    assert_eq!((answer.status, answer.body), (200, json!({"challenge": "3eZbrw1aB"})));
    refused(&slack.post(&question, &vec![]).await);

    let discord = Sender::new(&server, SchemeName::Discord, json!({})).await;
    let answer = discord.post(r#"{"type":1}"#, &discord.signed(r#"{"type":1}"#, now)).await;
    assert_eq!((answer.status, answer.body), (200, json!({"type": 1})));
    let answer = discord.post(r#"{"type":0}"#, &discord.signed(r#"{"type":0}"#, now)).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    refused(&discord.post(r#"{"type":1}"#, &discord.signed(r#"{"type":2}"#, now)).await);

    for name in [SchemeName::Github, SchemeName::Hub] {
        let sender = Sender::new(&server, name, json!({})).await;
        let ping = |body| [sender.signed(body, now), vec![("X-GitHub-Event".into(), "ping".into())]].concat();
        let answer = sender.post(r#"{"zen":"z"}"#, &ping(r#"{"zen":"z"}"#)).await;
        assert_eq!((answer.status, answer.body), (200, json!({"status": "ignored", "reason": "handshake"})));
        let answer = sender.post("zen", &ping("zen")).await;
        assert_eq!((answer.status, &answer.body["code"]), (400, &json!("malformed_json")), "{}", answer.text);
    }
    assert_eq!(server.executions().await, [] as [Value; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_verify_is_refused_when_it_is_saved() {
    let server = Server::without_worker().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let create = async |trigger: Value| {
        let body =
            json!({"tenant_id": "acme", "name": "n", "llm_config": {"model": "m"}, "trigger": trigger});
        server.api("POST", "/api/v1/agents", Some(body)).await
    };
    for (trigger, pointer) in [
        (json!({"scheme": "discord"}), "/trigger/secret"),
        (json!({"scheme": "discord", "secret": "00".repeat(32)}), "/trigger/secret"),
        (json!({"scheme": "basic", "secret": "no colon in this one"}), "/trigger/secret"),
        (json!({"scheme": "basic", "secret": "u:short"}), "/trigger/secret"),
        (json!({"scheme": "bearer", "secret": "short"}), "/trigger/secret"),
        (json!({"scheme": "gitlab", "secret": "whsec_YWJj"}), "/trigger/secret"),
        (json!({"scheme": "custom"}), "/trigger/custom"),
        (
            json!({"scheme": "custom", "custom": {"header": "X", "template": "{id}"}}),
            "/trigger/custom/template",
        ),
        (json!({"scheme": "custom", "custom": {"header": "X Y"}}), "/trigger/custom/header"),
        (json!({"scheme": "github", "custom": {"header": "X"}}), "/trigger/custom"),
    ] {
        let mut full = trigger.clone();
        full["type"] = "webhook".into();
        let (status, answer) = create(full).await;
        assert_eq!((status, &answer["errors"][0]["pointer"]), (422, &json!(pointer)), "{trigger}: {answer}");
    }
    let (status, agent) = create(json!({"type": "webhook", "scheme": "discord", "secret": PUBLIC})).await;
    assert_eq!(status, 201, "{agent}");
    let rotate =
        format!("/api/v1/agents/{}/webhook-secret/rotate", agent["agent_id"].as_str().expect("an id"));
    let (status, answer) = server.api("POST", &rotate, None).await;
    assert_eq!((status, &answer["errors"][0]["pointer"]), (422, &json!("/secret")), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_may_change_its_scheme_and_keeps_the_secret_if_it_fits() {
    let server = Server::without_worker().await;
    let hub = Sender::new(&server, SchemeName::Hub, json!({})).await;
    let path = format!("/api/v1/agents/{}", hub.agent.id);
    server.expect(200, "PATCH", &path, Some(json!({"trigger": {"scheme": "jira"}}))).await;
    let jira =
        Sender { scheme: Scheme::of(SchemeName::Jira, None).expect("a preset"), agent: hub.agent.clone() };
    new(&jira.post("{}", &jira.signed("{}", server.clock.now())).await);
    refused(&hub.post("{}", &hub.signed("{}", server.clock.now())).await);
    let own = json!({"scheme": "custom", "custom": {"header": "X-Own", "algorithm": "sha1"}});
    server.expect(200, "PATCH", &path, Some(json!({"trigger": own}))).await;
    refused(&jira.post("{}", &jira.signed("{}", server.clock.now())).await);
    let other = json!({"trigger": {"scheme": "discord", "custom": null}});
    let answer = server.expect(422, "PATCH", &path, Some(other)).await;
    assert_eq!(answer["errors"][0]["pointer"], "/trigger/scheme", "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_proves_who_sent_a_hook_is_not_kept() {
    let server = Server::start().await;
    let mut secrets = Vec::new();
    for (name, more) in [
        (SchemeName::Bearer, json!({})),
        (SchemeName::Gitlab, json!({"secret": "an older secret token"})),
        (SchemeName::Custom, json!({"custom": {"header": "X-Own"}})),
    ] {
        let sender = Sender::new(&server, name, more).await;
        let headers = sender.signed("{}", server.clock.now());
        server.ended(&new(&sender.post("{}", &headers).await)).await;
        secrets.push(headers[0].1.trim_start_matches("Bearer ").to_owned());
    }
    let stored = &server.database.contents().await["executions.headers"];
    let stored = String::from_utf8_lossy(stored);
    assert!(stored.contains("x-own") && stored.contains("authorization"), "{stored}");
    for secret in secrets {
        assert!(!stored.contains(&secret), "{stored}");
    }
}
