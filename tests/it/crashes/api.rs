//! An api is killed: what it has promised others keep.

use super::{CALL, fleet};
use crate::harness::{Fleet, Load};

/// How often.
const KILLS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_api_promised_is_kept() {
    if !Fleet::is_possible() {
        return;
    }
    let (fleet, _llm, _database) = fleet(CALL).await;
    let (mut api, worker) = (fleet.api().await, fleet.worker().await);
    let load = Load::on(&fleet.agent(&api).await);
    for _ in 0..KILLS {
        load.accepts(10).await;
        api.kill_9();
        api = fleet.again(&api).await;
    }
    load.accepts(10).await;
    let sent = load.end().await;
    assert!(sent.unanswered > 0, "the kills were felt");
    let tally = fleet.tally(&api, sent.accepted).await;
    tally.assert_all_succeeded();
    assert_eq!(tally.extra_calls(), 0, "calls are no matter of the api's");
    tally.assert_still_so(&fleet, &api).await;
    assert!(worker.has_ended().is_none());
}
