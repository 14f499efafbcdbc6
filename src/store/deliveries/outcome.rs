//! The outcome of an attempt, and what follows from it, in one commit: the delivery, the log, how the endpoint is, and
//! whether anything is sent to it any more.

use std::collections::{BTreeMap, HashSet};

use chrono::TimeDelta;
use uuid::Uuid;

use super::super::db::{Tx, in_tx, statements};
use super::super::group::Entry;
use super::super::row::spell;
use super::super::{Result, Store, changes, events};
use super::claim::ClaimedDelivery;
use crate::model::{
    Change as Changed, CircuitRule, DeliveryError, DeliveryStatus, DisabledReason, Event, Time, WebhookId,
    WorkerId,
};

statements! {
    END = "UPDATE deliveries SET status = $4, due_at = $5, tries = $6, attempt_count = $7, status_code = $8, response_ms = $9,
            error = $10, attempted_at = $11, lease_owner = NULL, lost = 0
        WHERE delivery_id = $1 AND lease_owner = $2 AND claims = $3";
    ATTEMPT = "INSERT INTO delivery_attempts (delivery_id, number, started_at, response_ms, headers, status_code, response_body,
            error)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (delivery_id, number) DO NOTHING";
    // $7: so many failures since the last success, and whether there was one ($6). $8: how many make the circuit open,
    // $9: until when; $10: the same, if these open it by themselves. $11: whose probe is among them; only that ends it, for
    // what began before the circuit opened may end at any time after. Postgres cannot guess the types of numbers that are
    // only compared.
    HEALTH = "INSERT INTO webhook_health (webhook_id, delivered, failed, last_delivery_at, last_failure_at, failures, open_until)
        VALUES ($1, $2, $3, $4, $5, CAST($7 AS INTEGER), $10)
        ON CONFLICT (webhook_id) DO UPDATE SET
            delivered = webhook_health.delivered + $2, failed = webhook_health.failed + $3,
            last_delivery_at = COALESCE($4, webhook_health.last_delivery_at),
            last_failure_at = COALESCE($5, webhook_health.last_failure_at),
            failures = CASE WHEN $6 THEN 0 ELSE webhook_health.failures END + CAST($7 AS INTEGER),
            open_until = CASE
                WHEN CAST($7 AS INTEGER) > 0 AND CASE WHEN $6 THEN 0 ELSE webhook_health.failures END
                    + CAST($7 AS INTEGER) >= CAST($8 AS INTEGER) THEN $9
                WHEN $6 THEN NULL ELSE webhook_health.open_until END,
            probe_until = CASE WHEN webhook_health.probe_by = $11 THEN NULL ELSE webhook_health.probe_until END,
            probe_by = CASE WHEN webhook_health.probe_by = $11 THEN NULL ELSE webhook_health.probe_by END";
    DISABLE = "UPDATE webhooks SET status = 'disabled', disabled_reason = $2, version = version + 1, updated_at = $3
        WHERE webhook_id = $1 AND status = 'active' AND deleted_at IS NULL";
}

/// [`END`] for all of them in one round trip.
pub(in crate::store) const END_POSTGRES: &str = "UPDATE deliveries d SET status = t.status, due_at = t.due, tries = t.tries,
        attempt_count = t.attempts, status_code = t.code, response_ms = t.ms, error = t.error, attempted_at = t.at,
        lease_owner = NULL, lost = 0
    FROM UNNEST($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::timestamptz[], $6::int[], $7::int[], $8::int[],
        $9::bigint[], $10::text[], $11::timestamptz[])
        AS t (id, owner, claims, status, due, tries, attempts, code, ms, error, at)
    WHERE d.delivery_id = t.id AND d.lease_owner = t.owner AND d.claims = t.claims
    RETURNING d.delivery_id";
