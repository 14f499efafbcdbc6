//! Workers are killed in mid-call, alone or with everybody else.

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};

use super::{CALL, fleet, with_redis};
use crate::harness::{Database, Fleet, Load, ManyCalls, Member, RedisServer, Tally, eventually};

/// A worker that comes when a dead one's lease has ended takes over within some seconds: it does not watch the dead
/// for as long as a lease once more.
const SOME_SECONDS: Duration = Duration::from_secs(20);

/// Kills all workers in mid-call; how many calls were in flight then: begun, and their ends not written down.
async fn kill_in_mid_call(doomed: &[&Member], llm: &ManyCalls, load: &Load, database: &Database) -> usize {
    llm.holds(15).await;
    // Nothing is answered any more, and then nothing is called any more.
    llm.hold("");
    doomed.iter().for_each(|member| member.stop());
    load.accepts(3).await;
    doomed.iter().for_each(|member| member.kill_9());
    llm.let_go();
    let begun = "SELECT count(*) FROM attempts WHERE finished_at IS NULL";
    let in_flight = eventually("Postgres has time for us", async || number(database, begun).await).await;
    usize::try_from(in_flight).expect("a count")
}

/// One crash, and what it may cost.
fn assert_one_crash(tally: &Tally, in_flight: usize) {
    tally.assert_all_succeeded();
    let extra = tally.extra_calls();
    assert!((1..=in_flight).contains(&extra), "{extra} more calls, of {in_flight} in flight at the crash");
    for id in tally.repeated() {
        assert_eq!(tally.codes(id), ["crashed", "fine"], "it was hit once");
    }
}

async fn with_a_new_one_at_once() {
    let (fleet, llm, database) = fleet(CALL).await;
    let (api, doomed) = (fleet.api().await, fleet.worker().await);
    let load = Load::on(&fleet.agent(&api).await);
    let in_flight = kill_in_mid_call(&[&doomed], &llm, &load, &database).await;
    let _new = fleet.again(&doomed).await;
    load.accepts(20).await;
    let tally = fleet.tally(&api, load.end().await.accepted).await;
    assert_one_crash(&tally, in_flight);
    tally.assert_still_so(&fleet, &api).await;
}

async fn with_a_new_one_when_the_lease_has_ended() {
    let (fleet, llm, database) = fleet(CALL).await;
    let (api, doomed) = (fleet.api().await, fleet.worker().await);
    let load = Load::on(&fleet.agent(&api).await);
    let in_flight = kill_in_mid_call(&[&doomed], &llm, &load, &database).await;
    let sent = load.end().await;
    eventually("the lease has ended", async || leases(&database).await.filter(|left| *left == 0)).await;
    let came = Instant::now();
    let _new = fleet.again(&doomed).await;
    let tally = fleet.tally(&api, sent.accepted).await;
    assert!(came.elapsed() < SOME_SECONDS, "it took {:?}", came.elapsed());
    assert_one_crash(&tally, in_flight);
}

/// Leases that hold. `None`: Postgres has no time for us.
async fn leases(database: &Database) -> Option<i64> {
    number(database, "SELECT count(*) FROM workers WHERE lease_until > now()").await
}

async fn number(database: &Database, of: &'static str) -> Option<i64> {
    let mut connection = PgConnection::connect(&database.url).await.ok()?;
    sqlx::query_scalar(of).fetch_one(&mut connection).await.ok()
}

async fn with_everybody_else() {
    let (database, llm) = (Database::create().await, ManyCalls::start(CALL));
    let redis = if with_redis() { Some(RedisServer::start().await) } else { None };
    let redis_url = redis.as_ref().map(RedisServer::url);
    let fleet = Fleet::on(&database.url, redis_url.as_deref(), llm.clone());
    let (api, workers) = (fleet.api().await, [fleet.worker().await, fleet.worker().await]);
    let load = Load::on(&fleet.agent(&api).await);
    let in_flight = kill_in_mid_call(&[&workers[0], &workers[1]], &llm, &load, &database).await;
    api.kill_9();
    if let Some(redis) = &redis {
        redis.kill();
        redis.start_again().await;
    }
    let api = fleet.again(&api).await;
    let _workers = [fleet.again(&workers[0]).await, fleet.again(&workers[1]).await];
    load.accepts(20).await;
    let tally = fleet.tally(&api, load.end().await.accepted).await;
    assert_one_crash(&tally, in_flight);
    tally.assert_still_so(&fleet, &api).await;
}

/// Three stories in one, because each spends half a minute waiting for a lease to end.
#[tokio::test(flavor = "multi_thread")]
async fn what_killed_workers_held_ends_with_others() {
    if Fleet::is_possible() {
        tokio::join!(
            with_a_new_one_at_once(),
            with_a_new_one_when_the_lease_has_ended(),
            with_everybody_else()
        );
    }
}
