//! What each role may do, route by route, and that whoever may not is told so (`tenancy` has what is another tenant's).

use agenthook::server::ROUTES;
use serde_json::{Value, json};

use crate::harness::{ADMIN_KEY, Agent, Answer, Server};

/// The least role that a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Least {
    Viewer,
    Operator,
    Admin,
}

use Least::{Admin, Operator, Viewer};

/// Every route below `/api/`, what it takes, and a body for it.
fn rights() -> Vec<(&'static str, &'static str, Least, Value)> {
    let agent = json!({"tenant_id": "acme", "name": "new", "llm_config": {"model": "m"}});
    let endpoint = json!({"tenant_id": "acme", "url": "http://127.0.0.1:9/", "events": ["*"]});
    vec![
        ("get", "/api/v1/tenants", Viewer, Value::Null),
        ("post", "/api/v1/tenants", Admin, json!({"tenant_id": "another"})),
        ("get", "/api/v1/tenants/{tenant_id}", Viewer, Value::Null),
        ("patch", "/api/v1/tenants/{tenant_id}", Admin, json!({"name": "n"})),
        ("delete", "/api/v1/tenants/{tenant_id}", Admin, Value::Null),
        ("put", "/api/v1/tenants/{tenant_id}/llm-key", Operator, json!({"key": "sk-0123456789"})),
        ("delete", "/api/v1/tenants/{tenant_id}/llm-key", Operator, Value::Null),
        ("get", "/api/v1/agents", Viewer, Value::Null),
        ("post", "/api/v1/agents", Operator, agent),
        ("get", "/api/v1/agents/{agent_id}", Viewer, Value::Null),
        ("patch", "/api/v1/agents/{agent_id}", Operator, json!({"name": "n"})),
        ("delete", "/api/v1/agents/{agent_id}", Operator, Value::Null),
        ("get", "/api/v1/agents/{agent_id}/webhook-secret", Viewer, Value::Null),
        ("get", "/api/agents/{agent_id}/webhook-secret", Viewer, Value::Null),
        ("post", "/api/v1/agents/{agent_id}/webhook-secret/rotate", Operator, json!({})),
        ("post", "/api/agents/{agent_id}/webhook-secret/rotate", Operator, json!({})),
        ("post", "/api/v1/agents/{agent_id}/callback-secret/rotate", Operator, json!({})),
        ("delete", "/api/v1/agents/{agent_id}/webhook-secret/{secret_id}", Operator, Value::Null),
        ("delete", "/api/agents/{agent_id}/webhook-secret/{secret_id}", Operator, Value::Null),
        ("get", "/api/v1/agents/{agent_id}/versions", Viewer, Value::Null),
        ("get", "/api/v1/agents/{agent_id}/versions/{version}", Viewer, Value::Null),
        ("post", "/api/v1/agents/{agent_id}/test", Operator, json!({"payload": {}})),
        ("get", "/api/v1/keys", Admin, Value::Null),
        ("post", "/api/v1/keys", Admin, json!({"role": "viewer", "tenant_id": "acme", "name": "n"})),
        ("delete", "/api/v1/keys/{key_id}", Admin, Value::Null),
        ("get", "/api/v1/executions", Viewer, Value::Null),
        (
            "post",
            "/api/v1/executions/bulk",
            Operator,
            json!({"action": "retry", "filter": {"status": "failed"}}),
        ),
        ("get", "/api/v1/executions/{execution_id}", Viewer, Value::Null),
        ("get", "/api/v1/executions/{execution_id}/timeline", Viewer, Value::Null),
        ("post", "/api/v1/executions/{execution_id}/cancel", Operator, json!({})),
        ("post", "/api/v1/executions/{execution_id}/retry", Operator, json!({})),
        ("post", "/api/v1/executions/{execution_id}/replay", Operator, json!({})),
        ("post", "/api/v1/executions/{execution_id}/release", Operator, json!({})),
        ("post", "/api/v1/executions/{execution_id}/discard", Operator, json!({})),
        ("get", "/api/v1/executions/export", Viewer, Value::Null),
        ("get", "/api/v1/executions/stream", Viewer, Value::Null),
        ("get", "/api/v1/executions/{execution_id}/stream", Viewer, Value::Null),
        ("get", "/api/v1/stats", Viewer, Value::Null),
        ("get", "/api/v1/agents/{agent_id}/hits", Viewer, Value::Null),
        ("get", "/api/v1/hits/{hit_id}", Viewer, Value::Null),
        ("get", "/api/v1/webhooks", Viewer, Value::Null),
        ("post", "/api/v1/webhooks", Operator, endpoint.clone()),
        ("get", "/api/v1/webhooks/{webhook_id}", Viewer, Value::Null),
        (
            "put",
            "/api/v1/webhooks/{webhook_id}",
            Operator,
            json!({"url": "http://127.0.0.1:9/", "events": ["*"]}),
        ),
        ("patch", "/api/v1/webhooks/{webhook_id}", Operator, json!({"description": "d"})),
        ("delete", "/api/v1/webhooks/{webhook_id}", Operator, Value::Null),
        ("post", "/api/v1/webhooks/{webhook_id}/enable", Operator, Value::Null),
        ("post", "/api/v1/webhooks/{webhook_id}/disable", Operator, Value::Null),
        ("post", "/api/v1/webhooks/{webhook_id}/test", Operator, json!({})),
        ("post", "/api/v1/webhooks/{webhook_id}/secret/rotate", Operator, json!({})),
        ("get", "/api/v1/webhooks/{webhook_id}/deliveries", Viewer, Value::Null),
        ("get", "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}", Viewer, Value::Null),
        ("post", "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/retry", Operator, Value::Null),
        ("post", "/api/v1/webhooks/{webhook_id}/recover", Operator, json!({"since": "2026-01-01T00:00:00Z"})),
        ("get", "/api/v1/events", Viewer, Value::Null),
        (
            "post",
            "/api/v1/events",
            Operator,
            json!({"tenant_id": "acme", "event_type": "custom.role", "data": {"n": 1}}),
        ),
        ("get", "/api/v1/events/{event_id}", Viewer, Value::Null),
        ("get", "/api/v1/event-types", Viewer, Value::Null),
        (
            "post",
            "/api/v1/models/register",
            Operator,
            json!({"model_uri": "runs:/a/model", "model_name": "m", "token_id": "T", "metric_name": "a", "baseline_value": 0}),
        ),
        ("post", "/api/v1/models/{name}/versions/{version}/notify", Operator, json!({})),
        ("get", "/api/v1/audit", Viewer, Value::Null),
    ]
}

