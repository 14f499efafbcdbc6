//! What makes two hooks the same delivery, whoever sends them.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_captured_request_under_a_new_id_starts_nothing() {
    let server = Server::without_worker().await;
    for (name, header) in [
        (SchemeName::Github, "X-GitHub-Delivery"),
        (SchemeName::Shopify, "X-Shopify-Webhook-Id"),
        (SchemeName::Sentry, "Request-ID"),
        (SchemeName::Jira, "X-Atlassian-Webhook-Identifier"),
        (SchemeName::Mlflow, "Idempotency-Key"),
    ] {
        let sender = Sender::new(&server, name, json!({})).await;
        let with =
            |id: &str| [sender.signed("{}", server.clock.now()), vec![(header.into(), id.into())]].concat();
        let id = new(&sender.post("{}", &with("1")).await);
        duplicate_of(&sender.post("{}", &with("2")).await, &id);
        duplicate_of(&sender.post("{}", &sender.signed("{}", server.clock.now())).await, &id);
        // two bodies under one id are two deliveries: nothing but the bytes counts
        new(&sender
            .post(
                "[]",
                &[sender.signed("[]", server.clock.now()), vec![(header.into(), "1".into())]].concat(),
            )
            .await);
    }
    // whoever asks for it has the sender's ids
    let by_id = Sender::new(&server, SchemeName::Github, json!({"dedupe": {"by": "id"}})).await;
    let with = |id: &str| {
        [by_id.signed("{}", server.clock.now()), vec![("X-GitHub-Delivery".into(), id.into())]].concat()
    };
    let id = new(&by_id.post("{}", &with("1")).await);
    duplicate_of(&by_id.post("{}", &with("1")).await, &id);
    new(&by_id.post("{}", &with("2")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_curl_command_after_five_minutes_is_a_new_run() {
    let server = Server::with_manual_clock().await;
    let curl = Sender::new(&server, SchemeName::Bearer, json!({})).await;
    let headers = curl.signed("{}", server.clock.now());
    let id = new(&curl.post("{}", &headers).await);
    server.clock.advance(Duration::from_millis(299_999));
    duplicate_of(&curl.post("{}", &headers).await, &id);
    server.clock.advance(Duration::from_millis(1));
    assert_ne!(new(&curl.post("{}", &headers).await), id);
    // a vendor's bytes are remembered for a day
    let vendor = Sender::new(&server, SchemeName::Jira, json!({})).await;
    let headers = vendor.signed("{}", server.clock.now());
    let id = new(&vendor.post("{}", &headers).await);
    server.clock.advance(Duration::from_secs(86_399));
    duplicate_of(&vendor.post("{}", &headers).await, &id);
    server.clock.advance(Duration::from_secs(1));
    assert_ne!(new(&vendor.post("{}", &headers).await), id);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_signed_names_the_delivery_whatever_else_is_said() {
    let server = Server::start().await;
    let sender = Sender::new(&server, SchemeName::StandardWebhooks, json!({"dedupe": {"by": "id"}})).await;
    let now = server.clock.now();
    let signed = |body: &str, id: &str| sender.signed_at(body, now, id, "");
    let posts = (0..50).map(|n| {
        let body = json!({"n": n}).to_string();
        let key = vec![("Idempotency-Key".to_owned(), n.to_string())];
        let headers = [signed(&body, "msg_1"), key].concat();
        let sender = &sender;
        async move { sender.post(&body, &headers).await }
    });
    let answers = futures_util::future::join_all(posts).await;
    let accepted: Vec<_> = answers.iter().filter(|answer| answer.status == 202).collect();
    let [accepted] = accepted[..] else { panic!("{} were accepted", accepted.len()) };
    let id = new(accepted);
    for answer in answers.iter().filter(|answer| answer.status != 202) {
        duplicate_of(answer, &id);
    }
    new(&sender.post("{}", &signed("{}", "msg_2")).await);
    // of what has failed the same id names a new run
    server.ended(&id).await;
    server.llm.answers(crate::harness::error(400, "invalid_request_error", "no"));
    let failed = new(&sender.post("[1]", &signed("[1]", "msg_3")).await);
    assert_eq!(server.ended(&failed).await["status"], "failed");
    server.llm.answers(crate::harness::completion("now"));
    let second = new(&sender.post("[1]", &signed("[1]", "msg_3")).await);
    assert_ne!(second, failed);
    duplicate_of(&sender.post("[2]", &signed("[2]", "msg_3")).await, &second);
}
