//! Webhook secrets, encrypted.

use uuid::Uuid;

use super::conditions::before_all_from;
use super::db::{Tx, in_tx, statements};
use super::row::{spell, word};
use super::{Result, Store, on_read, on_write};
use crate::model::{AgentId, SecretEncoding, SecretId, TenantId, Time, WebhookSecret};

statements! {
    INSERT = "INSERT INTO webhook_secrets (secret_id, agent_id, sealed, encoding, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6)";
    OF_AGENT = "SELECT * FROM webhook_secrets WHERE agent_id = $1 AND retired_at IS NULL
        ORDER BY created_at DESC, secret_id DESC";
    ENDED_OF_AGENT = "SELECT * FROM webhook_secrets WHERE agent_id = $1 AND (retired_at IS NOT NULL OR expires_at <= $2)
        ORDER BY created_at DESC, secret_id DESC LIMIT $3";
    OF_NEIGHBORS = "SELECT s.* FROM agents a JOIN webhook_secrets s ON s.agent_id = a.agent_id
        WHERE a.tenant_id = $1 AND a.agent_id <> $2 AND a.deleted_at IS NULL AND s.retired_at IS NULL
        ORDER BY a.agent_id DESC LIMIT $3";
    // Newest first: the secret in use is found at the first row. One that never signed is looked for among what came
    // since it was made.
    LAST_USED = "SELECT received_at FROM executions WHERE agent_id = $1 AND secret_id = $2 AND execution_id >= $3
        ORDER BY execution_id DESC LIMIT 1";
    RECODE = "UPDATE webhook_secrets SET encoding = $2 WHERE agent_id = $1 AND retired_at IS NULL";
    // A version of this program that knows no retirement goes by the end.
    RETIRE = "UPDATE webhook_secrets SET retired_at = $2,
            expires_at = CASE WHEN expires_at <= $2 THEN expires_at ELSE $2 END
        WHERE agent_id = $1 AND retired_at IS NULL";
    RETIRE_ENDED = "UPDATE webhook_secrets SET retired_at = $2
        WHERE agent_id = $1 AND retired_at IS NULL AND expires_at <= $2";
    KEEP_NEWEST = "DELETE FROM webhook_secrets WHERE agent_id = $1 AND retired_at IS NOT NULL AND secret_id NOT IN (
        SELECT secret_id FROM webhook_secrets WHERE agent_id = $1 AND retired_at IS NOT NULL
        ORDER BY retired_at DESC, secret_id DESC LIMIT $2)";
    FORGET = "DELETE FROM webhook_secrets WHERE expires_at < $1";
    REMOVE = "DELETE FROM webhook_secrets WHERE agent_id = $1";
}

#[derive(sqlx::FromRow)]
struct Row {
    secret_id: Uuid,
    agent_id: Uuid,
    sealed: String,
    encoding: String,
    created_at: Time,
    expires_at: Option<Time>,
}

impl TryFrom<Row> for WebhookSecret {
    type Error = super::Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            secret_id: SecretId(row.secret_id),
            agent_id: AgentId(row.agent_id),
            sealed: row.sealed,
            encoding: word(&row.encoding)?,
            created_at: row.created_at,
            expires_at: row.expires_at,
        })
    }
}

impl Store {
    /// The secrets of an agent that may verify, the newest first; some may have ended.
    ///
    /// # Errors
    /// The database's.
    pub async fn webhook_secrets(&self, agent_id: AgentId) -> Result<Vec<WebhookSecret>> {
        let rows: Vec<Row> =
            on_read!(self, |conn| sqlx::query_as(OF_AGENT).bind(agent_id.0).fetch_all(conn).await)?;
        rows.into_iter().map(WebhookSecret::try_from).collect()
    }

    /// The newest of an agent's secrets that verify nothing any more, for whoever wants to know who still signs with
    /// them: up to `limit`.
    ///
    /// # Errors
    /// The database's.
    pub async fn ended_secrets(
        &self,
        agent_id: AgentId,
        now: Time,
        limit: i64,
    ) -> Result<Vec<WebhookSecret>> {
        let rows: Vec<Row> = on_read!(self, |conn| sqlx::query_as(ENDED_OF_AGENT)
            .bind(agent_id.0)
            .bind(now)
            .bind(limit)
            .fetch_all(conn)
            .await)?;
        rows.into_iter().map(WebhookSecret::try_from).collect()
    }

    /// The same for the secrets of the tenant's other agents, those of the newest agents first.
    ///
    /// # Errors
    /// The database's.
    pub async fn neighbors_secrets(
        &self,
        tenant_id: &TenantId,
        agent_id: AgentId,
        limit: i64,
    ) -> Result<Vec<WebhookSecret>> {
        let rows: Vec<Row> = on_read!(self, |conn| sqlx::query_as(OF_NEIGHBORS)
            .bind(tenant_id.as_str())
            .bind(agent_id.0)
            .bind(limit)
            .fetch_all(conn)
            .await)?;
        rows.into_iter().map(WebhookSecret::try_from).collect()
    }

