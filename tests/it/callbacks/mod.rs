//! A sender wants to hear of the end of its run: where it may be told, and where not.

mod deliveries;
mod endpoint;

use serde_json::{Value, json};

use crate::harness::{Agent, Server, User, parsed};

/// The header.
pub const HEADER: &str = "agenthook-callback-url";

/// An agent that calls these hosts back, and its callback secret.
pub async fn calling(server: &Server, hosts: Value) -> (Agent, Value) {
    let agent = server.agent().await;
    let changed = json!({"trigger": {"callback_hosts": hosts}});
    let changed = server.expect(200, "PATCH", &path(&agent), Some(changed)).await;
    (agent, changed["callback_secret"].clone())
}

pub fn path(agent: &Agent) -> String {
    format!("/api/v1/agents/{}", agent.id)
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_are_checked_and_normalized_when_they_are_saved() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let patch = |hosts: Value| json!({"trigger": {"callback_hosts": hosts}});
    let hosts = json!(["Hooks.Example.COM.", "*.Example.com", "example.com:8443", "::1", "127.0.0.1:9000"]);
    let saved = server.expect(200, "PATCH", &path(&agent), Some(patch(hosts))).await;
    let kept = json!(["hooks.example.com", "*.example.com", "example.com:8443", "[::1]", "127.0.0.1:9000"]);
    assert_eq!(saved["trigger"]["callback_hosts"], kept);
    for (hosts, pointer) in [
        (json!(["https://example.com"]), "/trigger/callback_hosts/0"),
        (json!(["example.com", "*"]), "/trigger/callback_hosts/1"),
        (json!(["example.com/path"]), "/trigger/callback_hosts/0"),
        (json!([7]), "/trigger/callback_hosts/0"),
        (json!("example.com"), "/trigger/callback_hosts"),
        (json!([]), "/trigger/callback_hosts"),
        (json!(vec!["example.com"; 21]), "/trigger/callback_hosts"),
    ] {
        let refused = server.expect(422, "PATCH", &path(&agent), Some(patch(hosts.clone()))).await;
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{hosts}: {refused}");
    }
    for most in [1, 19, 20] {
        server.expect(200, "PATCH", &path(&agent), Some(patch(json!(vec!["example.com"; most])))).await;
    }
    let none = server.expect(200, "PATCH", &path(&agent), Some(patch(Value::Null))).await;
    assert_eq!(none["trigger"]["callback_hosts"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_is_not_allowed_is_the_senders_mistake() {
    let server = Server::without_worker().await;
    let (agent, _) = calling(&server, json!(["example.com", "10.0.0.1"])).await;
    let silent = server.agent_with(json!({"name": "calls nobody"})).await;
    let long = |bytes: usize| format!("https://example.com/{}", "a".repeat(bytes - 20));
    let long_one = long(2049);
    let refused = [
        (&agent, "https://other.example/t0ken", "callback_hosts"),
        (&agent, "example.com/t0ken", "is no URL"),
        (&agent, "t0ken", "is no URL"),
        (&agent, "", "is no URL"),
        (&agent, "ftp://example.com/t0ken", "https://"),
        (&agent, "https://t0ken@example.com/", "user name"),
        (&agent, "https://example.com/#t0ken", "fragment"),
        (&agent, "http://10.0.0.1/t0ken", "private"),
        (&agent, long_one.as_str(), "2048"),
        (&silent, "https://example.com/t0ken", "calls nobody back"),
    ];
    for (n, (agent, url, says)) in refused.iter().enumerate() {
        let answer = agent.post_with(format!("[{n}]"), &[(HEADER, url)]).await;
        assert_eq!((answer.status, &answer.body["code"]), (422, &json!("callback_not_allowed")), "{url}");
        let detail = answer.body["detail"].as_str().expect("text");
        assert!(detail.contains(says) && !answer.text.contains("t0ken"), "{url}: {}", answer.text);
        let id = answer.header("x-request-id").to_owned();
        let hit = crate::harness::eventually("the hit is noted", async || {
            let (status, hit) = server.api("GET", &format!("/api/v1/hits/{id}"), None).await;
            (status == 200).then_some(hit)
        })
        .await;
        assert_eq!((&hit["verdict"], &hit["reason"]), (&json!("rejected"), &json!("callback_not_allowed")));
        assert!(!hit.to_string().contains("t0ken"), "{hit}");
    }
    let twice = [(HEADER, "https://example.com/"), (HEADER, "https://example.com/")];
    let answer = agent.post_with("[100]", &twice).await;
    assert!(answer.status == 422 && answer.text.contains("more than once"), "{}", answer.text);
    assert_eq!(server.executions().await.len(), 0, "nothing was stored");
    // Nobody who cannot sign hears of it, and what the filter leaves out is not looked at further.
    let unsigned = agent.post_raw(b"1", &[("content-type", "application/json"), (HEADER, "x")]).await;
    assert_eq!(unsigned.status, 401);
    let filter = json!({"trigger": {"filter": "payload == 1"}});
    server.expect(200, "PATCH", &path(&agent), Some(filter)).await;
    assert_eq!(agent.post_with("2", &[(HEADER, "x")]).await.body["status"], "ignored");
    // at the limit
    assert_eq!(agent.post_with("1", &[(HEADER, &long(2048))]).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_accepted_is_shown_by_its_host_and_is_no_part_of_the_delivery() {
    let server = Server::without_worker().await;
    let (agent, _) = calling(&server, json!(["*.example.com"])).await;
    let url = "https://hooks.example.com/t0ken/done?key=t0ken";
    let first = agent.post_with("1", &[(HEADER, url), ("idempotency-key", "a")]).await;
    assert_eq!(first.status, 202, "{}", first.text);
    let trace = server.trace(&first.execution_id()).await;
    assert_eq!(trace["callback"], json!({"host": "hooks.example.com"}));
    assert!(!trace.to_string().contains("t0ken"), "{trace}");
    // The same delivery, whatever it says of callbacks: the first one counts.
    for headers in
        [&[("idempotency-key", "a")][..], &[(HEADER, "https://other.example.com/"), ("idempotency-key", "a")]]
    {
        let again = agent.post_with("1", headers).await;
        assert_eq!(
            (&again.body["status"], again.execution_id()),
            (&json!("duplicate"), first.execution_id())
        );
    }
    assert_eq!(server.trace(&first.execution_id()).await["callback"]["host"], "hooks.example.com");
    // Nor does a host matter that was taken off the list meanwhile, but for what is new.
    let others = json!({"trigger": {"callback_hosts": ["other.example"]}});
    server.expect(200, "PATCH", &path(&agent), Some(others)).await;
    let again = agent.post_with("1", &[(HEADER, url), ("idempotency-key", "a")]).await;
    assert_eq!(
        (again.status, &again.body["status"], again.execution_id()),
        (200, &json!("duplicate"), first.execution_id())
    );
    assert_eq!(agent.post_with("1", &[(HEADER, url), ("idempotency-key", "b")]).await.status, 422);
    let without = agent.accepted("2").await;
    assert_eq!(server.trace(&without).await["callback"], Value::Null);
    // A replay is somebody else's wish: it calls nobody back.
    let replay = format!("/api/v1/executions/{}/replay", first.execution_id());
    let replay = server.expect(202, "POST", &replay, None).await;
    assert_eq!(server.trace(replay["execution_id"].as_str().expect("an id")).await["callback"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_sets_hosts_sends_and_rotates() {
    let server = Server::without_worker().await;
    let user = User::of(&server);
    server.tenant(json!({"tenant_id": "acme"})).await;
    let create =
        "agent create --tenant acme --name n --model m --callback-host a.example --callback-host *.b.example";
    let create: Vec<&str> = create.split(' ').collect();
    let made = user.run(&create).await.good();
    assert!(made.contains("callbacks  signed with whsec_"), "{made}");
    let agent = parsed(&user.run(&["agent", "list", "--json"]).await.good())["agents"][0].clone();
    assert_eq!(agent["trigger"]["callback_hosts"], json!(["a.example", "*.b.example"]));
    let id = agent["agent_id"].as_str().expect("an id");
    let secret = parsed(&user.run(&["agent", "secret", id, "--reveal", "--json"]).await.good());
    let secret = secret["secrets"][0]["webhook_secret"].as_str().expect("a secret").to_owned();
    let user = user.with("AGENTHOOK_SECRET", &secret);
    let send = ["send", "--agent", id, "--callback", "https://x.b.example/done", "-"];
    user.run_with(&send, b"1").await.good();
    let execution = server.executions().await[0]["execution_id"].as_str().expect("an id").to_owned();
    assert_eq!(server.trace(&execution).await["callback"]["host"], "x.b.example");
    let shown = user.run(&["executions", "show", &execution]).await.good();
    assert!(shown.contains("calls back") && shown.contains("x.b.example"), "{shown}");
    let send = ["send", "--agent", id, "--callback", "https://b.example/done", "-"];
    let complaint = user.run_with(&send, b"2").await.complaint(1);
    assert!(complaint.contains("callback_hosts"), "{complaint}");
    let rotated = user.run(&["agent", "rotate-callback-secret", id, "--overlap", "0"]).await.good();
    assert!(rotated.contains("signed with whsec_"), "{rotated}");
    let none = user.run(&["agent", "update", id, "--no-callbacks", "--json"]).await.good();
    assert_eq!(parsed(&none)["trigger"]["callback_hosts"], Value::Null);
}
