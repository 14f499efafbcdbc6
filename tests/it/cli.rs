//! The command line as people and scripts use it: the real binary against a real server.
//!
//! It is long because every command has its story, and they share what they need of a server.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::harness::{ADMIN_KEY, Database, Server, completion, env, error};

const BIN: &str = env!("CARGO_BIN_EXE_agenthook");
/// A published vector: base64 of 32 bytes, a ticket, and the ticket's signature.
const SECRET: &str = "c2VlZC1zZWNyZXQtMzItYnl0ZXMtMDEyMzQ1Njc4OWFi";
const TICKET: &str = r#"{"ticket_id":"TKT-123","description":"Issue"}"#;
const SIGNED: &str =
    "X-Hub-Signature-256: sha256=845a546e7293147509fe09b16b40f86e1ba8a2356b413d58bb3aa27c428600c3";

/// What a process left behind.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Run {
    /// Its output, where it ended well.
    #[track_caller]
    pub fn good(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// Its one line of complaint, where it ended with this code.
    #[track_caller]
    pub fn complaint(self, code: i32) -> String {
        assert_eq!((self.code, self.err.lines().count()), (code, 1), "{self:?}");
        self.err.strip_prefix("error: ").unwrap_or_else(|| panic!("{}", self.err)).trim_end().to_owned()
    }
}

/// A shell's user, with the server's address and key in the environment.
pub struct User {
    vars: Vec<(&'static str, String)>,
}

impl User {
    pub fn of(server: &Server) -> Self {
        let vars = [("AGENTHOOK_URL", server.url.clone()), ("AGENTHOOK_API_KEY", ADMIN_KEY.to_owned())];
        Self { vars: vars.into() }
    }

    pub fn nobody() -> Self {
        Self { vars: vec![] }
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.vars.retain(|(known, _)| *known != name);
        self.vars.push((name, value.to_owned()));
        self
    }

    /// Runs `agenthook` with these arguments and this standard input.
    pub async fn run_with(&self, args: &[&str], input: &[u8]) -> Run {
        let mut command = Command::new(BIN);
        command.args(args);
        self.finish(command, input).await
    }

