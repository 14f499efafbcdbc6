//! One attempt at a delivery: compose, send, and write down how it went.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::FutureExt;
use secrecy::SecretString;

use super::callback::OwnUrl;
use super::probe::Probe;
use super::{Outbound, outcome};
use crate::app::{UnusableWebhook, WebhookEntry};
use crate::cipher::CipherError;
use crate::egress::{Answer, Attempt, MayShow, SignedRequest, compose};
use crate::model::{DeliveryError, DeliveryErrorCode, Event, Time};
use crate::signal::limit::{Rate, RateOwner};
use crate::store::{self, Attempted, ClaimedDelivery, Deliverable, DeliveryOutcome, OutcomeWritten};

/// Between two tries to reach the ledger. An outcome is worth waiting for: without it the delivery is sent again.
const AGAIN: Duration = Duration::from_millis(500);
/// So long what the encryption keys do not open is left alone; another process may have the key.
const CLOSED: TimeDelta = TimeDelta::seconds(60);

/// What was written of a delivery that was claimed.
enum Settled {
    /// Its outcome.
    Written,
    /// None: it is sent later, or by another.
    Nothing,
}

impl Outbound {
    /// Sends a claimed delivery in a task of its own. The probe that it may be ends with its outcome, or without one.
    pub(super) fn send(
        &self,
        claimed: ClaimedDelivery,
        event: Arc<Event>,
        endpoint: &Deliverable,
        probe: Option<Probe>,
    ) {
        let place = self.lanes.take(claimed.delivery_id, endpoint);
        let (outbound, id, version) = (self.clone(), claimed.delivery_id, endpoint.version);
        let given_up = self.worker.given_up.clone();
        tokio::spawn(async move {
            let sent = AssertUnwindSafe(outbound.settle(claimed, event, version)).catch_unwind();
            tokio::select! {
                sent = sent => match sent {
                    Ok(Ok(Settled::Written)) => {
                        if let Some(probe) = probe {
                            probe.has_ended();
                        }
                    }
                    Ok(Ok(Settled::Nothing)) => {}
                    Ok(Err(error)) => tracing::error!(%id, %error, "a delivery could not be settled; it is sent again"),
                    Err(_) => tracing::error!(%id, "a delivery panicked; it is sent again"),
                },
                () = given_up.cancelled() => {}
            }
            drop(place);
            outbound.wake.notify_one();
        });
    }

    async fn settle(
        &self,
        claimed: ClaimedDelivery,
        event: Arc<Event>,
        version: i32,
    ) -> store::Result<Settled> {
        let app = &self.worker.app;
        let Some(endpoint) = app.webhooks.get(&app.store, &app.cipher, claimed.webhook_id, version).await?
        else {
            let message = "the endpoint was deleted before this was sent";
            return self.give_up(claimed, DeliveryErrorCode::EndpointDeleted, message).await;
        };
        if let Err(UnusableWebhook::Sealed(error)) = &endpoint.recipient {
            // All that goes there waits.
            self.lanes.close(claimed.webhook_id, app.clock.now() + CLOSED);
            return self.wait_for_a_key(claimed, *error).await;
        }
        let url = match self.own_url(&endpoint, &event).await? {
            OwnUrl::None => None,
            OwnUrl::Open(url) => Some(url),
            OwnUrl::Closed(error) => return self.wait_for_a_key(claimed, error).await,
            OwnUrl::Gone => {
                let message = "where its sender wanted to be called back is not known any more: the execution was deleted";
                return self.give_up(claimed, DeliveryErrorCode::CallbackGone, message).await;
            }
        };
        if let Some(until) = self.over_its_rate(&endpoint).await {
            self.lanes.close(claimed.webhook_id, until);
            return self.postpone(claimed, until).await;
        }
        let (attempt, answer) = self.attempt(&claimed, event, &endpoint, url).await;
        let well = attempt.error.is_none();
        let retry_after = answer.and_then(|answer| answer.retry_after);
        let outcome = outcome::of(claimed, &endpoint.webhook, attempt, retry_after, app.clock.now());
        self.lanes.went(outcome.claimed.webhook_id, well);
        self.write(outcome).await
    }

    /// Ends a delivery that nothing can be sent of.
    async fn give_up(
        &self,
        claimed: ClaimedDelivery,
        code: DeliveryErrorCode,
        message: &str,
    ) -> store::Result<Settled> {
        let now = self.worker.app.clock.now();
        self.write(outcome::given_up(claimed, unsent(now, failure(code, message)), now)).await
    }

