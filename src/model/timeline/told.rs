//! What others were told: the events of an execution, and how each of their deliveries went.

use super::{TimelineDetails, TimelineEntry, TimelineEvent, stamp};
use crate::model::{DeliveryError, DeliveryId, DeliveryStatus, EventId, EventType, Time, WebhookId};

/// An event of an execution.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "columns of the event")]
pub struct ToldEvent {
    pub event_id: EventId,
    pub event_type: EventType,
    pub at: Time,
    pub deliveries: Vec<ToldDelivery>,
}

/// A delivery of such an event.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "columns of the delivery")]
pub struct ToldDelivery {
    pub delivery_id: DeliveryId,
    pub webhook_id: WebhookId,
    /// It goes where the sender wanted it.
    pub is_callback: bool,
    pub status: DeliveryStatus,
    pub error: Option<DeliveryError>,
    pub created_at: Time,
    /// When it is sent next, if it is.
    pub due_at: Option<Time>,
    pub attempts: Vec<ToldAttempt>,
}

/// An attempt at such a delivery.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "columns of the attempt")]
pub struct ToldAttempt {
    pub number: i32,
    pub started_at: Time,
    pub response_ms: i64,
    pub status_code: Option<i32>,
    pub error: Option<DeliveryError>,
}

/// `run`: in which run something happened.
pub(super) fn of_event(event: &ToldEvent, run: impl Fn(Time) -> i32) -> Vec<TimelineEntry> {
    let about = TimelineDetails {
        event_id: Some(event.event_id),
        event_type: Some(event.event_type.as_str().to_owned()),
        ..TimelineDetails::default()
    };
    let of_run = run(event.at);
    let mut told = vec![TimelineEntry {
        at: event.at,
        event: TimelineEvent::EventPublished,
        run: of_run,
        message: format!("{} was published", event.event_type),
        details: about.clone(),
    }];
    for delivery in &event.deliveries {
        told.extend(of_delivery(delivery, &about, of_run));
    }
    told
}

fn of_delivery(delivery: &ToldDelivery, about: &TimelineDetails, run: i32) -> Vec<TimelineEntry> {
    let about = TimelineDetails {
        delivery_id: Some(delivery.delivery_id),
        webhook_id: Some(delivery.webhook_id),
        ..about.clone()
    };
    let to = match delivery.is_callback {
        true => "the sender's callback URL".to_owned(),
        false => format!("webhook {}", delivery.webhook_id),
    };
    let type_ = about.event_type.as_deref().unwrap_or_default();
    let mut told = vec![TimelineEntry {
        at: delivery.created_at,
        event: TimelineEvent::DeliveryCreated,
        run,
        message: format!("{type_} is to be delivered to {to}"),
        details: about.clone(),
    }];
    for (index, attempt) in delivery.attempts.iter().enumerate() {
        let due_at = delivery.due_at.filter(|_| index + 1 == delivery.attempts.len());
        told.push(of_attempt(attempt, &to, due_at, &about, run));
    }
    if delivery.status == DeliveryStatus::Exhausted {
        let ended =
            |attempt: &ToldAttempt| attempt.started_at + chrono::TimeDelta::milliseconds(attempt.response_ms);
        let why = delivery.error.as_ref().map_or_else(String::new, |error| format!(": {}", error.message));
        told.push(TimelineEntry {
            at: delivery.attempts.last().map_or(delivery.created_at, ended),
            event: TimelineEvent::DeliveryExhausted,
            run,
            message: format!("the delivery to {to} is not tried again{why}"),
            details: TimelineDetails { delivery_error: delivery.error.clone(), ..about },
        });
    }
    told
}

