//! The LLM: answers every call with one completion, after a delay or when it is told to, and counts.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::wire::body_of;

/// Connections that the kernel keeps until they are taken: thousands may come at once.
const BACKLOG: u32 = 4096;
const COMPLETION: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"bench","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"Priority P2: route it to the database team."}}],"usage":{"prompt_tokens":290,"completion_tokens":11,"total_tokens":301}}"#;

/// The LLM.
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    counts: Arc<Counts>,
    delay: watch::Sender<Option<Duration>>,
    arrivals: mpsc::UnboundedReceiver<Instant>,
    listener: JoinHandle<()>,
}

#[derive(Default)]
struct Counts {
    in_flight: AtomicUsize,
    peak: AtomicUsize,
    answered: AtomicUsize,
}

impl Upstream {
    /// Answers after this time; `None`: not before it is told so.
    pub async fn start(delay: Option<Duration>) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        let (delay, says) = watch::channel(delay);
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let counts = Arc::new(Counts::default());
        let counting = counts.clone();
        let listener = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // An end of the connection is the other side's business.
                tokio::spawn(serve(stream, counting.clone(), says.clone(), arrived.clone()));
            }
        });
        Ok(Self { address, counts, delay, arrivals, listener })
    }

    /// From now on every call is answered after this time, those that wait too.
    pub fn answer_after(&self, delay: Duration) {
        self.delay.send_replace(Some(delay));
    }

    /// From now on calls are held.
    pub fn hold(&self) {
        self.delay.send_replace(None);
    }

    /// Calls that wait for an answer.
    pub fn in_flight(&self) -> usize {
        self.counts.in_flight.load(Ordering::Relaxed)
    }

    /// The most that ever did.
    pub fn peak(&self) -> usize {
        self.counts.peak.load(Ordering::Relaxed)
    }

    /// Answers so far.
    pub fn answered(&self) -> usize {
        self.counts.answered.load(Ordering::Relaxed)
    }

    /// When the next call arrived, whole; `None` if none comes within `patience`.
    pub async fn next_call(&mut self, patience: Duration) -> Option<Instant> {
        tokio::time::timeout(patience, self.arrivals.recv()).await.ok().flatten()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    counts: Arc<Counts>,
    mut delay: watch::Receiver<Option<Duration>>,
    arrived: mpsc::UnboundedSender<Instant>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-litellm-response-cost: 1.33e-05\r\n\
         Content-Length: {}\r\n\r\n{COMPLETION}",
        COMPLETION.len()
    );
    let mut call = Vec::with_capacity(4096);
    loop {
        call.clear();
        while body_of(&call).is_none() {
            if stream.read_buf(&mut call).await? == 0 {
                return Ok(());
            }
        }
        let _ = arrived.send(Instant::now());
        let now = counts.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        counts.peak.fetch_max(now, Ordering::Relaxed);
        let wait = delay.wait_for(Option::is_some).await.map(|delay| delay.unwrap_or_default());
        if let Ok(wait) = wait {
            tokio::time::sleep(wait).await;
        }
        counts.in_flight.fetch_sub(1, Ordering::Relaxed);
        if wait.is_err() {
            return Ok(());
        }
        stream.write_all(answer.as_bytes()).await?;
        counts.answered.fetch_add(1, Ordering::Relaxed);
    }
}
