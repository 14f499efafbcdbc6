//! As much of HTTP/1.1 as both ends of a bench need: one message after the other, each with its length.
//!
//! Sender, server and database share the machine's cores: what a client library spends, the server under test lacks.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Where the body is of the message that `bytes` begin with; `None` as long as not all of it is here.
pub fn body_of(bytes: &[u8]) -> Option<Range<usize>> {
    let head = bytes.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let length = bytes[..head].split(|&byte| byte == b'\n').find_map(length_in).unwrap_or(0);
    (bytes.len() >= head + length).then_some(head..head + length)
}

fn length_in(line: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let (name, value) = line.split_at_checked(NAME.len())?;
    if !name.eq_ignore_ascii_case(NAME) {
        return None;
    }
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

/// A kept connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What came back.
pub struct Reply<'c> {
    /// The status code.
    pub status: u16,
    /// The status line and the headers.
    pub head: &'c [u8],
    /// The body.
    pub body: &'c [u8],
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Sends a whole request and reads the whole answer.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<Reply<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(body) = body_of(&self.buffer) {
                let status = self.buffer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
                let status =
                    status.and_then(|digits| digits.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
                return Ok(Reply { status, head: &self.buffer[..body.start], body: &self.buffer[body] });
            }
        }
    }
}

/// One request of the management API, on a connection of its own.
pub async fn call(
    address: SocketAddr,
    method: &str,
    path: &str,
    key: &str,
    body: Option<Value>,
) -> io::Result<(u16, Value)> {
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut connection = Connection::open(address).await?;
    let reply = connection.exchange(request.as_bytes()).await?;
    Ok((reply.status, serde_json::from_slice(reply.body).unwrap_or(Value::Null)))
}
