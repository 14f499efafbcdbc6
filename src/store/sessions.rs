//! Browsers that are signed in. A session is looked up with its key, so that one without the other is nobody's.

use super::api_keys::Row as KeyRow;
use super::db::{in_tx, statements};
use super::{Result, Store, audit, on_read, on_write};
use crate::model::{ApiKeyId, AuditEntry, Session, Time};

statements! {
    INSERT = "INSERT INTO sessions (token_hash, key_id, created_at, seen_at) VALUES ($1, $2, $3, $3)";
    GET = "SELECT k.key_id, k.role, k.tenant_id, k.name, k.hint, k.created_at, s.seen_at
        FROM sessions s JOIN api_keys k ON k.key_id = s.key_id
        WHERE s.token_hash = $1 AND s.created_at > $2 AND s.seen_at > $3";
    SEEN = "UPDATE sessions SET seen_at = $2 WHERE token_hash = $1";
    END = "DELETE FROM sessions WHERE token_hash = $1";
    PURGE = "DELETE FROM sessions WHERE created_at <= $1 OR seen_at <= $2";
}

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(flatten)]
    key: KeyRow,
    seen_at: Time,
}

impl Store {
    /// Begins a session, by the SHA-256 of its token. Those that have ended by themselves are deleted with it: whoever
    /// signs in tidies up.
    ///
    /// # Errors
    /// [`super::Error::Conflict`] if there is no such key any more.
    pub async fn begin_session(
        &self,
        token_hash: &[u8; 32],
        key_id: ApiKeyId,
        entry: &AuditEntry,
    ) -> Result<()> {
        let now = entry.at;
        let mut tx = self.db.begin().await?;
        in_tx!(&mut tx, |conn| sqlx::query(PURGE)
            .bind(now - Session::LONGEST)
            .bind(now - Session::IDLE)
            .execute(conn)
            .await
            .map(|_| ()))?;
        in_tx!(&mut tx, |conn| sqlx::query(INSERT)
            .bind(token_hash.as_slice())
            .bind(key_id.0)
            .bind(now)
            .execute(conn)
            .await
            .map(|_| ()))?;
        audit::note(&mut tx, entry).await?;
        tx.commit().await
    }

    /// The session with this SHA-256, if it has not ended.
    ///
    /// # Errors
    /// The database's.
    pub async fn session(&self, token_hash: &[u8; 32], now: Time) -> Result<Option<Session>> {
        let row: Option<Row> = on_read!(self, |conn| sqlx::query_as(GET)
            .bind(token_hash.as_slice())
            .bind(now - Session::LONGEST)
            .bind(now - Session::IDLE)
            .fetch_optional(conn)
            .await)?;
        row.map(|row| Ok(Session { key: row.key.try_into()?, seen_at: row.seen_at })).transpose()
    }

    /// Notes that a session is used.
    ///
    /// # Errors
    /// The database's.
    pub async fn session_seen(&self, token_hash: &[u8; 32], now: Time) -> Result<()> {
        on_write!(self, |conn| sqlx::query(SEEN)
            .bind(token_hash.as_slice())
            .bind(now)
            .execute(conn)
            .await
            .map(|_| ()))?;
        Ok(())
    }

    /// Ends a session.
    ///
    /// # Errors
    /// The database's.
    pub async fn end_session(&self, token_hash: &[u8; 32], entry: &AuditEntry) -> Result<()> {
        let mut tx = self.db.begin().await?;
        in_tx!(&mut tx, |conn| sqlx::query(END).bind(token_hash.as_slice()).execute(conn).await.map(|_| ()))?;
        audit::note(&mut tx, entry).await?;
        tx.commit().await
    }
}
