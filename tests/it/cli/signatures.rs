//! Payloads are signed, sent and verified.

use serde_json::json;

use super::{SECRET, TICKET};
use crate::harness::{Server, User, parsed};

/// The signature of the one under the other.
const SIGNED: &str =
    "X-Hub-Signature-256: sha256=845a546e7293147509fe09b16b40f86e1ba8a2356b413d58bb3aa27c428600c3";

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
