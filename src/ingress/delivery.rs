//! Step 4: which delivery this is, so that a sender's retry runs once.

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use chrono::TimeDelta;
use sha2::{Digest, Sha256};

use super::raw::RawWebhook;
use crate::app::Hook;
use crate::model::{DedupeBy, Time};
use crate::signature::{HeaderSource, Scheme};

/// A delivery's identity and how long it lasts.
pub(super) struct Delivery {
    /// Of bounded length, whatever the sender put into its header.
    pub key: String,
    /// From then on a repeat is a new delivery.
    pub until: Time,
}

/// Names the delivery by the agent's rule: an id that the sender gave, else the bytes themselves.
pub(super) fn of(hook: &Hook, raw: &RawWebhook) -> Delivery {
    let dedupe = &hook.trigger.dedupe;
    let given = Scheme::of(hook.trigger.scheme)
        .id_headers()
        .iter()
        .find_map(|name| raw.values(name).next().filter(|id| !id.is_empty()));
    let (kind, bytes, seconds) = match (dedupe.by, given) {
        (DedupeBy::Id, Some(id)) => ("id", id, dedupe.window_seconds),
        (DedupeBy::Id, None) => ("body", &raw.body[..], dedupe.identical_seconds),
        (DedupeBy::Body, _) => ("body", &raw.body[..], dedupe.window_seconds),
    };
    Delivery {
        key: format!("{kind}:{}", BASE64_STANDARD_NO_PAD.encode(Sha256::digest(bytes))),
        until: raw.received_at + TimeDelta::seconds(seconds.into()),
    }
}
