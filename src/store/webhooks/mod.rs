//! Endpoints, and what their deliveries are signed with.

mod change;
mod subscriptions;

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::conditions::{Conditions, Value, bind_values};
use super::db::{on_read, statements};
use super::row::word;
use super::{Error, Result, Store};
use crate::model::{
    AgentId, Circuit, SigningSecretId, StoredSigningSecret, TenantId, Time, Webhook, WebhookHealth,
    WebhookId, WebhookOptions,
};

pub use change::{NewSigningSecret, NewWebhook};

pub(super) use change::{delete_callback, insert};

pub(super) use change::STATEMENTS as CHANGES;
pub(super) use subscriptions::STATEMENTS as SUBSCRIPTIONS;

statements! {
    GET = "SELECT * FROM webhooks WHERE webhook_id = $1 AND deleted_at IS NULL";
    SECRETS = "SELECT * FROM signing_secrets WHERE webhook_id = $1 ORDER BY secret_id DESC";
    PLATFORM = "SELECT * FROM webhooks WHERE kind = 'platform' AND deleted_at IS NULL";
    CALLBACK = "SELECT * FROM webhooks WHERE agent_id = $1 AND kind = 'callback' AND deleted_at IS NULL";
    SUBSCRIBED = "SELECT * FROM webhooks WHERE tenant_id = $1 AND deleted_at IS NULL AND kind = 'webhook'";
    HEALTH = "SELECT delivered, failed, last_delivery_at, last_failure_at, failures, open_until FROM webhook_health
        WHERE webhook_id = $1";
}

/// Which endpoints a list has.
#[derive(Clone, Copy)]
enum Which {
    All,
    /// Those that are disabled, or whose circuit is not closed.
    Unwell,
}

/// A page of endpoints with their health, the newest first. One that nothing was sent to has none. Its limit is the
/// place after the values.
fn list(tenant: Option<&TenantId>, before: Option<WebhookId>, which: Which) -> (String, Vec<Value>) {
    let mut wanted = Conditions::default();
    wanted.holds("w.deleted_at IS NULL");
    wanted.holds("w.kind <> 'callback'");
    wanted.value("w.tenant_id =", tenant.cloned().map(|id| Value::Text(id.into())));
    wanted.value("w.webhook_id <", before.map(|id| Value::Id(id.0)));
    match which {
        Which::All => {}
        Which::Unwell => wanted.holds("(w.status = 'disabled' OR h.open_until IS NOT NULL)"),
    }
    let (text, limit) = (wanted.text(), wanted.next_place());
    let text = format!(
        "SELECT w.*, COALESCE(h.delivered, 0) AS delivered, COALESCE(h.failed, 0) AS failed, h.last_delivery_at,
            h.last_failure_at, COALESCE(h.failures, 0) AS failures, h.open_until
        FROM webhooks w LEFT JOIN webhook_health h ON h.webhook_id = w.webhook_id{text}
        ORDER BY w.webhook_id DESC LIMIT ${limit}"
    );
    (text, wanted.values())
}

/// Each text of the list.
pub(super) fn every_text() -> Vec<String> {
    let tenant = "t".parse::<TenantId>().ok();
    let before = [None, Some(WebhookId::new())];
    let mut texts = Vec::new();
    for tenant in [None, tenant.as_ref()] {
        texts.extend(before.map(|before| list(tenant, before, Which::All).0));
        texts.push(list(tenant, None, Which::Unwell).0);
    }
    texts
}

#[derive(sqlx::FromRow)]
struct HealthRow {
    delivered: i64,
    failed: i64,
    last_delivery_at: Option<Time>,
    last_failure_at: Option<Time>,
    failures: i32,
    open_until: Option<Time>,
}

impl HealthRow {
    fn at(self, now: Time) -> WebhookHealth {
        WebhookHealth {
            delivered: self.delivered,
            failed: self.failed,
            last_delivery_at: self.last_delivery_at,
            last_failure_at: self.last_failure_at,
            failures: self.failures,
            circuit: match self.open_until {
                None => Circuit::Closed,
                Some(until) if now < until => Circuit::Open,
                Some(_) => Circuit::HalfOpen,
            },
            open_until: self.open_until,
        }
    }
}

#[derive(sqlx::FromRow)]
struct ListRow {
    #[sqlx(flatten)]
    webhook: Row,
    #[sqlx(flatten)]
    health: HealthRow,
}

#[derive(sqlx::FromRow)]
struct Row {
    webhook_id: Uuid,
    kind: String,
    tenant_id: Option<String>,
    agent_id: Option<Uuid>,
    version: i32,
    status: String,
    disabled_reason: Option<String>,
    events: String,
    profile: String,
    target: String,
    options: String,
    created_at: Time,
    updated_at: Time,
}

