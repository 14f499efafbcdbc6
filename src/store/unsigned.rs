//! Executions that no webhook began: replays, and tries of an agent.

use uuid::Uuid;

use super::db::{in_tx, statements};
use super::row::spell;
use super::{Result, Store, audit, events};
use crate::model::{AuditEntry, UnsignedExecution};

statements! {
    // No key: whoever asks twice gets two. And no secret verified it, for which the nil UUID stands. The headers say what
    // the payload is.
    INSERT = "INSERT INTO executions (execution_id, tenant_id, agent_id, agent_version, status, payload, secret_id, request_id,
            dedupe_key, dedupe_until, received_at, due_at, claims, tries, attempt_count, source, replay_of, headers)
        VALUES ($1, $2, $3, $4, 'queued', $5, $6, $7, NULL, $8, $8, $8, 0, 0, 0, $9, $10, $11)";
}

impl Store {
    /// Stores an execution that is due at once.
    ///
    /// # Errors
    /// The database's.
    pub async fn insert_unsigned(&self, execution: &UnsignedExecution, entry: &AuditEntry) -> Result<()> {
        let mut tx = self.db.begin().await?;
        in_tx!(&mut tx, |conn| sqlx::query(INSERT)
            .bind(execution.execution_id.0)
            .bind(execution.tenant_id.as_str())
            .bind(execution.agent_id.0)
            .bind(execution.agent_version)
            .bind(execution.payload.as_slice())
            .bind(Uuid::nil())
            .bind(execution.request_id)
            .bind(execution.received_at)
            .bind(spell(execution.source))
            .bind(execution.replay_of.map(|id| id.0))
            .bind(execution.headers.to_json())
            .execute(&mut *conn)
            .await
            .map(|_| ()))?;
        if let Some(event) = &execution.event {
            events::note(&mut tx, event).await?;
        }
        audit::note(&mut tx, entry).await?;
        tx.commit().await
    }
}
