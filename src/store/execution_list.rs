//! Pages of executions.
//!
//! A list's text is put together from the filters that are there ([`super::conditions`]); a status that is not a literal
//! would match no partial index. [`every_text`] has them all, for the test that prepares them.

use std::collections::BTreeSet;

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::conditions::{Conditions, Value, bind_values};
use super::db::Db;
use super::executions::{Row, columns};
use super::{Result, Store, on_read};
use crate::model::{AgentId, Execution, ExecutionId, ExecutionStatus, HeldReason, TenantId, Time};

/// Which executions a page shows; every `None` lets all pass.
#[derive(Clone, Debug, Default)]
pub struct ExecutionFilter {
    /// Of this tenant.
    pub tenant_id: Option<TenantId>,
    /// Of this agent.
    pub agent_id: Option<AgentId>,
    /// In this state.
    pub status: Option<ExecutionStatus>,
    /// Of those that are held (so `status` has to say): for this reason.
    pub held_reason: Option<HeldReason>,
    /// Received at this time or later.
    pub from: Option<Time>,
    /// Received before this time.
    pub to: Option<Time>,
    /// Older than this execution: the page's cursor.
    pub before: Option<ExecutionId>,
}

/// What is read of each.
#[derive(Clone, Copy)]
pub(super) enum Select {
    /// What lists show.
    Rows,
    /// Which they are.
    Ids,
    /// What lists show, and how many bytes [`Select::Texts`] will be.
    RowsAndSizes,
    /// What a search looks into, of the executions from one id to another.
    Texts { oldest: ExecutionId, newest: ExecutionId },
    /// The same, and what tells how a payload is to be read.
    Bodies { oldest: ExecutionId, newest: ExecutionId },
}

/// How the rows are come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// In the order of the list, until the page is full.
    Ordered,
    /// All that are in this state, which are few, by the index that holds no others; then they are sorted.
    Sorted,
}

/// Executions that [`Way::Sorted`] sorts, at most: of a longer backlog the newest are near the list's beginning anyway.
pub(super) const SORTED: i64 = 10_000;

/// How many wait, as far as [`SORTED`] asks.
const WAITING: &str =
    "SELECT COUNT(*) FROM (SELECT 1 FROM executions WHERE status = 'queued' LIMIT $1) AS waiting";
const WAITING_OF_TENANT: &str = "SELECT COUNT(*) FROM (SELECT 1 FROM executions WHERE status = 'queued' \
    AND tenant_id = $2 LIMIT $1) AS waiting";

/// The index that holds what is asked for and the least besides. Postgres finds it by its statistics; SQLite has none.
fn index(filter: &ExecutionFilter, way: Way) -> Option<&'static str> {
    let one_of = |all, of_tenant| match (&filter.tenant_id, filter.agent_id) {
        (Some(_), _) => Some(of_tenant),
        (None, None) => Some(all),
        // Those of one agent may be fewer than those that failed, or more.
        (None, Some(_)) => None,
    };
    match (filter.status?, way) {
        (ExecutionStatus::Queued, Way::Sorted) => Some("executions_waiting"),
        (ExecutionStatus::Running, Way::Sorted) => Some("executions_leased"),
        (ExecutionStatus::Failed, _) => one_of("executions_failed", "executions_failed_of_tenant"),
        (ExecutionStatus::Cancelled, _) => one_of("executions_cancelled", "executions_cancelled_of_tenant"),
        (ExecutionStatus::Held, _) => one_of("executions_held", "executions_held_of_tenant"),
        (ExecutionStatus::Queued | ExecutionStatus::Running | ExecutionStatus::Success, _) => None,
    }
}

