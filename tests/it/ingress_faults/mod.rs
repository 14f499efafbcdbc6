//! What must not hurt the front door: wrong signatures, hostile bodies, repeats, slow senders, hostile schemas.
//! Black box, over real sockets; each story ends by asking whether the server is as well as before.

mod bodies;
mod deliveries;
mod random;
mod schemas;
mod signatures;
mod sizes;
mod slow;

use futures_util::StreamExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Agent, Server};

/// A ticket as in the other stories.
const TICKET: &[u8] = br#"{"ticket_id":"TKT-123","description":"Issue"}"#;

/// That nothing was lost or left behind: the server answers, and takes and runs a right webhook.
async fn is_well(server: &Server, agent: &Agent) {
    assert_eq!(server.get("/readyz").await["status"], "ready");
    let id = uuid::Uuid::new_v4().to_string();
    let answer = agent.post_with(TICKET, &[("idempotency-key", &id)]).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(server.ended(&answer.execution_id()).await["status"], "success");
}

/// The address part of a server's URL.
fn address(server: &Server) -> &str {
    server.url.strip_prefix("http://").expect("a plain URL")
}

/// A POST to an agent's webhook, byte by byte as no HTTP library would send it.
fn head(agent_id: &str, headers: &[&[u8]]) -> Vec<u8> {
    let mut head =
        format!("POST /webhook/agents/{agent_id}/webhook HTTP/1.1\r\nhost: agenthook.test\r\n").into_bytes();
    for header in headers {
        head.extend_from_slice(header);
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// Sends a whole request on a connection of its own and reads until the server closes it.
async fn exchange(server: &Server, agent_id: &str, headers: &[&[u8]], body: &[u8]) -> Vec<u8> {
    let length = format!("content-length: {}", body.len()).into_bytes();
    let mut all: Vec<&[u8]> = vec![b"connection: close", &length];
    all.extend_from_slice(headers);
    let mut stream = TcpStream::connect(address(server)).await.expect("connects");
    let mut request = head(agent_id, &all);
    request.extend_from_slice(body);
    stream.write_all(&request).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("answered");
    answer
}

/// The status of a raw answer.
fn status(answer: &[u8]) -> u16 {
    let line = String::from_utf8_lossy(&answer[..answer.len().min(40)]).into_owned();
    let word = line.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {line:?}"));
    word.parse().expect("a status")
}

/// Runs many checks, some at once: a refusal is not sent at once, and waiting for each in turn would take minutes.
async fn all<T, F: Future<Output = ()>>(cases: impl IntoIterator<Item = T>, check: impl Fn(T) -> F) {
    futures_util::stream::iter(cases).map(check).buffer_unordered(32).collect::<Vec<_>>().await;
}
