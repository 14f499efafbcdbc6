//! What happened to an execution, drawn: a bar for each wait, each call and each delivery, along one line of time.
//!
//! A delivery may be tried again a day after a call of half a second. So a stretch in which nothing but waiting went on is
//! drawn no longer than a part of the whole ([`SQUEEZED`]); what its bar took stands beside it, and the page says so.

use crate::api::timeline::EntryView;
use crate::model::{DeliveryId, Time, TimelineEvent};

/// Rows, at most: the newest are drawn.
const ROWS: usize = 60;
/// How wide the line of time is, in the drawing's own units.
pub(super) const WIDTH: f64 = 1000.0;
/// The narrowest bar: one that took no time is seen all the same.
const NARROWEST: f64 = 4.0;
/// Of what was done, so much is the longest that a stretch of mere waiting is drawn.
const SQUEEZED: f64 = 0.3;

/// The drawing.
pub(super) struct Waterfall {
    pub rows: Vec<Row>,
    /// Rows that are not drawn: the oldest.
    pub left_out: usize,
    /// Whether a wait is drawn shorter than it was.
    pub is_squeezed: bool,
    /// From the first to the last moment, in ms.
    pub total_ms: i64,
}

/// One bar, or those of one delivery.
pub(super) struct Row {
    pub label: String,
    /// Since the beginning, in ms.
    pub begins_ms: i64,
    pub took_ms: i64,
    /// Whether it still goes on.
    pub goes_on: bool,
    pub bars: Vec<Bar>,
}

/// A part of a row.
pub(super) struct Bar {
    pub kind: Kind,
    pub x: f64,
    pub width: f64,
}

/// What a bar is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing was done.
    Wait,
    /// A call or an attempt that succeeded, or is out.
    Done,
    /// A call or an attempt that failed.
    Failed,
}

impl Kind {
    /// As the stylesheet names it.
    pub fn class(self) -> &'static str {
        match self {
            Self::Wait => "bar-wait",
            Self::Done => "bar-done",
            Self::Failed => "bar-failed",
        }
    }
}

/// A stretch of time, in ms since the epoch. None ends before it begins, whatever the clocks said.
#[derive(Clone, Copy)]
struct Span {
    kind: Kind,
    begins: i64,
    ends: i64,
}

impl Span {
    fn of(kind: Kind, begins: Time, ends: Time) -> Self {
        let begins = begins.timestamp_millis();
        Self { kind, begins, ends: ends.timestamp_millis().max(begins) }
    }
}

/// A row before it is known where it is drawn.
struct Draft {
    label: String,
    goes_on: bool,
    spans: Vec<Span>,
    delivery: Option<DeliveryId>,
}

impl Waterfall {
    /// Of what the timeline tells, as far as it has come by now.
    pub fn of(timeline: &[EntryView], now: Time) -> Self {
        let mut drafts = drafts(timeline, now);
        let left_out = drafts.len().saturating_sub(ROWS);
        drafts.drain(..left_out);
        let scale = Scale::of(&drafts);
        let first = scale.first();
        let rows = drafts.into_iter().map(|draft| {
            let begins = draft.spans.iter().map(|span| span.begins).min().unwrap_or(first);
            let ends = draft.spans.iter().map(|span| span.ends).max().unwrap_or(begins);
            Row {
                begins_ms: begins - first,
                took_ms: ends - begins,
                goes_on: draft.goes_on,
                bars: draft.spans.iter().map(|span| scale.bar(span)).collect(),
                label: draft.label,
            }
        });
        Self {
            rows: rows.collect(),
            left_out,
            is_squeezed: scale.is_squeezed,
            total_ms: scale.last() - first,
        }
    }
}

fn drafts(timeline: &[EntryView], now: Time) -> Vec<Draft> {
    use TimelineEvent::*;
    let mut drafts: Vec<Draft> = Vec::new();
    for (at, entry) in timeline.iter().enumerate() {
        let begins = entry.at.0;
        // The first of these that comes afterwards, in the same run.
        let next = |events: &[TimelineEvent]| {
            let later = timeline[at + 1..].iter().filter(|later| later.run == entry.run);
            later.into_iter().find(|later| events.contains(&later.event))
        };
        let ended = &[Succeeded, Failed, Cancelled, Discarded];
        let mut row = |label: String, kind, end: Option<&EntryView>| {
            let ends = end.map_or(now, |end| end.at.0);
            let spans = vec![Span::of(kind, begins, ends)];
            drafts.push(Draft { label, goes_on: end.is_none(), spans, delivery: None });
        };
        match entry.event {
            Held => row("Held for a person".to_owned(), Kind::Wait, next(&[Released, Discarded, Cancelled])),
            Queued | Retried | Released => {
                let label =
                    if entry.run > 1 { format!("Queued, run {}", entry.run) } else { "Queued".to_owned() };
                row(label, Kind::Wait, next(&[&[Started][..], ended].concat()));
            }
            CallStarted => {
                let same = timeline[at + 1..].iter().find(|later| {
                    later.event == CallEnded && later.run == entry.run && later.attempt == entry.attempt
                });
                let kind = match same.and_then(|end| end.error.as_ref()) {
                    Some(_) => Kind::Failed,
                    None => Kind::Done,
                };
                let (number, model) =
                    (entry.attempt.unwrap_or(1), entry.model.as_deref().unwrap_or_default());
                row(format!("Call {number} to {model}"), kind, same);
            }
            RetryPlanned | Requeued => {
                row(
                    "Wait for the next call".to_owned(),
                    Kind::Wait,
                    next(&[&[CallStarted][..], ended].concat()),
                );
            }
            DeliveryCreated | DeliverySucceeded | DeliveryFailed | DeliveryExhausted => {
                deliver(&mut drafts, entry)
            }
            _ => {}
        }
    }
    for draft in drafts.iter_mut().filter(|draft| draft.goes_on && draft.delivery.is_some()) {
        let begins = draft.spans.last().map_or(0, |span| span.ends);
        draft.spans.push(Span { kind: Kind::Wait, begins, ends: now.timestamp_millis().max(begins) });
    }
    drafts
}