/// [`ATTEMPT`] for all of them in one round trip.
pub(in crate::store) const ATTEMPT_POSTGRES: &str = "INSERT INTO delivery_attempts (delivery_id, number, started_at, response_ms,
        headers, status_code, response_body, error)
    SELECT * FROM UNNEST($1::uuid[], $2::int[], $3::timestamptz[], $4::bigint[], $5::text[], $6::int[], $7::bytea[], $8::text[])
    ON CONFLICT (delivery_id, number) DO NOTHING";

/// An attempt that was made.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "columns of the attempt")]
pub struct Attempted {
    pub started_at: Time,
    pub response_ms: i64,
    /// As sent; values that a person set are left out.
    pub headers: Vec<(String, String)>,
    pub status_code: Option<u16>,
    pub response_body: Vec<u8>,
    /// Why it failed, if it did.
    pub error: Option<DeliveryError>,
}

/// Where a delivery goes after an attempt.
#[derive(Clone, Debug)]
pub enum DeliveryEnd {
    /// The endpoint took it.
    Success,
    /// It is tried again then.
    RetryAt(Time),
    /// It is not tried again. With a reason, and an event that says so, nothing is sent to the endpoint any more.
    Exhausted(Option<(DisabledReason, Event)>),
}

/// What came of a delivery's attempt.
#[derive(Clone, Debug)]
pub struct DeliveryOutcome {
    /// The right to tell it.
    pub claimed: ClaimedDelivery,
    /// The attempt.
    pub attempt: Attempted,
    /// Where to.
    pub to: DeliveryEnd,
    /// When the endpoint's circuit opens.
    pub circuit: CircuitRule,
    /// The time.
    pub now: Time,
}

impl DeliveryOutcome {
    fn is_success(&self) -> bool {
        matches!(self.to, DeliveryEnd::Success)
    }

    fn status(&self) -> String {
        spell(match self.to {
            DeliveryEnd::Success => DeliveryStatus::Success,
            DeliveryEnd::RetryAt(_) => DeliveryStatus::Failed,
            DeliveryEnd::Exhausted(_) => DeliveryStatus::Exhausted,
        })
    }

    fn due_at(&self) -> Option<Time> {
        if let DeliveryEnd::RetryAt(due_at) = self.to { Some(due_at) } else { None }
    }

    fn number(&self) -> i32 {
        self.claimed.attempt_count + 1
    }

    fn error(&self) -> Option<String> {
        self.attempt.error.as_ref().and_then(|error| serde_json::to_string(error).ok())
    }

    fn headers(&self) -> String {
        serde_json::to_string(&self.attempt.headers).unwrap_or_default()
    }

    fn status_code(&self) -> Option<i32> {
        self.attempt.status_code.map(i32::from)
    }
}

/// What was written of an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutcomeWritten {
    /// Nothing: the claim is lost.
    Nothing,
    /// How it went.
    Outcome,
    /// The same, and nothing is sent to the endpoint any more: who wants to hear of what has changed, and an event says
    /// so.
    Disabled(Option<Changed>),
}

impl Entry for DeliveryOutcome {
    type Outcome = OutcomeWritten;

    fn size(&self) -> usize {
        let headers = self.attempt.headers.iter().map(|(name, value)| name.len() + value.len());
        let error = self.attempt.error.as_ref().map_or(0, |error| error.message.len());
        let told = match &self.to {
            DeliveryEnd::Exhausted(Some((_, event))) => event.data.len(),
            DeliveryEnd::Success | DeliveryEnd::RetryAt(_) | DeliveryEnd::Exhausted(None) => 0,
        };
        size_of::<Self>() + self.attempt.response_body.len() + headers.sum::<usize>() + error + told
    }

