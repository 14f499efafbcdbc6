//! An api is killed: what it has promised others keep.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::{CALL, fleet};
use crate::harness::{Fleet, Load};

/// How often.
const KILLS: usize = 10;
/// Hooks that are on their way together when it is killed: some of them have their 202.
const BURST: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_api_promised_is_kept() {
    if !Fleet::is_possible() {
        return;
    }
    let (fleet, _llm, _database) = fleet(CALL).await;
    let (mut api, worker) = (fleet.api().await, fleet.worker().await);
    let agent = fleet.agent(&api).await;
    let (load, mut accepted) = (Load::on(&agent), Vec::new());
    for kill in 0..KILLS {
        let bodies: Vec<_> = (0..BURST).map(|hook| format!("[{kill},{hook}]")).collect();
        let mut hooks: FuturesUnordered<_> = bodies.iter().map(|body| agent.try_post(body)).collect();
        let mut answers = 0;
        while let Some(answer) = hooks.next().await {
            if let Some((202, body)) = answer {
                accepted.push(body["execution_id"].as_str().expect("an id").to_owned());
            }
            answers += 1;
            if answers == BURST / 2 {
                api.kill_9();
            }
        }
        api = fleet.again(&api).await;
    }
    load.accepts(10).await;
    accepted.extend(load.end().await.accepted);
    assert!(accepted.len() >= KILLS * BURST / 4, "the load was real: {}", accepted.len());
    let tally = fleet.tally(&api, accepted).await;
    tally.assert_all_succeeded();
    assert_eq!(tally.extra_calls(), 0, "calls are no matter of the api's");
    tally.assert_still_so(&fleet, &api).await;
    assert!(worker.has_ended().is_none());
}
