//! The end of a run, as its event tells it.

use serde::Deserialize;

use super::{Latencies, Rollup};
use crate::model::{
    AgentId, Cost, Event, EventId, EventType, ExecutionId, ExecutionStatus, TenantId, Time, Usage,
};

/// What one run counts for tokens at most: sums of them must fit into a column whatever an upstream claims.
const MOST_TOKENS: i64 = 1_000_000_000_000;
/// The same for what it cost: a thousand dollars. Nine million such runs fit into a column.
const MOST_COST: i64 = 1_000 * 1_000_000_000;

/// The end of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEnd {
    /// The event that tells it.
    pub event_id: EventId,
    /// Whose it was.
    pub tenant_id: TenantId,
    /// What ran.
    pub agent_id: AgentId,
    /// The execution.
    pub execution_id: ExecutionId,
    /// Which of its runs.
    pub run: i32,
    /// When.
    pub at: Time,
    /// What it adds to the sums. Tokens and cost are those of the execution so far: of its first run they are the run's own.
    pub adds: Rollup,
}

/// What is read of the event's data. What cannot be read counts as an end all the same.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Data {
    run: Option<i32>,
    usage: Option<Tokens>,
    cost_usd: Option<f64>,
    timing: Timing,
}

/// As numbers of JavaScript, in whose form events are: a large one is beyond our integers.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Tokens {
    prompt_tokens: f64,
    completion_tokens: f64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Timing {
    total_ms: Option<i64>,
}

impl RunEnd {
    /// The end that an event tells; `None`: it tells of something else, or is a test that tells of nothing.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        let is = |status| event.event_type == EventType::of_status(status);
        let is_success = is(ExecutionStatus::Success);
        let count = |status| i64::from(is(status));
        let mut adds = Rollup {
            succeeded: count(ExecutionStatus::Success),
            failed: count(ExecutionStatus::Failed),
            cancelled: count(ExecutionStatus::Cancelled),
            ..Rollup::default()
        };
        let is_end = adds.succeeded + adds.failed + adds.cancelled == 1;
        if !is_end || event.webhook_id.is_some() {
            return None;
        }
        let data: Data = serde_json::from_str(&event.data).unwrap_or_default();
        // How long somebody took to cancel it says nothing about runs.
        if let Some(ms) = data.timing.total_ms.filter(|_| adds.cancelled == 0) {
            adds.latencies = Latencies::of(ms);
        }
        let usage = data.usage.map(|tokens| Usage {
            prompt_tokens: tokens.prompt_tokens as i64,
            completion_tokens: tokens.completion_tokens as i64,
            ..Usage::default()
        });
        adds.spent(usage, data.cost_usd.and_then(Cost::from_usd), is_success);
        Some(Self {
            event_id: event.event_id,
            tenant_id: event.tenant_id.clone()?,
            agent_id: event.agent_id?,
            execution_id: event.execution_id?,
            run: data.run.unwrap_or(1),
            at: event.at,
            adds,
        })
    }
}

impl Rollup {
    /// Says what a run took. A call that gave nothing cost nothing; one that gave something without a price makes the cost
    /// unknown. `gave`: one gave an answer.
    pub fn spent(&mut self, usage: Option<Usage>, cost: Option<Cost>, gave: bool) {
        let tokens = usage.unwrap_or_default();
        self.prompt_tokens = tokens.prompt_tokens.clamp(0, MOST_TOKENS);
        self.completion_tokens = tokens.completion_tokens.clamp(0, MOST_TOKENS);
        self.cost = Cost(cost.unwrap_or_default().0.clamp(0, MOST_COST));
        self.unknown_costs = i64::from(cost.is_none() && (gave || usage.is_some()));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::WebhookId;

    fn end(event_type: EventType, data: &Value) -> Event {
        Event::new(event_type, "acme".parse().ok(), Time::UNIX_EPOCH, data)
            .of_agent(AgentId::new())
            .of_execution(ExecutionId::new())
    }

    #[test]
    fn what_an_end_adds() {
        let usage = json!({
            "prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12, "cached_tokens": 0, "reasoning_tokens": 0
        });
        let data = json!({"run": 2, "usage": usage, "cost_usd": 0.5, "timing": {"total_ms": 40}});
        let read = RunEnd::of(&end(EventType::ExecutionCompleted, &data)).expect("an end");
        let adds = Rollup {
            succeeded: 1,
            prompt_tokens: 7,
            completion_tokens: 5,
            cost: Cost(500_000_000),
            latencies: Latencies::of(40),
            ..Rollup::default()
        };
        assert_eq!((read.run, read.adds), (2, adds));
        for (kind, data, unknown, measured) in [
            (EventType::ExecutionCompleted, json!({"timing": {"total_ms": 1}}), 1, true),
            (EventType::ExecutionFailed, json!({"timing": {"total_ms": 1}}), 0, true),
            (EventType::ExecutionFailed, json!({ "usage": usage }), 1, false),
            (EventType::ExecutionCancelled, json!({"timing": {"total_ms": 1}}), 0, false),
            (EventType::ExecutionFailed, json!({"timing": "?"}), 0, false),
        ] {
            let adds = RunEnd::of(&end(kind, &data)).expect("an end").adds;
            assert_eq!(
                (adds.unknown_costs, adds.latencies != Latencies::default()),
                (unknown, measured),
                "{data}"
            );
            assert_eq!(adds.succeeded + adds.failed + adds.cancelled, 1);
        }
    }

    #[test]
    fn what_is_no_end() {
        let data = json!({});
        assert_eq!(RunEnd::of(&end(EventType::ExecutionStarted, &data)), None);
        let test = end(EventType::ExecutionCompleted, &data).to_webhook(WebhookId::new());
        assert_eq!(RunEnd::of(&test), None);
        let of_nothing = Event::new(EventType::ExecutionFailed, "acme".parse().ok(), Time::UNIX_EPOCH, &data);
        assert_eq!(RunEnd::of(&of_nothing), None);
    }

    #[test]
    fn an_upstream_that_claims_the_sky_overflows_nothing() {
        let usage = json!({
            "prompt_tokens": i64::MAX, "completion_tokens": i64::MIN, "total_tokens": 0, "cached_tokens": 0,
            "reasoning_tokens": 0
        });
        let data = json!({"usage": usage, "cost_usd": 8e9});
        let adds = RunEnd::of(&end(EventType::ExecutionCompleted, &data)).expect("an end").adds;
        assert_eq!(
            (adds.prompt_tokens, adds.completion_tokens, adds.cost),
            (MOST_TOKENS, 0, Cost(MOST_COST))
        );
    }
}
