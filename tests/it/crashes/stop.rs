//! SIGTERM, as every deploy sends it: who is told to go goes in time, and leaves nothing lying.

use std::time::Duration;

use super::{CALL, accepted, fleet};
use crate::harness::{Fleet, Load};

#[tokio::test(flavor = "multi_thread")]
async fn an_all_in_one_stops_under_load_and_the_next_one_goes_on() {
    let (fleet, llm, _database) = fleet(CALL).await;
    let server = fleet.serve().await;
    let load = Load::on(&fleet.agent(&server).await);
    llm.holds(15).await;
    server.ends_well().await;
    let server = fleet.again(&server).await;
    load.accepts(5).await;
    let tally = fleet.tally(&server, load.end().await.accepted).await;
    tally.assert_all_succeeded();
    assert_eq!(tally.extra_calls(), 0, "calls under way were waited for");
    server.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_of_everybody_loses_nothing_and_repeats_nothing() {
    if !Fleet::is_possible() {
        return;
    }
    let (fleet, llm, _database) = fleet(Duration::from_secs(2)).await;
    let mut api = fleet.api().await;
    let mut workers = [fleet.worker().await, fleet.worker().await, fleet.worker().await];
    let load = Load::on(&fleet.agent(&api).await);
    llm.holds(20).await;
    for worker in &mut workers {
        worker.ends_well().await;
        *worker = fleet.again(worker).await;
        load.accepts(5).await;
    }
    api.ends_well().await;
    api = fleet.again(&api).await;
    load.accepts(5).await;
    let tally = fleet.tally(&api, load.end().await.accepted).await;
    tally.assert_all_succeeded();
    assert_eq!(tally.extra_calls(), 0);
    tally.assert_still_so(&fleet, &api).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_calls_hang_hands_them_back_in_time() {
    if !Fleet::is_possible() {
        return;
    }
    let (fleet, llm, _database) = fleet(Duration::ZERO).await;
    let (api, leaves) = (fleet.api().await, fleet.worker().await);
    let agent = fleet.agent(&api).await;
    llm.hold("");
    let ids = accepted(&agent, 10).await;
    llm.holds(10).await;
    let comes = fleet.worker().await;
    leaves.ends_well().await;
    // Their second calls, with the other one.
    llm.called(20).await;
    llm.let_go();
    let tally = fleet.tally(&api, ids.clone()).await;
    tally.assert_all_succeeded();
    assert_eq!(tally.extra_calls(), 10, "those that hung, once each");
    for id in &ids {
        assert_eq!(tally.codes(id), ["crashed", "fine"]);
        let told = tally.attempts(id)[0]["error"]["message"].as_str().unwrap_or_default();
        assert!(told.contains("was stopped"), "{told}");
    }
    comes.ends_well().await;
}
