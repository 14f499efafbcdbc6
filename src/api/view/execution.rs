//! Executions as the API shows them: short in lists, whole with every call.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{Stamp, stamp};
use crate::model::{
    AgentId, Attempt, Cost, Execution, ExecutionError, ExecutionId, ExecutionSource, ExecutionStatus,
    KeySource, TenantId, Trace, Usage,
};

#[derive(Serialize, ToSchema)]
#[schema(as = Execution)]
pub struct ExecutionView {
    execution_id: ExecutionId,
    agent_id: AgentId,
    agent_version: i32,
    tenant_id: TenantId,
    run: i32,
    source: ExecutionSource,
    #[schema(required)]
    replay_of: Option<ExecutionId>,
    status: ExecutionStatus,
    #[schema(required)]
    error: Option<ExecutionError>,
    #[schema(required)]
    model: Option<String>,
    #[schema(required)]
    key_source: Option<KeySource>,
    #[schema(required)]
    usage: Option<Usage>,
    #[schema(required)]
    cost_usd: Option<f64>,
    timing: TimingView,
    #[schema(required)]
    due_at: Option<Stamp>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Timing)]
struct TimingView {
    received_at: Stamp,
    #[schema(required)]
    started_at: Option<Stamp>,
    #[schema(required)]
    finished_at: Option<Stamp>,
    #[schema(required)]
    queue_ms: Option<i64>,
    #[schema(required)]
    llm_ms: Option<i64>,
    #[schema(required)]
    total_ms: Option<i64>,
}

pub fn execution(execution: Execution) -> ExecutionView {
    let timing = execution.timing;
    ExecutionView {
        execution_id: execution.execution_id,
        agent_id: execution.agent_id,
        agent_version: execution.agent_version,
        tenant_id: execution.tenant_id,
        run: execution.run,
        source: execution.source,
        replay_of: execution.replay_of,
        status: execution.status,
        error: execution.error,
        model: execution.model,
        key_source: execution.key_source,
        usage: execution.usage,
        cost_usd: execution.cost.map(Cost::usd),
        timing: TimingView {
            received_at: Stamp(timing.received_at),
            started_at: stamp(timing.started_at),
            finished_at: stamp(timing.finished_at),
            queue_ms: timing.queue_ms(),
            llm_ms: timing.llm_ms,
            total_ms: timing.total_ms(),
        },
        due_at: stamp(execution.due_at),
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Trace)]
pub struct TraceView {
    #[serde(flatten)]
    execution: ExecutionView,
    #[schema(required, value_type = serde_json::Value)]
    input: Option<Box<RawValue>>,
    #[schema(required)]
    output: Option<String>,
    attempts: Vec<AttemptView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Attempt)]
struct AttemptView {
    #[schema(minimum = 1)]
    number: i32,
    run: i32,
    started_at: Stamp,
    #[schema(required)]
    finished_at: Option<Stamp>,
    key_source: KeySource,
    #[schema(required)]
    status_code: Option<i32>,
    #[schema(required)]
    error: Option<ExecutionError>,
    #[schema(required)]
    usage: Option<Usage>,
    #[schema(required)]
    cost_usd: Option<f64>,
    llm_call_id: String,
    model: String,
}

pub fn trace(trace: Trace) -> TraceView {
    let attempt = |attempt: Attempt| AttemptView {
        number: attempt.number,
        run: attempt.run,
        started_at: Stamp(attempt.started_at),
        finished_at: stamp(attempt.finished_at),
        key_source: attempt.key_source,
        status_code: attempt.status_code,
        error: attempt.error,
        usage: attempt.usage,
        cost_usd: attempt.cost.map(Cost::usd),
        llm_call_id: attempt.llm_call_id,
        model: attempt.model,
    };
    TraceView {
        execution: execution(trace.execution),
        input: input(trace.payload),
        output: trace.output,
        attempts: trace.attempts.into_iter().map(attempt).collect(),
    }
}

/// The payload as it came, inside our JSON: numbers, order and duplicate keys as they were sent. A byte order
/// mark is no part of the JSON.
fn input(payload: Vec<u8>) -> Option<Box<RawValue>> {
    let text = String::from_utf8(payload).ok()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    RawValue::from_string(text.trim_ascii().to_owned()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_input_is_shown_as_it_was_sent() {
        let sent =
            "\u{feff} {\"n\": 1.0, \"big\": 12345678901234567890123, \"e\": 1e2, \"n\": \"\\u0000\"}\r\n";
        let shown = serde_json::to_string(&input(sent.into())).expect("valid");
        assert_eq!(shown, "{\"n\": 1.0, \"big\": 12345678901234567890123, \"e\": 1e2, \"n\": \"\\u0000\"}");
    }
}
