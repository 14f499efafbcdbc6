//! Whoever builds a receiver looks at deliveries on a machine of their own first.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout};

use serde_json::{Value, json};

use crate::harness::{Running, User, agenthook, client, parsed, signal};
use agenthook::egress::{Attempt, Recipient, compose};
use agenthook::model::{Event, EventType, Profile, SigningSecret, TargetText, Time, WebhookId};

const SECRET: &str = "whsec_bGlzdGVuLXNlY3JldC0zMi1ieXRlcy0wMTIzNDU2Nzg=";

/// `agenthook listen` with these arguments, and where it listens.
struct Listener {
    child: Running,
    out: BufReader<ChildStdout>,
    url: String,
}

impl Listener {
    fn start(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut child = agenthook(dir.path()).arg("listen").args(args).spawn().expect("it starts");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let mut ready = String::new();
        if args.contains(&"--json") {
            BufReader::new(child.stderr.as_mut().expect("piped")).read_line(&mut ready).expect("a line");
        } else {
            out.read_line(&mut ready).expect("a line");
        }
        assert!(
            ready.contains("agenthook webhooks create --url") && ready.contains("AGENTHOOK_EGRESS_ALLOW")
        );
        let url = ready.split_whitespace().nth(2).expect("a URL").to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "loopback and nothing else: {ready}");
        Self { child: Running(child), out, url }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    fn object(&mut self) -> Value {
        parsed(&self.line())
    }

    fn process(&self) -> &Child {
        &self.child.0
    }

    /// Posts what a server would send, with changes; the answer's status.
    async fn posted(&self, delivery: &Sent) -> u16 {
        let mut post = client().post(format!("{}/any/path?q=1", self.url)).body(delivery.body.clone());
        for (name, value) in &delivery.headers {
            post = post.header(name, value);
        }
        post.send().await.expect("an answer").status().as_u16()
    }
}

