//! The circuit: failures in a row open it, and one probe decides.

use agenthook::clock::Clock;
use agenthook::model::{
    ApiKeyId, Circuit, CircuitRule, DeliveryError, DeliveryErrorCode, DeliveryId, Event, Time, WebhookId,
    WorkerId,
};
use agenthook::store::{
    Attempted, ClaimedDelivery, DeliveryEnd, DeliveryOutcome, Group, Loss, NewDelivery, OutcomeWritten,
    Report, Room, Store,
};
use chrono::TimeDelta;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::{SECOND, endpoint, newest, sees, send};
use crate::harness::{Receiver, Server, Setup};

#[tokio::test(flavor = "multi_thread")]
async fn five_failures_open_the_circuit_and_one_probe_decides() {
    let (server, receiver) = (Server::with_manual_clock().await, Receiver::start().await);
    let schedule = json!({"retry": {"schedule_seconds": [36_000]}});
    let endpoint = endpoint(&server, &receiver, schedule).await;
    receiver.answers(ResponseTemplate::new(302));
    for _ in 0..5 {
        send(&server, &endpoint).await;
    }
    let open = |failures: i64| {
        move |it: &Value| it["stats"]["circuit"] == "open" && it["stats"]["failures_in_a_row"] == failures
    };
    sees(&server, &endpoint, "has an open circuit", open(5)).await;
    for _ in 0..3 {
        send(&server, &endpoint).await;
    }
    newest(&server, &endpoint, "waits", |it| it["next_attempt_at"].is_string()).await;
    server.clock.advance(SECOND * 61);
    sees(&server, &endpoint, "is open again", open(6)).await;
    assert_eq!(receiver.requests().await.len(), 6, "one probe");
    receiver.answers(ResponseTemplate::new(200));
    server.clock.advance(SECOND * 61);
    let well = |it: &Value| it["stats"]["delivered"] == 2 && it["stats"]["circuit"] == "closed";
    sees(&server, &endpoint, "is well", well).await;
    let page = server.get(&format!("{endpoint}/deliveries?status=failed")).await;
    assert_eq!(page["total"], 6);
    let counts = page["deliveries"].as_array().expect("a list").iter().map(|it| &it["attempt_count"]);
    assert!(counts.eq([1; 6].map(Value::from).iter()), "what was held back was no attempt: {page}");
}

/// What workers do to the deliveries of one endpoint, without any worker.
pub(super) struct Hands {
    pub server: Server,
    pub endpoint: String,
    webhook_id: WebhookId,
    outcomes: Group<DeliveryOutcome>,
}

impl Hands {
    /// On an endpoint with so many deliveries due.
    pub async fn on(deliveries: usize) -> Self {
        let setup = Setup { clock: Clock::manual(), worker: false, ..Setup::default() };
        let (server, receiver) = (Server::with(setup).await, Receiver::start().await);
        let endpoint = endpoint(&server, &receiver, json!({})).await;
        let webhook_id: WebhookId =
            endpoint.rsplit('/').next().and_then(|id| id.parse().ok()).expect("an id");
        let (store, now) = (&server.app.store, server.clock.now());
        for _ in 0..deliveries {
            let kind = "custom.x".parse().expect("a type");
            let event = Event::new(kind, "acme".parse().ok(), now, &json!({}));
            let report = Report { event: event.clone(), key: None, by: ApiKeyId::new() };
            store.report(&[report]).await.expect("written");
            let new = NewDelivery {
                delivery_id: DeliveryId::new(),
                event_id: event.event_id,
                webhook_id,
                event_type: event.event_type,
                error: None,
            };
            store.dispatch(&[event.event_id], &[new], &[], now).await.expect("dispatched");
        }
        let outcomes = Group::start(store.clone(), 16);
        Self { server, endpoint, webhook_id, outcomes }
    }

    pub fn store(&self) -> &Store {
        &self.server.app.store
    }

    pub fn now(&self) -> Time {
        self.server.clock.now()
    }

    pub async fn claim(&self, worker: WorkerId, deliveries: usize) -> Vec<ClaimedDelivery> {
        let claimed = self.claim_any(worker, deliveries).await;
        assert_eq!(claimed.len(), deliveries);
        claimed
    }

    /// What there is, up to so many.
    pub async fn claim_any(&self, worker: WorkerId, deliveries: usize) -> Vec<ClaimedDelivery> {
        let room = Room { webhook_id: self.webhook_id, deliveries, is_probe: false };
        let claimed = self.store().claim_deliveries(&[room], worker, self.now()).await.expect("claimed");
        claimed.into_iter().map(|(delivery, _)| delivery).collect()
    }

    /// Takes the probe and what is sent for it, if nobody else has it.
    async fn probe(&self, worker: WorkerId) -> Option<ClaimedDelivery> {
        let until = self.now() + TimeDelta::hours(1);
        if !self.store().probe(self.webhook_id, worker, until, self.now()).await.expect("an answer") {
            return None;
        }
        let room = Room { webhook_id: self.webhook_id, deliveries: 1, is_probe: true };
        self.store()
            .claim_deliveries(&[room], worker, self.now())
            .await
            .expect("claimed")
            .pop()
            .map(|(delivery, _)| delivery)
    }