/// Newest first by id: version 7 ids sort by time. The page costs the same wherever it stands. Its limit is the place
/// after the values.
pub(super) fn text(select: Select, filter: &ExecutionFilter, way: Way, db: &Db) -> (String, Vec<Value>) {
    let columns = match select {
        Select::Rows => columns!(),
        Select::Ids => "execution_id",
        Select::RowsAndSizes => {
            concat!(
                columns!(),
                ", CAST(octet_length(payload) + COALESCE(octet_length(output), 0) AS BIGINT) AS bytes"
            )
        }
        Select::Texts { .. } => "execution_id, payload, output",
        Select::Bodies { .. } => "execution_id, payload, output, headers",
    };
    let mut wanted = Conditions::default();
    if let Some(status) = filter.status {
        wanted.holds(&format!("status = '{}'", status.as_str()));
    }
    wanted.value("tenant_id =", filter.tenant_id.clone().map(|id| Value::Text(id.into())));
    wanted.value("agent_id =", filter.agent_id.map(|id| Value::Id(id.0)));
    wanted.value("held_reason =", filter.held_reason.map(|why| Value::Text(why.as_str().to_owned())));
    let mut limit = String::new();
    if let Select::Texts { oldest, newest } | Select::Bodies { oldest, newest } = select {
        wanted.value("execution_id >=", Some(Value::Id(oldest.0)));
        wanted.value("execution_id <=", Some(Value::Id(newest.0)));
        wanted.value("received_at >=", filter.from.map(Value::Time));
        wanted.value("received_at <", filter.to.map(Value::Time));
    } else {
        let before = filter.before.map(|id| id.0);
        wanted.page(("execution_id", "received_at"), filter.from, filter.to, before);
        limit = format!(" LIMIT ${}", wanted.next_place());
    }
    let (conditions, end) = (wanted.text(), format!("ORDER BY execution_id DESC{limit}"));
    let text = match (db, index(filter, way)) {
        (Db::Sqlite { .. }, Some(index)) => {
            format!("SELECT {columns} FROM executions INDEXED BY {index}{conditions} {end}")
        }
        // So that no index is walked for its order's sake.
        (Db::Postgres { .. }, Some(_)) if way == Way::Sorted => format!(
            "WITH few AS MATERIALIZED (SELECT {columns} FROM executions{conditions}) SELECT * FROM few {end}"
        ),
        _ => format!("SELECT {columns} FROM executions{conditions} {end}"),
    };
    (text, wanted.values())
}

/// Each text that there is.
pub(super) fn every_text(db: &Db) -> BTreeSet<String> {
    let (agent, execution) = (AgentId::new(), ExecutionId::new());
    let (tenant, time) = ("t".parse::<TenantId>().ok(), Time::UNIX_EPOCH);
    let statuses = ExecutionStatus::ALL.into_iter().map(Some).chain([None]);
    let texts_of = Select::Texts { oldest: execution, newest: execution };
    let bodies_of = Select::Bodies { oldest: execution, newest: execution };
    let selects = [Select::Rows, Select::Ids, Select::RowsAndSizes, texts_of, bodies_of];
    let mut texts: BTreeSet<_> = [WAITING, WAITING_OF_TENANT].map(str::to_owned).into();
    for status in statuses {
        let held = status == Some(ExecutionStatus::Held);
        for bits in 0..if held { 64_u8 } else { 32 } {
            let has = |bit: u8| bits & (1 << bit) != 0;
            let filter = ExecutionFilter {
                tenant_id: tenant.clone().filter(|_| has(0)),
                agent_id: has(1).then_some(agent),
                status,
                held_reason: has(5).then_some(HeldReason::Paused),
                from: has(2).then_some(time),
                to: has(3).then_some(time),
                before: has(4).then_some(execution),
            };
            for way in [Way::Ordered, Way::Sorted] {
                texts.extend(selects.map(|select| text(select, &filter, way, db).0));
            }
        }
    }
    texts
}

impl Store {
    /// Up to `limit` executions, the newest first, without their attempts.
    ///
    /// # Errors
    /// The database's.
    pub async fn executions(&self, filter: &ExecutionFilter, limit: i64) -> Result<Vec<Execution>> {
        let (text, values) = text(Select::Rows, filter, self.way(filter).await?, &self.db);
        let rows: Vec<Row> =
            on_read!(self, |conn| bind_values!(sqlx::query_as(AssertSqlSafe(text)), values)
                .bind(limit)
                .fetch_all(conn)
                .await)?;
        rows.into_iter().map(Execution::try_from).collect()
    }

    /// Which executions these are: up to `limit`, the newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn execution_ids(&self, filter: &ExecutionFilter, limit: i64) -> Result<Vec<ExecutionId>> {
        let (text, values) = text(Select::Ids, filter, self.way(filter).await?, &self.db);
        let ids: Vec<Uuid> =
            on_read!(self, |conn| bind_values!(sqlx::query_scalar(AssertSqlSafe(text)), values)
                .bind(limit)
                .fetch_all(conn)
                .await)?;
        Ok(ids.into_iter().map(ExecutionId).collect())
    }

    /// How to come by what a filter asks for. No more runs than there are slots; any number may wait.
    pub(super) async fn way(&self, filter: &ExecutionFilter) -> Result<Way> {
        match filter.status {
            Some(ExecutionStatus::Running) => return Ok(Way::Sorted),
            Some(ExecutionStatus::Queued) => {}
            _ => return Ok(Way::Ordered),
        }
        let waiting: i64 = on_read!(self, |conn| match &filter.tenant_id {
            None => sqlx::query_scalar(WAITING).bind(SORTED + 1).fetch_one(conn).await,
            Some(id) =>
                sqlx::query_scalar(WAITING_OF_TENANT).bind(SORTED + 1).bind(id.as_str()).fetch_one(conn).await,
        })?;
        Ok(if waiting <= SORTED { Way::Sorted } else { Way::Ordered })
    }
}

#[cfg(test)]
#[path = "execution_list_tests.rs"]
mod tests;