#[test]
fn no_route_is_forgotten() {
    let known: Vec<_> = rights().into_iter().map(|(method, path, _, _)| (path, method)).collect();
    let routes = ROUTES.iter().filter(|(path, _)| path.starts_with("/api/"));
    let mut served: Vec<_> =
        routes.flat_map(|(path, methods)| methods.iter().map(|method| (*path, *method))).collect();
    let mut known = known;
    served.sort_unstable();
    known.sort_unstable();
    assert_eq!(served, known, "say who may call a new route");
}

/// The agents' webhook secret. It begins as nothing else does: four characters of a random one may be anywhere.
const SECRET: &str = "QZJXQZJXQZJXQZJXQZJXQZJXQZJXQZJXQZJXQZJXQZI=";

/// Things of tenant acme, made anew for each request: what one request changes is not in the way of the next.
struct Things {
    agent: Agent,
    secret_id: String,
    execution_id: String,
    key_id: String,
    webhook_id: String,
    event_id: String,
    delivery_id: String,
}

async fn things(server: &Server) -> Things {
    let agent = server.agent_with(json!({"trigger": {"type": "webhook", "secret": SECRET}})).await;
    let execution_id = agent.accepted("{}").await;
    let secrets = server.get(&format!("/api/v1/agents/{}/webhook-secret", agent.id)).await;
    let key = json!({"role": "viewer", "tenant_id": "acme", "name": "victim"});
    let key = server.expect(201, "POST", "/api/v1/keys", Some(key)).await;
    let webhook = json!({
        "tenant_id": "acme", "url": format!("http://127.0.0.1:9/?key={SECRET}"), "events": ["*"], "secret": SECRET,
        "headers": {"Authorization": SECRET}
    });
    let webhook = server.expect(201, "POST", "/api/v1/webhooks", Some(webhook)).await;
    let event = json!({"tenant_id": "acme", "event_type": "custom.role", "data": {"n": 1}});
    let event = server.expect(202, "POST", "/api/v1/events", Some(event)).await;
    let text = |value: &Value| value.as_str().expect("an id").to_owned();
    let (webhook_id, event_id) = (text(&webhook["webhook_id"]), text(&event["event_id"]));
    Things {
        delivery_id: server.dispatched(&event_id, &webhook_id).await,
        webhook_id,
        event_id,
        secret_id: text(&secrets["secrets"][0]["secret_id"]),
        key_id: text(&key["key_id"]),
        execution_id,
        agent,
    }
}

