//! Hints between processes: they travel over Postgres and over Redis, and find their way again when those have
//! been away.

use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

use crate::harness::{Database, RedisServer, free_address};
use agenthook::model::{AgentId, TenantId};
use agenthook::signal::{Heard, Hint, Listener, Signal};

/// Ends the connections that carry hints, as a restart of Postgres does; how many it were.
pub async fn cut_off(database: &Database) -> i64 {
    let mut connection = PgConnection::connect(&database.url).await.expect("opens");
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE datname = current_database() AND application_name = 'agenthook-signal'";
    sqlx::query_scalar(cut).fetch_one(&mut connection).await.expect("a number")
}

/// Says it again and again until it is heard: what is said while nobody listens is lost, as it may be.
pub async fn reaches(from: &Signal, to: &mut Listener, hint: &Hint) {
    for _ in 0..600 {
        from.send(hint.clone());
        let heard = async { while to.next().await != Some(Heard::Hint(hint.clone())) {} };
        if timeout(Duration::from_millis(100), heard).await.is_ok() {
            return;
        }
    }
    panic!("{hint:?} is not heard");
}

async fn hears(listener: &mut Listener, what: &Heard) {
    let heard = async { while listener.next().await.as_ref() != Some(what) {} };
    timeout(Duration::from_secs(60), heard).await.unwrap_or_else(|_| panic!("{what:?} is not heard"));
}

fn hints() -> [Hint; 4] {
    let tenant: TenantId = format!("A.b_c-{}", "x".repeat(94)).parse().expect("a tenant");
    [Hint::Agent(AgentId::new()), Hint::Tenant(tenant), Hint::ApiKeys, Hint::Due]
}

/// Both ways, every kind; and nobody hears itself twice.
async fn carry(one: &Signal, other: &Signal) {
    let (mut at_one, mut at_other) = (one.listen(), other.listen());
    for hint in hints() {
        reaches(one, &mut at_other, &hint).await;
        reaches(other, &mut at_one, &hint).await;
    }
    let (own, last) = (Hint::Agent(AgentId::new()), Hint::Agent(AgentId::new()));
    let mut at_one = one.listen();
    one.send(own.clone());
    reaches(one, &mut at_other, &Hint::ApiKeys).await;
    other.send(last.clone());
    let mut echoes = 0;
    loop {
        match at_one.next().await.expect("it goes on") {
            Heard::Hint(hint) if hint == own => echoes += 1,
            Heard::Hint(hint) if hint == last => break,
            _ => {}
        }
    }
    assert_eq!(echoes, 1, "its own hint does not come back");
}

/// More than one message holds, and more than once the same.
async fn carry_many(one: &Signal, other: &Signal) {
    let mut at_other = other.listen_to_changes();
    let agents: Vec<_> = (0..500).map(|_| AgentId::new()).collect();
    for agent in agents.iter().flat_map(|agent| [agent, agent]) {
        one.send(Hint::Due);
        one.send(Hint::Agent(*agent));
    }
    let mut left: std::collections::HashSet<_> = agents.into_iter().map(Hint::Agent).collect();
    while !left.is_empty() {
        let heard = timeout(Duration::from_secs(60), at_other.next()).await;
        match heard.unwrap_or_else(|_| panic!("{} are not heard", left.len())) {
            Some(Heard::Hint(hint)) => drop(left.remove(&hint)),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_carries_hints_and_carries_them_again_after_it_was_away() {
    let database = Database::postgres().await;
    let signal = || Signal::postgres(&database.url).expect("a URL");
    let (one, other) = (signal(), signal());
    carry(&one, &other).await;
    carry_many(&one, &other).await;
    let (mut at_one, mut at_other) = (one.listen(), other.listen());
    assert!(cut_off(&database).await >= 3, "two listen, and who has spoken is connected");
    hears(&mut at_one, &Heard::Missed).await;
    hears(&mut at_other, &Heard::Missed).await;
    carry(&one, &other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_carries_hints_and_carries_them_again_after_it_was_away() {
    let redis = RedisServer::start().await;
    let signal = || Signal::redis(&redis.url_of(3)).expect("a URL");
    let (one, other) = (signal(), signal());
    carry(&one, &other).await;
    carry_many(&one, &other).await;
    let (mut at_one, mut at_other) = (one.listen(), other.listen());
    redis.kill();
    one.send(Hint::ApiKeys);
    hears(&mut at_one, &Heard::Hint(Hint::ApiKeys)).await;
    redis.start_again().await;
    hears(&mut at_one, &Heard::Missed).await;
    hears(&mut at_other, &Heard::Missed).await;
    carry(&one, &other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_another_database_of_redis_hears_nothing() {
    let redis = RedisServer::start().await;
    let signal = |database| Signal::redis(&redis.url_of(database)).expect("a URL");
    let (one, other, stranger) = (signal(0), signal(0), signal(1));
    let (strange, ours) = (Hint::Agent(AgentId::new()), Hint::ApiKeys);
    let mut next_door = signal(1);
    let mut at_other = other.listen();
    reaches(&stranger, &mut next_door.listen(), &strange).await;
    next_door = stranger;
    next_door.send(strange.clone());
    one.send(ours.clone());
    reaches(&one, &mut other.listen(), &ours).await;
    loop {
        match at_other.next().await.expect("it goes on") {
            Heard::Hint(hint) if hint == ours => return,
            heard => assert_ne!(heard, Heard::Hint(strange.clone())),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nobody_to_carry_them_hints_are_heard_at_home() {
    let nowhere = free_address();
    let signals = [
        Signal::redis(&format!("redis://{nowhere}")).expect("a URL"),
        Signal::postgres(&format!("postgres://nobody@{nowhere}/none")).expect("a URL"),
    ];
    for signal in signals {
        let mut listener = signal.listen();
        for hint in hints() {
            signal.send(hint.clone());
            assert_eq!(listener.next().await, Some(Heard::Hint(hint)));
        }
        for _ in 0..100_000 {
            signal.send(Hint::ApiKeys);
        }
        assert_eq!(listener.next().await, Some(Heard::Missed), "a crowd is not waited for");
    }
}

#[test]
fn an_address_that_is_none_is_refused_without_repeating_it() {
    for url in ["redis://:planted-password@/x y", "http://planted-password", "planted-password"] {
        let refused = Signal::redis(url).expect_err("no URL").to_string();
        assert!(!refused.contains("planted") && refused.lines().count() == 1, "{refused}");
    }
}
