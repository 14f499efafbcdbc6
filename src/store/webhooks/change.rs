//! Changes of endpoints. Each makes another version, under which what is made ready of it is kept in memory.

use chrono::TimeDelta;

use super::super::db::{Tx, in_tx, statements};
use super::super::row::spell;
use super::super::{Error, Result, Store, audit, changes, events};
use crate::model::{
    AgentId, AuditEntry, Change, Event, StoredSigningSecret, TenantId, Time, Webhook, WebhookId,
};

statements! {
    // Changes nothing; whoever adds an endpoint to the same tenant waits.
    LOCK_TENANT = "UPDATE tenants SET version = version WHERE tenant_id = $1";
    COUNT = "SELECT count(*) FROM webhooks WHERE tenant_id = $1 AND deleted_at IS NULL AND kind = 'webhook'";
    INSERT = "INSERT INTO webhooks (webhook_id, kind, tenant_id, agent_id, version, status, disabled_reason, events, profile,
            target, options, created_at, updated_at)
        VALUES ($1, $2, $3, $4, 1, 'active', NULL, $5, $6, $7, $8, $9, $9)";
    // The compare in compare-and-set.
    UPDATE = "UPDATE webhooks SET version = version + 1, agent_id = $3, events = $4, profile = $5, target = $6, options = $7,
            updated_at = $8
        WHERE webhook_id = $1 AND version = $2 AND deleted_at IS NULL";
    STATUS = "UPDATE webhooks SET version = version + 1, status = $2, disabled_reason = $3, updated_at = $4
        WHERE webhook_id = $1 AND deleted_at IS NULL AND (status <> $2 OR disabled_reason IS NOT NULL AND CAST($3 AS TEXT) IS NULL)";
    TOUCH = "UPDATE webhooks SET version = version + 1, updated_at = $3
        WHERE webhook_id = $1 AND version = $2 AND deleted_at IS NULL";
    DELETE = "UPDATE webhooks SET deleted_at = $2, updated_at = $2, version = version + 1
        WHERE webhook_id = $1 AND version = $3 AND deleted_at IS NULL";
    DELETE_CALLBACK = "UPDATE webhooks SET deleted_at = $2, updated_at = $2, version = version + 1
        WHERE agent_id = $1 AND kind = 'callback' AND deleted_at IS NULL RETURNING webhook_id";
    FORGET_RECOVERIES = "DELETE FROM recoveries WHERE webhook_id = $1";
    CLOSE_CIRCUIT = "UPDATE webhook_health SET failures = 0, open_until = NULL, probe_by = NULL, probe_until = NULL
        WHERE webhook_id = $1";
    ADD_SECRET = "INSERT INTO signing_secrets (secret_id, webhook_id, sealed, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5)";
    END_SECRETS = "UPDATE signing_secrets SET expires_at = $2
        WHERE webhook_id = $1 AND (expires_at IS NULL OR expires_at > $2)";
    LIVE_SECRETS = "SELECT count(*) FROM signing_secrets WHERE webhook_id = $1 AND (expires_at IS NULL OR expires_at > $2)";
    FORGET_SECRETS = "DELETE FROM signing_secrets WHERE webhook_id = $1 AND expires_at <= $2";
    REMOVE_SECRETS = "DELETE FROM signing_secrets WHERE webhook_id = $1";
}

/// So long after its end a secret is kept: an attempt may be signed with it by a clock that is behind.
const KEPT: TimeDelta = TimeDelta::days(1);

/// A new secret of an endpoint, and what becomes of those before it.
#[derive(Clone, Debug)]
pub struct NewSigningSecret {
    /// The new one.
    pub secret: StoredSigningSecret,
    /// Until when earlier ones sign too; `None` ends them at once.
    pub earlier_until: Option<Time>,
    /// How many may sign at once.
    pub at_most: i64,
}

/// An endpoint that is to be made, in the transaction of what it is made for.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// The endpoint.
    pub webhook: Webhook,
    /// What its deliveries are signed with.
    pub secret: StoredSigningSecret,
}