    pub async fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, b"").await
    }

    /// Pastes a line into a shell whose PATH has our binary.
    async fn paste(&self, line: &str) -> Run {
        let mut command = Command::new("sh");
        let dir = std::path::Path::new(BIN).parent().expect("a directory").display();
        let path = format!("PATH={dir}:/usr/local/bin:/usr/bin:/bin; ");
        command.args(["-c", &(path + line)]);
        self.finish(command, b"").await
    }

    async fn finish(&self, mut command: Command, input: &[u8]) -> Run {
        command.env_clear().envs(self.vars.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        // A process that refuses its arguments does not read.
        let _ = stdin.write_all(input).await;
        drop(stdin);
        let output = child.wait_with_output().await.expect("it ends");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Run {
            code: output.status.code().expect("no signal"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

pub fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_tenant_to_a_trace_by_hand() {
    let server = Server::start().await;
    let user = User::of(&server);
    assert!(user.run(&["tenant", "create", "acme", "--name", "Acme Ltd"]).await.good().contains("Acme Ltd"));

    let create = ["agent", "create", "--tenant", "acme", "--name", "Triage", "--model", "gpt-4o-mini"];
    let created = user.run(&[&create[..], &["--secret-encoding", "utf8"]].concat()).await.good();
    let next = created.lines().last().expect("a next step").trim();
    assert!(next.starts_with("printf ") && next.ends_with(" --wait -"), "{created}");
    let trace = user.paste(next).await.good();
    for part in
        ["status     success", "53: 41 prompt + 12 completion", "$0.0000133", TICKET, "output\ntriaged"]
    {
        assert!(trace.contains(part), "{part}:\n{trace}");
    }

    let list = user.run(&["executions", "list"]).await.good();
    assert_eq!(list.lines().count(), 2, "{list}");
    assert!(list.contains("success") && list.contains("acme"), "{list}");
    let id = server.executions().await[0]["execution_id"].as_str().expect("an id").to_owned();
    assert_eq!(user.run(&["executions", "show", &id]).await.good(), trace);
    let shown = parsed(&user.run(&["executions", "show", &id, "--json"]).await.good());
    assert_eq!(shown, server.get(&format!("/api/v1/executions/{id}")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_life() {
    let server = Server::start().await;
    let user = User::of(&server);
    user.run(&["tenant", "create", "acme"]).await.good();
    let spec = json!({"tenant_id": "acme", "name": "A", "llm_config": {"model": "m", "temperature": 0.5},
        "trigger": {"type": "webhook", "secret": SECRET, "payload_schema": {"required": ["ticket_id"]}}});
    let created =
        user.run_with(&["agent", "create", "--json", "--file", "-"], spec.to_string().as_bytes()).await;
    let agent = parsed(&created.good());
    assert_eq!(agent["webhook_secret"], SECRET);
    let id = agent["agent_id"].as_str().expect("an id");

    assert!(user.run(&["agent", "list", "--tenant", "acme"]).await.good().contains(id));
    let masked = user.run(&["agent", "secret", id]).await.good();
    assert!(masked.contains("c2Vl…") && !masked.contains(SECRET), "{masked}");
    assert!(user.run(&["agent", "secret", id, "--reveal"]).await.good().contains(SECRET));

    // only what is named changes
    user.run(&["agent", "update", id, "--model", "m2", "--status", "paused"]).await.good();
    let changed = parsed(&user.run(&["agent", "show", id, "--json"]).await.good());
    assert_eq!(changed["llm_config"], json!({"model": "m2", "temperature": 0.5}));
    assert_eq!(changed["trigger"], agent["trigger"]);
    assert_eq!((&changed["version"], &changed["status"]), (&json!(2), &json!("paused")));

    let sender = User::nobody().with("AGENTHOOK_URL", &server.url).with("AGENTHOOK_SECRET", SECRET);
    let args = ["send", "--agent", id, "-"];
    let send = |body: &'static str| sender.run_with(&args, body.as_bytes());
    assert!(send(TICKET).await.complaint(1).starts_with("403 agent_not_active: "));
    user.run(&["agent", "update", id, "--status", "active"]).await.good();
    let mismatch = send("{}").await.complaint(1);
    assert!(mismatch.starts_with("422 schema_mismatch: ") && mismatch.contains("ticket_id"), "{mismatch}");
    assert_eq!(parsed(&send(TICKET).await.good())["status"], "queued");
    assert_eq!(parsed(&send(TICKET).await.good())["status"], "duplicate");

    assert_eq!(user.run(&["agent", "delete", id]).await.good(), format!("deleted agent {id}\n"));
    let refused = send(TICKET).await.complaint(1);
    assert!(refused.starts_with("401 Invalid signature: check the secret"), "{refused}");
    assert!(user.run(&["agent", "show", id]).await.complaint(1).starts_with("404 not_found: "));
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_and_their_keys() {
    let server = Server::start().await;
    let user = User::of(&server);
    let create = ["tenant", "create", "acme", "--key-policy", "tenant_only", "--allowed-models", "a,b"];
    user.run(&create).await.good();
    let set = ["tenant", "set-llm-key", "acme", "--key-file", "-"];
    user.run_with(&set, b"sk-tenant-0123456789wxyz\n").await.good();
    let list = user.run(&["tenant", "list"]).await.good();
    assert!(list.contains("tenant_only") && list.contains("sk-…wxyz"), "{list}");
    assert!(user.run(&["tenant", "show", "acme"]).await.good().contains("a, b"));

    let update = ["tenant", "update", "acme", "--any-model", "--fallback-on", "missing,rejected", "--json"];
    let tenant = parsed(&user.run(&update).await.good());
    assert_eq!(tenant["allowed_models"], json!(null));
    assert_eq!(tenant["fallback_on"], json!(["missing", "rejected"]));
    assert_eq!(tenant["key_policy"], "tenant_only");
    user.run(&["tenant", "remove-llm-key", "acme"]).await.good();
    let tenant = parsed(&user.run(&["tenant", "show", "acme", "--json"]).await.good());
    assert_eq!(tenant["llm_key"], json!({"configured": false}));

    assert!(user.run(&["tenant", "create", "acme"]).await.complaint(1).starts_with("409 conflict: "));
    user.run(&["tenant", "delete", "acme"]).await.good();
    assert!(user.run(&["tenant", "list"]).await.good().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_execution_ends_the_wait_with_1() {
    let server = Server::start().await;
    let agent = server.agent().await;
    server.llm.answers(error(400, "invalid_request_error", "Invalid model name passed in model=gpt-4o-mini"));
    let user = User::of(&server).with("AGENTHOOK_SECRET", &agent.secret);
    let run = user.run_with(&["send", "--agent", &agent.id, "--wait", "-"], TICKET.as_bytes()).await;
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.out.contains("status     failed") && run.out.contains("llm_no_deployment: "), "{}", run.out);
    let failed = user.run(&["executions", "list", "--status", "failed", "--agent", &agent.id]).await.good();
    assert!(failed.contains("llm_no_deployment"), "{failed}");
}

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
async fn lists_page_by_page_and_whole() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(agent.post(format!(r#"{{"n":{n}}}"#)).await.execution_id());
    }
    ids.reverse();
    let user = User::of(&server);
    let listed = |text: &str| -> Vec<String> {
        let page = parsed(text);
        let items = page["executions"].as_array().expect("a list").iter();
        items.map(|item| item["execution_id"].as_str().expect("an id").to_owned()).collect()
    };
    let list = ["executions", "list", "--json", "--limit", "2"];
    let first = user.run(&list).await.good();
    assert_eq!(listed(&first), ids[..2]);
    let cursor = parsed(&first)["next_cursor"].as_str().expect("a cursor").to_owned();
    assert_eq!(listed(&user.run(&[&list[..], &["--cursor", &cursor]].concat()).await.good()), ids[2..4]);
    assert_eq!(listed(&user.run(&[&list[..], &["--all"]].concat()).await.good()), ids);
    // the way on is told apart from the rows, which may go into a pipe
    let table = user.run(&["executions", "list", "--limit", "2"]).await;
    assert!(table.err.contains("--cursor") && !table.out.contains("--cursor"), "{table:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pasted_sends_exactly_the_bytes() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let user = User::of(&server).with("AGENTHOOK_SECRET", &agent.secret);
    if user.paste("command -v curl").await.code != 0 {
        eprintln!("skipped: no curl here");
        return;
    }
    let bodies = [
        "{\"quote\":\"it's $HOME `x` \\\\ ! %s\"}\n",
        "{ \"a\" : 1.0,\r\n\t\"emoji\":\"\u{1f511}\u{2028}\" }",
        "\u{feff}[12345678901234567890123]",
    ];
    let dir = tempfile::tempdir().expect("a directory");
    for (n, body) in bodies.into_iter().enumerate() {
        let file = dir.path().join(format!("it's {n}.json")).display().to_string();
        std::fs::write(&file, body).expect("written");
        for source in ["-", file.as_str()] {
            let sign = ["sign", "--curl", &agent.webhook_url, source];
            let command = user.run_with(&sign, body.as_bytes()).await.good();
            let answer = parsed(&user.paste(&command).await.good());
            assert!(matches!(answer["status"].as_str(), Some("queued" | "duplicate")), "{command}{answer}");
        }
    }
    assert_eq!(server.executions().await.len(), bodies.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_without_a_server() {
    let user = User::nobody();
    let sign = ["sign", "--secret", SECRET, "-"];
    assert_eq!(user.run_with(&sign, TICKET.as_bytes()).await.good(), format!("{SIGNED}\n"));

    let verify = |header: &'static str, more: &'static [&'static str], body: &'static [u8]| {
        let args = [&["verify", "--scheme", "hub", "--header", header][..], more, &["-"]].concat();
        let user = User::nobody().with("AGENTHOOK_SECRET", SECRET);
        async move { user.run_with(&args, body).await }
    };
    let ticket = TICKET.as_bytes();
    assert_eq!(verify(SIGNED, &["--now", "0", "--url", "http://h/"], ticket).await.good(), "valid\n");
    for (more, body) in [
        (&["--secret-encoding", "utf8"][..], ticket),
        (&["--header", SIGNED], ticket),
        (&[], b"\0 not even JSON \xFF"),
    ] {
        let run = verify(SIGNED, more, body).await;
        assert_eq!(run.code, 1, "{run:?}");
        assert!(run.out.starts_with("invalid: "), "{run:?}");
    }
    let run = verify("X-Other: 1", &["--json"], ticket).await;
    assert_eq!((run.code, parsed(&run.out)["diagnosis"]["code"].as_str()), (1, Some("missing_header")));
    assert_eq!(parsed(&verify(SIGNED, &["--json"], ticket).await.good()), json!({"valid": true}));
    // GitHub's published example: a short secret, a body that is no JSON
    let args = [
        "verify",
        "--secret",
        "It's a Secret to Everybody",
        "--secret-encoding",
        "utf8",
        "--header",
        "X-Hub-Signature-256: sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        "-",
    ];
    assert_eq!(user.run_with(&args, b"Hello, World!").await.good(), "valid\n");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_leaked_secret_and_a_leaked_key_are_replaced_by_hand() {
    let server = Server::start().await;
    let (user, agent) = (User::of(&server), server.agent().await);
    let secrets = async || user.run(&["agent", "secret", &agent.id, "--reveal"]).await.good();
    let rotated = user.run(&["agent", "rotate-secret", &agent.id]).await.good();
    let shown = secrets().await;
    assert!(shown.contains(&agent.secret) && shown.lines().count() == 3, "{shown}");
    let given =
        ["agent", "rotate-secret", &agent.id, "--overlap", "0", "--webhook-secret-file", "-", "--json"];
    let answer = parsed(&user.run_with(&given, format!("{SECRET}\n").as_bytes()).await.good());
    assert_eq!(answer["webhook_secret"], SECRET);
    assert!(!rotated.contains(SECRET) && rotated.lines().count() == 4, "{rotated}");
    let shown = secrets().await;
    assert!(shown.contains(SECRET) && shown.lines().count() == 2, "{shown}");
    let too_long =
        user.run(&["agent", "rotate-secret", &agent.id, "--overlap", "2592001"]).await.complaint(1);
    assert!(too_long.contains("30 days"), "{too_long}");

    let made =
        parsed(&user.run(&["key", "create", "--name", "pipeline", "--role", "admin", "--json"]).await.good());
    let text = |field: &str| made[field].as_str().expect("text").to_owned();
    let other = User::of(&server).with("AGENTHOOK_API_KEY", &text("key"));
    let listed = other.run(&["key", "list"]).await.good();
    assert!(listed.contains("pipeline") && listed.contains(&text("key_id")), "{listed}");
    assert!(!listed.contains(&text("key")), "{listed}");
    let deleted = user.run(&["key", "delete", &text("key_id")]).await.good();
    assert_eq!(deleted.trim_end(), format!("deleted key {}", text("key_id")));
    other.run(&["key", "list"]).await.complaint(1);
    let id = parsed(&user.run(&["key", "list", "--json"]).await.good())["keys"][0]["key_id"].clone();
    let last = user.run(&["key", "delete", id.as_str().expect("an id")]).await.complaint(1);
    assert!(last.contains("make another admin key first"), "{last}");
    let shown = user.run(&["key", "create", "--name", "last", "--role", "admin"]).await.good();
    assert!(shown.contains("ahk_") && shown.contains("shown this once"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_an_execution_by_hand() {
    let server = Server::without_worker().await;
    let user = User::of(&server);
    let agent = server.agent_with(json!({"retry": {"max_attempts": 1}})).await;
    let [first, second] = [agent.accepted(r#"{"town":"Ulm"}"#).await, agent.accepted("2").await];
    let run = async |args: &[&str]| user.run(&[&["executions"], args].concat()).await;

    assert!(run(&["cancel", &second]).await.good().contains(&second));
    let refused = run(&["cancel", &second]).await.complaint(1);
    assert!(refused.contains("was cancelled before"), "{refused}");
    let cancelled = run(&["list", "--status", "cancelled"]).await.good();
    assert!(cancelled.contains(&second) && !cancelled.contains(&first), "{cancelled}");
    assert!(run(&["list", "--status", "held"]).await.err.contains("no executions"));
    let found =
        run(&["list", "--q", "ULM", "--from", "2020-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z"])
            .await
            .good();
    assert!(found.contains(&first) && !found.contains(&second), "{found}");
    assert!(run(&["list", "--q", "ulm", "--to", "2020-01-01T00:00:00Z"]).await.err.contains("no executions"));

    server.llm.answers(error(400, "invalid_request_error", "no"));
    server.start_worker();
    server.ended(&first).await;
    let failed = run(&["retry", &first, "--wait"]).await;
    assert_eq!(failed.code, 1, "{failed:?}");
    for part in ["status     failed", "run        2", "2 (run 2)", "retried", "run 2 was asked for"] {
        assert!(failed.out.contains(part), "{part}: {}", failed.out);
    }
    server.llm.answers(completion("fine"));
    let retried = parsed(&run(&["retry", &first, "--json"]).await.good());
    assert_eq!(retried, json!({"execution_id": first, "run": 3, "status": "queued"}));
    server.ended(&first).await;
    assert!(run(&["retry", &first]).await.complaint(1).contains("replay it instead"));
    let replayed = run(&["replay", &first, "--agent-version", "1", "--wait"]).await.good();
    assert!(
        replayed.contains(&format!("replay of  {first}")) && replayed.contains("status     success"),
        "{replayed}"
    );
    let unknown = run(&["replay", &first, "--agent-version", "9"]).await.complaint(1);
    assert!(unknown.contains("agent_version"), "{unknown}");
    let told = run(&["timeline", &first]).await.good();
    let events: Vec<_> = told.lines().skip(1).filter_map(|line| line.split_whitespace().nth(2)).collect();
    assert_eq!(
        (events[0], events.last(), told.matches("retried").count()),
        ("received", Some(&"replayed"), 2),
        "{told}"
    );
    let told = parsed(&run(&["timeline", &first, "--json"]).await.good());
    assert_eq!(told, server.get(&format!("/api/v1/executions/{first}/timeline")).await);
}