    /// Writes how an attempt went.
    pub async fn went(&self, claimed: ClaimedDelivery, well: bool) {
        let now = self.now();
        let error = DeliveryError { code: DeliveryErrorCode::Timeout, message: "too late".into() };
        let attempt = Attempted {
            started_at: now,
            response_ms: 1,
            headers: Vec::new(),
            status_code: well.then_some(200),
            response_body: Vec::new(),
            error: (!well).then_some(error),
        };
        let to = if well { DeliveryEnd::Success } else { DeliveryEnd::RetryAt(now + TimeDelta::days(9)) };
        let circuit = CircuitRule::default();
        let written = self.outcomes.write(DeliveryOutcome { claimed, attempt, to, circuit, now }).await;
        assert_eq!(written.expect("written"), OutcomeWritten::Outcome);
    }

    async fn all_fail(&self, claimed: Vec<ClaimedDelivery>) {
        for one in claimed {
            self.went(one, false).await;
        }
    }

    async fn circuit(&self) -> Circuit {
        self.store().webhook_health(self.webhook_id, self.now()).await.expect("an answer").circuit
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_probe_ends_the_probe() {
    let (hands, one, other) = (Hands::on(20).await, WorkerId::new(), WorkerId::new());
    // Begun before the circuit opens, by both.
    let (mut of_one, mut of_other) = (hands.claim(one, 2).await, hands.claim(other, 3).await);
    hands.all_fail(hands.claim(one, 5).await).await;
    assert_eq!(hands.circuit().await, Circuit::Open);
    assert!(hands.probe(one).await.is_none(), "not yet");
    hands.server.clock.advance(SECOND * 60);
    let probe = hands.probe(one).await.expect("the probe");
    for straggler in [of_one.pop(), of_other.pop()].into_iter().flatten() {
        hands.went(straggler, false).await;
        hands.server.clock.advance(SECOND * 61);
        assert!(hands.probe(other).await.is_none() && hands.probe(one).await.is_none(), "there is one");
        assert_eq!(hands.store().deliverable(hands.now()).await.expect("an answer"), []);
    }
    hands.went(probe, false).await;
    assert_eq!(hands.circuit().await, Circuit::Open);
    hands.server.clock.advance(SECOND * 60);
    let probe = hands.probe(other).await.expect("the next probe");
    hands.went(probe, true).await;
    assert_eq!(hands.circuit().await, Circuit::Closed);

    // A success says that the endpoint is well, whenever its attempt began.
    hands.all_fail(hands.claim(other, 5).await).await;
    hands.server.clock.advance(SECOND * 60);
    let probe = hands.probe(one).await.expect("a probe");
    hands.went(of_other.pop().expect("a straggler"), true).await;
    assert_eq!(hands.circuit().await, Circuit::Closed);
    hands.went(probe, false).await;
    assert_eq!(hands.circuit().await, Circuit::Closed, "one failure in a row");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_is_given_back_by_whoever_took_it_and_no_later_one_with_it() {
    let (hands, one, other) = (Hands::on(8).await, WorkerId::new(), WorkerId::new());
    hands.all_fail(hands.claim(one, 5).await).await;
    hands.server.clock.advance(SECOND * 60);
    let until = |seconds| hands.now() + TimeDelta::seconds(seconds);
    let (store, id) = (hands.store(), hands.webhook_id);
    let takes = async |worker, until| store.probe(id, worker, until, hands.now()).await.expect("an answer");
    assert!(takes(one, until(45)).await && !takes(other, until(45)).await);
    store.end_probe(id, one, until(44)).await.expect("an answer");
    store.end_probe(id, other, until(45)).await.expect("an answer");
    assert!(!takes(other, until(45)).await, "neither was this one");
    store.end_probe(id, one, until(45)).await.expect("an answer");
    assert!(takes(other, until(45)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_whose_outcome_cannot_be_written_silences_nobody() {
    let (server, receiver) = (Server::with_manual_clock().await, Receiver::start().await);
    let endpoint = endpoint(&server, &receiver, json!({"retry": {"schedule_seconds": [36_000]}})).await;
    receiver.answers(ResponseTemplate::new(500));
    for _ in 0..5 {
        send(&server, &endpoint).await;
    }
    sees(&server, &endpoint, "has an open circuit", |it| it["stats"]["circuit"] == "open").await;
    send(&server, &endpoint).await;
    newest(&server, &endpoint, "waits", |it| it["status"] == "pending").await;
    receiver.answers(ResponseTemplate::new(200));
    server.database.sql("UPDATE webhook_health SET delivered = 9223372036854775807").await;
    server.clock.advance(SECOND * 61);
    // A success is one more than there can be. Then comes another probe the first is found to be held and not sent; the clock
    // stands still.
    receiver.got(7).await;
    server.database.sql("UPDATE webhook_health SET delivered = 0").await;
    sees(&server, &endpoint, "is well", |it| it["stats"]["circuit"] == "closed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_of_a_dead_worker_is_anothers_at_once() {
    let (hands, dead, other) = (Hands::on(8).await, WorkerId::new(), WorkerId::new());
    hands.all_fail(hands.claim(dead, 5).await).await;
    hands.server.clock.advance(SECOND * 60);
    hands.probe(dead).await.expect("the probe");
    hands.store().abandon(dead, Loss::Died, hands.now()).await.expect("taken back");
    hands.probe(other).await.expect("the probe");
    // On the embedded database, at the next start, everybody is dead.
    hands.store().give_back_deliveries(hands.now()).await.expect("taken back");
    hands.probe(dead).await.expect("the probe");
}
