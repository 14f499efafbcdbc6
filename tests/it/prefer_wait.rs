//! `Prefer: wait=N`: a sender that may wait hears the end of what it sent.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::harness::{
    Agent, Answer, Database, Fleet, ManyCalls, RawLlm, Server, completion, error, eventually,
};

/// Longer than anything takes that is not waited for to its limit.
const LONG: Duration = Duration::from_secs(45);

fn patient() -> Value {
    json!({"retry": {"max_attempts": 1}, "trigger": {"type": "webhook", "allow_wait": true, "when_paused": "hold"}})
}

async fn post(agent: &Agent, body: &str, prefer: &str) -> Answer {
    timeout(LONG, agent.post_with(body, &[("prefer", prefer)])).await.expect("nobody waits to the limit")
}

fn assert_plain(answer: &Answer) {
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("queued")), "{}", answer.text);
    assert!(!answer.headers.contains_key("preference-applied"), "{:?}", answer.headers);
}

/// Somebody waits, and so many executions are stored.
async fn somebody_waits(server: &Server, stored: usize) {
    eventually("somebody waits", async || {
        (server.app.waiters.count() == 1 && server.executions().await.len() == stored).then_some(())
    })
    .await;
}

async fn nobody_waits(server: &Server) {
    eventually("nobody waits", async || (server.app.waiters.count() == 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_hears_the_end_and_nothing_else() {
    let server = Server::start().await;
    let agent = server.agent_with(patient()).await;
    server.llm.answers(completion("High priority"));
    let answer = post(&agent, "1", "respond-async, wait=60").await;
    let id = answer.execution_id();
    let expected = json!({"execution_id": id, "status": "success", "output": "High priority", "error": null});
    assert_eq!((answer.status, &answer.body), (200, &expected));
    assert_eq!(answer.header("preference-applied"), "wait=60");
    assert_eq!(server.trace(&id).await["output"], "High priority");

    server.llm.answers(error(400, "invalid_request_error", "no"));
    let answer = post(&agent, "2", "wait=59").await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("failed")), "{}", answer.text);
    assert_eq!(
        (&answer.body["output"], &answer.body["error"]["code"]),
        (&Value::Null, &json!("llm_bad_request"))
    );
    assert_eq!(answer.body.as_object().expect("an object").len(), 4, "no trace");
    nobody_waits(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_wait_or_need_not_is_answered_at_once() {
    let server = Server::start().await;
    let (patient_one, other) = (server.agent_with(patient()).await, server.agent().await);
    // It would be a 200 after a wait: nothing takes long here.
    assert_plain(&post(&other, "1", "wait=30").await);
    for (n, prefer) in
        ["wait=0", "wait=61", "wait=many", "respond-async", "wait=0, wait=30"].iter().enumerate()
    {
        assert_plain(&post(&patient_one, &n.to_string(), prefer).await);
    }
    let twice = [("prefer", "respond-async"), ("prefer", "wait=30")];
    let first = patient_one.post_with("9", &twice).await;
    assert_eq!((first.status, &first.body["status"]), (200, &json!("success")), "{}", first.text);
    let again = post(&patient_one, "9", "wait=30").await;
    assert_eq!((again.status, &again.body["status"]), (200, &json!("duplicate")), "never for duplicates");
    assert_eq!(again.execution_id(), first.execution_id());
    server
        .expect(
            200,
            "PATCH",
            &format!("/api/v1/agents/{}", patient_one.id),
            Some(json!({"status": "paused"})),
        )
        .await;
    let held = post(&patient_one, "10", "wait=60").await;
    assert_eq!((held.status, &held.body["status"]), (202, &json!("held")), "a person may take longer");
    nobody_waits(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_too_long_hears_that_it_is_queued_and_a_cancel_ends_the_wait() {
    let llm = RawLlm::start(RawLlm::completion("late")).await;
    let server = Server::with_llm_at(&llm.url).await;
    let agent = server.agent_with(patient()).await;
    let late = post(&agent, "1", "wait=1").await;
    assert_plain(&late);
    nobody_waits(&server).await;
    let (waiting, body) = (agent.clone(), "2");
    let waits = tokio::spawn(async move { post(&waiting, body, "wait=60").await });
    somebody_waits(&server, 2).await;
    llm.called(2).await;
    let list = server.executions().await;
    let id = list[0]["execution_id"].as_str().expect("an id");
    server.expect(200, "POST", &format!("/api/v1/executions/{id}/cancel"), None).await;
    let answer = waits.await.expect("an answer");
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("cancelled")), "{}", answer.text);
    assert_eq!(answer.execution_id(), id);
    llm.let_go();
    assert_eq!(server.ended(&late.execution_id()).await["status"], "success");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stops_lets_everybody_go_at_once() {
    let server = Server::without_worker().await;
    let agent = server.agent_with(patient()).await;
    let waiting = agent.clone();
    let waits = tokio::spawn(async move { post(&waiting, "1", "wait=60").await });
    somebody_waits(&server, 1).await;
    server.app.drain();
    let answer = waits.await.expect("an answer");
    assert_plain(&answer);
    server.start_worker();
    assert_eq!(server.ended(&answer.execution_id()).await["status"], "success");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_hangs_up_leaves_its_run_and_no_place_behind() {
    let server = Server::without_worker().await;
    let agent = server.agent_with(patient()).await;
    let waiting = agent.clone();
    let waits = tokio::spawn(async move { post(&waiting, "1", "wait=60").await });
    somebody_waits(&server, 1).await;
    waits.abort();
    let list = server.executions().await;
    server.start_worker();
    assert_eq!(server.ended(list[0]["execution_id"].as_str().expect("an id")).await["status"], "success");
    nobody_waits(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hint_that_is_lost_costs_the_wait_and_not_the_answer() {
    // Longer than any of the server's timeouts for requests.
    let server = Server::without_worker().await;
    let agent = server.agent_with(patient()).await;
    let waiting = agent.clone();
    let waits = tokio::spawn(async move { post(&waiting, "1", "wait=12").await });
    somebody_waits(&server, 1).await;
    server.database.sql("UPDATE executions SET status = 'success', output = 'unheard', due_at = NULL").await;
    let answer = waits.await.expect("an answer");
    assert_eq!((answer.status, &answer.body["output"]), (200, &json!("unheard")), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_is_heard_from_another_process() {
    if !Fleet::is_possible() {
        return;
    }
    let database = Database::create().await;
    let llm = ManyCalls::start(Duration::from_millis(200));
    let fleet = Fleet::on(&database.url, database.redis_url.as_deref(), llm);
    let (api, _worker) = (fleet.api().await, fleet.worker().await);
    let agent = fleet.agent_with(&api, patient()).await;
    let mut heard = 0;
    // A hint may be lost while the connections are being made; then its sender would wait for a minute.
    for n in 0..20 {
        let body = n.to_string();
        let post = agent.post_with(&body, &[("prefer", "wait=60")]);
        if let Ok(answer) = timeout(Duration::from_secs(20), post).await {
            assert_eq!((answer.status, &answer.body["status"]), (200, &json!("success")), "{}", answer.text);
            heard += 1;
            if heard == 3 {
                return;
            }
        }
    }
    panic!("no end was heard in time: {heard}");
}