#[derive(Clone)]
struct Sent {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What the server sends.
fn delivery(profile: Profile, event: &Event, earlier: u32) -> Sent {
    use secrecy::ExposeSecret;
    let secrets = vec![SigningSecret { text: SECRET.into(), expires_at: None }];
    let target = TargetText { url: "http://127.0.0.1/".into(), ..TargetText::default() };
    let recipient = Recipient::new(WebhookId::new(), profile, target, secrets).expect("a recipient");
    let now = agenthook::clock::Clock::system().now();
    let request = compose(event, &recipient, &Attempt { earlier, now, url: None }).expect("a request");
    let header =
        |header: &agenthook::egress::Header| (header.name.clone(), header.value.expose_secret().to_owned());
    Sent { headers: request.headers.iter().map(header).collect(), body: request.body.to_vec() }
}

fn event() -> Event {
    let data = json!({"ticket": 7, "text": "grüße\u{1b}[2J"});
    Event::new(EventType::Custom("custom.made".into()), None, Time::UNIX_EPOCH, &data)
}

fn model() -> Event {
    let data = json!({
        "model_id": "M/1", "name": "M", "version": "1", "mlflow_run_id": "r", "token_id": "T",
        "metric_name": "accuracy", "baseline_value": 0.9, "tags": {},
    });
    Event::new(EventType::ModelRegistered, None, Time::UNIX_EPOCH, &data)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_profiles_signature_is_checked() {
    let mut listener = Listener::start(&["--json", "--secret", SECRET]);
    for (profile, headers) in [
        (Profile::Standard, &["X-Webhook-Signature", "webhook-signature"][..]),
        (Profile::StandardWebhooks, &["webhook-signature"]),
        (Profile::Hub, &["X-Hub-Signature-256"]),
        (Profile::Hokusai, &["X-Hokusai-Signature"]),
        (Profile::Mlflow, &["x-mlflow-signature"]),
    ] {
        let sent = delivery(profile, &model(), 0);
        assert_eq!(listener.posted(&sent).await, 200);
        let told = listener.object();
        assert_eq!(told["signature"], "valid", "{told}");
        let checked: Vec<_> =
            told["signatures"].as_array().expect("a list").iter().map(|proof| &proof["header"]).collect();
        assert_eq!(checked, headers);
        // one byte of the body
        let mut tampered = sent.clone();
        let last = tampered.body.len() - 1;
        tampered.body[last] = b' ';
        listener.posted(&tampered).await;
        let told = listener.object();
        assert_eq!(told["signature"], "invalid", "{told}");
        assert!(told["signatures"][0]["detail"].as_str().is_some_and(|text| text.contains("secret")));
        // and none at all
        let mut bare = sent;
        bare.headers.retain(|(name, _)| !name.to_lowercase().contains("signature"));
        listener.posted(&bare).await;
        assert_eq!(listener.object()["signature"], "missing");
    }
    // of two signatures both must be right
    let mut half = delivery(Profile::Standard, &event(), 0);
    for (name, value) in &mut half.headers {
        if name == "X-Webhook-Signature" {
            *value = "0".repeat(64);
        }
    }
    listener.posted(&half).await;
    let told = listener.object();
    assert_eq!(told["signature"], "invalid");
    let valid: Vec<_> =
        told["signatures"].as_array().expect("a list").iter().map(|proof| &proof["valid"]).collect();
    assert_eq!(valid, [false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_and_repeats_are_told_and_the_answer_is_chosen() {
    let mut listener = Listener::start(&["--json", "--status", "503"]);
    let event = event();
    for (earlier, repeat) in [(0, false), (1, true)] {
        assert_eq!(listener.posted(&delivery(Profile::Standard, &event, earlier)).await, 503);
        let told = listener.object();
        assert_eq!(
            (&told["event_type"], &told["event_id"], &told["retry_count"], &told["repeat"]),
            (&json!("custom.made"), &json!(event.event_id), &json!(earlier), &json!(repeat))
        );
        assert_eq!((&told["signature"], &told["path"]), (&json!("not_checked"), &json!("/any/path")));
        assert_eq!(told["body"]["data"]["ticket"], 7);
    }
    // what is no JSON is shown as text, and what is no POST is none of it
    let text = Sent { headers: vec![], body: b"hello".to_vec() };
    listener.posted(&text).await;
    let told = listener.object();
    assert_eq!((&told["body"], &told["event_id"]), (&json!("hello"), &Value::Null));
    assert_eq!(client().get(&listener.url).send().await.expect("an answer").status(), 405);
    // Order and numbers stay as they were sent.
    let sent = "{\"b\": 12345678901234567890123,\n \"a\": 1.0}";
    listener.posted(&Sent { headers: vec![], body: sent.into() }).await;
    let line = listener.line();
    assert!(line.contains(r#""body":{"b": 12345678901234567890123,"a": 1.0}"#), "{line}");
    listener.posted(&Sent { headers: vec![], body: vec![b'['; 100_000] }).await;
    assert_eq!(listener.object()["body"].as_str().map(str::len), Some(100_000), "no JSON");
    // One byte too many: it is told so, or cut off while it still sends; and nothing of it is printed.
    let large = client().post(&listener.url).body(vec![b' '; 33_554_433]).send().await;
    assert!(large.is_err() || large.is_ok_and(|answer| answer.status() == 413));
    listener.posted(&text).await;
    assert_eq!(listener.object()["body"], "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_read_it_and_end_it() {
    let mut listener = Listener::start(&["--secret", SECRET, "--profile", "hub"]);
    let event = event();
    listener.posted(&delivery(Profile::Hub, &event, 2)).await;
    let head = listener.line();
    assert!(head.contains("custom.made") && head.contains(&event.event_id.to_string()), "{head}");
    assert!(head.ends_with("attempt 3") && !head.contains('\u{1b}'), "no colours in a pipe: {head}");
    assert_eq!(listener.line(), "  signature: valid (X-Hub-Signature-256)");
    let mut body = String::new();
    while !body.ends_with("\n  }\n") {
        body += &(listener.line() + "\n");
    }
    assert!(body.contains("grüße\\u{1b}[2J") || body.contains("grüße\\u001b[2J"), "made plain: {body}");
    // the profile's header is missing
    let sent = Sent { headers: vec![], body: b"[1]".to_vec() };
    listener.posted(&sent).await;
    assert!(listener.line().contains(" - "), "no type, no id");
    assert_eq!(listener.line(), "  signature: invalid (X-Hub-Signature-256)");
    signal(listener.process(), "INT");
    let status = listener.child.0.wait().expect("it ends");
    assert_eq!(status.code(), Some(0), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_of_listen_is_told() {
    let user = User::nobody();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let complaint = user.run(&["listen", "--port", &port]).await.complaint(1);
    assert!(complaint.starts_with("--port: 127.0.0.1:"), "{complaint}");
    for args in
        [&["--status", "199"][..], &["--status", "600"], &["--profile", "none"], &["--secret", "whsec_!"]]
    {
        let complaint = user.run(&[&["listen"], args].concat()).await.complaint(2);
        assert!(complaint.contains(args[0]) && !complaint.contains("whsec_!"), "{complaint}");
    }
}
