//! The way out meets receivers that mean it ill, and names that lead elsewhere.

mod answers;
mod endpoints;
mod hostile;
mod targets;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agenthook::egress::{Answer, Guard, Header, MayShow, Sender, SignedRequest};
use agenthook::model::DeliveryErrorCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::install_tls;

/// Stands in every URL and header that is sent here: no message may hold it.
const PLANTED: &str = "planted-credential-0123456789";
/// Much longer than any receiver here needs that ends by itself.
const PATIENT: Duration = Duration::from_secs(120);
/// For those that never end.
const SHORT: Duration = Duration::from_millis(500);

/// A receiver whose every connection is handled by the test.
struct Receiver {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Receiver {
    /// Reads each request whole, and hands its connection and the request's text on.
    async fn start<F: Future<Output = ()> + Send + 'static>(
        then: impl Fn(TcpStream, String) -> F + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let then = then.clone();
                tokio::spawn(async move {
                    let request = request(&mut connection).await;
                    then(connection, request).await;
                });
            }
        });
        Self { port, connections }
    }

    /// Answers each connection's first request with these bytes, and then keeps silent.
    async fn says(answer: impl Into<Vec<u8>>) -> Self {
        let answer: Arc<[u8]> = answer.into().into();
        Self::start(move |mut connection, _| {
            let answer = answer.clone();
            async move {
                let _ = connection.write_all(&answer).await;
                // until the other side hangs up
                let _ = connection.read_to_end(&mut Vec::new()).await;
            }
        })
        .await
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook?token={PLANTED}", self.port)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A request, to the end of its body. What is no HTTP ends with the first bytes.
async fn request(connection: &mut TcpStream) -> String {
    let (mut read, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let bytes = connection.read(&mut chunk).await.unwrap_or(0);
        read.extend_from_slice(&chunk[..bytes]);
        let text = String::from_utf8_lossy(&read).into_owned();
        if bytes == 0 || is_whole(&text) || !text.starts_with("POST") {
            return text;
        }
    }
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    length.is_some_and(|length: usize| body.len() >= length)
}

const BODY: &str = r#"{"event_id":"evt_1"}"#;

fn signed(url: &str) -> SignedRequest {
    let header =
        |name: &str, value: &str, may_show| Header { name: name.into(), value: value.into(), may_show };
    SignedRequest {
        url: url.into(),
        headers: vec![
            header("Content-Type", "application/json", MayShow::Yes),
            header("Authorization", PLANTED, MayShow::No),
        ],
        body: BODY.into(),
    }
}

fn sender_with(guard: Guard) -> Sender {
    install_tls();
    Sender::new(guard).expect("a client")
}

/// One that may reach receivers on this machine.
fn sender() -> Sender {
    sender_with(Guard::new(vec!["127.0.0.0/8".parse().expect("a network")]))
}

async fn send(url: &str, timeout: Duration) -> Answer {
    sender().send(&signed(url), timeout).await
}

/// The code of an attempt that failed. Its message says something, and no secret.
fn code(answer: &Answer) -> DeliveryErrorCode {
    let error = answer.error.as_ref().unwrap_or_else(|| panic!("it did not fail: {answer:?}"));
    assert!(answer.status.is_none() && answer.body.is_empty(), "{answer:?}");
    assert!(!error.message.is_empty());
    for secret in [PLANTED, "token="] {
        assert!(!error.message.contains(secret), "{}", error.message);
    }
    error.code
}
