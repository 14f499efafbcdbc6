//! The receivers in examples/, which integrators copy.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use agenthook::egress::{Guard, Sender, SignedRequest};
use agenthook::model::Profile;
use chrono::TimeDelta;

use super::{HEX, SECRETS, awkward, signed};
use crate::harness::{Language, Running, install_tls};

const PATIENT: Duration = Duration::from_secs(60);

/// A receiver of its own process, and the URL that it prints.
fn start(language: Language, args: &[&str]) -> (Running, String) {
    let mut command = language.program("receive");
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child: Child = command.spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let running = Running(child);
    let url = lines.next().expect("a line").expect("text");
    // What it prints of each event must go somewhere.
    std::thread::spawn(move || lines.for_each(drop));
    (running, url)
}

/// What it answers.
async fn told(sender: &Sender, url: &str, mut request: SignedRequest) -> String {
    request.url = url.into();
    let answer = sender.send(&request, PATIENT).await;
    let status = answer.status.unwrap_or_else(|| panic!("{:?}", answer.error));
    format!("{status} {}", String::from_utf8_lossy(&answer.body).trim_end())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_takes_what_is_signed_and_handles_each_event_once() {
    install_tls();
    let sender = Sender::new(Guard::new(vec!["127.0.0.0/8".parse().expect("a network")])).expect("a client");
    let standard =
        [(Profile::Standard, "webhook-signature"), (Profile::StandardWebhooks, "webhook-signature")];
    for language in Language::here() {
        if !["py", "mjs", "go"].contains(&language.ending) {
            continue;
        }
        for (profile, header) in standard.into_iter().chain(HEX) {
            for secret in SECRETS {
                let (_running, url) =
                    tokio::task::spawn_blocking(move || start(language, &[secret, "0", header]))
                        .await
                        .expect("it starts");
                let what = format!("receive.{} {header} {profile:?}", language.ending);
                let (event, mut other) = (awkward(profile), awkward(profile));
                // `mlflow` has no id: its events are told apart by what they say.
                other.at += TimeDelta::seconds(1);
                let forged = |change: fn(&mut SignedRequest)| {
                    let mut request = signed(&event, profile, &[secret], 0);
                    change(&mut request);
                    request
                };
                let unsigned = forged(|request| request.headers.retain(|one| one.name == "Content-Type"));
                for (request, answer) in [
                    (signed(&event, profile, &["another secret's text"], 0), "401 invalid signature"),
                    (
                        forged(|request| request.body = [&request.body[..], b"\n"].concat().into()),
                        "401 invalid signature",
                    ),
                    (unsigned, "401 invalid signature"),
                    (signed(&event, profile, &[secret], 0), "200 handled"),
                    (signed(&event, profile, &[secret], 1), "200 seen before"),
                    (signed(&other, profile, &[secret], 0), "200 handled"),
                ] {
                    assert_eq!(told(&sender, &url, request).await, answer, "{what}");
                }
                if header == "webhook-signature" {
                    let both = signed(&awkward(profile), profile, &["the newest secret of all", secret], 0);
                    assert_eq!(told(&sender, &url, both).await, "200 handled", "{what}");
                }
            }
        }
    }
}
