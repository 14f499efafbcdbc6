//! What is told of an execution: the names and spellings of its answers in the API, and never its payload.

use serde::Serialize;

use super::{Event, EventType};
use crate::model::{
    AgentId, Cost, Execution, ExecutionError, ExecutionId, ExecutionSource, ExecutionStatus, HeldReason,
    KeySource, NewExecution, TenantId, Time, Timing, UnsignedExecution, Usage,
};

/// Bytes of its output that an event tells, at most; the API has all of it.
pub const EVENT_OUTPUT_BYTES: usize = 64 << 10;

#[derive(Serialize)]
struct Data<'a> {
    execution_id: ExecutionId,
    agent_id: AgentId,
    agent_version: i32,
    tenant_id: &'a TenantId,
    run: i32,
    status: ExecutionStatus,
    source: ExecutionSource,
    #[serde(skip_serializing_if = "Option::is_none")]
    replay_of: Option<ExecutionId>,
    #[serde(flatten)]
    output: Option<Output<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a ExecutionError>,
    #[serde(flatten)]
    spent: Option<Spent<'a>>,
    timing: TimingData,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_reason: Option<HeldReason>,
}

#[derive(Serialize)]
struct Output<'a> {
    output: &'a str,
    output_truncated: bool,
}

#[derive(Serialize)]
struct Spent<'a> {
    model: Option<&'a str>,
    key_source: Option<KeySource>,
    usage: Option<Usage>,
    cost_usd: Option<f64>,
}

#[derive(Serialize)]
struct TimingData {
    received_at: String,
    started_at: Option<String>,
    finished_at: Option<String>,
    queue_ms: Option<i64>,
    llm_ms: Option<i64>,
    total_ms: Option<i64>,
}

/// What can be told of an execution that cannot be read.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "columns of the execution")]
pub struct UnreadableExecution {
    pub execution_id: ExecutionId,
    pub agent_id: AgentId,
    pub agent_version: i32,
    /// As it is stored.
    pub tenant_id: String,
    pub run: i32,
    pub status: ExecutionStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ExecutionError>,
}

impl EventType {
    /// What is told when an execution comes into this state. [`ExecutionStatus::Running`] is told when the first call
    /// begins, and not before.
    #[must_use]
    pub fn of_status(status: ExecutionStatus) -> Self {
        match status {
            ExecutionStatus::Queued => Self::ExecutionQueued,
            ExecutionStatus::Held => Self::ExecutionHeld,
            ExecutionStatus::Running => Self::ExecutionStarted,
            ExecutionStatus::Success => Self::ExecutionCompleted,
            ExecutionStatus::Failed => Self::ExecutionFailed,
            ExecutionStatus::Cancelled => Self::ExecutionCancelled,
        }
    }
}

impl Event {
    /// Tells that an execution has come into the state that it is in, with its output if it has one.
    #[must_use]
    pub fn of_run(execution: &Execution, output: Option<&str>, at: Time) -> Self {
        let status = execution.status;
        let spent = status.is_terminal().then(|| Spent {
            model: execution.model.as_deref(),
            key_source: execution.key_source,
            usage: execution.usage,
            cost_usd: execution.cost.map(Cost::usd),
        });
        let data = Data {
            execution_id: execution.execution_id,
            agent_id: execution.agent_id,
            agent_version: execution.agent_version,
            tenant_id: &execution.tenant_id,
            run: execution.run,
            status,
            source: execution.source,
            replay_of: execution.replay_of,
            output: output.map(beginning),
            error: execution.error.as_ref(),
            spent,
            timing: timing(&execution.timing),
            held_reason: execution.held_reason,
        };
        Self::new(EventType::of_status(status), Some(execution.tenant_id.clone()), at, &data)
            .of_agent(execution.agent_id)
            .of_execution(execution.execution_id)
    }

    /// The same of one that cannot be read.
    #[must_use]
    pub fn of_unreadable(execution: &UnreadableExecution, at: Time) -> Self {
        Self::new(EventType::of_status(execution.status), execution.tenant_id.parse().ok(), at, execution)
            .of_agent(execution.agent_id)
            .of_execution(execution.execution_id)
    }

    /// Tells that a hook is queued, or held.
    #[must_use]
    pub fn of_hook(hook: &NewExecution) -> Self {
        let status = if hook.held.is_some() { ExecutionStatus::Held } else { ExecutionStatus::Queued };
        let execution = Execution {
            execution_id: hook.execution_id,
            tenant_id: hook.tenant_id.clone(),
            agent_id: hook.agent_id,
            agent_version: hook.agent_version,
            status,
            run: 1,
            source: ExecutionSource::Webhook,
            replay_of: None,
            error: None,
            model: None,
            key_source: None,
            usage: None,
            cost: None,
            timing: Timing::received(hook.received_at),
            tries: 0,
            due_at: None,
            held_reason: hook.held,
        };
        Self::of_run(&execution, None, hook.received_at)
    }

