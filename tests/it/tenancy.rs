//! No tenant sees or changes anything of another's, whatever the address: the addresses are the document's, so that a
//! new one is tried without being listed here.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{Answer, Mlflow, Server, eventually, unique};

/// Stands in everything that is ours, and in nothing else.
const MARK: &str = "zebra";
/// Our webhook secret. It begins as nothing else does: four characters of a random one may be anywhere.
const SECRET: &str = "QZJXQZJXQZJXQZJXQZJXQZJXQZJXQZJXQZJXQZJXQZI=";
/// Its beginning, which a mask shows to those who may write.
const SECRET_START: &str = "QZJX";
/// Our LLM key, and its last characters, which a hint shows to those who may write.
const LLM_KEY: &str = "sk-zebra-0123456789QXVW";
const LLM_KEY_END: &str = "QXVW";

/// The all-in-one, with an MLflow.
async fn server() -> Server {
    let server = Mlflow::of_the_run().server().await;
    server.start_worker();
    server
}

/// One address of the document.
struct Operation {
    method: String,
    path: String,
    parameters: Vec<String>,
    example: Option<Value>,
}

/// Every operation that takes an API key.
async fn operations(server: &Server) -> Vec<Operation> {
    let document = server.ask("GET", "/openapi.json", None, None).await.body;
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            if operation["security"][0].get("key").is_none() {
                continue;
            }
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let names = parameters.filter(|one| one["in"] == "path").map(|one| one["name"].as_str());
            let body = &operation["requestBody"]["content"]["application/json"];
            let example =
                body.get("example").or_else(|| body["examples"].as_object()?.values().next()?.get("value"));
            found.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                parameters: names.map(|name| name.expect("a name").to_owned()).collect(),
                example: example.cloned(),
            });
        }
    }
    assert!(found.len() >= 26, "the document is whole: {}", found.len());
    found
}

impl Operation {
    fn names_something(&self) -> bool {
        !self.parameters.is_empty()
    }

    fn at(&self, ids: &BTreeMap<&str, String>) -> String {
        self.parameters.iter().fold(self.path.clone(), |path, name| {
            let id = ids.get(&name[..]).unwrap_or_else(|| panic!("say here what {{{name}}} is"));
            path.replace(&format!("{{{name}}}"), id)
        })
    }

    /// What it may be asked with: what is right, what is empty, and what is wrong in each way.
    fn bodies(&self) -> Vec<Option<String>> {
        let example = self.example.as_ref().map(Value::to_string);
        let own = json!({"tenant_id": "theirs"}).to_string();
        let mut bodies = vec![None, Some("{}".into()), Some("no JSON".into()), Some(own), example];
        bodies.dedup();
        bodies
    }
}

