//! The event of a run whose facts are not at hand: it is read where the change was just written.

use uuid::Uuid;

use crate::model::{Event, Execution, ExecutionId, Time};
use crate::store::db::{Tx, in_tx, statements};
use crate::store::executions::{self, columns};
use crate::store::{Error, Result, events};

statements! {
    FACTS = concat!("SELECT ", columns!(), " FROM executions WHERE execution_id = $1");
}

/// Tells the state that an execution has come into in this transaction. Neither an output nor a first call is told so.
pub(super) async fn note(tx: &mut Tx, id: ExecutionId, at: Time) -> Result<()> {
    note_all(tx, &[id.0], at).await
}

/// The same of several.
pub(super) async fn note_all(tx: &mut Tx, ids: &[Uuid], at: Time) -> Result<()> {
    for id in ids {
        let row: executions::Row =
            in_tx!(tx, |conn| sqlx::query_as(FACTS).bind(id).fetch_one(&mut *conn).await)?;
        let unreadable = row.unreadable();
        let event = match Execution::try_from(row) {
            Ok(execution) => Event::of_run(&execution, None, at),
            // It is known well enough to say that it has ended.
            Err(Error::Fault(_)) => Event::of_unreadable(&unreadable?, at),
            Err(error) => return Err(error),
        };
        events::note(tx, &event).await?;
    }
    Ok(())
}
