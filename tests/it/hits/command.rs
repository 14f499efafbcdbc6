//! The ledger from a shell, and the same diagnosis without a server.

use super::*;
use crate::harness::{User, parsed};

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_listed_shown_and_explained() {
    let server = Server::start().await;
    let (user, agent) = (User::of(&server), server.agent().await);
    let refused = agent.post_raw(b"{\"a\":1}", &UNSIGNED).await;
    let accepted = agent.post("{}").await;
    let (refused, accepted) = (refused.header("x-request-id"), accepted.header("x-request-id"));

    let table = user.run(&["hits", "list", "--agent", &agent.id]).await.good();
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(table.contains("missing_header") && table.contains("accepted"), "{table}");
    let args = ["hits", "list", "--agent", &agent.id, "--verdict", "rejected", "--json"];
    let page = parsed(&user.run(&args).await.good());
    assert_eq!(
        (&page["hits"][0]["hit_id"], page["hits"].as_array().map(Vec::len)),
        (&json!(refused), Some(1))
    );

    let explained = user.run(&["hits", "explain", refused]).await.good();
    for part in
        [refused, "invalid_signature", "missing_header: there is no header X-Hub-Signature-256", "hits show"]
    {
        assert!(explained.contains(part), "{part}: {explained}");
    }
    let explained = user.run(&["hits", "explain", accepted]).await.good();
    assert!(explained.contains(&format!("executions show {accepted}")), "{explained}");
    let shown = user.run(&["hits", "show", refused]).await.good();
    assert!(shown.contains("content-type: application/json") && shown.ends_with("{\"a\":1}\n"), "{shown}");
    let nobody = uuid::Uuid::now_v7().to_string();
    let missing = user.run(&["hits", "show", &nobody]).await.complaint(1);
    assert!(missing.starts_with("404 not_found: "), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_gives_the_same_diagnosis_without_a_server() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let user = User::nobody().with("AGENTHOOK_SECRET", &agent.secret);
    let signature = agent.signature(b"{}");
    for (value, body) in [(signature.to_uppercase(), "{}"), (signature.clone(), "{}\n"), (signature, "{ }")] {
        let headers = [UNSIGNED[0], ("x-hub-signature-256", &value)];
        let hit = hit(&server, &agent.post_raw(body.as_bytes(), &headers).await).await;
        let header = format!("X-Hub-Signature-256: {value}");
        let run = user.run_with(&["verify", "--header", &header, "--json", "-"], body.as_bytes()).await;
        assert_eq!(run.code, 1, "{run:?}");
        assert_eq!(parsed(&run.out), json!({"valid": false, "diagnosis": hit["diagnosis"]}));
        let run = user.run_with(&["verify", "--header", &header, "-"], body.as_bytes()).await;
        let code = hit["diagnosis"]["code"].as_str().expect("a code");
        assert!(run.out.starts_with(&format!("invalid: {code}: ")), "{run:?}");
    }
}
