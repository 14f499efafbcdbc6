//! Which index each filter is answered by.

use super::*;

/// How SQLite goes about it. Postgres decides by its statistics; here the text decides.
async fn plan(store: &Store, filter: &ExecutionFilter) -> String {
    let Db::Sqlite { read, .. } = &store.db else { unreachable!("a file") };
    let way = store.way(filter).await.expect("an answer");
    let (text, values) = text(Select::Rows, filter, way, &store.db);
    let text = format!("EXPLAIN QUERY PLAN {text}");
    let query = bind_values!(sqlx::query_as(AssertSqlSafe(text)), values).bind(1);
    let steps: Vec<(i64, i64, i64, String)> = query.fetch_all(read).await.expect("a plan");
    steps.into_iter().map(|(.., step)| step).collect::<Vec<_>>().join("; ")
}

fn tenant() -> Option<TenantId> {
    "t".parse().ok()
}

async fn opened(directory: &tempfile::TempDir) -> Store {
    let url = format!("sqlite://{}", directory.path().join("lists.db").display());
    let store = Store::open(&url, 1).await.expect("opens");
    store.migrate().await.expect("migrates");
    store
}

#[tokio::test]
async fn a_filter_that_has_an_index_uses_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = opened(&directory).await;
    let agent_id = Some(AgentId::new());
    let none = ExecutionFilter::default();
    let before = |filter: ExecutionFilter| ExecutionFilter { before: Some(ExecutionId::new()), ..filter };
    let of = |status| before(ExecutionFilter { status: Some(status), ..none.clone() });
    let of_tenant = |filter: ExecutionFilter| ExecutionFilter { tenant_id: tenant(), ..filter };
    let of_agent = |filter: ExecutionFilter| ExecutionFilter { agent_id, ..filter };
    let (from, to) = (Some(Time::UNIX_EPOCH), Some(Time::UNIX_EPOCH));
    let from = ExecutionFilter { from, ..none.clone() };
    let to = ExecutionFilter { to, ..none.clone() };
    let both = ExecutionFilter { from: from.from, ..to.clone() };
    let by_id = "sqlite_autoindex_executions_1";
    let cases = [
        (before(of_tenant(none.clone())), "executions_of_tenant (tenant_id=? AND execution_id<?)".to_owned()),
        (before(of_agent(none.clone())), "executions_of_agent (agent_id=? AND execution_id<?)".into()),
        (of(ExecutionStatus::Failed), "executions_failed (execution_id<?)".into()),
        (of(ExecutionStatus::Cancelled), "executions_cancelled (execution_id<?)".into()),
        (of(ExecutionStatus::Held), "executions_held (execution_id<?)".into()),
        (
            of_tenant(of(ExecutionStatus::Failed)),
            "executions_failed_of_tenant (tenant_id=? AND execution_id<?)".into(),
        ),
        (
            of_tenant(of_agent(of(ExecutionStatus::Failed))),
            "executions_failed_of_tenant (tenant_id=? AND execution_id<?)".into(),
        ),
        (
            of_tenant(of(ExecutionStatus::Cancelled)),
            "executions_cancelled_of_tenant (tenant_id=? AND execution_id<?)".into(),
        ),
        (
            of_tenant(of(ExecutionStatus::Held)),
            "executions_held_of_tenant (tenant_id=? AND execution_id<?)".into(),
        ),
        (of(ExecutionStatus::Success), format!("{by_id} (execution_id<?)")),
        (before(none.clone()), format!("{by_id} (execution_id<?)")),
        (from.clone(), format!("{by_id} (execution_id>?)")),
        (to.clone(), format!("{by_id} (execution_id<?)")),
        (before(both.clone()), format!("{by_id} (execution_id>? AND execution_id<?)")),
        (
            of_tenant(both.clone()),
            "executions_of_tenant (tenant_id=? AND execution_id>? AND execution_id<?)".into(),
        ),
        (
            of_agent(both.clone()),
            "executions_of_agent (agent_id=? AND execution_id>? AND execution_id<?)".into(),
        ),
        (
            of_tenant(ExecutionFilter { status: Some(ExecutionStatus::Failed), ..both }),
            "executions_failed_of_tenant (tenant_id=? AND execution_id>? AND execution_id<?)".into(),
        ),
    ];
    for (filter, index) in cases {
        let plan = plan(&store, &filter).await;
        assert!(plan.contains(&index) && !plan.contains("TEMP B-TREE"), "{filter:?}: {plan}");
    }
    // These are few, so they are sorted.
    for (filter, index) in [
        (of(ExecutionStatus::Running), "SCAN executions USING INDEX executions_leased"),
        (of_tenant(of(ExecutionStatus::Running)), "SCAN executions USING INDEX executions_leased"),
        (of(ExecutionStatus::Queued), "SCAN executions USING INDEX executions_waiting"),
        (
            of_tenant(of(ExecutionStatus::Queued)),
            "SEARCH executions USING INDEX executions_waiting (tenant_id=?)",
        ),
        (of_agent(of(ExecutionStatus::Queued)), "SCAN executions USING INDEX executions_waiting"),
    ] {
        let plan = plan(&store, &filter).await;
        assert!(plan.starts_with(index), "{filter:?}: {plan}");
    }
}

/// Stores so many executions that wait.
async fn fill(store: &Store, count: i64) {
    const ROWS: &str =
        "INSERT INTO executions (execution_id, tenant_id, agent_id, agent_version, status, payload,
            secret_id, request_id, dedupe_until, received_at, claims, tries, attempt_count)
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
        SELECT randomblob(16), 't', x'00', 1, 'queued', x'00', x'00', x'00', '', '', 0, 0, 0 FROM n";
    let Db::Sqlite { write, .. } = &store.db else { unreachable!("a file") };
    sqlx::query(ROWS).bind(count).execute(write).await.expect("stored");
}

#[tokio::test]
async fn a_long_backlog_is_walked_and_not_sorted() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = opened(&directory).await;
    let all = ExecutionFilter { status: Some(ExecutionStatus::Queued), ..ExecutionFilter::default() };
    let ours = ExecutionFilter { tenant_id: tenant(), ..all.clone() };
    let theirs = ExecutionFilter { tenant_id: "u".parse().ok(), ..all.clone() };
    fill(&store, SORTED - 1).await;
    for expected in [Way::Sorted, Way::Sorted, Way::Ordered] {
        for filter in [&all, &ours] {
            assert_eq!(store.way(filter).await.expect("an answer"), expected);
        }
        assert_eq!(store.way(&theirs).await.expect("an answer"), Way::Sorted);
        fill(&store, 1).await;
    }
}

#[tokio::test]
async fn each_text_has_as_many_places_as_values() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = opened(&directory).await;
    assert!(every_text(&store.db).len() > 300);
    let filter =
        ExecutionFilter { tenant_id: tenant(), from: Some(Time::UNIX_EPOCH), ..ExecutionFilter::default() };
    let (text, values) = text(Select::Rows, &filter, Way::Ordered, &store.db);
    assert!(text.ends_with(&format!("LIMIT ${}", values.len() + 1)), "{text}");
}
