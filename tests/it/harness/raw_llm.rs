//! A proxy under the test's thumb: it holds every call until it is told to answer, and then says exactly these
//! bytes and hangs up. For answers that break off, and for what can be seen while a call is out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::eventually;
use super::llm::completion_body;

/// The proxy. What is a call is known only by its bytes, so every connection is one.
pub struct RawLlm {
    pub url: String,
    calls: Arc<AtomicUsize>,
    hung_up: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

impl RawLlm {
    /// Holds the calls; when let go, each is answered with these bytes.
    pub async fn start(answer: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let (calls, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let (seen, open, answer) = (calls.clone(), gate.clone(), Arc::new(answer.into()));
        let hung_up = Arc::new(AtomicUsize::new(0));
        let gone = hung_up.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (seen, gone, open) = (seen.clone(), gone.clone(), open.clone());
                tokio::spawn(serve(connection, seen, gone, open, answer.clone()));
            }
        });
        Self { url, calls, hung_up, gate }
    }

    /// A good completion.
    pub fn completion(text: &str) -> String {
        let body = completion_body(text).to_string();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Waits until there have been so many calls.
    pub async fn called(&self, times: usize) {
        eventually("the LLM is called", async || (self.calls() >= times).then_some(())).await;
    }

    /// Waits until so many callers have hung up without an answer.
    pub async fn was_hung_up(&self, times: usize) {
        let hung_up = async || (self.hung_up.load(Ordering::SeqCst) >= times).then_some(());
        eventually("the caller hangs up", hung_up).await;
    }

    /// Answers the call that has waited longest, whether or not its caller still listens.
    pub fn answer_one(&self) {
        self.gate.add_permits(1);
    }

    /// Answers everything, what comes later too.
    pub fn let_go(&self) {
        self.gate.close();
    }
}

async fn serve(
    connection: TcpStream,
    calls: Arc<AtomicUsize>,
    hung_up: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
    answer: Arc<Vec<u8>>,
) {
    let mut connection = BufReader::new(connection);
    let (mut line, mut length) = (String::new(), 0);
    while connection.read_line(&mut line).await.is_ok_and(|read| read > 0) && line != "\r\n" {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().expect("a length");
        }
        line.clear();
    }
    if connection.read_exact(&mut vec![0; length]).await.is_err() || length == 0 {
        return;
    }
    calls.fetch_add(1, Ordering::SeqCst);
    let mut turn = std::pin::pin!(gate.acquire());
    let turn = tokio::select! {
        turn = &mut turn => turn,
        // Nothing more comes on this connection but its end.
        _ = connection.read_u8() => {
            hung_up.fetch_add(1, Ordering::SeqCst);
            turn.await
        }
    };
    // Closing the semaphore opens the gate for all.
    if let Ok(turn) = turn {
        turn.forget();
    }
    let _ = connection.write_all(&answer).await;
    let _ = connection.shutdown().await;
}
