//! A webhook is made, changed, given another secret and deleted, by forms.

use serde_json::{Value, json};

use super::Browser;
use super::browser::Page;
use crate::harness::{ADMIN_KEY, Receiver, Server};

/// What is shown once, on the page right after it was made.
pub fn secret_of(page: &Page) -> String {
    let rest = page.text.split("<code id=\"secret-1\">").nth(1).unwrap_or_else(|| panic!("{}", page.text));
    rest.split("</code>").next().unwrap_or_default().to_owned()
}

async fn audit(server: &Server, subject: &str) -> Vec<Value> {
    server.get(&format!("/api/v1/audit?subject={subject}")).await["audit"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_made_changed_and_deleted() {
    let (server, receiver) = (Server::start().await, Receiver::start().await);
    server.agent().await;
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    assert!(browser.sees("/webhooks").await.has("href=\"/webhooks/new\""));
    let form = browser.sees("/webhooks/new").await;
    let url = format!("{}?token=in-the-query", receiver.url());
    let typed = [
        ("tenant_id", "acme"),
        ("url", url.as_str()),
        ("events", "custom.*\r\nexecution.completed"),
        ("headers", "X-Team: on call\r\nX-Stage: live"),
        ("retry", "own"),
        ("schedule_seconds", "1, 2"),
        ("timeout_seconds", "7"),
        ("per_minute", "60"),
        ("burst", "5"),
        ("filter", "event.data.n != 1"),
        ("disable_on_exhausted", "false"),
        ("description", "two\r\nlines"),
    ];
    let made = browser.fill(&form, "/webhooks", &typed).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let secret = secret_of(&made);
    assert!(secret.starts_with("whsec_"), "{secret}");
    let path =
        made.text.split("href=\"/webhooks/").nth(1).and_then(|rest| rest.split('"').next()).expect("it");
    let (id, path) = (path.to_owned(), format!("/webhooks/{path}"));
    let api = format!("/api/v1{path}");
    let shown = server.get(&api).await;
    assert_eq!(shown["events"], json!(["custom.*", "execution.completed"]));
    assert_eq!(shown["retry"], json!({"schedule_seconds": [1, 2], "timeout_seconds": 7}));
    assert_eq!(shown["rate_limit"], json!({"per_minute": 60, "burst": 5}));
    assert_eq!(shown["headers"], json!({"X-Team": "***", "X-Stage": "***"}));
    assert_eq!(
        (&shown["timeout_seconds"], &shown["disable_on_exhausted"], &shown["description"], &shown["filter"]),
        (&json!(7), &json!(false), &json!("two\nlines"), &json!("event.data.n != 1"))
    );
    let event = json!({"tenant_id": "acme", "event_type": "custom.x", "data": {"n": 2}});
    server.expect(202, "POST", "/api/v1/events", Some(event.clone())).await;
    receiver.got(1).await;
    assert!(receiver.is_signed(&receiver.requests().await[0], &secret));

    // What is not touched stays, though it is not shown.
    let edit = browser.sees(&format!("{path}/edit")).await;
    assert!(edit.has("token=***") && !edit.has("in-the-query") && !edit.has("on call"), "{}", edit.text);
    let saved = browser.fill(&edit, &path, &[("description", "another"), ("timeout_seconds", "")]).await;
    assert_eq!(saved.status, 303, "{}", saved.text);
    assert!(browser.sees(saved.header("location")).await.has("The changes are saved."));
    let entry = &audit(&server, &id).await[0];
    assert_eq!(entry["action"], "webhook.updated");
    let mut changed: Vec<_> = entry["detail"]["changed"].as_array().expect("names").clone();
    changed.sort_by_key(ToString::to_string);
    assert_eq!(changed, [json!("description"), json!("retry"), json!("timeout_seconds")]);
    server.expect(202, "POST", "/api/v1/events", Some(event)).await;
    receiver.got(2).await;
    let sent = receiver.requests().await;
    assert_eq!(sent[1].url.query(), Some("token=in-the-query"));
    assert_eq!(
        (&sent[1].headers["x-team"], &sent[1].headers["x-stage"]),
        (&"on call".parse().expect("a value"), &"live".parse().expect("a value"))
    );

    let ask = browser.sees(&format!("{path}/delete")).await;
    assert!(ask.has("Delete a webhook:") && ask.has(&format!("href=\"{path}\"")), "{}", ask.text);
    let deleted = browser.press(&ask, &format!("{path}/delete")).await;
    assert_eq!(deleted.header("location"), "/webhooks?done=webhook_deleted");
    assert!(browser.sees(deleted.header("location")).await.has("The webhook is deleted."));
    assert_eq!(browser.get(&path).await.status, 404);
    assert_eq!(browser.press(&ask, &format!("{path}/delete")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_is_told_at_its_field_and_what_was_typed_stays() {
    let server = Server::without_worker().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let browser = Browser::signed_in(&server, &server.api_key("operator", "acme").await).await;
    let form = browser.sees("/webhooks/new").await;
    assert!(!form.has("name=\"tenant_id\""), "a key of one tenant makes its own");
    let csrf = browser.csrf().await;
    let foreign =
        [("csrf", csrf.as_str()), ("tenant_id", "other"), ("url", "https://hooks.example/"), ("events", "*")];
    let refused = browser.post("/webhooks", &foreign).await;
    assert!(refused.status == 422 && refused.has("names no tenant"), "{}", refused.text);
    let good = [("url", "http://127.0.0.1:9/hook"), ("events", "custom.*")];
    let typed_secret = "typed-signing-secret-0123";
    for (field, wrong, says) in [
        ("url", "ftp://127.0.0.1/", "http"),
        ("events", "custom.*\nnone.such", "number 2: must be an event type"),
        ("secret", "short", "16 characters or more"),
        ("filter", "event.", ""),
        ("timeout_seconds", "soon", "must be an integer"),
        ("timeout_seconds", "301", "must be between 1 and 300"),
        ("per_minute", "0", "burst: must be an integer"),
        ("headers", "Host: elsewhere", "Host: "),
        ("headers", "A: 1\nA: 2", "each header once"),
        ("schedule_seconds", "1, x", "number 2: must be an integer"),
        ("agent_id", "none", "must be a UUID"),
        ("profile", "hokusai", "model.registered"),
    ] {
        let mut typed = good.to_vec();
        typed.retain(|(name, _)| *name != field);
        typed.extend([(field, wrong), ("description", "typed & kept"), ("retry", "own")]);
        if field != "secret" {
            typed.push(("secret", typed_secret));
        }
        let refused = browser.fill(&form, "/webhooks", &typed).await;
        assert_eq!(refused.status, 422, "{field}: {}", refused.text);
        assert!(
            refused.has("aria-invalid=\"true\"") && refused.has("role=\"alert\""),
            "{field}: {}",
            refused.text
        );
        let fault =
            refused.text.split("class=\"fault\">").nth(1).expect("one").split('<').next().expect("its text");
        assert!(fault.contains(says), "{field}: {fault}");
        let kept = refused.form("/webhooks").fields;
        if field != "secret" {
            assert_eq!(kept[field].trim().replace("\r\n", "\n"), wrong, "{field}");
        }
        assert_eq!((kept["description"].trim(), kept["retry"].as_str()), ("typed & kept", "own"));
        assert!(!refused.has(typed_secret), "a secret is typed again: {field}");
    }
    assert_eq!(server.get("/api/v1/webhooks").await["webhooks"], json!([]));
    // From there it goes on.
    let refused = browser.fill(&form, "/webhooks", &[("url", "nowhere"), ("events", "custom.*")]).await;
    let made = browser.fill(&refused, "/webhooks", &[("url", good[0].1), ("secret", typed_secret)]).await;
    assert_eq!((made.status, secret_of(&made).as_str()), (201, typed_secret), "{}", made.text);
    assert!(made.has("For a Standard Webhooks library"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_undoes_anothers_change_unawares() {
    let server = Server::without_worker().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let webhook = json!({"tenant_id": "acme", "url": "http://127.0.0.1:9/hook", "events": ["*"]});
    let webhook = server.expect(201, "POST", "/api/v1/webhooks", Some(webhook)).await;
    let path = format!("/webhooks/{}", webhook["webhook_id"].as_str().expect("an id"));
    let api = format!("/api/v1{path}");
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    let (form, ask) =
        (browser.sees(&format!("{path}/edit")).await, browser.sees(&format!("{path}/delete")).await);
    let rotate = browser.sees(&format!("{path}/rotate")).await;
    server.expect(200, "PATCH", &api, Some(json!({"timeout_seconds": 5}))).await;
    let conflict = browser.fill(&form, &path, &[("description", "mine")]).await;
    assert_eq!(conflict.status, 412, "{}", conflict.text);
    assert!(
        conflict.has("somebody else has changed the webhook") && conflict.has("mine"),
        "{}",
        conflict.text
    );
    assert_eq!(server.get(&api).await["description"], Value::Null);
    assert_eq!(browser.press(&ask, &format!("{path}/delete")).await.status, 412);
    let stale = browser.fill(&rotate, &format!("{path}/rotate"), &[]).await;
    assert_eq!(stale.status, 412, "{}", stale.text);
    // Told of it, they may.
    let saved = browser.fill(&conflict, &path, &[]).await;
    assert_eq!(saved.status, 303, "{}", saved.text);
    let now = server.get(&api).await;
    assert_eq!(
        (&now["description"], &now["timeout_seconds"]),
        (&json!("mine"), &json!(5)),
        "both changes hold"
    );
    assert_eq!(browser.get(&format!("{path}/edit?x=1")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_value_never_becomes_the_value() {
    let server = Server::without_worker().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let url = |path: &str| format!("http://127.0.0.1:9/{path}");
    let webhook = json!({"tenant_id": "acme", "url": url("old?token=a"), "events": ["*"]});
    let webhook = server.expect(201, "POST", "/api/v1/webhooks", Some(webhook)).await;
    let path = format!("/webhooks/{}", webhook["webhook_id"].as_str().expect("an id"));
    let api = format!("/api/v1{path}");
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    let form = browser.sees(&format!("{path}/edit")).await;
    assert_eq!(form.field(&path, "url"), url("old?token=***"));
    server.expect(200, "PATCH", &api, Some(json!({"url": url("mended?token=b")}))).await;
    let conflict = browser.fill(&form, &path, &[("description", "mine")]).await;
    assert_eq!(conflict.status, 412, "{}", conflict.text);
    let saved = browser.fill(&conflict, &path, &[]).await;
    assert_eq!(saved.status, 303, "{}", saved.text);
    let now = server.get(&api).await;
    assert_eq!((&now["description"], &now["url"]), (&json!("mine"), &json!(url("mended?token=***"))));
    // Nobody but the server knows what it stands for.
    let form = browser.sees(&format!("{path}/edit")).await;
    for typed in ["old?token=***", "mended?token=***&more=1", "mended?***"] {
        let refused = browser.fill(&form, &path, &[("url", &url(typed))]).await;
        assert_eq!(refused.status, 422, "{typed}: {}", refused.text);
        assert!(refused.has("has a hidden value"), "{typed}: {}", refused.text);
        let refused = server.expect(422, "PATCH", &api, Some(json!({"url": url(typed)}))).await;
        assert_eq!(refused["errors"][0]["pointer"], "/url");
    }
    let same = browser.fill(&form, &path, &[("description", "ours")]).await;
    assert_eq!(same.status, 303, "{}", same.text);
    server.expect(200, "PATCH", &api, Some(json!({"url": url("mended?token=***")}))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_exchanged_and_shown_once() {
    let (server, receiver) = (Server::start().await, Receiver::start().await);
    server.tenant(json!({"tenant_id": "acme"})).await;
    let webhook = json!({"tenant_id": "acme", "url": receiver.url(), "events": ["custom.*"], "profile": "standard-webhooks"});
    let webhook = server.expect(201, "POST", "/api/v1/webhooks", Some(webhook)).await;
    let (id, first) =
        (webhook["webhook_id"].as_str().expect("an id"), webhook["secret_key"].as_str().expect("a secret"));
    let path = format!("/webhooks/{id}");
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    assert!(browser.sees(&path).await.has(&format!("href=\"{path}/rotate\"")));
    let form = browser.sees(&format!("{path}/rotate")).await;
    let action = format!("{path}/rotate");
    let refused = browser
        .fill(&form, &action, &[("overlap_seconds", "a day"), ("secret", "typed-secret-0123456789")])
        .await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.has("must be an integer") && refused.has("value=\"a day\"") && !refused.has("typed-secret"),
        "{}",
        refused.text
    );
    let rotated = browser.fill(&refused, &action, &[("overlap_seconds", "3600")]).await;
    assert_eq!(rotated.status, 200, "{}", rotated.text);
    let second = secret_of(&rotated);
    assert!(second.starts_with("whsec_") && second != first);
    let event = json!({"tenant_id": "acme", "event_type": "custom.x", "data": {}});
    server.expect(202, "POST", "/api/v1/events", Some(event)).await;
    receiver.got(1).await;
    let sent = &receiver.requests().await[0];
    assert_eq!(sent.headers["webhook-signature"].to_str().expect("text").split(' ').count(), 2, "both sign");
    for page in [path.clone(), action, format!("{path}/edit"), "/webhooks".into(), "/audit".into()] {
        let page = browser.sees(&page).await;
        assert!(!page.has(&second) && !page.has(first), "{}", page.text);
    }
    let entry = &audit(&server, id).await[0];
    assert_eq!(
        (&entry["action"], &entry["detail"]["overlap_seconds"]),
        (&json!("signing_secret.rotated"), &json!(3600))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unwell_are_found() {
    let server = Server::start().await;
    for tenant in ["acme", "other"] {
        server.tenant(json!({ "tenant_id": tenant })).await;
    }
    let mut ids = Vec::new();
    for (tenant, disabled) in [("acme", false), ("acme", true), ("other", true)] {
        let webhook = json!({"tenant_id": tenant, "url": "http://127.0.0.1:9/hook", "events": ["*"]});
        let webhook = server.expect(201, "POST", "/api/v1/webhooks", Some(webhook)).await;
        let id = webhook["webhook_id"].as_str().expect("an id").to_owned();
        if disabled {
            server.expect(200, "POST", &format!("/api/v1/webhooks/{id}/disable"), None).await;
        }
        ids.push(id);
    }
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    for (query, sees) in [
        ("", [true, true, true]),
        ("?unwell=&tenant_id=acme", [true, true, false]),
        ("?unwell=only", [false, true, true]),
        ("?unwell=only&tenant_id=acme", [false, true, false]),
    ] {
        let page = browser.sees(&format!("/webhooks{query}")).await;
        assert_eq!([0, 1, 2].map(|place| page.has(&ids[place])), sees, "{query}: {}", page.text);
    }
    let page = browser.sees("/webhooks?unwell=only").await;
    assert!(page.has("by hand") && page.has("Success rate") && page.has("Last failure"), "{}", page.text);
}
