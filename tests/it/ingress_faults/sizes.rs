//! The size limit holds to the byte, and what is over it is not read.

use std::cell::Cell;
use std::time::Duration;

use agenthook::config::SettingsArgs;

use crate::harness::Setup;

use super::*;

const LIMIT: usize = 1 << 20;

/// A JSON string of so many bytes.
fn body(bytes: usize) -> Vec<u8> {
    let mut body = vec![b'x'; bytes];
    body[0] = b'"';
    body[bytes - 1] = b'"';
    body
}

/// The same in chunks of 64 KiB.
fn chunked(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in body.chunks(65_536) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

/// Sends what it can and reads what comes, until the server ends the connection. Returns the answer and how
/// much had been sent when it came.
async fn push(server: &Server, head: &[u8], mut chunk: impl FnMut() -> Option<Vec<u8>>) -> (Vec<u8>, usize) {
    let mut stream = TcpStream::connect(address(server)).await.expect("connects");
    stream.write_all(head).await.expect("sent");
    let (mut reader, mut writer) = stream.split();
    let sent = Cell::new(0);
    let write = async {
        while let Some(bytes) = chunk() {
            if writer.write_all(&bytes).await.is_err() {
                break;
            }
            sent.set(sent.get() + bytes.len());
        }
        // the answer ends this, not the end of what there is to send
        std::future::pending::<()>().await;
    };
    let read = async {
        let (mut answer, mut buffer, mut sent_before) = (Vec::new(), [0; 4_096], 0);
        while let Ok(count @ 1..) = reader.read(&mut buffer).await {
            if answer.is_empty() {
                sent_before = sent.get();
            }
            answer.extend_from_slice(&buffer[..count]);
        }
        (answer, sent_before)
    };
    tokio::select! {
        () = write => unreachable!("it waits for the answer"),
        answer = tokio::time::timeout(Duration::from_secs(60), read) => answer.expect("the connection is ended"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_holds_to_the_byte() {
    let server = Server::start().await;
    let agent = server.agent().await;
    for (bytes, expected) in [(LIMIT - 1, 202), (LIMIT, 202), (LIMIT + 1, 413), (2 * LIMIT, 413)] {
        let body = body(bytes);
        assert_eq!(agent.post(&body).await.status, expected, "{bytes} announced");
        // the chunked one is another delivery
        let signature = format!("x-hub-signature-256: {}", agent.signature(&body));
        let headers: [&[u8]; 4] = [
            b"transfer-encoding: chunked",
            b"connection: close",
            b"idempotency-key: chunked",
            signature.as_bytes(),
        ];
        let key = format!("idempotency-key: chunked-{bytes}");
        let headers = [headers[0], headers[1], key.as_bytes(), headers[3]];
        let mut rest = Some(chunked(&body));
        let (answer, _) = push(&server, &head(&agent.id, &headers), || rest.take()).await;
        assert_eq!(status(&answer), expected, "{bytes} in chunks");
    }
    assert_eq!(server.executions().await.len(), 4);
    is_well(&server, &agent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_is_a_setting() {
    let args = SettingsArgs { max_body_bytes: Some("1000".into()), ..SettingsArgs::default() };
    let server = Server::with(Setup { args, ..Setup::default() }).await;
    let agent = server.agent().await;
    for (bytes, expected) in [(999, 202), (1000, 202), (1001, 413)] {
        let answer = agent.post(&body(bytes)).await;
        assert_eq!(answer.status, expected, "{bytes}");
        if expected == 413 {
            assert_eq!(answer.body["code"], "payload_too_large");
        }
    }
}

/// What may be on its way when a refusal is sent, or thrown away in the second until the connection ends. Far
/// more than any machine's buffers, far less than what is offered: this is about reading it all, not about speed.
const SLACK: usize = 1 << 30;

#[tokio::test(flavor = "multi_thread")]
async fn gigabytes_are_refused_before_they_are_read() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let total = 4_usize << 30;
    let length = format!("content-length: {total}");
    let mut left = total;
    let chunk = || {
        (left > 0).then(|| {
            left -= 65_536;
            vec![b'x'; 65_536]
        })
    };
    let (answer, sent) = push(&server, &head(&agent.id, &[length.as_bytes()]), chunk).await;
    assert_eq!(status(&answer), 413);
    assert!(sent < SLACK, "{sent} bytes were taken before the answer");
    is_well(&server, &agent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_body_is_refused_at_the_limit() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let chunk = || Some([b"10000\r\n", &[b'x'; 65_536][..], b"\r\n"].concat());
    let (answer, sent) = push(&server, &head(&agent.id, &[b"transfer-encoding: chunked"]), chunk).await;
    assert_eq!(status(&answer), 413);
    assert!(sent < LIMIT + SLACK, "{sent} bytes were taken before the answer");
    // nor is it read for ever where nobody asked for it
    let start =
        |line: &str| format!("{line} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").into_bytes();
    let put = format!("PUT /webhook/agents/{}/webhook", agent.id);
    for (line, expected) in
        [("POST /nowhere", 404), (&put, 405), ("GET /healthz", 200), ("POST /api/v1/agents", 401)]
    {
        let (answer, sent) = push(&server, &start(line), chunk).await;
        assert_eq!(status(&answer), expected, "{line}");
        assert!(sent < LIMIT + SLACK, "{line}: {sent} bytes were taken before the answer");
    }
    is_well(&server, &agent).await;
}

/// Lies about the length, and both lengths at once: HTTP's own refusals, and never a second request from one.
#[tokio::test(flavor = "multi_thread")]
async fn lengths_that_contradict_are_refused() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let signature = format!("x-hub-signature-256: {}", agent.signature(TICKET));
    let smuggled =
        [b"0\r\n\r\n", &head(&agent.id, &[signature.as_bytes(), b"content-length: 0"])[..]].concat();
    let cases: [&[&[u8]]; 5] = [
        &[b"content-length: 5", b"transfer-encoding: chunked"],
        &[b"content-length: 5", b"content-length: 6"],
        &[b"content-length: -1"],
        &[b"content-length: 99999999999999999999999"],
        &[b"transfer-encoding: chunked, gzip"],
    ];
    for headers in cases {
        let mut rest = Some(smuggled.clone());
        let (answer, _) = push(&server, &head(&agent.id, headers), || rest.take()).await;
        assert!((400..500).contains(&status(&answer)), "{}", String::from_utf8_lossy(&answer));
    }
    assert!(server.executions().await.is_empty());
    is_well(&server, &agent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_bodies_and_other_types_are_415() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let bomb = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03";
    for encoding in ["gzip", "br", "deflate", "zstd", "identity, gzip", "GZIP", "x"] {
        let answer = agent.post_with(bomb, &[("content-encoding", encoding)]).await;
        assert_eq!(answer.status, 415, "{encoding}: {}", answer.text);
    }
    assert_eq!(agent.post_with(b"[1]", &[("content-encoding", "identity")]).await.status, 202);
    let signature = agent.signature(TICKET);
    for kind in
        ["text/plain", "application/xml", "multipart/form-data; boundary=x", "text/html", "nonsense", ""]
    {
        let answer =
            agent.post_raw(TICKET, &[("content-type", kind), ("x-hub-signature-256", &signature)]).await;
        assert_eq!(answer.status, 415, "{kind:?}");
    }
    for other in ["application/json", "application/x-www-form-urlencoded"] {
        assert_eq!(agent.post_with(TICKET, &[("content-type", other)]).await.status, 415, "and {other}");
    }
    // what some scheme takes, but not this one, is told to nobody
    let form = [("content-type", "application/x-www-form-urlencoded"), ("x-hub-signature-256", &signature)];
    assert_eq!(agent.post_raw(TICKET, &form).await.status, 401);
    for kind in ["application/json; charset=utf-8", "Application/JSON", "application/vnd.acme+json"] {
        let headers =
            [("content-type", kind), ("x-hub-signature-256", signature.as_str()), ("idempotency-key", kind)];
        assert_eq!(agent.post_raw(TICKET, &headers).await.status, 202, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_keys_are_refused() {
    let args = SettingsArgs { max_body_bytes: Some("26214400".into()), ..SettingsArgs::default() };
    let server = Server::with(Setup { args, ..Setup::default() }).await;
    let agent = server.agent().await;
    let keys: Vec<_> = (0..1_000_000).map(|i| format!("\"{i}\":{i}")).collect();
    let answer = agent.post(format!("{{{}}}", keys.join(","))).await;
    assert_eq!((answer.status, &answer.body["code"]), (400, &json!("malformed_json")));
    is_well(&server, &agent).await;
}
