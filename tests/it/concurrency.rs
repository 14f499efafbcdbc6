//! How many executions run at once, of an agent and of a tenant: never more, whoever claims, and nobody else waits for it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use agenthook::config::SettingsArgs;
use agenthook::model::{AgentId, ExecutionId, WorkerId};
use agenthook::store::{Claimed, End, Entry, Finish, Loss};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::harness::{ADMIN_KEY, Agent, Database, Fleet, ManyCalls, Server, Setup, accept_many};

fn trigger(concurrency: impl Into<Value>) -> Value {
    json!({"type": "webhook", "concurrency": concurrency.into()})
}

/// Different hooks with this word in them; all must be accepted.
async fn accepted(agent: &Agent, word: &str, hooks: usize) -> Vec<String> {
    let sends = (0..hooks).map(|n| agent.accepted(format!(r#"{{"word":"{word}","n":{n}}}"#)));
    futures_util::future::join_all(sends).await
}

fn agent_id(agent: &Agent) -> AgentId {
    agent.id.parse().expect("an id")
}

/// A server without a worker: the test claims by itself.
struct Claims {
    server: Server,
    owner: WorkerId,
}

impl Claims {
    async fn start() -> Self {
        Self { server: Server::without_worker().await, owner: WorkerId::new() }
    }

    async fn wait(&self, tenant: &str, agent: &Agent, count: usize) -> Vec<ExecutionId> {
        accept_many(&self.server.app.store, tenant, agent_id(agent), self.server.clock.now(), count).await
    }

    async fn due(&self, limit: usize) -> Vec<Claimed> {
        let now = self.server.clock.now();
        self.server.app.store.claim_due(limit, &[], self.owner, now).await.expect("an answer")
    }

    /// Claims until there is no more, and says how many of each agent.
    async fn all(&self, agents: &[&Agent]) -> (Vec<usize>, Vec<Claimed>) {
        let mut runs = Vec::new();
        loop {
            let some = self.due(16).await;
            if some.is_empty() {
                break;
            }
            runs.extend(some);
        }
        let of = |agent: &&Agent| runs.iter().filter(|run| run.agent_id == agent_id(agent)).count();
        (agents.iter().map(of).collect(), runs)
    }

    async fn by_name(&self, ids: &[ExecutionId]) -> usize {
        let now = self.server.clock.now();
        self.server.app.store.claim(ids, self.owner, now).await.expect("an answer").len()
    }

    async fn end(&self, run: &Claimed, to: Finish) {
        let end = End::of(run, None, to, self.server.clock.now());
        assert_eq!(End::write(&self.server.app.store, &[end]).await.expect("an answer"), [true]);
    }

    async fn done(&self, run: &Claimed) {
        self.end(run, Finish::Success("done".to_owned())).await;
    }

    async fn limit(&self, agent: &Agent, concurrency: Value) {
        let change = json!({"trigger": {"concurrency": concurrency}});
        self.server.expect(200, "PATCH", &format!("/api/v1/agents/{}", agent.id), Some(change)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_of_an_agent_is_claimed_than_its_limit_and_the_end_of_one_is_the_next_ones_turn() {
    let claims = Claims::start().await;
    let limited = claims.server.agent_with(json!({"trigger": trigger(3)})).await;
    let free = claims.server.agent().await;
    let (waiting, others) = (claims.wait("acme", &limited, 10).await, claims.wait("acme", &free, 5).await);
    assert_eq!(claims.by_name(&waiting).await, 0, "by its name none of it is to be had");
    assert_eq!(claims.by_name(&others[..1]).await, 1);
    let (counts, mut runs) = claims.all(&[&limited, &free]).await;
    assert_eq!(counts, [3, 4]);
    runs.retain(|run| run.agent_id == agent_id(&limited));
    let started: Vec<_> = runs.iter().map(|run| run.hold.execution_id).collect();
    assert_eq!(started.iter().collect::<HashSet<_>>(), waiting[..3].iter().collect(), "the first due");
    claims.done(&runs[0]).await;
    assert_eq!(claims.all(&[&limited]).await.0, [1]);
    // Whoever waits for its next try does not run.
    let later = claims.server.clock.now() + Duration::from_secs(3600);
    claims.end(&runs[1], Finish::RetryAt(later)).await;
    assert_eq!(claims.all(&[&limited]).await.0, [1]);
    claims.end(&runs[2], Finish::GoOn).await;
    assert_eq!(claims.all(&[&limited]).await.0, [0], "whoever goes on with another key does");
    let lost = claims.server.app.store.abandon(claims.owner, Loss::Stopped, claims.server.clock.now()).await;
    assert_eq!(lost.expect("an answer").requeued.len(), 3 + 5);
    assert_eq!(claims.all(&[&limited, &free]).await.0, [3, 5], "what is handed back has left its place");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_limit_is_that_of_its_agents_together() {
    let claims = Claims::start().await;
    claims.server.tenant(json!({"tenant_id": "few", "concurrency": 4})).await;
    let one = claims.server.agent_with(json!({"tenant_id": "few", "trigger": trigger(1)})).await;
    let two = claims.server.agent_with(json!({"tenant_id": "few"})).await;
    let three = claims.server.agent_with(json!({"tenant_id": "few", "trigger": trigger(50)})).await;
    let other = claims.server.agent_with(json!({"tenant_id": "other"})).await;
    for agent in [&one, &two, &three] {
        assert_eq!(claims.by_name(&claims.wait("few", agent, 5).await).await, 0);
    }
    claims.wait("other", &other, 5).await;
    let (counts, runs) = claims.all(&[&one, &two, &three, &other]).await;
    assert_eq!((counts[..3].iter().sum::<usize>(), counts[3]), (4, 5), "{counts:?}");
    assert!(counts[0] <= 1);
    let mut left = 15 - 4;
    let mut running: Vec<_> = runs.into_iter().filter(|run| run.tenant_id.as_str() == "few").collect();
    while let Some(run) = running.pop() {
        claims.done(&run).await;
        let (counts, next) = claims.all(&[&one, &two, &three]).await;
        // In the end only the first agent has something waiting, and that runs one at a time.
        assert!(counts.iter().sum::<usize>() <= 1, "{counts:?}");
        left -= next.len();
        running.extend(next);
    }
    assert_eq!(left, 0, "and nothing is forgotten");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_who_claim_at_once_all_together_keep_to_the_limit() {
    let claims = Claims::start().await;
    claims.server.tenant(json!({"tenant_id": "few", "concurrency": 7})).await;
    let five = claims.server.agent_with(json!({"tenant_id": "few", "trigger": trigger(5)})).await;
    let more = claims.server.agent_with(json!({"tenant_id": "few"})).await;
    let free = claims.server.agent_with(json!({"tenant_id": "other"})).await;
    for _ in 0..5 {
        let ids = claims.wait("few", &five, 30).await;
        claims.wait("few", &more, 30).await;
        let others = claims.wait("other", &free, 30).await;
        let (store, now) = (&claims.server.app.store, claims.server.clock.now());
        let claimed = (0..20).map(async |n| match n % 4 {
            0 => store.claim(&[&ids[..], &others[n..=n]].concat(), claims.owner, now).await,
            _ => store.claim_due(9, &[], claims.owner, now).await,
        });
        let claimed = futures_util::future::join_all(claimed).await;
        let mut runs: Vec<_> = claimed.into_iter().flat_map(|runs| runs.expect("an answer")).collect();
        runs.extend(claims.all(&[]).await.1);
        let of = |agent: &Agent| runs.iter().filter(|run| run.agent_id == agent_id(agent)).count();
        assert!(of(&five) <= 5, "{}", of(&five));
        assert_eq!((of(&five) + of(&more), of(&free)), (7, 30));
        for run in &runs {
            claims.done(run).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_changes_holds_for_the_next_claim_and_takes_nothing_from_what_runs() {
    let claims = Claims::start().await;
    let agent = claims.server.agent().await;
    claims.wait("acme", &agent, 20).await;
    assert_eq!(claims.due(3).await.len(), 3);
    claims.limit(&agent, json!(2)).await;
    let (counts, _) = claims.all(&[&agent]).await;
    assert_eq!(counts, [0]);
    claims.limit(&agent, json!(5)).await;
    let (counts, runs) = claims.all(&[&agent]).await;
    assert_eq!(counts, [2]);
    claims.limit(&agent, json!(4)).await;
    claims.done(&runs[0]).await;
    assert_eq!(claims.all(&[&agent]).await.0, [0], "five ran, four may");
    claims.done(&runs[1]).await;
    assert_eq!(claims.all(&[&agent]).await.0, [1]);
    let tenant = async |most: Value| {
        let change = json!({"concurrency": most});
        claims.server.expect(200, "PATCH", "/api/v1/tenants/acme", Some(change)).await;
    };
    tenant(json!(6)).await;
    claims.limit(&agent, Value::Null).await;
    assert_eq!(claims.all(&[&agent]).await.0, [2], "the tenant's");
    let rotate = format!("/api/v1/agents/{}/webhook-secret/rotate", agent.id);
    claims.limit(&agent, json!(6)).await;
    tenant(Value::Null).await;
    claims.server.expect(200, "POST", &rotate, Some(json!({}))).await;
    assert_eq!(claims.all(&[&agent]).await.0, [0], "a version that says nothing of it keeps it");
    claims.limit(&agent, Value::Null).await;
    assert_eq!(claims.all(&[&agent]).await.0, [12]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspect_waits_for_its_place_too() {
    let claims = Claims::start().await;
    let agent = claims.server.agent_with(json!({"trigger": trigger(1)})).await;
    let poison = claims.wait("acme", &agent, 1).await[0];
    let (store, now) = (&claims.server.app.store, claims.server.clock.now());
    for _ in 0..2 {
        let doomed = WorkerId::new();
        let run = store.claim_due(1, &[], doomed, now).await.expect("an answer").remove(0);
        assert_eq!(run.hold.execution_id, poison);
        store.abandon(doomed, Loss::Died, now).await.expect("an answer");
    }
    let neighbor = claims.wait("acme", &agent, 1).await;
    let suspect = async || store.claim_suspect(claims.owner, now).await.expect("an answer");
    let other = claims.due(5).await;
    assert_eq!(other.iter().map(|run| run.hold.execution_id).collect::<Vec<_>>(), neighbor);
    assert!(suspect().await.is_none());
    claims.done(&other[0]).await;
    let suspect = suspect().await.expect("there is room for it");
    assert_eq!(suspect.hold.execution_id, poison);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_of_a_deleted_agent_ends_whatever_its_limit_was() {
    let claims = Claims::start().await;
    let agent = claims.server.agent_with(json!({"trigger": trigger(1)})).await;
    let ids = claims.wait("acme", &agent, 40).await;
    assert_eq!(claims.due(5).await.len(), 1);
    claims.server.expect(204, "DELETE", &format!("/api/v1/agents/{}", agent.id), None).await;
    claims.server.start_worker();
    for id in &ids[1..] {
        let ended = claims.server.ended(&id.to_string()).await;
        assert_eq!(ended["error"]["code"], "agent_deleted", "{ended}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_counts_never_reads_the_whole_ledger() {
    let claims = Claims::start().await;
    let database = &claims.server.database;
    if !database.is_postgres() {
        return;
    }
    let full = claims.server.agent_with(json!({"trigger": trigger(3)})).await;
    claims.server.tenant(json!({"tenant_id": "few", "concurrency": 40})).await;
    let other = claims.server.agent_with(json!({"tenant_id": "few"})).await;
    claims.wait("acme", &full, 50_000).await;
    claims.wait("few", &other, 1000).await;
    assert_eq!(claims.due(6).await.len(), 6);
    let mut look = PgConnection::connect(&database.url).await.expect("opens");
    sqlx::query("ANALYZE").execute(&mut look).await.expect("analyzes");
    let scans = "SELECT seq_scan, idx_scan FROM pg_stat_user_tables WHERE relname = 'executions'";
    let before: (i64, i64) = sqlx::query_as(scans).fetch_one(&mut look).await.expect("counts");
    // One connection, so that its plan is made anew for all values after the fifth.
    let store = agenthook::store::Store::open(&database.url, 1).await.expect("opens");
    for _ in 0..12 {
        let now = claims.server.clock.now();
        assert_eq!(store.claim_due(1, &[], claims.owner, now).await.expect("an answer").len(), 1);
    }
    store.close().await;
    // Postgres tells a moment later, and all at once.
    let mut after = before;
    while after.1 == before.1 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        after = sqlx::query_as(scans).fetch_one(&mut look).await.expect("counts");
    }
    assert_eq!(after.0, before.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_llm_never_sees_more_calls_of_an_agent_at_once_than_its_limit() {
    let llm = ManyCalls::start(Duration::from_millis(30));
    let server = Server::with_llm_at(&llm.url).await;
    let agent = server.agent_with(json!({"trigger": trigger(2)})).await;
    llm.hold("few");
    let ids = accepted(&agent, "few", 10).await;
    llm.holds(2).await;
    llm.let_go();
    for id in ids {
        assert_eq!(server.ended(&id).await["status"], "success");
    }
    assert_eq!(llm.peak(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_together_keep_to_the_limits() {
    if !Fleet::is_possible() {
        return;
    }
    let (database, llm) = (Database::create().await, ManyCalls::start(Duration::from_millis(50)));
    let fleet = Fleet::on(&database.url, database.redis_url.as_deref(), llm.clone());
    let api = fleet.api().await;
    let _workers = [fleet.worker().await, fleet.worker().await];
    let two = fleet.agent_with(&api, json!({"trigger": trigger(2)})).await;
    llm.hold("two");
    let ids = accepted(&two, "two", 20).await;
    llm.holds(2).await;
    llm.let_go();
    fleet.tally(&api, ids).await.assert_all_succeeded();
    assert_eq!(llm.peak(), 2, "an agent's");
    let few = json!({"tenant_id": "few", "concurrency": 5});
    let made = fleet.http.post(format!("{}/api/v1/tenants", api.url)).bearer_auth(ADMIN_KEY).json(&few);
    assert_eq!(made.send().await.expect("an answer").status(), 201);
    let mut ids = Vec::new();
    llm.hold("few");
    for _ in 0..3 {
        let agent = fleet.agent_with(&api, json!({"tenant_id": "few"})).await;
        ids.extend(accepted(&agent, "few", 15).await);
    }
    llm.holds(5).await;
    llm.let_go();
    fleet.tally(&api, ids).await.assert_all_succeeded();
    assert_eq!(llm.peak(), 5, "a tenant's");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_may_run_no_more_holds_up_nobody() {
    let llm = ManyCalls::start(Duration::ZERO);
    llm.hold("of the full one");
    let server = Server::with_llm_at(&llm.url).await;
    let full = server.agent_with(json!({"trigger": trigger(1), "system_prompt": "of the full one"})).await;
    accept_many(&server.app.store, "acme", agent_id(&full), server.clock.now(), 20_000).await;
    llm.holds(1).await;
    let same_tenant = server.agent().await;
    let other_tenant = server.agent_with(json!({"tenant_id": "other"})).await;
    let limited = server.agent_with(json!({"trigger": trigger(1)})).await;
    for agent in [&same_tenant, &other_tenant, &limited] {
        for id in accepted(agent, "free", 5).await {
            assert_eq!(server.ended(&id).await["status"], "success");
        }
    }
    assert_eq!(llm.in_flight(), 1, "of the full one");
    let raised = json!({"trigger": {"concurrency": 4}});
    server.expect(200, "PATCH", &format!("/api/v1/agents/{}", full.id), Some(raised)).await;
    llm.holds(4).await;
    let id = same_tenant.accepted(r#""again""#).await;
    assert_eq!(server.ended(&id).await["status"], "success");
    assert_eq!(llm.in_flight(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_run_starts_among_the_next_whatever_another_tenant_has_sent() {
    const SLOTS: usize = 4;
    // Long enough that a slow machine's few calls between two looks stay few.
    let llm = ManyCalls::start(Duration::from_millis(50));
    let args = SettingsArgs {
        worker_concurrency: Some(SLOTS.to_string()),
        litellm_base_url: Some(llm.url.clone()),
        ..SettingsArgs::default()
    };
    let server = Server::with(Setup { args, worker: false, ..Setup::default() }).await;
    for most in [Value::Null, json!(3)] {
        let flood =
            server.agent_with(json!({"tenant_id": "a-flood", "trigger": trigger(most.clone())})).await;
        let other = server.agent_with(json!({"tenant_id": "other"})).await;
        accept_many(&server.app.store, "a-flood", agent_id(&flood), server.clock.now(), 5000).await;
        if most.is_null() {
            server.start_worker();
        }
        llm.called(llm.calls().len() + SLOTS).await;
        for n in 0..5 {
            let id = other.accepted(format!(r#"{{"single":{n}}}"#)).await;
            let before = llm.calls().len();
            server.ended(&id).await;
            let place = llm.calls().iter().position(|call| call.execution_id == id).expect("it was called");
            // What was claimed already, what was just being claimed, and those that it was claimed with.
            assert!(place <= before + 4 * SLOTS, "{place} of {before}: it had to wait for the flood");
        }
        let waiting = server.get("/api/v1/executions?status=queued&limit=1").await;
        assert_ne!(waiting["executions"], json!([]), "the flood still waits");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stands_still_while_it_claims_does_not_keep_the_others_from_it() {
    let claims = Claims::start().await;
    let database = Arc::clone(&claims.server.database);
    if !database.is_postgres() {
        return;
    }
    let agent = claims.server.agent_with(json!({"trigger": trigger(1)})).await;
    claims.wait("acme", &agent, 2).await;
    let mut still = PgConnection::connect(&database.url).await.expect("opens");
    // What a claim begins with; then nothing more is heard of it.
    for step in ["BEGIN", agenthook::store::LOCK_POSTGRES] {
        sqlx::raw_sql(step).execute(&mut still).await.expect("it has the lock");
    }
    assert_eq!(claims.due(5).await.len(), 1);
}
