//! Keys to the management API: made, used, listed, revoked, and never all of them.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::harness::{ADMIN_KEY, Database, Server};

async fn make(server: &Server, name: &str) -> Value {
    server.expect(201, "POST", "/api/v1/keys", Some(json!({"role": "admin", "name": name}))).await
}

fn text<'v>(key: &'v Value, field: &str) -> &'v str {
    key[field].as_str().unwrap_or_else(|| panic!("no {field}: {key}"))
}

fn path(key: &Value) -> String {
    format!("/api/v1/keys/{}", text(key, "key_id"))
}

async fn status(server: &Server, key: &str) -> u16 {
    server.ask("GET", "/api/v1/agents", Some(key), None).await.status
}

async fn list(server: &Server) -> Vec<Value> {
    server.get("/api/v1/keys").await["keys"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keys_life() {
    let server = Server::start().await;
    let made = make(&server, "deploy").await;
    let key = text(&made, "key").to_owned();
    assert!(key.starts_with("ahk_") && key.len() > 40, "{made}");
    assert_eq!(made["hint"], format!("ahk_…{}", &key[key.len() - 4..]));
    assert_eq!(status(&server, &key).await, 200);

    let listed = list(&server).await;
    let mut shown = made.clone();
    shown.as_object_mut().expect("an object").remove("key");
    assert_eq!(listed[0], shown, "the newest first, and without the key");
    assert_eq!((listed.len(), &listed[1]["name"]), (2, &json!("AGENTHOOK_ADMIN_KEY")));
    assert_eq!((&listed[1]["role"], &listed[1]["hint"]), (&json!("admin"), &json!("ahk_…cdef")));
    for (column, values) in server.database.contents().await {
        let found = values.windows(key.len()).any(|window| window == key.as_bytes());
        assert!(!found, "the key is in {column}");
    }

    let refused =
        server.ask("DELETE", &path(&made), Some("ahk_of-somebody-else-0123456789abcdef"), None).await;
    assert_eq!(refused.status, 401);
    server.expect(204, "DELETE", &path(&made), None).await;
    assert_eq!(status(&server, &key).await, 401, "at once");
    server.expect(404, "DELETE", &path(&made), None).await;
    server.expect(404, "DELETE", "/api/v1/keys/none", None).await;
    assert_eq!(list(&server).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_listed_page_by_page() {
    let server = Server::start().await;
    for n in 0..4 {
        make(&server, &n.to_string()).await;
    }
    let all = list(&server).await;
    let first = server.get("/api/v1/keys?limit=3").await;
    let next = server.get(&format!("/api/v1/keys/?limit=3&cursor={}", text(&first, "next_cursor"))).await;
    let pages = [&first["keys"], &next["keys"]].map(|keys| keys.as_array().expect("a list").clone());
    assert_eq!((pages.concat(), &next["next_cursor"]), (all, &json!(null)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_makes_no_sense_is_refused_where_it_does_not() {
    let server = Server::start().await;
    for (body, pointer) in [
        (json!({"role": "operator", "name": "n"}), "/tenant_id"),
        (json!({"role": "viewer", "tenant_id": "nobody", "name": "n"}), "/tenant_id"),
        (json!({"role": "king", "name": "n"}), "/role"),
        (json!({"role": "admin", "tenant_id": "acme", "name": "n"}), "/tenant_id"),
        (json!({"role": "admin", "name": " "}), "/name"),
        (json!({"role": "admin", "name": "x".repeat(201)}), "/name"),
        (json!({"role": "admin", "name": "n", "key": "ahk_mine"}), "/key"),
        (json!({"role": "admin"}), "/name"),
        (json!({"name": "n"}), "/role"),
        (json!(["admin", null, "n"]), ""),
    ] {
        let answer = server.expect(422, "POST", "/api/v1/keys", Some(body.clone())).await;
        assert_eq!(answer["errors"][0]["pointer"], pointer, "{body}: {answer}");
    }
    assert_eq!(list(&server).await.len(), 1);
    let null = json!({"role": "admin", "tenant_id": null, "name": "n"});
    server.expect(201, "POST", "/api/v1/keys", Some(null)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_admin_key_stays_however_many_try() {
    let server = Server::start().await;
    let only = list(&server).await.remove(0);
    let answer = server.expect(409, "DELETE", &path(&only), None).await;
    assert_eq!(answer["code"], "last_admin_key");
    for _ in 0..10 {
        let made = make(&server, "another").await;
        // Each is the last one if the other goes first. Both are asked with the same key, which may be gone.
        let (key, paths) = (Some(ADMIN_KEY), [path(&only), path(&made)]);
        let (first, second) = tokio::join!(
            server.ask("DELETE", &paths[0], key, None),
            server.ask("DELETE", &paths[1], key, None)
        );
        let mut statuses = [first.status, second.status];
        statuses.sort_unstable();
        assert!(matches!(statuses, [204, 401 | 409]), "{statuses:?}");
        if status(&server, ADMIN_KEY).await == 401 {
            assert_eq!(status(&server, text(&made, "key")).await, 200);
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_the_environment_comes_back_with_the_next_start() {
    let server = Server::start().await;
    let of_environment = list(&server).await.remove(0);
    let made = make(&server, "stays").await;
    server.expect(204, "DELETE", &path(&of_environment), None).await;
    assert_eq!(status(&server, ADMIN_KEY).await, 401);
    let next = Server::with(server.stop().await).await;
    assert_eq!(status(&next, ADMIN_KEY).await, 200);
    assert_eq!(status(&next, text(&made, "key")).await, 200);
    let names: Vec<_> = list(&next).await.iter().map(|key| text(key, "name").to_owned()).collect();
    assert_eq!(names, ["AGENTHOOK_ADMIN_KEY", "stays"]);
}

/// A migration's text.
fn migration(kind: &str, name: &str) -> AssertSqlSafe<String> {
    let root = env!("CARGO_MANIFEST_DIR");
    let text = std::fs::read_to_string(format!("{root}/migrations/{kind}/{name}.sql"));
    AssertSqlSafe(text.expect("a migration"))
}

#[tokio::test]
async fn keys_of_the_first_version_get_names_of_their_own() {
    const OLD: &str = "INSERT INTO api_keys (key_hash, name, created_at) VALUES ";
    const NAMED: &str = "SELECT count(DISTINCT key_id) FROM api_keys WHERE role = 'admin' AND hint IS NULL";
    let sqlite = Database::sqlite();
    std::fs::File::create(sqlite.dir.path().join("agenthook.db")).expect("a file");
    let mut on_sqlite = SqliteConnection::connect(&sqlite.url).await.expect("opens");
    let values =
        "(x'01', 'a', '2026-01-01T00:00:00.000+00:00'), (x'02', 'b', '2026-01-01T00:00:00.000+00:00')";
    for text in [
        migration("sqlite", "0001_core"),
        AssertSqlSafe(format!("{OLD}{values}")),
        migration("sqlite", "0002_changes"),
    ] {
        sqlx::raw_sql(text).execute(&mut on_sqlite).await.expect("a statement");
    }
    assert_eq!(sqlx::query_scalar::<_, i64>(NAMED).fetch_one(&mut on_sqlite).await.expect("a number"), 2);

    let postgres = Database::postgres().await;
    let mut on_postgres = PgConnection::connect(&postgres.url).await.expect("opens");
    let more = AssertSqlSafe(format!("{OLD}('\\x03', 'c', now())"));
    for text in [
        migration("postgres", "0001_core"),
        AssertSqlSafe(format!("{OLD}('\\x01', 'a', now()), ('\\x02', 'b', now())")),
        migration("postgres", "0002_changes"),
        // While the new version starts, the old one may still add a key.
        more,
    ] {
        sqlx::raw_sql(text).execute(&mut on_postgres).await.expect("a statement");
    }
    assert_eq!(sqlx::query_scalar::<_, i64>(NAMED).fetch_one(&mut on_postgres).await.expect("a number"), 3);
}
