//! For whoever runs it: is it ready, what is wrong, and what is said to wrong usage.

use crate::harness::{Database, Server, User, env, parsed};

#[tokio::test(flavor = "multi_thread")]
async fn ready_tells_a_supervisor_in_one_line() {
    let server = Server::start().await;
    let ask = ["ready", "--url", &server.url];
    assert_eq!(User::nobody().run(&ask).await.good(), "ready\n");
    server.app.drain();
    let draining = User::nobody().run(&ask).await.complaint(1);
    assert!(draining.starts_with("503 unavailable: draining"), "{draining}");
    let nobody = User::nobody().run(&["ready", "--url", "http://127.0.0.1:1"]).await.complaint(1);
    assert!(nobody.starts_with("cannot reach http://127.0.0.1:1"), "{nobody}");
    assert!(User::nobody().run(&["ready", "--url", "8001"]).await.complaint(2).contains("8001"));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_is_one_line_and_2_and_tells_no_secret() {
    let nobody = User::nobody();
    let unset = nobody.run(&["tenant", "list"]).await.complaint(2);
    assert!(unset.contains("AGENTHOOK_API_KEY") && unset.contains("agenthook serve"), "{unset}");
    let token = "ahk_visible-to-nobody-0123456789abcdef";
    let keyed =
        || User::nobody().with("AGENTHOOK_API_KEY", token).with("AGENTHOOK_SECRET", "visible-to-nobody");
    let cases: [(&[&str], i32); 9] = [
        (&["nonsense"], 2),
        (&["tenant", "show", "a/b"], 2),
        (&["tenant", "list", "--server", "localhost"], 2),
        (&["tenant", "list", "--server", "http://127.0.0.1:1"], 1),
        (&["agent", "create", "--name", "x"], 2),
        (&["agent", "create", "--file", "/nowhere.json"], 2),
        (&["sign", "-"], 2),
        (&["verify", "--header", "no colon", "-"], 2),
        (&["send", "--agent", "x", "-"], 2),
    ];
    for (args, code) in cases {
        let complaint = keyed().run(args).await.complaint(code);
        assert!(!complaint.contains("visible"), "{complaint}");
    }
    for help in [&["--help"][..], &["tenant", "list", "--help"], &["sign", "--help"]] {
        assert!(!keyed().run(help).await.good().contains("visible"), "{help:?}");
    }
    let server = Server::start().await;
    let wrong = keyed().with("AGENTHOOK_URL", &server.url).run(&["tenant", "list"]).await.complaint(1);
    assert!(wrong.starts_with("401 unauthorized: ") && !wrong.contains("visible"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_tells_a_master_key_from_a_virtual_one() {
    let hint = "is not set: run ./scripts/test.sh, which starts a LiteLLM";
    let [url, master] = ["AGENTHOOK_TEST_LITELLM_URL", "AGENTHOOK_TEST_LITELLM_MASTER_KEY"]
        .map(|name| env(name).unwrap_or_else(|| panic!("{name} {hint}")));
    let dir = tempfile::tempdir().expect("a directory");
    for (key, status, code) in
        [(master.as_str(), "warn", 0), ("sk-tenant-ok", "ok", 0), ("sk-unknown", "fail", 1)]
    {
        let user = User::nobody().with("LITELLM_BASE_URL", &url).with("LITELLM_API_KEY", key);
        let run = user
            .run(&["doctor", "--json", "--data-dir", &dir.path().join("none").display().to_string()])
            .await;
        assert_eq!(run.code, code, "{run:?}");
        let report = parsed(&run.out);
        let checks = report["checks"].as_array().expect("checks");
        let found = checks.iter().find(|check| check["check"] == "LiteLLM key").expect("a finding");
        assert_eq!(found["status"], status, "{report}");
        assert_eq!(report["ok"], code == 0);
        assert!(!run.out.contains(key));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_before_and_after_the_first_migration() {
    let database = Database::create().await;
    let dir = database.dir.path().join("data").display().to_string();
    let user = User::nobody()
        .with("DATABASE_URL", &database.url)
        .with("AGENTHOOK_DATA_DIR", &dir)
        .with("AGENTHOOK_ENCRYPTION_KEYS", "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE=")
        .with("LITELLM_BASE_URL", "http://127.0.0.1:1");
    let finding = async |check: &str| {
        let run = user.run(&["doctor", "--json"]).await;
        assert_eq!(run.code, 1, "no LiteLLM: {run:?}");
        let report = parsed(&run.out);
        let checks = report["checks"].as_array().expect("checks").clone();
        let found = checks.into_iter().find(|one| one["check"] == check).expect("a finding");
        (found["status"].clone(), found["message"].as_str().expect("text").to_owned())
    };
    let (status, message) = finding("database").await;
    assert!(status == "ok" && message.contains("the first `agenthook serve` makes"), "{message}");
    user.run(&["migrate"]).await.good();
    let (status, message) = finding("database").await;
    assert!(status == "ok" && message.contains("up to date"), "{message}");
    // on Postgres nobody generates one
    let (status, _) = finding("admin key").await;
    assert_eq!(status, if database.url.starts_with("postgres") { "fail" } else { "ok" });
}
