//! One execution: how it stands, and each change until its run has ended.

use std::time::Duration;

use tokio::time::sleep;

use super::reader::{Gone, Reader, Turn};
use super::text;
use crate::model::{Execution, ExecutionStatus, Position};

/// From one look to the next.
const TURN: Duration = Duration::from_millis(500);
/// The same while it waits for somebody, which may take days.
const HELD_TURN: Duration = Duration::from_secs(2);

/// Tells a reader until the run has ended, or it is gone.
pub(super) async fn tell(mut reader: Reader, execution: Execution) {
    // That nobody reads any more is no fault.
    let _ = go_on(&mut reader, execution).await;
}

async fn go_on(reader: &mut Reader, mut execution: Execution) -> Result<(), Gone> {
    reader.send(text::beginning(Position::now())).await?;
    let mut told = None;
    loop {
        let state = (execution.run, execution.status);
        if told.replace(state) != Some(state) {
            reader.send(text::state(Position::now(), &execution)).await?;
        }
        if execution.status.is_terminal() {
            return reader.send(text::end(Position::now(), &execution)).await;
        }
        let turn = if execution.status == ExecutionStatus::Held { HELD_TURN } else { TURN };
        match reader.wait(sleep(turn)).await? {
            Turn::Beat => reader.send(text::beat(None)).await?,
            Turn::Done(()) => match reader.app.store.execution(execution.execution_id).await {
                Ok(Some(now)) => execution = now,
                // It is not kept any more.
                Ok(None) => return Err(Gone),
                Err(error) => tracing::debug!(%error, "an execution that is followed could not be read"),
            },
        }
    }
}
