//! An MLflow that is down, that asks who is there, or that is something else.

use agenthook::config::{OutboundArgs, SettingsArgs};
use serde_json::{Value, json};
use wiremock::matchers::{any, header};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{notify_path, register_as, wanted};
use crate::harness::{ADMIN_KEY, Mlflow, Server, Setup};

async fn code(server: &Server) -> (u16, Value, String) {
    let answer = register_as(server, ADMIN_KEY, &wanted("0123456789abcdef")).await;
    let told = server.ask("POST", &notify_path("m", "1"), Some(ADMIN_KEY), None).await;
    assert_eq!((answer.status, &answer.body["code"]), (told.status, &told.body["code"]), "{}", told.text);
    (answer.status, answer.body["code"].clone(), answer.body["detail"].as_str().expect("text").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_answers_in_its_place_is_told_apart() {
    let server = Mlflow::server_at("http://127.0.0.1:1").await;
    let (status, word, detail) = code(&server).await;
    assert_eq!((status, word), (502, json!("mlflow_unavailable")));
    assert!(detail.contains("cannot be reached") && !detail.contains("127.0.0.1"), "{detail}");

    let huge = format!("{{\"x\":\"{}\"}}", "x".repeat(9 << 20));
    for (answer, word) in [
        (ResponseTemplate::new(500), "mlflow_unavailable"),
        (
            ResponseTemplate::new(302).insert_header("location", "http://169.254.169.254/"),
            "mlflow_unavailable",
        ),
        (ResponseTemplate::new(200).set_body_string("<html>"), "mlflow_unavailable"),
        (ResponseTemplate::new(200).set_body_string(huge), "mlflow_unavailable"),
        (ResponseTemplate::new(404).set_body_string("<html>"), "mlflow_unavailable"),
        (ResponseTemplate::new(401), "mlflow_refused"),
        (ResponseTemplate::new(403).set_body_string("Invalid Host header"), "mlflow_refused"),
    ] {
        let fake = MockServer::start().await;
        Mock::given(any()).respond_with(answer).mount(&fake).await;
        let (status, seen, detail) = code(&Mlflow::server_at(&fake.uri()).await).await;
        assert_eq!((status, seen), (502, json!(word)), "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_go_to_mlflow_and_nowhere_else() {
    for (outbound, sent) in [
        (
            OutboundArgs { mlflow_tracking_token: Some("planted-token".into()), ..OutboundArgs::default() },
            "Bearer planted-token",
        ),
        (
            OutboundArgs {
                mlflow_tracking_username: Some("me".into()),
                mlflow_tracking_password: Some("planted".into()),
                ..OutboundArgs::default()
            },
            "Basic bWU6cGxhbnRlZA==",
        ),
    ] {
        let fake = MockServer::start().await;
        let says_so = json!({"error_code": "INTERNAL_ERROR", "message": "no such user: planted"});
        Mock::given(header("authorization", sent))
            .respond_with(ResponseTemplate::new(500).set_body_json(says_so))
            .expect(2)
            .mount(&fake)
            .await;
        let outbound = OutboundArgs { mlflow_tracking_uri: Some(fake.uri()), ..outbound };
        let args = SettingsArgs { outbound, ..SettingsArgs::default() };
        let server = Server::with(Setup { args, worker: false, ..Setup::default() }).await;
        let (_, word, detail) = code(&server).await;
        assert_eq!(word, json!("mlflow_unavailable"));
        assert!(!detail.contains("planted"), "{detail}");
        for (column, bytes) in server.database.contents().await {
            assert!(!String::from_utf8_lossy(&bytes).contains("planted"), "{column}");
        }
    }
}