    /// Puts a delivery off that the encryption keys do not open. It is no attempt: whoever mends the keys finds all there.
    async fn wait_for_a_key(&self, claimed: ClaimedDelivery, error: CipherError) -> store::Result<Settled> {
        if self.closed.lock().unwrap_or_else(PoisonError::into_inner).may_speak() {
            let webhook_id = claimed.webhook_id;
            tracing::error!(%webhook_id, %error, "deliveries wait: AGENTHOOK_ENCRYPTION_KEYS does not open where they go");
        }
        self.postpone(claimed, self.worker.app.clock.now() + CLOSED).await
    }

    async fn postpone(&self, claimed: ClaimedDelivery, until: Time) -> store::Result<Settled> {
        let ClaimedDelivery { delivery_id, owner, claims, .. } = claimed;
        self.worker.app.store.postpone_delivery(delivery_id, owner, claims, until).await?;
        Ok(Settled::Nothing)
    }

    async fn over_its_rate(&self, endpoint: &WebhookEntry) -> Option<Time> {
        let limit = endpoint.webhook.options.rate_limit?;
        let rate = Rate { owner: RateOwner::Webhook(endpoint.webhook.webhook_id), limit };
        let over = self.worker.app.rates.take(vec![rate]).await.err()?;
        let wait = TimeDelta::from_std(over.wait).unwrap_or(TimeDelta::minutes(1));
        Some(self.worker.app.clock.now() + wait.max(TimeDelta::milliseconds(1)))
    }

    async fn attempt(
        &self,
        claimed: &ClaimedDelivery,
        event: Arc<Event>,
        endpoint: &WebhookEntry,
        url: Option<SecretString>,
    ) -> (Attempted, Option<Answer>) {
        let started_at = self.worker.app.clock.now();
        let earlier = u32::try_from(claimed.attempt_count).unwrap_or_default();
        let attempt = Attempt { earlier, now: started_at, url: url.as_ref() };
        let request =
            endpoint.recipient.as_ref().map_err(ToString::to_string).and_then(|recipient| {
                compose(&event, recipient, &attempt).map_err(|error| error.to_string())
            });
        // It may be large, and the request has what is sent of it.
        drop(event);
        let request = match request {
            Ok(request) => request,
            Err(message) => {
                tracing::error!(webhook_id = %claimed.webhook_id, message, "a delivery cannot be made into a request");
                return (unsent(started_at, failure(DeliveryErrorCode::Unsendable, &message)), None);
            }
        };
        let timeout = Duration::from_secs(endpoint.webhook.options.timeout().into());
        let answer = self.worker.app.sender.send(&request, timeout).await;
        let attempt = Attempted {
            started_at,
            response_ms: i64::try_from(answer.took.as_millis()).unwrap_or(i64::MAX),
            headers: shown(&request),
            status_code: answer.status,
            response_body: answer.body.clone(),
            error: answer.error.clone().or_else(|| answer.status.and_then(outcome::status_error)),
        };
        (attempt, Some(answer))
    }

    /// Writes an outcome down. A database that is away is waited for.
    async fn write(&self, outcome: DeliveryOutcome) -> store::Result<Settled> {
        loop {
            match self.outcomes.write(outcome.clone()).await {
                Err(store::Error::Unavailable(_)) => tokio::time::sleep(AGAIN).await,
                Ok(OutcomeWritten::Outcome) => return Ok(Settled::Written),
                Ok(OutcomeWritten::Disabled(change)) => {
                    let app = &self.worker.app;
                    app.events_written();
                    if let Some(change) = change {
                        app.changed(change).await;
                    }
                    return Ok(Settled::Written);
                }
                Ok(OutcomeWritten::Nothing) => {
                    tracing::warn!(id = %outcome.claimed.delivery_id, "a late outcome was dropped: the claim was lost");
                    return Ok(Settled::Nothing);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// The headers of a request for the log.
fn shown(request: &SignedRequest) -> Vec<(String, String)> {
    use secrecy::ExposeSecret;
    let value = |header: &crate::egress::Header| match header.may_show {
        MayShow::Yes => header.value.expose_secret().to_owned(),
        MayShow::No => "***".to_owned(),
    };
    request.headers.iter().map(|header| (header.name.clone(), value(header))).collect()
}

fn unsent(started_at: Time, error: DeliveryError) -> Attempted {
    Attempted {
        started_at,
        response_ms: 0,
        headers: Vec::new(),
        status_code: None,
        response_body: Vec::new(),
        error: Some(error),
    }
}

fn failure(code: DeliveryErrorCode, message: &str) -> DeliveryError {
    DeliveryError { code, message: message.to_owned() }
}
