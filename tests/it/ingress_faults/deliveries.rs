//! The same delivery again is the same execution, however often and however fast it comes.

use std::collections::BTreeSet;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_a_hundred_times_runs_once() {
    let server = Server::start().await;
    let agent = server.agent().await;
    for headers in [&[("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")][..], &[]] {
        let before = server.executions().await.len();
        let first = agent.post_with(TICKET, headers).await;
        assert_eq!(first.status, 202, "{}", first.text);
        for _ in 1..100 {
            let again = agent.post_with(TICKET, headers).await;
            assert_eq!((again.status, &again.body["status"]), (200, &json!("duplicate")), "{}", again.text);
            assert_eq!(again.execution_id(), first.execution_id());
        }
        server.ended(&first.execution_id()).await;
        assert_eq!(server.executions().await.len(), before + 1);
    }
    assert_eq!(server.llm.calls().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_run_once() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let mut executions = BTreeSet::new();
    for round in 0..20 {
        let body = format!(r#"{{"round":{round}}}"#);
        let delivery = format!("delivery-{round}");
        // every other round has no id: then the bytes are the delivery
        let headers = [("idempotency-key", delivery.as_str())];
        let headers = if round % 2 == 0 { &headers[..] } else { &[] };
        let answers = futures_util::future::join_all((0..50).map(|_| agent.post_with(&body, headers))).await;
        let accepted: Vec<_> = answers.iter().filter(|answer| answer.status == 202).collect();
        assert_eq!(accepted.len(), 1, "round {round}");
        for answer in &answers {
            assert!(matches!(answer.status, 202 | 200), "{}", answer.text);
            assert_eq!(answer.execution_id(), accepted[0].execution_id());
        }
        executions.insert(accepted[0].execution_id());
    }
    assert_eq!(executions.len(), 20);
    for id in &executions {
        assert_eq!(server.ended(id).await["status"], "success");
    }
    assert_eq!(server.executions().await.len(), 20);
    assert_eq!(server.llm.calls().await.len(), 20, "one call each");
}

#[tokio::test(flavor = "multi_thread")]
async fn by_body_the_id_does_not_count_and_by_id_the_body_must_be_the_same() {
    let server = Server::start().await;
    let trigger = json!({"type": "webhook", "dedupe": {"by": "body"}});
    let agent = server.agent_with(json!({"trigger": trigger})).await;
    let first = agent.post_with(TICKET, &[("x-github-delivery", "1")]).await;
    let second = agent.post_with(TICKET, &[("x-github-delivery", "2")]).await;
    assert_eq!((first.status, second.status), (202, 200));
    assert_eq!(first.execution_id(), second.execution_id());

    let agent = server.agent().await;
    let first = agent.post_with(TICKET, &[("idempotency-key", "1")]).await;
    let other = agent.post_with(b"{}", &[("idempotency-key", "1")]).await;
    assert_eq!((first.status, other.status), (202, 422));
    assert_eq!(other.body["code"], "idempotency_mismatch");
    assert_eq!(agent.post_with(TICKET, &[("idempotency-key", "2")]).await.status, 202);
    // another agent's delivery of that name is another delivery
    let neighbour = server.agent().await;
    assert_eq!(neighbour.post_with(TICKET, &[("idempotency-key", "1")]).await.status, 202);
}

/// Delivery ids are the sender's: of any length and any bytes that a header carries.
#[tokio::test(flavor = "multi_thread")]
async fn odd_delivery_ids_are_ids() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let signature = format!("x-hub-signature-256: {}", agent.signature(TICKET)).into_bytes();
    let ids: [&[u8]; 6] =
        [b"'; DROP TABLE executions; --", &[b'x'; 20_000], b"\xFF\xFE", "é".as_bytes(), b"%00", b"0"];
    for id in ids {
        let header = [b"idempotency-key: ", id].concat();
        for expected in [202, 200] {
            assert_eq!(status(&exchange(&server, &agent.id, &[&signature, &header], TICKET).await), expected);
        }
    }
    assert_eq!(server.executions().await.len(), ids.len());
}
