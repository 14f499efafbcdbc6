//! Goes on with what people want sent again, a slice of each wish at a time.

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Outbound, TURN};
use crate::model::RecoveryId;
use crate::store;

/// Wishes that are gone on with in one turn; the others follow in the next.
const WISHES: i64 = 20;

impl Outbound {
    /// Until `stop`.
    pub(super) async fn keep_recovering(self, stop: CancellationToken) {
        let (mut turn, mut after) = (interval(TURN), RecoveryId(Uuid::nil()));
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = turn.tick() => {}
                () = stop.cancelled() => return,
            }
            match self.recover(after).await {
                Ok(last) => after = last,
                Err(error) => tracing::warn!(%error, "what is to be sent again could not be looked for"),
            }
        }
    }

    /// Goes on with the wishes after this one, and says where the next turn begins. One that fails stops no other.
    async fn recover(&self, after: RecoveryId) -> store::Result<RecoveryId> {
        let (store, now) = (&self.worker.app.store, self.worker.app.clock.now());
        let wishes = store.recoveries(after, WISHES).await?;
        for wish in &wishes {
            if let Err(error) = store.recover_slice(wish, now).await {
                tracing::warn!(id = %wish.recovery_id, %error, "a recovery could not be gone on with");
            }
        }
        let is_last = wishes.len() < WISHES as usize;
        Ok(wishes.last().filter(|_| !is_last).map_or(RecoveryId(Uuid::nil()), |wish| wish.recovery_id))
    }
}
