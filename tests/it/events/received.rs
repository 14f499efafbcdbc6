//! All that there is to hear of, heard: each type of the catalogue reaches an endpoint that wants everything, as the
//! catalogue says it, and no other tenant's.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::publish;
use crate::harness::{Agent, Receiver, Server, error, eventually};

/// An endpoint of this tenant that wants everything; its secret.
async fn everything(server: &Server, tenant: &str, receiver: &Receiver) -> String {
    server.tenant(json!({ "tenant_id": tenant })).await;
    let body = json!({"tenant_id": tenant, "url": receiver.url(), "events": ["*"]});
    let made = server.expect(201, "POST", "/api/v1/webhooks", Some(body)).await;
    made["secret_key"].as_str().expect("a secret").to_owned()
}

/// The catalogue, by type.
async fn catalogue(server: &Server) -> BTreeMap<String, Value> {
    let types = server.get("/api/v1/event-types").await;
    let types = types["event_types"].as_array().expect("a list").clone();
    types.into_iter().map(|one| (one["type"].as_str().expect("a type").to_owned(), one)).collect()
}

/// Waits until all these types have come.
async fn heard(receiver: &Receiver, types: &BTreeSet<String>) -> Vec<Value> {
    eventually("all types are heard of", async || {
        let bodies = receiver.bodies().await;
        let come: BTreeSet<_> = bodies.iter().filter_map(|body| body["event_type"].as_str()).collect();
        types.iter().all(|one| come.contains(one.as_str())).then_some(bodies)
    })
    .await
}

/// Has the product itself report each of its types.
async fn cause_all(server: &Server) {
    let agent = server.agent().await;
    agent.run(server, "1").await;
    server.llm.answers(error(400, "bad_request", "no"));
    agent.run(server, "2").await;
    let at = format!("/api/v1/agents/{}", agent.id);
    let hold = json!({"status": "paused", "trigger": {"when_paused": "hold"}});
    server.expect(200, "PATCH", &at, Some(hold)).await;
    cancel(server, &agent.accepted("3").await).await;
    let gone = server.agent().await;
    delete(server, &gone).await;
    let body = json!({"tenant_id": "acme", "url": "http://127.0.0.1:9/", "events": ["custom.none"]});
    let made = server.expect(201, "POST", "/api/v1/webhooks", Some(body)).await;
    let disable = format!("/api/v1/webhooks/{}/disable", made["webhook_id"].as_str().expect("an id"));
    server.expect(200, "POST", &disable, None).await;
}

async fn cancel(server: &Server, held: &str) {
    let cancel = format!("/api/v1/executions/{held}/cancel");
    let (status, answer) = server.api("POST", &cancel, None).await;
    assert!([200, 202].contains(&status), "{answer}");
}

async fn delete(server: &Server, agent: &Agent) {
    server.expect(204, "DELETE", &format!("/api/v1/agents/{}", agent.id), None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_reaches_who_wants_everything_and_nobody_elses() {
    let server = Server::start().await;
    let (receiver, foreign) = (Receiver::start().await, Receiver::start().await);
    let secret = everything(&server, "acme", &receiver).await;
    everything(&server, "other", &foreign).await;
    let catalogue = catalogue(&server).await;
    let reserved = |one: &&String| catalogue[*one]["reserved"] == true;
    let own: BTreeSet<String> = catalogue.keys().filter(reserved).cloned().collect();
    assert_eq!(own.len(), 10);
    cause_all(&server).await;
    heard(&receiver, &own).await;

    let mut all = own.clone();
    for (name, entry) in catalogue.iter().filter(|(name, _)| !own.contains(*name)) {
        let event_type = name.replace('*', "mine");
        let event = json!({"tenant_id": "acme", "event_type": event_type, "data": entry["example"]});
        assert_eq!(publish(&server, event).await.status, 202, "{name}");
        all.insert(event_type);
    }
    let bodies = heard(&receiver, &all).await;
    for body in &bodies {
        let event_type = body["event_type"].as_str().expect("a type");
        let entry = catalogue.get(event_type).unwrap_or_else(|| &catalogue["custom.*"]);
        super::catalogue::hold_to(&entry["schema"], &body["data"], event_type);
        if !own.contains(event_type) {
            assert_eq!(body["data"], entry["example"], "as it was published");
        }
        let stored =
            server.get(&format!("/api/v1/events/{}", body["event_id"].as_str().expect("an id"))).await;
        for field in ["event_type", "timestamp", "data"] {
            assert_eq!(body[field], stored[field], "{event_type}: {field}");
        }
        let names: Vec<_> = body.as_object().expect("an envelope").keys().collect();
        assert_eq!(names, ["data", "event_id", "event_type", "retry_count", "timestamp"]);
    }
    let ids: BTreeSet<_> = bodies.iter().map(|body| body["event_id"].to_string()).collect();
    assert_eq!(ids.len(), bodies.len(), "once each");
    for request in receiver.requests().await {
        assert!(receiver.is_signed(&request, &secret));
    }

    // What is the other tenant's comes after all of that, and is all that comes there.
    let last = json!({"tenant_id": "other", "event_type": "custom.last", "data": {}});
    assert_eq!(publish(&server, last).await.status, 202);
    foreign.got(1).await;
    let types: Vec<_> = foreign.bodies().await.iter().map(|body| body["event_type"].clone()).collect();
    assert_eq!(types, ["custom.last"]);
}
