//! Step 4: which delivery this is, so that a sender's retry runs once.

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use chrono::TimeDelta;
use sha2::{Digest, Sha256};

use super::raw::RawWebhook;
use super::verify::Verified;
use crate::model::{DedupeBy, DeliveryKey, Time};
use crate::signature::HeaderSource;

/// A delivery's identity and how long it lasts.
pub(super) struct Delivery {
    /// Of bounded length, whatever the sender put into its header.
    pub key: String,
    /// From then on a repeat is a new delivery.
    pub until: Time,
}

/// Names the delivery: by an id that the signature covers, else by the agent's rule: an id that the sender gave, or the
/// bytes themselves. An id that nothing covers could be exchanged by whoever has seen the request.
pub(super) fn of(verified: &Verified, raw: &RawWebhook) -> Delivery {
    let hook = verified.hook();
    let dedupe = &hook.trigger.dedupe;
    let given =
        || hook.scheme.id_headers().find_map(|name| raw.values(name).next().filter(|id| !id.is_empty()));
    let body = || hook.scheme.timeless(&raw.body);
    let (kind, [first, last], seconds) = match (&verified.signed_id, hook.trigger.dedupe_by()) {
        (Some(id), DedupeBy::Id | DedupeBy::Body) => {
            (DeliveryKey::SignedId, [&id[..], &[]], dedupe.window_seconds)
        }
        (None, DedupeBy::Body) => (DeliveryKey::Body, body(), dedupe.window_seconds),
        (None, DedupeBy::Id) => match given() {
            Some(id) => (DeliveryKey::Id, [id, &[]], dedupe.window_seconds),
            None => (DeliveryKey::Body, body(), dedupe.identical_seconds),
        },
    };
    let hash = Sha256::new().chain_update(first).chain_update(last).finalize();
    Delivery {
        key: format!("{}{}", kind.prefix(), BASE64_STANDARD_NO_PAD.encode(hash)),
        until: raw.received_at + TimeDelta::seconds(seconds.into()),
    }
}
