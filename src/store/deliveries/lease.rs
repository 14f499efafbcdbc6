//! What workers hold, and what becomes of it when they do not send it.

use uuid::Uuid;

use super::super::db::{Tx, in_tx, on_read, on_write, statements};
use super::super::{Result, Store};
use crate::model::{DeliveryId, Time, WorkerId};

statements! {
    GIVE_BACK = "UPDATE deliveries SET due_at = $2, lease_owner = NULL WHERE lease_owner = $1";
    GIVE_BACK_ALL = "UPDATE deliveries SET due_at = $1, lease_owner = NULL WHERE lease_owner IS NOT NULL";
    // A probe of the dead would keep the endpoint waiting for its end.
    END_PROBES = "UPDATE webhook_health SET probe_by = NULL, probe_until = NULL WHERE probe_by = $1";
    END_ALL_PROBES = "UPDATE webhook_health SET probe_by = NULL, probe_until = NULL WHERE probe_by IS NOT NULL";
    POSTPONE = "UPDATE deliveries SET due_at = $4, lease_owner = NULL, lost = 0
        WHERE delivery_id = $1 AND lease_owner = $2 AND claims = $3";
    LET_GO = "UPDATE deliveries SET due_at = $4, lease_owner = NULL
        WHERE delivery_id = $1 AND lease_owner = $2 AND claims = $3";
    HELD = "SELECT delivery_id, claims FROM deliveries WHERE lease_owner = $1";
}

impl Store {
    /// On the embedded database, at the start: whatever is held was held by a process that is dead.
    ///
    /// # Errors
    /// The database's.
    pub async fn give_back_deliveries(&self, now: Time) -> Result<()> {
        on_write!(self, |conn| sqlx::query(GIVE_BACK_ALL).bind(now).execute(conn).await.map(|_| ()))?;
        on_write!(self, |conn| sqlx::query(END_ALL_PROBES).execute(conn).await.map(|_| ()))?;
        Ok(())
    }

    /// Gives one delivery back that was not sent, to be due from then on. It is no attempt.
    ///
    /// # Errors
    /// The database's.
    pub async fn postpone_delivery(
        &self,
        id: DeliveryId,
        owner: WorkerId,
        claims: i32,
        due_at: Time,
    ) -> Result<()> {
        on_write!(self, |conn| sqlx::query(POSTPONE)
            .bind(id.0)
            .bind(owner.0)
            .bind(claims)
            .bind(due_at)
            .execute(conn)
            .await
            .map(|_| ()))?;
        Ok(())
    }

    /// Gives back one delivery that is held, and of which nothing is heard: it is due.
    ///
    /// # Errors
    /// The database's.
    pub async fn let_go_of_delivery(
        &self,
        id: DeliveryId,
        owner: WorkerId,
        claims: i32,
        now: Time,
    ) -> Result<()> {
        on_write!(self, |conn| sqlx::query(LET_GO)
            .bind(id.0)
            .bind(owner.0)
            .bind(claims)
            .bind(now)
            .execute(conn)
            .await
            .map(|_| ()))?;
        Ok(())
    }

    /// What a worker process holds: deliveries, and the numbers of their claims.
    ///
    /// # Errors
    /// The database's.
    pub async fn held_deliveries(&self, owner: WorkerId) -> Result<Vec<(DeliveryId, i32)>> {
        let rows: Vec<(Uuid, i32)> =
            on_read!(self, |conn| sqlx::query_as(HELD).bind(owner.0).fetch_all(conn).await)?;
        Ok(rows.into_iter().map(|(id, claims)| (DeliveryId(id), claims)).collect())
    }
}

/// Takes all deliveries and probes out of a worker's hands.
pub(in crate::store) async fn give_back(tx: &mut Tx, owner: WorkerId, now: Time) -> Result<()> {
    in_tx!(tx, |conn| sqlx::query(GIVE_BACK).bind(owner.0).bind(now).execute(&mut *conn).await.map(|_| ()))?;
    in_tx!(tx, |conn| sqlx::query(END_PROBES).bind(owner.0).execute(&mut *conn).await.map(|_| ()))?;
    Ok(())
}
