//! A whole server among receivers that mean it ill: each attempt at them is a recorded failure, its memory stays as it is, and
//! a good receiver gets its deliveries meanwhile.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::Receiver;
use super::hostile::endless;
use crate::harness::{Database, Fleet, ManyCalls, Member, eventually};

/// How long an attempt may take, in s.
const TIMEOUT: u32 = 3;
/// What no server needs for it, in KiB.
const ABSURD: u64 = 64 << 10;

/// Answers so, and hangs up.
async fn breaks_off(answer: &'static str) -> Receiver {
    Receiver::start(move |mut connection, _| async move {
        let _ = connection.write_all(answer.as_bytes()).await;
    })
    .await
}

/// Begins so, and then sends a byte a second.
async fn drips(start: &'static str) -> Receiver {
    Receiver::start(move |mut connection, _| async move {
        let _ = connection.write_all(start.as_bytes()).await;
        while connection.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
    .await
}

/// Each of them, and the code of the failure.
async fn all() -> Vec<(&'static str, Receiver, &'static str)> {
    let bomb = [
        b"HTTP/1.1 500 Oh\r\nConnection: close\r\nContent-Encoding: gzip\r\nContent-Length: 2010\r\n\r\n"
            .as_slice(),
        &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3],
        &[0xff; 2000],
    ];
    let ten_gigabytes = "HTTP/1.1 500 Oh\r\nContent-Length: 10737418240\r\n\r\n";
    vec![
        ("ten gigabytes", endless(ten_gigabytes, "x").await.0, "status"),
        ("a bomb", Receiver::says(bomb.concat()).await, "status"),
        (
            "headers without end",
            endless("HTTP/1.1 200 OK\r\n", "X-More: aaaaaaaa\r\n").await.0,
            "invalid_response",
        ),
        ("garbage", breaks_off("garbage\r\n\r\n").await, "invalid_response"),
        ("a head that breaks off", breaks_off("HTTP/1.1 200 OK\r\nContent-").await, "connect"),
        (
            "a body that breaks off",
            breaks_off("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await,
            "connect",
        ),
        ("silence", Receiver::says("").await, "timeout"),
        ("a dripping head", drips("HTTP/1.1 200 OK\r\nX-Long: ").await, "timeout"),
        ("a dripping body", drips("HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n").await, "timeout"),
    ]
}

/// Waits until the last attempt at each delivery has failed so.
async fn fails(fleet: &Fleet, server: &Member, endpoint: &str, what: &str, code: &str) {
    let failed =
        |it: &Value| it["status"] == "failed" && it["error"]["code"] == code && it["attempt_count"] == 1;
    eventually(&format!("{what} is a failure, {code}"), async || {
        let deliveries = fleet.deliveries(server, endpoint).await;
        (deliveries.len() == 4 && deliveries.iter().all(failed)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_hostile_receiver_is_a_recorded_failure_and_a_good_one_is_told_meanwhile() {
    let (database, llm) = (Database::create().await, ManyCalls::start(Duration::ZERO));
    let fleet = Fleet::on(&database.url, database.redis_url.as_deref(), llm);
    let server = fleet.serve().await;
    fleet.tenant(&server).await;
    let once = json!({"retry": {"schedule_seconds": [36_000], "timeout_seconds": TIMEOUT}});
    let (mut endpoints, hostile) = (Vec::new(), all().await);
    for (_, receiver, _) in &hostile {
        endpoints.push(fleet.endpoint(&server, &receiver.url(), &["custom.*"], once.clone()).await);
    }
    let good = Receiver::says("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
    let told = fleet.endpoint(&server, &good.url(), &["custom.*"], once).await;
    let before = server.memory_kib();

    fleet.publish(&server, "custom.x", json!({}), 4).await;
    fleet.delivers(&server, &told, 4).await;
    for ((what, _, code), endpoint) in hostile.iter().zip(&endpoints) {
        fails(&fleet, &server, endpoint, what, code).await;
    }
    let grown = server.memory_kib().zip(before).map(|(after, before)| after.saturating_sub(before));
    assert!(grown.is_none_or(|grown| grown < ABSURD), "the server has grown by {grown:?} KiB");
    fleet.publish(&server, "custom.x", json!({}), 1).await;
    fleet.delivers(&server, &told, 5).await;
}
