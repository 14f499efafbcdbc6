//! Rotation: a new webhook secret beside those that still verify for a while.

use super::db::{in_tx, statements};
use super::{Result, Store, agents, audit, changes, events, secrets};
use crate::model::{Agent, AuditEntry, Change, Event, Time, WebhookSecret};

statements! {
    // An end that is sooner stays.
    END = "UPDATE webhook_secrets SET expires_at = $2
        WHERE agent_id = $1 AND retired_at IS NULL AND (expires_at IS NULL OR expires_at > $2)";
    LIVE = "SELECT count(*) FROM webhook_secrets WHERE agent_id = $1 AND retired_at IS NULL";
}

/// A new secret, and what it means for the earlier ones.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// Verifies from now on.
    pub secret: WebhookSecret,
    /// When the earlier ones end, those that do not end sooner; `None` is at once.
    pub earlier_until: Option<Time>,
    /// How many may verify at a time, the new one included.
    pub at_most: usize,
}

/// What became of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// The new secret verifies.
    Done,
    /// There would be too many; nothing has changed.
    TooMany,
}

impl Store {
    /// Adds a secret to an agent and ends the earlier ones. It is a change of the agent, and so its next version: a
    /// change of its encoding and another rotation wait, or come first and win.
    ///
    /// # Errors
    /// [`Error::Conflict`](super::Error::Conflict) if the agent has another version by now, or is deleted: read it
    /// again.
    pub async fn rotate_secret(
        &self,
        agent: &Agent,
        rotation: &Rotation,
        entry: &AuditEntry,
    ) -> Result<Rotated> {
        let (id, now) = (agent.agent_id, entry.at);
        let mut tx = self.db.begin().await?;
        let next = agents::next_version(&mut tx, &Agent { updated_at: now, ..agent.clone() }).await?;
        match rotation.earlier_until {
            None => secrets::retire(&mut tx, id, now).await?,
            Some(end) => {
                secrets::retire_ended(&mut tx, id, now).await?;
                in_tx!(&mut tx, |conn| sqlx::query(END)
                    .bind(id.0)
                    .bind(end)
                    .execute(&mut *conn)
                    .await
                    .map(|_| ()))?;
            }
        }
        let live = in_tx!(&mut tx, |conn| sqlx::query_scalar::<_, i64>(LIVE)
            .bind(id.0)
            .fetch_one(&mut *conn)
            .await)?;
        if usize::try_from(live).is_ok_and(|live| live >= rotation.at_most) {
            // Without a commit nothing has happened.
            return Ok(Rotated::TooMany);
        }
        secrets::insert(&mut tx, &rotation.secret).await?;
        audit::note(&mut tx, entry).await?;
        changes::note(&mut tx, &Change::Agent(id), now).await?;
        events::note(&mut tx, &Event::of_changed_agent(&next, &["webhook_secret".to_owned()], now)).await?;
        tx.commit().await?;
        Ok(Rotated::Done)
    }
}
