//! What follows from an attempt: pure, but for the dice of the jitter.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;

use crate::model::{
    CircuitRule, DeliveryError, DeliveryErrorCode, DisabledReason, Event, RetrySchedule, Time, Webhook,
    WebhookKind,
};
use crate::store::{Attempted, ClaimedDelivery, DeliveryEnd, DeliveryOutcome};

/// The receiver says that it is gone for good (RFC 9110, 15.5.11).
const GONE: u16 = 410;
/// Answers that may say how long the receiver wants to be left alone.
const BUSY: [u16; 2] = [429, 503];
/// The longest wait that a receiver can ask for, in s.
const MOST_ASKED: f64 = 86_400.0;

/// Why a status is a failure; `None`: it is none.
pub(super) fn status_error(status: u16) -> Option<DeliveryError> {
    let message = match status {
        200..300 => return None,
        300..400 => {
            format!("answered {status}: redirects are not followed, so give the URL that it leads to")
        }
        GONE => "answered 410: the endpoint is gone, and nothing is sent to it any more".into(),
        _ => format!("answered {status}"),
    };
    Some(DeliveryError { code: DeliveryErrorCode::Status, message })
}

/// Where a delivery goes from here.
pub(super) fn of(
    claimed: ClaimedDelivery,
    webhook: &Webhook,
    attempt: Attempted,
    retry_after: Option<Duration>,
    now: Time,
) -> DeliveryOutcome {
    let asked = retry_after.filter(|_| attempt.status_code.is_some_and(|status| BUSY.contains(&status)));
    let to = match &attempt.error {
        None => DeliveryEnd::Success,
        Some(error) if attempt.status_code == Some(GONE) => {
            DeliveryEnd::Exhausted(disabling(webhook, DisabledReason::Gone, &claimed, &attempt, error, now))
        }
        Some(error) => match next(&webhook.options.retry, claimed.tries, asked, rand::random()) {
            Some(wait) => DeliveryEnd::RetryAt(now + wait),
            None if webhook.options.disables() => DeliveryEnd::Exhausted(disabling(
                webhook,
                DisabledReason::Exhausted,
                &claimed,
                &attempt,
                error,
                now,
            )),
            None => DeliveryEnd::Exhausted(None),
        },
    };
    DeliveryOutcome { claimed, attempt, to, circuit: webhook.options.circuit, now }
}

/// The end of a delivery whose endpoint is not there any more.
pub(super) fn given_up(claimed: ClaimedDelivery, attempt: Attempted, now: Time) -> DeliveryOutcome {
    let circuit = CircuitRule { failures: u32::MAX, open_seconds: 0 };
    DeliveryOutcome { claimed, attempt, to: DeliveryEnd::Exhausted(None), circuit, now }
}

/// The wait before the next attempt after `tries` that used up their places; `None`: that was the last one. What the
/// receiver asks for is the least that it is left alone, and never shortens the schedule. `dice` in `[0, 1)`.
fn next(schedule: &RetrySchedule, tries: i32, asked: Option<Duration>, dice: f64) -> Option<TimeDelta> {
    let wait = *schedule.waits().get(usize::try_from(tries).ok()?)?;
    let scheduled = f64::from(wait) * (1.0 + (dice * 2.0 - 1.0) * RetrySchedule::JITTER);
    // Never before it says, unless it says more than a day.
    let asked = asked.unwrap_or_default().as_secs_f64() * (1.0 + dice * RetrySchedule::JITTER);
    let seconds = scheduled.max(asked.min(MOST_ASKED));
    Some(TimeDelta::milliseconds((seconds * 1000.0).round() as i64))
}

/// What disables an endpoint, and says so. Callbacks each have another URL, so nothing follows from one for the next.
fn disabling(
    webhook: &Webhook,
    reason: DisabledReason,
    claimed: &ClaimedDelivery,
    attempt: &Attempted,
    error: &DeliveryError,
    now: Time,
) -> Option<(DisabledReason, Event)> {
    if webhook.kind == WebhookKind::Callback {
        return None;
    }
    let data = json!({
        "delivery_id": claimed.delivery_id, "event_id": claimed.event_id, "status_code": attempt.status_code, "error": error,
    });
    Some((reason, Event::of_disabled_endpoint(webhook, reason, data, now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_to_its_end_with_its_jitter() {
        let seconds = |tries, asked: Option<u64>, dice| {
            next(&RetrySchedule::Standard, tries, asked.map(Duration::from_secs), dice)
                .map(|wait| wait.num_milliseconds())
        };
        for (tries, wait) in [300, 1800, 7200, 28_800, 86_400].into_iter().enumerate() {
            let tries = tries as i32;
            assert_eq!(seconds(tries, None, 0.5), Some(wait * 1000));
            assert_eq!(seconds(tries, None, 0.0), Some(wait * 900));
        }
        assert_eq!(seconds(5, None, 0.5), None, "six attempts in all");
        assert_eq!(seconds(5, Some(10), 0.0), None, "asking for time is no further attempt");
    }

    #[test]
    fn what_the_receiver_asks_for_is_the_least() {
        let wait = |tries, asked: u64, dice| {
            let asked = Some(Duration::from_secs(asked));
            next(&RetrySchedule::Standard, tries, asked, dice).map(|wait| wait.num_milliseconds())
        };
        for short in [0, 1, 269] {
            assert_eq!(wait(0, short, 0.0), Some(270_000), "{short} s do not shorten the schedule");
        }
        assert_eq!(wait(0, 300, 0.0), Some(300_000), "never before the receiver says");
        assert_eq!(wait(0, 1000, 0.0), Some(1_000_000));
        assert_eq!(wait(0, 1000, 1.0), Some(1_100_000), "its own jitter is only ever longer");
        for large in [86_400, 10_000_000, u64::MAX] {
            assert_eq!(wait(0, large, 1.0), Some(86_400_000), "a day at most, with the jitter");
        }
        assert_eq!(wait(4, u64::MAX, 1.0), Some(95_040_000), "the schedule's own day has its jitter");
    }

    #[test]
    fn what_is_a_failure() {
        for status in [200, 201, 204, 299] {
            assert_eq!(status_error(status), None);
        }
        for status in [100, 199, 300, 301, 302, 307, 308, 400, 404, 410, 429, 500, 503] {
            assert!(status_error(status).is_some(), "{status}");
        }
    }
}