    /// Deletes secrets that ended before this time.
    ///
    /// # Errors
    /// The database's.
    pub async fn forget_secrets(&self, ended_before: Time) -> Result<()> {
        on_write!(self, |conn| sqlx::query(FORGET).bind(ended_before).execute(conn).await.map(|_| ()))?;
        Ok(())
    }

    /// When a secret last signed a webhook that was accepted.
    ///
    /// # Errors
    /// The database's.
    pub async fn secret_last_used(&self, secret: &WebhookSecret) -> Result<Option<Time>> {
        Ok(on_read!(self, |conn| sqlx::query_scalar(LAST_USED)
            .bind(secret.agent_id.0)
            .bind(secret.secret_id.0)
            .bind(before_all_from(secret.created_at))
            .fetch_optional(conn)
            .await)?)
    }
}

/// What a change of an agent does to its secrets, in the same transaction.
#[derive(Clone, Debug)]
pub enum SecretChange {
    /// Nothing.
    Keep,
    /// This secret is the only one from now on.
    Replace(WebhookSecret),
    /// The secrets stay, their text is read another way.
    Recode(SecretEncoding),
    /// The agent takes no webhooks any more.
    Remove,
}

/// Carries out a [`SecretChange`].
pub(super) async fn change(tx: &mut Tx, agent_id: AgentId, change: &SecretChange, now: Time) -> Result<()> {
    match change {
        SecretChange::Keep => {}
        SecretChange::Replace(secret) => {
            retire(tx, agent_id, now).await?;
            insert(tx, secret).await?;
        }
        SecretChange::Recode(encoding) => {
            // One that verifies nothing any more need not be readable under the new encoding.
            retire_ended(tx, agent_id, now).await?;
            let encoding = spell(encoding);
            in_tx!(tx, |conn| sqlx::query(RECODE)
                .bind(agent_id.0)
                .bind(encoding)
                .execute(conn)
                .await
                .map(|_| ()))?;
        }
        SecretChange::Remove => remove(tx, agent_id).await?,
    }
    Ok(())
}

pub(super) async fn insert(tx: &mut Tx, secret: &WebhookSecret) -> Result<()> {
    in_tx!(tx, |conn| sqlx::query(INSERT)
        .bind(secret.secret_id.0)
        .bind(secret.agent_id.0)
        .bind(&secret.sealed)
        .bind(spell(secret.encoding))
        .bind(secret.created_at)
        .bind(secret.expires_at)
        .execute(conn)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// Ends all secrets of an agent. They are kept for a while, to tell who still signs with them.
pub(super) async fn retire(tx: &mut Tx, agent_id: AgentId, now: Time) -> Result<()> {
    in_tx!(tx, |conn| sqlx::query(RETIRE).bind(agent_id.0).bind(now).execute(conn).await.map(|_| ()))?;
    keep_newest(tx, agent_id).await
}

/// The same for those that have ended by themselves.
pub(super) async fn retire_ended(tx: &mut Tx, agent_id: AgentId, now: Time) -> Result<()> {
    in_tx!(tx, |conn| sqlx::query(RETIRE_ENDED).bind(agent_id.0).bind(now).execute(conn).await.map(|_| ()))?;
    keep_newest(tx, agent_id).await
}

/// Deletes all but the newest of an agent's retired secrets.
pub(super) async fn keep_newest(tx: &mut Tx, agent_id: AgentId) -> Result<()> {
    in_tx!(tx, |conn| sqlx::query(KEEP_NEWEST)
        .bind(agent_id.0)
        .bind(WebhookSecret::MAX_RETIRED)
        .execute(conn)
        .await
        .map(|_| ()))?;
    Ok(())
}

async fn remove(tx: &mut Tx, agent_id: AgentId) -> Result<()> {
    in_tx!(tx, |conn| sqlx::query(REMOVE).bind(agent_id.0).execute(conn).await.map(|_| ()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::db::Db;

    #[tokio::test]
    async fn a_secret_that_never_signed_costs_what_came_since_it_was_made() {
        let directory = tempfile::tempdir().expect("a directory");
        let url = format!("sqlite://{}", directory.path().join("secrets.db").display());
        let store = Store::open(&url, 1).await.expect("opens");
        store.migrate().await.expect("migrates");
        let Db::Sqlite { read, .. } = &store.db else { unreachable!("a file") };
        let plan = sqlx::query_as(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {LAST_USED}")));
        let plan = plan.bind(Uuid::nil()).bind(Uuid::nil()).bind(Uuid::nil()).fetch_all(read).await;
        let plan: Vec<(i64, i64, i64, String)> = plan.expect("a plan");
        let index = "executions_of_agent (agent_id=? AND execution_id>?)";
        assert!(plan.len() == 1 && plan[0].3.ends_with(index), "{plan:?}");
    }
}
