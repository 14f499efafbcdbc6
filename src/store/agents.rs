//! Agents and their immutable versions.

use sqlx::AssertSqlSafe;
use sqlx::types::Json;
use uuid::Uuid;

use super::conditions::{Conditions, Value, bind_values};
use super::db::{Db, in_tx, statements};
use super::secrets::{self, SecretChange};
use super::webhooks::{self, NewWebhook};
use super::{Error, Result, Store, audit, changes, events, on_read};
use crate::model::{Agent, AgentId, AgentSpec, AuditEntry, Change, Event, TenantId, Time};

statements! {
    INSERT = "INSERT INTO agents (agent_id, tenant_id, version, created_at, updated_at, concurrency)
        VALUES ($1, $2, 1, $3, $3, $4)";
    INSERT_VERSION = "INSERT INTO agent_versions (agent_id, version, spec, created_at) VALUES ($1, $2, $3, $4)";
    // The compare in compare-and-set: two changes of the same version cannot both win.
    NEXT_VERSION = "UPDATE agents SET version = version + 1, updated_at = $3, concurrency = $4
        WHERE agent_id = $1 AND version = $2 AND deleted_at IS NULL";
    // What still waits of it ends at once: there is nothing to be limited.
    DELETE = "UPDATE agents SET deleted_at = $3, updated_at = $3, concurrency = NULL
        WHERE agent_id = $1 AND version = $2 AND deleted_at IS NULL";
    GET = "SELECT a.agent_id, a.tenant_id, a.version, v.spec, a.created_at, a.updated_at FROM agents a
        JOIN agent_versions v ON v.agent_id = a.agent_id AND v.version = a.version
        WHERE a.agent_id = $1 AND a.deleted_at IS NULL";
    NAME = "SELECT a.agent_id, v.spec ->> 'name' FROM agents a
        JOIN agent_versions v ON v.agent_id = a.agent_id AND v.version = a.version
        WHERE a.agent_id = $1 AND a.deleted_at IS NULL";
    VERSION = "SELECT spec FROM agent_versions WHERE agent_id = $1 AND version = $2";
}

/// [`NAME`] of all of them in one round trip.
pub(super) const NAMES_POSTGRES: &str = "SELECT a.agent_id, v.spec ->> 'name' FROM agents a
    JOIN agent_versions v ON v.agent_id = a.agent_id AND v.version = a.version
    WHERE a.agent_id = ANY($1) AND a.deleted_at IS NULL";

/// A page of agents, the newest first. Its limit is the place after the values.
fn list(tenant: Option<&TenantId>, before: Option<AgentId>) -> (String, Vec<Value>) {
    let mut wanted = Conditions::default();
    wanted.holds("a.deleted_at IS NULL");
    wanted.value("a.tenant_id =", tenant.cloned().map(|id| Value::Text(id.into())));
    wanted.value("a.agent_id <", before.map(|id| Value::Id(id.0)));
    let text = format!(
        "SELECT a.agent_id, a.tenant_id, a.version, v.spec, a.created_at, a.updated_at FROM agents a
        JOIN agent_versions v ON v.agent_id = a.agent_id AND v.version = a.version{}
        ORDER BY a.agent_id DESC LIMIT ${}",
        wanted.text(),
        wanted.next_place()
    );
    (text, wanted.values())
}

/// Names of agents, the newest first. Its limit is the place after the values.
fn names(tenant: Option<&TenantId>) -> (String, Vec<Value>) {
    let mut wanted = Conditions::default();
    wanted.holds("a.deleted_at IS NULL");
    wanted.value("a.tenant_id =", tenant.cloned().map(|id| Value::Text(id.into())));
    let text = format!(
        "SELECT a.agent_id, v.spec ->> 'name' FROM agents a
        JOIN agent_versions v ON v.agent_id = a.agent_id AND v.version = a.version{}
        ORDER BY a.agent_id DESC LIMIT ${}",
        wanted.text(),
        wanted.next_place()
    );
    (text, wanted.values())
}

