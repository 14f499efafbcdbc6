//! Runs that left their worker's hands without an end: it died, stopped, or lost hold of them.

use sqlx::types::Json;
use uuid::Uuid;

use super::{Hold, HoldRow, told};
use crate::model::{ErrorCode, ExecutionError, ExecutionId, Time, WorkerId};
use crate::store::db::{Tx, in_tx, on_read, statements};
use crate::store::{Result, Store, deliveries};

statements! {
    HELD = "SELECT execution_id, claims FROM executions WHERE status = 'running' AND lease_owner = $1";
    // A run that was alone in its dead process is what killed it.
    CRASH_OF = "UPDATE executions SET status = 'failed', finished_at = $2, error = $3, deaths = deaths + 1,
            lease_owner = NULL, alone = FALSE
        WHERE status = 'running' AND lease_owner = $1 AND alone RETURNING execution_id";
    REQUEUE_OF = "UPDATE executions SET status = 'queued', due_at = $2, deaths = deaths + $3, lease_owner = NULL, alone = FALSE
        WHERE status = 'running' AND lease_owner = $1 RETURNING execution_id";
    CRASH = "UPDATE executions SET status = 'failed', finished_at = $4, error = $5, deaths = deaths + 1,
            lease_owner = NULL, alone = FALSE
        WHERE execution_id = $1 AND status = 'running' AND lease_owner = $2 AND claims = $3 AND alone";
    REQUEUE = "UPDATE executions SET status = 'queued', due_at = $4, deaths = deaths + $5, lease_owner = NULL, alone = FALSE
        WHERE execution_id = $1 AND status = 'running' AND lease_owner = $2 AND claims = $3";
    CLOSE = "UPDATE attempts SET finished_at = $2, error = $3 WHERE execution_id = $1 AND finished_at IS NULL";
    FORGET = "DELETE FROM workers WHERE worker_id = $1";
    BURY = "DELETE FROM workers WHERE worker_id = $1 AND beats = $2";
    LIVES = "SELECT beats FROM workers WHERE worker_id = $1";
}

/// [`CLOSE`] for all of them in one round trip.
pub(in crate::store) const CLOSE_POSTGRES: &str =
    "UPDATE attempts SET finished_at = $2, error = $3 WHERE execution_id = ANY($1) AND finished_at IS NULL";

/// How a run left its worker's hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The process died, or the run itself fell over. Counts against the run: it may have been the cause.
    Died,
    /// The worker does not run what it holds, as after a claim whose answer was lost.
    Dropped,
    /// The worker was told to stop.
    Stopped,
}

impl Loss {
    fn deaths(self) -> i32 {
        match self {
            Self::Died => 1,
            Self::Dropped | Self::Stopped => 0,
        }
    }

    /// What the open attempt's error says.
    fn message(self) -> &'static str {
        match self {
            Self::Died => "the worker died during this call; it is run again",
            Self::Dropped => "the worker lost hold of this call; it is run again",
            Self::Stopped => "the worker was stopped during this call; it is run again",
        }
    }
}

/// What became of lost runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Queued again.
    pub requeued: Vec<ExecutionId>,
    /// Ended as `crashed`: they were alone.
    pub crashed: Vec<ExecutionId>,
}

impl Store {
    /// What a worker process holds.
    ///
    /// # Errors
    /// The database's.
    pub async fn held(&self, owner: WorkerId) -> Result<Vec<Hold>> {
        let rows: Vec<HoldRow> =
            on_read!(self, |conn| sqlx::query_as(HELD).bind(owner.0).fetch_all(conn).await)?;
        Ok(rows.into_iter().map(|row| row.of(owner)).collect())
    }

    /// Takes everything out of a worker's hands, and its lease with it. For whoever knows: its own, or on the embedded
    /// database everybody before.
    ///
    /// # Errors
    /// The database's.
    pub async fn abandon(&self, owner: WorkerId, how: Loss, now: Time) -> Result<Lost> {
        let mut tx = self.db.begin().await?;
        // The lease first, as in `bury`: two who take from each other wait here, and never in a circle.
        in_tx!(&mut tx, |conn| sqlx::query(FORGET).bind(owner.0).execute(&mut *conn).await.map(|_| ()))?;
        let lost = take_all(&mut tx, owner, how, now).await?;
        tx.commit().await?;
        Ok(lost)
    }

