//! How much of the ledger is kept, and that a flood costs nobody else anything.

use std::time::Duration;

use agenthook::config::SettingsArgs;

use super::*;
use crate::harness::eventually;

fn keeping(hits: u32, days: u32) -> Setup {
    let args = SettingsArgs {
        hits_per_agent: Some(hits.to_string()),
        hits_days: Some(days.to_string()),
        ..SettingsArgs::default()
    };
    Setup { args, clock: agenthook::clock::Clock::manual(), worker: false, ..Setup::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_hits_of_each_agent_are_kept() {
    let server = Server::with(keeping(5, 30)).await;
    let (agent, other) = (server.agent().await, server.agent().await);
    let accepted = agent.post("{}").await;
    other.post_raw(b"{}", &UNSIGNED).await;
    let mut posted = Vec::new();
    for (written, kept) in [(4, 4), (1, 5), (1, 5), (7, 5)] {
        for _ in 0..written {
            posted.push(agent.post_raw(b"{}", &UNSIGNED).await.header("x-request-id").to_owned());
        }
        let rejected = page(&server, &agent, "verdict=rejected").await;
        let rejected: Vec<_> =
            rejected["hits"].as_array().expect("a list").iter().map(|hit| hit["hit_id"].clone()).collect();
        let newest: Vec<_> = posted.iter().rev().take(kept).collect();
        assert_eq!(json!(rejected), json!(newest));
    }
    assert_eq!(hit(&server, &accepted).await["verdict"], "accepted", "executions are not counted");
    assert_eq!(hits(&server, &other).await.len(), 1, "another agent's are its own");
    let counted = [("accepted queued".to_owned(), 1), ("rejected invalid_signature".to_owned(), 13)];
    assert_eq!(counts(&server, &agent).await, counted);
}

#[tokio::test(flavor = "multi_thread")]
async fn hits_and_counts_end_with_their_days() {
    const DAY: Duration = Duration::from_secs(86_400);
    let server = Server::with(keeping(1000, 2)).await;
    let agent = server.agent().await;
    let old = agent.post_raw(b"{}", &UNSIGNED).await;
    let received = hit(&server, &old).await["received_at"].clone();
    server.clock.advance(DAY);
    let young = agent.post_raw(b"{}", &UNSIGNED).await;
    assert_eq!(counts(&server, &agent).await, [("rejected invalid_signature".to_owned(), 2)]);
    // The sweep is made at the start, and then each hour.
    let restarted = async |server: Server| {
        Server::with(Setup { args: keeping(1000, 2).args, worker: false, ..server.stop().await }).await
    };
    server.clock.advance(DAY);
    let server = restarted(server).await;
    assert_eq!(hit(&server, &old).await["received_at"], received, "to the very millisecond");
    server.clock.advance(Duration::from_millis(1));
    let server = restarted(server).await;
    let path = format!("/api/v1/hits/{}", old.header("x-request-id"));
    server.expect(404, "GET", &path, None).await;
    assert_eq!(hit(&server, &young).await["verdict"], "rejected");
    // Counts end by whole hours.
    assert_eq!(counts(&server, &agent).await, [("rejected invalid_signature".to_owned(), 2)]);
    server.clock.advance(Duration::from_secs(3600));
    assert_eq!(counts(&server, &agent).await, [("rejected invalid_signature".to_owned(), 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_kept_up_to_its_cap() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let cap = 64 * 1024;
    for (bytes, kept) in [(cap - 1, cap - 1), (cap, cap), (cap + 1, cap)] {
        let body = format!("\"{}\"", "x".repeat(bytes - 2));
        for answer in [
            agent.post_raw(body.as_bytes(), &UNSIGNED).await,
            agent.post(&body).await,
            agent.post(&body).await,
        ] {
            let shown = hit(&server, &answer).await;
            assert_eq!(shown["body"]["text"], body[..kept], "{}", shown["verdict"]);
            assert_eq!((&shown["body"]["cut"], &shown["body_bytes"]), (&json!(kept < bytes), &json!(bytes)));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_flood_the_first_refusals_of_a_minute_are_rows_and_all_are_counted() {
    let server = Server::with(keeping(1000, 30)).await;
    let agent = server.agent().await;
    let refuse = async |times: usize| {
        for _ in 0..times {
            assert_eq!(agent.post_raw(b"{}", &UNSIGNED).await.status, 401);
        }
    };
    // The manual clock stands still, so all of them are of one minute.
    for (more, rows, counted) in [(99, 99, 99), (1, 100, 100), (1, 100, 101), (20, 100, 121)] {
        refuse(more).await;
        assert_eq!(hits(&server, &agent).await.len(), rows);
        assert_eq!(counts(&server, &agent).await, [("rejected invalid_signature".to_owned(), counted)]);
    }
    agent.post("{}").await;
    assert_eq!(agent.post("{}").await.status, 200, "a duplicate");
    assert_eq!(hits(&server, &agent).await.len(), 102, "what is no refusal is a row");
    server.clock.advance(Duration::from_secs(60));
    refuse(1).await;
    assert_eq!(hits(&server, &agent).await.len(), 103, "another minute");
}

#[tokio::test(flavor = "multi_thread")]
async fn good_hooks_are_accepted_while_bad_ones_flood_their_agent() {
    const BAD: usize = 5000;
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let senders: Vec<_> = (0..50)
        .map(|_| {
            let agent = agent.clone();
            tokio::spawn(async move {
                for _ in 0..BAD / 50 {
                    let headers =
                        [("content-type", "application/json"), ("x-hub-signature-256", "sha256=00")];
                    assert_eq!(agent.post_raw(b"{\"bad\":true}", &headers).await.status, 401);
                }
            })
        })
        .collect();
    let mut good = 0;
    while senders.iter().any(|sender| !sender.is_finished()) || good < 20 {
        assert_eq!(agent.post(format!("{{\"good\":{good}}}")).await.status, 202);
        good += 1;
    }
    for sender in senders {
        sender.await.expect("all are refused");
    }
    let expected =
        [("accepted queued".to_owned(), good), ("rejected invalid_signature".to_owned(), BAD as u64)];
    let exact = async || (counts(&server, &agent).await == expected).then_some(());
    eventually("all are counted", exact).await;
}