/// A page of versions, the newest first. Its limit is the place after the values.
fn versions(agent_id: AgentId, before: Option<i32>) -> (String, Vec<Value>) {
    let mut wanted = Conditions::default();
    wanted.holds("a.deleted_at IS NULL");
    wanted.value("v.agent_id =", Some(Value::Id(agent_id.0)));
    wanted.value("v.version <", before.map(Value::Number));
    let text = format!(
        "SELECT a.agent_id, a.tenant_id, v.version, v.spec, a.created_at, v.created_at AS updated_at
        FROM agent_versions v JOIN agents a ON a.agent_id = v.agent_id{}
        ORDER BY v.version DESC LIMIT ${}",
        wanted.text(),
        wanted.next_place()
    );
    (text, wanted.values())
}

/// Each text of the lists.
pub(super) fn every_text() -> Vec<String> {
    let (tenant, agent) = ("t".parse::<TenantId>().ok(), AgentId::new());
    let mut texts = vec![versions(agent, None).0, versions(agent, Some(1)).0];
    for tenant in [None, tenant.as_ref()] {
        texts.extend([None, Some(agent)].map(|before| list(tenant, before).0));
        texts.push(names(tenant).0);
    }
    texts
}

#[derive(sqlx::FromRow)]
struct Row {
    agent_id: Uuid,
    tenant_id: String,
    version: i32,
    spec: Json<AgentSpec>,
    created_at: Time,
    updated_at: Time,
}

impl TryFrom<Row> for Agent {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            agent_id: AgentId(row.agent_id),
            tenant_id: row.tenant_id.try_into().map_err(super::row::decode)?,
            version: row.version,
            spec: row.spec.0,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

impl Store {
    /// Adds an agent at version 1, with its secret if it takes webhooks, and the endpoint of its callbacks if it has some.
    ///
    /// # Errors
    /// [`Error::Conflict`] if there is no such tenant.
    pub async fn insert_agent(
        &self,
        agent: &Agent,
        secret: &SecretChange,
        callback: Option<&NewWebhook>,
        entry: &AuditEntry,
    ) -> Result<()> {
        let mut tx = self.db.begin().await?;
        in_tx!(&mut tx, |conn| sqlx::query(INSERT)
            .bind(agent.agent_id.0)
            .bind(agent.tenant_id.as_str())
            .bind(agent.created_at)
            .bind(concurrency(agent))
            .execute(&mut *conn)
            .await
            .map(|_| ()))?;
        insert_version(&mut tx, agent).await?;
        secrets::change(&mut tx, agent.agent_id, secret, agent.updated_at).await?;
        insert_callback(&mut tx, callback).await?;
        audit::note(&mut tx, entry).await?;
        changes::note(&mut tx, &Change::Agent(agent.agent_id), agent.updated_at).await?;
        events::note(&mut tx, &Event::of_new_agent(agent, agent.updated_at)).await?;
        tx.commit().await
    }

    /// Makes `agent.spec` the next version after `agent.version`, and tells which fields have changed.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the agent has another version by now, or is deleted: read it again.
    pub async fn update_agent(
        &self,
        agent: &Agent,
        secret: &SecretChange,
        callback: Option<&NewWebhook>,
        changed: &[String],
        entry: &AuditEntry,
    ) -> Result<Agent> {
        let mut tx = self.db.begin().await?;
        let next = next_version(&mut tx, agent).await?;
        secrets::change(&mut tx, agent.agent_id, secret, agent.updated_at).await?;
        insert_callback(&mut tx, callback).await?;
        audit::note(&mut tx, entry).await?;
        changes::note(&mut tx, &Change::Agent(agent.agent_id), agent.updated_at).await?;
        events::note(&mut tx, &Event::of_changed_agent(&next, changed, agent.updated_at)).await?;
        tx.commit().await?;
        Ok(next)
    }

