//! Processes come and go while somebody reads.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{ADMIN_KEY, Database, Fleet, Following, ManyCalls, Member, eventually};

const CALL: Duration = Duration::from_millis(200);

async fn follow(fleet: &Fleet, api: &Member, last_id: Option<&str>) -> Following {
    let mut request = fleet.http.get(format!("{}/api/v1/executions/stream", api.url)).bearer_auth(ADMIN_KEY);
    if let Some(id) = last_id {
        request = request.header("Last-Event-ID", id);
    }
    Following::open(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_missed_when_the_api_is_killed_and_started_again_in_mid_run() {
    if !Fleet::is_possible() {
        return;
    }
    let (database, llm) = (Database::create().await, ManyCalls::start(CALL));
    let fleet = Fleet::on(&database.url, database.redis_url.as_deref(), llm);
    let (mut api, other, _worker) = (fleet.api().await, fleet.api().await, fleet.worker().await);
    let agent = fleet.agent(&api).await.at(&other.url);
    let mut stream = follow(&fleet, &api, None).await;
    let (mut ids, mut ended) = (BTreeSet::new(), BTreeSet::new());
    for round in 0..3 {
        for n in 0..20 {
            ids.insert(agent.accepted(format!("[{round},{n}]")).await);
        }
        // Some of them are told; then there is nobody to tell the others.
        let message = stream.next().await;
        note(&mut ended, &message.data);
        api.kill_9();
        while let Some(message) = stream.try_next().await {
            note(&mut ended, &message.data);
        }
        let last_id = stream.last_id.clone();
        for n in 20..30 {
            ids.insert(agent.accepted(format!("[{round},{n}]")).await);
        }
        api = fleet.again(&api).await;
        stream = follow(&fleet, &api, Some(&last_id)).await;
    }
    while ended.len() < ids.len() {
        let message = stream.next().await;
        assert_ne!(message.event, "reset");
        note(&mut ended, &message.data);
    }
    assert_eq!(ended, ids);
}

fn note(ended: &mut BTreeSet<String>, execution: &Value) {
    if execution["status"] == "success" {
        ended.insert(execution["execution_id"].as_str().expect("an id").to_owned());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_all_in_one_that_starts_again_goes_on_where_it_was() {
    let (database, llm) = (Database::create().await, ManyCalls::start(CALL));
    let fleet = Fleet::on(&database.url, database.redis_url.as_deref(), llm);
    let server = fleet.serve().await;
    let agent = fleet.agent(&server).await;
    let mut stream = follow(&fleet, &server, None).await;
    let first = agent.accepted("1").await;
    stream.sees(&first, "success").await;
    let second = agent.accepted("2").await;
    server.kill_9();
    while stream.try_next().await.is_some() {}
    let server = fleet.again(&server).await;
    let mut stream = follow(&fleet, &server, Some(&stream.last_id)).await;
    stream.sees(&second, "success").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_streams_do_not_delay_the_stop() {
    let (database, llm) = (Database::create().await, ManyCalls::start(CALL));
    let fleet = Fleet::on(&database.url, database.redis_url.as_deref(), llm);
    let server = fleet.serve().await;
    let agent = fleet.agent(&server).await;
    let id = agent.accepted("1").await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(follow(&fleet, &server, None).await);
    }
    server.terminate();
    for stream in streams {
        // The door is still open while they are let go, and each hears why.
        let (_, comments) = stream.ends().await;
        assert!(comments.iter().any(|comment| comment.contains("about to stop")), "{comments:?}");
    }
    assert_eq!(server.wait().await.code(), Some(0));
    let server = fleet.again(&server).await;
    let trace = async || fleet.trace(&server, &id).await.filter(|trace| trace["status"] == "success");
    eventually("it has run", trace).await;
    assert_eq!(json!(id), trace().await.expect("there")["execution_id"]);
}
