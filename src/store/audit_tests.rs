//! Which index each filter of the audit log is answered by, and what is not known.

use super::*;

async fn opened(directory: &tempfile::TempDir) -> Store {
    let url = format!("sqlite://{}", directory.path().join("audit.db").display());
    let store = Store::open(&url, 1).await.expect("opens");
    store.migrate().await.expect("migrates");
    store
}

#[tokio::test]
async fn a_page_of_the_log_is_searched_for_its_cursor_and_times() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = opened(&directory).await;
    let Db::Sqlite { read, .. } = &store.db else { unreachable!("a file") };
    let (tenant_id, subject) = ("t".parse().ok(), Some("s".to_owned()));
    let none = AuditFilter { before: Some(AuditId::new()), ..AuditFilter::default() };
    let time = Some(Time::UNIX_EPOCH);
    let of_tenant = AuditFilter { tenant_id, ..none.clone() };
    let of_subject = AuditFilter { subject, ..of_tenant.clone() };
    for (filter, index) in [
        (AuditFilter { from: time, ..AuditFilter::default() }, "audit_1 (audit_id>?)"),
        (AuditFilter { to: time, ..AuditFilter::default() }, "audit_1 (audit_id<?)"),
        (of_tenant.clone(), "audit_of_tenant (tenant_id=? AND audit_id<?)"),
        (
            AuditFilter { from: time, ..of_tenant },
            "audit_of_tenant (tenant_id=? AND audit_id>? AND audit_id<?)",
        ),
        (of_subject, "audit_of_subject (subject=? AND audit_id<?)"),
        (none, "audit_1 (audit_id<?)"),
    ] {
        let (text, values) = text(&filter, &store.db);
        let text = format!("EXPLAIN QUERY PLAN {text}");
        let query = bind_values!(sqlx::query_as(AssertSqlSafe(text)), values).bind(1);
        let steps: Vec<(i64, i64, i64, String)> = query.fetch_all(read).await.expect("a plan");
        assert!(steps.len() == 1 && steps[0].3.ends_with(index), "{filter:?}: {steps:?}");
    }
}
