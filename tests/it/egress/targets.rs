//! Where requests go, and where they never go.

use std::net::IpAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use agenthook::egress::{Guard, Names, Resolution};
use agenthook::model::DeliveryErrorCode;
use futures_util::future::BoxFuture;
use tokio::io::AsyncWriteExt;

use super::{PATIENT, PLANTED, Receiver, code, send, sender_with, signed};
use crate::harness::free_address;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A resolver under the test's thumb: each look-up has the next of these answers, the last one for ever.
#[derive(Clone)]
struct Told {
    answers: Arc<[&'static [&'static str]]>,
    looks: Arc<AtomicUsize>,
}

impl Told {
    fn new(answers: &[&'static [&'static str]]) -> Self {
        Self { answers: answers.into(), looks: Arc::default() }
    }
}

impl Names for Told {
    fn look_up(&self, _: &str) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        let look = self.looks.fetch_add(1, Ordering::SeqCst).min(self.answers.len() - 1);
        let found = self.answers[look].iter().map(|text| text.parse().expect("an address")).collect();
        Box::pin(async move { Ok(found) })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_spelling_of_a_private_address_is_connected_to() {
    let receiver = Receiver::says(OK).await;
    let sender = sender_with(Guard::new(Vec::new()));
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "１２７.０.０.１",
        "0",
        "[::]",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b:1:7f00:0:100:808:808]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "[fe80::1]",
        "224.0.0.1",
    ] {
        let url = format!("http://{host}:{}/hook?token={PLANTED}", receiver.port);
        let answer = sender.send(&signed(&url), PATIENT).await;
        assert_eq!(code(&answer), DeliveryErrorCode::RefusedAddress, "{host}");
    }
    for url in [format!("http://{PLANTED}@8.8.8.8/hook"), "ftp://8.8.8.8/hook".into(), PLANTED.into()] {
        let answer = sender.send(&signed(&url), PATIENT).await;
        assert_eq!(code(&answer), DeliveryErrorCode::Unsendable, "{url}");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_to_a_private_address_is_not_connected_to() {
    let receiver = Receiver::says(OK).await;
    let url = format!("http://receiver.test:{}/hook?token={PLANTED}", receiver.port);
    for (answers, wanted) in [
        (&[&["127.0.0.1"][..]][..], DeliveryErrorCode::RefusedAddress),
        (&[&["8.8.8.8", "127.0.0.1"]], DeliveryErrorCode::RefusedAddress),
        (&[&["127.0.0.1", "2606:4700:4700::1111"]], DeliveryErrorCode::RefusedAddress),
        (&[&["::ffff:127.0.0.1"]], DeliveryErrorCode::RefusedAddress),
        (&[&[]], DeliveryErrorCode::Dns),
    ] {
        let sender = sender_with(Guard::with_names(Vec::new(), Told::new(answers)));
        assert_eq!(code(&sender.send(&signed(&url), PATIENT).await), wanted, "{answers:?}");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_elsewhere_after_it_was_saved_is_not_connected_to() {
    let receiver = Receiver::says(OK).await;
    let url = format!("http://rebinds.test:{}/hook", receiver.port);
    let sender = sender_with(Guard::with_names(Vec::new(), Told::new(&[&["8.8.8.8"], &["127.0.0.1"]])));
    assert_eq!(sender.guard().check(&url).await, Ok(Resolution::Fine));
    assert_eq!(code(&sender.send(&signed(&url), PATIENT).await), DeliveryErrorCode::RefusedAddress);
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_goes_to_what_was_checked_and_nobody_asks_twice() {
    let receiver = Receiver::start(|mut connection, request| async move {
        let right = request.contains("\r\nhost: receiver.test:") && request.contains("\r\nauthorization: ");
        let head = format!("HTTP/1.1 {} OK\r\nContent-Length: 0\r\n\r\n", if right { 200 } else { 400 });
        let _ = connection.write_all(head.as_bytes()).await;
    })
    .await;
    // The second answer is allowed too, but is somewhere else.
    let told = Told::new(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let allow = vec!["127.0.0.0/8".parse().expect("a network")];
    let sender = sender_with(Guard::with_names(allow, told.clone()));
    let url = format!("http://receiver.test:{}/hook", receiver.port);
    assert_eq!(sender.send(&signed(&url), PATIENT).await.status, Some(200));
    assert_eq!((receiver.connections(), told.looks.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_there_or_cannot_be_trusted() {
    let nobody = format!("http://{}/hook?token={PLANTED}", free_address());
    assert_eq!(code(&send(&nobody, PATIENT).await), DeliveryErrorCode::Connect);
    let plain = Receiver::says("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let url = plain.url().replace("http:", "https:");
    assert_eq!(code(&send(&url, PATIENT).await), DeliveryErrorCode::Tls);
}

/// Sends once, to where the variable says, in a process whose environment names a proxy.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the_environments_proxy_is_not_asked"]
async fn sends_once() {
    let url = crate::harness::env("AGENTHOOK_TEST_TARGET").expect("where to");
    assert_eq!(send(&url, PATIENT).await.status, Some(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environments_proxy_is_not_asked() {
    let (receiver, proxy) = (Receiver::says(OK).await, Receiver::says(OK).await);
    let mut again = Command::new(std::env::current_exe().expect("this program"));
    again.args(["--ignored", "--exact", "egress::targets::sends_once"]);
    again.env("AGENTHOOK_TEST_TARGET", receiver.url()).env_remove("NO_PROXY").env_remove("no_proxy");
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        again.env(name, format!("http://127.0.0.1:{}", proxy.port));
    }
    let output =
        tokio::task::spawn_blocking(move || again.output()).await.expect("it ends").expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!((receiver.connections(), proxy.connections()), (1, 0));
}