    /// Deletes an agent: its history stays, its secrets go, nothing can call it. `false` if it has another version by
    /// now, or is deleted.
    ///
    /// # Errors
    /// The database's.
    pub async fn delete_agent(&self, agent: &Agent, entry: &AuditEntry) -> Result<bool> {
        let (agent_id, now) = (agent.agent_id, entry.at);
        let mut tx = self.db.begin().await?;
        let rows = in_tx!(&mut tx, |conn| sqlx::query(DELETE)
            .bind(agent_id.0)
            .bind(agent.version)
            .bind(now)
            .execute(&mut *conn)
            .await
            .map(|done| done.rows_affected()))?;
        if rows == 1 {
            secrets::change(&mut tx, agent_id, &SecretChange::Remove, now).await?;
            webhooks::delete_callback(&mut tx, agent_id, now).await?;
            audit::note(&mut tx, entry).await?;
            changes::note(&mut tx, &Change::Agent(agent_id), now).await?;
            events::note(&mut tx, &Event::of_deleted_agent(agent, now)).await?;
            tx.commit().await?;
        }
        Ok(rows == 1)
    }

    /// One agent at its present version; `None` if there is none or it is deleted.
    ///
    /// # Errors
    /// The database's.
    pub async fn agent(&self, agent_id: AgentId) -> Result<Option<Agent>> {
        let row: Option<Row> =
            on_read!(self, |conn| sqlx::query_as(GET).bind(agent_id.0).fetch_optional(conn).await)?;
        row.map(Agent::try_from).transpose()
    }

    /// The names of these agents, without the rest of them, deleted ones left out.
    ///
    /// # Errors
    /// The database's.
    pub async fn names_of_agents(&self, ids: &[AgentId]) -> Result<Vec<(AgentId, String)>> {
        let rows: Vec<(Uuid, String)> = match &self.db {
            Db::Sqlite { read, .. } => {
                let (mut conn, mut rows) = (read.acquire().await?, Vec::with_capacity(ids.len()));
                for id in ids {
                    rows.extend(sqlx::query_as(NAME).bind(id.0).fetch_optional(&mut *conn).await?);
                }
                rows
            }
            Db::Postgres { pool, .. } => {
                let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
                sqlx::query_as(NAMES_POSTGRES).bind(ids).fetch_all(pool).await?
            }
        };
        Ok(rows.into_iter().map(|(id, name)| (AgentId(id), name)).collect())
    }

    /// Up to `limit` agents older than `before`, the newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn agents(
        &self,
        tenant: Option<&TenantId>,
        before: Option<AgentId>,
        limit: i64,
    ) -> Result<Vec<Agent>> {
        self.page(list(tenant, before), limit).await
    }

    async fn page(&self, (text, values): (String, Vec<Value>), limit: i64) -> Result<Vec<Agent>> {
        let rows: Vec<Row> =
            on_read!(self, |conn| bind_values!(sqlx::query_as(AssertSqlSafe(text)), values)
                .bind(limit)
                .fetch_all(conn)
                .await)?;
        rows.into_iter().map(Agent::try_from).collect()
    }

    /// Up to `limit` versions of an agent before `before`, the newest first: each as the agent was by then. None of a
    /// deleted agent.
    ///
    /// # Errors
    /// The database's.
    pub async fn agent_versions(
        &self,
        agent_id: AgentId,
        before: Option<i32>,
        limit: i64,
    ) -> Result<Vec<Agent>> {
        self.page(versions(agent_id, before), limit).await
    }

    /// Up to `limit` agents by their names, the newest first, deleted ones left out.
    ///
    /// # Errors
    /// The database's.
    pub async fn agent_names(&self, tenant: Option<&TenantId>, limit: i64) -> Result<Vec<(AgentId, String)>> {
        let (text, values) = names(tenant);
        let rows: Vec<(Uuid, String)> =
            on_read!(self, |conn| bind_values!(sqlx::query_as(AssertSqlSafe(text)), values)
                .bind(limit)
                .fetch_all(conn)
                .await)?;
        Ok(rows.into_iter().map(|(id, name)| (AgentId(id), name)).collect())
    }

