//! Webhooks: 1 KB of JSON each, no two alike, signed before anybody looks at the clock.

use std::fmt::Write as _;
use std::net::SocketAddr;

use agenthook::model::SecretEncoding;
use agenthook::signature::{Scheme, SigningKey, ToSign};
use serde_json::{Value, json};

use crate::Outcome;

/// Bytes of a body.
const BODY_BYTES: usize = 1024;
/// Digits of a number: as many in every body, so that one can be written over the other.
const DIGITS: usize = 12;
/// Hex digits of a signature.
const HEX: usize = 64;

/// What the agent asks of a payload.
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["ticket_id", "title", "priority"],
        "properties": {
            "ticket_id": {"type": "string", "pattern": "^TKT-[0-9]+$"},
            "title": {"type": "string", "maxLength": 200},
            "priority": {"enum": ["P1", "P2", "P3", "P4"]},
            "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 20},
            "requester": {
                "type": "object", "required": ["email"],
                "properties": {"email": {"type": "string"}, "vip": {"type": "boolean"}},
            },
            "description": {"type": "string"},
        },
    })
}

/// Whoever holds an agent's secret.
pub struct Sender {
    /// Whose it is.
    pub agent_id: String,
    key: SigningKey,
    path: String,
    address: SocketAddr,
    next: u64,
}

/// Signed webhooks. Only what differs between them is kept: number and signature.
pub struct Hooks {
    request: Vec<u8>,
    signature_at: usize,
    number_at: usize,
    first: u64,
    signatures: Vec<[u8; HEX]>,
}

impl Sender {
    /// For the agent with this id and secret.
    pub fn new(address: SocketAddr, agent_id: &str, secret: &str) -> Outcome<Self> {
        let key = Scheme::hub().key(&secret.into(), SecretEncoding::Base64)?;
        let path = format!("/webhook/agents/{agent_id}/webhook");
        Ok(Self { agent_id: agent_id.into(), key, path, address, next: 1 })
    }

    /// Makes so many new ones.
    pub fn sign(&mut self, count: usize) -> Hooks {
        let first = self.next;
        self.next += count as u64;
        let mut body = body();
        let in_body =
            body.windows(DIGITS).position(|digits| digits == [b'0'; DIGITS]).expect("it has a number");
        let sign = |number| {
            write_number(&mut body[in_body..in_body + DIGITS], number);
            let headers = Scheme::hub().sign(&self.key, &ToSign::body(&body)).expect("hub signs everything");
            let digits = headers[0].1.strip_prefix("sha256=").expect("hub has a prefix");
            digits.as_bytes().try_into().expect("SHA-256 has 64 hex digits")
        };
        let signatures = (first..self.next).map(sign).collect();
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {BODY_BYTES}\r\n\
             X-Hub-Signature-256: sha256=",
            self.path, self.address
        );
        let signature_at = head.len();
        let mut request = head.into_bytes();
        request.extend_from_slice(&[b'0'; HEX]);
        request.extend_from_slice(b"\r\n\r\n");
        let number_at = request.len() + in_body;
        request.extend_from_slice(&body);
        Hooks { request, signature_at, number_at, first, signatures }
    }
}

impl Hooks {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.signatures.len()
    }

    /// The bytes of a request, which [`Hooks::write`] makes one of these.
    pub fn blank(&self) -> Vec<u8> {
        self.request.clone()
    }

    /// Makes `request` the one with this index.
    pub fn write(&self, index: usize, request: &mut [u8]) {
        request[self.signature_at..self.signature_at + HEX].copy_from_slice(&self.signatures[index]);
        write_number(&mut request[self.number_at..self.number_at + DIGITS], self.first + index as u64);
    }
}

/// A ticket with the number 0.
fn body() -> Vec<u8> {
    const WORDS: [&str; 7] = ["the", "database", "answers", "slowly", "since", "this", "morning"];
    let mut text = format!(
        r#"{{"ticket_id":"TKT-{:0DIGITS$}","title":"Database slow","priority":"P2","tags":["db","prod"],"requester":{{"email":"a@b.example","vip":true}},"description":""#,
        0
    );
    for word in WORDS.iter().cycle() {
        if text.len() >= BODY_BYTES {
            break;
        }
        let _ = write!(text, "{word} ");
    }
    text.truncate(BODY_BYTES - 2);
    text.push_str(r#""}"#);
    text.into_bytes()
}

fn write_number(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}
