//! Tenants and their LLM keys.

use sqlx::types::Json;
use uuid::Uuid;

use super::db::{Tx, in_tx, statements};
use super::row::{spell, word};
use super::{Result, Store, audit, changes, on_read};
use crate::model::{
    ApiKeyId, AuditAction, AuditEntry, Change, FallbackReason, LlmKey, RateLimit, Tenant, TenantId, Time,
};

statements! {
    INSERT = "INSERT INTO tenants (tenant_id, version, name, key_policy, fallback_on, allowed_models, created_at, updated_at,
            rate_limit, concurrency)
        VALUES ($1, 1, $2, $3, $4, $5, $6, $6, $7, $8)";
    UPDATE = "UPDATE tenants SET name = $2, key_policy = $3, fallback_on = $4, allowed_models = $5, updated_at = $6,
            rate_limit = $7, concurrency = $8, version = version + 1 WHERE tenant_id = $1 AND version = $9";
    // A check with LiteLLM may lie between read and write: what changed meanwhile stays.
    SET_LLM_KEY = "UPDATE tenants SET llm_key = $2, llm_key_hint = $3, updated_at = $4, version = version + 1
        WHERE tenant_id = $1 AND version = $5";
    DELETE = "DELETE FROM tenants WHERE tenant_id = $1
        AND NOT EXISTS (SELECT 1 FROM agents WHERE agents.tenant_id = tenants.tenant_id)
        AND NOT EXISTS (SELECT 1 FROM webhooks WHERE webhooks.tenant_id = tenants.tenant_id)";
    DELETE_KEYS = "DELETE FROM api_keys WHERE tenant_id = $1 RETURNING key_id, name";
    GET = "SELECT * FROM tenants WHERE tenant_id = $1";
    FIRST_TWO = "SELECT count(*) FROM (SELECT 1 FROM tenants LIMIT 2) t";
    LIST = "SELECT * FROM tenants WHERE (tenant_id > $1 OR $1 IS NULL) ORDER BY tenant_id LIMIT $2";
}

#[derive(sqlx::FromRow)]
struct Row {
    tenant_id: String,
    version: i32,
    name: Option<String>,
    key_policy: String,
    fallback_on: Json<Vec<FallbackReason>>,
    allowed_models: Option<Json<Vec<String>>>,
    rate_limit: Option<Json<RateLimit>>,
    concurrency: Option<i32>,
    llm_key: Option<String>,
    llm_key_hint: Option<String>,
    created_at: Time,
    updated_at: Time,
}

impl TryFrom<Row> for Tenant {
    type Error = super::Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            tenant_id: row.tenant_id.try_into().map_err(super::row::decode)?,
            version: row.version,
            name: row.name,
            key_policy: word(&row.key_policy)?,
            fallback_on: row.fallback_on.0,
            allowed_models: row.allowed_models.map(|json| json.0),
            rate_limit: row.rate_limit.map(|json| json.0),
            concurrency: row.concurrency.and_then(|most| most.try_into().ok()),
            llm_key: row.llm_key.map(|sealed| LlmKey { sealed, hint: row.llm_key_hint.unwrap_or_default() }),
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

impl Store {
    /// Whether there is more than one tenant.
    ///
    /// # Errors
    /// The database's.
    pub async fn has_several_tenants(&self) -> Result<bool> {
        Ok(on_read!(self, |conn| sqlx::query_scalar::<_, i64>(FIRST_TWO).fetch_one(conn).await)? > 1)
    }

    /// Adds a tenant; its LLM key is set apart.
    ///
    /// # Errors
    /// [`Error::Conflict`](super::Error::Conflict) if the id is taken.
    pub async fn insert_tenant(&self, tenant: &Tenant, entry: &AuditEntry) -> Result<()> {
        let mut tx = self.db.begin().await?;
        in_tx!(&mut tx, |conn| sqlx::query(INSERT)
            .bind(tenant.tenant_id.as_str())
            .bind(&tenant.name)
            .bind(spell(tenant.key_policy))
            .bind(Json(&tenant.fallback_on))
            .bind(tenant.allowed_models.as_ref().map(Json))
            .bind(tenant.created_at)
            .bind(tenant.rate_limit.as_ref().map(Json))
            .bind(concurrency(tenant))
            .execute(conn)
            .await
            .map(|_| ()))?;
        audit::note(&mut tx, entry).await?;
        changes::note(&mut tx, &Change::Tenant(tenant.tenant_id.clone()), tenant.created_at).await?;
        tx.commit().await
    }

