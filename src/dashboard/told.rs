//! Whom an execution's events were told: each event with its deliveries, out of the timeline.

use super::show::Show;
use crate::api::timeline::EntryView;
use crate::api::view::Stamp;
use crate::model::{DeliveryId, EventId, TimelineEvent, WebhookId};

/// An event of an execution.
pub(super) struct Told {
    pub event_id: Option<EventId>,
    pub event_type: String,
    pub at: Stamp,
    pub deliveries: Vec<Delivery>,
}

/// One of its deliveries.
pub(super) struct Delivery {
    pub delivery_id: Option<DeliveryId>,
    pub webhook_id: Option<WebhookId>,
    /// Attempts at it.
    pub attempts: usize,
    /// How it stands, as a delivery's status is called.
    pub status: &'static str,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

/// The events, in the order of time.
pub(super) fn told(timeline: &[EntryView]) -> Vec<Told> {
    let mut all: Vec<Told> = Vec::new();
    for entry in timeline {
        let event_id = entry.event_id;
        if entry.event == TimelineEvent::EventPublished {
            let event_type = entry.event_type.clone().unwrap_or_default();
            all.push(Told { event_id, event_type, at: entry.at, deliveries: Vec::new() });
            continue;
        }
        let Some(told) = all.iter_mut().rfind(|told| told.event_id == event_id && event_id.is_some()) else {
            continue;
        };
        let (delivery_id, webhook_id) = (entry.delivery_id, entry.webhook_id);
        if entry.event == TimelineEvent::DeliveryCreated {
            let (status, error) = ("pending", None);
            told.deliveries.push(Delivery { delivery_id, webhook_id, attempts: 0, status, error });
            continue;
        }
        let Some(delivery) = told.deliveries.iter_mut().find(|one| one.delivery_id == delivery_id) else {
            continue;
        };
        let failed =
            entry.delivery_error.as_ref().map(|error| format!("{}: {}", error.code.word(), error.message));
        let (status, attempts) = match entry.event {
            TimelineEvent::DeliverySucceeded => ("success", 1),
            TimelineEvent::DeliveryFailed => ("failed", 1),
            TimelineEvent::DeliveryExhausted => ("exhausted", 0),
            _ => continue,
        };
        (delivery.status, delivery.error) = (status, failed);
        delivery.attempts += attempts;
    }
    all
}
