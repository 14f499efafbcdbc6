use secrecy::ExposeSecret;

use super::*;

#[test]
fn nothing_given_is_the_embedded_default() {
    let settings = SettingsArgs::default().resolve().expect("defaults are valid");
    assert!(
        matches!(settings.database_url, DatabaseUrl::Sqlite(path) if path.ends_with("data/agenthook.db"))
    );
    assert_eq!(settings.bind.to_string(), "127.0.0.1:8000");
    assert_eq!(settings.public_url.as_str(), "http://127.0.0.1:8000/");
    assert_eq!(settings.max_body_bytes, 1_048_576);
}

#[test]
fn empty_is_unset() {
    let args = SettingsArgs {
        database_url: Some(String::new()),
        litellm_api_key: Some("".into()),
        litellm_master_key: Some("sk-master".into()),
        max_body_bytes: Some(" ".into()),
        ..SettingsArgs::default()
    };
    let settings = args.resolve().expect("empty is unset");
    assert_eq!(settings.platform_key.expect("the master key").expose_secret(), "sk-master");
}

#[test]
fn limits_at_their_limits() {
    let with = |bytes: &str| {
        SettingsArgs { max_body_bytes: Some(bytes.into()), ..SettingsArgs::default() }
            .resolve()
            .map(|s| s.max_body_bytes)
    };
    assert_eq!(with("26214400").ok(), Some(26_214_400));
    assert_eq!(with("1").ok(), Some(1));
    for wrong in ["0", "26214401", "-1", "1e6", "many"] {
        let error = with(wrong).expect_err("out of range").to_string();
        assert!(error.starts_with("AGENTHOOK_MAX_BODY_BYTES: ") && !error.contains('\n'), "{error}");
    }
}

#[test]
fn the_bounds_of_the_hit_ledger() {
    let with = |hits: &str, days: &str| {
        let args = SettingsArgs {
            hits_per_agent: Some(hits.into()),
            hits_days: Some(days.into()),
            ..SettingsArgs::default()
        };
        args.resolve().map(|settings| (settings.hits_per_agent, settings.hits_days)).ok()
    };
    assert_eq!(with("", ""), Some((1000, 30)));
    assert_eq!(with("1", "1"), Some((1, 1)));
    assert_eq!(with("100000", "3650"), Some((100_000, 3650)));
    for (hits, days) in [("0", "1"), ("100001", "1"), ("1", "0"), ("1", "3651")] {
        assert_eq!(with(hits, days), None, "{hits} {days}");
    }
}

#[test]
fn a_wrong_value_is_one_line_that_names_the_setting() {
    let cases = [
        SettingsArgs { bind: Some("localhost".into()), ..SettingsArgs::default() },
        SettingsArgs { health_bind: Some("8001".into()), ..SettingsArgs::default() },
        SettingsArgs { database_url: Some("mysql://x".into()), ..SettingsArgs::default() },
        SettingsArgs {
            database_url: Some("postgres://u:p@127.0.0.1:abc/x".into()),
            ..SettingsArgs::default()
        },
        SettingsArgs { litellm_base_url: Some("ftp://x".into()), ..SettingsArgs::default() },
        SettingsArgs { trusted_proxies: Some("10.0.0.0/8, proxy".into()), ..SettingsArgs::default() },
        SettingsArgs { trusted_proxies: Some("10.0.0.0/33".into()), ..SettingsArgs::default() },
        SettingsArgs { log_format: Some("xml".into()), ..SettingsArgs::default() },
        SettingsArgs { log: Some("a=b=c".into()), ..SettingsArgs::default() },
    ];
    for args in cases {
        let error = args.resolve().expect_err("wrong").to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn what_holds_secrets_prints_none() {
    let args = SettingsArgs {
        database_url: Some("postgres://u:planted-1@127.0.0.1/x".into()),
        redis_url: Some("redis://:planted-2@127.0.0.1".into()),
        litellm_api_key: Some("planted-3".into()),
        litellm_master_key: Some("planted-4".into()),
        encryption_keys: Some("planted-5,planted-6".into()),
        admin_key: Some("ahk_planted-7".into()),
        ..SettingsArgs::default()
    };
    let with_a_password = SettingsArgs {
        litellm_base_url: Some("http://u:planted-8@h:4000?k=planted-9".into()),
        ..args.clone()
    };
    let with_a_query = SettingsArgs { public_url: Some("http://h/?k=planted-9".into()), ..args.clone() };
    let settings = args.clone().resolve().expect("valid");
    let keys = super::present_encryption_keys(&settings).expect("given");
    let printed = format!("{args:?} {with_a_password:?} {settings:?} {settings:#?} {keys:?}");
    assert!(!printed.contains("planted"), "{printed}");
    for args in [with_a_password, with_a_query] {
        let error = args.resolve().expect_err("refused");
        assert!(!format!("{error} {error:?}").contains("planted"), "{error}");
    }
}
