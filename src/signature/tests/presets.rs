//! What single senders do.

use serde_json::json;

use super::*;

fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn signed(scheme: &Scheme, key: &SigningKey, what: &ToSign<'_>) -> Vec<(String, String)> {
    scheme.sign(key, what).expect("signed")
}

#[test]
fn a_time_of_signing_counts_to_the_second() {
    for name in [
        SchemeName::StandardWebhooks,
        SchemeName::Stripe,
        SchemeName::Slack,
        SchemeName::Zendesk,
        SchemeName::Linear,
        SchemeName::Discord,
    ] {
        let scheme = preset(name);
        let (sign, key) = keys(&scheme);
        for (offset, taken) in
            [(-301, false), (-300, true), (-299, true), (299, true), (300, true), (301, false)]
        {
            let then = now() + chrono::TimeDelta::seconds(offset);
            let body = json!({"webhookTimestamp": then.timestamp_millis()}).to_string();
            let what = ToSign { body: body.as_bytes(), url: "", now: then, id: "msg_1" };
            let headers = signed(&scheme, &sign, &what);
            let verdict = verify(&scheme, &key, &headers, &ToSign { now: now(), ..what });
            match taken {
                true => assert!(verdict.is_ok(), "{name:?} {offset}: {verdict:?}"),
                false => assert_eq!(
                    verdict,
                    Err(Refusal::Skewed { seconds: offset, tolerance: 300 }),
                    "{name:?} {offset}"
                ),
            }
        }
    }
}

#[test]
fn ids_that_are_signed_are_told() {
    let id = |name, body: serde_json::Value| {
        let scheme = preset(name);
        let (sign, key) = keys(&scheme);
        let body = body.to_string();
        let what = ToSign { body: body.as_bytes(), url: "", now: now(), id: "msg_1" };
        let verdict = verify(&scheme, &key, &signed(&scheme, &sign, &what), &what);
        verdict.expect("verified").map(|id| String::from_utf8(id).expect("text"))
    };
    let found = |id: &str| Some(id.to_owned());
    assert_eq!(id(SchemeName::StandardWebhooks, json!({})), found("msg_1"));
    assert_eq!(id(SchemeName::Gitlab, json!({})), found("msg_1"));
    assert_eq!(id(SchemeName::Stripe, json!({"id": "evt_1"})), found("evt_1"));
    assert_eq!(id(SchemeName::Slack, json!({"event_id": "Ev1"})), found("Ev1"));
    assert_eq!(id(SchemeName::Pagerduty, json!({"event": {"id": "01B"}})), found("01B"));
    assert_eq!(id(SchemeName::Intercom, json!({"id": "notif_1"})), found("notif_1"));
    assert_eq!(id(SchemeName::Hokusai, json!({"idempotency_key": "k"})), found("k"));
    assert_eq!(id(SchemeName::XWebhook, json!({"event_id": "evt_1"})), found("evt_1"));
    assert_eq!(id(SchemeName::Discord, json!({"id": "12"})), found("12"));
    for name in [SchemeName::Hub, SchemeName::Github, SchemeName::Shopify, SchemeName::Stripe] {
        assert_eq!(id(name, json!({"event_id": "1"})), None, "{name:?}");
    }
}