impl Things {
    fn path(&self, pattern: &str) -> String {
        let path = pattern.replace("{tenant_id}", "acme").replace("{agent_id}", &self.agent.id);
        let path = path.replace("{secret_id}", &self.secret_id).replace("{execution_id}", &self.execution_id);
        let path = path.replace("{hit_id}", &self.execution_id).replace("{webhook_id}", &self.webhook_id);
        let path = path.replace("{event_id}", &self.event_id).replace("{delivery_id}", &self.delivery_id);
        path.replace("{name}", "m").replace("{key_id}", &self.key_id).replace("{version}", "1")
    }
}

async fn ask(server: &Server, key: &str, method: &str, path: &str, body: &Value) -> Answer {
    let body = (!body.is_null()).then(|| body.to_string());
    server.ask(&method.to_uppercase(), path, Some(key), body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_takes_its_role_and_no_lesser_one() {
    let server = Server::without_worker().await;
    server.agent().await;
    let mut keys = vec![(Admin, ADMIN_KEY.to_owned())];
    for (role, word) in [(Viewer, "viewer"), (Operator, "operator")] {
        keys.push((role, server.api_key(word, "acme").await));
    }
    for (method, pattern, least, body) in rights() {
        for (role, key) in &keys {
            let things = things(&server).await;
            let answer = ask(&server, key, method, &things.path(pattern), &body).await;
            let told = format!("{method} {pattern} as {role:?}: {} {}", answer.status, answer.text);
            match (*role >= least, pattern) {
                // The faults of these requests are all of what is there: the last secret, a tenant with agents, a run
                // that has not failed; models, where there is no MLflow.
                (true, _) => assert!(matches!(answer.status, 200..300 | 409), "{told}"),
                (false, "/api/v1/keys/{key_id}") => assert_eq!(answer.status, 404, "{told}"),
                (false, _) => {
                    assert_eq!((answer.status, &answer.body["code"]), (403, &json!("forbidden")), "{told}");
                    // Not even what is wrong with the body.
                    let (method, path) = (method.to_uppercase(), things.path(pattern));
                    let worse = server.ask(&method, &path, Some(key), Some("no".into())).await;
                    assert_eq!(worse.status, 403, "{told}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_never_sees_a_secret_nor_a_part_of_one() {
    let server = Server::without_worker().await;
    let things = things(&server).await;
    server.set_llm_key("acme", "sk-of-the-tenant-0123456789wxyz").await;
    let viewer = server.api_key("viewer", "acme").await;
    let operator = server.api_key("operator", "acme").await;
    let tenant = server.ask("GET", "/api/v1/tenants/acme", Some(&operator), None).await;
    assert_eq!(tenant.body["llm_key"], json!({"configured": true, "hint": "sk-…wxyz"}));
    let tenant = server.ask("GET", "/api/v1/tenants/acme", Some(&viewer), None).await;
    assert_eq!(tenant.body["llm_key"], json!({"configured": true}));
    for (method, pattern, least, body) in rights() {
        if least != Viewer {
            continue;
        }
        let answer = ask(&server, &viewer, method, &things.path(pattern), &body).await;
        assert_eq!(answer.status, 200, "{pattern}: {}", answer.text);
        let parts = [&SECRET[..4], "wxyz"];
        assert!(parts.iter().all(|part| !answer.text.contains(part)), "{pattern}: {}", answer.text);
    }
    for path in ["/api/v1/agents/{agent_id}/webhook-secret", "/api/agents/{agent_id}/webhook-secret"] {
        let path = things.path(path);
        let masked = ask(&server, &viewer, "get", &path, &Value::Null).await;
        assert_eq!(masked.body["secrets"][0]["webhook_secret"], "…");
        for reveal in ["true", "1", "yes"] {
            let whole = ask(&server, &viewer, "get", &format!("{path}?reveal={reveal}"), &Value::Null).await;
            assert!(matches!(whole.status, 403 | 422), "{}", whole.text);
            assert!(!whole.text.contains(&SECRET[..4]), "{}", whole.text);
        }
        let whole = ask(&server, &operator, "get", &format!("{path}?reveal=true"), &Value::Null).await;
        assert_eq!(&whole.body["secrets"][0]["webhook_secret"], SECRET);
    }
}
