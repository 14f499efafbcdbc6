//! A tenant's own LLM key: set, shown by its hint, replaced, forgotten.

use serde_json::json;

use crate::harness::{PLATFORM_KEY, Server};

const TENANT_KEY: &str = "sk-the-tenants-own-key-wxyz";

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_by_its_hint_replaced_at_once_and_forgotten_at_once() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let path = "/api/v1/tenants/acme";
    assert_eq!(server.get(path).await["llm_key"], json!({"configured": false}));
    for key in [TENANT_KEY, "sk-another-key-of-the-tenant-abcd"] {
        let hint = json!({"configured": true, "hint": format!("sk-…{}", &key[key.len() - 4..])});
        for answer in [
            server.set_llm_key("acme", key).await,
            server.get(path).await,
            server.get("/api/v1/tenants").await,
        ] {
            assert!(!answer.to_string().contains(&key[3..]), "{answer}");
            let tenant = if answer["tenants"].is_array() { &answer["tenants"][0] } else { &answer };
            assert_eq!(tenant["llm_key"], hint);
        }
        agent.run(&server, json!(key).to_string()).await;
        assert_eq!(server.llm.keys().await.last().map(String::as_str), Some(key));
    }
    server.expect(200, "DELETE", &format!("{path}/llm-key"), None).await;
    assert_eq!(server.get(path).await["llm_key"], json!({"configured": false}));
    assert_eq!(agent.run(&server, "3").await["key_source"], "platform");
    assert_eq!(server.llm.keys().await.last().map(String::as_str), Some(PLATFORM_KEY));

    for key in [json!(""), json!("sk with spaces"), json!("sk-line\nbreak"), json!(7), json!(null)] {
        server.expect(422, "PUT", &format!("{path}/llm-key"), Some(json!({ "key": key }))).await;
    }
    server.expect(404, "PUT", "/api/v1/tenants/nobody/llm-key", Some(json!({"key": TENANT_KEY}))).await;
}
