//! Reading hits: rows of `hits`, and executions that a webhook began.

use std::collections::BTreeSet;

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::model::{
    AgentId, Diagnosis, ExecutionId, Headers, HeldReason, Hit, HitDetail, HitId, HitReason, HitVerdict, Time,
};
use crate::store::conditions::{Conditions, Value, bind_values};
use crate::store::db::{on_read, statements};
use crate::store::row::{decode, spell, word};
use crate::store::{Result, Store};

macro_rules! hit_columns {
    () => {
        "hit_id, agent_id, tenant_id, received_at, verdict, reason, status_code, execution_id, diagnosis, detail, body_bytes"
    };
}

macro_rules! execution_columns {
    () => {
        "execution_id, agent_id, tenant_id, received_at, held_reason, CAST(octet_length(payload) AS BIGINT) AS body_bytes"
    };
}

statements! {
    GET = concat!("SELECT ", hit_columns!(), ", headers, body FROM hits WHERE hit_id = $1");
    GET_EXECUTION = concat!("SELECT ", execution_columns!(), ", headers, substr(payload, 1, $2) AS body FROM executions
        WHERE execution_id = $1 AND source = 'webhook'");
    COUNTS = "SELECT verdict, reason, CAST(SUM(hits) AS BIGINT) FROM hit_counts WHERE agent_id = $1 AND hour >= $2
        GROUP BY verdict, reason ORDER BY verdict, reason";
}

/// Which hits a page shows.
#[derive(Clone, Copy, Debug)]
pub struct HitFilter {
    /// Of this agent.
    pub agent_id: AgentId,
    /// With this verdict; `None` lets all pass.
    pub verdict: Option<HitVerdict>,
    /// Older than this one: the page's cursor.
    pub before: Option<HitId>,
}

#[derive(sqlx::FromRow)]
struct Row {
    hit_id: Uuid,
    agent_id: Uuid,
    tenant_id: String,
    received_at: Time,
    verdict: String,
    reason: String,
    status_code: i32,
    execution_id: Option<Uuid>,
    diagnosis: Option<String>,
    detail: Option<String>,
    body_bytes: i64,
}

#[derive(sqlx::FromRow)]
struct ExecutionRow {
    execution_id: Uuid,
    agent_id: Uuid,
    tenant_id: String,
    received_at: Time,
    held_reason: Option<String>,
    body_bytes: i64,
}

#[derive(sqlx::FromRow)]
struct Detail<Of> {
    #[sqlx(flatten)]
    hit: Of,
    headers: Option<String>,
    body: Vec<u8>,
}

impl TryFrom<Row> for Hit {
    type Error = crate::store::Error;
    fn try_from(row: Row) -> Result<Self> {
        let diagnosis = row.diagnosis.map(|text| serde_json::from_str::<Diagnosis>(&text)).transpose();
        Ok(Self {
            hit_id: HitId(row.hit_id),
            agent_id: AgentId(row.agent_id),
            tenant_id: row.tenant_id.try_into().map_err(decode)?,
            received_at: row.received_at,
            verdict: word(&row.verdict)?,
            reason: word(&row.reason)?,
            status_code: u16::try_from(row.status_code).ok(),
            execution_id: row.execution_id.map(ExecutionId),
            diagnosis: diagnosis.map_err(decode)?,
            detail: row.detail,
            body_bytes: row.body_bytes.try_into().ok(),
        })
    }
}

impl TryFrom<ExecutionRow> for Hit {
    type Error = crate::store::Error;
    fn try_from(row: ExecutionRow) -> Result<Self> {
        let held = row.held_reason.as_deref().map(word::<HeldReason>).transpose()?;
        let (verdict, reason) = match held {
            None => (HitVerdict::Accepted, HitReason::Queued),
            Some(HeldReason::Paused) => (HitVerdict::Held, HitReason::Paused),
            Some(HeldReason::Quarantine) => (HitVerdict::Held, HitReason::Quarantine),
        };
        Ok(Self {
            hit_id: HitId(row.execution_id),
            agent_id: AgentId(row.agent_id),
            tenant_id: row.tenant_id.try_into().map_err(decode)?,
            received_at: row.received_at,
            verdict,
            reason,
            status_code: None,
            execution_id: Some(ExecutionId(row.execution_id)),
            diagnosis: None,
            detail: None,
            body_bytes: row.body_bytes.try_into().ok(),
        })
    }
}

impl<Of> Detail<Of>
where
    Hit: TryFrom<Of, Error = crate::store::Error>,
{
    fn read(self) -> Result<HitDetail> {
        let headers = self.headers.map(|text| serde_json::from_str::<Headers>(&text)).transpose();
        let headers = headers.map_err(decode)?.unwrap_or_default();
        Ok(HitDetail { hit: self.hit.try_into()?, headers, body: self.body })
    }
}

/// A page of rows of `hits`, the newest first. Its limit is the place after the values.
fn of_hits(filter: HitFilter) -> (String, Vec<Value>) {
    let mut wanted = Conditions::default();
    wanted.value("agent_id =", Some(Value::Id(filter.agent_id.0)));
    wanted.value("hit_id <", filter.before.map(|id| Value::Id(id.0)));
    wanted.value("verdict =", filter.verdict.map(|verdict| Value::Text(spell(verdict))));
    let (conditions, limit) = (wanted.text(), wanted.next_place());
    let columns = hit_columns!();
    let text = format!("SELECT {columns} FROM hits{conditions} ORDER BY hit_id DESC LIMIT ${limit}");
    (text, wanted.values())
}

/// The same of executions.
fn of_executions(filter: HitFilter) -> (String, Vec<Value>) {
    let mut wanted = Conditions::default();
    wanted.value("agent_id =", Some(Value::Id(filter.agent_id.0)));
    wanted.value("execution_id <", filter.before.map(|id| Value::Id(id.0)));
    wanted.holds("source = 'webhook'");
    match filter.verdict {
        Some(HitVerdict::Accepted) => wanted.holds("held_reason IS NULL"),
        Some(HitVerdict::Held) => wanted.holds("held_reason IS NOT NULL"),
        Some(HitVerdict::Duplicate | HitVerdict::Ignored | HitVerdict::Rejected) | None => {}
    }
    let (conditions, limit) = (wanted.text(), wanted.next_place());
    let columns = execution_columns!();
    let text =
        format!("SELECT {columns} FROM executions{conditions} ORDER BY execution_id DESC LIMIT ${limit}");
    (text, wanted.values())
}

/// Each text of the lists.
pub(in crate::store) fn every_text() -> BTreeSet<String> {
    let verdicts = [None, Some(HitVerdict::Accepted), Some(HitVerdict::Held), Some(HitVerdict::Rejected)];
    let filters = verdicts.into_iter().flat_map(|verdict| {
        [None, Some(HitId::new())].map(|before| HitFilter { agent_id: AgentId::new(), verdict, before })
    });
    filters.flat_map(|filter| [of_hits(filter).0, of_executions(filter).0]).collect()
}

impl Store {
    /// Up to `limit` hits, the newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn hit_page(&self, filter: HitFilter, limit: i64) -> Result<Vec<Hit>> {
        let (executions, others) = match filter.verdict {
            None => (true, true),
            Some(HitVerdict::Accepted | HitVerdict::Held) => (true, false),
            Some(HitVerdict::Duplicate | HitVerdict::Ignored | HitVerdict::Rejected) => (false, true),
        };
        let mut hits: Vec<Hit> = Vec::new();
        if executions {
            hits.extend(self.rows::<ExecutionRow>(of_executions(filter), limit).await?);
        }
        if others {
            hits.extend(self.rows::<Row>(of_hits(filter), limit).await?);
        }
        hits.sort_unstable_by_key(|hit| std::cmp::Reverse(hit.hit_id));
        hits.truncate(usize::try_from(limit).unwrap_or_default());
        Ok(hits)
    }

    async fn rows<R>(&self, (text, values): (String, Vec<Value>), limit: i64) -> Result<Vec<Hit>>
    where
        R: for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow>
            + for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>
            + Send
            + Unpin,
        Hit: TryFrom<R, Error = crate::store::Error>,
    {
        let rows: Vec<R> = on_read!(self, |conn| bind_values!(sqlx::query_as(AssertSqlSafe(text)), values)
            .bind(limit)
            .fetch_all(conn)
            .await)?;
        rows.into_iter().map(Hit::try_from).collect()
    }

    /// One hit, whatever became of it.
    ///
    /// # Errors
    /// The database's.
    pub async fn hit(&self, id: HitId) -> Result<Option<HitDetail>> {
        let row: Option<Detail<Row>> =
            on_read!(self, |conn| sqlx::query_as(GET).bind(id.0).fetch_optional(conn).await)?;
        if let Some(row) = row {
            return row.read().map(Some);
        }
        let shown = i32::try_from(Hit::BODY_BYTES).unwrap_or(i32::MAX);
        let row: Option<Detail<ExecutionRow>> = on_read!(self, |conn| sqlx::query_as(GET_EXECUTION)
            .bind(id.0)
            .bind(shown)
            .fetch_optional(conn)
            .await)?;
        row.map(Detail::read).transpose()
    }

    /// How many hits an agent had from this hour on, by what became of them.
    ///
    /// # Errors
    /// The database's.
    pub async fn hit_counts(
        &self,
        agent_id: AgentId,
        from: Time,
    ) -> Result<Vec<(HitVerdict, HitReason, u64)>> {
        let rows: Vec<(String, String, i64)> =
            on_read!(self, |conn| sqlx::query_as(COUNTS).bind(agent_id.0).bind(from).fetch_all(conn).await)?;
        let count = |(verdict, reason, hits): (String, String, i64)| {
            Ok((word(&verdict)?, word(&reason)?, hits.unsigned_abs()))
        };
        rows.into_iter().map(count).collect()
    }
}