    async fn write(store: &Store, batch: &[Self]) -> Result<Vec<OutcomeWritten>> {
        let mut tx = store.db.begin().await?;
        let held = match &mut tx {
            Tx::Sqlite(tx) => one_by_one(tx, batch).await?,
            Tx::Postgres(tx) => all_at_once(tx, batch).await?,
        };
        let of_held: Vec<&Self> =
            batch.iter().filter(|one| held.contains(&one.claimed.delivery_id.0)).collect();
        // One order for all processes: nobody waits in a circle.
        for (id, change) in changes_of(&of_held) {
            health(&mut tx, id, &change).await?;
        }
        let mut written = Vec::with_capacity(batch.len());
        for outcome in batch {
            written.push(match &outcome.to {
                _ if !held.contains(&outcome.claimed.delivery_id.0) => OutcomeWritten::Nothing,
                DeliveryEnd::Exhausted(Some((reason, event))) => {
                    disable(&mut tx, outcome, *reason, event).await?
                }
                DeliveryEnd::Success | DeliveryEnd::RetryAt(_) | DeliveryEnd::Exhausted(None) => {
                    OutcomeWritten::Outcome
                }
            });
        }
        tx.commit().await?;
        Ok(written)
    }
}

async fn one_by_one(tx: &mut sqlx::SqliteConnection, batch: &[DeliveryOutcome]) -> Result<HashSet<Uuid>> {
    let mut held = HashSet::with_capacity(batch.len());
    for outcome in batch {
        let (claimed, attempt) = (&outcome.claimed, &outcome.attempt);
        let done = sqlx::query(END)
            .bind(claimed.delivery_id.0)
            .bind(claimed.owner.0)
            .bind(claimed.claims)
            .bind(outcome.status())
            .bind(outcome.due_at())
            .bind(claimed.tries + 1)
            .bind(outcome.number())
            .bind(outcome.status_code())
            .bind(attempt.response_ms)
            .bind(outcome.error())
            .bind(attempt.started_at)
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() == 0 {
            continue;
        }
        held.insert(claimed.delivery_id.0);
        sqlx::query(ATTEMPT)
            .bind(claimed.delivery_id.0)
            .bind(outcome.number())
            .bind(attempt.started_at)
            .bind(attempt.response_ms)
            .bind(outcome.headers())
            .bind(outcome.status_code())
            .bind(&attempt.response_body)
            .bind(outcome.error())
            .execute(&mut *tx)
            .await?;
    }
    Ok(held)
}

async fn all_at_once(tx: &mut sqlx::PgConnection, batch: &[DeliveryOutcome]) -> Result<HashSet<Uuid>> {
    let mut ordered: Vec<&DeliveryOutcome> = batch.iter().collect();
    ordered.sort_unstable_by_key(|outcome| outcome.claimed.delivery_id);
    let held: Vec<Uuid> = sqlx::query_scalar(END_POSTGRES)
        .bind(column(&ordered, |one| one.claimed.delivery_id.0))
        .bind(column(&ordered, |one| one.claimed.owner.0))
        .bind(column(&ordered, |one| one.claimed.claims))
        .bind(column(&ordered, DeliveryOutcome::status))
        .bind(column(&ordered, DeliveryOutcome::due_at))
        .bind(column(&ordered, |one| one.claimed.tries + 1))
        .bind(column(&ordered, DeliveryOutcome::number))
        .bind(column(&ordered, DeliveryOutcome::status_code))
        .bind(column(&ordered, |one| one.attempt.response_ms))
        .bind(column(&ordered, DeliveryOutcome::error))
        .bind(column(&ordered, |one| one.attempt.started_at))
        .fetch_all(&mut *tx)
        .await?;
    let held: HashSet<Uuid> = held.into_iter().collect();
    ordered.retain(|outcome| held.contains(&outcome.claimed.delivery_id.0));
    sqlx::query(ATTEMPT_POSTGRES)
        .bind(column(&ordered, |one| one.claimed.delivery_id.0))
        .bind(column(&ordered, DeliveryOutcome::number))
        .bind(column(&ordered, |one| one.attempt.started_at))
        .bind(column(&ordered, |one| one.attempt.response_ms))
        .bind(column(&ordered, DeliveryOutcome::headers))
        .bind(column(&ordered, DeliveryOutcome::status_code))
        .bind(column(&ordered, |one| one.attempt.response_body.clone()))
        .bind(column(&ordered, DeliveryOutcome::error))
        .execute(&mut *tx)
        .await?;
    Ok(held)
}

