//! Which events a list has, and in which order.

use std::time::Duration;

use serde_json::json;

use super::{ids, published};
use crate::harness::{Server, Setup};

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_first_page_by_page_and_by_each_filter() {
    let clock = agenthook::clock::Clock::manual();
    let server = Server::with(Setup { clock, worker: false, ..Setup::default() }).await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let mut all = Vec::new();
    for n in 0..7 {
        let event_type = if n % 2 == 0 { "custom.even" } else { "custom.odd" };
        all.push(published(&server, event_type, json!({ "n": n })).await);
        server.clock.advance(Duration::from_secs(60));
    }
    all.reverse();
    let whole = server.get("/api/v1/events").await;
    assert_eq!(ids(&whole), all);
    assert!(whole["next_cursor"].is_null());
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/api/v1/events?limit=3{cursor}")).await;
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, all);
    let odd = server.get("/api/v1/events?event_type=custom.odd").await;
    assert_eq!(ids(&odd), [&all[1], &all[3], &all[5]]);
    let time = |at: &str| at.replace(':', "%3A");
    let at = |n: usize| time(whole["events"][n]["timestamp"].as_str().expect("a time"));
    let some = server.get(&format!("/api/v1/events?from={}&to={}", at(4), at(1))).await;
    assert_eq!(ids(&some), all[2..=4]);
    let wrong = server.api("GET", "/api/v1/events?event_type=nothing", None).await;
    assert_eq!((wrong.0, &wrong.1["code"]), (422, &json!("invalid_request")));
    for nothing in ["evt_1", "evt_01a20174af9d764cac0700a385c2f011", "x"] {
        assert_eq!(server.api("GET", &format!("/api/v1/events/{nothing}"), None).await.0, 404);
    }
}
