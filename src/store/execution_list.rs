//! Pages of executions.
//!
//! A list's text is put together from the filters that are there. With all of them in one text, each as `$1 IS NULL OR
//! …`, SQLite would plan for the case without any and read the whole table; and a status that is not a literal matches
//! no partial index. [`every_text`] has them all, for the test that prepares them.

use sqlx::AssertSqlSafe;

use super::executions::{Row, columns};
use super::{Result, Store, on_read};
use crate::model::{AgentId, Execution, ExecutionId, ExecutionStatus, TenantId, Time};

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

/// What is read of each.
#[derive(Clone, Copy)]
pub(super) enum Select {
    /// What lists show.
    Rows,
    /// The same, and how many bytes [`Select::Texts`] will be.
    RowsAndSizes,
    /// What a search looks into, of the executions from one id to another.
    Texts,
}

/// Newest first by id: version 7 ids sort by time. The page costs the same wherever it stands.
pub(super) fn text(select: Select, filter: &ExecutionFilter) -> String {
    let columns = match select {
        Select::Rows => columns!(),
        Select::RowsAndSizes => {
            concat!(
                columns!(),
                ", CAST(octet_length(payload) + COALESCE(octet_length(output), 0) AS BIGINT) AS bytes"
            )
        }
        Select::Texts => "execution_id, payload, output",
    };
    let status = filter.status.map(|status| format!("status = '{}'", status.as_str()));
    let mut wanted: Vec<String> = status.into_iter().collect();
    let conditions = [
        ("tenant_id =", filter.tenant_id.is_some()),
        ("agent_id =", filter.agent_id.is_some()),
        ("received_at >=", filter.from.is_some()),
        ("received_at <", filter.to.is_some()),
        ("execution_id <", filter.before.is_some()),
        ("execution_id >=", matches!(select, Select::Texts)),
        ("execution_id <=", matches!(select, Select::Texts)),
    ];
    let mut number = 1;
    for (condition, _) in conditions.iter().filter(|(_, is_there)| *is_there) {
        wanted.push(format!("{condition} ${number}"));
        number += 1;
    }
    let wanted = if wanted.is_empty() { String::new() } else { format!("WHERE {}", wanted.join(" AND ")) };
    let limit = match select {
        Select::Rows | Select::RowsAndSizes => format!("LIMIT ${number}"),
        Select::Texts => String::new(),
    };
    format!("SELECT {columns} FROM executions {wanted} ORDER BY execution_id DESC {limit}")
}

/// Binds what [`text`] has places for.
macro_rules! bind_filter {
    ($query:expr, $filter:expr) => {{
        let (mut query, filter) = ($query, $filter);
        if let Some(id) = &filter.tenant_id {
            query = query.bind(id.as_str());
        }
        if let Some(id) = filter.agent_id {
            query = query.bind(id.0);
        }
        for time in [filter.from, filter.to].into_iter().flatten() {
            query = query.bind(time);
        }
        if let Some(id) = filter.before {
            query = query.bind(id.0);
        }
        query
    }};
}
pub(super) use bind_filter;

/// Each text that there is.
pub(super) fn every_text() -> Vec<String> {
    let (agent, execution) = (AgentId::new(), ExecutionId::new());
    let (tenant, time) = ("t".parse::<TenantId>().ok(), Time::UNIX_EPOCH);
    let statuses = ExecutionStatus::ALL.into_iter().map(Some).chain([None]);
    let mut texts = Vec::new();
    for status in statuses {
        for bits in 0..32_u8 {
            let has = |bit: u8| bits & (1 << bit) != 0;
            let filter = ExecutionFilter {
                tenant_id: tenant.clone().filter(|_| has(0)),
                agent_id: has(1).then_some(agent),
                status,
                from: has(2).then_some(time),
                to: has(3).then_some(time),
                before: has(4).then_some(execution),
            };
            let selects = [Select::Rows, Select::RowsAndSizes, Select::Texts];
            texts.extend(selects.map(|select| text(select, &filter)));
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
        let text = text(Select::Rows, filter);
        let rows: Vec<Row> =
            on_read!(self, |conn| bind_filter!(sqlx::query_as(AssertSqlSafe(text)), filter)
                .bind(limit)
                .fetch_all(conn)
                .await)?;
        rows.into_iter().map(Execution::try_from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::db::Db;

    /// How SQLite goes about it. Postgres decides by its statistics; here the text decides.
    async fn plan(store: &Store, filter: &ExecutionFilter) -> String {
        let Db::Sqlite { read, .. } = &store.db else { unreachable!("a file") };
        let text = format!("EXPLAIN QUERY PLAN {}", text(Select::Rows, filter));
        let query = bind_filter!(sqlx::query_as(AssertSqlSafe(text)), filter).bind(1);
        let steps: Vec<(i64, i64, i64, String)> = query.fetch_all(read).await.expect("a plan");
        steps.into_iter().map(|(.., step)| step).collect::<Vec<_>>().join("; ")
    }

    #[tokio::test]
    async fn a_filter_that_has_an_index_uses_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let url = format!("sqlite://{}", directory.path().join("lists.db").display());
        let store = Store::open(&url, 1).await.expect("opens");
        store.migrate().await.expect("migrates");
        let (tenant_id, agent_id) = ("t".parse().ok(), Some(AgentId::new()));
        let before = Some(ExecutionId::new());
        let none = ExecutionFilter { before, ..ExecutionFilter::default() };
        let of = |status| ExecutionFilter { status: Some(status), ..none.clone() };
        let cases = [
            (
                ExecutionFilter { tenant_id, ..none.clone() },
                "executions_of_tenant (tenant_id=? AND execution_id<?)",
            ),
            (
                ExecutionFilter { agent_id, ..none.clone() },
                "executions_of_agent (agent_id=? AND execution_id<?)",
            ),
            (of(ExecutionStatus::Failed), "executions_failed (execution_id<?)"),
            (of(ExecutionStatus::Cancelled), "executions_cancelled (execution_id<?)"),
            (of(ExecutionStatus::Held), "executions_held (execution_id<?)"),
            (of(ExecutionStatus::Success), "sqlite_autoindex_executions_1 (execution_id<?)"),
            (none, "sqlite_autoindex_executions_1 (execution_id<?)"),
        ];
        for (filter, index) in cases {
            let plan = plan(&store, &filter).await;
            assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{filter:?}: {plan}");
        }
    }

    #[test]
    fn every_combination_has_a_text_of_its_own() {
        let mut texts = every_text();
        let count = texts.len();
        assert_eq!(count, 7 * 32 * 3);
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), count);
    }
}
