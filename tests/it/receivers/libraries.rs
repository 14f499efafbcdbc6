//! The libraries of Standard Webhooks, in Rust and in Python.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use agenthook::egress::SignedRequest;
use agenthook::model::Profile;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderMap;
use secrecy::ExposeSecret;
use serde_json::json;
use standardwebhooks::Webhook;

use super::{SECRETS, awkward, body, signed};
use crate::harness::{env, fed};

const PROFILES: [Profile; 2] = [Profile::Standard, Profile::StandardWebhooks];
const OTHER: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// What is pasted into a library for this secret: the API shows it as `standard_webhooks_secret`.
fn pasted(secret: &str) -> String {
    match secret.strip_prefix("whsec_") {
        Some(_) => secret.to_owned(),
        None => format!("whsec_{}", STANDARD.encode(secret)),
    }
}

/// Requests, what the library is given as the secret, and whether that is one that they are signed with.
fn cases() -> Vec<(SignedRequest, String, bool)> {
    let mut cases = Vec::new();
    for profile in PROFILES {
        let event = awkward(profile);
        for secret in SECRETS {
            let mut changed = signed(&event, profile, &[secret], 0);
            changed.body = [&changed.body[..], b" "].concat().into();
            cases.push((signed(&event, profile, &[secret], 0), pasted(secret), true));
            cases.push((signed(&event, profile, &[secret], 3), pasted(secret), true));
            cases.push((signed(&event, profile, &[secret], 0), OTHER.to_owned(), false));
            cases.push((changed, pasted(secret), false));
        }
        // While a secret is exchanged, those who have the new one and those who still have the old one take it.
        for secret in SECRETS {
            cases.push((signed(&event, profile, &SECRETS, 0), pasted(secret), true));
        }
    }
    cases
}

fn headers(request: &SignedRequest) -> HashMap<String, String> {
    let pair = |header: &agenthook::egress::Header| {
        (header.name.to_lowercase(), header.value.expose_secret().to_owned())
    };
    request.headers.iter().map(pair).collect()
}

#[test]
fn the_library_of_rust_verifies_what_goes_out() {
    for (request, secret, genuine) in cases() {
        let headers: HeaderMap = (&headers(&request)).try_into().expect("headers");
        let verdict = Webhook::new(&secret).expect("a secret").verify(&request.body, &headers);
        assert_eq!(verdict.is_ok(), genuine, "{verdict:?} {}", body(&request));
    }
}

#[test]
fn the_library_of_python_verifies_what_goes_out() {
    let python = env("AGENTHOOK_TEST_RECEIVERS")
        .expect("AGENTHOOK_TEST_RECEIVERS is not set: run ./scripts/test.sh, which installs it");
    let cases = cases();
    let line = |(request, secret, _): &(SignedRequest, String, bool)| {
        json!({"secret": secret, "headers": headers(request), "body": body(request)}).to_string() + "\n"
    };
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/receivers/library.py");
    let lines: String = cases.iter().map(line).collect();
    let output = fed(Command::new(python).arg(program), lines.as_bytes());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let wanted: Vec<_> = cases
        .iter()
        .map(|(.., genuine)| if *genuine { "genuine" } else { "WebhookVerificationError" })
        .collect();
    assert_eq!(said.lines().collect::<Vec<_>>(), wanted);
}
