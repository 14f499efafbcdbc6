//! An endpoint's filter is an expression over an event: what does not fit is refused when it is saved.

use serde_json::json;

use super::{URL, WEBHOOKS, made, path, server};

#[tokio::test(flavor = "multi_thread")]
async fn it_may_ask_for_what_an_event_has() {
    let server = server().await;
    for filter in [
        "event.type == 'execution.failed'",
        "event.data.total > 1000 && event.type.startsWith('custom.')",
        "event.data['error'].code != 'llm_timeout'",
        "event.tenant_id == 'acme' && event.agent_id != null && event.execution_id != null",
    ] {
        let webhook = made(&server, json!({ "filter": filter })).await;
        assert_eq!(webhook["filter"], filter);
        let patched = server.expect(200, "PATCH", &path(&webhook), Some(json!({ "filter": filter }))).await;
        assert_eq!(patched["filter"], filter);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_of_an_agent_is_refused_with_the_names_that_there_are() {
    let server = server().await;
    let webhook = made(&server, json!({})).await;
    for (filter, says) in [
        ("payload.total > 1000", "write event.data"),
        ("data.total > 1000", "write event.data"),
        (
            "headers['x-team'] == 'a'",
            "the name is event, with type, data, tenant_id, agent_id and execution_id",
        ),
        (
            "agent.name == 'Triage'",
            "the name is event, with type, data, tenant_id, agent_id and execution_id",
        ),
        ("event.payload == 1", "it has type, data, tenant_id, agent_id, execution_id"),
    ] {
        let body = json!({"tenant_id": "acme", "url": URL, "events": ["*"], "filter": filter});
        let whole = json!({"url": URL, "events": ["*"], "filter": filter});
        for (method, at, body) in [
            ("POST", WEBHOOKS.to_owned(), body),
            ("PATCH", path(&webhook), json!({ "filter": filter })),
            ("PUT", path(&webhook), whole),
        ] {
            let refused = server.expect(422, method, &at, Some(body)).await;
            assert_eq!(refused["code"], "invalid_filter", "{method}: {refused}");
            assert_eq!(refused["errors"][0]["pointer"], "/filter", "{method}: {refused}");
            assert!(refused.to_string().contains(says), "{method} {filter}: {refused}");
        }
    }
    assert_eq!(server.get(&path(&webhook)).await["version"], 1);
}
