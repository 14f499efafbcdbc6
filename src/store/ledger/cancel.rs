//! The end that somebody asks for.

use sqlx::types::Json;

use super::told;
use crate::model::{AuditEntry, ErrorCode, ExecutionError, ExecutionId, ExecutionStatus};
use crate::store::db::{in_tx, statements};
use crate::store::row::word;
use crate::store::{Result, Store, audit};

statements! {
    // From here on the worker that has it holds nothing: whatever it writes finds no row.
    CANCEL = "UPDATE executions SET status = 'cancelled', finished_at = $2, due_at = NULL, lease_owner = NULL, alone = FALSE
        WHERE execution_id = $1 AND status IN ('queued', 'held', 'running')";
    CLOSE = "UPDATE attempts SET finished_at = $2, error = $3 WHERE execution_id = $1 AND finished_at IS NULL";
    STATUS = "SELECT status FROM executions WHERE execution_id = $1";
}

/// What became of the wish to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancellation {
    /// It has ended by it.
    Done,
    /// It had ended before, in this state.
    Ended(ExecutionStatus),
    /// There is no such execution.
    Missing,
}

impl Store {
    /// Ends an execution that has not ended. Of this and the end that a worker writes exactly one counts.
    ///
    /// # Errors
    /// The database's.
    pub async fn cancel(&self, id: ExecutionId, entry: &AuditEntry) -> Result<Cancellation> {
        let (mut tx, now) = (self.db.begin().await?, entry.at);
        let cancelled = in_tx!(&mut tx, |conn| sqlx::query(CANCEL)
            .bind(id.0)
            .bind(now)
            .execute(&mut *conn)
            .await
            .map(|done| done.rows_affected() == 1))?;
        if !cancelled {
            let status: Option<String> = in_tx!(&mut tx, |conn| sqlx::query_scalar(STATUS)
                .bind(id.0)
                .fetch_optional(&mut *conn)
                .await)?;
            let Some(status) = status else { return Ok(Cancellation::Missing) };
            return Ok(Cancellation::Ended(word(&status)?));
        }
        in_tx!(&mut tx, |conn| sqlx::query(CLOSE)
            .bind(id.0)
            .bind(now)
            .bind(Json(given_up()))
            .execute(&mut *conn)
            .await
            .map(|_| ()))?;
        told::note(&mut tx, id, now).await?;
        audit::note(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(Cancellation::Done)
    }
}

/// The end of the call that was out.
fn given_up() -> ExecutionError {
    let message =
        "the call was given up because the execution was cancelled; what it took so far may be billed";
    ExecutionError { code: ErrorCode::Cancelled, message: message.to_owned(), retryable: false }
}
