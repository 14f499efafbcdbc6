//! The hit ledger: what became of each POST to an agent.
//!
//! A hit that was accepted is its execution, and is read from there. Rows of `hits` are the others, the newest of each
//! agent; `hit_counts` has all of them, by the hour.

mod reading;

use uuid::Uuid;

use super::conditions::after_all_by;
use super::db::{Tx, in_tx, on_write, statements};
use super::row::spell;
use super::{Error, Result, Store};
use crate::model::{AgentId, HitCount, HitDetail, Time};

pub use reading::HitFilter;
pub(super) use reading::{STATEMENTS as READING, every_text};

/// Rows that one statement deletes, at most: others wait for its end.
const AT_ONCE: i64 = 1000;

statements! {
    INSERT = "INSERT INTO hits (hit_id, agent_id, tenant_id, received_at, verdict, reason, status_code, execution_id,
            diagnosis, headers, body, body_bytes, detail)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING";
    // Where there are fewer, nothing is older than the last one to stay.
    KEEP_NEWEST = "DELETE FROM hits WHERE agent_id = $1 AND hit_id < (SELECT hit_id FROM hits WHERE agent_id = $1
        ORDER BY hit_id DESC LIMIT 1 OFFSET $2)";
    // By the ids first, roughly: they have an index.
    FORGET = "DELETE FROM hits WHERE hit_id IN (SELECT hit_id FROM hits WHERE hit_id < $1 AND received_at < $2
        ORDER BY hit_id LIMIT $3)";
    COUNT = "INSERT INTO hit_counts (agent_id, hour, verdict, reason, hits) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (agent_id, hour, verdict, reason) DO UPDATE SET hits = hit_counts.hits + EXCLUDED.hits";
    FORGET_COUNTS = "DELETE FROM hit_counts WHERE hour < $1";
}

impl Store {
    /// Adds to the counts. One order for all processes: two of them wait for each other, never in a circle.
    ///
    /// # Errors
    /// The database's; then nothing is added.
    pub async fn count_hits(&self, mut counts: Vec<(HitCount, u64)>) -> Result<()> {
        counts.sort_unstable();
        let mut tx = self.db.begin().await?;
        for (HitCount { agent_id, hour, verdict, reason }, hits) in counts {
            in_tx!(&mut tx, |conn| sqlx::query(COUNT)
                .bind(agent_id.0)
                .bind(hour)
                .bind(spell(verdict))
                .bind(spell(reason))
                .bind(i64::try_from(hits).unwrap_or(i64::MAX))
                .execute(&mut *conn)
                .await
                .map(|_| ()))?;
        }
        tx.commit().await
    }

    /// Adds hits, and of each of their agents removes all but the newest `keep`. Adding one again does no harm.
    ///
    /// # Errors
    /// The database's; then nothing is added. One row that it cannot take costs the others nothing.
    pub async fn add_hits(&self, hits: &[HitDetail], keep: u32) -> Result<()> {
        match self.add_together(hits, keep).await {
            Err(Error::Fault(error)) if hits.len() > 1 => {
                tracing::error!(%error, hits = hits.len(), "hits were refused; they are written one by one");
                for hit in hits {
                    if let Err(error) = self.add_together(std::slice::from_ref(hit), keep).await {
                        tracing::error!(%error, hit_id = %hit.hit.hit_id, "a hit cannot be written");
                    }
                }
                Ok(())
            }
            outcome => outcome,
        }
    }

    async fn add_together(&self, hits: &[HitDetail], keep: u32) -> Result<()> {
        let mut tx = self.db.begin().await?;
        for hit in hits {
            insert(&mut tx, hit).await?;
        }
        let mut agents: Vec<AgentId> = hits.iter().map(|hit| hit.hit.agent_id).collect();
        agents.sort_unstable();
        agents.dedup();
        for agent_id in agents {
            in_tx!(&mut tx, |conn| sqlx::query(KEEP_NEWEST)
                .bind(agent_id.0)
                .bind(i64::from(keep) - 1)
                .execute(&mut *conn)
                .await
                .map(|_| ()))?;
        }
        tx.commit().await
    }

    /// Forgets hits from before this time, and counts of hours before that one.
    ///
    /// # Errors
    /// The database's; some may be gone by then.
    pub async fn forget_hits(&self, before: Time, counts_before: Time) -> Result<()> {
        loop {
            let gone = on_write!(self, |conn| sqlx::query(FORGET)
                .bind(after_all_by(before))
                .bind(before)
                .bind(AT_ONCE)
                .execute(conn)
                .await
                .map(|done| done.rows_affected()))?;
            if gone < AT_ONCE.unsigned_abs() {
                break;
            }
        }
        on_write!(self, |conn| sqlx::query(FORGET_COUNTS)
            .bind(counts_before)
            .execute(conn)
            .await
            .map(|_| ()))?;
        Ok(())
    }
}

async fn insert(tx: &mut Tx, HitDetail { hit, headers, body }: &HitDetail) -> Result<()> {
    let diagnosis =
        hit.diagnosis.as_ref().map(serde_json::to_string).transpose().map_err(super::row::decode)?;
    let body_bytes = hit.body_bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    // A text that was made of what came in may hold what Postgres takes in no text.
    let detail = hit.detail.as_ref().map(|detail| detail.replace('\0', "\u{FFFD}"));
    in_tx!(tx, |conn| sqlx::query(INSERT)
        .bind(hit.hit_id.0)
        .bind(hit.agent_id.0)
        .bind(hit.tenant_id.as_str())
        .bind(hit.received_at)
        .bind(spell(hit.verdict))
        .bind(spell(hit.reason))
        .bind(i32::from(hit.status_code.unwrap_or_default()))
        .bind(hit.execution_id.map(|id| -> Uuid { id.0 }))
        .bind(diagnosis)
        .bind(headers.to_json())
        .bind(body)
        .bind(body_bytes)
        .bind(&detail)
        .execute(&mut *conn)
        .await
        .map(|_| ()))?;
    Ok(())
}
