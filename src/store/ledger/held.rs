//! What becomes of an execution that waits for a person: released it runs, discarded it ends and never ran.

use super::told;
use crate::model::{AuditEntry, ExecutionId, ExecutionStatus, Time};
use crate::store::db::{Tx, in_tx, statements};
use crate::store::row::word;
use crate::store::{Result, Store, audit};

statements! {
    // The compare-and-set of both: of all who decide at once the first one counts.
    RELEASE = "UPDATE executions SET status = 'queued', queued_at = $2, due_at = $2
        WHERE execution_id = $1 AND status = 'held'";
    DISCARD = "UPDATE executions SET status = 'cancelled', finished_at = $2, due_at = NULL
        WHERE execution_id = $1 AND status = 'held'";
    AGENT = "SELECT a.agent_id FROM executions e JOIN agents a ON a.agent_id = e.agent_id
        WHERE e.execution_id = $1 AND a.deleted_at IS NULL";
    STATUS = "SELECT status FROM executions WHERE execution_id = $1";
}

/// What became of the wish to release or to discard it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// It was held, and is not any more.
    Done,
    /// It is not held, but in this state.
    NotHeld(ExecutionStatus),
    /// There is nobody to run it any more; it is still held.
    AgentDeleted,
    /// There is no such execution.
    Missing,
}

impl Store {
    /// Queues an execution that is held, due at once. `tell`: somebody wants to hear that it is queued.
    ///
    /// # Errors
    /// The database's.
    pub async fn release(&self, id: ExecutionId, tell: bool, entry: &AuditEntry) -> Result<Release> {
        let mut tx = self.db.begin().await?;
        if let Some(other) = change(&mut tx, RELEASE, id, entry.at).await? {
            return Ok(other);
        }
        let agent: Option<uuid::Uuid> =
            in_tx!(&mut tx, |conn| sqlx::query_scalar(AGENT).bind(id.0).fetch_optional(&mut *conn).await)?;
        if agent.is_none() {
            // Without a commit nothing has happened.
            return Ok(Release::AgentDeleted);
        }
        if tell {
            told::note(&mut tx, id, entry.at).await?;
        }
        audit::note(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(Release::Done)
    }

    /// Ends an execution that is held, as cancelled.
    ///
    /// # Errors
    /// The database's.
    pub async fn discard(&self, id: ExecutionId, entry: &AuditEntry) -> Result<Release> {
        let mut tx = self.db.begin().await?;
        if let Some(other) = change(&mut tx, DISCARD, id, entry.at).await? {
            return Ok(other);
        }
        told::note(&mut tx, id, entry.at).await?;
        audit::note(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(Release::Done)
    }
}

/// Takes it out of the hold; else why not.
async fn change(tx: &mut Tx, how: &'static str, id: ExecutionId, now: Time) -> Result<Option<Release>> {
    let changed = in_tx!(tx, |conn| sqlx::query(how)
        .bind(id.0)
        .bind(now)
        .execute(&mut *conn)
        .await
        .map(|done| done.rows_affected() == 1))?;
    if changed {
        return Ok(None);
    }
    let status: Option<String> =
        in_tx!(tx, |conn| sqlx::query_scalar(STATUS).bind(id.0).fetch_optional(&mut *conn).await)?;
    Ok(Some(match status {
        Some(status) => Release::NotHeld(word(&status)?),
        None => Release::Missing,
    }))
}