    /// The same for a worker that others take for dead, unless it has given a sign of life since: `beats` is what was
    /// last seen of it, `None` that it had no lease. Who is buried already is not buried again.
    ///
    /// # Errors
    /// The database's.
    pub async fn bury(&self, dead: WorkerId, beats: Option<i64>, now: Time) -> Result<Lost> {
        let mut tx = self.db.begin().await?;
        let is_dead = match beats {
            Some(beats) => in_tx!(&mut tx, |conn| sqlx::query(BURY)
                .bind(dead.0)
                .bind(beats)
                .execute(&mut *conn)
                .await
                .map(|done| done.rows_affected() == 1))?,
            None => in_tx!(&mut tx, |conn| sqlx::query_scalar::<_, i64>(LIVES)
                .bind(dead.0)
                .fetch_optional(&mut *conn)
                .await)?
            .is_none(),
        };
        if !is_dead {
            return Ok(Lost::default());
        }
        let lost = take_all(&mut tx, dead, Loss::Died, now).await?;
        tx.commit().await?;
        Ok(lost)
    }

    /// Takes one run out of a worker's hands, to be due from `due_at` on, unless its hold is lost by now.
    ///
    /// # Errors
    /// The database's.
    pub async fn let_go(&self, hold: &Hold, how: Loss, due_at: Time, now: Time) -> Result<Lost> {
        let mut tx = self.db.begin().await?;
        let (id, mut lost) = (hold.execution_id, Lost::default());
        let crashed = how == Loss::Died
            && in_tx!(&mut tx, |conn| sqlx::query(CRASH)
                .bind(id.0)
                .bind(hold.owner.0)
                .bind(hold.claims)
                .bind(now)
                .bind(Json(crash()))
                .execute(&mut *conn)
                .await
                .map(|done| done.rows_affected() == 1))?;
        if crashed {
            told::note(&mut tx, id, now).await?;
            lost.crashed.push(id);
        } else if in_tx!(&mut tx, |conn| sqlx::query(REQUEUE)
            .bind(id.0)
            .bind(hold.owner.0)
            .bind(hold.claims)
            .bind(due_at)
            .bind(how.deaths())
            .execute(&mut *conn)
            .await
            .map(|done| done.rows_affected() == 1))?
        {
            lost.requeued.push(id);
        } else {
            return Ok(lost);
        }
        close(&mut tx, &[id.0], how, now).await?;
        tx.commit().await?;
        Ok(lost)
    }
}

/// Takes what a worker holds out of its hands.
async fn take_all(tx: &mut Tx, owner: WorkerId, how: Loss, now: Time) -> Result<Lost> {
    let crashed: Vec<Uuid> = match how {
        Loss::Died => in_tx!(tx, |conn| sqlx::query_scalar(CRASH_OF)
            .bind(owner.0)
            .bind(now)
            .bind(Json(crash()))
            .fetch_all(&mut *conn)
            .await)?,
        Loss::Dropped | Loss::Stopped => Vec::new(),
    };
    told::note_all(tx, &crashed, now).await?;
    let requeued: Vec<Uuid> = in_tx!(tx, |conn| sqlx::query_scalar(REQUEUE_OF)
        .bind(owner.0)
        .bind(now)
        .bind(how.deaths())
        .fetch_all(&mut *conn)
        .await)?;
    deliveries::give_back(tx, owner, now).await?;
    close(tx, &[crashed.as_slice(), &requeued].concat(), how, now).await?;
    let ids = |ids: Vec<Uuid>| ids.into_iter().map(ExecutionId).collect();
    Ok(Lost { requeued: ids(requeued), crashed: ids(crashed) })
}

/// Closes the attempts that are open.
async fn close(tx: &mut Tx, ids: &[Uuid], how: Loss, now: Time) -> Result<()> {
    let error =
        ExecutionError { code: ErrorCode::Crashed, message: how.message().to_owned(), retryable: true };
    match tx {
        Tx::Sqlite(tx) => {
            for id in ids {
                sqlx::query(CLOSE).bind(id).bind(now).bind(Json(&error)).execute(&mut **tx).await?;
            }
        }
        Tx::Postgres(tx) => {
            sqlx::query(CLOSE_POSTGRES).bind(ids).bind(now).bind(Json(&error)).execute(&mut **tx).await?;
        }
    }
    Ok(())
}

/// The end of a run that killed its worker again when it had it to itself.
fn crash() -> ExecutionError {
    let message = "the worker died each time this ran, at last with nothing else running in it";
    ExecutionError { code: ErrorCode::Crashed, message: message.to_owned(), retryable: false }
}