    /// What a version says, also of a deleted agent.
    ///
    /// # Errors
    /// The database's.
    pub async fn agent_version(&self, agent_id: AgentId, version: i32) -> Result<Option<AgentSpec>> {
        let spec: Option<Json<AgentSpec>> = on_read!(self, |conn| sqlx::query_scalar(VERSION)
            .bind(agent_id.0)
            .bind(version)
            .fetch_optional(conn)
            .await)?;
        Ok(spec.map(|json| json.0))
    }
}

/// Makes `agent.spec` the next version. The agent's row is ours until the transaction ends.
pub(super) async fn next_version(tx: &mut super::db::Tx, agent: &Agent) -> Result<Agent> {
    let next = Agent { version: agent.version + 1, ..agent.clone() };
    let rows = in_tx!(tx, |conn| sqlx::query(NEXT_VERSION)
        .bind(agent.agent_id.0)
        .bind(agent.version)
        .bind(agent.updated_at)
        .bind(concurrency(agent))
        .execute(&mut *conn)
        .await
        .map(|done| done.rows_affected()))?;
    if rows == 0 {
        return Err(Error::Conflict);
    }
    insert_version(tx, &next).await?;
    Ok(next)
}

async fn insert_callback(tx: &mut super::db::Tx, callback: Option<&NewWebhook>) -> Result<()> {
    match callback {
        Some(NewWebhook { webhook, secret }) => webhooks::insert(tx, webhook, secret).await,
        None => Ok(()),
    }
}

/// How many of its runs go on at once, where whoever claims finds it.
fn concurrency(agent: &Agent) -> Option<i32> {
    let most = agent.spec.trigger.as_ref()?.concurrency?;
    Some(i32::try_from(most).unwrap_or(i32::MAX))
}

async fn insert_version(tx: &mut super::db::Tx, agent: &Agent) -> Result<()> {
    in_tx!(tx, |conn| sqlx::query(INSERT_VERSION)
        .bind(agent.agent_id.0)
        .bind(agent.version)
        .bind(Json(&agent.spec))
        .bind(agent.updated_at)
        .execute(conn)
        .await
        .map(|_| ()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::db::Db;

    #[tokio::test]
    async fn a_page_of_versions_is_searched_for_its_cursor() {
        let directory = tempfile::tempdir().expect("a directory");
        let url = format!("sqlite://{}", directory.path().join("agents.db").display());
        let store = Store::open(&url, 1).await.expect("opens");
        store.migrate().await.expect("migrates");
        let Db::Sqlite { read, .. } = &store.db else { unreachable!("a file") };
        let tenant: TenantId = "t".parse().expect("a tenant");
        for (page, index) in [
            (versions(AgentId::new(), Some(3)), "(agent_id=? AND version<?)"),
            (list(Some(&tenant), Some(AgentId::new())), "agents_of_tenant (tenant_id=? AND agent_id<?)"),
            (list(None, Some(AgentId::new())), "sqlite_autoindex_agents_1 (agent_id<?)"),
            (names(Some(&tenant)), "agents_of_tenant (tenant_id=?)"),
        ] {
            let text = format!("EXPLAIN QUERY PLAN {}", page.0);
            let query = bind_values!(sqlx::query_as(AssertSqlSafe(text)), page.1).bind(1);
            let steps: Vec<(i64, i64, i64, String)> = query.fetch_all(read).await.expect("a plan");
            assert!(steps.iter().any(|step| step.3.ends_with(index)), "{steps:?}");
            assert!(!steps.iter().any(|step| step.3.contains("TEMP B-TREE")), "{steps:?}");
        }
    }
}
