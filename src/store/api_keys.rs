//! API keys, kept as hashes.

use super::db::statements;
use super::{Result, Store, on_read, on_write};
use crate::model::Time;

statements! {
    INSERT = "INSERT INTO api_keys (key_hash, name, created_at) VALUES ($1, $2, $3) ON CONFLICT (key_hash) DO NOTHING";
    EXISTS = "SELECT count(*) FROM api_keys WHERE key_hash = $1";
    ANY = "SELECT count(*) FROM api_keys";
}

impl Store {
    /// Adds an admin key by its SHA-256; one that is there already stays as it is.
    ///
    /// # Errors
    /// The database's.
    pub async fn add_api_key(&self, key_hash: &[u8; 32], name: &str, now: Time) -> Result<()> {
        on_write!(self, |conn| sqlx::query(INSERT)
            .bind(key_hash.as_slice())
            .bind(name)
            .bind(now)
            .execute(conn)
            .await
            .map(|_| ()))?;
        Ok(())
    }

    /// Whether a key with this SHA-256 is valid.
    ///
    /// # Errors
    /// The database's.
    pub async fn has_api_key(&self, key_hash: &[u8; 32]) -> Result<bool> {
        let found = on_read!(self, |conn| sqlx::query_scalar::<_, i64>(EXISTS)
            .bind(key_hash.as_slice())
            .fetch_one(conn)
            .await)?;
        Ok(found > 0)
    }

    /// Whether there is any API key at all.
    ///
    /// # Errors
    /// The database's.
    pub async fn has_any_api_key(&self) -> Result<bool> {
        Ok(on_read!(self, |conn| sqlx::query_scalar::<_, i64>(ANY).fetch_one(conn).await)? > 0)
    }
}
