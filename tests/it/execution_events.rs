//! What is told of executions: each run's end, once and always; that one waits or begins, where somebody wants to hear of
//! it.

use std::time::Duration;

use agenthook::model::{Actor, AgentId, AuditAction, AuditEntry, ExecutionId, Time, WorkerId};
use agenthook::store::{Cancellation, Claimed, End, Entry, Finish, Loss, Store};
use serde_json::{Value, json};

use crate::harness::{Database, RawLlm, Server, Setup, accept, completion, error};
use crate::two_processes::two;
use agenthook::clock::Clock;
use agenthook::config::SettingsArgs;

const COMPLETED: &str = "execution.completed";
const FAILED: &str = "execution.failed";
const CANCELLED: &str = "execution.cancelled";

fn path(id: &str, action: &str) -> String {
    format!("/api/v1/executions/{id}/{action}")
}

/// Fails unless all that was told of this execution is this one end, in the words of the API; what was told.
async fn told_once(server: &Server, id: &str, event_type: &str) -> Value {
    let told = server.database.told(id).await;
    let [(told_type, data)] = told.as_slice() else { panic!("not one event: {told:?}") };
    assert_eq!(told_type, event_type);
    assert_as_shown(data, &server.trace(id).await);
    data.clone()
}

/// What is told has the names and the values of the trace, and nothing that came in.
fn assert_as_shown(data: &Value, trace: &Value) {
    for (name, value) in data.as_object().expect("an object") {
        if name != "output_truncated" {
            assert_eq!(value, &trace[name], "{name}: {data}");
        }
    }
    for name in ["execution_id", "agent_version", "run", "status", "source", "model", "usage", "cost_usd"] {
        assert!(data.get(name).is_some(), "{name}: {data}");
    }
    assert_eq!(data["timing"].as_object().map(serde_json::Map::len), Some(6), "{data}");
    let of = |status: &str| trace["status"] == status;
    assert_eq!((data.get("output").is_some(), data.get("error").is_some()), (of("success"), of("failed")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_ends_by_itself_is_told_once() {
    let server = Server::start().await;
    let retry = json!({"max_attempts": 2, "initial_delay_ms": 1});
    let agent = server.agent_with(json!({ "retry": retry })).await;
    let good = agent.run(&server, r#"{"n":"planted"}"#).await;
    let data = told_once(&server, id_of(&good), COMPLETED).await;
    assert_eq!((&data["output"], &data["output_truncated"]), (&json!("triaged"), &json!(false)));
    assert!(!data.to_string().contains("planted"), "{data}");

    server.llm.answers(completion(&"€".repeat(30_000)));
    let long = agent.run(&server, "2").await;
    let told = server.database.told(id_of(&long)).await;
    let output = told[0].1["output"].as_str().expect("text");
    assert_eq!((output.len(), &told[0].1["output_truncated"]), (65_535, &json!(true)), "cut at a character");

    server.llm.answers(error(500, "internal_server_error", "oh"));
    let bad = agent.run(&server, "3").await;
    assert_eq!(bad["attempts"].as_array().map(Vec::len), Some(2));
    told_once(&server, id_of(&bad), FAILED).await;

    // Another run of its own: another end of its own.
    server.llm.answers(completion("at last"));
    server.expect(202, "POST", &path(id_of(&bad), "retry"), None).await;
    server.ended(id_of(&bad)).await;
    let told = server.database.told(id_of(&bad)).await;
    let ends: Vec<_> = told.iter().map(|(kind, data)| (kind.as_str(), &data["run"])).collect();
    assert_eq!(ends, [(FAILED, &json!(1)), (COMPLETED, &json!(2))]);
    assert_as_shown(&told[1].1, &server.trace(id_of(&bad)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_without_a_call_is_told_once() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let template = json!({"type": "webhook", "prompt_template": "{{ payload.missing.title }}"});
    let prompt = server.agent_with(json!({ "trigger": template })).await.accepted("{}").await;
    let queued = agent.accepted("1").await;
    server.expect(204, "DELETE", &format!("/api/v1/agents/{}", agent.id), None).await;
    let unreadable = server.agent().await.accepted("2").await;
    let row = match server.database.is_postgres() {
        true => format!("execution_id = '{unreadable}'"),
        false => format!("execution_id = x'{}'", unreadable.replace('-', "")),
    };
    server.database.sql(&format!("UPDATE executions SET headers = 'no JSON' WHERE {row}")).await;
    server.start_worker();
    for (id, code) in [(prompt, "prompt_failed"), (queued, "agent_deleted"), (unreadable, "crashed")] {
        assert_eq!(server.ended(&id).await["error"]["code"], code);
        assert_eq!(told_once(&server, &id, FAILED).await["error"]["code"], code);
    }
    assert!(server.llm.calls().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_nobodys_any_more_is_told_all_the_same() {
    let database = Database::create().await;
    let (store, now) = (migrated(&database).await, Clock::system().now());
    let id = accept(&store, AgentId::new(), now).await;
    database.sql("UPDATE executions SET tenant_id = 'no tenant!'").await;
    assert!(store.claim(&[id], WorkerId::new(), now).await.expect("an answer").is_empty());
    let rows = database.contents().await;
    let [types, data] =
        ["events.event_type", "events.data"].map(|column| String::from_utf8_lossy(&rows[column]));
    assert_eq!(types, FAILED);
    assert!(
        data.contains(r#""tenant_id":"no tenant!","run":1,"status":"failed","error":{"code":"crashed""#),
        "{data}"
    );
    assert!(rows["events.tenant_id"].is_empty(), "no tenant hears of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_somebody_ends_is_told_once() {
    let llm = RawLlm::start(RawLlm::completion("too late")).await;
    let args = SettingsArgs { litellm_base_url: Some(llm.url.clone()), ..SettingsArgs::default() };
    let server = Server::with(Setup { args, worker: false, ..Setup::default() }).await;
    let hold = json!({"type": "webhook", "when_paused": "hold"});
    let paused = server.agent_with(json!({"trigger": hold, "status": "paused"})).await;
    let [held, discarded] = [paused.accepted("1").await, paused.accepted("2").await];
    let agent = server.agent().await;
    let queued = agent.accepted("3").await;
    for (id, action) in [(&held, "cancel"), (&discarded, "discard"), (&queued, "cancel")] {
        server.expect(200, "POST", &path(id, action), None).await;
        server.expect(409, "POST", &path(id, action), None).await;
        let data = told_once(&server, id, CANCELLED).await;
        assert_eq!(data.get("held_reason").is_some(), *id != queued, "{data}");
    }
    server.start_worker();
    let running = agent.accepted("4").await;
    llm.called(1).await;
    server.expect(200, "POST", &path(&running, "cancel"), None).await;
    llm.was_hung_up(1).await;
    server.drain().await;
    told_once(&server, &running, CANCELLED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kills_its_worker_alone_is_told_once_and_what_is_lost_is_not() {
    let database = Database::create().await;
    let (store, now) = (migrated(&database).await, Clock::system().now());
    let alone = async || {
        let id = accept(&store, AgentId::new(), now).await;
        let run = claim(&store, id, now).await;
        assert!(store.mark_alone(&run.hold).await.expect("an answer"));
        run
    };
    let taken = alone().await;
    store.beat(taken.hold.owner, now, now).await.expect("written");
    store.bury(taken.hold.owner, Some(1), now).await.expect("an answer");
    let abandoned = alone().await;
    store.abandon(abandoned.hold.owner, Loss::Died, now).await.expect("an answer");
    let fell = alone().await;
    store.let_go(&fell.hold, Loss::Died, now, now).await.expect("an answer");
    for run in [&taken, &abandoned, &fell] {
        let told = database.told(&run.hold.execution_id.to_string()).await;
        let ends: Vec<_> = told.iter().map(|(kind, data)| (kind.as_str(), &data["error"]["code"])).collect();
        assert_eq!(ends, [(FAILED, &json!("crashed"))]);
        assert!(!finish(&store, run, now).await, "it comes too late");
    }

    // What is only lost runs again: whoever lost it cannot tell its end.
    let id = accept(&store, AgentId::new(), now).await;
    let slow = claim(&store, id, now).await;
    store.abandon(slow.hold.owner, Loss::Died, now).await.expect("an answer");
    let quick = claim(&store, id, now).await;
    assert!(!finish(&store, &slow, now).await);
    assert!(database.told(&id.to_string()).await.is_empty());
    assert!(finish(&store, &quick, now).await && !finish(&store, &quick, now).await);
    assert_eq!(database.told_types(&id.to_string()).await, [COMPLETED]);
    for run in [&taken, &abandoned, &fell] {
        assert_eq!(database.told_types(&run.hold.execution_id.to_string()).await, [FAILED]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_ends_at_once_one_is_told() {
    let database = Database::create().await;
    let (store, now) = (migrated(&database).await, Clock::system().now());
    for _ in 0..5 {
        let id = accept(&store, AgentId::new(), now).await;
        let run = claim(&store, id, now).await;
        let entry = AuditEntry::new(Actor::server(), AuditAction::ExecutionCancelled, id, now);
        let ends = (0..20).map(async |number| match number % 2 {
            0 => finish(&store, &run, now).await,
            _ => store.cancel(id, &entry).await.expect("an answer") == Cancellation::Done,
        });
        let ends = futures_util::future::join_all(ends).await;
        assert_eq!(ends.iter().filter(|won| **won).count(), 1);
        let cancelled = ends.iter().position(|won| *won).is_some_and(|place| place % 2 == 1);
        let told = database.told_types(&id.to_string()).await;
        assert_eq!(told, [if cancelled { CANCELLED } else { COMPLETED }]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_and_what_begins_is_told_where_somebody_wants_it() {
    let server = Server::start().await;
    let hold = json!({"type": "webhook", "when_paused": "hold"});
    let retry = json!({"max_attempts": 2, "initial_delay_ms": 1});
    let agent = server.agent_with(json!({"trigger": hold, "retry": retry})).await;
    let types = async |id: &str| server.database.told_types(id).await;
    let quiet = agent.run(&server, "0").await;
    assert_eq!(types(id_of(&quiet)).await, [COMPLETED]);

    let endpoint = server.subscribe(json!(["execution.*"])).await;
    // Two calls, one beginning.
    server.llm.answers_in_turn([error(500, "internal_server_error", "oh"), completion("fine")]);
    let id = agent.accepted("1").await;
    server.ended(&id).await;
    assert_eq!(agent.post("1").await.body["status"], "duplicate");
    assert_eq!(types(&id).await, ["execution.queued", "execution.started", COMPLETED]);
    let told = server.database.told(&id).await;
    for (_, data) in &told[..2] {
        assert!(data.get("cost_usd").is_none() && data["timing"]["received_at"].is_string(), "{data}");
    }

    // Held, released, failed, and run once more.
    server.llm.answers(error(400, "invalid_request_error", "no"));
    let agent_path = format!("/api/v1/agents/{}", agent.id);
    server.expect(200, "PATCH", &agent_path, Some(json!({"status": "paused"}))).await;
    let id = agent.accepted("2").await;
    assert_eq!(server.database.told(&id).await[0].1["held_reason"], "paused");
    server.expect(202, "POST", &path(&id, "release"), None).await;
    server.ended(&id).await;
    server.expect(202, "POST", &path(&id, "retry"), None).await;
    server.ended(&id).await;
    let told = server.database.told(&id).await;
    let told: Vec<_> = told.iter().map(|(kind, data)| (kind.as_str(), data["run"].as_i64())).collect();
    let [queued, started] = ["execution.queued", "execution.started"];
    assert_eq!(told[0], ("execution.held", Some(1)));
    for (run, some) in [(1, &told[1..4]), (2, &told[4..])] {
        assert_eq!(some, [(queued, Some(run)), (started, Some(run)), (FAILED, Some(run))]);
    }

    // What no hook began.
    server.expect(200, "PATCH", &agent_path, Some(json!({"status": "active"}))).await;
    let replay = server.expect(202, "POST", &path(&id, "replay"), None).await;
    let test = server.expect(202, "POST", &format!("{agent_path}/test"), Some(json!({"payload": 1}))).await;
    for (answer, source) in [(&replay, "replay"), (&test, "test")] {
        server.ended(id_of(answer)).await;
        let told = server.database.told(id_of(answer)).await;
        assert_eq!(told.len(), 3, "{told:?}");
        assert_eq!((told[0].0.as_str(), &told[0].1["source"]), (queued, &json!(source)));
    }
    assert_eq!(server.database.told(id_of(&replay)).await[0].1["replay_of"], json!(id));

    // Nobody wants it any more; another agent's endpoint never did.
    server.expect(204, "DELETE", &format!("/api/v1/webhooks/{}", id_of_webhook(&endpoint)), None).await;
    server.subscribe(json!(["execution.completed", "model.*"])).await;
    server.llm.answers(completion("fine"));
    let id = agent.accepted("3").await;
    server.ended(&id).await;
    assert_eq!(types(&id).await, [COMPLETED]);
}

#[tokio::test(flavor = "multi_thread")]
async fn that_somebody_wants_it_holds_in_another_process_within_a_second() {
    let Some((one, other)) = two(None).await else { return };
    let agent = one.agent().await;
    let first = agent.accepted("0").await;
    one.ended(&first).await;
    let there = agent.through(&other);
    assert_eq!(there.post("0").await.status, 200, "it knows the agent");
    one.subscribe(json!(["execution.started", "execution.queued"])).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let id = there.accepted("1").await;
    one.ended(&id).await;
    assert_eq!(one.database.told_types(&id).await, ["execution.queued", "execution.started", COMPLETED]);
}

fn id_of(answer: &Value) -> &str {
    answer["execution_id"].as_str().expect("an id")
}

fn id_of_webhook(answer: &Value) -> &str {
    answer["webhook_id"].as_str().expect("an id")
}

async fn migrated(database: &Database) -> Store {
    let store = Store::open(&database.url, 20).await.expect("opens");
    store.migrate().await.expect("migrates");
    store
}

async fn claim(store: &Store, id: ExecutionId, now: Time) -> Claimed {
    store.claim(&[id], WorkerId::new(), now).await.expect("an answer").pop().expect("it is to be had")
}

/// `false`: too late.
async fn finish(store: &Store, run: &Claimed, now: Time) -> bool {
    let end = End::of(run, None, Finish::Success("done".to_owned()), now);
    End::write(store, &[end]).await.expect("an answer")[0]
}
