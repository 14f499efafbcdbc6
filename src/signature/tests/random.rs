//! Every scheme, any bytes: what is signed verifies, and no flipped bit does.

use proptest::prelude::*;

use super::*;

/// Every preset, and custom schemes of all kinds.
fn schemes() -> Vec<Scheme> {
    let custom = |json: serde_json::Value| {
        let custom: CustomScheme = serde_json::from_value(json).expect("a custom scheme");
        Scheme::of(SchemeName::Custom, Some(&custom)).expect("a scheme")
    };
    let mut schemes: Vec<_> = SchemeName::ALL
        .into_iter()
        .filter(|name| *name != SchemeName::Custom)
        .map(|name| Scheme::of(name, None).expect("a preset"))
        .collect();
    for algorithm in ["sha1", "sha256", "sha512"] {
        for encoding in ["hex", "base64"] {
            schemes.push(custom(serde_json::json!({
                "header": "X-Sig", "template": "{url} {timestamp}\n{id}:{body}!", "algorithm": algorithm,
                "encoding": encoding, "prefix": "v9 ", "separator": ";", "timestamp_header": "X-Time",
                "timestamp_unit": "ms", "id_header": "X-Id",
            })));
        }
    }
    schemes
}

/// A body that the scheme can sign, with these bytes in it.
fn body_for(scheme: &Scheme, bytes: &[u8]) -> Vec<u8> {
    match scheme.name() {
        SchemeName::Linear => {
            let text = String::from_utf8_lossy(bytes);
            let time = now().timestamp_millis();
            serde_json::json!({"webhookTimestamp": time, "text": text}).to_string().into_bytes()
        }
        _ => bytes.to_vec(),
    }
}

fn url_for(scheme: &Scheme, body: &[u8]) -> String {
    use sha2::Digest;
    match scheme.name() {
        SchemeName::Twilio => {
            format!("https://h.example/w?bodySHA256={}", hex::encode(sha2::Sha256::digest(body)))
        }
        _ => "https://h.example/w?a=b".to_owned(),
    }
}

fn flipped(bytes: &[u8], at: &prop::sample::Index, from: usize) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    let bit = from * 8 + at.index((bytes.len() - from) * 8);
    flipped[bit / 8] ^= 1 << (bit % 8);
    flipped
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_signed_verifies_and_no_flipped_bit_does(
        bytes in prop::collection::vec(any::<u8>(), 1..200),
        at in any::<prop::sample::Index>(),
    ) {
        for scheme in schemes() {
            let (sign, key) = keys(&scheme);
            let body = body_for(&scheme, &bytes);
            let url = url_for(&scheme, &body);
            let what = ToSign { body: &body, url: &url, now: now(), id: "msg_1" };
            let headers = scheme.sign(&sign, &what).expect("signed");
            let verdict = verify(&scheme, &key, &headers, &what);
            prop_assert!(verdict.is_ok(), "{:?}: {:?}", scheme.name(), verdict);

            // the signature's own digits: what stands before them may have another meaning for other bits
            let value = headers[0].1.as_bytes().to_vec();
            let digits = value.iter().rposition(|byte| b" ,=".contains(byte) && *byte != b'=')
                .map_or(0, |at| at + 1);
            let wrong = flipped(&value, &at, digits);
            let mut other: Vec<_> =
                headers.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes())).collect();
            other[0].1 = wrong;
            let request = Request { headers: other.as_slice(), body: &body, url: &url, now: now() };
            prop_assert!(scheme.verify([((), &key)], &request).is_err(), "{:?}", scheme.name());

            let is_token = matches!(scheme.name(), SchemeName::Bearer | SchemeName::Basic);
            if !is_token {
                let wrong = flipped(&body, &at, 0);
                let request = Request { headers: headers.as_slice(), body: &wrong, url: &url, now: now() };
                prop_assert!(scheme.verify([((), &key)], &request).is_err(), "{:?}", scheme.name());
                let (_, stranger) = match scheme.name() {
                    SchemeName::Discord => continue,
                    _ => keys(&scheme),
                };
                prop_assert!(verify(&scheme, &stranger, &headers, &what).is_err(), "{:?}", scheme.name());
            }
        }
    }

    #[test]
    fn no_header_and_no_body_is_a_panic(
        value in prop::collection::vec(any::<u8>(), 0..100),
        body in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        for scheme in schemes() {
            let (_, key) = keys(&scheme);
            let (sign, _) = keys(&scheme);
            let what = ToSign { body: b"{}", url: "https://h/", now: now(), id: "1" };
            let names = scheme.sign(&sign, &what).unwrap_or_default();
            let headers: Vec<_> = names.iter().map(|(name, _)| (name.clone(), value.clone())).collect();
            let request = Request { headers: headers.as_slice(), body: &body, url: "", now: now() };
            prop_assert!(scheme.verify([((), &key)], &request).is_err());
            let _ = scheme.timeless(&body);
        }
    }

    #[test]
    fn a_form_verifies_and_none_of_its_values_can_be_exchanged(
        values in prop::collection::vec("[a-zA-Z0-9]{1,8}", 1..8),
        at in any::<prop::sample::Index>(),
    ) {
        let scheme = preset(SchemeName::Twilio);
        let (sign, key) = keys(&scheme);
        let form = |values: &[String]| {
            let pairs: Vec<_> = values.iter().enumerate().map(|(n, v)| format!("Name{n}={v}")).collect();
            pairs.join("&")
        };
        let body = form(&values);
        let what = ToSign { body: body.as_bytes(), url: "http://h.example/w", now: now(), id: "" };
        let mut headers = scheme.sign(&sign, &what).expect("signed");
        headers.push(("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
        prop_assert_eq!(verify(&scheme, &key, &headers, &what), Ok(None));
        let mut other = values.clone();
        other[at.index(values.len())].push('x');
        let other = form(&other);
        let what = ToSign { body: other.as_bytes(), ..what };
        prop_assert_eq!(verify(&scheme, &key, &headers, &what), Err(Refusal::Mismatch));
    }
}