fn of_attempt(
    attempt: &ToldAttempt,
    to: &str,
    due_at: Option<Time>,
    about: &TimelineDetails,
    run: i32,
) -> TimelineEntry {
    let (number, took) = (attempt.number, attempt.response_ms);
    let (event, message) = match &attempt.error {
        None => (
            TimelineEvent::DeliverySucceeded,
            format!("delivery attempt {number} to {to} succeeded after {took} ms"),
        ),
        Some(error) => {
            let next = due_at
                .map_or_else(String::new, |due| format!("; it is tried again, not before {}", stamp(due)));
            let message =
                format!("delivery attempt {number} to {to} failed after {took} ms: {}{next}", error.message);
            (TimelineEvent::DeliveryFailed, message)
        }
    };
    let details = TimelineDetails {
        attempt: Some(number),
        status_code: attempt.status_code,
        delivery_error: attempt.error.clone(),
        took_ms: Some(took),
        due_at: due_at.filter(|_| attempt.error.is_some()),
        ..about.clone()
    };
    let at = attempt.started_at + chrono::TimeDelta::milliseconds(took);
    TimelineEntry { at, event, run, message, details }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DeliveryErrorCode;

    fn at(seconds: i64) -> Time {
        Time::UNIX_EPOCH + chrono::TimeDelta::seconds(seconds)
    }

    fn error() -> DeliveryError {
        DeliveryError { code: DeliveryErrorCode::Status, message: "answered 500".into() }
    }

    fn attempt(number: i32, error: Option<DeliveryError>) -> ToldAttempt {
        ToldAttempt {
            number,
            started_at: at(10 * i64::from(number)),
            response_ms: 7,
            status_code: Some(500),
            error,
        }
    }

    fn told(
        status: DeliveryStatus,
        due_at: Option<Time>,
        attempts: Vec<ToldAttempt>,
    ) -> Vec<(TimelineEvent, Option<Time>)> {
        let delivery = ToldDelivery {
            delivery_id: DeliveryId::new(),
            webhook_id: WebhookId::new(),
            is_callback: false,
            status,
            error: (status != DeliveryStatus::Success).then(error),
            created_at: at(2),
            due_at,
            attempts,
        };
        let event_type = EventType::ExecutionCompleted;
        let event = ToldEvent { event_id: EventId::new(), event_type, at: at(1), deliveries: vec![delivery] };
        let told = of_event(&event, |at| if at == self::at(1) { 4 } else { 5 });
        assert!(told.iter().all(|entry| entry.run == 4), "all of it is of the event's run");
        assert!(told.iter().all(|entry| entry.details.event_id == Some(event.event_id)));
        told.into_iter().map(|entry| (entry.event, entry.details.due_at)).collect()
    }

    #[test]
    fn a_delivery_is_told_attempt_by_attempt() {
        use TimelineEvent::*;
        assert_eq!(
            told(DeliveryStatus::Success, None, vec![attempt(1, Some(error())), attempt(2, None)]),
            [
                (EventPublished, None),
                (DeliveryCreated, None),
                (DeliveryFailed, None),
                (DeliverySucceeded, None)
            ]
        );
        let due = Some(at(300));
        assert_eq!(
            told(DeliveryStatus::Failed, due, vec![attempt(1, Some(error())), attempt(2, Some(error()))]),
            [(EventPublished, None), (DeliveryCreated, None), (DeliveryFailed, None), (DeliveryFailed, due)]
        );
        assert_eq!(
            told(DeliveryStatus::Exhausted, None, vec![attempt(1, Some(error()))]),
            [
                (EventPublished, None),
                (DeliveryCreated, None),
                (DeliveryFailed, None),
                (DeliveryExhausted, None)
            ]
        );
        assert_eq!(
            told(DeliveryStatus::Exhausted, None, Vec::new()),
            [(EventPublished, None), (DeliveryCreated, None), (DeliveryExhausted, None)],
            "its endpoint was disabled"
        );
        assert_eq!(
            told(DeliveryStatus::Pending, Some(at(2)), Vec::new()),
            [(EventPublished, None), (DeliveryCreated, None)]
        );
    }
}
