//! Twenty changes of one agent at once: twenty versions, each of them its predecessor and one change, and none is lost.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Agent, Server};
use crate::two_processes::two;

/// Changes of six different fields, and six of one and the same.
fn patches() -> Vec<(&'static str, Value)> {
    let mut patches = vec![
        ("/system_prompt", json!("raced")),
        ("/timeout_seconds", json!(77)),
        ("/llm_config/temperature", json!(0.5)),
        ("/llm_config/max_tokens", json!(99)),
        ("/retry/max_attempts", json!(9)),
        ("/trigger/payload_schema", json!(true)),
    ];
    patches.extend((0..6).map(|n| ("/name", json!(format!("name {n}")))));
    patches
}

/// How many rotations there are beside: with the first, all secrets may verify at once.
const ROTATIONS: usize = 8;

/// The body of a PATCH that sets what stands at this pointer.
fn body(pointer: &str, value: &Value) -> Value {
    pointer
        .rsplit('/')
        .filter(|step| !step.is_empty())
        .fold(value.clone(), |inner, step| json!({ step: inner }))
}

/// Every leaf that two versions do not have in common, as the later one has it.
fn changes(before: &Value, after: &Value, path: &str, found: &mut Vec<(String, Value)>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
                let at = |version: &Value| version.get(name).cloned().unwrap_or_default();
                changes(&at(before), &at(after), &format!("{path}/{name}"), found);
            }
        }
        _ if before != after => found.push((path.to_owned(), after.clone())),
        _ => {}
    }
}

/// Everybody at once, by turns through each of these servers; then the books are read.
async fn race(servers: &[&Server]) {
    let agent = servers[0].agent().await;
    let path = format!("/api/v1/agents/{}", agent.id);
    let rotate = format!("{path}/webhook-secret/rotate");
    let mut requests: Vec<(&str, &str, Value)> =
        patches().iter().map(|(pointer, value)| ("PATCH", &path[..], body(pointer, value))).collect();
    for n in 0..ROTATIONS {
        requests.insert(n * 2, ("POST", &rotate, json!({"overlap_seconds": 3600})));
    }
    assert_eq!(requests.len(), 20);
    let asked = requests.into_iter().enumerate().map(async |(n, (method, path, body))| {
        servers[n % servers.len()].expect(200, method, path, Some(body)).await
    });
    let answers = join_all(asked).await;

    let mut versions = Vec::new();
    for page in ["", "?cursor=2"] {
        let listed = servers[0].get(&format!("{path}/versions{page}")).await;
        versions.extend(listed["versions"].as_array().expect("a list").clone());
    }
    versions.reverse();
    let numbers: Vec<_> =
        versions.iter().map(|version| version["version"].as_i64().expect("a number")).collect();
    assert_eq!(numbers, (1..=21).collect::<Vec<_>>());
    for version in &mut versions {
        for field in ["version", "created_at"] {
            version.as_object_mut().expect("an object").remove(field);
        }
    }
    let mut made = Vec::new();
    for pair in versions.windows(2) {
        let mut found = Vec::new();
        changes(&pair[0], &pair[1], "", &mut found);
        assert!(found.len() <= 1, "one change each: {found:?}");
        made.extend(found);
    }
    let sorted = |changes: Vec<(String, Value)>| {
        let mut all: Vec<_> =
            changes.into_iter().map(|(pointer, value)| format!("{pointer} {value}")).collect();
        all.sort();
        all
    };
    let wanted = patches().into_iter().map(|(pointer, value)| (pointer.to_owned(), value)).collect();
    assert_eq!(sorted(made), sorted(wanted), "each change made one version, and the rest are rotations");

    // No secret is lost either: the first one and all that were made verify.
    let secrets: Vec<_> = answers.iter().filter(|answer| answer["secret_id"].is_string()).collect();
    assert_eq!(secrets.len(), ROTATIONS);
    let mut senders: Vec<Agent> =
        secrets.iter().map(|made| agent.with_secret(&made["webhook_secret"])).collect();
    senders.push(agent.clone());
    for (n, sender) in senders.iter().enumerate() {
        let answer = sender.post(n.to_string()).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
    }

    // And the log has each version once.
    let log = servers[0].get(&format!("/api/v1/audit?subject={}&limit=200", agent.id)).await;
    let entries = log["audit"].as_array().expect("a list").iter();
    let mut logged: Vec<_> = entries.filter_map(|entry| entry["detail"]["version"].as_i64()).collect();
    logged.sort_unstable();
    assert_eq!(logged, (2..=21).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_changes_and_rotations_at_once_lose_nothing() {
    let server = Server::start().await;
    race(&[&server]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_do_they_through_two_processes() {
    let Some((one, other)) = two(None).await else { return };
    race(&[&one, &other]).await;
}