#[test]
fn several_signatures_in_one_header() {
    for (name, separator, start) in [
        (SchemeName::StandardWebhooks, " ", "v1a,xyz"),
        (SchemeName::Pagerduty, ",", "v2=00"),
        (SchemeName::Stripe, ",", "v0=00"),
    ] {
        let scheme = preset(name);
        let (sign, key) = keys(&scheme);
        let (other, _) = keys(&scheme);
        let what = ToSign { body: b"{}", url: "", now: now(), id: "msg_1" };
        let right = signed(&scheme, &sign, &what);
        let bare =
            |headers: &[(String, String)]| headers[0].1.split("t=1700000000,").last().unwrap().to_owned();
        let (mine, theirs) = (bare(&right), bare(&signed(&scheme, &other, &what)));
        let with = |value: String| {
            let time = if name == SchemeName::Stripe { "t=1700000000," } else { "" };
            let mut headers = right.clone();
            headers[0].1 = format!("{time}{value}");
            verify(&scheme, &key, &headers, &what)
        };
        assert!(with(format!("{theirs}{separator}{mine}")).is_ok(), "{name:?}");
        assert!(with(format!("{start}{separator}{mine}{separator}{theirs}")).is_ok(), "{name:?}");
        assert_eq!(with(theirs.clone()), Err(Refusal::Mismatch), "{name:?}");
        let crowd =
            |count: usize| [vec![theirs.clone(); count - 1], vec![mine.clone()]].concat().join(separator);
        assert!(with(crowd(10)).is_ok(), "{name:?}");
        for none in [crowd(11), start.to_owned(), String::new(), format!("{mine}0")] {
            assert!(matches!(with(none.clone()), Err(Refusal::Malformed { .. })), "{name:?} {none}");
        }
    }
    // where the sender has one there is one
    let scheme = preset(SchemeName::Slack);
    let (sign, key) = keys(&scheme);
    let what = ToSign { now: now(), ..ToSign::body(b"{}") };
    let mut headers = signed(&scheme, &sign, &what);
    headers[0].1 = format!("{0},{0}", headers[0].1);
    assert!(matches!(verify(&scheme, &key, &headers, &what), Err(Refusal::Malformed { .. })));
    // and one time
    let scheme = preset(SchemeName::Stripe);
    let (sign, key) = keys(&scheme);
    let mut headers = signed(&scheme, &sign, &what);
    headers[0].1 = format!("t=1700000000,{}", headers[0].1);
    assert!(matches!(verify(&scheme, &key, &headers, &what), Err(Refusal::Malformed { .. })));
}

#[test]
fn another_algorithm_is_refused() {
    let what = ToSign { now: now(), ..ToSign::body(b"{}") };
    let jira = preset(SchemeName::Jira);
    let intercom = preset(SchemeName::Intercom);
    let key =
        |scheme: &Scheme| scheme.key(&"one secret for both".into(), SecretEncoding::Utf8).expect("a key");
    let of_jira = signed(&jira, &key(&jira), &what);
    let of_intercom = signed(&intercom, &key(&intercom), &what);
    assert!(matches!(verify(&jira, &key(&jira), &of_intercom, &what), Err(Refusal::Malformed { .. })));
    assert!(matches!(verify(&intercom, &key(&intercom), &of_jira, &what), Err(Refusal::Malformed { .. })));
    let sha1 = headers(&[("X-Hub-Signature", &of_intercom[0].1), ("X-Hub-Signature-256", &of_intercom[0].1)]);
    for name in [SchemeName::Hub, SchemeName::Github] {
        let scheme = preset(name);
        assert!(matches!(verify(&scheme, &key(&scheme), &sha1, &what), Err(Refusal::Malformed { .. })));
    }
}

#[test]
fn a_gitlab_secret_says_by_its_text_what_it_is() {
    let gitlab = preset(SchemeName::Gitlab);
    let key = |text: &str| gitlab.key(&text.into(), SecretEncoding::Utf8).expect("a key");
    let what = ToSign { body: b"{}", url: "", now: now(), id: "msg_1" };
    let whsec = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let (signing, token) = (key(whsec), key("an older secret token"));
    assert!(gitlab.key(&whsec.into(), SecretEncoding::Whsec).is_ok());
    let by_signature = signed(&gitlab, &signing, &what);
    let by_token = signed(&gitlab, &token, &what);
    assert_eq!(by_token, headers(&[("X-Gitlab-Token", "an older secret token")]));
    assert_eq!(verify(&gitlab, &signing, &by_signature, &what), Ok(Some(b"msg_1".to_vec())));
    assert_eq!(verify(&gitlab, &token, &by_token, &what), Ok(None));
    assert!(verify(&gitlab, &signing, &by_token, &what).is_err());
    assert!(verify(&gitlab, &token, &by_signature, &what).is_err());
    // the signing token's text in the other header proves nothing
    let misplaced = headers(&[("X-Gitlab-Token", whsec)]);
    assert!(verify(&gitlab, &signing, &misplaced, &what).is_err());
    // GitLab sends both while both are set: each is checked as what it is
    let both = [by_signature.clone(), by_token.clone()].concat();
    let request = Request { headers: both.as_slice(), body: what.body, url: "", now: now() };
    let by = gitlab.verify([("signing", &signing), ("token", &token)], &request).expect("verified");
    assert_eq!(by.by, "signing");
    let wrong = headers(&[("X-Gitlab-Token", "an older secret toke")]);
    assert_eq!(verify(&gitlab, &token, &wrong, &what), Err(Refusal::Mismatch));
}

