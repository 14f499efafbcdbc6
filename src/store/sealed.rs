//! The columns that hold Fernet tokens, all of them, looked through and rewritten without knowing what is in them.

use std::fmt;

use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::db::{in_tx, on_read, on_write, statements};
use super::{Result, Store};
use crate::model::SealedKind;

statements! {
    SECRETS = "SELECT secret_id, sealed, retired_at IS NULL FROM webhook_secrets WHERE secret_id > $1
        ORDER BY secret_id LIMIT $2";
    NEWEST_SECRETS = "SELECT secret_id, sealed, true FROM webhook_secrets WHERE retired_at IS NULL
        ORDER BY secret_id DESC LIMIT $1";
    COUNT_SECRETS = "SELECT count(*) FROM webhook_secrets";
    RESEAL_SECRET = "UPDATE webhook_secrets SET sealed = $3 WHERE secret_id = $1 AND sealed = $2";
    LLM_KEYS = "SELECT tenant_id, llm_key, true FROM tenants WHERE tenant_id > $1 AND llm_key IS NOT NULL
        ORDER BY tenant_id LIMIT $2";
    NEWEST_LLM_KEYS = "SELECT tenant_id, llm_key, true FROM tenants WHERE llm_key IS NOT NULL
        ORDER BY updated_at DESC LIMIT $1";
    COUNT_LLM_KEYS = "SELECT count(*) FROM tenants WHERE llm_key IS NOT NULL";
    TARGETS = "SELECT webhook_id, target, deleted_at IS NULL FROM webhooks WHERE webhook_id > $1
        ORDER BY webhook_id LIMIT $2";
    NEWEST_TARGETS = "SELECT webhook_id, target, true FROM webhooks WHERE deleted_at IS NULL
        ORDER BY webhook_id DESC LIMIT $1";
    COUNT_TARGETS = "SELECT count(*) FROM webhooks";
    RESEAL_TARGET = "UPDATE webhooks SET target = $3 WHERE webhook_id = $1 AND target = $2";
    SIGNING_SECRETS = "SELECT secret_id, sealed, true FROM signing_secrets WHERE secret_id > $1
        ORDER BY secret_id LIMIT $2";
    NEWEST_SIGNING_SECRETS = "SELECT secret_id, sealed, true FROM signing_secrets ORDER BY secret_id DESC LIMIT $1";
    COUNT_SIGNING_SECRETS = "SELECT count(*) FROM signing_secrets";
    RESEAL_SIGNING_SECRET = "UPDATE signing_secrets SET sealed = $3 WHERE secret_id = $1 AND sealed = $2";
    CALLBACKS = "SELECT execution_id, sealed, true FROM callbacks WHERE execution_id > $1
        ORDER BY execution_id LIMIT $2";
    NEWEST_CALLBACKS = "SELECT execution_id, sealed, true FROM callbacks ORDER BY execution_id DESC LIMIT $1";
    COUNT_CALLBACKS = "SELECT count(*) FROM callbacks";
    RESEAL_CALLBACK = "UPDATE callbacks SET sealed = $3 WHERE execution_id = $1 AND sealed = $2";
    RESEAL_LLM_KEY = "UPDATE tenants SET llm_key = $3 WHERE tenant_id = $1 AND llm_key = $2";
}

/// How a kind is read and written.
struct Column {
    /// Before every id of the table; says of which type they are too.
    start: SealedId,
    page: &'static str,
    newest: &'static str,
    count: &'static str,
    reseal: &'static str,
}

fn column(kind: SealedKind) -> Column {
    match kind {
        SealedKind::WebhookSecret => Column {
            start: SealedId::Uuid(Uuid::nil()),
            page: SECRETS,
            newest: NEWEST_SECRETS,
            count: COUNT_SECRETS,
            reseal: RESEAL_SECRET,
        },
        SealedKind::LlmKey => Column {
            start: SealedId::Text(String::new()),
            page: LLM_KEYS,
            newest: NEWEST_LLM_KEYS,
            count: COUNT_LLM_KEYS,
            reseal: RESEAL_LLM_KEY,
        },
        SealedKind::WebhookTarget => Column {
            start: SealedId::Uuid(Uuid::nil()),
            page: TARGETS,
            newest: NEWEST_TARGETS,
            count: COUNT_TARGETS,
            reseal: RESEAL_TARGET,
        },
        SealedKind::SigningSecret => Column {
            start: SealedId::Uuid(Uuid::nil()),
            page: SIGNING_SECRETS,
            newest: NEWEST_SIGNING_SECRETS,
            count: COUNT_SIGNING_SECRETS,
            reseal: RESEAL_SIGNING_SECRET,
        },
        SealedKind::Callback => Column {
            start: SealedId::Uuid(Uuid::nil()),
            page: CALLBACKS,
            newest: NEWEST_CALLBACKS,
            count: COUNT_CALLBACKS,
            reseal: RESEAL_CALLBACK,
        },
    }
}

