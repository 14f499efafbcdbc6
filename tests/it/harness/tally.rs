//! What became of everything that was accepted: nothing may be missing, and no call may be without its row.

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
        Self { traces, calls }
    }

    /// How many ended.
    pub fn count(&self) -> usize {
        self.traces.len()
    }

    /// How many ended with each status.
    pub fn statuses(&self) -> BTreeMap<String, usize> {
        let mut statuses = BTreeMap::new();
        for trace in self.traces.values() {
            *statuses.entry(trace["status"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        statuses
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
