//! API keys: made and shown once, listed, revoked; whoever revokes their own is signed out.

use serde_json::json;

use super::Browser;
use super::webhook_forms::secret_of;
use crate::harness::{ADMIN_KEY, Server};

#[tokio::test(flavor = "multi_thread")]
async fn one_is_made_shown_once_and_revoked() {
    let server = Server::without_worker().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    assert!(browser.sees("/keys").await.has("href=\"/keys/new\""));
    let form = browser.sees("/keys/new?tenant_id=acme").await;
    assert_eq!(form.form("/keys").fields["tenant_id"], "acme");
    for (typed, says) in [
        ([("name", " "), ("role", "viewer"), ("tenant_id", "acme")], "must have 1 to 200 characters"),
        ([("name", "kept"), ("role", "admin"), ("tenant_id", "acme")], "must be left out"),
        ([("name", "kept"), ("role", "operator"), ("tenant_id", "")], "is required"),
        ([("name", "kept"), ("role", "operator"), ("tenant_id", "none")], "names no tenant"),
    ] {
        let refused = browser.fill(&form, "/keys", &typed).await;
        assert_eq!((refused.status, refused.has(says)), (422, true), "{typed:?}: {}", refused.text);
        let kept = refused.form("/keys").fields;
        assert_eq!((kept["role"].as_str(), kept["name"].as_str()), (typed[1].1, typed[0].1));
    }
    let made = browser.fill(&form, "/keys", &[("name", "on call"), ("role", "viewer")]).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let key = secret_of(&made);
    let viewer = Browser::signed_in(&server, &key).await;
    let list = browser.sees("/keys").await;
    assert!(list.has("on call") && list.has(">yours</span>") && !list.has(&key), "{}", list.text);
    let keys = server.get("/api/v1/keys").await;
    let id = keys["keys"][0]["key_id"].as_str().expect("an id").to_owned();
    let path = format!("/keys/{id}/delete");
    assert!(list.has(&format!("href=\"{path}\"")) && list.has(&format!("href=\"/audit?key_id={id}\"")));
    assert!(browser.sees(&format!("/audit?key_id={id}")).await.has("api_key.signed_in"));
    let ask = browser.sees(&path).await;
    assert!(ask.has("on call (viewer)") && ask.has("is refused within a second"), "{}", ask.text);
    let revoked = browser.press(&ask, &path).await;
    assert_eq!(revoked.header("location"), "/keys?done=key_revoked", "{}", revoked.text);
    assert!(browser.sees(revoked.header("location")).await.has("The API key is revoked"));
    assert_eq!(viewer.get("/").await.status, 303, "its sessions end with it");
    assert_eq!(browser.press(&ask, &path).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_revokes_their_own_is_signed_out() {
    let server = Server::without_worker().await;
    let admin =
        server.expect(201, "POST", "/api/v1/keys", Some(json!({"role": "admin", "name": "second"}))).await;
    let browser = Browser::signed_in(&server, admin["key"].as_str().expect("a key")).await;
    let path = format!("/keys/{}/delete", admin["key_id"].as_str().expect("an id"));
    let ask = browser.sees(&path).await;
    assert!(ask.has("you are signed out"), "{}", ask.text);
    let gone = browser.press(&ask, &path).await;
    assert_eq!((gone.status, gone.header("location")), (303, "/sign-in"));
    assert!(browser.cookie.lock().expect("nobody panicked").is_none());
    // The last one stays.
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    let keys = server.get("/api/v1/keys").await;
    let path = format!("/keys/{}/delete", keys["keys"][0]["key_id"].as_str().expect("an id"));
    let ask = browser.sees(&path).await;
    let stays = browser.press(&ask, &path).await;
    assert_eq!((stays.status, stays.has("nobody could get in any more")), (409, true), "{}", stays.text);
    browser.sees("/").await;
}
