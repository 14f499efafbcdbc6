//! Revocation: one webhook secret verifies nothing any more, the others stay.

use super::db::{in_tx, statements};
use super::{Result, Store, agents, audit, changes, events, secrets};
use crate::model::{Agent, AuditEntry, Change, Event, SecretId};

statements! {
    RETIRE = "UPDATE webhook_secrets SET retired_at = $3, expires_at = $3 WHERE agent_id = $1 AND secret_id = $2
        AND retired_at IS NULL AND (expires_at IS NULL OR expires_at > $3)";
    LIVE = "SELECT count(*) FROM webhook_secrets WHERE agent_id = $1 AND retired_at IS NULL
        AND (expires_at IS NULL OR expires_at > $2)";
}

/// What became of a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// The secret verifies nothing any more.
    Done,
    /// The agent has no such secret that verifies; nothing has changed.
    Missing,
    /// No other one verifies: nothing has changed.
    Last,
}

impl Store {
    /// Ends one of an agent's secrets. It is kept for a while, to tell who still signs with it. It is a change of the agent, and so its next version: of two that revoke one
    /// of the last two secrets each, one comes first and the other finds the last one.
    ///
    /// # Errors
    /// [`Error::Conflict`](super::Error::Conflict) if the agent has another version by now, or is deleted: read it
    /// again.
    pub async fn revoke_secret(
        &self,
        agent: &Agent,
        secret_id: SecretId,
        entry: &AuditEntry,
    ) -> Result<Revoked> {
        let (id, now) = (agent.agent_id, entry.at);
        let mut tx = self.db.begin().await?;
        let next = agents::next_version(&mut tx, &Agent { updated_at: now, ..agent.clone() }).await?;
        let rows = in_tx!(&mut tx, |conn| sqlx::query(RETIRE)
            .bind(id.0)
            .bind(secret_id.0)
            .bind(now)
            .execute(&mut *conn)
            .await
            .map(|done| done.rows_affected()))?;
        // Without a commit nothing has happened.
        if rows == 0 {
            return Ok(Revoked::Missing);
        }
        let live = in_tx!(&mut tx, |conn| sqlx::query_scalar::<_, i64>(LIVE)
            .bind(id.0)
            .bind(now)
            .fetch_one(&mut *conn)
            .await)?;
        if live == 0 {
            return Ok(Revoked::Last);
        }
        secrets::keep_newest(&mut tx, id).await?;
        audit::note(&mut tx, entry).await?;
        changes::note(&mut tx, &Change::Agent(id), now).await?;
        events::note(&mut tx, &Event::of_changed_agent(&next, &["webhook_secret".to_owned()], now)).await?;
        tx.commit().await?;
        Ok(Revoked::Done)
    }
}
