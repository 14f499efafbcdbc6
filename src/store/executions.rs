//! Reading executions: one with its attempts, or a page of them.

use sqlx::types::Json;
use uuid::Uuid;

use super::db::statements;
use super::row::word;
use super::{Result, Store, on_read};
use crate::model::{
    AgentId, Attempt, Cost, Execution, ExecutionError, ExecutionId, ExecutionStatus, TenantId, Time, Timing,
    Trace, Usage,
};

statements! {
    GET = "SELECT execution_id, tenant_id, agent_id, agent_version, status, error, model, key_source, usage, cost_nano,
            llm_ms, received_at, started_at, finished_at, tries, due_at, payload, output
        FROM executions WHERE execution_id = $1";
    // Newest first by id: version 7 ids sort by time. The page costs the same wherever it stands.
    LIST = "SELECT execution_id, tenant_id, agent_id, agent_version, status, error, model, key_source, usage, cost_nano,
            llm_ms, received_at, started_at, finished_at, tries, due_at
        FROM executions
        WHERE ($1 IS NULL OR tenant_id = $1) AND ($2 IS NULL OR agent_id = $2) AND ($3 IS NULL OR status = $3)
            AND ($4 IS NULL OR received_at >= $4) AND ($5 IS NULL OR received_at < $5)
            AND ($6 IS NULL OR execution_id < $6)
        ORDER BY execution_id DESC LIMIT $7";
    ATTEMPTS = "SELECT number, started_at, finished_at, key_source, status_code, error, usage, cost_nano, llm_call_id, model
        FROM attempts WHERE execution_id = $1 ORDER BY number";
}

/// Which executions a page shows; every `None` lets all pass.
#[derive(Clone, Debug, Default)]
pub struct ExecutionFilter {
    /// Of this tenant.
    pub tenant_id: Option<TenantId>,
    /// Of this agent.
    pub agent_id: Option<AgentId>,
    /// In this state.
    pub status: Option<ExecutionStatus>,
    /// Received at this time or later.
    pub from: Option<Time>,
    /// Received before this time.
    pub to: Option<Time>,
    /// Older than this execution: the page's cursor.
    pub before: Option<ExecutionId>,
}

#[derive(sqlx::FromRow)]
struct Row {
    execution_id: Uuid,
    tenant_id: String,
    agent_id: Uuid,
    agent_version: i32,
    status: String,
    error: Option<Json<ExecutionError>>,
    model: Option<String>,
    key_source: Option<String>,
    usage: Option<Json<Usage>>,
    cost_nano: Option<i64>,
    llm_ms: Option<i64>,
    received_at: Time,
    started_at: Option<Time>,
    finished_at: Option<Time>,
    tries: i32,
    due_at: Option<Time>,
}

#[derive(sqlx::FromRow)]
struct TraceRow {
    #[sqlx(flatten)]
    execution: Row,
    payload: Vec<u8>,
    output: Option<String>,
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
            error: row.error.map(|json| json.0),
            model: row.model,
            key_source: row.key_source.as_deref().map(word).transpose()?,
            usage: row.usage.map(|json| json.0),
            cost: row.cost_nano.map(Cost),
            timing: Timing {
                received_at: row.received_at,
                started_at: row.started_at,
                finished_at: row.finished_at,
                llm_ms: row.llm_ms,
            },
            tries: row.tries.try_into().unwrap_or_default(),
            due_at: row.due_at,
        })
    }
}

#[derive(sqlx::FromRow)]
struct AttemptRow {
    number: i32,
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

impl Store {
    /// One execution with everything about it.
    ///
    /// # Errors
    /// The database's.
    pub async fn trace(&self, id: ExecutionId) -> Result<Option<Trace>> {
        let row: Option<TraceRow> =
            on_read!(self, |conn| sqlx::query_as(GET).bind(id.0).fetch_optional(conn).await)?;
        let Some(row) = row else { return Ok(None) };
        let attempts: Vec<AttemptRow> =
            on_read!(self, |conn| sqlx::query_as(ATTEMPTS).bind(id.0).fetch_all(conn).await)?;
        Ok(Some(Trace {
            execution: row.execution.try_into()?,
            payload: row.payload,
            output: row.output,
            attempts: attempts.into_iter().map(Attempt::try_from).collect::<Result<_>>()?,
        }))
    }

    /// Up to `limit` executions, the newest first, without their attempts.
    ///
    /// # Errors
    /// The database's.
    pub async fn executions(&self, filter: &ExecutionFilter, limit: i64) -> Result<Vec<Execution>> {
        let rows: Vec<Row> = on_read!(self, |conn| sqlx::query_as(LIST)
            .bind(filter.tenant_id.as_ref().map(TenantId::as_str))
            .bind(filter.agent_id.map(|id| id.0))
            .bind(filter.status.map(ExecutionStatus::as_str))
            .bind(filter.from)
            .bind(filter.to)
            .bind(filter.before.map(|id| id.0))
            .bind(limit)
            .fetch_all(conn)
            .await)?;
        rows.into_iter().map(Execution::try_from).collect()
    }
}
