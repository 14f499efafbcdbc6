//! What differs from language to language: literals, keys, and what is put together. The programs around it are the
//! templates in `templates/snippets`.

use askama::Template;

use super::{Part, Recipe, Said};
use crate::model::{SecretEncoding, TimestampUnit};

#[derive(Template)]
#[template(path = "snippets/send.py.txt", escape = "none")]
pub struct Python<'r>(pub &'r Recipe);

#[derive(Template)]
#[template(path = "snippets/send.mjs.txt", escape = "none")]
pub struct Node<'r>(pub &'r Recipe);

#[derive(Template)]
#[template(path = "snippets/send.go.txt", escape = "none")]
pub struct Go<'r>(pub &'r Recipe);

#[derive(Template)]
#[template(path = "snippets/send.php.txt", escape = "none")]
pub struct Php<'r>(pub &'r Recipe);

#[derive(Template)]
#[template(path = "snippets/send.sh.txt", escape = "none")]
pub struct Sh<'r>(pub &'r Recipe);

/// A string of Python, JavaScript and Go: JSON's are theirs too.
fn string(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// A word of a POSIX shell.
pub fn sh(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A string of PHP in which nothing is looked up.
fn php(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}

impl Python<'_> {
    fn key(&self) -> &'static str {
        match self.0.key {
            SecretEncoding::Base64 => "base64.b64decode(secret, validate=True)",
            SecretEncoding::Utf8 => "secret.encode()",
            SecretEncoding::Hex => "bytes.fromhex(secret)",
            SecretEncoding::Whsec => "base64.b64decode(secret.removeprefix(\"whsec_\"), validate=True)",
        }
    }

    fn timestamp(&self) -> Option<&'static str> {
        Some(match self.0.time.as_ref()?.1 {
            TimestampUnit::S => "str(int(time.time()))",
            TimestampUnit::Ms => "str(int(time.time() * 1000))",
            TimestampUnit::Rfc3339 => "time.strftime(\"%Y-%m-%dT%H:%M:%SZ\", time.gmtime())",
        })
    }

    fn signed(&self) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => format!("{}.encode()", string(text)),
            Part::Id => "delivery_id.encode()".to_owned(),
            Part::Timestamp => "timestamp.encode()".to_owned(),
            Part::Body => "body".to_owned(),
        };
        self.0.signed.iter().map(part).collect::<Vec<_>>().join(" + ")
    }

    fn signature(&self) -> String {
        let mac = format!("hmac.new(key, signed, hashlib.{})", self.0.algorithm());
        if self.0.is_hex() {
            format!("{mac}.hexdigest()")
        } else {
            format!("base64.b64encode({mac}.digest()).decode()")
        }
    }

    fn headers(&self) -> Vec<(String, String)> {
        header_strings(self.0, "delivery_id")
    }
}

impl Node<'_> {
    fn key(&self) -> &'static str {
        match self.0.key {
            SecretEncoding::Base64 => "Buffer.from(secret, \"base64\")",
            SecretEncoding::Utf8 => "Buffer.from(secret, \"utf8\")",
            SecretEncoding::Hex => "Buffer.from(secret, \"hex\")",
            SecretEncoding::Whsec => "Buffer.from(secret.replace(/^whsec_/, \"\"), \"base64\")",
        }
    }

    fn timestamp(&self) -> Option<&'static str> {
        Some(match self.0.time.as_ref()?.1 {
            TimestampUnit::S => "String(Math.floor(Date.now() / 1000))",
            TimestampUnit::Ms => "String(Date.now())",
            TimestampUnit::Rfc3339 => "new Date().toISOString()",
        })
    }

    fn updates(&self) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => format!(".update({})", string(text)),
            Part::Id => ".update(id)".to_owned(),
            Part::Timestamp => ".update(timestamp)".to_owned(),
            Part::Body => ".update(body)".to_owned(),
        };
        self.0.signed.iter().map(part).collect()
    }

    fn encoding(&self) -> &'static str {
        if self.0.is_hex() { "hex" } else { "base64" }
    }

    fn headers(&self) -> Vec<(String, String)> {
        header_strings(self.0, "id")
    }
}

impl Go<'_> {
    /// Go takes no import that is not used.
    fn imports(&self) -> Vec<String> {
        let mut imports =
            vec!["bytes", "crypto/hmac", "crypto/rand", "fmt", "io", "log", "net/http", "os", "time"];
        if !self.0.is_hex() || matches!(self.0.key, SecretEncoding::Base64 | SecretEncoding::Whsec) {
            imports.push("encoding/base64");
        }
        if self.0.key == SecretEncoding::Hex {
            imports.push("encoding/hex");
        }
        if self.0.key == SecretEncoding::Whsec {
            imports.push("strings");
        }
        let mut imports: Vec<_> = imports.into_iter().map(ToOwned::to_owned).collect();
        imports.push(format!("crypto/{}", self.0.algorithm()));
        imports.sort();
        imports
    }

    fn key(&self) -> &'static str {
        match self.0.key {
            SecretEncoding::Base64 => "key, err := base64.StdEncoding.DecodeString(secret)\n\tcheck(err)",
            SecretEncoding::Utf8 => "key := []byte(secret)",
            SecretEncoding::Hex => "key, err := hex.DecodeString(secret)\n\tcheck(err)",
            SecretEncoding::Whsec => {
                "key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, \"whsec_\"))\n\tcheck(err)"
            }
        }
    }

    fn timestamp(&self) -> Option<&'static str> {
        Some(match self.0.time.as_ref()?.1 {
            TimestampUnit::S => "fmt.Sprint(time.Now().Unix())",
            TimestampUnit::Ms => "fmt.Sprint(time.Now().UnixMilli())",
            TimestampUnit::Rfc3339 => "time.Now().UTC().Format(time.RFC3339)",
        })
    }

    fn writes(&self) -> Vec<String> {
        let part = |part: &Part| match part {
            Part::Text(text) => format!("[]byte({})", string(text)),
            Part::Id => "[]byte(id)".to_owned(),
            Part::Timestamp => "[]byte(timestamp)".to_owned(),
            Part::Body => "body".to_owned(),
        };
        self.0.signed.iter().map(part).collect()
    }

    fn signature(&self) -> &'static str {
        if self.0.is_hex() {
            "fmt.Sprintf(\"%x\", mac.Sum(nil))"
        } else {
            "base64.StdEncoding.EncodeToString(mac.Sum(nil))"
        }
    }

    fn headers(&self) -> Vec<(String, String)> {
        header_strings(self.0, "id")
    }
}

