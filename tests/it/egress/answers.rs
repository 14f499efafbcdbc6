//! What is made of an answer.

use std::time::Duration;

use agenthook::egress::{ANSWER_BYTES, Answer};

use super::{PATIENT, Receiver, send};

async fn answered(answer: impl Into<Vec<u8>>) -> Answer {
    let receiver = Receiver::says(answer).await;
    let answer = send(&receiver.url(), PATIENT).await;
    assert_eq!(answer.error, None);
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_an_answer_and_nobody_follows_it() {
    let elsewhere = Receiver::says("HTTP/1.1 200 OK\r\n\r\n").await;
    for status in [301, 302, 303, 307, 308] {
        let location = elsewhere.url();
        let head = format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(answered(head).await.status, Some(status));
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_kept_as_far_as_its_limit() {
    for (sent, kept) in [
        (0, 0),
        (ANSWER_BYTES - 1, ANSWER_BYTES - 1),
        (ANSWER_BYTES, ANSWER_BYTES),
        (ANSWER_BYTES + 1, ANSWER_BYTES),
    ] {
        let head = format!("HTTP/1.1 500 Oh\r\nContent-Length: {sent}\r\n\r\n");
        let answer = answered([head.into_bytes(), vec![0xff; sent]].concat()).await;
        assert_eq!((answer.status, answer.body), (Some(500), vec![0xff; kept]), "{sent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_long_a_receiver_wants_to_be_left_alone() {
    let day = Duration::from_secs(86_400);
    for (headers, wait) in [
        ("", None),
        ("Retry-After: 0\r\n", Some(Duration::ZERO)),
        ("Retry-After: 120\r\n", Some(Duration::from_secs(120))),
        ("retry-after:  7 \r\n", Some(Duration::from_secs(7))),
        ("Retry-After: 86400\r\n", Some(day)),
        ("Retry-After: 86401\r\n", Some(day)),
        ("Retry-After: 18446744073709551615\r\n", Some(day)),
        ("Retry-After: 99999999999999999999999\r\n", None),
        ("Retry-After: -1\r\n", None),
        ("Retry-After: soon\r\n", None),
        ("Retry-After: 1e9\r\n", None),
        // a date counts from the receiver's own clock
        (
            "Date: Tue, 25 Nov 2025 12:00:00 GMT\r\nRetry-After: Tue, 25 Nov 2025 12:01:30 GMT\r\n",
            Some(Duration::from_secs(90)),
        ),
        ("Date: Tue, 25 Nov 2025 12:00:00 GMT\r\nRetry-After: Wed, 25 Nov 2026 12:00:00 GMT\r\n", Some(day)),
        ("Date: Tue, 25 Nov 2025 12:00:00 GMT\r\nRetry-After: Tue, 25 Nov 2025 11:00:00 GMT\r\n", None),
    ] {
        let head = format!("HTTP/1.1 503 Busy\r\n{headers}Content-Length: 0\r\n\r\n");
        let answer = answered(head).await;
        assert_eq!((answer.status, answer.retry_after), (Some(503), wait), "{headers}");
    }
}
