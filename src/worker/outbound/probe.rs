//! Of an endpoint whose circuit was open one delivery shows whether it is well again. Until that is known nobody else sends
//! to it: so whatever becomes of the delivery, the probe ends.

use chrono::TimeDelta;

use super::Outbound;
use crate::model::{Time, WebhookId, WorkerId};
use crate::store::{self, Deliverable, Store};

/// So long after its attempt's timeout a probe counts as lost.
const SLACK: TimeDelta = TimeDelta::seconds(15);

/// The probe of an endpoint. Dropped before its outcome is written, it is given back.
pub(super) struct Probe {
    store: Store,
    webhook_id: WebhookId,
    owner: WorkerId,
    until: Time,
    has_ended: bool,
}

impl Outbound {
    /// Takes the probe of a half-open endpoint; `None`: another has it, or the endpoint is gone.
    pub(super) async fn probe(&self, endpoint: &Deliverable, now: Time) -> store::Result<Option<Probe>> {
        let (app, owner, webhook_id) = (&self.worker.app, self.worker.id, endpoint.webhook_id);
        let ready = app.webhooks.get(&app.store, &app.cipher, webhook_id, endpoint.version).await?;
        let Some(ready) = ready else { return Ok(None) };
        let until = now + TimeDelta::seconds(ready.webhook.options.timeout().into()) + SLACK;
        // Made first: the answer to what has been committed may be lost.
        let probe = Probe { store: app.store.clone(), webhook_id, owner, until, has_ended: false };
        if app.store.probe(webhook_id, owner, until, now).await? {
            return Ok(Some(probe));
        }
        probe.has_ended();
        Ok(None)
    }
}

impl Probe {
    /// The outcome has ended it, or it was never ours.
    pub fn has_ended(mut self) {
        self.has_ended = true;
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        // Without a runtime the process ends, and others take back what it held.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (store, webhook_id, owner, until) = (self.store.clone(), self.webhook_id, self.owner, self.until);
        runtime.spawn(async move {
            if let Err(error) = store.end_probe(webhook_id, owner, until).await {
                tracing::warn!(%webhook_id, %error, "a probe could not be given back; it ends by itself");
            }
        });
    }
}
