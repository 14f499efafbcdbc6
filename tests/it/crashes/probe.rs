//! An open circuit is open for all workers, and one of them tries.

use std::time::Duration;

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::fleet;
use crate::harness::{Fleet, Member, Receiver, eventually};

/// How long the circuit stays open, in s: long enough to look at it meanwhile.
const OPEN: &str = "10";
/// What the receiver takes for an answer: long enough for everybody to look for work again and again.
const ANSWER: Duration = Duration::from_secs(2);

/// Waits until the endpoint is as it should be.
async fn sees(fleet: &Fleet, api: &Member, endpoint: &str, what: &str, is: impl Fn(&Value) -> bool) {
    let stats = async || is(&fleet.ask(api, "GET", endpoint, None).await["stats"]).then_some(());
    eventually(&format!("the endpoint {what}"), stats).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_three_workers_one_sends_one_probe_and_all_follow_when_it_succeeds() {
    if !Fleet::is_possible() {
        return;
    }
    let (mut fleet, _llm, _database) = fleet(Duration::ZERO).await;
    let receiver = Receiver::start().await;
    fleet.set("WEBHOOK_URL", &receiver.url());
    fleet.set("WEBHOOK_SECRET", "the-platform-secret");
    fleet.set("WEBHOOK_CIRCUIT_BREAKER_RECOVERY_TIME", OPEN);
    let api = fleet.api().await;
    let _workers = [fleet.worker().await, fleet.worker().await, fleet.worker().await];
    fleet.tenant(&api).await;
    let list = fleet.ask(&api, "GET", "/api/v1/webhooks", None).await;
    let endpoint = format!("/api/v1/webhooks/{}", list["webhooks"][0]["webhook_id"].as_str().expect("an id"));
    let model = json!({"model_id": "m/1", "name": "m", "version": "1"});

    receiver.answers(ResponseTemplate::new(500).set_delay(ANSWER));
    fleet.publish(&api, "model.registered", model.clone(), 5).await;
    let open = |failures: i64| {
        move |stats: &Value| stats["circuit"] == "open" && stats["failures_in_a_row"] == failures
    };
    sees(&fleet, &api, &endpoint, "has an open circuit", open(5)).await;
    fleet.publish(&api, "model.registered", model, 20).await;
    sees(&fleet, &api, &endpoint, "is open again", open(6)).await;
    assert_eq!(receiver.requests().await.len(), 6, "one probe of three workers, while 25 deliveries waited");

    receiver.answers(ResponseTemplate::new(204));
    fleet.delivers(&api, &endpoint, 25).await;
    sees(&fleet, &api, &endpoint, "is well", |stats| stats["circuit"] == "closed").await;
    assert_eq!(receiver.requests().await.len(), 6 + 25, "and then each once");
}
