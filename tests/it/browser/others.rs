//! Those who may not do what an operator does: a viewer, and another site.

use serde_json::json;

use super::{buttons, is_here_and_on_sqlite, pages, plays};
use crate::dashboard::Things;
use crate::harness::{ADMIN_KEY, Server};

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_sees_no_secret_and_no_button() {
    if !is_here_and_on_sqlite() {
        return;
    }
    let server = Server::start().await;
    let things = Things::on(&server).await;
    let secret = things.agent.secret.as_str();
    // The beginning too, which is what others see of it.
    let secrets = [secret, &format!("{}…", &secret[..4])];
    let key = server.api_key("viewer", "acme").await;
    plays("viewer", json!({"url": server.url, "key": key, "paths": pages(&things), "secrets": secrets}))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_frames_nothing_sends_nothing_and_reads_nothing() {
    if !is_here_and_on_sqlite() {
        return;
    }
    let server = Server::start().await;
    let things = Things::on(&server).await;
    let own = server.key("operator", "acme").await;
    let before = server.get("/api/v1/audit?limit=1").await["audit"][0]["subject"].clone();
    let told = json!({
        "url": server.url, "key": own["key"], "name": own["name"], "other_key": ADMIN_KEY, "buttons": buttons(&things),
    });
    plays("framing", told).await;
    assert_eq!(server.executions().await.len(), 1, "nothing was replayed");
    let log = server.get("/api/v1/audit?limit=2").await["audit"].clone();
    assert_eq!(log[0]["action"], "api_key.signed_in", "{log}");
    assert_eq!(log[1]["subject"], before, "that was all: {log}");
}