impl Store {
    /// Adds an endpoint with its secret. `false`: its tenant has `at_most` already.
    ///
    /// # Errors
    /// [`Error::Conflict`] if there is no such tenant.
    pub async fn insert_webhook(
        &self,
        webhook: &Webhook,
        secret: &StoredSigningSecret,
        at_most: i64,
        entry: &AuditEntry,
    ) -> Result<bool> {
        let mut tx = self.db.begin().await?;
        if let Some(tenant) = &webhook.tenant_id
            && !has_room(&mut tx, tenant, at_most).await?
        {
            return Ok(false);
        }
        insert(&mut tx, webhook, secret).await?;
        changed(&mut tx, webhook.tenant_id.as_ref(), entry.at).await?;
        audit::note(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Changes what its owner says of an endpoint, and its secret if there is a new one.
    ///
    /// # Errors
    /// [`Error::Conflict`] if it has another version by now, or is deleted: read it again.
    pub async fn update_webhook(
        &self,
        webhook: &Webhook,
        secret: Option<&NewSigningSecret>,
        entry: &AuditEntry,
    ) -> Result<()> {
        let mut tx = self.db.begin().await?;
        update(&mut tx, webhook).await?;
        changed(&mut tx, webhook.tenant_id.as_ref(), entry.at).await?;
        if let Some(secret) = secret {
            change_secret(&mut tx, secret).await?;
        }
        audit::note(&mut tx, entry).await?;
        tx.commit().await
    }

    /// Exchanges what an endpoint's deliveries are signed with. `false`: too many sign already.
    ///
    /// # Errors
    /// [`Error::Conflict`] if it has another version by now, or is deleted: read it again.
    pub async fn rotate_signing_secret(
        &self,
        webhook: &Webhook,
        secret: &NewSigningSecret,
        entry: &AuditEntry,
    ) -> Result<bool> {
        let mut tx = self.db.begin().await?;
        let touched = in_tx!(&mut tx, |conn| sqlx::query(TOUCH)
            .bind(webhook.webhook_id.0)
            .bind(webhook.version)
            .bind(entry.at)
            .execute(&mut *conn)
            .await
            .map(|done| done.rows_affected()))?;
        if touched == 0 {
            return Err(Error::Conflict);
        }
        if !change_secret(&mut tx, secret).await? {
            return Ok(false);
        }
        audit::note(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Makes an endpoint active, or disables it by hand, with the event that says so. `false`: it was so already, or is
    /// deleted.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_webhook_status(
        &self,
        webhook: &Webhook,
        event: Option<&Event>,
        entry: &AuditEntry,
    ) -> Result<bool> {
        let mut tx = self.db.begin().await?;
        let id = webhook.webhook_id.0;
        // Whoever enables it says that it is well again, whatever it was. First this row and then the endpoint's: see
        // [`super::super::deliveries`].
        in_tx!(&mut tx, |conn| sqlx::query(CLOSE_CIRCUIT).bind(id).execute(&mut *conn).await.map(|_| ()))?;
        let set = in_tx!(&mut tx, |conn| sqlx::query(STATUS)
            .bind(id)
            .bind(spell(webhook.status))
            .bind(webhook.disabled_reason.map(spell))
            .bind(entry.at)
            .execute(&mut *conn)
            .await
            .map(|done| done.rows_affected() == 1))?;
        if let Some(event) = event.filter(|_| set) {
            events::note(&mut tx, event).await?;
        }
        changed(&mut tx, webhook.tenant_id.as_ref(), entry.at).await?;
        audit::note(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(set)
    }

    /// Deletes an endpoint: what it was told stays, and what waits is ended by a worker. `false`: it has another version by now, or was
    /// deleted before.
    ///
    /// # Errors
    /// The database's.
    pub async fn delete_webhook(&self, webhook: &Webhook, entry: &AuditEntry) -> Result<bool> {
        let mut tx = self.db.begin().await?;
        let deleted = delete(&mut tx, webhook, entry.at).await?;
        if deleted {
            audit::note(&mut tx, entry).await?;
            tx.commit().await?;
        }
        Ok(deleted)
    }

    /// Makes the platform's endpoint what the settings say; without any there is none.
    ///
    /// # Errors
    /// The database's; [`Error::Conflict`] where another process does the same just now.
    pub async fn set_platform_webhook(
        &self,
        earlier: Option<&Webhook>,
        wanted: Option<(&Webhook, Option<&NewSigningSecret>)>,
        entry: &AuditEntry,
    ) -> Result<()> {
        let mut tx = self.db.begin().await?;
        match (earlier, wanted) {
            (Some(earlier), None) => {
                if !delete(&mut tx, earlier, entry.at).await? {
                    return Err(Error::Conflict);
                }
            }
            (None, Some((webhook, Some(secret)))) => insert(&mut tx, webhook, &secret.secret).await?,
            (Some(_), Some((webhook, secret))) => {
                update(&mut tx, webhook).await?;
                if let Some(secret) = secret {
                    change_secret(&mut tx, secret).await?;
                }
            }
            (None, Some((_, None)) | None) => return Ok(()),
        }
        audit::note(&mut tx, entry).await?;
        tx.commit().await
    }
}

/// Whether one more fits; the tenant is ours until the transaction ends.
async fn has_room(tx: &mut Tx, tenant: &TenantId, at_most: i64) -> Result<bool> {
    let tenant = tenant.as_str();
    in_tx!(tx, |conn| sqlx::query(LOCK_TENANT).bind(tenant).execute(&mut *conn).await.map(|_| ()))?;
    let there: i64 = in_tx!(tx, |conn| sqlx::query_scalar(COUNT).bind(tenant).fetch_one(&mut *conn).await)?;
    Ok(there < at_most)
}

/// Adds an endpoint with its secret.
pub(in crate::store) async fn insert(
    tx: &mut Tx,
    webhook: &Webhook,
    secret: &StoredSigningSecret,
) -> Result<()> {
    in_tx!(tx, |conn| sqlx::query(INSERT)
        .bind(webhook.webhook_id.0)
        .bind(spell(webhook.kind))
        .bind(webhook.tenant_id.as_ref().map(TenantId::as_str))
        .bind(webhook.agent_id.map(|id| id.0))
        .bind(json(&webhook.events))
        .bind(spell(webhook.profile))
        .bind(&webhook.target)
        .bind(json(&webhook.options))
        .bind(webhook.created_at)
        .execute(&mut *conn)
        .await
        .map(|_| ()))?;
    add_secret(tx, secret).await
}

async fn update(tx: &mut Tx, webhook: &Webhook) -> Result<()> {
    let updated = in_tx!(tx, |conn| sqlx::query(UPDATE)
        .bind(webhook.webhook_id.0)
        .bind(webhook.version)
        .bind(webhook.agent_id.map(|id| id.0))
        .bind(json(&webhook.events))
        .bind(spell(webhook.profile))
        .bind(&webhook.target)
        .bind(json(&webhook.options))
        .bind(webhook.updated_at)
        .execute(&mut *conn)
        .await
        .map(|done| done.rows_affected()))?;
    if updated == 0 { Err(Error::Conflict) } else { Ok(()) }
}

async fn delete(tx: &mut Tx, webhook: &Webhook, now: Time) -> Result<bool> {
    let id = webhook.webhook_id;
    let deleted = in_tx!(tx, |conn| sqlx::query(DELETE)
        .bind(id.0)
        .bind(now)
        .bind(webhook.version)
        .execute(&mut *conn)
        .await
        .map(|done| done.rows_affected() == 1))?;
    if !deleted {
        return Ok(false);
    }
    changed(tx, webhook.tenant_id.as_ref(), now).await?;
    end(tx, id).await?;
    Ok(true)
}

/// Deletes the endpoint of an agent's callbacks, if it has one. Nobody subscribes through it, so nobody looks anew.
pub(in crate::store) async fn delete_callback(tx: &mut Tx, agent_id: AgentId, now: Time) -> Result<()> {
    let id: Option<uuid::Uuid> = in_tx!(tx, |conn| sqlx::query_scalar(DELETE_CALLBACK)
        .bind(agent_id.0)
        .bind(now)
        .fetch_optional(&mut *conn)
        .await)?;
    match id {
        Some(id) => end(tx, WebhookId(id)).await,
        None => Ok(()),
    }
}

/// What is wished of a deleted endpoint ends, and so do its secrets. What waits for it a worker ends, bit by bit.
async fn end(tx: &mut Tx, id: WebhookId) -> Result<()> {
    in_tx!(tx, |conn| sqlx::query(FORGET_RECOVERIES).bind(id.0).execute(&mut *conn).await.map(|_| ()))?;
    in_tx!(tx, |conn| sqlx::query(REMOVE_SECRETS).bind(id.0).execute(&mut *conn).await.map(|_| ()))?;
    Ok(())
}

/// Tells other processes to look anew who wants to hear of what. The platform's endpoint wants nothing that is written
/// only where somebody wants it.
async fn changed(tx: &mut Tx, tenant: Option<&TenantId>, now: Time) -> Result<()> {
    match tenant {
        Some(tenant) => changes::note(tx, &Change::Webhooks(tenant.clone()), now).await,
        None => Ok(()),
    }
}

/// `false`: too many sign already.
async fn change_secret(tx: &mut Tx, new: &NewSigningSecret) -> Result<bool> {
    let (id, now) = (new.secret.webhook_id.0, new.secret.created_at);
    in_tx!(tx, |conn| sqlx::query(END_SECRETS)
        .bind(id)
        .bind(new.earlier_until.unwrap_or(now))
        .execute(&mut *conn)
        .await
        .map(|_| ()))?;
    let live: i64 =
        in_tx!(tx, |conn| sqlx::query_scalar(LIVE_SECRETS).bind(id).bind(now).fetch_one(&mut *conn).await)?;
    if live >= new.at_most {
        return Ok(false);
    }
    in_tx!(tx, |conn| sqlx::query(FORGET_SECRETS)
        .bind(id)
        .bind(now - KEPT)
        .execute(&mut *conn)
        .await
        .map(|_| ()))?;
    add_secret(tx, &new.secret).await?;
    Ok(true)
}

async fn add_secret(tx: &mut Tx, secret: &StoredSigningSecret) -> Result<()> {
    in_tx!(tx, |conn| sqlx::query(ADD_SECRET)
        .bind(secret.secret_id.0)
        .bind(secret.webhook_id.0)
        .bind(&secret.sealed)
        .bind(secret.created_at)
        .bind(secret.expires_at)
        .execute(&mut *conn)
        .await
        .map(|_| ()))?;
    Ok(())
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("what we store can be written")
}
