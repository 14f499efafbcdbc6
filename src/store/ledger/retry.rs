//! Another run under the same id: what failed goes back to the queue, and what came of it so far is kept.

use super::told;
use crate::model::{AuditEntry, Execution, ExecutionId, ExecutionStatus};
use crate::store::db::{in_tx, statements};
use crate::store::row::word;
use crate::store::{Result, Store, audit};

statements! {
    // The compare-and-set: whoever comes second waits here for the first, and then finds nothing that has failed.
    NUMBER = "UPDATE executions SET run = run + 1 WHERE execution_id = $1 AND status = 'failed' AND run < $2
        RETURNING run";
    AGENT = "SELECT a.agent_id FROM executions e JOIN agents a ON a.agent_id = e.agent_id
        WHERE e.execution_id = $1 AND a.deleted_at IS NULL";
    KEEP = "INSERT INTO runs (execution_id, run, status, queued_at, started_at, finished_at, error, output)
        SELECT execution_id, run - 1, status, COALESCE(queued_at, received_at), started_at, finished_at, error, output
        FROM executions WHERE execution_id = $1";
    // What was spent stays: it adds up over all runs. So do the numbers of attempts and claims.
    QUEUE = "UPDATE executions SET status = 'queued', queued_at = $2, due_at = $2, started_at = NULL, finished_at = NULL,
            error = NULL, output = NULL, tries = 0, deaths = 0, alone = FALSE, lease_owner = NULL
        WHERE execution_id = $1";
    STATUS = "SELECT status, run FROM executions WHERE execution_id = $1";
}

/// What became of the wish to run it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It is queued for this run.
    Queued(i32),
    /// It has not failed, but is in this state.
    NotFailed(ExecutionStatus),
    /// It has had [`Execution::MAX_RUNS`].
    TooMany,
    /// There is nobody to run it any more.
    AgentDeleted,
    /// There is no such execution.
    Missing,
}

impl Store {
    /// Queues an execution that has failed for another run, due at once. Of several at a time one wins. `tell`:
    /// somebody wants to hear that it is queued.
    ///
    /// # Errors
    /// The database's.
    pub async fn retry(&self, id: ExecutionId, tell: bool, entry: &AuditEntry) -> Result<Retry> {
        let mut tx = self.db.begin().await?;
        let run: Option<i32> = in_tx!(&mut tx, |conn| sqlx::query_scalar(NUMBER)
            .bind(id.0)
            .bind(Execution::MAX_RUNS)
            .fetch_optional(&mut *conn)
            .await)?;
        let Some(run) = run else {
            let found: Option<(String, i32)> =
                in_tx!(&mut tx, |conn| sqlx::query_as(STATUS).bind(id.0).fetch_optional(&mut *conn).await)?;
            let Some((status, run)) = found else { return Ok(Retry::Missing) };
            return Ok(match word(&status)? {
                ExecutionStatus::Failed if run >= Execution::MAX_RUNS => Retry::TooMany,
                status => Retry::NotFailed(status),
            });
        };
        let agent: Option<uuid::Uuid> =
            in_tx!(&mut tx, |conn| sqlx::query_scalar(AGENT).bind(id.0).fetch_optional(&mut *conn).await)?;
        if agent.is_none() {
            // Without a commit nothing has happened.
            return Ok(Retry::AgentDeleted);
        }
        in_tx!(&mut tx, |conn| sqlx::query(KEEP).bind(id.0).execute(&mut *conn).await.map(|_| ()))?;
        in_tx!(&mut tx, |conn| sqlx::query(QUEUE)
            .bind(id.0)
            .bind(entry.at)
            .execute(&mut *conn)
            .await
            .map(|_| ()))?;
        if tell {
            told::note(&mut tx, id, entry.at).await?;
        }
        audit::note(&mut tx, &entry.clone().with("run", run)).await?;
        tx.commit().await?;
        Ok(Retry::Queued(run))
    }
}
