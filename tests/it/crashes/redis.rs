//! Redis is killed, stalled, emptied and away: hooks are accepted and run all the same, and nobody is restarted.

use super::{CALL, with_redis};
use crate::harness::{Database, Fleet, Load, ManyCalls, RedisServer};

/// So many hooks come in 5 s.
const IN_FIVE_SECONDS: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn redis_may_stall_die_and_forget_and_work_goes_on() {
    if !with_redis() {
        return;
    }
    let (database, llm) = (Database::create().await, ManyCalls::start(CALL));
    let redis = RedisServer::start().await;
    let fleet = Fleet::on(&database.url, Some(&redis.url()), llm.clone());
    let members = [fleet.api().await, fleet.worker().await, fleet.worker().await];
    let load = Load::on(&fleet.agent(&members[0]).await);
    // Meanwhile, and not only afterwards: hooks are accepted, and calls begin.
    let goes_on = async |hooks: usize| {
        let calls = llm.calls().len();
        load.accepts(hooks).await;
        llm.called(calls + hooks / 2).await;
    };

    goes_on(20).await;
    redis.kill();
    redis.start_again().await;
    goes_on(20).await;
    redis.stall();
    goes_on(IN_FIVE_SECONDS).await;
    redis.go_on();
    redis.flush().await;
    goes_on(20).await;
    redis.kill();
    goes_on(2 * IN_FIVE_SECONDS).await;
    redis.start_again().await;
    goes_on(20).await;

    let sent = load.end().await;
    assert_eq!((sent.refused.len(), sent.unanswered), (0, 0), "a hook needs no Redis");
    let tally = fleet.tally(&members[0], sent.accepted).await;
    tally.assert_all_succeeded();
    assert_eq!(tally.extra_calls(), 0);
    assert!(members.iter().all(|member| member.has_ended().is_none()), "nobody was restarted");
}
