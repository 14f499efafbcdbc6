//! Nobody hears a bell, and nobody waits long: the ledger says what is due.

use std::time::Duration;

use super::{fleet, with_redis};
use crate::harness::{Database, Fleet, ManyCalls};
use crate::signals::cut_off;

/// Of hooks that come one by one to an idle house, half wait no longer than this.
const A_SECOND_MS: u64 = 1000;
const HOOKS: usize = 15;

async fn runs_at_once(fleet: &Fleet) {
    let (api, _worker) = (fleet.api().await, fleet.worker().await);
    let agent = fleet.agent(&api).await;
    let mut ids = Vec::new();
    for number in 0..HOOKS {
        let id = agent.accepted(number.to_string()).await;
        fleet.tally(&api, [id.clone()]).await.assert_all_succeeded();
        ids.push(id);
    }
    let tally = fleet.tally(&api, ids).await;
    assert_eq!(tally.extra_calls(), 0);
    assert!(tally.median_wait_ms() <= A_SECOND_MS, "they waited {} ms", tally.median_wait_ms());
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_found_while_no_hint_arrives() {
    if !Fleet::is_possible() || with_redis() {
        return;
    }
    let (fleet, _llm, database) = fleet(Duration::ZERO).await;
    let cutting = async {
        loop {
            cut_off(&database).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = runs_at_once(&fleet) => {}
        () = cutting => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_found_without_the_redis_that_settings_name() {
    if !Fleet::is_possible() || !with_redis() {
        return;
    }
    let (database, llm) = (Database::create().await, ManyCalls::start(Duration::ZERO));
    let mut fleet = Fleet::on(&database.url, Some("redis://127.0.0.1:1"), llm);
    fleet.has_no_redis();
    runs_at_once(&fleet).await;
}
