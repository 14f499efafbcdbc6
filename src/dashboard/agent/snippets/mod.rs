//! Programs that send to an agent, to be copied: with its URL and as its scheme signs, over the bytes that are sent. The
//! secret is in none of them: it comes from the environment.

mod languages;

use askama::Template;
use serde_json::Value;

use crate::api::view::AgentView;
use crate::dashboard::show::Show;
use crate::model::{
    Algorithm, CustomScheme, SchemeName, SecretEncoding, SignatureEncoding, TimestampUnit, Trigger,
};
use languages::{Go, Node, Php, Python, Sh};

/// A program.
pub struct Snippet {
    pub language: &'static str,
    /// Of its element.
    pub id: &'static str,
    pub text: String,
}

/// How to send one payload to one agent.
pub struct Recipe {
    url: String,
    /// JSON in ASCII: text that every language and terminal leaves as it is.
    body: String,
    key: SecretEncoding,
    algorithm: Algorithm,
    encoding: SignatureEncoding,
    header: String,
    prefix: String,
    signed: Vec<Part>,
    time: Option<(String, TimestampUnit)>,
    id_header: String,
}

/// A part of what is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Id,
    Timestamp,
    Body,
}

/// What a header says.
enum Said {
    Text(&'static str),
    Signature,
    Id,
    Timestamp,
}

/// Programs that send this payload to this agent: in five languages where its scheme is one that people write senders
/// for, else a command that signs as the vendor does. None: only the vendor can sign.
pub fn snippets(agent: &AgentView, payload: &Value) -> Vec<Snippet> {
    let (Some(trigger), Some(url)) = (&agent.trigger, &agent.webhook_url) else { return Vec::new() };
    match by_hand(trigger) {
        Some(custom) => Recipe::of(&custom, trigger.encoding(), url, payload).programs(),
        None => signed_by_command(trigger, url, payload).into_iter().collect(),
    }
}

/// The scheme in full, where it is one that people write senders for.
fn by_hand(trigger: &Trigger) -> Option<CustomScheme> {
    let of = |text: &str| serde_json::from_str(text).expect("a scheme");
    match trigger.scheme {
        SchemeName::Hub => Some(of(r#"{"header": "X-Hub-Signature-256", "prefix": "sha256="}"#)),
        SchemeName::StandardWebhooks => {
            Some(of(r#"{"header": "webhook-signature", "prefix": "v1,", "encoding": "base64",
                "template": "{id}.{timestamp}.{body}", "timestamp_header": "webhook-timestamp",
                "id_header": "webhook-id"}"#))
        }
        SchemeName::Custom => trigger.custom.clone(),
        _ => None,
    }
}

/// Through the command line, which signs as any sender does.
fn signed_by_command(trigger: &Trigger, url: &str, payload: &Value) -> Option<Snippet> {
    // Twilio and Discord hold what they sign with, and nobody else does.
    if let SchemeName::Twilio | SchemeName::Discord = trigger.scheme {
        return None;
    }
    let text = format!(
        "# AGENTHOOK_SECRET: the secret. `agenthook sign` prints a curl command, which is run.\n\
         printf '%s' {} > payload.json\n\
         agenthook sign --scheme {} --secret-encoding {} --curl {} payload.json | sh\n",
        languages::sh(&ascii(payload)),
        trigger.scheme.word(),
        trigger.encoding().word(),
        languages::sh(url),
    );
    Some(Snippet { language: "Shell", id: "send-sh", text })
}

impl Recipe {
    fn of(custom: &CustomScheme, key: SecretEncoding, url: &str, payload: &Value) -> Self {
        Self {
            url: url.to_owned(),
            body: ascii(payload),
            key,
            algorithm: custom.algorithm,
            encoding: custom.encoding,
            header: custom.header.clone(),
            prefix: custom.prefix.clone(),
            signed: parts(&custom.template, url),
            time: custom.timestamp_header.clone().map(|header| (header, custom.timestamp_unit)),
            // Any agent takes this one for an id.
            id_header: custom.id_header.clone().unwrap_or_else(|| "Idempotency-Key".to_owned()),
        }
    }

    fn programs(&self) -> Vec<Snippet> {
        let rendered = [
            ("Shell", "send-sh", Sh(self).render()),
            ("Python", "send-python", Python(self).render()),
            ("Node", "send-node", Node(self).render()),
            ("Go", "send-go", Go(self).render()),
            ("PHP", "send-php", Php(self).render()),
        ];
        let made = rendered.into_iter().filter_map(|(language, id, text)| {
            let text =
                text.inspect_err(|error| tracing::error!(%error, language, "a snippet cannot be written"));
            Some(Snippet { language, id, text: text.ok()? })
        });
        made.collect()
    }

    fn algorithm(&self) -> &'static str {
        match self.algorithm {
            Algorithm::Sha1 => "sha1",
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        }
    }

    fn is_hex(&self) -> bool {
        self.encoding == SignatureEncoding::Hex
    }

    /// The headers of a request, in their order.
    fn headers(&self) -> Vec<(&str, Said)> {
        let time = self.time.as_ref().map(|(header, _)| (header.as_str(), Said::Timestamp));
        let first =
            [("Content-Type", Said::Text("application/json")), (self.header.as_str(), Said::Signature)];
        let id = [(self.id_header.as_str(), Said::Id)];
        first.into_iter().chain(time).chain(id).collect()
    }
}

/// The parts of a template, with the URL in its place.
fn parts(template: &str, url: &str) -> Vec<Part> {
    let (mut parts, mut rest) = (Vec::new(), template);
    let mut text = String::new();
    while !rest.is_empty() {
        let places = [
            ("{id}", Some(Part::Id)),
            ("{timestamp}", Some(Part::Timestamp)),
            ("{body}", Some(Part::Body)),
            ("{url}", None),
        ];
        let found = places.into_iter().find_map(|(name, part)| Some((part, rest.strip_prefix(name)?)));
        let Some((part, after)) = found else {
            let mut characters = rest.chars();
            text.extend(characters.next());
            rest = characters.as_str();
            continue;
        };
        rest = after;
        match part {
            None => text.push_str(url),
            Some(part) => {
                if !text.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                }
                parts.push(part);
            }
        }
    }
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    parts
}

/// JSON without a character beyond printable ASCII.
fn ascii(payload: &Value) -> String {
    let mut text = String::new();
    for c in payload.to_string().chars() {
        if (' '..='~').contains(&c) {
            text.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            text.push_str(&format!("\\u{unit:04x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_template_in_its_parts() {
        let text = |text: &str| Part::Text(text.to_owned());
        assert_eq!(parts("{body}", "u"), [Part::Body]);
        assert_eq!(
            parts("v0:{timestamp}{id}:{url}:ä{body}", "http://h/w"),
            [text("v0:"), Part::Timestamp, Part::Id, text(":http://h/w:ä"), Part::Body]
        );
    }

    #[test]
    fn a_payload_is_ascii_and_stays_what_it_is() {
        let payload = json!({"ä": "🔑\u{7f}\u{feff}\n'\\"});
        let text = ascii(&payload);
        assert!(text.chars().all(|c| (' '..='~').contains(&c)), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), payload);
    }
}
