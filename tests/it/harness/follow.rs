//! Somebody who reads server-sent events.

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value;

/// Whoever waits longer for a message waits in vain.
const PATIENCE: Duration = Duration::from_secs(60);

/// A stream that is open.
pub struct Following {
    pub headers: HeaderMap,
    /// The last id that was read.
    pub last_id: String,
    /// Comments, as they came.
    pub comments: Vec<String>,
    response: reqwest::Response,
    rest: String,
}

/// A message with data.
#[derive(Clone, Debug)]
pub struct Message {
    pub event: String,
    pub data: Value,
}

impl Following {
    /// Opens it, which must succeed; it has begun when its first id is there.
    pub async fn open(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.expect("the server answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        if status != 200 {
            panic!("{status}: {}", response.text().await.unwrap_or_default());
        }
        let (last_id, comments, rest) = (String::new(), Vec::new(), String::new());
        let mut following = Self { headers, last_id, comments, response, rest };
        while following.last_id.is_empty() {
            let block = following.block().await.expect("it begins");
            assert!(following.take(&block).is_none(), "an id comes before all messages: {block}");
        }
        following
    }

    /// The next message; `None`: the stream has ended, or broke off.
    pub async fn try_next(&mut self) -> Option<Message> {
        loop {
            let block = self.block().await?;
            if let Some(message) = self.take(&block) {
                return Some(message);
            }
        }
    }

    /// The next message, which must come.
    pub async fn next(&mut self) -> Message {
        self.try_next().await.unwrap_or_else(|| panic!("the stream has ended: {:?}", self.comments))
    }

    /// Reads on until an execution has come into this state.
    pub async fn sees(&mut self, execution_id: &str, status: &str) -> Message {
        loop {
            let message = self.next().await;
            if message.data["execution_id"] == execution_id && message.data["status"] == status {
                return message;
            }
        }
    }

    /// Reads to the end.
    pub async fn ends(mut self) -> (Vec<Message>, Vec<String>) {
        let mut messages = Vec::new();
        while let Some(message) = self.try_next().await {
            messages.push(message);
        }
        (messages, self.comments)
    }

    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.rest.split_once("\n\n") {
                let block = block.to_owned();
                self.rest = rest.to_owned();
                return Some(block);
            }
            let piece = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("something comes");
            self.rest += std::str::from_utf8(&piece.ok()??).expect("ASCII");
        }
    }

    fn take(&mut self, block: &str) -> Option<Message> {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        if let Some(id) = field("id: ") {
            self.last_id = id.to_owned();
        }
        self.comments.extend(field(": ").map(str::to_owned));
        let data = serde_json::from_str(field("data: ")?).expect("a line of JSON");
        Some(Message { event: field("event: ").expect("a kind").to_owned(), data })
    }
}
