//! Drawings of nothing, of little and of far too much.

use chrono::TimeDelta;

use super::*;
use crate::api::view::stats;
use crate::model::{Cost, Latencies, Rollup, Time};
use crate::store::Backlog;

fn at(window: Window, sums: Vec<(i32, Rollup)>) -> StatsView {
    let now: Time = "2026-01-31T12:00:30Z".parse().expect("a time");
    let beginnings: Vec<_> = window.beginnings(now).collect();
    let sums = sums.into_iter().map(|(bucket, sum)| (beginnings[bucket as usize], sum)).collect();
    stats(window, sums, Backlog::default(), now)
}

fn run(ms: i64) -> Rollup {
    Rollup {
        succeeded: 1,
        prompt_tokens: 41,
        completion_tokens: 12,
        cost: Cost(13_300),
        latencies: Latencies::of(ms),
        ..Rollup::default()
    }
}

/// The drawing has nothing that a strict policy forbids, no number that is none, and only colours that have a rule.
fn is_sound(charts: &[Chart]) {
    let rules = include_str!("files/charts.css");
    for Chart { id, svg, .. } in charts {
        assert!(svg.contains("<line"), "{id}: {svg}");
        for wrong in ["style", "<script", "<svg", "NaN", "inf\"", "=\"-inf", "href", "url("] {
            assert!(!svg.contains(wrong), "{id} has {wrong}: {svg}");
        }
        for attribute in ["fill", "stroke"] {
            for colour in
                svg.split(&format!(" {attribute}=\"")).skip(1).filter_map(|rest| rest.split('"').next())
            {
                let rule = format!("[{attribute}=\"{}\" i]", colour.to_lowercase());
                let known = ["none", "transparent"].contains(&colour) || rules.contains(&rule);
                assert!(known, "{id}: no rule {rule}");
            }
        }
    }
}

/// How high the rectangles are.
fn heights(svg: &str) -> Vec<f32> {
    let tags = svg.split("<rect ").skip(1).filter_map(|rest| rest.split('>').next());
    let height = |tag: &str| tag.split(" height=\"").nth(1)?.split('"').next()?.parse().ok();
    tags.filter_map(height).collect()
}

#[test]
fn nothing_is_an_empty_chart() {
    for window in Window::ALL {
        let charts = charts(&at(window, Vec::new()));
        is_sound(&charts);
        assert_eq!(charts.len(), 5);
        assert!(heights(&charts[0].svg).iter().all(|height| *height == 0.0), "{}", charts[0].svg);
        assert_eq!(charts[0].summary, "0 success, 0 failed, 0 cancelled");
        assert_eq!(
            (charts[1].summary.as_str(), charts[2].summary.as_str()),
            ("none yet", "p50 none, p95 none, p99 none")
        );
    }
}

#[test]
fn one_run_is_one_bar_and_one_point() {
    let charts = charts(&at(Window::Hour, vec![(7, run(800))]));
    is_sound(&charts);
    let seen: Vec<_> = heights(&charts[0].svg).into_iter().filter(|height| *height > 0.0).collect();
    assert_eq!(seen.len(), 1, "{}", charts[0].svg);
    assert!(
        charts[0].svg.contains("\n4\n") && !charts[0].svg.contains("\n0.5\n"),
        "no fractions of executions"
    );
    assert_eq!(charts[1].svg.matches("<circle").count(), 1, "a point without neighbours: {}", charts[1].svg);
    assert_eq!(charts[2].svg.matches("<circle").count(), 3);
    assert_eq!((charts[1].summary.as_str(), charts[4].summary.as_str()), ("100.0 %", "$0.0000133"));
}

#[test]
fn far_too_much_stays_in_the_picture() {
    let much = Rollup {
        succeeded: i64::MAX / 4,
        failed: 1,
        prompt_tokens: i64::MAX / 4,
        completion_tokens: i64::MAX / 4,
        cost: Cost(i64::MAX / 4),
        latencies: Latencies::of(40 * 24 * 3_600_000),
        ..Rollup::default()
    };
    let charts = charts(&at(Window::Month, vec![(0, run(1)), (59, much)]));
    is_sound(&charts);
    for Chart { id, svg, .. } in &charts {
        assert!(heights(svg).iter().all(|height| (0.0..=f32::from(HEIGHT)).contains(height)), "{id}: {svg}");
    }
    assert_eq!(charts[2].title, "Latency in min");
}

#[test]
fn the_buckets_are_named_as_long_as_they_are() {
    for window in Window::ALL {
        let length = window.grain().length();
        let named = match bucket(window) {
            "minute" => TimeDelta::minutes(1),
            "15 minutes" => TimeDelta::minutes(15),
            "2 hours" => TimeDelta::hours(2),
            "12 hours" => TimeDelta::hours(12),
            other => panic!("{other}"),
        };
        assert_eq!(length, named);
    }
}
