//! `docs/signatures.md` is the presets as a table.

use super::*;
use crate::model::{Algorithm, SignatureEncoding, TimestampUnit};
use crate::signature::mac::{Layout, MacRules};

const PAGE: &str = include_str!("../../../docs/signatures.md");

/// A scheme as its row.
fn row(scheme: &Scheme) -> String {
    let code = |text: &str| format!("`{text}`");
    let (headers, template, signature, tolerance, mut ids) = match &scheme.proof {
        Proof::Mac(rules) => mac_row(rules),
        Proof::Gitlab(rules) => {
            let (headers, template, signature, tolerance, ids) = mac_row(rules);
            let headers = format!("{headers}; or `X-Gitlab-Token`");
            (headers, template, format!("{signature}; or the token itself"), tolerance, ids)
        }
        Proof::Twilio => (
            "`X-Twilio-Signature`".into(),
            "`{url}` and the sorted form; or `{url}` with `bodySHA256`".into(),
            "HMAC-SHA1, base64".into(),
            "–".into(),
            Vec::new(),
        ),
        Proof::Discord => (
            "`X-Signature-Ed25519`, `X-Signature-Timestamp`".into(),
            "`{timestamp}{body}`".into(),
            "Ed25519, hex".into(),
            "300 s".into(),
            Vec::new(),
        ),
        Proof::Token(carrier) => {
            let signature = match carrier {
                Carrier::Bearer => "`Bearer ` and the token",
                Carrier::Basic => "`Basic ` and base64 of `user:password`",
                Carrier::Gitlab => unreachable!("only beside a signing token"),
            };
            (code(carrier.header()), "nothing".into(), signature.into(), "–".into(), Vec::new())
        }
    };
    ids.extend(scheme.body_id.map(|path| format!("`/{}` (signed)", path.join("/"))));
    ids.extend(scheme.id_headers.iter().skip(1).map(|name| code(name)));
    let ids = if ids.is_empty() { "–".to_owned() } else { ids.join(", ") };
    let content = if scheme.takes_forms { "JSON, form" } else { "JSON" };
    let page = if scheme.page.is_empty() { "–".to_owned() } else { format!("[page]({})", scheme.page) };
    let (name, encoding) = (word(scheme.name), word(scheme.name.default_encoding()));
    format!(
        "| `{name}` | {headers} | {template} | {signature} | `{encoding}` | {tolerance} | {ids} | {content} | {} | {page} |",
        scheme.status
    )
}

fn mac_row(rules: &MacRules) -> (String, String, String, String, Vec<String>) {
    let set = |names: &mac::Names| {
        let all = [Some(&names.signature), names.timestamp.as_ref(), names.id.as_ref()];
        all.into_iter().flatten().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    };
    let headers = rules.names.iter().map(set).collect::<Vec<_>>().join("; or ");
    let algorithm = match rules.algorithm {
        Algorithm::Sha1 => "SHA1",
        Algorithm::Sha256 => "SHA256",
        Algorithm::Sha512 => "SHA512",
    };
    let encoding = match rules.encoding {
        SignatureEncoding::Hex => "hex",
        SignatureEncoding::Base64 => "base64",
    };
    let prefix = match (rules.prefix.as_ref(), rules.prefix_needed) {
        ("", _) => String::new(),
        (prefix, true) => format!(", `{prefix}`"),
        (prefix, false) => format!(", `{prefix}` or nothing"),
    };
    let layout = match &rules.layout {
        Layout::One => "",
        Layout::List(separator) if separator == " " => "; several by a blank",
        Layout::List(_) | Layout::Fields => "; several by `,`",
    };
    let tolerance = rules.time.as_ref().map_or("–".to_owned(), |rule| {
        let unit = match rule.unit {
            TimestampUnit::S => "",
            TimestampUnit::Ms => ", in ms",
            TimestampUnit::Rfc3339 => ", in RFC 3339",
        };
        let place = match &rule.source {
            TimeSource::Header => String::new(),
            TimeSource::Field => ", `t=`".to_owned(),
            TimeSource::Body(path) => format!(", the body's `/{}`", path.join("/")),
        };
        format!("{} s{place}{unit}", rule.tolerance)
    });
    let ids = rules.names[0].id.iter().map(|name| format!("`{name}` (signed)")).collect();
    let template = format!("`{}`", rules.template.text);
    (headers, template, format!("HMAC-{algorithm}, {encoding}{prefix}{layout}"), tolerance, ids)
}

/// The word of an enum in the API.
fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).expect("a word").as_str().expect("a word").to_owned()
}

#[test]
fn the_documentation_has_every_preset_as_it_is() {
    let rows: Vec<_> = SchemeName::ALL
        .into_iter()
        .filter(|name| *name != SchemeName::Custom)
        .map(|name| row(&preset(name)))
        .collect();
    let missing: Vec<_> = rows.iter().filter(|row| !PAGE.lines().any(|line| line == *row)).collect();
    assert!(missing.is_empty(), "docs/signatures.md lacks:\n{}", rows.join("\n"));
    let documented = PAGE.lines().filter(|line| line.starts_with("| `") && line.contains(" | JSON")).count();
    assert_eq!(documented, rows.len(), "and has no others");
}
