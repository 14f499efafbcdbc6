//! A run that kills its worker each time: three deaths and no more, and its neighbors end well.

use std::time::Duration;

use super::{fleet, with_redis};
use crate::harness::{Fleet, Load, eventually};

/// What the LLM answers with death.
const POISON: &str = "the payload that kills";

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_kills_ends_as_crashed_after_three_deaths_and_its_neighbors_end_well() {
    // Beside an api on Postgres, where each death is noticed half a minute later, once is enough.
    if with_redis() {
        return;
    }
    let apart = Fleet::is_possible();
    let (fleet, llm, _database) = fleet(Duration::from_millis(300)).await;
    llm.hold(POISON);
    let api = if apart { Some(fleet.api().await) } else { None };
    let mut doomed = if apart { fleet.worker().await } else { fleet.serve().await };
    let agent = fleet.agent(api.as_ref().unwrap_or(&doomed)).await;
    let load = Load::of(&agent, if apart { 5 } else { 20 });
    load.accepts(10).await;
    let poison = agent.accepted(format!(r#"{{"poison":"{POISON}"}}"#)).await;
    let calls = || llm.calls().iter().filter(|call| call.execution_id == poison).count();

    for death in 1..=3 {
        eventually("the poison is called", async || (calls() == death).then_some(())).await;
        assert!(doomed.has_ended().is_none(), "nothing else kills");
        if death < 3 {
            llm.holds(2).await;
        } else {
            assert_eq!(llm.in_flight(), 1, "a suspect runs alone");
        }
        doomed.kill_9();
        // The dead hears no answer; but it is not in flight any more.
        llm.let_go();
        eventually("its calls are over", async || (llm.in_flight() == 0).then_some(())).await;
        llm.hold(POISON);
        doomed = fleet.again(&doomed).await;
    }
    let api = api.as_ref().unwrap_or(&doomed);
    let ended = fleet.tally(api, [poison.clone()]).await;
    load.accepts(5).await;
    let tally = fleet.tally(api, load.end().await.accepted).await;

    let trace = ended.trace(&poison);
    assert_eq!((&trace["status"], &trace["error"]["code"]), (&"failed".into(), &"crashed".into()), "{trace}");
    assert_eq!(ended.codes(&poison), ["crashed", "crashed", "crashed"]);
    tally.assert_all_succeeded();
    assert!(!tally.repeated().is_empty(), "it had neighbors when it killed");
    assert!(
        tally.repeated().iter().all(|id| tally.attempts(id).len() <= 3),
        "and they died with it twice at most"
    );
    assert!(doomed.has_ended().is_none() && calls() == 3, "three deaths, and no more");
    ended.assert_still_so(&fleet, api).await;
}
