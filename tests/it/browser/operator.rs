//! An operator's day, from the door to the door.

use serde_json::json;
use wiremock::ResponseTemplate;

use super::{is_here, plays};
use crate::dashboard::failed_delivery;
use crate::harness::{Receiver, Server};

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_understands_and_acts() {
    if !is_here() {
        return;
    }
    let server = Server::start().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let receiver = Receiver::start().await;
    receiver.answers(ResponseTemplate::new(500).set_body_string("out of order"));
    let (webhook_id, delivery_id) = failed_delivery(&server, &receiver, json!({})).await;
    receiver.answers(ResponseTemplate::new(204));
    let told = json!({
        "url": server.url, "key": server.api_key("operator", "acme").await, "receiver": receiver.url(),
    });
    plays("operator_day", told).await;
    receiver.got(2).await;
    let path = format!("/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}");
    assert_eq!(server.get(&path).await["status"], "success");
}
