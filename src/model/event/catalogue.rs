//! What there is to say about each event type: for integrators, and for what they report.
//!
//! A file per family. Members that a schema does not name stay allowed: whoever reports knows more than we do.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::EventType;

macro_rules! families {
    ($($family:literal)*) => { [$(include_str!(concat!("catalogue/", $family, ".json"))),*] };
}

const FILES: [&str; 11] = families!(
    "agent" "batch" "custom" "endpoint" "execution" "inference" "model" "optimization" "query" "training" "vision"
);

/// The name under which the catalogue has what is whoever's own.
const CUSTOM: &str = "custom.*";

/// An entry of the catalogue.
#[derive(Debug, Deserialize)]
pub struct EventInfo {
    /// What has happened, in a sentence.
    pub description: String,
    /// The JSON Schema of its data.
    pub schema: Box<RawValue>,
    /// Data that matches it.
    pub example: Box<RawValue>,
}

static CATALOGUE: LazyLock<BTreeMap<String, EventInfo>> = LazyLock::new(|| {
    let mut all = BTreeMap::new();
    for file in FILES {
        let family: BTreeMap<String, EventInfo> =
            serde_json::from_str(file).expect("the catalogue is JSON: a test reads it");
        all.extend(family);
    }
    all
});

/// All entries, as `GET /api/v1/event-types` lists them: in the order of [`EventType::CATALOGUE`], and `custom.*` last.
pub fn catalogue() -> impl Iterator<Item = (&'static str, bool, &'static EventInfo)> {
    let known =
        EventType::CATALOGUE.iter().map(|kind| (kind.as_str(), EventType::is_reserved(kind.as_str())));
    known.chain([(CUSTOM, false)]).filter_map(|(name, reserved)| Some((name, reserved, CATALOGUE.get(name)?)))
}

impl EventType {
    /// The name of its entry in [`catalogue`].
    #[must_use]
    pub fn entry(&self) -> &str {
        match self {
            Self::Custom(_) => CUSTOM,
            known => known.as_str(),
        }
    }

    /// What there is to say about it.
    #[must_use]
    pub fn info(&self) -> Option<&'static EventInfo> {
        CATALOGUE.get(self.entry())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_entry_and_every_entry_its_type() {
        let listed: Vec<_> = catalogue().map(|(name, ..)| name).collect();
        assert_eq!(listed.len(), EventType::CATALOGUE.len() + 1);
        assert_eq!(CATALOGUE.len(), listed.len());
        let own: EventType = "custom.order.paid".parse().expect("a type");
        assert!(CATALOGUE.contains_key(own.entry()));
        for (name, _, info) in catalogue() {
            assert!(info.description.ends_with('.'), "{name}: a sentence");
            assert!(info.example.get().starts_with('{') && info.schema.get().starts_with('{'), "{name}");
        }
    }
}
