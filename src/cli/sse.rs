//! Server-sent events as they come in: bytes, lines, messages (WHATWG HTML, 9.2.6).

/// What a message says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// The kind; empty if it says none.
    pub(super) event: String,
    pub(super) data: String,
}

/// Makes messages of the pieces of an answer.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// A line that has not ended.
    line: Vec<u8>,
    message: Message,
    id: Option<String>,
    /// How far one has come who has read the messages so far.
    pub(super) last_id: Option<String>,
}

impl Messages {
    /// The messages that end in this piece.
    pub(super) fn of(&mut self, piece: &[u8]) -> Vec<Message> {
        let mut whole = Vec::new();
        for byte in piece {
            match byte {
                b'\n' => {
                    let line = std::mem::take(&mut self.line);
                    whole.extend(self.take(&String::from_utf8_lossy(&line)));
                }
                b'\r' => {}
                byte => self.line.push(*byte),
            }
        }
        whole
    }

    /// What is left of an answer that broke off is no message.
    pub(super) fn begin_anew(&mut self) {
        *self = Self { last_id: self.last_id.take(), ..Self::default() };
    }

    fn take(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            if let Some(id) = self.id.take() {
                self.last_id = Some(id);
            }
            let message = std::mem::take(&mut self.message);
            return (!message.data.is_empty()).then_some(message);
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => self.id = Some(value.to_owned()),
            "event" => self.message.event = value.to_owned(),
            "data" => self.message.data.push_str(value),
            // A comment, or nothing that we ask for.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_in_pieces_and_only_whole_ones_count() {
        let text = "retry: 2000\nid: 1\n\n: here\n\nid: 2\nevent: a\ndata: {\"x\":\"ü: 1\"}\r\n\r\nid: 3\nda";
        for size in [1, 2, 7, 100] {
            let mut messages = Messages::default();
            let seen: Vec<_> = text.as_bytes().chunks(size).flat_map(|piece| messages.of(piece)).collect();
            let expected = Message { event: "a".into(), data: "{\"x\":\"ü: 1\"}".into() };
            assert_eq!((seen, messages.last_id.as_deref()), (vec![expected], Some("2")));
            messages.begin_anew();
            assert_eq!(messages.of(b"data: b\n\n")[0].event, "", "what broke off is forgotten");
            assert_eq!(messages.last_id.as_deref(), Some("2"));
        }
    }
}
