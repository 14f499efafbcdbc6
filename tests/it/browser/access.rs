//! Everybody can use the pages: whatever the width, the colours and the device.

use serde_json::json;

use super::{is_here_and_on_sqlite, pages, plays};
use crate::dashboard::Things;
use crate::harness::{ADMIN_KEY, Server};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_keeps_anybody_out_and_nothing_scrolls_sideways() {
    if !is_here_and_on_sqlite() {
        return;
    }
    let server = Server::start().await;
    let things = Things::on(&server).await;
    let mut paths = pages(&things);
    paths.extend(["/nowhere", "/errors", "/errors/llm_timeout"].map(Into::into));
    plays("access", json!({"url": server.url, "key": ADMIN_KEY, "paths": paths})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyboard_is_enough() {
    if !is_here_and_on_sqlite() {
        return;
    }
    let server = Server::start().await;
    let things = Things::on(&server).await;
    plays("keyboard", json!({"url": server.url, "key": ADMIN_KEY, "execution_id": things.execution_id}))
        .await;
    assert_eq!(server.executions().await.len(), 2, "it was replayed");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_script_is_needed() {
    if !is_here_and_on_sqlite() {
        return;
    }
    let server = Server::start().await;
    let things = Things::on(&server).await;
    plays(
        "without_script",
        json!({"url": server.url, "key": ADMIN_KEY, "execution_id": things.execution_id}),
    )
    .await;
    assert_eq!(server.executions().await.len(), 2, "it was replayed");
}
