//! One SQL text, two databases: every statement is prepared on each, and the migrated schemas are compared.

use std::collections::BTreeSet;

use agenthook::store::Store;
use sqlx::Row;

use crate::harness::Database;

async fn migrated(database: &Database) -> Store {
    let store = Store::open(&database.url, 2).await.expect("opens");
    store.migrate().await.expect("migrates");
    store
}

#[tokio::test]
async fn every_statement_is_prepared_on_both_databases() {
    for database in [Database::sqlite(), Database::postgres().await] {
        let store = migrated(&database).await;
        let count =
            store.prepare_all().await.unwrap_or_else(|refused| panic!("refused:\n{}", refused.join("\n")));
        assert!(count > 30, "the list of statements is whole: {count}");
        store.close().await;
    }
}

#[tokio::test]
async fn both_databases_have_the_same_tables_columns_and_indexes() {
    let (sqlite, postgres) = (Database::sqlite(), Database::postgres().await);
    for database in [&sqlite, &postgres] {
        migrated(database).await.close().await;
    }
    let read = sqlx::SqlitePool::connect(&sqlite.url).await.expect("opens");
    let columns = sqlx::query(
        "SELECT m.name, c.name, c.\"notnull\" = 1 FROM sqlite_master m JOIN pragma_table_info(m.name) c
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '_sqlx%'",
    );
    let of_sqlite: BTreeSet<(String, String, bool)> = columns
        .fetch_all(&read)
        .await
        .expect("columns")
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect();
    let indexes =
        "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND name NOT LIKE '_sqlx%'";
    let sqlite_indexes: BTreeSet<String> =
        sqlx::query_scalar(indexes).fetch_all(&read).await.expect("indexes").into_iter().collect();

    let read = sqlx::PgPool::connect(&postgres.url).await.expect("opens");
    let columns = sqlx::query(
        "SELECT table_name::text, column_name::text, is_nullable = 'NO' FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx%'",
    );
    let of_postgres: BTreeSet<(String, String, bool)> = columns
        .fetch_all(&read)
        .await
        .expect("columns")
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect();
    let indexes = "SELECT indexname::text FROM pg_indexes WHERE schemaname = 'public'
                   AND indexname NOT LIKE '%\\_pkey' AND indexname NOT LIKE '\\_sqlx%'";
    let postgres_indexes: BTreeSet<String> =
        sqlx::query_scalar(indexes).fetch_all(&read).await.expect("indexes").into_iter().collect();

    assert!(of_sqlite.len() > 40, "the tables are there");
    assert_eq!(of_sqlite, of_postgres);
    assert_eq!(sqlite_indexes, postgres_indexes);
}
