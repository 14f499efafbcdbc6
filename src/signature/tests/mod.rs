//! What every scheme keeps, and what some of them keep.

mod custom;
mod hub;
mod presets;
mod random;
mod table;
mod vectors;

use super::*;

use crate::model::SecretEncoding;

/// Half past some second of 2023.
fn now() -> Time {
    Time::from_timestamp_millis(1_700_000_000_500).expect("a time")
}

fn preset(name: SchemeName) -> Scheme {
    Scheme::of(name, None).expect("a preset")
}

/// A secret that can be stored, as the sender has it (the key to sign with), and as the receiver has it.
fn keys(scheme: &Scheme) -> (SigningKey, SigningKey) {
    let encoding = scheme.name().default_encoding();
    let (ours, theirs) = match scheme.name() {
        SchemeName::Discord => {
            // RFC 8032, test 1
            let private = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
            let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
            (public.into(), private.into())
        }
        _ => {
            let secret = scheme.generate_secret(encoding).expect("made here");
            (secret.clone(), secret)
        }
    };
    let sign = scheme.key_to_sign(&theirs, encoding).expect("a key");
    (sign, scheme.key_to_store(&ours, encoding).expect("a key"))
}

fn verify(
    scheme: &Scheme,
    key: &SigningKey,
    headers: &[(String, String)],
    what: &ToSign<'_>,
) -> Result<Option<Vec<u8>>, Refusal> {
    let request = Request { headers, body: what.body, url: what.url, now: what.now };
    scheme.verify([((), key)], &request).map(|signed| signed.id)
}

#[test]
fn the_proof_of_every_preset_is_known_by_its_name() {
    for name in SchemeName::ALL.into_iter().filter(|name| *name != SchemeName::Custom) {
        let scheme = preset(name);
        assert_ne!(scheme.proof_headers().count(), 0, "{name:?}");
        for header in scheme.proof_headers().map(str::to_ascii_lowercase) {
            assert!(PROOF_PARTS.iter().any(|part| header.contains(part)), "{name:?}: {header}");
        }
    }
}