/// A tenant with one of everything, marked as its own. Its ids by the names that the document gives them.
async fn ours(server: &Server) -> BTreeMap<&'static str, String> {
    let agent = json!({
        "tenant_id": format!("our-{MARK}"), "name": MARK, "system_prompt": format!("You are a {MARK}."),
        "trigger": {"type": "webhook", "secret": SECRET},
    });
    let agent = server.agent_with(agent).await;
    server.set_llm_key(&format!("our-{MARK}"), LLM_KEY).await;
    let trace = agent.run(server, format!(r#"{{"animal":"{MARK}"}}"#)).await;
    let key = server.key("operator", &format!("our-{MARK}")).await;
    let secrets = server.get(&format!("/api/v1/agents/{}/webhook-secret", agent.id)).await;
    let webhook = json!({
        "tenant_id": format!("our-{MARK}"), "url": format!("http://127.0.0.1:9/{MARK}?key={SECRET}"),
        "events": ["custom.*"], "secret": SECRET, "headers": {"Authorization": SECRET}, "description": MARK,
    });
    let webhook = server.expect(201, "POST", "/api/v1/webhooks", Some(webhook)).await;
    let event = json!({
        "tenant_id": format!("our-{MARK}"), "event_type": "custom.seen", "data": {"animal": MARK}
    });
    let event = server.expect(202, "POST", "/api/v1/events", Some(event)).await;
    let mlflow = Mlflow::of_the_run();
    let (name, (run_id, _)) = (unique(MARK), mlflow.run(&[]).await);
    mlflow.post("registered-models/create", json!({ "name": name })).await;
    let tags = json!([{"key": "agenthook.tenant", "value": format!("our-{MARK}")}]);
    mlflow.foreign_version(&name, &run_id, tags).await;
    let text = |value: &Value| value.as_str().expect("an id").to_owned();
    BTreeMap::from([
        ("webhook_id", text(&webhook["webhook_id"])),
        ("name", name),
        ("tenant_id", format!("our-{MARK}")),
        ("agent_id", agent.id.clone()),
        ("version", "1".to_owned()),
        ("secret_id", text(&secrets["secrets"][0]["secret_id"])),
        ("execution_id", text(&trace["execution_id"])),
        ("hit_id", text(&trace["execution_id"])),
        ("key_id", text(&key["key_id"])),
        ("event_id", text(&event["event_id"])),
        ("delivery_id", failed_delivery(server, &webhook).await),
    ])
}

/// The one delivery to an endpoint where nobody listens, tried: from now on nothing about it changes by itself.
async fn failed_delivery(server: &Server, webhook: &Value) -> String {
    let path = format!(
        "/api/v1/webhooks/{}/deliveries?status=failed",
        webhook["webhook_id"].as_str().expect("an id")
    );
    eventually("the delivery has failed", async || {
        let page = server.get(&path).await;
        page["deliveries"][0]["delivery_id"].as_str().map(str::to_owned)
    })
    .await
}

/// Names of nothing.
fn nobodys(ids: &BTreeMap<&'static str, String>) -> BTreeMap<&'static str, String> {
    let mut nobodys = ids.clone();
    for (name, id) in &mut nobodys {
        match *name {
            "tenant_id" => *id = "nobody".to_owned(),
            "version" => *id = "77".to_owned(),
            "webhook_id" => *id = format!("wh_{}", uuid::Uuid::now_v7().simple()),
            "event_id" => *id = format!("evt_{}", uuid::Uuid::now_v7().simple()),
            "delivery_id" => *id = format!("del_{}", uuid::Uuid::now_v7().simple()),
            _ => *id = uuid::Uuid::now_v7().to_string(),
        }
    }
    nobodys
}

/// Everything that is stored, as an administrator sees it. What was merely asked leaves no trace in it.
async fn everything(server: &Server, ids: &BTreeMap<&'static str, String>) -> Vec<Value> {
    let mut seen = Vec::new();
    for path in ["tenants", "agents", "executions", "keys", "events", "audit", "webhooks"] {
        seen.push(server.get(&format!("/api/v1/{path}?limit=200")).await);
    }
    seen.push(server.get(&format!("/api/v1/executions/{}", ids["execution_id"])).await);
    seen.push(server.get(&format!("/api/v1/agents/{}/webhook-secret", ids["agent_id"])).await);
    seen
}

/// Whether there is anything of ours in an answer.
fn shows_ours(answer: &Answer) -> bool {
    [MARK, SECRET_START, LLM_KEY_END].iter().any(|part| answer.text.contains(part))
}

/// The answer but for the id of its request.
fn told(answer: &Answer) -> (u16, Value) {
    let mut body = answer.body.clone();
    if let Some(id) = body.get_mut("request_id") {
        *id = Value::Null;
    }
    (answer.status, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_another_tenants_is_not_there_and_does_not_change() {
    let server = server().await;
    let ids = ours(&server).await;
    let nobodys = nobodys(&ids);
    server.tenant(json!({"tenant_id": "theirs"})).await;
    let mut keys = Vec::new();
    for role in ["operator", "viewer"] {
        keys.push(server.api_key(role, "theirs").await);
    }
    let before = everything(&server, &ids).await;
    let mut tried = 0;
    for operation in operations(&server).await.iter().filter(|operation| operation.names_something()) {
        for key in &keys {
            for body in operation.bodies() {
                let ask =
                    async |path: String| server.ask(&operation.method, &path, Some(key), body.clone()).await;
                let ours = ask(operation.at(&ids)).await;
                let what = format!("{} {} with {body:?}", operation.method, operation.path);
                assert_eq!(ours.status, 404, "{what}: {}", ours.text);
                assert!(!shows_ours(&ours), "{what}: {}", ours.text);
                assert_eq!(told(&ours), told(&ask(operation.at(&nobodys)).await), "{what}");
                tried += 1;
            }
        }
    }
    assert!(tried > 100, "{tried}");
    assert_eq!(everything(&server, &ids).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_list_shows_anything_of_another_tenant() {
    let server = server().await;
    let ids = ours(&server).await;
    server.tenant(json!({"tenant_id": "theirs"})).await;
    let queries = [
        String::new(),
        format!("tenant_id={}", ids["tenant_id"]),
        format!("agent_id={}", ids["agent_id"]),
        format!("subject={}", ids["agent_id"]),
        format!("key_id={}", ids["key_id"]),
        format!("q={MARK}"),
        format!("cursor={}", uuid::Uuid::max()),
        // Where their own list would have ended.
        "cursor=a&limit=1".to_owned(),
    ];
    for role in ["operator", "viewer"] {
        let key = server.api_key(role, "theirs").await;
        for operation in operations(&server).await {
            if operation.method != "GET" || operation.names_something() {
                continue;
            }
            for query in &queries {
                let path = format!("{}?{query}", operation.path);
                let answer = server.ask("GET", &path, Some(&key), None).await;
                assert!(!shows_ours(&answer), "{path}: {}", answer.text);
                assert!([200, 403, 422].contains(&answer.status), "{path}: {}", answer.text);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_changes_nothing_and_sees_no_secret() {
    let server = server().await;
    let ids = ours(&server).await;
    let viewer = &server.api_key("viewer", &ids["tenant_id"]).await;
    let revealed = format!("/api/v1/agents/{}/webhook-secret?reveal=true", ids["agent_id"]);
    assert_eq!(server.get(&revealed).await["secrets"][0]["webhook_secret"], SECRET);
    let tenant = server.get(&format!("/api/v1/tenants/{}", ids["tenant_id"])).await;
    assert_eq!(tenant["llm_key"]["hint"], format!("sk-…{LLM_KEY_END}"), "who may write sees that much");
    let before = everything(&server, &ids).await;
    for operation in operations(&server).await {
        for body in operation.bodies() {
            let path = operation.at(&ids);
            let answer = server.ask(&operation.method, &path, Some(viewer), body.clone()).await;
            let what = format!("{} {path} with {body:?}: {}", operation.method, answer.text);
            let parts = [SECRET_START, LLM_KEY, LLM_KEY_END];
            assert!(parts.iter().all(|part| !answer.text.contains(part)), "{what}");
            let right = match (&operation.method[..], &operation.path[..]) {
                // Keys are an administrator's.
                ("GET", "/api/v1/keys") => answer.status == 403,
                ("GET", _) => answer.status == 200,
                (_, "/api/v1/keys/{key_id}") => answer.status == 404,
                _ => answer.status == 403,
            };
            assert!(right, "{what}");
        }
    }
    assert_eq!(server.ask("GET", &revealed, Some(viewer), None).await.status, 403);
    assert_eq!(everything(&server, &ids).await, before);
}
