//! What may be said of an endpoint, and what may not.

use serde_json::{Value, json};

use super::{URL, WEBHOOKS, made, path, server};

fn schedule(waits: usize, wait: u32) -> Value {
    json!({"schedule_seconds": vec![wait; waits], "timeout_seconds": 30})
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_at_their_limits() {
    let server = server().await;
    let mut good = vec![
        json!({"retry": "hokusai"}),
        json!({"retry": schedule(0, 1)}),
        json!({"retry": schedule(19, 1)}),
        json!({"retry": schedule(20, 604_800)}),
        json!({"retry": {"schedule_seconds": [1], "timeout_seconds": 300}}),
        json!({"timeout_seconds": 1}),
        json!({"timeout_seconds": 300}),
        json!({"description": "ö".repeat(500)}),
        json!({"secret": "x".repeat(16)}),
        json!({"secret": "x".repeat(17)}),
        json!({"events": vec!["*"; 100]}),
        json!({"events": ["custom.order.*"]}),
        json!({"profile": "hokusai", "events": ["model.*"]}),
        json!({"profile": "mlflow", "events": ["query.created", "model.registered"]}),
        json!({"rate_limit": {"per_minute": 1, "burst": 1_000_000}}),
        json!({"profile": null, "retry": null, "headers": null, "filter": null, "agent_id": null, "secret": null}),
    ];
    let header = |count: usize| -> Value { (0..count).map(|n| (format!("X-{n}"), json!("v"))).collect() };
    good.push(json!({"headers": header(20)}));
    for fields in good {
        made(&server, fields).await;
    }
    for (fields, pointer) in [
        (json!({"retry": "slow"}), "/retry"),
        (json!({"retry": schedule(21, 1)}), "/retry/schedule_seconds"),
        (json!({"retry": schedule(1, 0)}), "/retry/schedule_seconds"),
        (json!({"retry": schedule(1, 604_801)}), "/retry/schedule_seconds"),
        (json!({"retry": {"schedule_seconds": [1], "timeout_seconds": 0}}), "/retry/timeout_seconds"),
        (json!({"retry": {"schedule_seconds": [1], "timeout_seconds": 301}}), "/retry/timeout_seconds"),
        (json!({"retry": {"schedule_seconds": [1], "jitter": 1}}), "/retry/jitter"),
        (json!({"timeout_seconds": 0}), "/timeout_seconds"),
        (json!({"timeout_seconds": 301}), "/timeout_seconds"),
        (json!({"description": "ö".repeat(501)}), "/description"),
        (json!({"secret": "x".repeat(15)}), "/secret"),
        (json!({"secret": "whsec_no base64 here"}), "/secret"),
        (json!({"secret": 7}), "/secret"),
        (json!({"events": []}), "/events"),
        (json!({"events": vec!["*"; 101]}), "/events"),
        (json!({"events": ["*", "nothing.known"]}), "/events/1"),
        (json!({"profile": "hokusai", "events": ["execution.*"]}), "/events"),
        (json!({"profile": "other"}), "/profile"),
        (json!({"rate_limit": {"per_minute": 0, "burst": 1}}), "/rate_limit"),
        (json!({"headers": header(21)}), "/headers"),
        (json!({"headers": {"Host": "a"}}), "/headers/Host"),
        (json!({"headers": {"X-A": "a\r\nX-B: b"}}), "/headers/X-A"),
        (json!({"headers": {"X-A": "a", "x-a": "b"}}), "/headers"),
        (json!({"headers": {"X-A": "***"}}), "/headers/X-A"),
        (json!({"headers": {"webhook-signature": "v1,x"}}), "/headers/webhook-signature"),
        (json!({"filter": "event."}), "/filter"),
        (json!({"agent_id": "0198b0b0-0000-7000-8000-000000000001"}), "/agent_id"),
        (json!({"tenant_id": "nobody"}), "/tenant_id"),
        (json!({"url": "ftp://127.0.0.1/"}), "/url"),
        (json!({"url": "http://user:word@127.0.0.1/"}), "/url"),
        (json!({"url": "http://169.254.169.254/latest"}), "/url"),
        (json!({"url": "http://10.0.0.1/"}), "/url"),
        (json!({"status": "disabled"}), "/status"),
        (json!({"webhook_id": "wh_01a20174af9d764cac0700a385c2f011"}), "/webhook_id"),
    ] {
        let mut body = json!({"tenant_id": "acme", "url": URL, "events": ["execution.*"]});
        for (name, value) in fields.as_object().expect("fields") {
            body[name] = value.clone();
        }
        let refused = server.expect(422, "POST", WEBHOOKS, Some(body)).await;
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{fields}: {refused}");
    }
    for missing in [json!({"tenant_id": "acme", "url": URL}), json!({"tenant_id": "acme", "events": ["*"]})] {
        server.expect(422, "POST", WEBHOOKS, Some(missing)).await;
    }
    let no_tenant = json!({"url": URL, "events": ["*"]});
    let refused = server.expect(422, "POST", WEBHOOKS, Some(no_tenant)).await;
    assert_eq!(refused["errors"][0]["pointer"], "/tenant_id");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hidden_stays_as_it_is_when_it_is_said_again_as_it_was_shown() {
    let server = server().await;
    let url = "http://127.0.0.1:9/hook?token=planted-token&x=1";
    let headers = json!({"Authorization": "Bearer planted-header", "X-Team": "a"});
    let new = made(&server, json!({"url": url, "headers": headers})).await;
    let shown = "http://127.0.0.1:9/hook?token=***&x=***";
    assert_eq!(
        (&new["url"], &new["headers"]),
        (&json!(shown), &json!({"Authorization": "***", "X-Team": "***"}))
    );
    let target = async || {
        let id = new["webhook_id"].as_str().expect("an id").parse().expect("an id");
        let webhook = server.app.store.webhook(id).await.expect("readable").expect("there");
        agenthook::app::open_target(&server.app.cipher, &webhook).expect("opens")
    };
    let body = json!({"url": shown, "events": ["*"], "headers": {"Authorization": "***", "X-Team": "b"}});
    for method in ["PUT", "PATCH"] {
        server.expect(200, method, &path(&new), Some(body.clone())).await;
        let target = target().await;
        assert_eq!(target.url, url);
        assert_eq!(target.headers["Authorization"], "Bearer planted-header");
        assert_eq!(target.headers["X-Team"], "b");
    }
    server.expect(200, "PATCH", &path(&new), Some(json!({"headers": {"X-Team": "***"}}))).await;
    assert_eq!(target().await.headers.len(), 1, "what is left out of the headers is gone");
    let never_shown = json!({"url": "http://127.0.0.1:9/?a=***"});
    let refused = server.expect(422, "PATCH", &path(&new), Some(never_shown)).await;
    assert_eq!(refused["errors"][0]["pointer"], "/url", "{refused}");
    assert_eq!(target().await.url, url, "what was hidden is not stored as it was shown");
}
