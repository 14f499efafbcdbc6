//! Reading one execution: as it stands, with its attempts, and with all its runs.

use sqlx::types::Json;
use uuid::Uuid;

use super::db::statements;
use super::row::word;
use super::{Result, Store, on_read};
use crate::model::{
    AgentId, Attempt, Cost, Execution, ExecutionError, ExecutionId, PastRun, SecretId, Time, Timing, Trace,
    TraceOutline, UnreadableExecution, Usage,
};

/// The columns of [`Row`]. What may not be readable any more is read as text, so that one such row is not the end of
/// a whole list.
macro_rules! columns {
    () => {
        "execution_id, tenant_id, agent_id, agent_version, status, run, source, replay_of, error, model, key_source,
            CAST(usage AS TEXT) AS usage, cost_nano, llm_ms, received_at, queued_at, started_at, finished_at, tries, due_at,
            held_reason"
    };
}
pub(super) use columns;

statements! {
    GET = concat!("SELECT ", columns!(), " FROM executions WHERE execution_id = $1");
    TRACE = concat!("SELECT ", columns!(), ", payload, output, request_id, secret_id, headers,
            (SELECT c.sealed FROM callbacks c WHERE c.execution_id = executions.execution_id) AS callback
        FROM executions WHERE execution_id = $1");
    OUTCOME = concat!("SELECT ", columns!(), ", output FROM executions WHERE execution_id = $1");
    OUTLINE = concat!("SELECT ", columns!(), ", CAST(octet_length(payload) AS BIGINT) AS payload_bytes, request_id, secret_id
        FROM executions WHERE execution_id = $1");
    ATTEMPTS = "SELECT number, run, started_at, finished_at, key_source, status_code, error, usage, cost_nano, llm_call_id, model
        FROM attempts WHERE execution_id = $1 ORDER BY number";
    RUNS = "SELECT run, status, queued_at, started_at, finished_at, error FROM runs WHERE execution_id = $1 ORDER BY run";
    REPLAYS = "SELECT execution_id, received_at FROM executions WHERE replay_of = $1 ORDER BY execution_id DESC LIMIT $2";
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    execution_id: Uuid,
    tenant_id: String,
    agent_id: Uuid,
    agent_version: i32,
    status: String,
    run: i32,
    source: String,
    replay_of: Option<Uuid>,
    error: Option<Json<ExecutionError>>,
    model: Option<String>,
    key_source: Option<String>,
    usage: Option<String>,
    cost_nano: Option<i64>,
    llm_ms: Option<i64>,
    received_at: Time,
    queued_at: Option<Time>,
    started_at: Option<Time>,
    finished_at: Option<Time>,
    tries: i32,
    due_at: Option<Time>,
    held_reason: Option<String>,
}

impl Row {
    /// What can be told of it if it is no [`Execution`].
    pub(super) fn unreadable(&self) -> Result<UnreadableExecution> {
        Ok(UnreadableExecution {
            execution_id: ExecutionId(self.execution_id),
            agent_id: AgentId(self.agent_id),
            agent_version: self.agent_version,
            tenant_id: self.tenant_id.clone(),
            run: self.run,
            status: word(&self.status)?,
            error: self.error.as_ref().map(|json| json.0.clone()),
        })
    }
}

#[derive(sqlx::FromRow)]
struct TraceRow {
    #[sqlx(flatten)]
    execution: Row,
    payload: Vec<u8>,
    output: Option<String>,
    request_id: Uuid,
    secret_id: Uuid,
    headers: Option<String>,
    callback: Option<String>,
}

#[derive(sqlx::FromRow)]
struct OutcomeRow {
    #[sqlx(flatten)]
    execution: Row,
    output: Option<String>,
}

#[derive(sqlx::FromRow)]
struct OutlineRow {
    #[sqlx(flatten)]
    execution: Row,
    payload_bytes: i64,
    request_id: Uuid,
    secret_id: Uuid,
}

impl TryFrom<Row> for Execution {
    type Error = super::Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            execution_id: ExecutionId(row.execution_id),
            tenant_id: row.tenant_id.try_into().map_err(super::row::decode)?,
            agent_id: AgentId(row.agent_id),
            agent_version: row.agent_version,
            status: word(&row.status)?,
            run: row.run,
            source: word(&row.source)?,
            replay_of: row.replay_of.map(ExecutionId),
            error: row.error.map(|json| json.0),
            model: row.model,
            key_source: row.key_source.as_deref().map(word).transpose()?,
            // A run whose usage cannot be read has ended for that reason, and its error says so.
            usage: row.usage.and_then(|text| serde_json::from_str::<Usage>(&text).ok()),
            cost: row.cost_nano.map(Cost),
            timing: Timing {
                received_at: row.received_at,
                queued_at: row.queued_at,
                started_at: row.started_at,
                finished_at: row.finished_at,
                llm_ms: row.llm_ms,
            },
            tries: row.tries.try_into().unwrap_or_default(),
            due_at: row.due_at,
            held_reason: row.held_reason.as_deref().map(word).transpose()?,
        })
    }
}

