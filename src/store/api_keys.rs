//! API keys, kept as hashes.

use uuid::Uuid;

use super::db::{Tx, in_tx, statements};
use super::row::{spell, word};
use super::{Error, Result, Store, audit, changes, on_read};
use crate::model::{ApiKey, ApiKeyId, AuditEntry, Change, TenantId, Time};

statements! {
    INSERT = "INSERT INTO api_keys (key_hash, key_id, role, tenant_id, name, hint, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (key_hash) DO NOTHING";
    BY_HASH = "SELECT key_id, role, tenant_id, name, hint, created_at FROM api_keys WHERE key_hash = $1";
    IS_THERE = "SELECT count(*) FROM api_keys WHERE key_id = $1";
    BY_ID = "SELECT key_id, role, tenant_id, name, hint, created_at FROM api_keys WHERE key_id = $1";
    ANY = "SELECT count(*) FROM api_keys";
    LIST = "SELECT key_id, role, tenant_id, name, hint, created_at FROM api_keys WHERE (key_id < $1 OR $1 IS NULL)
        ORDER BY key_id DESC LIMIT $2";
    ADMINS_BESIDE = "SELECT count(*) FROM api_keys WHERE role = 'admin' AND key_id <> $1";
    DELETE = "DELETE FROM api_keys WHERE key_id = $1
        RETURNING key_id, role, tenant_id, name, hint, created_at";
}

/// Two that delete the last two keys must not both find another one left. SQLite has one writer anyway.
pub(super) const LOCK_POSTGRES: &str = "LOCK TABLE api_keys IN SHARE ROW EXCLUSIVE MODE";

/// What became of a key that was to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyDeletion {
    /// It is gone.
    Deleted,
    /// There is none.
    Unknown,
    /// It is the last administrator's, so it stays.
    LastAdmin,
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    key_id: Uuid,
    role: String,
    tenant_id: Option<String>,
    name: String,
    hint: Option<String>,
    created_at: Time,
}

impl TryFrom<Row> for ApiKey {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            key_id: ApiKeyId(row.key_id),
            role: word(&row.role)?,
            tenant_id: row.tenant_id.map(TenantId::try_from).transpose().map_err(super::row::decode)?,
            name: row.name,
            hint: row.hint,
            created_at: row.created_at,
        })
    }
}

impl Store {
    /// Adds a key by its SHA-256; one that is there already stays as it is.
    ///
    /// # Errors
    /// [`Error::Conflict`] if there is no such tenant.
    pub async fn add_api_key(&self, key_hash: &[u8; 32], key: &ApiKey, entry: &AuditEntry) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let rows = in_tx!(&mut tx, |conn| sqlx::query(INSERT)
            .bind(key_hash.as_slice())
            .bind(key.key_id.0)
            .bind(spell(key.role))
            .bind(key.tenant_id.as_ref().map(TenantId::as_str))
            .bind(&key.name)
            .bind(&key.hint)
            .bind(key.created_at)
            .execute(conn)
            .await
            .map(|done| done.rows_affected()))?;
        if rows == 1 {
            audit::note(&mut tx, entry).await?;
            changes::note(&mut tx, &Change::ApiKeys, key.created_at).await?;
        }
        tx.commit().await
    }

    /// The key with this SHA-256.
    ///
    /// # Errors
    /// The database's.
    pub async fn api_key(&self, key_hash: &[u8; 32]) -> Result<Option<ApiKey>> {
        let row: Option<Row> = on_read!(self, |conn| sqlx::query_as(BY_HASH)
            .bind(key_hash.as_slice())
            .fetch_optional(conn)
            .await)?;
        row.map(ApiKey::try_from).transpose()
    }

    /// Whether there is a key of this id still.
    ///
    /// # Errors
    /// The database's.
    pub async fn has_api_key(&self, key_id: ApiKeyId) -> Result<bool> {
        let count = on_read!(self, |conn| sqlx::query_scalar::<_, i64>(IS_THERE)
            .bind(key_id.0)
            .fetch_one(conn)
            .await)?;
        Ok(count > 0)
    }

    /// The key of this id.
    ///
    /// # Errors
    /// The database's.
    pub async fn api_key_of_id(&self, key_id: ApiKeyId) -> Result<Option<ApiKey>> {
        let row: Option<Row> =
            on_read!(self, |conn| sqlx::query_as(BY_ID).bind(key_id.0).fetch_optional(conn).await)?;
        row.map(ApiKey::try_from).transpose()
    }

    /// Whether there is any API key at all.
    ///
    /// # Errors
    /// The database's.
    pub async fn has_any_api_key(&self) -> Result<bool> {
        Ok(on_read!(self, |conn| sqlx::query_scalar::<_, i64>(ANY).fetch_one(conn).await)? > 0)
    }

    /// Up to `limit` keys older than `before`, the newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn api_keys(&self, before: Option<ApiKeyId>, limit: i64) -> Result<Vec<ApiKey>> {
        let rows: Vec<Row> = on_read!(self, |conn| sqlx::query_as(LIST)
            .bind(before.map(|id| id.0))
            .bind(limit)
            .fetch_all(conn)
            .await)?;
        rows.into_iter().map(ApiKey::try_from).collect()
    }

    /// Deletes a key, unless nobody could get in any more. The entry is completed: whose it was, and its name.
    ///
    /// # Errors
    /// The database's.
    pub async fn delete_api_key(&self, key_id: ApiKeyId, mut entry: AuditEntry) -> Result<KeyDeletion> {
        let entry_at = entry.at;
        let mut tx = self.db.begin().await?;
        if let Tx::Postgres(tx) = &mut tx {
            sqlx::query(LOCK_POSTGRES).execute(&mut **tx).await?;
        }
        let others = in_tx!(&mut tx, |conn| sqlx::query_scalar::<_, i64>(ADMINS_BESIDE)
            .bind(key_id.0)
            .fetch_one(&mut *conn)
            .await)?;
        let deleted: Option<Row> =
            in_tx!(&mut tx, |conn| sqlx::query_as(DELETE).bind(key_id.0).fetch_optional(&mut *conn).await)?;
        let Some(deleted) = deleted.map(ApiKey::try_from).transpose()? else {
            return Ok(KeyDeletion::Unknown);
        };
        if others == 0 {
            // Without a commit nothing has happened.
            return Ok(KeyDeletion::LastAdmin);
        }
        entry.tenant_id = deleted.tenant_id;
        audit::note(&mut tx, &entry.with("name", deleted.name)).await?;
        changes::note(&mut tx, &Change::ApiKeys, entry_at).await?;
        tx.commit().await?;
        Ok(KeyDeletion::Deleted)
    }
}