/// What a batch changes of how an endpoint is.
#[derive(Default)]
struct Change {
    delivered: i64,
    failed: i64,
    last_delivery_at: Option<Time>,
    last_failure_at: Option<Time>,
    /// Some attempt succeeded.
    succeeded: bool,
    /// Attempts that failed since.
    failures: i32,
    /// Whose probe is among them.
    probe_by: Option<WorkerId>,
    circuit: CircuitRule,
    now: Time,
}

fn changes_of(outcomes: &[&DeliveryOutcome]) -> BTreeMap<WebhookId, Change> {
    let mut changes: BTreeMap<WebhookId, Change> = BTreeMap::new();
    for outcome in outcomes {
        let change = changes.entry(outcome.claimed.webhook_id).or_default();
        let was_tried = outcome.claimed.attempt_count > 0;
        let (had_failed, had_succeeded) =
            (outcome.claimed.last_failed, was_tried && !outcome.claimed.last_failed);
        (change.circuit, change.now) = (outcome.circuit, outcome.now);
        if outcome.claimed.is_probe {
            change.probe_by = Some(outcome.claimed.owner);
        }
        if outcome.is_success() {
            change.delivered += i64::from(!had_succeeded);
            change.failed -= i64::from(had_failed);
            change.last_delivery_at = Some(outcome.now);
            (change.succeeded, change.failures) = (true, 0);
        } else {
            change.failed += i64::from(!had_failed);
            change.delivered -= i64::from(had_succeeded);
            change.last_failure_at = Some(outcome.now);
            change.failures += 1;
        }
    }
    changes
}

async fn health(tx: &mut Tx, id: WebhookId, change: &Change) -> Result<()> {
    let open_until = change.now + TimeDelta::seconds(change.circuit.open_seconds.into());
    let threshold = i32::try_from(change.circuit.failures).unwrap_or(i32::MAX);
    in_tx!(tx, |conn| sqlx::query(HEALTH)
        .bind(id.0)
        .bind(change.delivered)
        .bind(change.failed)
        .bind(change.last_delivery_at)
        .bind(change.last_failure_at)
        .bind(change.succeeded)
        .bind(change.failures)
        .bind(threshold)
        .bind(open_until)
        .bind((change.failures >= threshold).then_some(open_until))
        .bind(change.probe_by.map(|owner| owner.0))
        .execute(&mut *conn)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// Only who disables it tells so, other processes too.
async fn disable(
    tx: &mut Tx,
    outcome: &DeliveryOutcome,
    reason: DisabledReason,
    event: &Event,
) -> Result<OutcomeWritten> {
    let disabled = in_tx!(tx, |conn| sqlx::query(DISABLE)
        .bind(outcome.claimed.webhook_id.0)
        .bind(spell(reason))
        .bind(outcome.now)
        .execute(&mut *conn)
        .await
        .map(|done| done.rows_affected() == 1))?;
    if !disabled {
        return Ok(OutcomeWritten::Outcome);
    }
    events::note(tx, event).await?;
    // The platform's endpoint wants nothing that is written only where somebody wants it.
    let changed = event.tenant_id.clone().map(Changed::Webhooks);
    if let Some(change) = &changed {
        changes::note(tx, change, outcome.now).await?;
    }
    Ok(OutcomeWritten::Disabled(changed))
}

fn column<'a, T>(outcomes: &[&'a DeliveryOutcome], of: impl Fn(&'a DeliveryOutcome) -> T) -> Vec<T> {
    outcomes.iter().map(|outcome| of(outcome)).collect()
}