#[test]
fn svix_is_another_name_and_names_do_not_mix() {
    let scheme = preset(SchemeName::StandardWebhooks);
    let (sign, key) = keys(&scheme);
    let what = ToSign { body: b"{}", url: "", now: now(), id: "msg_1" };
    let webhook = signed(&scheme, &sign, &what);
    let renamed = |from: usize, to: usize| {
        let renamed = webhook.iter().enumerate().map(|(at, (name, value))| {
            let name =
                if (from..to).contains(&at) { name.replace("webhook-", "svix-") } else { name.clone() };
            (name, value.clone())
        });
        renamed.collect::<Vec<_>>()
    };
    assert!(verify(&scheme, &key, &renamed(0, 3), &what).is_ok());
    for (from, to) in [(0, 1), (1, 3), (0, 2), (2, 3)] {
        assert!(matches!(verify(&scheme, &key, &renamed(from, to), &what), Err(Refusal::Missing { .. })));
    }
}

#[test]
fn tokens_and_passwords() {
    let what = ToSign::body(b"{}");
    let bearer = preset(SchemeName::Bearer);
    let key = bearer.key(&"a-token-of-16-by".into(), SecretEncoding::Utf8).expect("a key");
    for (value, taken) in [
        ("Bearer a-token-of-16-by", true),
        ("bearer a-token-of-16-by", true),
        ("Bearer a-token-of-16-b", false),
        ("Bearer a-token-of-16-byy", false),
        ("Bearer  a-token-of-16-by", false),
        ("Basic a-token-of-16-by", false),
        ("a-token-of-16-by", false),
        ("Bearer ", false),
        ("", false),
    ] {
        let verdict = verify(&bearer, &key, &headers(&[("Authorization", value)]), &what);
        assert_eq!(verdict.is_ok(), taken, "{value}");
    }
    let basic = preset(SchemeName::Basic);
    let key = basic.key(&"Aladdin:open sesame".into(), SecretEncoding::Utf8).expect("a key");
    // RFC 7617, section 2
    let published = headers(&[("Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")]);
    assert_eq!(signed(&basic, &key, &what), published);
    assert_eq!(verify(&basic, &key, &published, &what), Ok(None));
    for wrong in ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ", "Basic QWxhZGRpbjpvcGVu", "Basic !", "Bearer QWxh"] {
        assert!(verify(&basic, &key, &headers(&[("authorization", wrong)]), &what).is_err(), "{wrong}");
    }
}

#[test]
fn secrets_that_a_scheme_cannot_have() {
    let fault = |name, secret: &str, encoding| {
        preset(name).key_to_store(&secret.into(), encoding).expect_err("no key")
    };
    let long = "0123456789abcdef0123456789abcdef";
    assert_eq!(fault(SchemeName::Bearer, long, SecretEncoding::Hex), SecretFault::Encoding("utf8"));
    assert_eq!(
        fault(SchemeName::Bearer, "with blanks in between", SecretEncoding::Utf8),
        SecretFault::NotAToken
    );
    assert_eq!(
        fault(SchemeName::Bearer, "0123456789abcde", SecretEncoding::Utf8),
        SecretFault::TooShort { bytes: 15 }
    );
    assert_eq!(fault(SchemeName::Bearer, "", SecretEncoding::Utf8), SecretFault::Empty);
    assert_eq!(fault(SchemeName::Basic, long, SecretEncoding::Utf8), SecretFault::NotBasic);
    assert_eq!(
        fault(SchemeName::Basic, "user:short", SecretEncoding::Utf8),
        SecretFault::TooShort { bytes: 10 }
    );
    assert_eq!(fault(SchemeName::Gitlab, "whsec_no base64", SecretEncoding::Utf8), SecretFault::NotWhsec);
    assert_eq!(
        fault(SchemeName::Gitlab, "whsec_YWJj", SecretEncoding::Utf8),
        SecretFault::TooShort { bytes: 3 }
    );
    let discord = |secret: &str| fault(SchemeName::Discord, secret, SecretEncoding::Hex);
    assert_eq!(discord(long), SecretFault::NotAPublicKey);
    // no point of the curve, and points under which anybody can sign
    assert_eq!(discord(&format!("02{}", "00".repeat(31))), SecretFault::NotAPublicKey);
    assert_eq!(discord(&format!("01{}", "00".repeat(31))), SecretFault::NotAPublicKey);
    assert_eq!(discord(&"00".repeat(32)), SecretFault::Zeros);
    let made = preset(SchemeName::Discord).generate_secret(SecretEncoding::Hex);
    assert_eq!(made.err(), Some(SecretFault::MustBeGiven));
    let (_, public) = keys(&preset(SchemeName::Discord));
    let unsigned = preset(SchemeName::Discord).sign(&public, &ToSign::body(b"{}"));
    assert_eq!(unsigned, Err(SignFault::PublicKey));
}