#[derive(sqlx::FromRow)]
struct AttemptRow {
    number: i32,
    run: i32,
    started_at: Time,
    finished_at: Option<Time>,
    key_source: String,
    status_code: Option<i32>,
    error: Option<Json<ExecutionError>>,
    usage: Option<Json<Usage>>,
    cost_nano: Option<i64>,
    llm_call_id: String,
    model: String,
}

impl TryFrom<AttemptRow> for Attempt {
    type Error = super::Error;
    fn try_from(row: AttemptRow) -> Result<Self> {
        Ok(Self {
            number: row.number,
            run: row.run,
            started_at: row.started_at,
            finished_at: row.finished_at,
            key_source: word(&row.key_source)?,
            status_code: row.status_code,
            error: row.error.map(|json| json.0),
            usage: row.usage.map(|json| json.0),
            cost: row.cost_nano.map(Cost),
            llm_call_id: row.llm_call_id,
            model: row.model,
        })
    }
}

#[derive(sqlx::FromRow)]
struct RunRow {
    run: i32,
    status: String,
    queued_at: Time,
    started_at: Option<Time>,
    finished_at: Option<Time>,
    error: Option<Json<ExecutionError>>,
}

/// The nil UUID stands for none: the column is older than executions without a secret.
fn verified_by(secret_id: Uuid) -> Option<SecretId> {
    (!secret_id.is_nil()).then_some(SecretId(secret_id))
}

impl Store {
    /// One execution as it stands.
    ///
    /// # Errors
    /// The database's.
    pub async fn execution(&self, id: ExecutionId) -> Result<Option<Execution>> {
        let row: Option<Row> =
            on_read!(self, |conn| sqlx::query_as(GET).bind(id.0).fetch_optional(conn).await)?;
        row.map(Execution::try_from).transpose()
    }

    /// One execution as it stands, with its output.
    ///
    /// # Errors
    /// The database's.
    pub async fn outcome(&self, id: ExecutionId) -> Result<Option<(Execution, Option<String>)>> {
        let row: Option<OutcomeRow> =
            on_read!(self, |conn| sqlx::query_as(OUTCOME).bind(id.0).fetch_optional(conn).await)?;
        row.map(|row| Ok((row.execution.try_into()?, row.output))).transpose()
    }

    /// One execution with everything about it.
    ///
    /// # Errors
    /// The database's.
    pub async fn trace(&self, id: ExecutionId) -> Result<Option<Trace>> {
        let row: Option<TraceRow> =
            on_read!(self, |conn| sqlx::query_as(TRACE).bind(id.0).fetch_optional(conn).await)?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Trace {
            execution: row.execution.try_into()?,
            payload: row.payload,
            output: row.output,
            headers: row.headers.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
            attempts: self.attempts(id).await?,
            request_id: row.request_id,
            secret_id: verified_by(row.secret_id),
            callback: row.callback,
        }))
    }

    /// The same without payload and output, which may be megabytes.
    ///
    /// # Errors
    /// The database's.
    pub async fn trace_outline(&self, id: ExecutionId) -> Result<Option<TraceOutline>> {
        let row: Option<OutlineRow> =
            on_read!(self, |conn| sqlx::query_as(OUTLINE).bind(id.0).fetch_optional(conn).await)?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(TraceOutline {
            execution: row.execution.try_into()?,
            payload_bytes: usize::try_from(row.payload_bytes).unwrap_or_default(),
            attempts: self.attempts(id).await?,
            request_id: row.request_id,
            secret_id: verified_by(row.secret_id),
        }))
    }

    async fn attempts(&self, id: ExecutionId) -> Result<Vec<Attempt>> {
        let rows: Vec<AttemptRow> =
            on_read!(self, |conn| sqlx::query_as(ATTEMPTS).bind(id.0).fetch_all(conn).await)?;
        rows.into_iter().map(Attempt::try_from).collect()
    }

    /// The runs of an execution before its present one, the first of them first.
    ///
    /// # Errors
    /// The database's.
    pub async fn past_runs(&self, id: ExecutionId) -> Result<Vec<PastRun>> {
        let rows: Vec<RunRow> = on_read!(self, |conn| sqlx::query_as(RUNS).bind(id.0).fetch_all(conn).await)?;
        let run = |row: RunRow| {
            Ok(PastRun {
                run: row.run,
                status: word(&row.status)?,
                queued_at: row.queued_at,
                started_at: row.started_at,
                finished_at: row.finished_at,
                error: row.error.map(|json| json.0),
            })
        };
        rows.into_iter().map(run).collect()
    }

    /// Up to `limit` executions that replay this one, the newest first, and when each was asked for.
    ///
    /// # Errors
    /// The database's.
    pub async fn replays_of(&self, id: ExecutionId, limit: i64) -> Result<Vec<(ExecutionId, Time)>> {
        let rows: Vec<(Uuid, Time)> =
            on_read!(self, |conn| sqlx::query_as(REPLAYS).bind(id.0).bind(limit).fetch_all(conn).await)?;
        Ok(rows.into_iter().map(|(id, at)| (ExecutionId(id), at)).collect())
    }
}
