//! The findings on parts that are there, broken, or missing.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use wiremock::matchers::{header, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::cipher::Cipher;
use crate::store::Store;

/// A proxy that knows one master key and one virtual key.
async fn proxy() -> MockServer {
    let server = MockServer::start().await;
    let models = serde_json::json!({"data": [{"id": "mock-model"}]});
    let refused = serde_json::json!({"error": {"message": "Authentication Error, Invalid proxy server token passed.",
        "type": "token_not_found_in_db", "param": "key", "code": "401"}});
    let admins_only = serde_json::json!({"error": {"message": "Authentication Error, Only proxy admin can be used",
        "type": "auth_error", "param": "None", "code": "401"}});
    let answer = |at: &str| Mock::given(path(at));
    let key = |key: &str| header("authorization", format!("Bearer {key}").as_str());
    let mocks = [
        answer("/health/liveliness").respond_with(ResponseTemplate::new(200).set_body_json("I'm alive!")),
        answer("/v1/models")
            .and(key("sk-master"))
            .respond_with(ResponseTemplate::new(200).set_body_json(&models)),
        answer("/v1/models")
            .and(key("sk-virtual"))
            .respond_with(ResponseTemplate::new(200).set_body_json(&models)),
        answer("/v1/models")
            .and(key("sk-wrong"))
            .respond_with(ResponseTemplate::new(401).set_body_json(refused)),
        answer("/router/settings")
            .and(key("sk-master"))
            .respond_with(ResponseTemplate::new(200).set_body_json(serde_json::json!({"fields": []}))),
        answer("/router/settings")
            .and(key("sk-virtual"))
            .respond_with(ResponseTemplate::new(401).set_body_json(admins_only)),
    ];
    for mock in mocks {
        server.register(mock).await;
    }
    server
}

fn args(dir: &Path, litellm: &str, key: &str) -> SettingsArgs {
    SettingsArgs {
        data_dir: Some(dir.to_owned()),
        litellm_base_url: Some(litellm.to_owned()),
        litellm_api_key: Some(key.into()),
        ..SettingsArgs::default()
    }
}

/// Runs the checks; the findings as `status check` lines, and whole.
async fn diagnose(args: SettingsArgs) -> (Vec<String>, String) {
    // A client needs the process's TLS provider, which main installs; another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let findings = findings(args).await;
    let lines = findings.iter().map(|f| format!("{:?} {}", f.status, f.check)).collect();
    (lines, findings.into_iter().map(|f| f.message + "\n").collect())
}

#[tokio::test]
async fn a_fresh_machine_is_fine_and_stays_untouched() {
    let (dir, proxy) = (tempfile::tempdir().expect("a directory"), proxy().await);
    let data = dir.path().join("data");
    let (lines, _) = diagnose(args(&data, &proxy.uri(), "sk-virtual")).await;
    let good = [
        "Ok settings",
        "Ok public URL",
        "Ok database",
        "Ok encryption key",
        "Ok LiteLLM",
        "Ok LiteLLM key",
        "Ok LiteLLM models",
    ];
    assert_eq!(lines, good);
    assert!(!data.exists());
}

#[tokio::test]
async fn keys_of_the_proxy() {
    let (dir, proxy) = (tempfile::tempdir().expect("a directory"), proxy().await);
    for (key, line, what) in [
        ("sk-master", "Warn LiteLLM key", "master key"),
        ("sk-wrong", "Fail LiteLLM key", "refuses"),
        ("", "Warn LiteLLM key", "no platform key"),
    ] {
        let (lines, text) = diagnose(args(dir.path(), &proxy.uri(), key)).await;
        assert!(lines.contains(&line.to_owned()) && text.contains(what), "{lines:?}\n{text}");
    }
    let (lines, text) = diagnose(args(dir.path(), "http://127.0.0.1:1", "sk-virtual")).await;
    assert_eq!(lines.last().map(String::as_str), Some("Fail LiteLLM"));
    assert!(text.contains("LITELLM_BASE_URL"), "{text}");
}

#[tokio::test]
async fn a_database_that_is_behind_and_keys_that_are_lost() {
    let (dir, proxy) = (tempfile::tempdir().expect("a directory"), proxy().await);
    let with = |keys: Option<SecretString>| SettingsArgs {
        encryption_keys: keys,
        ..args(dir.path(), &proxy.uri(), "sk-virtual")
    };
    let store =
        Store::open(&format!("sqlite://{}/agenthook.db", dir.path().display()), 2).await.expect("a store");
    let (lines, text) = diagnose(with(None)).await;
    assert!(lines.contains(&"Ok database".to_owned()) && text.contains("empty"), "{text}");

    store.migrate().await.expect("migrated");
    let key = Cipher::generate_key();
    let now = crate::clock::Clock::system().now();
    let tenant_id: crate::model::TenantId = "acme".parse().expect("an id");
    let tenant = crate::model::Tenant {
        version: 1,
        tenant_id: tenant_id.clone(),
        name: None,
        key_policy: Default::default(),
        fallback_on: vec![],
        allowed_models: None,
        rate_limit: None,
        concurrency: None,
        llm_key: None,
        created_at: now,
        updated_at: now,
    };
    let actor = crate::model::Actor::server();
    let entry = crate::model::AuditEntry::new(actor, crate::model::AuditAction::TenantCreated, "acme", now);
    store.insert_tenant(&tenant, &entry).await.expect("a tenant");
    let sealed = Cipher::new(std::slice::from_ref(&key))
        .expect("a ring")
        .seal(&crate::app::llm_key_owner(&tenant_id), &"sk-tenant".into());
    let llm_key = crate::model::LlmKey { sealed, hint: "sk-…".into() };
    store
        .set_llm_key(
            &tenant_id,
            tenant.version,
            Some(&llm_key),
            &crate::model::AuditEntry { audit_id: crate::model::AuditId::new(), ..entry },
        )
        .await
        .expect("a key");

    let (lines, text) = diagnose(with(Some(key.clone()))).await;
    assert!(lines.contains(&"Ok encryption key".to_owned()) && text.contains("opens all 1 stored"), "{text}");
    let list =
        |keys: [&SecretString; 2]| SecretString::from(keys.map(ExposeSecret::expose_secret).join(", "));
    let new = Cipher::generate_key();
    let (lines, text) = diagnose(with(Some(list([&new, &key])))).await;
    assert!(lines.contains(&"Warn encryption key".to_owned()), "{text}");
    assert!(
        text.contains(
            "0 stored secrets are under the first key, 1 under an older one: run `agenthook rekey`"
        )
    );
    let (lines, text) = diagnose(with(Some(list([&key, &new])))).await;
    assert!(lines.contains(&"Ok encryption key".to_owned()) && text.contains("can be removed"), "{text}");
    for lost in [Some(Cipher::generate_key()), Some("nonsense".into()), None] {
        let (lines, text) = diagnose(with(lost)).await;
        assert!(lines.contains(&"Fail encryption key".to_owned()), "{text}");
    }
}

#[tokio::test]
async fn a_wrong_setting_ends_the_examination() {
    let wrong = SettingsArgs { bind: Some("here".into()), ..SettingsArgs::default() };
    let (lines, text) = diagnose(wrong).await;
    assert_eq!(lines, ["Fail settings"]);
    assert!(text.starts_with("AGENTHOOK_BIND: "), "{text}");
    let open = SettingsArgs { bind: Some("0.0.0.0:8000".into()), ..SettingsArgs::default() };
    assert!(settings::check(&open.resolve().expect("valid"))[1].message.contains("AGENTHOOK_PUBLIC_URL"));
}
