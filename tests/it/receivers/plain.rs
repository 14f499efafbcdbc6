//! Receivers that compare a hex signature: over the bytes, as Python's do, or over the body written again, as many of
//! JavaScript's do.

use std::path::Path;
use std::process::Command;

use agenthook::egress::SignedRequest;
use agenthook::model::EventType;
use serde_json::json;

use super::{HEX, SECRETS, awkward, body, event, header, signed};
use crate::harness::{Language, fed};

/// What a program below tests/receivers says to each of these requests.
fn verdicts(interpreter: &str, program: &str, requests: &[(SignedRequest, &str, &str)]) -> Vec<String> {
    let lines: String = requests
        .iter()
        .map(|(request, name, secret)| {
            let signature = header(request, name).trim_start_matches("sha256=");
            json!({"secret": secret, "signature": signature, "body": body(request)}).to_string() + "\n"
        })
        .collect();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/receivers").join(program);
    let output = fed(Command::new(interpreter).arg(program), lines.as_bytes());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

fn has_node() -> bool {
    Language::here().iter().any(|language| language.ending == "mjs")
}

/// Every profile under every secret, on the first attempt and on a later one.
fn all() -> Vec<(SignedRequest, &'static str, &'static str)> {
    let mut requests = Vec::new();
    for (profile, name) in HEX {
        let event = awkward(profile);
        for secret in SECRETS {
            requests.push((signed(&event, profile, &[secret], 0), name, secret));
            requests.push((signed(&event, profile, &[secret], 4), name, secret));
        }
    }
    requests
}

#[test]
fn who_verifies_the_bytes_takes_every_profile() {
    let verdicts = verdicts("python3", "raw.py", &all());
    assert_eq!(verdicts, vec!["genuine"; 16]);
}

#[test]
fn who_verifies_a_body_written_again_takes_every_profile() {
    if has_node() {
        assert_eq!(verdicts("node", "rewriting.mjs", &all()), vec!["genuine"; 16]);
    }
}

#[test]
fn what_javascript_cannot_keep_is_verified_over_the_bytes_alone() {
    let requests = || {
        [r#"{"a":9007199254740993}"#, r#"{"b":1,"2":1,"1":2}"#].map(|data| {
            let event = event(EventType::OptimizationCompleted, data);
            let (profile, name) = HEX[0];
            let request = signed(&event, profile, &[SECRETS[0]], 0);
            assert!(body(&request).contains(data), "it goes out as it is: {}", body(&request));
            (request, name, SECRETS[0])
        })
    };
    assert_eq!(verdicts("python3", "raw.py", &requests()), ["genuine", "genuine"]);
    if has_node() {
        assert_eq!(verdicts("node", "rewriting.mjs", &requests()), ["forged", "forged"]);
    }
}
