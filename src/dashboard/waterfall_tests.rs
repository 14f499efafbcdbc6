//! Geometry of the waterfall: nothing, one moment, a day beside a second, clocks that were set back, very many calls.

use chrono::TimeDelta;

use super::*;
use crate::api::timeline::entry;
use crate::model::{ErrorCode, ExecutionError, TimelineDetails, TimelineEntry};

fn at(ms: i64) -> Time {
    Time::UNIX_EPOCH + TimeDelta::milliseconds(ms)
}

fn told(ms: i64, event: TimelineEvent) -> EntryView {
    entry(TimelineEntry {
        at: at(ms),
        event,
        run: 1,
        message: String::new(),
        details: TimelineDetails::default(),
    })
}

fn call(number: i32, begins: i64, ends: i64, fails: bool) -> [EntryView; 2] {
    let error = || ExecutionError { code: ErrorCode::LlmTimeout, message: "late".into(), retryable: true };
    [
        EntryView {
            attempt: Some(number),
            model: Some("m".into()),
            ..told(begins, TimelineEvent::CallStarted)
        },
        EntryView { attempt: Some(number), error: fails.then(error), ..told(ends, TimelineEvent::CallEnded) },
    ]
}

fn delivery(ms: i64, event: TimelineEvent, took: Option<i64>, id: DeliveryId) -> EntryView {
    EntryView {
        delivery_id: Some(id),
        took_ms: took,
        event_type: Some("execution.completed".into()),
        ..told(ms, event)
    }
}

/// Everything is inside of the drawing, and nothing is no number.
fn is_sound(waterfall: &Waterfall) {
    for row in &waterfall.rows {
        assert!(row.took_ms >= 0 && row.begins_ms >= 0, "{}", row.label);
        for bar in &row.bars {
            assert!(bar.x.is_finite() && bar.width.is_finite() && bar.width >= 0.0, "{}", row.label);
            assert!(
                bar.x >= -1e-6 && bar.x + bar.width <= WIDTH + 1e-6,
                "{} {} {}",
                row.label,
                bar.x,
                bar.width
            );
        }
    }
}

fn labels(waterfall: &Waterfall) -> Vec<&str> {
    waterfall.rows.iter().map(|row| row.label.as_str()).collect()
}

#[test]
fn nothing_and_one_moment() {
    let none = Waterfall::of(&[], at(0));
    assert_eq!((none.rows.len(), none.total_ms), (0, 0));
    let queued = Waterfall::of(&[told(5, TimelineEvent::Received), told(5, TimelineEvent::Queued)], at(5));
    is_sound(&queued);
    assert_eq!((labels(&queued), queued.rows[0].goes_on, queued.total_ms), (vec!["Queued"], true, 0));
}

#[test]
fn a_run_is_a_wait_its_calls_and_what_is_between_them() {
    let mut all = vec![told(0, TimelineEvent::Queued), told(100, TimelineEvent::Started)];
    all.extend(call(1, 100, 300, true));
    all.push(told(300, TimelineEvent::RetryPlanned));
    all.extend(call(2, 350, 550, false));
    all.push(told(550, TimelineEvent::Succeeded));
    let seen = Waterfall::of(&all, at(9999));
    is_sound(&seen);
    assert_eq!(labels(&seen), ["Queued", "Call 1 to m", "Wait for the next call", "Call 2 to m"]);
    assert_eq!(seen.rows.iter().map(|row| row.took_ms).collect::<Vec<_>>(), [100, 200, 50, 200]);
    assert_eq!(seen.rows[1].bars[0].kind, Kind::Failed);
    assert_eq!(seen.rows[3].bars[0].kind, Kind::Done);
    assert!(!seen.is_squeezed && seen.rows.iter().all(|row| !row.goes_on));
    let ends = |row: &Row| row.bars[0].x + row.bars[0].width;
    assert!((ends(&seen.rows[3]) - WIDTH).abs() < 1e-6, "the last call ends at the end");
    assert!((ends(&seen.rows[0]) - seen.rows[1].bars[0].x).abs() < 1e-6, "one begins where the other ends");
}

#[test]
fn a_day_of_waiting_leaves_the_second_readable() {
    let id = DeliveryId::new();
    let day = 24 * 3_600_000;
    let mut all = vec![told(0, TimelineEvent::Queued), told(1, TimelineEvent::Started)];
    all.extend(call(1, 1, 501, false));
    all.push(delivery(501, TimelineEvent::DeliveryCreated, None, id));
    all.push(delivery(520, TimelineEvent::DeliveryFailed, Some(10), id));
    all.push(delivery(day, TimelineEvent::DeliverySucceeded, Some(10), id));
    let seen = Waterfall::of(&all, at(2 * day));
    is_sound(&seen);
    assert_eq!((labels(&seen).len(), seen.is_squeezed, seen.total_ms), (3, true, day));
    assert!(seen.rows[1].bars[0].width > WIDTH / 2.0, "{}", seen.rows[1].bars[0].width);
    let kinds: Vec<_> = seen.rows[2].bars.iter().map(|bar| bar.kind).collect();
    assert_eq!(kinds, [Kind::Wait, Kind::Wait, Kind::Failed, Kind::Wait, Kind::Done]);
    assert!(!seen.rows[2].goes_on);
}

#[test]
fn clocks_that_were_set_back_make_no_negative_bar() {
    let id = DeliveryId::new();
    let mut all = vec![told(1000, TimelineEvent::Queued), told(900, TimelineEvent::Started)];
    all.extend(call(1, 900, 400, false));
    all.push(delivery(300, TimelineEvent::DeliveryCreated, None, id));
    all.push(delivery(200, TimelineEvent::DeliverySucceeded, Some(-50), id));
    let seen = Waterfall::of(&all, at(0));
    is_sound(&seen);
    assert_eq!(seen.rows.iter().map(|row| row.took_ms).collect::<Vec<_>>(), [0, 0, 100]);
}

#[test]
fn what_is_under_way_goes_on_until_now() {
    let mut all = vec![told(0, TimelineEvent::Queued), told(10, TimelineEvent::Started)];
    all.push(EntryView { attempt: Some(1), ..told(10, TimelineEvent::CallStarted) });
    let seen = Waterfall::of(&all, at(510));
    is_sound(&seen);
    assert_eq!((seen.rows[1].took_ms, seen.rows[1].goes_on), (500, true));
    let cancelled = vec![told(0, TimelineEvent::Queued), told(70, TimelineEvent::Cancelled)];
    let seen = Waterfall::of(&cancelled, at(999));
    assert_eq!((seen.rows[0].took_ms, seen.rows[0].goes_on), (70, false));
}

#[test]
fn of_very_many_calls_the_newest_are_drawn() {
    let calls = (0..500).flat_map(|n| call(n, i64::from(n) * 10, i64::from(n) * 10 + 5, n % 2 == 0));
    let seen = Waterfall::of(&calls.collect::<Vec<_>>(), at(9_000_000_000_000));
    is_sound(&seen);
    assert_eq!((seen.rows.len(), seen.left_out), (ROWS, 500 - ROWS));
    assert_eq!(seen.rows[ROWS - 1].label, "Call 499 to m");
}
