//! Events that others report: each idempotency key of a tenant names one, for as long as it is kept.
//!
//! Those that come at once are written in one commit ([`super::Group`]).

use std::collections::HashSet;

use uuid::Uuid;

use super::db::{Db, Tx, in_tx, on_write, statements};
use super::group::Entry;
use super::{Error, Result, Store};
use crate::model::{ApiKeyId, Event, EventId, TenantId};

statements! {
    INSERT = "INSERT INTO events (event_id, event_type, tenant_id, at, data, idempotency_key, published_by)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
    // The first half is for one that was written, and nobody heard of it. No tenant is called ''.
    EARLIER = "SELECT event_id, event_type, data FROM events WHERE event_id = $1
        OR COALESCE(tenant_id, '') = COALESCE(CAST($2 AS TEXT), '') AND idempotency_key = CAST($3 AS TEXT)";
}

/// [`INSERT`] for all of them in one trip, which is a transaction of its own.
pub(super) const INSERT_POSTGRES: &str =
    "INSERT INTO events (event_id, event_type, tenant_id, at, data, idempotency_key, published_by)
    SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::uuid[])
    ON CONFLICT DO NOTHING RETURNING event_id";

/// How often it is tried anew because the earlier event was forgotten between two statements.
const RACES: usize = 5;

/// An event that somebody reports. Publishing is traffic and no change of anything that people set up: the row itself says
/// who, and the audit log, which would grow by a row per event, says nothing.
#[derive(Clone, Debug)]
pub struct Report {
    /// What is reported.
    pub event: Event,
    /// Names it among those of its tenant.
    pub key: Option<String>,
    /// With this API key.
    pub by: ApiKeyId,
}

/// What became of an event that somebody reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// It is written.
    New,
    /// The key was used for this event, which says the same.
    Earlier(EventId),
    /// The key was used for an event that says something else.
    Mismatch,
}

#[derive(sqlx::FromRow)]
struct Earlier {
    event_id: Uuid,
    event_type: String,
    data: String,
}

impl Report {
    fn tenant(&self) -> Option<&str> {
        self.event.tenant_id.as_ref().map(TenantId::as_str)
    }
}

impl Earlier {
    /// What it makes of a report with its key.
    fn holds(&self, Report { event, .. }: &Report) -> Published {
        if self.event_id == event.event_id.0 {
            Published::New
        } else if self.event_type == event.event_type.as_str() && self.data == event.data {
            Published::Earlier(EventId(self.event_id))
        } else {
            Published::Mismatch
        }
    }
}

impl Entry for Report {
    type Outcome = Published;

    fn size(&self) -> usize {
        self.event.data.len()
    }

    async fn write(store: &Store, batch: &[Self]) -> Result<Vec<Published>> {
        store.report(batch).await
    }
}

impl Store {
    /// Writes a batch of reports; the answer is in the batch's order, and true after this returns.
    ///
    /// # Errors
    /// The database's; some of the batch may be written then. Writing it again finds that out.
    pub async fn report(&self, batch: &[Report]) -> Result<Vec<Published>> {
        match self.report_once(batch).await {
            // A connection that was dead already, or one of two transactions that waited for each other.
            Err(Error::Unavailable(_)) => self.report_once(batch).await,
            outcome => outcome,
        }
    }

    async fn report_once(&self, batch: &[Report]) -> Result<Vec<Published>> {
        // One order for all processes: two batches with the same keys wait for each other, never in a circle.
        let mut order: Vec<&Report> = batch.iter().collect();
        order.sort_by(|a, b| (a.tenant(), &a.key).cmp(&(b.tenant(), &b.key)));
        let written = self.insert_reports(&order).await?;
        let mut outcomes = Vec::with_capacity(batch.len());
        for report in batch {
            outcomes.push(match written.contains(&report.event.event_id.0) {
                true => Published::New,
                false => self.settle_report(report).await?,
            });
        }
        Ok(outcomes)
    }

    /// Decides about a report that was not written. Whoever was first has committed: the index made us wait for that.
    async fn settle_report(&self, report: &Report) -> Result<Published> {
        for _ in 0..RACES {
            let earlier: Option<Earlier> = on_write!(self, |conn| sqlx::query_as(EARLIER)
                .bind(report.event.event_id.0)
                .bind(report.tenant())
                .bind(&report.key)
                .fetch_optional(conn)
                .await)?;
            if let Some(earlier) = earlier {
                return Ok(earlier.holds(report));
            }
            if !self.insert_reports(&[report]).await?.is_empty() {
                return Ok(Published::New);
            }
        }
        Err(Error::Conflict)
    }

    /// Writes those whose keys are free; their ids.
    async fn insert_reports(&self, reports: &[&Report]) -> Result<HashSet<Uuid>> {
        match &self.db {
            Db::Sqlite { .. } => {
                let (mut tx, mut written) = (self.db.begin().await?, HashSet::new());
                for report in reports {
                    if insert(&mut tx, report).await? {
                        written.insert(report.event.event_id.0);
                    }
                }
                tx.commit().await?;
                Ok(written)
            }
            Db::Postgres { pool, .. } => {
                let ids = sqlx::query_scalar(INSERT_POSTGRES)
                    .bind(column(reports, |report| report.event.event_id.0))
                    .bind(column(reports, |report| report.event.event_type.as_str()))
                    .bind(column(reports, Report::tenant))
                    .bind(column(reports, |report| report.event.at))
                    .bind(column(reports, |report| report.event.data.as_str()))
                    .bind(column(reports, |report| report.key.as_deref()))
                    .bind(column(reports, |report| report.by.0))
                    .fetch_all(pool)
                    .await?;
                Ok(ids.into_iter().collect())
            }
        }
    }
}

async fn insert(tx: &mut Tx, report: &Report) -> Result<bool> {
    in_tx!(tx, |conn| sqlx::query(INSERT)
        .bind(report.event.event_id.0)
        .bind(report.event.event_type.as_str())
        .bind(report.tenant())
        .bind(report.event.at)
        .bind(&report.event.data)
        .bind(&report.key)
        .bind(report.by.0)
        .execute(&mut *conn)
        .await
        .map(|done| done.rows_affected() == 1))
    .map_err(Error::from)
}

fn column<'a, T>(reports: &[&'a Report], of: impl Fn(&'a Report) -> T) -> Vec<T> {
    reports.iter().map(|report| of(report)).collect()
}
