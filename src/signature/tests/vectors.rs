//! Signatures that others published, or computed with other programs.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Vector {
    id: String,
    scheme: SchemeName,
    custom: Option<CustomScheme>,
    secret: String,
    secret_encoding: SecretEncoding,
    body: String,
    headers: BTreeMap<String, String>,
    now: Option<i64>,
    url: Option<String>,
    expect: String,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("vectors.json")).expect("vectors")
}

impl Vector {
    fn scheme(&self) -> Scheme {
        Scheme::of(self.scheme, self.custom.as_ref()).expect("a scheme")
    }

    fn verdict(&self, headers: &[(&String, &String)], body: &[u8]) -> Result<(), Refusal> {
        let scheme = self.scheme();
        let key = scheme.key(&self.secret.as_str().into(), self.secret_encoding).expect("a key");
        let now = Time::from_timestamp(self.now.unwrap_or(1_700_000_000), 0).expect("a time");
        let request = Request { headers, body, url: self.url.as_deref().unwrap_or(""), now };
        scheme.verify([((), &key)], &request).map(drop)
    }
}

#[test]
fn what_was_published_verifies_and_nothing_else() {
    let (mut taken, mut refused) = (0, 0);
    for vector in vectors() {
        let headers: Vec<_> = vector.headers.iter().collect();
        let verdict = vector.verdict(&headers, vector.body.as_bytes());
        match vector.expect.as_str() {
            "accept" => {
                taken += 1;
                assert_eq!(verdict, Ok(()), "{}", vector.id);
                // case of header names, one byte more, one header less, one header twice
                let lower: Vec<_> = vector.headers.iter().map(|(name, v)| (name.to_lowercase(), v)).collect();
                let lower: Vec<_> = lower.iter().map(|(name, value)| (name, *value)).collect();
                assert_eq!(vector.verdict(&lower, vector.body.as_bytes()), Ok(()), "{}", vector.id);
                let longer = format!("{}\n", vector.body);
                assert!(vector.verdict(&headers, longer.as_bytes()).is_err(), "{}", vector.id);
                for at in 0..headers.len() {
                    let mut fewer = headers.clone();
                    let header = fewer.remove(at);
                    assert!(vector.verdict(&fewer, vector.body.as_bytes()).is_err(), "{}", vector.id);
                    let twice = [headers.clone(), vec![header]].concat();
                    let repeated = vector.verdict(&twice, vector.body.as_bytes());
                    assert!(matches!(repeated, Err(Refusal::Repeated { .. })), "{}: {repeated:?}", vector.id);
                }
            }
            _ => {
                refused += 1;
                assert!(verdict.is_err(), "{}", vector.id);
            }
        }
    }
    assert!(taken >= 15 && refused >= 4, "{taken} {refused}");
}

#[test]
fn each_is_signed_as_its_sender_signs_it() {
    for vector in vectors().iter().filter(|vector| vector.expect == "accept" && !vector.id.contains("bare")) {
        let scheme = vector.scheme();
        // RFC 8032, test 1
        let secret = match vector.scheme {
            SchemeName::Discord => "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            _ => vector.secret.as_str(),
        };
        let key = scheme.key_to_sign(&secret.into(), vector.secret_encoding).expect("a key");
        let what = ToSign {
            body: vector.body.as_bytes(),
            url: vector.url.as_deref().unwrap_or(""),
            now: Time::from_timestamp(vector.now.unwrap_or(0), 0).expect("a time"),
            id: vector.headers.get("webhook-id").map_or("", String::as_str),
        };
        let signed = scheme.sign(&key, &what).expect("signed");
        let lower = |(name, value): (&str, &str)| (name.to_lowercase(), value.to_owned());
        let signed: BTreeMap<_, _> = signed.iter().map(|(n, v)| lower((n, v))).collect();
        let mut published: BTreeMap<_, _> = vector.headers.iter().map(|(n, v)| lower((n, v))).collect();
        // Read by Twilio's check, and no part of a signature.
        published.remove("content-type");
        assert_eq!(signed, published, "{}", vector.id);
    }
}