impl Php<'_> {
    fn key(&self) -> &'static str {
        match self.0.key {
            SecretEncoding::Base64 => "base64_decode($secret, true)",
            SecretEncoding::Utf8 => "$secret",
            SecretEncoding::Hex => "hex2bin($secret)",
            SecretEncoding::Whsec => "base64_decode(preg_replace('/^whsec_/', '', $secret), true)",
        }
    }

    fn timestamp(&self) -> Option<&'static str> {
        Some(match self.0.time.as_ref()?.1 {
            TimestampUnit::S => "(string) time()",
            TimestampUnit::Ms => "sprintf('%d', microtime(true) * 1000)",
            TimestampUnit::Rfc3339 => "gmdate('Y-m-d\\TH:i:s\\Z')",
        })
    }

    fn signed(&self) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => php(text),
            Part::Id => "$id".to_owned(),
            Part::Timestamp => "$timestamp".to_owned(),
            Part::Body => "$body".to_owned(),
        };
        self.0.signed.iter().map(part).collect::<Vec<_>>().join(" . ")
    }

    fn signature(&self) -> String {
        let hash = |binary| format!("hash_hmac('{}', $signed, $key{binary})", self.0.algorithm());
        if self.0.is_hex() { hash("") } else { format!("base64_encode({})", hash(", true")) }
    }

    fn headers(&self) -> Vec<String> {
        let headers = self.0.headers().into_iter();
        let line = |(name, said): (&str, Said)| match said {
            Said::Text(text) => php(&format!("{name}: {text}")),
            Said::Signature => format!("{} . $signature", php(&format!("{name}: {}", self.0.prefix))),
            Said::Id => format!("{} . $id", php(&format!("{name}: "))),
            Said::Timestamp => format!("{} . $timestamp", php(&format!("{name}: "))),
        };
        headers.map(line).collect()
    }
}

impl Sh<'_> {
    /// The key in hex, as openssl takes it.
    fn key(&self) -> String {
        let secret = "\"$AGENTHOOK_SECRET\"";
        let hex = "od -An -v -tx1 | tr -d ' \\n'";
        match self.0.key {
            SecretEncoding::Base64 => format!("$(printf '%s' {secret} | openssl base64 -d -A | {hex})"),
            SecretEncoding::Utf8 => format!("$(printf '%s' {secret} | {hex})"),
            SecretEncoding::Hex => secret.to_owned(),
            SecretEncoding::Whsec => {
                format!("$(printf '%s' {secret} | sed 's/^whsec_//' | openssl base64 -d -A | {hex})")
            }
        }
    }

    fn timestamp(&self) -> Option<&'static str> {
        Some(match self.0.time.as_ref()?.1 {
            TimestampUnit::S => "$(date +%s)",
            TimestampUnit::Ms => "$(date +%s)000",
            TimestampUnit::Rfc3339 => "$(date -u +%Y-%m-%dT%H:%M:%SZ)",
        })
    }

    fn signed(&self) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => sh(text),
            Part::Id => "\"$id\"".to_owned(),
            Part::Timestamp => "\"$timestamp\"".to_owned(),
            Part::Body => "\"$body\"".to_owned(),
        };
        self.0.signed.iter().map(part).collect()
    }

    fn signature(&self) -> String {
        let mac = format!("openssl dgst -{} -mac HMAC -macopt \"hexkey:$key\"", self.0.algorithm());
        match self.0.is_hex() {
            true => format!("{mac} | sed 's/.* //'"),
            false => format!("{mac} -binary | openssl base64 -A"),
        }
    }

    fn headers(&self) -> Vec<String> {
        let headers = self.0.headers().into_iter();
        let word = |(name, said): (&str, Said)| match said {
            Said::Text(text) => sh(&format!("{name}: {text}")),
            Said::Signature => format!("{}\"$signature\"", sh(&format!("{name}: {}", self.0.prefix))),
            Said::Id => format!("{}\"$id\"", sh(&format!("{name}: "))),
            Said::Timestamp => format!("{}\"$timestamp\"", sh(&format!("{name}: "))),
        };
        headers.map(word).collect()
    }
}

/// Headers as names and expressions of Python, JavaScript and Go, which have so much in common.
fn header_strings(recipe: &Recipe, id: &str) -> Vec<(String, String)> {
    let value = |said| match said {
        Said::Text(text) => string(text),
        Said::Signature if recipe.prefix.is_empty() => "signature".to_owned(),
        Said::Signature => format!("{} + signature", string(&recipe.prefix)),
        Said::Id => id.to_owned(),
        Said::Timestamp => "timestamp".to_owned(),
    };
    recipe.headers().into_iter().map(|(name, said)| (string(name), value(said))).collect()
}
