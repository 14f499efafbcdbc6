//! How many hooks an agent takes, and a tenant: a burst at once, then a steady rate, then 429.

use std::sync::Arc;
use std::time::Duration;

use agenthook::clock::Clock;
use agenthook::config::SettingsArgs;
use serde_json::{Value, json};

use crate::harness::{ADMIN_KEY, Agent, Answer, Database, Llm, RedisServer, Server, Setup, eventually};
use crate::two_processes::two;

fn trigger(per_minute: u32, burst: u32) -> Value {
    json!({"type": "webhook", "rate_limit": {"per_minute": per_minute, "burst": burst}})
}

/// Sends different hooks until one is refused; how many were taken, and the refusal.
async fn until_refused(agent: &Agent) -> (usize, Answer) {
    for taken in 0..100 {
        let answer = agent.post(json!({"hook": uuid::Uuid::new_v4()}).to_string()).await;
        if answer.status != 202 {
            assert_eq!(answer.status, 429, "{}", answer.text);
            return (taken, answer);
        }
    }
    panic!("nothing was refused");
}

async fn taken(agent: &Agent) -> usize {
    until_refused(agent).await.0
}

fn seconds(refused: &Answer) -> u64 {
    refused.header("retry-after").parse().expect("whole seconds")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_is_taken_and_whoever_waits_as_told_is_taken_again() {
    let server = Server::with_manual_clock().await;
    for (per_minute, burst, wait) in [(7, 3, 9), (60, 1, 1), (1, 1, 60), (1000, 2, 1)] {
        let agent = server.agent_with(json!({"trigger": trigger(per_minute, burst)})).await;
        let (count, refused) = until_refused(&agent).await;
        assert_eq!((count, seconds(&refused)), (burst as usize, wait));
        assert_eq!(refused.body["code"], "too_many_requests");
        let detail = format!(
            "this agent takes {per_minute} webhooks per minute and {burst} at once: try again in {wait} s"
        );
        assert_eq!(refused.body["detail"], detail);
        server.clock.advance(Duration::from_secs(wait) - Duration::from_millis(1000));
        assert_eq!(taken(&agent).await, 0, "not sooner");
        server.clock.advance(Duration::from_secs(1));
        assert_ne!(taken(&agent).await, 0, "what Retry-After says is true");
        server.clock.advance(Duration::from_secs(3600));
        assert_eq!(taken(&agent).await, burst as usize, "and after a pause the whole burst");
    }
    let free = server.agent().await;
    for n in 0..120 {
        free.accepted(n.to_string()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_rate_is_that_of_its_agents_together() {
    let server = Server::with_manual_clock().await;
    let limit = json!({"per_minute": 1, "burst": 5});
    server.tenant(json!({"tenant_id": "few", "rate_limit": limit})).await;
    let own = server.agent_with(json!({"tenant_id": "few", "trigger": trigger(60, 2)})).await;
    let other = server.agent_with(json!({"tenant_id": "few"})).await;
    let (count, refused) = until_refused(&own).await;
    assert_eq!((count, seconds(&refused)), (2, 1));
    assert!(refused.body["detail"].as_str().expect("text").starts_with("this agent takes 60"));
    assert_eq!(taken(&own).await, 0);
    let (count, refused) = until_refused(&other).await;
    assert_eq!((count, seconds(&refused)), (3, 60), "what an agent refused was not taken of the tenant's");
    let detail = refused.body["detail"].as_str().expect("text");
    assert!(
        detail.starts_with("the agents of this tenant together take 1 webhooks per minute and 5 at once")
    );
    server.clock.advance(Duration::from_secs(2));
    assert!(until_refused(&own).await.1.body["detail"].as_str().expect("text").contains("together"));
    server.clock.advance(Duration::from_secs(58));
    assert_eq!(taken(&own).await, 1, "what the tenant refused was not taken of the agent's");
    let another = server.agent_with(json!({"tenant_id": "another", "trigger": trigger(1, 2)})).await;
    assert_eq!(taken(&another).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_before_costs_nothing_and_is_answered_over_the_rate_too() {
    let server = Server::with_manual_clock().await;
    let agent = server.agent_with(json!({"trigger": trigger(1, 2)})).await;
    let named = [("idempotency-key", "one")];
    let first = agent.post_with("{}", &named).await.execution_id();
    let repeat = async || {
        let repeat = agent.post_with("{}", &named).await;
        assert_eq!((repeat.status, &repeat.body["status"]), (200, &json!("duplicate")), "{}", repeat.text);
        assert_eq!(repeat.execution_id(), first);
        let mismatch = agent.post_with("[]", &named).await;
        assert_eq!((mismatch.status, &mismatch.body["code"]), (422, &json!("idempotency_mismatch")));
    };
    for _ in 0..5 {
        repeat().await;
    }
    assert_eq!(taken(&agent).await, 1, "repeats have taken nothing");
    repeat().await;
    assert_eq!(taken(&agent).await, 0);
    assert_eq!(server.executions().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_new_when_it_is_sent_again_and_has_to_wait() {
    let server = Server::with_manual_clock().await;
    server.llm.answers(crate::harness::error(400, "invalid_request_error", "no"));
    let agent = server.agent_with(json!({"trigger": trigger(1, 1)})).await;
    let failed = agent.run(&server, "{}").await;
    assert_eq!(failed["status"], "failed");
    let again = agent.post("{}").await;
    assert_eq!((again.status, seconds(&again)), (429, 60));
    server.clock.advance(Duration::from_secs(60));
    agent.accepted("{}").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_another_reason_does_not_count() {
    let server = Server::with_manual_clock().await;
    let mut picky = trigger(1, 1);
    picky["payload_schema"] = json!({"properties": {"n": {"type": "integer"}}});
    picky["filter"] = json!("!has(payload.skip)");
    let agent = server.agent_with(json!({"trigger": picky})).await;
    for (answer, status) in [
        (agent.post_raw(b"{}", &[("x-hub-signature-256", "sha256=00")]).await, 401),
        (agent.post(r#"{"n":"one"}"#).await, 422),
        (agent.post("{").await, 400),
        (agent.post(r#"{"skip":1}"#).await, 200),
        (agent.post(r#"{"n":"one"}"#).await, 422),
    ] {
        assert_eq!(answer.status, status, "{}", answer.text);
    }
    let path = format!("/api/v1/agents/{}/test", agent.id);
    server.expect(202, "POST", &path, Some(json!({"payload": {"tried": 1}}))).await;
    let id = agent.accepted("{}").await;
    server.ended(&id).await;
    server.expect(202, "POST", &format!("/api/v1/executions/{id}/replay"), Some(json!({}))).await;
    server.expect(202, "POST", &path, Some(json!({"payload": {"tried": 2}}))).await;
    assert_eq!(
        agent.post(r#"{"n":"one"}"#).await.status,
        422,
        "it is not the rate that such a sender has to know of"
    );
    assert_eq!(taken(&agent).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_for_a_person_counts() {
    let server = Server::with_manual_clock().await;
    let mut holding = trigger(1, 2);
    holding["when_paused"] = json!("hold");
    let agent = server.agent_with(json!({"status": "paused", "trigger": holding})).await;
    let id = agent.accepted("{}").await;
    assert_eq!(server.trace(&id).await["status"], "held");
    assert_eq!(taken(&agent).await, 1);
    assert_eq!(agent.post("{}").await.body["status"], "duplicate");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_that_changes_holds_at_once() {
    let server = Server::with_manual_clock().await;
    let agent = server.agent_with(json!({"trigger": trigger(1, 1)})).await;
    let own = format!("/api/v1/agents/{}", agent.id);
    assert_eq!(taken(&agent).await, 1);
    let more = json!({"trigger": {"rate_limit": {"per_minute": 1, "burst": 3}}});
    let changed = server.expect(200, "PATCH", &own, Some(more)).await;
    assert_eq!(changed["trigger"]["rate_limit"], json!({"per_minute": 1, "burst": 3}));
    assert_eq!(taken(&agent).await, 3);
    server.expect(200, "PATCH", &own, Some(json!({"trigger": {"rate_limit": null}}))).await;
    agent.accepted("1").await;
    let of_tenant = async |limit: Value| {
        let limit = json!({"rate_limit": limit});
        server.expect(200, "PATCH", "/api/v1/tenants/acme", Some(limit)).await["rate_limit"].clone()
    };
    let limit = json!({"per_minute": 1, "burst": 2});
    assert_eq!(of_tenant(limit.clone()).await, limit);
    assert_eq!(taken(&agent).await, 2);
    let renamed = server.expect(200, "PATCH", "/api/v1/tenants/acme", Some(json!({"name": "n"}))).await;
    assert_eq!(renamed["rate_limit"], limit, "what is left out stays");
    assert_eq!(of_tenant(Value::Null).await, Value::Null);
    agent.accepted("2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_have_limits_and_a_tenants_are_the_admins_to_set() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let (tenant, own) = ("/api/v1/tenants/acme".to_owned(), format!("/api/v1/agents/{}", agent.id));
    let rate = |per_minute: u64, burst: u64| json!({"per_minute": per_minute, "burst": burst});
    let over = "per_minute and burst must each be between 1 and 1000000";
    for (field, value, fault) in [
        ("rate_limit", rate(0, 1), Some(over)),
        ("rate_limit", rate(1, 0), Some(over)),
        ("rate_limit", rate(1, 1), None),
        ("rate_limit", rate(1_000_000, 1_000_000), None),
        ("rate_limit", rate(1_000_001, 1), Some(over)),
        ("rate_limit", rate(1, 1_000_001), Some(over)),
        ("concurrency", json!(0), Some("must be between 1 and 10000")),
        ("concurrency", json!(1), None),
        ("concurrency", json!(10_000), None),
        ("concurrency", json!(10_001), Some("must be between 1 and 10000")),
    ] {
        let of_tenant = (&tenant, json!({field: value}), format!("/{field}"));
        let of_agent = (&own, json!({"trigger": {field: value}}), format!("/trigger/{field}"));
        for (path, body, pointer) in [of_tenant, of_agent] {
            let (status, answer) = server.api("PATCH", path, Some(body.clone())).await;
            assert_eq!(status, if fault.is_some() { 422 } else { 200 }, "{path} {body}: {answer}");
            if let Some(fault) = fault {
                let error = &answer["errors"][0];
                assert_eq!((&error["pointer"], &error["message"]), (&json!(pointer), &json!(fault)));
            }
        }
        let new = json!({"tenant_id": uuid::Uuid::new_v4(), field: value});
        let (status, answer) = server.api("POST", "/api/v1/tenants", Some(new)).await;
        assert_eq!(status, if fault.is_some() { 422 } else { 201 }, "{value}: {answer}");
        if fault.is_none() {
            assert_eq!(answer[field], value);
        }
    }
    let operator = server.api_key("operator", "acme").await;
    let lifted = json!({"rate_limit": null, "concurrency": null}).to_string();
    assert_eq!(server.ask("PATCH", &tenant, Some(&operator), Some(lifted.clone())).await.status, 403);
    let seen = server.ask("GET", &tenant, Some(&operator), None).await;
    assert_eq!(
        (&seen.body["rate_limit"], &seen.body["concurrency"]),
        (&rate(1_000_000, 1_000_000), &json!(10_000))
    );
    assert_eq!(server.ask("PATCH", &tenant, Some(ADMIN_KEY), Some(lifted)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn through_redis_all_processes_have_one_rate_and_by_the_same_clock() {
    let redis = RedisServer::start().await;
    let Some((one, other)) = two(Some(redis.url())).await else { return };
    connected(&redis, [&one, &other]).await;
    one.tenant(json!({"tenant_id": "few", "rate_limit": {"per_minute": 1, "burst": 8}})).await;
    let agent = one.agent_with(json!({"tenant_id": "few", "trigger": trigger(1, 5)})).await;
    let (here, there) = (agent.through(&one), agent.through(&other));
    here.accepted("1").await;
    there.accepted("2").await;
    assert_eq!(here.post("2").await.status, 200, "a repeat gives back what it took");
    let (some, rest) = tokio::join!(until_refused(&here), until_refused(&there));
    assert_eq!(some.0 + rest.0, 3);
    assert!((1..=60).contains(&seconds(&some.1)), "{:?}", some.1);
    let further = one.agent_with(json!({"tenant_id": "few"})).await;
    let (some, rest) = (further.through(&one), further.through(&other));
    let (some, rest) = tokio::join!(taken(&some), taken(&rest));
    assert_eq!(some + rest, 3, "of the tenant's as well");
    let keys: Vec<String> = redis.ask(&["KEYS", "agenthook:rate:*"]);
    assert_eq!(keys.len(), 2, "{keys:?}");
    for key in keys {
        let left: i64 = redis.ask(&["PTTL", &key]);
        assert!((1..=8 * 60_000 + 1000).contains(&left), "Redis forgets {key}: {left}");
    }
}

/// Waits until both have their way to Redis: the first trip has no more time than all others, and the connection to make
/// as well.
async fn connected(redis: &RedisServer, servers: [&Server; 2]) {
    for server in servers {
        eventually("it counts in Redis", async || {
            taken(&server.agent_with(json!({"trigger": trigger(1, 2)})).await).await;
            let keys: Vec<String> = redis.ask(&["KEYS", "agenthook:rate:*"]);
            (!keys.is_empty()).then_some(())
        })
        .await;
        let _: String = redis.ask(&["FLUSHALL"]);
    }
}

/// Two servers whose clock is ours, on one database; they share no Redis.
#[tokio::test(flavor = "multi_thread")]
async fn without_redis_each_process_has_its_own_rate() {
    let mut database = Database::postgres().await;
    database.redis_url = None;
    let database = Arc::new(database);
    let (llm, clock) = (Arc::new(Llm::start().await), Clock::manual());
    let setup = || Setup {
        clock: clock.clone(),
        worker: false,
        args: SettingsArgs::default(),
        database: Some(database.clone()),
        llm: Some(llm.clone()),
    };
    let (one, other) = (Server::with(setup()).await, Server::with(setup()).await);
    let agent = one.agent_with(json!({"trigger": trigger(1, 3)})).await;
    assert_eq!((taken(&agent).await, taken(&agent.through(&other)).await), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_away_or_stalled_keeps_no_hook_from_being_taken() {
    let redis = RedisServer::start().await;
    let Some((server, _)) = two(Some(redis.url())).await else { return };
    connected(&redis, [&server, &server]).await;
    let agent = server.agent_with(json!({"trigger": trigger(1, 2)})).await;
    assert_eq!(taken(&agent).await, 2);
    redis.stall();
    assert_eq!(taken(&agent).await, 2, "this process counts for itself");
    redis.go_on();
    redis.kill();
    let other = server.agent_with(json!({"trigger": trigger(1, 2)})).await;
    assert_eq!(taken(&other).await, 2);
    redis.start_again().await;
    eventually("they are counted in Redis again", async || {
        let fresh = server.agent_with(json!({"trigger": trigger(1, 2)})).await;
        taken(&fresh).await;
        let keys: Vec<String> = redis.ask(&["KEYS", "agenthook:rate:*"]);
        (!keys.is_empty()).then_some(())
    })
    .await;
}
