use chrono::TimeZone;
use serde_json::{Value, json};

use super::*;
use crate::model::{EventType, in_javascripts_form};
use crate::signature::Request;

const WHSEC_SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

fn at(seconds: i64) -> Time {
    chrono::Utc.timestamp_opt(1_760_000_000 + seconds, 0).single().expect("a time")
}

fn event(event_type: EventType, data: &Value) -> Event {
    Event::new(event_type, None, at(0), data)
}

fn registered() -> Event {
    let data = json!({
        "model_id": "My Model/5", "name": "My Model", "version": "5", "mlflow_run_id": "abc123", "token_id": "LSCOR",
        "metric_name": "accuracy", "baseline_value": 0.92, "contributor_address": null, "tags": {"a": "b"},
    });
    event(EventType::ModelRegistered, &data)
}

fn recipient(profile: Profile, secrets: &[(&str, Option<Time>)]) -> Recipient {
    let target = TargetText {
        url: "https://example.com/hook?token=abc".into(),
        headers: [("Authorization".to_owned(), "Bearer x".to_owned())].into(),
    };
    let secret = |&(text, expires_at): &(&str, Option<Time>)| SigningSecret { text: text.into(), expires_at };
    Recipient::new(WebhookId::new(), profile, target, secrets.iter().map(secret).collect()).expect("usable")
}

fn headers(request: &SignedRequest) -> Vec<(String, String)> {
    request
        .headers
        .iter()
        .map(|header| (header.name.clone(), header.value.expose_secret().to_owned()))
        .collect()
}

fn header(request: &SignedRequest, name: &str) -> String {
    let all = headers(request);
    all.into_iter().find(|(other, _)| other == name).map(|(_, value)| value).unwrap_or_default()
}

fn attempt(earlier: u32, seconds: i64) -> Attempt<'static> {
    Attempt { earlier, now: at(seconds), url: None }
}