impl TryFrom<Row> for Webhook {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            webhook_id: WebhookId(row.webhook_id),
            kind: word(&row.kind)?,
            tenant_id: row.tenant_id.map(TenantId::try_from).transpose().map_err(super::row::decode)?,
            agent_id: row.agent_id.map(AgentId),
            version: row.version,
            status: word(&row.status)?,
            disabled_reason: row.disabled_reason.as_deref().map(word).transpose()?,
            events: serde_json::from_str(&row.events).map_err(super::row::decode)?,
            profile: word(&row.profile)?,
            target: row.target,
            options: serde_json::from_str::<WebhookOptions>(&row.options).map_err(super::row::decode)?,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

#[derive(sqlx::FromRow)]
struct SecretRow {
    secret_id: Uuid,
    webhook_id: Uuid,
    sealed: String,
    created_at: Time,
    expires_at: Option<Time>,
}

impl From<SecretRow> for StoredSigningSecret {
    fn from(row: SecretRow) -> Self {
        Self {
            secret_id: SigningSecretId(row.secret_id),
            webhook_id: WebhookId(row.webhook_id),
            sealed: row.sealed,
            created_at: row.created_at,
            expires_at: row.expires_at,
        }
    }
}

impl Store {
    /// The endpoint with this id, deleted ones left out.
    ///
    /// # Errors
    /// The database's.
    pub async fn webhook(&self, id: WebhookId) -> Result<Option<Webhook>> {
        let row: Option<Row> =
            on_read!(self, |conn| sqlx::query_as(GET).bind(id.0).fetch_optional(conn).await)?;
        row.map(Webhook::try_from).transpose()
    }

    /// The platform's endpoint.
    ///
    /// # Errors
    /// The database's.
    pub async fn platform_webhook(&self) -> Result<Option<Webhook>> {
        let row: Option<Row> = on_read!(self, |conn| sqlx::query_as(PLATFORM).fetch_optional(conn).await)?;
        row.map(Webhook::try_from).transpose()
    }

    /// The endpoint of an agent's callbacks.
    ///
    /// # Errors
    /// The database's.
    pub async fn callback_webhook(&self, agent_id: AgentId) -> Result<Option<Webhook>> {
        let row: Option<Row> =
            on_read!(self, |conn| sqlx::query_as(CALLBACK).bind(agent_id.0).fetch_optional(conn).await)?;
        row.map(Webhook::try_from).transpose()
    }

    /// Up to `limit` endpoints older than `before`, the newest first, and how they are at this time; without those of
    /// callbacks.
    ///
    /// # Errors
    /// The database's.
    pub async fn webhooks(
        &self,
        tenant: Option<&TenantId>,
        before: Option<WebhookId>,
        limit: i64,
        now: Time,
    ) -> Result<Vec<(Webhook, WebhookHealth)>> {
        self.listed(list(tenant, before, Which::All), limit, now).await
    }

    /// Up to `limit` endpoints that are disabled or whose circuit is not closed, the newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn unwell_webhooks(
        &self,
        tenant: Option<&TenantId>,
        limit: i64,
        now: Time,
    ) -> Result<Vec<(Webhook, WebhookHealth)>> {
        self.listed(list(tenant, None, Which::Unwell), limit, now).await
    }

    async fn listed(
        &self,
        (text, values): (String, Vec<Value>),
        limit: i64,
        now: Time,
    ) -> Result<Vec<(Webhook, WebhookHealth)>> {
        let rows: Vec<ListRow> =
            on_read!(self, |conn| bind_values!(sqlx::query_as(AssertSqlSafe(text)), values)
                .bind(limit)
                .fetch_all(conn)
                .await)?;
        let read = |row: ListRow| Ok((row.webhook.try_into()?, row.health.at(now)));
        rows.into_iter().map(read).collect()
    }

    /// All endpoints of a tenant that may want to hear of its events. One that cannot be read is left out: it must not keep
    /// the others from hearing.
    ///
    /// # Errors
    /// The database's.
    pub async fn subscribed(&self, tenant: &TenantId) -> Result<Vec<Webhook>> {
        let rows: Vec<Row> =
            on_read!(self, |conn| sqlx::query_as(SUBSCRIBED).bind(tenant.as_str()).fetch_all(conn).await)?;
        let webhook = |row: Row| {
            let id = WebhookId(row.webhook_id);
            let unreadable = |error: &Error| {
                tracing::error!(webhook_id = %id, %error, "an endpoint cannot be read: it is told nothing");
            };
            Webhook::try_from(row).inspect_err(unreadable).ok()
        };
        Ok(rows.into_iter().filter_map(webhook).collect())
    }

    /// How an endpoint is at this time.
    ///
    /// # Errors
    /// The database's.
    pub async fn webhook_health(&self, id: WebhookId, now: Time) -> Result<WebhookHealth> {
        let row: Option<HealthRow> =
            on_read!(self, |conn| sqlx::query_as(HEALTH).bind(id.0).fetch_optional(conn).await)?;
        Ok(row.map(|row| row.at(now)).unwrap_or_default())
    }

    /// What an endpoint's deliveries are signed with, the newest first; some may have ended.
    ///
    /// # Errors
    /// The database's.
    pub async fn signing_secrets(&self, id: WebhookId) -> Result<Vec<StoredSigningSecret>> {
        let rows: Vec<SecretRow> =
            on_read!(self, |conn| sqlx::query_as(SECRETS).bind(id.0).fetch_all(conn).await)?;
        Ok(rows.into_iter().map(StoredSigningSecret::from).collect())
    }
}