#[test]
fn twilio_vouches_for_json_by_its_hash_alone() {
    let scheme = preset(SchemeName::Twilio);
    let (sign, key) = keys(&scheme);
    let (body, form) = (br#"{"a":"x=y"}"#, b"a=1&b=2");
    let bare = ToSign { body, url: "https://h/w", now: now(), id: "" };
    let Err(SignFault::BodyHash(hash)) = scheme.sign(&sign, &bare) else { unreachable!("it needs a hash") };
    let url = format!("https://h/w?bodySHA256={hash}");
    let what = ToSign { url: &url, ..bare };
    let right = signed(&scheme, &sign, &what);
    let of = |content_type: &str, headers: &[(String, String)], what: &ToSign<'_>| {
        let headers = [headers.to_vec(), vec![("Content-Type".to_owned(), content_type.to_owned())]].concat();
        verify(&scheme, &key, &headers, what)
    };
    assert!(of("application/json", &right, &what).is_ok());
    assert!(verify(&scheme, &key, &right, &what).is_ok(), "without a type the URL says what it is");
    assert!(of("application/json", &right, &ToSign { body: br#"{"a":"x=z"}"#, ..what }).is_err());
    // a form is signed with its values, and so it is no JSON
    let posted = ToSign { body: form, ..bare };
    let of_form = signed(&scheme, &sign, &posted);
    let form_type = "application/x-www-form-urlencoded; charset=UTF-8";
    assert!(of(form_type, &of_form, &posted).is_ok());
    assert!(of("application/json", &of_form, &posted).is_err());
    let untyped = verify(&scheme, &key, &of_form, &posted);
    assert!(matches!(untyped, Err(Refusal::Malformed { .. })), "it would be read as JSON: {untyped:?}");
    // the port may have been there or not
    for (signed_at, called) in [("https://h:443/w", "https://h/w"), ("https://h/w", "https://h:443/w")] {
        let there = signed(&scheme, &sign, &ToSign { url: signed_at, ..posted });
        assert!(of(form_type, &there, &ToSign { url: called, ..posted }).is_ok(), "{called}");
    }
    assert!(of(form_type, &of_form, &ToSign { url: "https://h/w2", ..posted }).is_err());
}

#[test]
fn what_a_repeat_of_linear_has_in_common() {
    let linear = preset(SchemeName::Linear);
    let at = |time: i64| format!(r#"{{"a": 1, "webhookTimestamp": {time}, "b": 2}}"#);
    let (one, other) = (at(1), at(22));
    assert_eq!(linear.timeless(one.as_bytes()), linear.timeless(other.as_bytes()));
    assert_ne!(linear.timeless(one.as_bytes()), linear.timeless(br#"{"a": 1, "webhookTimestamp": 1}"#));
    assert_eq!(preset(SchemeName::Github).timeless(one.as_bytes()), [one.as_bytes(), b""]);
}

#[test]
fn handshakes_are_answered() {
    let of = |name, pairs: &[(&str, &str)], body: &str| preset(name).handshake(pairs, body.as_bytes());
    let ping = [("x-github-event", "ping")];
    let answer = |body| Some(Handshake { status: 200, body: Some(body) });
    for name in [SchemeName::Hub, SchemeName::Github] {
        assert_eq!(of(name, &ping, "{}"), answer(json!({"status": "ignored", "reason": "handshake"})));
        assert_eq!(of(name, &[("X-GitHub-Event", "push")], "{}"), None);
    }
    assert_eq!(of(SchemeName::Jira, &ping, "{}"), None);
    let question = r#"{"token":"t","challenge":"c","type":"url_verification"}"#;
    assert_eq!(of(SchemeName::Slack, &[], question), answer(json!({"challenge": "c"})));
    assert_eq!(of(SchemeName::Slack, &[], r#"{"type":"event_callback"}"#), None);
    assert_eq!(of(SchemeName::Discord, &[], r#"{"type":1}"#), answer(json!({"type": 1})));
    assert_eq!(of(SchemeName::Discord, &[], r#"{"type":0}"#), Some(Handshake { status: 204, body: None }));
    assert_eq!(of(SchemeName::Discord, &[], r#"{"type":1,"event":{"type":"ENTITLEMENT_CREATE"}}"#), None);
    assert_eq!(of(SchemeName::Discord, &[], r#"{"type":2}"#), None);
}
