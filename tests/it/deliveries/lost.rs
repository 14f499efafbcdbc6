//! Deliveries that are claimed again and again, and of which nothing is heard.

use agenthook::model::WorkerId;
use agenthook::store::CLAIMS_LOST;
use serde_json::json;

use super::circuit::Hands;
use super::{SECOND, newest, path};

#[tokio::test(flavor = "multi_thread")]
async fn what_nothing_is_heard_of_is_sent_no_more() {
    let (hands, worker) = (Hands::on(1).await, WorkerId::new());
    let lose = async || {
        let one = hands.claim(worker, 1).await.remove(0);
        let (id, now) = (one.delivery_id, hands.now());
        hands.store().let_go_of_delivery(id, worker, one.claims, now).await.expect("let go");
    };
    for _ in 1..CLAIMS_LOST {
        lose().await;
    }
    // An outcome is heard of, and the next claim is the first of a row.
    hands.went(hands.claim(worker, 1).await.remove(0), false).await;
    hands.server.clock.advance(SECOND * 86_400 * 9);
    for _ in 0..CLAIMS_LOST {
        lose().await;
    }
    assert!(hands.claim_any(worker, 1).await.is_empty(), "one more is too much");
    let ended = newest(&hands.server, &hands.endpoint, "ends", |it| it["status"] == "exhausted").await;
    assert_eq!((&ended["error"]["code"], &ended["attempt_count"]), (&json!("unsendable"), &json!(1)));
    // Somebody may have it tried again.
    let retry = format!("{}/retry", path(&hands.endpoint, &ended));
    hands.server.expect(202, "POST", &retry, None).await;
    for _ in 0..CLAIMS_LOST {
        lose().await;
    }
    assert!(hands.claim_any(worker, 1).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_put_off_is_not_lost() {
    let (hands, worker) = (Hands::on(1).await, WorkerId::new());
    for _ in 0..CLAIMS_LOST * 2 {
        let one = hands.claim(worker, 1).await.remove(0);
        let (id, now) = (one.delivery_id, hands.now());
        hands.store().postpone_delivery(id, worker, one.claims, now).await.expect("put off");
    }
    hands.went(hands.claim(worker, 1).await.remove(0), true).await;
}