/// The primary key of a row that holds a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealedId {
    /// Of most tables.
    Uuid(Uuid),
    /// A tenant's.
    Text(String),
}

impl fmt::Display for SealedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid(id) => id.fmt(f),
            Self::Text(id) => f.write_str(id),
        }
    }
}

impl Serialize for SealedId {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A row with its token.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Names it.
    pub id: SealedId,
    /// What is stored.
    pub token: String,
    /// Whether anything depends on it: a retired secret is kept for diagnoses alone.
    pub in_use: bool,
}

fn sealed<Id>((id, token, in_use): (Id, String, bool), kind: impl Fn(Id) -> SealedId) -> Sealed {
    Sealed { id: kind(id), token, in_use }
}

/// A row whose token is to be another, if it still is what it was.
#[derive(Clone, Debug)]
pub struct Resealed {
    /// Names it, and what was stored.
    pub row: Sealed,
    /// What is to be stored.
    pub token: String,
}

impl Store {
    /// Up to `limit` rows of a kind after an id, in the order of their ids; all from `None` on.
    ///
    /// # Errors
    /// The database's.
    pub async fn sealed_after(
        &self,
        kind: SealedKind,
        after: Option<&SealedId>,
        limit: i64,
    ) -> Result<Vec<Sealed>> {
        let Column { start, page, .. } = column(kind);
        match after.unwrap_or(&start) {
            SealedId::Uuid(id) => {
                let rows: Vec<(Uuid, String, bool)> =
                    on_read!(self, |conn| sqlx::query_as(page).bind(id).bind(limit).fetch_all(conn).await)?;
                Ok(rows.into_iter().map(|row| sealed(row, SealedId::Uuid)).collect())
            }
            SealedId::Text(id) => {
                let rows: Vec<(String, String, bool)> =
                    on_read!(self, |conn| sqlx::query_as(page).bind(id).bind(limit).fetch_all(conn).await)?;
                Ok(rows.into_iter().map(|row| sealed(row, SealedId::Text)).collect())
            }
        }
    }

    /// Up to `limit` rows of a kind that were stored last, the newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn newest_sealed(&self, kind: SealedKind, limit: i64) -> Result<Vec<Sealed>> {
        let Column { start, newest, .. } = column(kind);
        match start {
            SealedId::Uuid(_) => {
                let rows: Vec<(Uuid, String, bool)> =
                    on_read!(self, |conn| sqlx::query_as(newest).bind(limit).fetch_all(conn).await)?;
                Ok(rows.into_iter().map(|row| sealed(row, SealedId::Uuid)).collect())
            }
            SealedId::Text(_) => {
                let rows: Vec<(String, String, bool)> =
                    on_read!(self, |conn| sqlx::query_as(newest).bind(limit).fetch_all(conn).await)?;
                Ok(rows.into_iter().map(|row| sealed(row, SealedId::Text)).collect())
            }
        }
    }

    /// How many rows of a kind hold a token.
    ///
    /// # Errors
    /// The database's.
    pub async fn count_sealed(&self, kind: SealedKind) -> Result<u64> {
        let count = column(kind).count;
        let rows: i64 = on_read!(self, |conn| sqlx::query_scalar(count).fetch_one(conn).await)?;
        Ok(rows.unsigned_abs())
    }

    /// Exchanges the tokens of rows of a kind, those that are still what they were; how many it were. Nothing else of a
    /// row changes, and nobody is told: what is in memory is what the tokens hold, and that stays.
    ///
    /// On SQLite it is one transaction, so one flush. On Postgres each row is one, so that nobody waits for two rows
    /// and there is no circle to wait in.
    ///
    /// # Errors
    /// The database's. Some may have been exchanged.
    pub async fn reseal(&self, kind: SealedKind, rows: &[Resealed]) -> Result<u64> {
        let sql = column(kind).reseal;
        macro_rules! exchange {
            ($conn:expr, $change:expr) => {{
                let Resealed { row: Sealed { id, token: old, .. }, token: new } = $change;
                match id {
                    SealedId::Uuid(id) => sqlx::query(sql).bind(id).bind(old).bind(new).execute($conn).await,
                    SealedId::Text(id) => sqlx::query(sql).bind(id).bind(old).bind(new).execute($conn).await,
                }
                .map(|done| done.rows_affected())
            }};
        }
        let mut exchanged = 0;
        if self.is_embedded() {
            let mut tx = self.db.begin().await?;
            for change in rows {
                exchanged += in_tx!(&mut tx, |conn| exchange!(&mut *conn, change))?;
            }
            tx.commit().await?;
        } else {
            for change in rows {
                exchanged += on_write!(self, |conn| exchange!(conn, change))?;
            }
        }
        Ok(exchanged)
    }
}
