//! Executions as the API shows them: short in lists, whole with every call.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{Stamp, stamp};
use crate::model::{
    AgentId, Attempt, Cost, Execution, ExecutionError, ExecutionId, ExecutionSource, ExecutionStatus,
    HeldReason, KeySource, TenantId, Trace, Usage, payload_json,
};
use crate::schema::Mismatch;
use crate::store::Exported;

#[derive(Serialize, ToSchema)]
#[schema(as = Execution)]
pub struct ExecutionView {
    pub execution_id: ExecutionId,
    pub agent_id: AgentId,
    pub agent_version: i32,
    pub tenant_id: TenantId,
    pub run: i32,
    pub source: ExecutionSource,
    #[schema(required)]
    pub replay_of: Option<ExecutionId>,
    pub status: ExecutionStatus,
    #[schema(required)]
    pub error: Option<ExecutionError>,
    #[schema(required)]
    pub model: Option<String>,
    #[schema(required)]
    pub key_source: Option<KeySource>,
    #[schema(required)]
    pub usage: Option<Usage>,
    #[schema(required)]
    pub cost_usd: Option<f64>,
    pub timing: TimingView,
    #[schema(required)]
    pub due_at: Option<Stamp>,
    /// Why it waits for a person, or did so.
    #[schema(required)]
    pub held_reason: Option<HeldReason>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Timing)]
pub struct TimingView {
    pub received_at: Stamp,
    #[schema(required)]
    pub started_at: Option<Stamp>,
    #[schema(required)]
    pub finished_at: Option<Stamp>,
    #[schema(required)]
    pub queue_ms: Option<i64>,
    #[schema(required)]
    pub llm_ms: Option<i64>,
    #[schema(required)]
    pub total_ms: Option<i64>,
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
        held_reason: execution.held_reason,
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Trace)]
pub struct TraceView {
    #[serde(flatten)]
    pub execution: ExecutionView,
    #[schema(required, value_type = serde_json::Value)]
    pub input: Option<Box<RawValue>>,
    /// While it is held because its payload does not match the schema: where.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub schema_errors: Vec<SchemaErrorView>,
    #[schema(required)]
    pub output: Option<String>,
    /// Where its sender is told of the end, if it wants to be.
    #[schema(required)]
    pub callback: Option<CallbackView>,
    pub attempts: Vec<AttemptView>,
}

/// A callback without what may be a credential.
#[derive(Serialize, ToSchema)]
#[schema(as = Callback)]
pub struct CallbackView {
    /// The URL's host; `null` if the URL cannot be opened under the server's encryption keys.
    #[schema(required)]
    pub host: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Attempt)]
pub struct AttemptView {
    #[schema(minimum = 1)]
    pub number: i32,
    pub run: i32,
    pub started_at: Stamp,
    #[schema(required)]
    pub finished_at: Option<Stamp>,
    pub key_source: KeySource,
    #[schema(required)]
    pub status_code: Option<i32>,
    #[schema(required)]
    pub error: Option<ExecutionError>,
    #[schema(required)]
    pub usage: Option<Usage>,
    #[schema(required)]
    pub cost_usd: Option<f64>,
    pub llm_call_id: String,
    pub model: String,
}

/// The same as of the refusal that it would have been.
#[derive(Serialize, ToSchema)]
#[schema(as = SchemaError)]
pub struct SchemaErrorView {
    /// JSON Pointer into the payload.
    pub instance_path: String,
    /// JSON Pointer into the schema.
    pub schema_path: String,
    /// What has to be there.
    pub message: String,
}

impl TraceView {
    /// With where its payload does not match.
    pub fn with_schema_errors(mut self, mismatches: Vec<Mismatch>) -> Self {
        let view = |mismatch: Mismatch| {
            let Mismatch { instance_path, schema_path, message } = mismatch;
            SchemaErrorView { instance_path, schema_path, message }
        };
        self.schema_errors = mismatches.into_iter().map(view).collect();
        self
    }
}

/// `callback_host`: the host of its callback, if it has one; `None` in it: it cannot be opened.
pub fn trace(trace: Trace, callback_host: Option<Option<String>>) -> TraceView {
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
        input: input(payload_json(&trace.payload, &trace.headers).into_owned()),
        schema_errors: Vec::new(),
        output: trace.output,
        callback: callback_host.map(|host| CallbackView { host }),
        attempts: trace.attempts.into_iter().map(attempt).collect(),
    }
}

/// An execution as an export has it: without its calls.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedExecution)]
pub struct ExportView {
    #[serde(flatten)]
    execution: ExecutionView,
    #[schema(required, value_type = serde_json::Value)]
    input: Option<Box<RawValue>>,
    #[schema(required)]
    output: Option<String>,
}

impl ExportView {
    /// As lists show it.
    pub fn execution(&self) -> &ExecutionView {
        &self.execution
    }

    /// Its payload in one line.
    pub fn input(&self) -> Option<&str> {
        self.input.as_deref().map(RawValue::get)
    }

    /// What the model wrote.
    pub fn output(&self) -> Option<&str> {
        self.output.as_deref()
    }
}

pub fn exported(exported: Exported) -> ExportView {
    let input = input(payload_json(&exported.payload, &exported.headers).into_owned());
    // In JSON a line end is never part of a string, and in a line of it there is none.
    let in_one_line =
        |input: Box<RawValue>| RawValue::from_string(input.get().replace(['\n', '\r'], " ")).ok();
    ExportView {
        execution: execution(exported.execution),
        input: input.and_then(in_one_line),
        output: exported.output,
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