/// Adds what an entry says of a delivery to that one's row: what it waited, and what was tried.
fn deliver(drafts: &mut Vec<Draft>, entry: &EntryView) {
    let at = entry.at.0;
    let known =
        drafts.iter_mut().find(|draft| draft.delivery.is_some() && draft.delivery == entry.delivery_id);
    let draft = match known {
        Some(draft) => draft,
        None => {
            let event = entry.event_type.as_deref().unwrap_or("an event");
            drafts.push(Draft {
                label: format!("Delivery of {event}"),
                goes_on: true,
                spans: vec![Span::of(Kind::Wait, at, at)],
                delivery: entry.delivery_id,
            });
            drafts.last_mut().expect("it was just put there")
        }
    };
    let kind = match entry.event {
        TimelineEvent::DeliverySucceeded => Kind::Done,
        TimelineEvent::DeliveryFailed => Kind::Failed,
        TimelineEvent::DeliveryExhausted => {
            draft.goes_on = false;
            return;
        }
        _ => return,
    };
    let begins = at - chrono::TimeDelta::milliseconds(entry.took_ms.unwrap_or_default().max(0));
    let free = draft.spans.last().map_or(begins.timestamp_millis(), |span| span.ends);
    let tried = Span::of(kind, begins, at);
    let waited = Span { kind: Kind::Wait, begins: free.min(tried.begins), ends: tried.begins };
    draft.spans.extend([waited, tried]);
    draft.goes_on = entry.event == TimelineEvent::DeliveryFailed;
}

/// Where moments are drawn.
struct Scale {
    /// Moments in order, each with its place.
    places: Vec<(i64, f64)>,
    is_squeezed: bool,
}

impl Scale {
    fn of(drafts: &[Draft]) -> Self {
        let spans: Vec<_> = drafts.iter().flat_map(|draft| &draft.spans).copied().collect();
        let mut moments: Vec<_> = spans.iter().flat_map(|span| [span.begins, span.ends]).collect();
        moments.sort_unstable();
        moments.dedup();
        let stretches: Vec<_> = moments.windows(2).map(|pair| (pair[0], pair[1])).collect();
        let is_busy = |(begins, ends): (i64, i64)| {
            spans.iter().any(|span| span.kind != Kind::Wait && span.begins <= begins && ends <= span.ends)
        };
        let length = |(begins, ends): (i64, i64)| ends.saturating_sub(begins) as f64;
        let busy: f64 = stretches.iter().filter(|one| is_busy(**one)).map(|one| length(*one)).sum();
        let most = if busy > 0.0 { busy * SQUEEZED } else { f64::INFINITY };
        let drawn = |one: (i64, i64)| if is_busy(one) { length(one) } else { length(one).min(most) };
        let all: f64 = stretches.iter().map(|one| drawn(*one)).sum();
        let (mut at, mut places) = (0.0, Vec::with_capacity(moments.len()));
        places.extend(moments.first().map(|first| (*first, 0.0)));
        for one in &stretches {
            at += drawn(*one) / all * WIDTH;
            places.push((one.1, at));
        }
        let is_squeezed = stretches.iter().any(|one| drawn(*one) < length(*one));
        Self { places, is_squeezed }
    }

    fn first(&self) -> i64 {
        self.places.first().map_or(0, |(moment, _)| *moment)
    }

    fn last(&self) -> i64 {
        self.places.last().map_or(0, |(moment, _)| *moment)
    }

    /// Every end of a span has a place.
    fn place(&self, moment: i64) -> f64 {
        let found = self.places.binary_search_by_key(&moment, |(moment, _)| *moment);
        found.map_or(0.0, |index| self.places[index].1)
    }

    fn bar(&self, span: &Span) -> Bar {
        let (begins, ends) = (self.place(span.begins), self.place(span.ends));
        let width = (ends - begins).max(if span.kind == Kind::Wait { 0.0 } else { NARROWEST });
        Bar { kind: span.kind, x: begins.min(WIDTH - width), width }
    }
}

#[cfg(test)]
#[path = "waterfall_tests.rs"]
mod tests;
