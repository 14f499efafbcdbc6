//! Stands between a client and an HTTP server, and breaks the connection where a test says so.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// Where the connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Before the request has reached the server.
    Before(&'static str),
    /// After the server has done it: the answer is lost.
    After(&'static str),
}

pub struct CutProxy {
    pub url: String,
    cut: Arc<Mutex<Option<Cut>>>,
    _task: AbortOnDropHandle<()>,
}

impl CutProxy {
    /// One before this server, which lets all pass.
    pub async fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let to = server.trim_start_matches("http://").to_owned();
        let cut = Arc::new(Mutex::new(None));
        let its_cut = cut.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, to.clone(), its_cut.clone()));
            }
        });
        Self { url, cut, _task: AbortOnDropHandle::new(task) }
    }

    /// From now on requests whose path has this text are cut; `None` lets all pass again.
    pub fn cut(&self, cut: Option<Cut>) {
        *self.cut.lock().expect("nobody panicked") = cut;
    }
}

async fn pass(mut client: TcpStream, to: String, cut: Arc<Mutex<Option<Cut>>>) -> Option<()> {
    let (head, body) = request(&mut client).await?;
    let line = head.lines().next()?.to_owned();
    let cut = *cut.lock().expect("nobody panicked");
    if matches!(cut, Some(Cut::Before(part)) if line.contains(part)) {
        return None;
    }
    let mut server = TcpStream::connect(to).await.ok()?;
    // One request, one connection: where the answer ends is where the server closes.
    let head = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    server.write_all(head.as_bytes()).await.ok()?;
    server.write_all(&body).await.ok()?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await.ok()?;
    if matches!(cut, Some(Cut::After(part)) if line.contains(part)) {
        return None;
    }
    client.write_all(&answer).await.ok()?;
    client.shutdown().await.ok()
}

async fn request(client: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if client.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:").map(str::to_owned));
    let length: usize = length.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    let mut body = bytes[end..].to_vec();
    while body.len() < length {
        if client.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some((head, body))
}