    /// Writes name, policy, models and limits of a tenant; `false` if it has changed since it was read, or is gone.
    ///
    /// # Errors
    /// The database's.
    pub async fn update_tenant(&self, tenant: &Tenant, entry: &AuditEntry) -> Result<bool> {
        let mut tx = self.db.begin().await?;
        let rows = in_tx!(&mut tx, |conn| sqlx::query(UPDATE)
            .bind(tenant.tenant_id.as_str())
            .bind(&tenant.name)
            .bind(spell(tenant.key_policy))
            .bind(Json(&tenant.fallback_on))
            .bind(tenant.allowed_models.as_ref().map(Json))
            .bind(tenant.updated_at)
            .bind(tenant.rate_limit.as_ref().map(Json))
            .bind(concurrency(tenant))
            .bind(tenant.version)
            .execute(conn)
            .await
            .map(|done| done.rows_affected()))?;
        journaled(tx, rows, &tenant.tenant_id, entry).await
    }

    /// Sets or removes the LLM key of a tenant that was read at this version; `false` if it has changed since, or is
    /// gone.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_llm_key(
        &self,
        tenant_id: &TenantId,
        version: i32,
        key: Option<&LlmKey>,
        entry: &AuditEntry,
    ) -> Result<bool> {
        let mut tx = self.db.begin().await?;
        let rows = in_tx!(&mut tx, |conn| sqlx::query(SET_LLM_KEY)
            .bind(tenant_id.as_str())
            .bind(key.map(|key| &key.sealed))
            .bind(key.map(|key| &key.hint))
            .bind(entry.at)
            .bind(version)
            .execute(conn)
            .await
            .map(|done| done.rows_affected()))?;
        journaled(tx, rows, tenant_id, entry).await
    }

    /// Removes a tenant that never had an agent, and its API keys, each with an entry of its own; `false` if there was
    /// nothing to remove.
    ///
    /// # Errors
    /// [`Error::Conflict`](super::Error::Conflict) if it gets an agent or a key at the same time.
    pub async fn delete_tenant(&self, tenant_id: &TenantId, entry: &AuditEntry) -> Result<bool> {
        let mut tx = self.db.begin().await?;
        let keys: Vec<(Uuid, String)> = in_tx!(&mut tx, |conn| sqlx::query_as(DELETE_KEYS)
            .bind(tenant_id.as_str())
            .fetch_all(conn)
            .await)?;
        if !keys.is_empty() {
            changes::note(&mut tx, &Change::ApiKeys, entry.at).await?;
        }
        for (key_id, name) in keys {
            let action = AuditAction::ApiKeyDeleted;
            let key = AuditEntry::new(entry.actor.clone(), action, ApiKeyId(key_id), entry.at).of(tenant_id);
            audit::note(&mut tx, &key.with("name", name).with("with_tenant", true)).await?;
        }
        let rows = in_tx!(&mut tx, |conn| sqlx::query(DELETE)
            .bind(tenant_id.as_str())
            .execute(conn)
            .await
            .map(|done| done.rows_affected()))?;
        journaled(tx, rows, tenant_id, entry).await
    }

    /// One tenant.
    ///
    /// # Errors
    /// The database's.
    pub async fn tenant(&self, tenant_id: &TenantId) -> Result<Option<Tenant>> {
        let row: Option<Row> =
            on_read!(self, |conn| sqlx::query_as(GET).bind(tenant_id.as_str()).fetch_optional(conn).await)?;
        row.map(Tenant::try_from).transpose()
    }

    /// Up to `limit` tenants after `after`, in the order of their ids.
    ///
    /// # Errors
    /// The database's.
    pub async fn tenants(&self, after: Option<&TenantId>, limit: i64) -> Result<Vec<Tenant>> {
        let rows: Vec<Row> = on_read!(self, |conn| sqlx::query_as(LIST)
            .bind(after.map(TenantId::as_str))
            .bind(limit)
            .fetch_all(conn)
            .await)?;
        rows.into_iter().map(Tenant::try_from).collect()
    }
}

/// How many of its executions run at once, as the column has it.
fn concurrency(tenant: &Tenant) -> Option<i32> {
    tenant.concurrency.map(|most| i32::try_from(most).unwrap_or(i32::MAX))
}

/// Ends the transaction of a change; whether there was anything to change.
async fn journaled(mut tx: Tx, rows: u64, tenant_id: &TenantId, entry: &AuditEntry) -> Result<bool> {
    if rows == 1 {
        audit::note(&mut tx, entry).await?;
        changes::note(&mut tx, &Change::Tenant(tenant_id.clone()), entry.at).await?;
        tx.commit().await?;
    }
    Ok(rows == 1)
}
