//! No answer, half of one, too much of one.

use std::time::Instant;

use super::*;

#[tokio::test]
async fn an_answer_is_never_longer_than_the_cap() {
    let long = json!({"choices": [{"message": {"content": "x".repeat(10_000)}}]});
    let error = answered(ResponseTemplate::new(200).set_body_json(long)).await.expect_err("too long");
    assert_eq!((error.code, error.retryable), (ErrorCode::LlmInvalidResponse, false));
    assert!(error.message.contains("10000"), "{}", error.message);

    // Endless and without a length: what counts is what came.
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let mut parts = vec![head];
    parts.resize(2_000, format!("1000\r\n{}\r\n", " ".repeat(0x1000)).into_bytes());
    let client = raw(parts, Duration::from_millis(1)).await;
    let error = call(&client, LONG).await.expect_err("too long");
    assert_eq!((error.code, error.retryable), (ErrorCode::LlmInvalidResponse, false));
}

#[tokio::test]
async fn half_an_answer_is_a_failure_to_repeat() {
    let body = good().to_string();
    let half = &body[..body.len() / 2];
    let length = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{half}", body.len());
    let chunk =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{half}\r\n", half.len());
    let close = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{half}");
    for wire in [length, chunk, close, "HTTP/1.1 200 O".to_owned(), String::new(), "SSH-2.0".to_owned()] {
        let client = raw(vec![wire.clone().into_bytes()], Duration::ZERO).await;
        let error = call(&client, LONG).await.expect_err("half an answer");
        assert_eq!((error.code, error.retryable), (ErrorCode::LlmUnavailable, true), "{wire}");
    }
    // An error's status says enough, even when its body is cut.
    let refusal = "HTTP/1.1 429 Too Many\r\ncontent-length: 900\r\nretry-after: 3\r\n\r\n{\"error\":";
    let client = raw(vec![refusal.as_bytes().to_vec()], Duration::ZERO).await;
    let error = call(&client, LONG).await.expect_err("a refusal");
    assert_eq!((error.code, error.retry_after), (ErrorCode::LlmRateLimited, Some(Duration::from_secs(3))));
}

#[tokio::test]
async fn a_slow_answer_ends_at_the_timeout() {
    let (_server, slow) = serving(ResponseTemplate::new(200).set_delay(LONG)).await;
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n".to_vec();
    let mut drops = vec![head];
    drops.resize(500, b" ".to_vec());
    let trickle = raw(drops, Duration::from_millis(50)).await;
    for client in [slow, trickle] {
        let start = Instant::now();
        let error = call(&client, Duration::from_millis(300)).await.expect_err("no answer");
        assert!(start.elapsed() < Duration::from_secs(5));
        assert_eq!((error.code, error.retryable), (ErrorCode::LlmTimeout, true));
        assert!(error.message.contains("0.3 s"), "{}", error.message);
    }
}

#[tokio::test]
async fn nobody_there_is_said_without_an_address() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    for url in [format!("http://127.0.0.1:{port}"), "http://no-such-host.invalid:4000".to_owned()] {
        let error = call(&client(&url), LONG).await.expect_err("nobody there");
        assert_eq!((error.code, error.retryable, error.status), (ErrorCode::LlmUnavailable, true, None));
        assert!(error.message.contains("cannot be reached"), "{}", error.message);
        assert!(!error.message.contains("127.0.0.1") && !error.message.contains("no-such-host"));
    }
}
