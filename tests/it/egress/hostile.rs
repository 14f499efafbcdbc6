//! Receivers that send too much, too slowly, nothing, or no HTTP: each attempt ends, and little of it is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agenthook::egress::ANSWER_BYTES;
use agenthook::model::DeliveryErrorCode;
use tokio::io::AsyncWriteExt;

use super::{PATIENT, Receiver, SHORT, code, send, sender, signed};
use crate::harness::eventually;

/// What two kernels may hold of an answer that nobody reads, generously.
const IN_KERNELS: usize = 32 << 20;

/// One that begins its answer so and then repeats this until nobody takes it any more; and how much was taken, once that
/// is known.
pub(super) async fn endless(start: &'static str, more: &'static str) -> (Receiver, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let total = taken.clone();
    let receiver = Receiver::start(move |mut connection, _| {
        let total = total.clone();
        async move {
            let more = more.repeat((64 << 10) / more.len() + 1);
            let mut sent = 0;
            let _ = connection.write_all(start.as_bytes()).await;
            while sent < 10 << 30 && connection.write_all(more.as_bytes()).await.is_ok() {
                sent += more.len();
            }
            total.store(sent.max(1), Ordering::SeqCst);
        }
    })
    .await;
    (receiver, taken)
}

async fn known(taken: &AtomicUsize) -> usize {
    eventually("the connection is dropped", async || {
        Some(taken.load(Ordering::SeqCst)).filter(|&taken| taken > 0)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_gigabytes_the_first_four_kilobytes_are_read() {
    for start in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        // a small lie about a bomb: what is announced as gzip is never unpacked
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10737418240\r\n\r\n",
    ] {
        let (receiver, taken) = endless(start, "x").await;
        let answer = send(&receiver.url(), PATIENT).await;
        assert_eq!((answer.status, answer.body), (Some(200), vec![b'x'; ANSWER_BYTES]), "{start}");
        let taken = known(&taken).await;
        assert!(taken < IN_KERNELS, "{start}: {taken} bytes were taken");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_without_end_are_no_answer_and_little_is_read() {
    for (start, more) in [
        ("HTTP/1.1 200 OK\r\n", "X-More: aaaaaaaaaaaaaaaa\r\n"),
        ("HTTP/1.1 200 OK\r\nX-Long: ", "aaaaaaaa"),
        ("HTTP/1.1 ", "0"),
    ] {
        let (receiver, taken) = endless(start, more).await;
        let answer = send(&receiver.url(), PATIENT).await;
        assert_eq!(code(&answer), DeliveryErrorCode::InvalidResponse, "{start}");
        let taken = known(&taken).await;
        assert!(taken < IN_KERNELS, "{start}: {taken} bytes were taken");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gzip_bomb_stays_packed_and_nothing_packed_is_asked_for() {
    let bomb = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0xff; 2000]].concat();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", bomb.len());
    let receiver = Receiver::says([head.as_bytes(), &bomb].concat()).await;
    let answer = send(&receiver.url(), PATIENT).await;
    assert_eq!((answer.status, answer.body), (Some(200), bomb));
    let asked = Receiver::start(|mut connection, request| async move {
        let asks = request.to_ascii_lowercase().contains("accept-encoding");
        let head = format!("HTTP/1.1 {} OK\r\nContent-Length: 0\r\n\r\n", if asks { 500 } else { 200 });
        let _ = connection.write_all(head.as_bytes()).await;
    })
    .await;
    assert_eq!(send(&asked.url(), PATIENT).await.status, Some(200), "no Accept-Encoding is sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_ends_is_left_at_the_timeout() {
    let silent = Receiver::says("").await;
    let half_a_head = Receiver::says("HTTP/1.1 200 OK\r\nContent-").await;
    let half_a_body = Receiver::says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
    let dripping = Receiver::start(|mut connection, _| async move {
        let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n").await;
        while connection.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    for receiver in [silent, half_a_head, half_a_body, dripping] {
        let answer = send(&receiver.url(), SHORT).await;
        assert_eq!(code(&answer), DeliveryErrorCode::Timeout);
        assert!(answer.took >= SHORT, "{:?}", answer.took);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_is_an_invalid_response() {
    for garbage in [
        "garbage\r\n\r\n",
        "\0\u{1}\u{2}\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
    ] {
        let receiver = Receiver::says(garbage).await;
        let answer = send(&receiver.url(), PATIENT).await;
        assert_eq!(code(&answer), DeliveryErrorCode::InvalidResponse, "{garbage:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_closed_or_reset_before_the_answer_is_whole_is_no_connection() {
    for broken in ["", "HTTP/1.1 200 O", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"] {
        let receiver = Receiver::start(move |mut connection, _| async move {
            let _ = connection.write_all(broken.as_bytes()).await;
        })
        .await;
        let answer = send(&receiver.url(), PATIENT).await;
        assert_eq!(code(&answer), DeliveryErrorCode::Connect, "{broken:?}: {:?}", answer.error);
    }
    // What was sent is left unread, which makes the kernel reset the connection.
    let resetting = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/hook", resetting.local_addr().expect("bound"));
    tokio::spawn(async move {
        while let Ok((connection, _)) = resetting.accept().await {
            connection.readable().await.expect("a request comes");
        }
    });
    let answer = send(&url, PATIENT).await;
    assert_eq!(code(&answer), DeliveryErrorCode::Connect, "{:?}", answer.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_that_hang_hold_nobody_up() {
    let hanging = Receiver::says("").await;
    let good = Receiver::says("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
    let sender = sender();
    for _ in 0..200 {
        let (sender, url) = (sender.clone(), hanging.url());
        tokio::spawn(async move { sender.send(&signed(&url), PATIENT).await });
    }
    eventually("all of them hang", async || (hanging.connections() == 200).then_some(())).await;
    for _ in 0..20 {
        assert_eq!(sender.send(&signed(&good.url()), PATIENT).await.status, Some(204));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_used_again() {
    let receiver = Receiver::start(|mut connection, _| async move {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        while connection.write_all(answer).await.is_ok() && !super::request(&mut connection).await.is_empty()
        {
        }
    })
    .await;
    let (sender, sent) = (sender(), AtomicUsize::new(0));
    // It goes back a moment after its answer was read, so the next request may come too early for it.
    eventually("one is used again", async || {
        assert_eq!(sender.send(&signed(&receiver.url()), PATIENT).await.status, Some(200));
        let sent = sent.fetch_add(1, Ordering::SeqCst) + 1;
        (receiver.connections() < sent).then_some(())
    })
    .await;
}
