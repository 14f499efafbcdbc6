//! Tenants: made, changed, given an LLM key and deleted, by whoever may.

use serde_json::json;
use wiremock::ResponseTemplate;

use super::Browser;
use crate::harness::{ADMIN_KEY, Server, error};

const KEY: &str = "sk-the-tenants-own-key-wxyz";

#[tokio::test(flavor = "multi_thread")]
async fn one_is_made_changed_and_deleted() {
    let server = Server::without_worker().await;
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    assert!(browser.sees("/tenants").await.has("href=\"/new-tenant\""));
    let form = browser.sees("/new-tenant").await;
    let refused = browser.fill(&form, "/tenants", &[("tenant_id", "no id"), ("name", "Acme & Co")]).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert!(refused.has("id=\"tenant_id-note\"") && refused.has("aria-invalid=\"true\""), "{}", refused.text);
    assert_eq!(refused.form("/tenants").fields["name"], "Acme & Co");
    for (field, wrong) in [("concurrency", "0"), ("per_minute", "many"), ("concurrency", "1.5")] {
        let refused = browser.fill(&refused, "/tenants", &[("tenant_id", "acme"), (field, wrong)]).await;
        assert_eq!((refused.status, refused.has("aria-invalid")), (422, true), "{field}: {}", refused.text);
        assert_eq!(refused.form("/tenants").fields[field], wrong);
    }
    let made = browser
        .fill(&refused, "/tenants", &[("tenant_id", "acme"), ("allowed_models", "gpt-4o-mini\r\nm/2")])
        .await;
    assert_eq!(made.header("location"), "/tenants/acme?done=tenant_made", "{}", made.text);
    let page = browser.sees(made.header("location")).await;
    assert!(
        page.has("This is the new tenant.") && page.has("Acme &#38; Co") && page.has("m/2"),
        "{}",
        page.text
    );
    let again = browser.fill(&form, "/tenants", &[("tenant_id", "acme")]).await;
    assert_eq!((again.status, again.has("there is a tenant acme already")), (409, true), "{}", again.text);

    // What somebody else changes meanwhile is left alone.
    let form = browser.sees("/tenants/acme/edit").await;
    server.expect(200, "PATCH", "/api/v1/tenants/acme", Some(json!({"name": "Acme Ltd"}))).await;
    let typed = [
        ("key_policy", "tenant_only"),
        ("per_minute", "600"),
        ("burst", "10"),
        ("concurrency", "3"),
        ("allowed_models", ""),
    ];
    let saved = browser.fill(&form, "/tenants/acme", &typed).await;
    assert_eq!(saved.header("location"), "/tenants/acme?done=saved", "{}", saved.text);
    let tenant = server.get("/api/v1/tenants/acme").await;
    assert_eq!((&tenant["name"], &tenant["key_policy"]), (&json!("Acme Ltd"), &json!("tenant_only")));
    assert_eq!(tenant["rate_limit"], json!({"per_minute": 600, "burst": 10}));
    assert_eq!((&tenant["concurrency"], &tenant["allowed_models"]), (&json!(3), &json!(null)));
    assert_eq!(tenant["fallback_on"], json!(["missing"]));
    let log = server.get("/api/v1/audit?subject=acme").await;
    let mut changed: Vec<_> = log["audit"][0]["detail"]["changed"].as_array().expect("names").clone();
    changed.sort_by_key(ToString::to_string);
    assert_eq!(json!(changed), json!(["allowed_models", "concurrency", "key_policy", "rate_limit"]));
    let form = browser.sees("/tenants/acme/edit").await;
    let wrong = browser.fill(&form, "/tenants/acme", &[("burst", "")]).await;
    assert_eq!((wrong.status, wrong.has("aria-invalid")), (422, true), "{}", wrong.text);

    let ask = browser.sees("/tenants/acme/delete").await;
    let deleted = browser.press(&ask, "/tenants/acme/delete").await;
    assert!(browser.sees(deleted.header("location")).await.has("The tenant is deleted"));
    assert_eq!(browser.get("/tenants/acme").await.status, 404);
    let agent = server.agent().await;
    let ask = browser.sees("/tenants/acme/delete").await;
    let stays = browser.press(&ask, "/tenants/acme/delete").await;
    assert_eq!((stays.status, stays.has("so it stays")), (409, true), "{} {}", agent.id, stays.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_llm_key_is_set_checked_and_never_shown() {
    let server = Server::without_worker().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let operator = Browser::signed_in(&server, &server.api_key("operator", "acme").await).await;
    let page = operator.sees("/tenants/acme").await;
    assert!(page.has("None is set.") && !page.has("href=\"/tenants/acme/edit\""), "{}", page.text);
    let action = "/tenants/acme/llm-key";
    server.llm.answers_get("/key/info", error(401, "token_not_found_in_db", "no"));
    let refused = operator.fill(&page, action, &[("key", KEY)]).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert!(
        refused.has("is not valid, so it was not saved") && refused.has("aria-invalid"),
        "{}",
        refused.text
    );
    assert!(!refused.has(KEY));
    server.llm.answers_get("/key/info", error(500, "internal_server_error", "Database not connected"));
    server.llm.answers_get("/v1/models", error(500, "internal_server_error", "down"));
    let unsure = operator.fill(&page, action, &[("key", KEY)]).await;
    assert_eq!(unsure.status, 200, "{}", unsure.text);
    assert!(
        unsure.has("could not be checked") && unsure.has("sk-…wxyz") && !unsure.has(KEY),
        "{}",
        unsure.text
    );
    let info = json!({"key": "hash", "info": {"spend": 0.0, "max_budget": 1.0, "expires": null}});
    server.llm.answers_get("/key/info", ResponseTemplate::new(200).set_body_json(info));
    let set = operator.fill(&page, action, &[("key", KEY)]).await;
    assert_eq!(set.header("location"), "/tenants/acme?done=llm_key_set", "{}", set.text);
    let page = operator.sees(set.header("location")).await;
    assert!(page.has("checked and set") && page.has("sk-…wxyz") && !page.has(KEY), "{}", page.text);
    let viewer = Browser::signed_in(&server, &server.api_key("viewer", "acme").await).await;
    let seen = viewer.sees("/tenants/acme").await;
    assert!(seen.has("One is set") && !seen.has("wxyz"), "{}", seen.text);
    let remove = "/tenants/acme/llm-key/remove";
    assert!(operator.sees("/tenants/acme").await.has(&format!("href=\"{remove}\"")));
    let ask = operator.sees(remove).await;
    assert_eq!(server.get("/api/v1/tenants/acme").await["llm_key"]["configured"], true, "it only asks");
    let removed = operator.press(&ask, remove).await;
    assert!(operator.sees(removed.header("location")).await.has("The LLM key is removed."));
    assert_eq!(server.get("/api/v1/tenants/acme").await["llm_key"]["configured"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_one_tenant_sees_its_own() {
    let server = Server::without_worker().await;
    for tenant in ["acme", "other", "new", "delete"] {
        server.tenant(json!({ "tenant_id": tenant })).await;
    }
    let admin = Browser::signed_in(&server, ADMIN_KEY).await;
    let operator = Browser::signed_in(&server, &server.api_key("operator", "acme").await).await;
    let (all, own) = (admin.sees("/tenants").await, operator.sees("/tenants").await);
    for tenant in ["other", "new", "delete"] {
        let link = format!("href=\"/tenants/{tenant}\"");
        assert_eq!((all.has(&link), own.has(&link)), (true, false), "{tenant}");
        assert!(admin.sees(&format!("/tenants/{tenant}")).await.has(&format!("Tenant {tenant}</h1>")));
        assert_eq!(operator.get(&format!("/tenants/{tenant}")).await.status, 404);
    }
    assert!(own.has("href=\"/tenants/acme\"") && !own.has("/new-tenant"), "{}", own.text);
}
