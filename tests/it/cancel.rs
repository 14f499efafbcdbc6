//! Somebody ends an execution: what waits never runs, a call that is out is given up, and there is one end.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{
    ADMIN_KEY, Agent, Database, Fleet, ManyCalls, Member, RawLlm, Server, Setup, completion, error,
};
use agenthook::config::SettingsArgs;
use agenthook::model::{Actor, AuditAction, AuditEntry};

fn path(id: &str) -> String {
    format!("/api/v1/executions/{id}/cancel")
}

/// One run at a time, by this LLM.
async fn one_at_a_time(llm: &RawLlm) -> Server {
    let args = SettingsArgs {
        litellm_base_url: Some(llm.url.clone()),
        worker_concurrency: Some("1".into()),
        ..SettingsArgs::default()
    };
    Server::with(Setup { args, ..Setup::default() }).await
}

/// Ended by hand: without an output, without an error, and with no call that is still out.
fn assert_cancelled(trace: &Value, calls: usize) {
    assert_eq!(trace["status"], "cancelled", "{trace}");
    assert!(trace["timing"]["finished_at"].is_string(), "{trace}");
    for field in ["output", "error", "due_at"] {
        assert!(trace[field].is_null(), "{field}: {trace}");
    }
    let attempts = trace["attempts"].as_array().expect("a list");
    assert_eq!(attempts.len(), calls, "{trace}");
    if let Some(last) = attempts.last() {
        assert!(last["finished_at"].is_string() && last["error"]["code"] == "cancelled", "{trace}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_cancelled_and_never_runs() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let [queued, held, other] =
        [agent.accepted("1").await, agent.accepted("2").await, agent.accepted("3").await];
    let hold = |id: &str| match server.database.is_postgres() {
        true => format!("execution_id = '{id}'"),
        false => format!("execution_id = x'{}'", id.replace('-', "")),
    };
    server
        .database
        .sql(&format!("UPDATE executions SET status = 'held', due_at = NULL WHERE {}", hold(&held)))
        .await;
    let is_held = server.get("/api/v1/executions?status=held").await;
    assert_eq!(is_held["executions"][0]["execution_id"], held.as_str());
    for id in [&queued, &held] {
        let answer = server.expect(200, "POST", &path(id), None).await;
        assert_cancelled(&answer, 0);
        assert_eq!(answer, server.trace(id).await, "what GET shows");
        let again = server.expect(409, "POST", &path(id), Some(json!({}))).await;
        assert_eq!(again["code"], "conflict");
        assert!(again["detail"].as_str().expect("text").contains("was cancelled"), "{again}");
    }
    assert_eq!(agent.post("1").await.body["status"], "duplicate", "its sender is not to send it again");
    server.start_worker();
    assert_eq!(server.ended(&other).await["status"], "success");
    assert_eq!(server.llm.calls().await.len(), 1);
    let found = server.get("/api/v1/executions?status=cancelled").await;
    assert_eq!(found["executions"].as_array().expect("a list").len(), 2);
    for id in [&queued, &held] {
        assert_cancelled(&server.trace(id).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_is_not_cancelled() {
    let server = Server::start().await;
    let agent = server.agent_with(json!({"retry": {"max_attempts": 1}})).await;
    let good = agent.run(&server, "1").await;
    server.llm.answers(error(400, "invalid_request_error", "no"));
    let bad = agent.run(&server, "2").await;
    for (trace, word) in [(good, "success"), (bad, "retry")] {
        let id = trace["execution_id"].as_str().expect("an id");
        let answer = server.expect(409, "POST", &path(id), None).await;
        assert!(answer["detail"].as_str().expect("text").contains(word), "{answer}");
        assert_eq!(server.trace(id).await, trace, "nothing has changed");
    }
    for id in [uuid::Uuid::now_v7().to_string().as_str(), "x"] {
        server.expect(404, "POST", &path(id), None).await;
    }
    let id = server.executions().await[0]["execution_id"].as_str().expect("an id").to_owned();
    let answer = server.expect(422, "POST", &path(&id), Some(json!({"why": "because"}))).await;
    assert_eq!(answer["errors"][0]["pointer"], "/why");
    server.expect(405, "GET", &path(&id), None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_out_is_given_up_and_its_slot_is_free() {
    let llm = RawLlm::start(RawLlm::completion("for the other")).await;
    let server = one_at_a_time(&llm).await;
    let agent = server.agent().await;
    let id = agent.accepted("1").await;
    llm.called(1).await;
    let answer = server.expect(200, "POST", &path(&id), None).await;
    assert_cancelled(&answer, 1);
    llm.was_hung_up(1).await;
    let other = agent.accepted("2").await;
    llm.called(2).await;
    llm.let_go();
    assert_eq!(server.ended(&other).await["output"], "for the other");
    server.drain().await;
    assert_eq!(server.trace(&id).await, answer, "the end is the end");
    assert_eq!(llm.calls(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_hint_a_worker_finds_out_by_itself() {
    let llm = RawLlm::start(RawLlm::completion("too late")).await;
    let server = one_at_a_time(&llm).await;
    let id = server.agent().await.accepted("1").await;
    llm.called(1).await;
    let (store, now) = (&server.app.store, server.clock.now());
    let entry = AuditEntry::new(Actor::server(), AuditAction::ExecutionCancelled, &id, now);
    store.cancel(id.parse().expect("an id"), &entry).await.expect("an answer");
    llm.was_hung_up(1).await;
    assert_cancelled(&server.trace(&id).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_alone_is_cancelled_and_the_others_go_on() {
    let llm = RawLlm::start(RawLlm::completion("fine")).await;
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let suspect = agent.accepted("1").await;
    server.database.sql("UPDATE executions SET deaths = 2").await;
    let setup = server.stop().await;
    let args = SettingsArgs { litellm_base_url: Some(llm.url.clone()), ..SettingsArgs::default() };
    let server = Server::with(Setup { args, ..setup }).await;
    llm.called(1).await;
    assert_cancelled(&server.expect(200, "POST", &path(&suspect), None).await, 1);
    llm.was_hung_up(1).await;
    let other = agent.through(&server).accepted("2").await;
    llm.called(2).await;
    llm.let_go();
    assert_eq!(server.ended(&other).await["status"], "success");
    assert_cancelled(&server.trace(&suspect).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_and_an_end_at_once_make_one_end() {
    let server = Server::start().await;
    let agent = server.agent().await;
    // Which of the two comes first is the machine's affair; that only one of them counts is not.
    for round in 0..3_u64 {
        server.llm.answers(completion("in time").set_delay(Duration::from_millis(10 + round * 10)));
        let races = (0..20_u64).map(async |n| {
            let id = agent.accepted(json!([round, n]).to_string()).await;
            tokio::time::sleep(Duration::from_millis(n * 3)).await;
            let (status, answer) = server.api("POST", &path(&id), None).await;
            (id, status, answer)
        });
        for (id, status, answer) in futures_util::future::join_all(races).await {
            let trace = server.ended(&id).await;
            match status {
                200 => {
                    assert_eq!(answer, trace, "the end that was told stays");
                    assert_cancelled(&trace, trace["attempts"].as_array().expect("a list").len());
                }
                409 => {
                    assert_eq!((&trace["status"], &trace["output"]), (&json!("success"), &json!("in time")))
                }
                other => panic!("{other}: {answer}"),
            }
        }
    }
}

/// A fleet of an api and a worker that has room for one run.
async fn api_and_worker(
    database: &Database,
    redis_url: Option<&str>,
    llm: &RawLlm,
) -> (Fleet, Member, Member) {
    let mut fleet = Fleet::on(&database.url, redis_url, ManyCalls::start(Duration::ZERO));
    fleet.set("LITELLM_BASE_URL", &llm.url);
    fleet.set("AGENTHOOK_WORKER_CONCURRENCY", "1");
    if redis_url.is_some_and(|url| url == NO_REDIS) {
        fleet.has_no_redis();
    }
    let (api, worker) = (fleet.api().await, fleet.worker().await);
    (fleet, api, worker)
}

/// Nothing listens there, so no hint ever arrives.
const NO_REDIS: &str = "redis://127.0.0.1:1";

/// Cancelled through the api, given up by the worker, and the next one has its place.
async fn is_given_up_by_another_process(redis_url: Option<&str>, database: &Database) {
    let llm = RawLlm::start(RawLlm::completion("for the other")).await;
    let (fleet, api, _worker) = api_and_worker(database, redis_url, &llm).await;
    let agent: Agent = fleet.agent(&api).await;
    let id = agent.accepted("1").await;
    llm.called(1).await;
    let cancel = fleet.http.post(format!("{}{}", api.url, path(&id))).bearer_auth(ADMIN_KEY);
    let answer = cancel.send().await.expect("the api answers");
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.expect("JSON");
    assert_cancelled(&answer, 1);
    llm.was_hung_up(1).await;
    let other = agent.accepted("2").await;
    llm.called(2).await;
    llm.let_go();
    let tally = fleet.tally(&api, [other.clone(), id.clone()]).await;
    assert_eq!(tally.trace(&other)["status"], "success");
    assert_eq!(tally.trace(&id), &answer);
    assert_eq!(llm.calls(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_cancels_a_call_that_is_out() {
    if Fleet::is_possible() {
        let database = Database::create().await;
        is_given_up_by_another_process(database.redis_url.as_deref(), &database).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_cancels_a_call_that_is_out_and_no_hint_arrives() {
    if Fleet::is_possible() {
        let database = Database::create().await;
        is_given_up_by_another_process(Some(NO_REDIS), &database).await;
    }
}