    /// Tells that what no hook began is queued.
    #[must_use]
    pub fn of_unsigned(unsigned: &UnsignedExecution) -> Self {
        let execution = Execution {
            execution_id: unsigned.execution_id,
            tenant_id: unsigned.tenant_id.clone(),
            agent_id: unsigned.agent_id,
            agent_version: unsigned.agent_version,
            status: ExecutionStatus::Queued,
            run: 1,
            source: unsigned.source,
            replay_of: unsigned.replay_of,
            error: None,
            model: None,
            key_source: None,
            usage: None,
            cost: None,
            timing: Timing::received(unsigned.received_at),
            tries: 0,
            due_at: None,
            held_reason: None,
        };
        Self::of_run(&execution, None, unsigned.received_at)
    }
}

/// As much of an output as is told.
fn beginning(output: &str) -> Output<'_> {
    let end = output.floor_char_boundary(EVENT_OUTPUT_BYTES);
    Output { output: &output[..end], output_truncated: end < output.len() }
}

fn timing(timing: &Timing) -> TimingData {
    let stamp = |time: Time| time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    TimingData {
        received_at: stamp(timing.received_at),
        started_at: timing.started_at.map(stamp),
        finished_at: timing.finished_at.map(stamp),
        queue_ms: timing.queue_ms(),
        llm_ms: timing.llm_ms,
        total_ms: timing.total_ms(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(status: ExecutionStatus) -> Execution {
        Execution {
            execution_id: ExecutionId::new(),
            tenant_id: "acme".parse().expect("a tenant"),
            agent_id: AgentId::new(),
            agent_version: 2,
            status,
            run: 1,
            source: ExecutionSource::Webhook,
            replay_of: None,
            error: None,
            model: Some("small".into()),
            key_source: Some(KeySource::Platform),
            usage: None,
            cost: Some(Cost(13_300)),
            timing: Timing {
                started_at: Some(Time::UNIX_EPOCH),
                llm_ms: Some(7),
                ..Timing::received(Time::UNIX_EPOCH)
            },
            tries: 1,
            due_at: None,
            held_reason: None,
        }
    }

    #[test]
    fn an_end_in_the_order_of_the_catalogue() {
        let execution = ended(ExecutionStatus::Success);
        let event = Event::of_run(&execution, Some("Hi."), Time::UNIX_EPOCH);
        let (execution_id, agent_id) = (execution.execution_id, execution.agent_id);
        assert_eq!(event.event_type, EventType::ExecutionCompleted);
        assert_eq!(
            event.data,
            format!(
                r#"{{"execution_id":"{execution_id}","agent_id":"{agent_id}","agent_version":2,"tenant_id":"acme","run":1,"#
            ) + r#""status":"success","source":"webhook","output":"Hi.","output_truncated":false,"model":"small","#
                + r#""key_source":"platform","usage":null,"cost_usd":0.0000133,"timing":{"received_at":"1970-01-01T00:00:00.000Z","#
                + r#""started_at":"1970-01-01T00:00:00.000Z","finished_at":null,"queue_ms":0,"llm_ms":7,"total_ms":null}}"#
        );
    }

    #[test]
    fn an_output_at_its_limit() {
        for (bytes, text, truncated) in [
            (EVENT_OUTPUT_BYTES - 1, "x", false),
            (EVENT_OUTPUT_BYTES, "x", false),
            (EVENT_OUTPUT_BYTES + 1, "x", true),
            // The limit is in the middle of a character.
            (EVENT_OUTPUT_BYTES + 2, "€", true),
        ] {
            let output = text.repeat(bytes / text.len());
            let told = beginning(&output);
            assert_eq!(told.output_truncated, truncated, "{bytes}");
            assert!(
                told.output.len() <= EVENT_OUTPUT_BYTES
                    && told.output.len() + 3 > output.len().min(EVENT_OUTPUT_BYTES)
            );
        }
    }

    #[test]
    fn an_example_has_the_fields_of_a_real_one() {
        let fields = |data: &str| -> Vec<String> {
            let data: serde_json::Map<_, _> = serde_json::from_str(data).expect("an object");
            data.keys().cloned().collect()
        };
        let failed = ExecutionError {
            code: crate::model::ErrorCode::LlmTimeout,
            message: "no answer within 120 s".into(),
            retryable: true,
        };
        for (status, output, error) in [
            (ExecutionStatus::Queued, None, None),
            (ExecutionStatus::Running, None, None),
            (ExecutionStatus::Success, Some("Hi."), None),
            (ExecutionStatus::Failed, None, Some(failed)),
            (ExecutionStatus::Cancelled, None, None),
            (ExecutionStatus::Held, None, None),
        ] {
            let held_reason = (status == ExecutionStatus::Held).then_some(HeldReason::Paused);
            let run = Execution { error, held_reason, ..ended(status) };
            let event = Event::of_run(&run, output, Time::UNIX_EPOCH);
            let example = event.event_type.info().expect("it is in the catalogue").example.get();
            assert_eq!(fields(&event.data), fields(example), "{}", event.event_type);
        }
    }

    #[test]
    fn what_has_not_ended_has_spent_nothing() {
        let event = Event::of_run(&ended(ExecutionStatus::Running), None, Time::UNIX_EPOCH);
        assert_eq!(event.event_type, EventType::ExecutionStarted);
        assert!(!event.data.contains("cost_usd") && !event.data.contains("output"), "{}", event.data);
    }
}
