//! What became of everything that was accepted: nothing may be missing, no call may be without its row, and each end is told
//! once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::{Fleet, Member};

/// Between two looks at what has not ended yet.
const PAUSE: Duration = Duration::from_millis(100);
/// Looks at all of it before the test gives up: some three minutes.
const LOOKS: usize = 1800;

/// The end of each accepted execution, and the calls that were made for it.
pub struct Tally {
    traces: BTreeMap<String, Value>,
    calls: BTreeMap<String, usize>,
}

impl Tally {
    /// The events that tell an end.
    pub const ENDS: [&str; 3] = ["execution.completed", "execution.failed", "execution.cancelled"];

    pub(super) async fn of(fleet: &Fleet, api: &Member, accepted: BTreeSet<String>) -> Self {
        let (mut traces, mut open) = (BTreeMap::new(), accepted);
        for _ in 0..LOOKS {
            for id in open.clone() {
                let trace = fleet.trace(api, &id).await.unwrap_or_default();
                if !matches!(trace["status"].as_str(), Some("success" | "failed" | "cancelled")) {
                    // They end roughly in their order: those behind it have not ended either.
                    break;
                }
                open.remove(&id);
                traces.insert(id, trace);
            }
            if open.is_empty() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        let first = open.first().cloned().unwrap_or_default();
        let last_seen = fleet.trace(api, &first).await.unwrap_or_default();
        assert!(open.is_empty(), "{} never ended, the first of them: {last_seen}", open.len());
        let mut calls = BTreeMap::new();
        for call in fleet.llm.calls() {
            *calls.entry(call.execution_id).or_default() += 1;
        }
        let tally = Self { traces, calls };
        tally.assert_each_end_is_told_once(fleet, api).await;
        tally
    }

    /// None lost, none doubled, and each of the right kind.
    async fn assert_each_end_is_told_once(&self, fleet: &Fleet, api: &Member) {
        let mut told: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for event_type in Self::ENDS {
            for event in fleet.events(api, event_type).await {
                let id = event["execution_id"].as_str().expect("whose end it is").to_owned();
                told.entry(id).or_default().push(event_type);
            }
        }
        for (id, trace) in &self.traces {
            let end = match trace["status"].as_str() {
                Some("success") => "execution.completed",
                Some("failed") => "execution.failed",
                _ => "execution.cancelled",
            };
            assert_eq!(told.get(id), Some(&vec![end]), "the end of {id} is told once: {trace}");
        }
    }

    /// How many ended.
    pub fn count(&self) -> usize {
        self.traces.len()
    }

    /// The trace of one.
    pub fn trace(&self, execution_id: &str) -> &Value {
        &self.traces[execution_id]
    }

    /// The attempts of one.
    pub fn attempts(&self, execution_id: &str) -> &[Value] {
        self.traces[execution_id]["attempts"].as_array().expect("a list")
    }

    /// Calls beyond the first of each execution.
    pub fn extra_calls(&self) -> usize {
        self.traces.keys().map(|id| self.calls.get(id).copied().unwrap_or_default().saturating_sub(1)).sum()
    }

    /// The error codes of the attempts of one, `fine` for none.
    pub fn codes(&self, execution_id: &str) -> Vec<&str> {
        let codes = self.attempts(execution_id).iter();
        codes.map(|attempt| attempt["error"]["code"].as_str().unwrap_or("fine")).collect()
    }

    /// Those that took more than one attempt.
    pub fn repeated(&self) -> Vec<&str> {
        let repeated = self.traces.keys().filter(|id| self.attempts(id).len() > 1);
        repeated.map(String::as_str).collect()
    }

    /// How long they waited for a worker, half of them at most, in ms.
    pub fn median_wait_ms(&self) -> u64 {
        let mut waits: Vec<_> =
            self.traces.values().map(|trace| trace["timing"]["queue_ms"].as_u64().expect("a time")).collect();
        waits.sort_unstable();
        waits[waits.len() / 2]
    }

    /// An end is an end: nothing of it changes afterwards.
    pub async fn assert_still_so(&self, fleet: &Fleet, api: &Member) {
        for (id, trace) in &self.traces {
            assert_eq!(fleet.trace(api, id).await.as_ref(), Some(trace), "what has ended stays as it is");
        }
    }

    /// Everything ended well, and each call has its row, written before it: exactly one of them a success.
    pub fn assert_all_succeeded(&self) {
        for id in self.traces.keys() {
            let trace = self.trace(id);
            assert_eq!(trace["status"], "success", "{trace}");
            let good = self.attempts(id).iter().filter(|attempt| attempt["error"].is_null()).count();
            assert_eq!(good, 1, "one attempt ended it: {trace}");
            let calls = self.calls.get(id).copied().unwrap_or_default();
            assert!(calls <= self.attempts(id).len(), "{calls} calls, fewer rows: {trace}");
        }
    }
}
