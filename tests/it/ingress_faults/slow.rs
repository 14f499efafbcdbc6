//! Senders that take their time lose their connections, and nobody else has to wait for them.

use std::time::{Duration, Instant};

use super::*;

/// Sends a byte a second until the server ends the connection. Returns when that was and what it said.
async fn drip(server: &Server, start: &[u8], rest: u8) -> (Duration, Vec<u8>) {
    let mut stream = TcpStream::connect(address(server)).await.expect("connects");
    let started = Instant::now();
    stream.write_all(start).await.expect("sent");
    let mut answer = Vec::new();
    loop {
        let mut buffer = [0; 1_024];
        match tokio::time::timeout(Duration::from_secs(1), stream.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => return (started.elapsed(), answer),
            Ok(Ok(count)) => answer.extend_from_slice(&buffer[..count]),
            // a write to a closed connection fails, and the next read tells so
            Err(_) => drop(stream.write_all(&[rest]).await),
        }
        assert!(started.elapsed() < Duration::from_secs(90), "the connection is never closed");
    }
}

/// How much later than its limit a connection may be closed on a machine that is busy with other tests.
const GRACE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn slow_senders_are_cut_off_and_others_are_served() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let half_a_head = b"POST /webhook/agents/x/webhook HTTP/1.1\r\nhost: a\r\nx-slow: ";
    let headers = futures_util::future::join_all((0..500).map(|_| drip(&server, half_a_head, b'x')));
    let signature = format!("x-hub-signature-256: {}", agent.signature(TICKET));
    let half_a_body = head(&agent.id, &[b"content-length: 5000", signature.as_bytes()]);
    let bodies = futures_util::future::join_all((0..200).map(|_| drip(&server, &half_a_body, b' ')));
    // meanwhile, others
    let others = async {
        for i in 0..40 {
            let answer = agent.post(format!("[{i}]")).await;
            assert_eq!(answer.status, 202, "{}", answer.text);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let (headers, bodies, ()) = tokio::join!(headers, bodies, others);
    for (took, answer) in headers {
        assert!(took < Duration::from_secs(10) + GRACE, "slow headers were kept for {took:?}");
        assert!(answer.is_empty() || status(&answer) == 408, "{}", String::from_utf8_lossy(&answer));
    }
    for (took, answer) in bodies {
        assert!(took < Duration::from_secs(30) + GRACE, "a slow body was kept for {took:?}");
        assert!(answer.is_empty() || status(&answer) == 408, "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(server.executions().await.len(), 40);
    is_well(&server, &agent).await;
}

/// A client that says nothing at all, or nothing more after its first request.
#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_are_closed() {
    let server = Server::start().await;
    let mut silent = TcpStream::connect(address(&server)).await.expect("connects");
    let mut buffer = Vec::new();
    let limit = Duration::from_secs(10) + GRACE;
    let read = tokio::time::timeout(limit, silent.read_to_end(&mut buffer)).await.expect("closed");
    assert!(read.is_err() || buffer.is_empty() || status(&buffer) == 408);
}