#[test]
fn each_profile_says_what_its_receivers_know() {
    let event = registered();
    let (id, uuid) = (event.event_id.to_string(), event.event_id.0.to_string());
    let say = |profile| {
        let to = recipient(profile, &[(WHSEC_SECRET, None)]);
        String::from_utf8(compose(&event, &to, &attempt(2, 60)).expect("composed").body.to_vec())
            .expect("text")
    };
    let (data, time) = (&event.data, "2025-10-09T08:53:20.000Z");
    let envelope = format!(
        r#"{{"event_id":"{id}","event_type":"model.registered","timestamp":"{time}","data":{data},"retry_count":2}}"#
    );
    assert_eq!(say(Profile::Standard), envelope);
    assert_eq!(say(Profile::Hub), envelope);
    assert_eq!(
        say(Profile::StandardWebhooks),
        format!(r#"{{"type":"model.registered","timestamp":"{time}","data":{data}}}"#)
    );
    assert_eq!(
        say(Profile::Hokusai),
        format!(
            r#"{{"model_id":"My Model/5","idempotency_key":"{uuid}","registered_version":"5","timestamp":"{time}","token_symbol":"LSCOR","baseline_metrics":{{"accuracy":0.92}},"metadata":{{"model_name":"My Model","mlflow_run_id":"abc123","contributor_address":null,"experiment_name":null,"tags":{{"a":"b"}}}}}}"#
        )
    );
    assert_eq!(
        say(Profile::Mlflow),
        format!(
            r#"{{"model":{{"id":"LSCOR","name":"My Model","version":"5","mlflow_run_id":"abc123","metric_name":"accuracy","baseline_value":0.92,"token_id":"LSCOR","status":"registered","tags":{{"a":"b"}}}},"source":"mlflow","event_type":"model_registered","timestamp":"{time}"}}"#
        )
    );
    for profile in
        [Profile::Standard, Profile::StandardWebhooks, Profile::Hub, Profile::Hokusai, Profile::Mlflow]
    {
        let body = say(profile);
        assert_eq!(in_javascripts_form(&body).expect("JSON"), body, "it survives JSON.stringify");
    }
}

#[test]
fn what_a_profile_cannot_tell_is_an_error() {
    let to = recipient(Profile::Hokusai, &[(WHSEC_SECRET, None)]);
    let other = event(EventType::Custom("custom.x".into()), &json!({"a": 1}));
    assert!(compose(&other, &to, &attempt(0, 0)).is_err());
}

#[test]
fn our_own_schemes_verify_what_goes_out() {
    let event = registered();
    for (secret, encoding) in
        [(WHSEC_SECRET, SecretEncoding::Whsec), ("a text of one's own", SecretEncoding::Utf8)]
    {
        for (profile, scheme_name, encoding) in [
            (Profile::Standard, SchemeName::XWebhook, SecretEncoding::Utf8),
            (Profile::Standard, SchemeName::StandardWebhooks, encoding),
            (Profile::StandardWebhooks, SchemeName::StandardWebhooks, encoding),
            (Profile::Hub, SchemeName::Hub, SecretEncoding::Utf8),
            (Profile::Hokusai, SchemeName::Hokusai, SecretEncoding::Utf8),
            (Profile::Mlflow, SchemeName::Mlflow, SecretEncoding::Utf8),
        ] {
            let request =
                compose(&event, &recipient(profile, &[(secret, None)]), &attempt(0, 60)).expect("composed");
            let key = scheme(scheme_name).key(&secret.into(), encoding).expect("a key");
            let sent = headers(&request);
            let received = Request { headers: sent.as_slice(), body: &request.body, url: "", now: at(61) };
            let verdict = scheme(scheme_name).verify([((), &key)], &received);
            assert!(verdict.is_ok(), "{profile:?} {scheme_name:?} {verdict:?}");
        }
    }
}

#[test]
fn in_a_rotation_both_sign_where_a_header_has_room_for_two() {
    let event = registered();
    let old = ("0123456789abcdef-old", Some(at(100)));
    let both = recipient(Profile::Standard, &[(WHSEC_SECRET, None), old]);
    let alone = |secret| recipient(Profile::Standard, &[(secret, None)]);
    let of = |to: &Recipient, seconds| compose(&event, to, &attempt(0, seconds)).expect("composed");
    let signatures = |to: &Recipient, seconds| header(&of(to, seconds), "webhook-signature");
    let (new, earlier) = (signatures(&alone(WHSEC_SECRET), 99), signatures(&alone(old.0), 99));
    assert_eq!(signatures(&both, 99), format!("{new} {earlier}"));
    assert_eq!(signatures(&both, 100), signatures(&alone(WHSEC_SECRET), 100), "the overlap has ended");
    let single = header(&of(&both, 99), "X-Webhook-Signature");
    assert_eq!(single, header(&of(&alone(WHSEC_SECRET), 99), "X-Webhook-Signature"));
}

#[test]
fn an_attempt_decides_its_time_and_count_and_nothing_else_its_bytes() {
    let event = registered();
    let to = recipient(Profile::Standard, &[(WHSEC_SECRET, None)]);
    let first = compose(&event, &to, &attempt(0, 5)).expect("composed");
    let again = compose(&event, &to, &attempt(0, 5)).expect("composed");
    assert_eq!((headers(&first), &first.body), (headers(&again), &again.body));
    assert_eq!(header(&first, "webhook-timestamp"), "1760000005");
    assert_eq!(header(&first, "webhook-id"), event.event_id.to_string());
    assert_eq!(header(&first, "X-Timestamp"), "2025-10-09T08:53:20.000Z");
    let shown =
        |request: &SignedRequest| request.headers.iter().filter(|h| h.may_show == MayShow::Yes).count();
    assert_eq!(shown(&first) + 1, first.headers.len(), "all but the one that a person set");
    let url: SecretString = "https://other.example/".into();
    let elsewhere = Attempt { url: Some(&url), ..attempt(0, 5) };
    let elsewhere = compose(&event, &to, &elsewhere).expect("composed");
    assert_eq!(elsewhere.url.expose_secret(), "https://other.example/");
}
