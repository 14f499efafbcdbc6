//! What stands in MLflow beside a version: by these tags a version says whose it is and what it was registered for.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::model::{EventId, Registration};

/// Whose it is; absent: the platform's. Models have it too, and runs may.
pub(super) const TENANT: &str = "agenthook.tenant";
/// For which token.
pub(super) const TOKEN_ID: &str = "agenthook.token_id";
/// Which metric was compared.
pub(super) const METRIC_NAME: &str = "agenthook.metric_name";
/// What the run had reached.
const METRIC_VALUE: &str = "agenthook.metric_value";
/// What it had to reach.
pub(super) const BASELINE_VALUE: &str = "agenthook.baseline_value";
/// Who made it.
pub(super) const CONTRIBUTOR_ADDRESS: &str = "agenthook.contributor_address";
/// Names the registration, so that the same one finds its version again.
pub(super) const REGISTRATION: &str = "agenthook.registration";
/// The event that tells of it: chosen before the version is made, so that it is published once.
pub(super) const EVENT_ID: &str = "agenthook.event_id";
/// `registering` until the event is published, then `registered`.
pub(super) const STATE: &str = "agenthook.state";

/// The value of [`STATE`] before the event is published.
pub(super) const REGISTERING: &str = "registering";
/// The value of [`STATE`] after it.
pub(super) const REGISTERED: &str = "registered";

/// Tags that are not the user's begin with one of these.
pub(super) const RESERVED: [&str; 2] = ["agenthook.", "mlflow."];

/// The tags of a new version.
pub(super) fn of(wanted: &Registration, metric_value: f64, event_id: EventId) -> BTreeMap<String, String> {
    let mut tags = wanted.tags.clone();
    let mut say = |key: &str, value: String| tags.insert(key.to_owned(), value);
    if let Some(tenant_id) = &wanted.tenant_id {
        say(TENANT, tenant_id.to_string());
    }
    if let Some(address) = &wanted.contributor_address {
        say(CONTRIBUTOR_ADDRESS, address.clone());
    }
    say(TOKEN_ID, wanted.token_id.as_str().to_owned());
    say(METRIC_NAME, wanted.metric_name.clone());
    say(METRIC_VALUE, metric_value.to_string());
    say(BASELINE_VALUE, wanted.baseline_value.to_string());
    say(REGISTRATION, name_of(wanted));
    say(EVENT_ID, event_id.to_string());
    say(STATE, REGISTERING.to_owned());
    tags
}

/// The user's own.
pub(super) fn users(tags: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let own = tags.iter().filter(|(key, _)| !is_reserved(key));
    own.map(|(key, value)| (key.clone(), value.clone())).collect()
}

pub(super) fn is_reserved(key: &str) -> bool {
    RESERVED.iter().any(|prefix| key.starts_with(prefix))
}

/// Names a registration by all that was asked for: 32 hexadecimal digits.
pub(super) fn name_of(wanted: &Registration) -> String {
    let Registration {
        tenant_id,
        model_uri,
        model_name,
        token_id,
        metric_name,
        baseline_value,
        tags,
        contributor_address,
        idempotency_key,
    } = wanted;
    let all = serde_json::json!([
        tenant_id,
        model_uri.to_string(),
        model_name,
        token_id,
        metric_name,
        baseline_value,
        tags,
        contributor_address,
        idempotency_key,
    ]);
    hex::encode(&Sha256::digest(all.to_string())[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Registration {
        Registration {
            tenant_id: Some("acme".parse().expect("an id")),
            model_uri: "runs:/abc123/model".parse().expect("a URI"),
            model_name: "My Model".into(),
            token_id: "lscor".to_owned().try_into().expect("a token"),
            metric_name: "accuracy".into(),
            baseline_value: 0.92,
            tags: BTreeMap::from([("environment".into(), "production".into())]),
            contributor_address: None,
            idempotency_key: None,
        }
    }

    #[test]
    fn whatever_is_asked_for_names_the_registration() {
        let name = name_of(&wanted());
        assert_eq!((name.len(), &name), (32, &name_of(&wanted())));
        let others = [
            Registration { tenant_id: None, ..wanted() },
            Registration { baseline_value: 0.93, ..wanted() },
            Registration { tags: BTreeMap::new(), ..wanted() },
            Registration { idempotency_key: Some("2".into()), ..wanted() },
            Registration { contributor_address: Some("2".into()), ..wanted() },
        ];
        let mut names: Vec<_> = others.iter().map(name_of).chain([name]).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 6);
    }

    #[test]
    fn a_number_comes_back_from_its_tag_as_it_was() {
        for number in [0.92, 1.0, -0.1, 1e300, f64::MIN_POSITIVE, 0.1 + 0.2] {
            assert_eq!(number.to_string().parse(), Ok(number));
        }
        let tags = of(&wanted(), 0.95, EventId::new());
        assert_eq!(users(&tags), wanted().tags);
        assert_eq!((tags[TENANT].as_str(), tags[BASELINE_VALUE].as_str()), ("acme", "0.92"));
    }
}
