//! The schemes from a shell: sign, verify, send and an agent of one's own scheme.

use agenthook::model::SchemeName;
use serde_json::{Value, json};

use crate::harness::Server;
use crate::harness::{User, parsed};

const SECRET: &str = "a secret of 32 characters or so..";
const OWN: &str = r#"{"header": "X-Own", "template": "{id}|{timestamp}|{url}|{body}", "algorithm": "sha512",
    "encoding": "base64", "prefix": "v1:", "timestamp_header": "X-Time", "id_header": "X-Id"}"#;
const URL: &str = "https://hooks.example.com/w?a=b";

/// The word of a scheme.
fn word(name: SchemeName) -> String {
    serde_json::to_value(name).expect("a word").as_str().expect("a word").to_owned()
}

/// What its sender signs with, and its receiver verifies with.
fn secrets(name: SchemeName) -> [&'static str; 2] {
    match name {
        SchemeName::Discord => [
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        ],
        SchemeName::Hub => ["c2VlZC1zZWNyZXQtMzItYnl0ZXMtMDEyMzQ1Njc4OWFi"; 2],
        SchemeName::StandardWebhooks => ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"; 2],
        SchemeName::Bearer => ["a-token"; 2],
        SchemeName::Basic => ["user:password"; 2],
        _ => [SECRET; 2],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_by_hand_verifies_by_hand_under_every_scheme() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("own.json");
    std::fs::write(&file, OWN).expect("written");
    let file = file.to_str().expect("text");
    for name in SchemeName::ALL {
        let scheme = word(name);
        let how = if name == SchemeName::Custom { ["--custom", file] } else { ["--scheme", scheme.as_str()] };
        let body = match name {
            SchemeName::Linear => r#"{"webhookTimestamp":1700000000000}"#,
            SchemeName::Twilio => "a=1&b=2",
            _ => r#"{"a":1}"#,
        };
        let [signs, verifies] = secrets(name);
        let at = ["--url", URL, "--now", "1700000000"];
        let signer = User::nobody().with("AGENTHOOK_SECRET", signs);
        let args = [&["sign"][..], &how, &at, &["-"]].concat();
        let signed = signer.run_with(&args, body.as_bytes()).await.good();
        let form = "Content-Type: application/x-www-form-urlencoded";
        let form = Some(form).filter(|_| name == SchemeName::Twilio);
        let headers = signed.lines().chain(form).flat_map(|line| ["--header", line]).collect::<Vec<_>>();
        let verifier = User::nobody().with("AGENTHOOK_SECRET", verifies);
        let verify = async |at: &[&str], body: &str| {
            let args = [&["verify"][..], &how, at, &headers, &["-"]].concat();
            verifier.run_with(&args, body.as_bytes()).await
        };
        let valid = verify(&at, body).await;
        assert_eq!((valid.code, valid.out.as_str()), (0, "valid\n"), "{scheme}: {valid:?}");
        if !matches!(name, SchemeName::Bearer | SchemeName::Basic | SchemeName::Gitlab) {
            let wrong = verify(&at, &body.replace('1', "7")).await;
            assert_eq!(wrong.code, 1, "{scheme}: {wrong:?}");
            assert!(wrong.out.starts_with("invalid: "), "{scheme}: {wrong:?}");
        }
        let elsewhere = matches!(name, SchemeName::Linear | SchemeName::Zendesk);
        let signs_time = signed.contains("17000000") || elsewhere;
        let late = verify(&["--url", URL, "--now", "1700000301"], body).await;
        assert_eq!(late.code, i32::from(signs_time), "{scheme}: {late:?}");
        assert_eq!(late.out.contains("301 s before"), signs_time, "{scheme}: {late:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_told_in_one_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("own.json");
    let user = User::nobody().with("AGENTHOOK_SECRET", SECRET);
    let told = async |args: &[&str]| user.run_with(args, b"{}").await.complaint(2);
    assert!(told(&["sign", "--scheme", "custom", "-"]).await.contains("--custom FILE.json"));
    for (written, says) in [
        (r#"{"header": "X Y"}"#, "--custom: header must be a header's name"),
        (r#"{"header": "X", "template": "x"}"#, "must contain {body}"),
        (r#"{"template": "{body}"}"#, "missing field `header`"),
        (r#"{"header": "X", "hash": "md5"}"#, "unknown field `hash`"),
        ("no JSON", "is not JSON"),
    ] {
        std::fs::write(&file, written).expect("written");
        let line = told(&["sign", "--custom", file.to_str().expect("text"), "-"]).await;
        assert!(line.contains(says), "{line}");
    }
    std::fs::write(&file, OWN).expect("written");
    let line = told(&["sign", "--scheme", "hub", "--custom", file.to_str().expect("text"), "-"]).await;
    assert!(line.contains("leave --scheme out"), "{line}");
    assert!(told(&["sign", "--scheme", "twilio", "--url", URL, "-"]).await.contains("bodySHA256="));
    assert!(told(&["sign", "--scheme", "discord", "-"]).await.contains("hex"));
    let line = told(&["sign", "--scheme", "bearer", "--secret-encoding", "hex", "-"]).await;
    assert!(line.contains("--secret-encoding"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_of_ones_own_scheme_is_made_and_called_by_hand() {
    let server = Server::start().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let user = User::of(&server).with("AGENTHOOK_SECRET", SECRET);
    let directory = tempfile::tempdir().expect("a directory");
    let [own, secret] = ["own.json", "secret"].map(|name| directory.path().join(name));
    std::fs::write(&own, OWN).expect("written");
    std::fs::write(&secret, SECRET).expect("written");
    let [own, secret] = [own, secret].map(|path| path.to_str().expect("text").to_owned());
    let create = async |how: &[&str]| -> Value {
        let args = ["agent", "create", "--tenant", "acme", "--name", "n", "--model", "m", "--json"];
        let secret = ["--webhook-secret-file", secret.as_str()];
        parsed(&user.run(&[&args[..], &secret, how].concat()).await.good())
    };
    let send = async |agent: &Value, how: &[&str], body: &str| {
        let args = ["send", "--json", "--agent", agent["agent_id"].as_str().expect("an id")];
        parsed(&user.run_with(&[&args[..], how, &["-"]].concat(), body.as_bytes()).await.good())
    };
    let agent = create(&["--custom", &own]).await;
    assert_eq!(agent["trigger"]["custom"]["algorithm"], "sha512", "{agent}");
    let how = ["--custom", own.as_str(), "--id", "1"];
    let first = send(&agent, &how, "{}").await;
    assert_eq!(first["status"], "queued");
    assert_eq!(send(&agent, &how, "[]").await["status"], "duplicate", "the id is signed");

    let agent = create(&["--scheme", "slack"]).await;
    let answer = send(&agent, &["--scheme", "slack"], "command=%2Fdeploy&text=now").await;
    let trace = server.ended(answer["execution_id"].as_str().expect("an id")).await;
    assert_eq!(trace["input"], json!({"command": "/deploy", "text": "now"}));
    let id = agent["agent_id"].as_str().expect("an id");
    user.run(&["agent", "update", id, "--scheme", "jira"]).await.good();
    assert_eq!(send(&agent, &["--scheme", "jira"], "{}").await["status"], "queued");
}
