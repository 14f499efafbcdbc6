//! Whoever sends webhooks is killed or told to go: nothing is lost, and what is sent again is the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::fleet;
use crate::harness::{Fleet, Load, Member, Receiver};

const SECOND: Duration = Duration::from_secs(1);
/// Longer than anybody waits here.
const NEVER: Duration = Duration::from_secs(600);
/// Fails often enough to get through, and never gives up here.
const OFTEN: [u32; 20] = [1; 20];

/// An api and a worker; on the embedded database one process that is both.
async fn both(fleet: &Fleet) -> (Option<Member>, Member) {
    if Fleet::is_possible() {
        return (Some(fleet.api().await), fleet.worker().await);
    }
    (None, fleet.serve().await)
}

/// How often each event came, by its `webhook-id`; each time in the same words.
async fn came(receiver: &Receiver) -> BTreeMap<String, usize> {
    let mut came: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for request in receiver.requests().await {
        let id = request.headers.get("webhook-id").and_then(|id| id.to_str().ok()).expect("an id");
        came.entry(id.to_owned()).or_default().push(request.body);
    }
    assert!(came.values().all(|bodies| bodies.windows(2).all(|two| two[0] == two[1])), "the same each time");
    came.into_iter().map(|(id, bodies)| (id, bodies.len())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_and_not_written_down_is_sent_again_under_the_same_id() {
    let (fleet, _llm, _database) = fleet(Duration::ZERO).await;
    let receiver = Receiver::start().await;
    let (api, doomed) = both(&fleet).await;
    let asked = api.as_ref().unwrap_or(&doomed);
    fleet.tenant(asked).await;
    let endpoint = fleet.endpoint(asked, &receiver.url(), &["custom.*"], json!({})).await;
    receiver.answers(ResponseTemplate::new(200).set_delay(NEVER));
    fleet.publish(asked, "custom.paid", json!({"amount": 7}), 2).await;
    receiver.got(2).await;
    doomed.kill_9();
    receiver.answers(ResponseTemplate::new(200));
    let next = fleet.again(&doomed).await;
    let asked = api.as_ref().unwrap_or(&next);
    let deliveries = fleet.delivers(asked, &endpoint, 2).await;
    let told: BTreeSet<_> = deliveries.iter().filter_map(|it| it["event_id"].as_str()).collect();
    let came = came(&receiver).await;
    assert_eq!(came.keys().map(String::as_str).collect::<BTreeSet<_>>(), told);
    assert!(came.values().all(|times| *times == 2), "once more, and no oftener: {came:?}");
    for delivery in &deliveries {
        let path = format!("{endpoint}/deliveries/{}", delivery["delivery_id"].as_str().expect("an id"));
        let detail = fleet.ask(asked, "GET", &path, None).await;
        let attempts = detail["attempts"].as_array().expect("a list");
        assert_eq!(delivery["attempt_count"], attempts.len(), "{detail}");
        assert_eq!(attempts.last().map(|last| &last["status_code"]), Some(&json!(200)), "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stops_under_load_loses_no_delivery_and_doubles_none() {
    let (fleet, _llm, _database) = fleet(Duration::from_millis(100)).await;
    let receiver = Receiver::start().await;
    let (api, leaves) = both(&fleet).await;
    let stays = if Fleet::is_possible() { Some(fleet.worker().await) } else { None };
    let agent = fleet.agent(api.as_ref().unwrap_or(&leaves)).await;
    let asked = api.as_ref().unwrap_or(&leaves);
    let endpoint = fleet.endpoint(asked, &receiver.url(), &["execution.completed"], json!({})).await;
    receiver.answers(ResponseTemplate::new(204).set_delay(SECOND));
    let load = Load::on(&agent);
    receiver.got(10).await;
    leaves.ends_well().await;
    receiver.answers(ResponseTemplate::new(204));
    let next = fleet.again(&leaves).await;
    let asked = api.as_ref().unwrap_or(&next);
    load.accepts(10).await;
    let accepted = load.end().await.accepted;
    let tally = fleet.tally(asked, accepted.clone()).await;
    tally.assert_all_succeeded();
    fleet.delivers(asked, &endpoint, accepted.len()).await;
    let came = came(&receiver).await;
    assert!(came.values().all(|times| *times == 1), "what was under way has ended: {came:?}");
    let told: BTreeSet<_> = receiver.bodies().await.iter().map(execution).collect();
    assert_eq!(told, accepted.into_iter().collect(), "each end has come");
    if let Some(stays) = stays {
        stays.ends_well().await;
    }
}

fn execution(body: &Value) -> String {
    body["data"]["execution_id"].as_str().unwrap_or_else(|| panic!("no execution: {body}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stops_while_receivers_hang_goes_in_time_and_others_send_again() {
    let (fleet, _llm, _database) = fleet(Duration::ZERO).await;
    let receiver = Receiver::start().await;
    let (api, leaves) = both(&fleet).await;
    let asked = api.as_ref().unwrap_or(&leaves);
    fleet.tenant(asked).await;
    let patient = json!({"retry": {"schedule_seconds": OFTEN, "timeout_seconds": 300}});
    let endpoint = fleet.endpoint(asked, &receiver.url(), &["custom.*"], patient).await;
    receiver.answers(ResponseTemplate::new(200).set_delay(NEVER));
    fleet.publish(asked, "custom.paid", json!({}), 20).await;
    receiver.got(2).await;
    leaves.ends_well().await;
    let hung = came(&receiver).await;
    receiver.answers(ResponseTemplate::new(200));
    let next = fleet.again(&leaves).await;
    fleet.delivers(api.as_ref().unwrap_or(&next), &endpoint, 20).await;
    let came = came(&receiver).await;
    assert_eq!(came.len(), 20);
    for (id, times) in &came {
        assert_eq!(*times, hung.get(id).map_or(1, |before| before + 1), "{id}");
    }
}
