//! The keys that a first start makes: shown once, or kept in their file, and nowhere else.

use std::fs;

use crate::harness::{
    Database, ENCRYPTION_KEY, Running, agenthook, assert_clean, assert_files_clean, client, free_address,
    ready, spellings, terminate,
};

#[tokio::test(flavor = "multi_thread")]
async fn its_keys_are_in_no_log_no_row_and_no_answer() {
    let (directory, http, address) = (tempfile::tempdir().expect("a directory"), client(), free_address());
    let file = |name: &str| fs::File::create(directory.path().join(name)).expect("a file");
    let read = |name: &str| fs::read_to_string(directory.path().join(name)).expect("text");
    let mut command = agenthook(directory.path());
    command.args(["serve", "--bind", &address.to_string()]).env("AGENTHOOK_LOG", "trace");
    let mut server = Running(command.stdout(file("stdout")).stderr(file("stderr")).spawn().expect("starts"));
    let url = format!("http://{address}");
    ready(&http, &url, &mut server.0).await;
    let stdout = read("stdout");
    let key = stdout.trim().rsplit(' ').next().expect("a key");
    assert!(key.starts_with("ahk_") && stdout.lines().count() == 1, "{stdout}");
    let request = http.post(format!("{url}/api/v1/tenants")).bearer_auth(key).body(r#"{"tenant_id":"acme"}"#);
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), 201);
    let answer = answer.text().await.expect("a whole answer");
    terminate(&server.0);
    assert_eq!(server.0.wait().expect("ends").code(), Some(0));

    let generated = read("data/encryption.key");
    let keys = spellings(&[key, generated.trim()]);
    assert_files_clean(&directory.path().join("data"), &keys);
    assert_clean("the log", read("stderr").as_bytes(), &keys);
    assert_clean("an answer", answer.as_bytes(), &keys);
    assert_eq!(read("stdout"), stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_admin_key_it_makes_no_tables_on_postgres() {
    let database = Database::create().await;
    if !database.is_postgres() {
        return;
    }
    for command in ["serve", "api"] {
        let mut start = agenthook(database.dir.path());
        start.args([command, "--bind", &free_address().to_string()]).env("DATABASE_URL", &database.url);
        start.env("AGENTHOOK_ENCRYPTION_KEYS", ENCRYPTION_KEY);
        let run =
            tokio::task::spawn_blocking(move || start.output().expect("it runs")).await.expect("it ends");
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.code() == Some(2) && said.contains("AGENTHOOK_ADMIN_KEY"), "{said}");
        assert!(database.contents().await.is_empty(), "nothing was made");
    }
}
