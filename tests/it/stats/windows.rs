//! What is in a window, to the millisecond, and how long runs took.

use agenthook::clock::Clock;
use agenthook::model::{AgentId, Time, Window};
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{dispatch, ended, runs_of, stats};
use crate::harness::{Server, Setup};

async fn server() -> Server {
    Server::with(Setup { clock: Clock::manual(), worker: false, ..Setup::default() }).await
}

async fn dispatch_all(server: &Server) {
    while dispatch(&server.app.store, 500, server.clock.now()).await.is_some() {}
}

fn time(value: &Value) -> Time {
    value.as_str().expect("text").parse().expect("a time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_begins_and_ends_to_the_millisecond() {
    let server = server().await;
    let (store, now, moment) = (&server.app.store, server.clock.now(), TimeDelta::milliseconds(1));
    let mut agents = Vec::new();
    for window in Window::ALL {
        let agent = server.agent().await.id.parse::<AgentId>().expect("an id");
        let first = window.beginnings(now).next().expect("a bucket");
        for at in [first - moment, first, first + window.grain().length() - moment, now] {
            ended(store, agent, at, 100).await;
        }
        agents.push((window, agent, first));
    }
    dispatch_all(&server).await;
    for (window, agent, first) in agents {
        let seen = stats(&server, &format!("window={}&agent_id={agent}", window.as_str())).await;
        let buckets = seen["buckets"].as_array().expect("buckets");
        assert_eq!((time(&seen["from"]), buckets.len()), (first, window.buckets() as usize));
        assert_eq!(seen["bucket_seconds"], window.grain().length().num_seconds());
        let length = window.grain().length();
        for (bucket, number) in buckets.iter().zip(0..) {
            assert_eq!(time(&bucket["at"]), first + length * number);
        }
        assert_eq!(time(&seen["to"]), first + length * window.buckets());
        assert!((now..=now + length).contains(&time(&seen["to"])), "it ends with this moment's bucket");
        let runs: Vec<i64> = buckets.iter().map(runs_of).collect();
        assert_eq!((runs[0], runs[runs.len() - 1], runs.iter().sum::<i64>()), (2, 1, 3), "{window:?}");
        assert_eq!(runs_of(&seen["totals"]), 3);
        assert_eq!(buckets[1]["latency_ms"], json!({"p50": null, "p95": null, "p99": null}));
        assert_eq!((&buckets[1]["success_rate"], &buckets[1]["cost_usd"]), (&Value::Null, &json!(0.0)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn percentiles_are_as_right_as_is_said() {
    let server = server().await;
    let (store, now) = (&server.app.store, server.clock.now());
    let agent = server.agent().await.id.parse::<AgentId>().expect("an id");
    // Spread over an hour's buckets and five orders of magnitude, in no order.
    let mut all: Vec<i64> = (0..400).map(|n: i64| 1 + (n * 7919 % 400).pow(2)).collect();
    for (ms, n) in all.iter().zip(0..) {
        ended(store, agent, now - TimeDelta::seconds(8 * n), *ms).await;
    }
    dispatch_all(&server).await;
    all.sort_unstable();
    for window in ["1h", "24h", "7d", "30d"] {
        let told = &stats(&server, &format!("window={window}&agent_id={agent}")).await["totals"];
        assert_eq!(told["success"], 400, "{window}");
        for (name, rank) in [("p50", 200), ("p95", 380), ("p99", 396)] {
            let (told, exact) = (told["latency_ms"][name].as_f64().expect("a number"), all[rank - 1] as f64);
            assert!((told - exact).abs() <= exact * 0.045 + 0.5, "{window} {name}: {told} for {exact}");
        }
    }
}
