//! The dashboard, as browsers and those who attack through them see it.

mod agent_forms;
mod agent_versions;
mod agent_webhook;
mod agents;
mod audit;
mod browser;
mod charts;
mod compare;
mod events;
mod execution;
mod executions;
mod filling;
mod form;
mod forms;
mod keys;
mod live;
mod markup;
mod overview;
mod roles;
mod sign_in;
mod tenancy;
mod tenants;
mod webhook_forms;
mod webhooks;

use agenthook::server::PAGE_ROUTES;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::harness::{Agent, DOCUMENT, Receiver, Server, eventually};
use browser::Browser;

/// One of each thing that there are pages of, of tenant `acme`.
pub struct Things {
    pub agent: Agent,
    pub execution_id: String,
    refused_hit: String,
    webhook_id: String,
    delivery_id: String,
    secret_id: String,
    event_id: String,
    tenant_id: String,
    key_id: String,
}

impl Things {
    /// On a server with a worker: an execution that failed, a hit that was refused, and a delivery that failed.
    pub async fn on(server: &Server) -> Self {
        let agent = server.agent().await;
        server.llm.answers(crate::harness::error(400, "BadRequestError", "no"));
        let execution_id = agent.accepted(r#"{"ticket": 1}"#).await;
        server.ended(&execution_id).await;
        let refused = agent.with_secret(&json!("d3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmc=")).post("{}").await;
        assert_eq!(refused.status, 401);
        let receiver = Receiver::start().await;
        receiver.answers(ResponseTemplate::new(500).set_body_string("out of order"));
        let (webhook_id, delivery_id) = failed_delivery(server, &receiver, json!({})).await;
        let refused_hit = refused.header("x-request-id").to_owned();
        let secrets = server.get(&format!("/api/v1/agents/{}/webhook-secret", agent.id)).await;
        let secret_id = secrets["secrets"][0]["secret_id"].as_str().expect("an id").to_owned();
        let delivery = server.get(&format!("/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}")).await;
        let event_id = delivery["event_id"].as_str().expect("an id").to_owned();
        let key = server.key("viewer", "acme").await;
        let key_id = key["key_id"].as_str().expect("an id").to_owned();
        let tenant_id = "acme".to_owned();
        Self {
            agent,
            execution_id,
            refused_hit,
            webhook_id,
            delivery_id,
            secret_id,
            event_id,
            tenant_id,
            key_id,
        }
    }

    pub fn path(&self, pattern: &str) -> String {
        let path = pattern.replace("{agent_id}", &self.agent.id).replace("{hit_id}", &self.refused_hit);
        let path = path.replace("{execution_id}", &self.execution_id).replace("{event_id}", &self.event_id);
        let path = path.replace("{tenant_id}", &self.tenant_id).replace("{key_id}", &self.key_id);
        let path = path.replace("{secret_id}", &self.secret_id).replace("{version}", "1");
        path.replace("{webhook_id}", &self.webhook_id).replace("{delivery_id}", &self.delivery_id)
    }
}

/// A webhook at this receiver, and a delivery to it that has failed.
pub async fn failed_delivery(server: &Server, receiver: &Receiver, fields: Value) -> (String, String) {
    let mut webhook = json!({"tenant_id": "acme", "url": receiver.url(), "events": ["custom.*"]});
    for (name, value) in fields.as_object().expect("fields") {
        webhook[name] = value.clone();
    }
    let webhook = server.expect(201, "POST", "/api/v1/webhooks", Some(webhook)).await;
    let webhook_id = webhook["webhook_id"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/webhooks/{webhook_id}");
    server.expect(202, "POST", &format!("{path}/test"), None).await;
    let failed = eventually("the delivery has failed", async || {
        let page = server.get(&format!("{path}/deliveries?status=failed")).await;
        page["deliveries"][0]["delivery_id"].as_str().map(ToOwned::to_owned)
    });
    (webhook_id.clone(), failed.await)
}

/// The addresses of pages that one looks at when one is signed in, and those of buttons. Streams are no pages (`live`).
pub fn routes(method: &str) -> Vec<&'static str> {
    let open = ["/assets/{file}", "/sign-in"];
    let routes = PAGE_ROUTES.iter().filter(|(path, methods)| {
        methods.contains(&method) && !open.contains(path) && !path.ends_with("/stream")
    });
    routes.map(|(path, _)| *path).collect()
}

/// Whether an address is for administrators alone.
fn is_for_admins(pattern: &str) -> bool {
    pattern.starts_with("/keys")
        || ["/new-tenant", "/tenants/{tenant_id}/edit", "/tenants/{tenant_id}/delete"].contains(&pattern)
}

/// Whether an address is that of a form, for whoever may write.
fn is_a_form(pattern: &str) -> bool {
    ["/new", "/edit", "/delete", "/rotate", "/remove", "/revoke"].iter().any(|end| pattern.ends_with(end))
}

#[test]
fn pages_are_no_part_of_the_document() {
    for (path, _) in PAGE_ROUTES {
        assert!(DOCUMENT["paths"].get(path).is_none(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_signed_in_is_shown_the_door_and_afterwards_the_page() {
    let server = Server::start().await;
    let things = Things::on(&server).await;
    let browser = Browser::new(&server);
    for pattern in routes("get") {
        let (path, page) = (things.path(pattern), browser.get(&things.path(pattern)).await);
        assert_eq!(page.status, 303, "{path}");
        let door = page.header("location").to_owned();
        let shown = browser.sees(&door).await;
        assert!(!shown.has("session has ended"), "it has had none");
        let next = shown.form("/sign-in").hidden["next"].clone();
        assert_eq!(if next.is_empty() { "/" } else { &next }, path, "{door}");
        // A program too: it is no API.
        let plain = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
        let plain =
            plain.expect("a client").get(format!("{}{path}", server.url)).send().await.expect("an answer");
        assert_eq!(plain.status().as_u16(), 303, "{path}");
    }
    for pattern in routes("post") {
        let page = browser.post(&things.path(pattern), &[("csrf", "x")]).await;
        assert_eq!((page.status, page.header("location")), (303, "/sign-in"), "{pattern}");
    }
    let page =
        browser.sign_in(crate::harness::ADMIN_KEY, &format!("/executions/{}", things.execution_id)).await;
    assert_eq!(page.header("location"), format!("/executions/{}", things.execution_id));
    assert_eq!(browser.get("/sign-in").await.header("location"), "/", "nobody signs in twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_named_by_their_content_and_kept_for_good() {
    let server = Server::without_worker().await;
    let page = Browser::new(&server).sees("/sign-in").await;
    let files: Vec<_> = page.text.split('"').filter(|text| text.starts_with("/assets/")).collect();
    assert_eq!(files.len(), 3, "{}", page.text);
    for file in files {
        let answer = server.http.get(format!("{}{file}", server.url)).send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 200, "{file}");
        assert_eq!(answer.headers()["cache-control"], "public, max-age=31536000, immutable");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        let text = answer.text().await.expect("text");
        assert!(
            !text.contains("http://") || file.ends_with(".svg"),
            "nothing is loaded from outside: {file}"
        );
        assert!(!text.contains("@import") && !text.contains("url("), "{file}");
    }
    let none =
        server.http.get(format!("{}/assets/style-0000.css", server.url)).send().await.expect("an answer");
    assert_eq!(none.status().as_u16(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_a_page_for_browsers_and_a_problem_for_programs() {
    let server = Server::without_worker().await;
    let browser = Browser::signed_in(&server, crate::harness::ADMIN_KEY).await;
    for nowhere in
        ["/nowhere", "/executions/none", "/executions/01a20174-af9d-764c-ac07-00a385c2f011", "/docs/none"]
    {
        let page = browser.get(nowhere).await;
        assert_eq!(page.status, 404, "{nowhere}");
        assert!(page.has("there is nothing at this address") && page.has("href=\"/errors/not_found\""));
    }
    for nowhere in ["/nowhere", "/docs/none"] {
        let answer = server.ask("GET", nowhere, None, None).await;
        assert_eq!(answer.header("content-type"), "application/problem+json", "{nowhere}");
    }
    let wrong = browser.get("/executions?status=none").await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.has("status must be one of"), "{}", wrong.text);
    for path in ["/api/v1/none", "/webhook/none"] {
        let request = server.http.get(format!("{}{path}", server.url)).header("accept", "text/html");
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
    }
}
