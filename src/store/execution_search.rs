//! Looking for a text in what executions took and gave.
//!
//! No index can serve it, so it is bounded: it looks at so many of the newest matches of the other filters, and says how
//! far it came. Payloads are bytes as they were sent, and each database has its own idea of case: so the texts are
//! compared here, a few MB of them in memory at a time.

use std::collections::HashSet;

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::conditions::bind_values;
use super::execution_list::{ExecutionFilter, Select, Way, text};
use super::executions::Row;
use super::{Error, Result, Store, on_read};
use crate::model::{Execution, ExecutionId};

/// Executions that one search looks at, at most.
const SEARCHED: usize = 10_000;
/// Bytes of payloads and outputs that one search reads, at most, but for those of a single execution.
const SEARCHED_BYTES: u64 = 256 << 20;
/// Executions per look.
const BATCH: usize = 500;
/// Bytes in memory at a time, unless a single execution has more.
const BATCH_BYTES: u64 = 4 << 20;

/// How far a search goes.
#[derive(Clone, Copy)]
struct Bounds {
    executions: usize,
    bytes: u64,
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The newest first.
    pub executions: Vec<Execution>,
    /// How many were looked at.
    pub looked_at: usize,
    /// The search came to its bound before it had found enough: the last that it looked at. Older ones were not looked
    /// at.
    pub stopped_at: Option<ExecutionId>,
}

#[derive(sqlx::FromRow)]
struct Candidate {
    #[sqlx(flatten)]
    row: Row,
    bytes: i64,
}

#[derive(sqlx::FromRow)]
struct Texts {
    execution_id: Uuid,
    payload: Vec<u8>,
    output: Option<String>,
}

impl Store {
    /// Up to `limit` executions, the newest first, that have this text in their payload, output or error, whatever its
    /// case.
    ///
    /// # Errors
    /// The database's.
    pub async fn search(&self, filter: &ExecutionFilter, needle: &str, limit: usize) -> Result<Found> {
        let bounds = Bounds { executions: SEARCHED, bytes: SEARCHED_BYTES };
        self.search_within(bounds, filter, needle, limit).await
    }

    async fn search_within(
        &self,
        bounds: Bounds,
        filter: &ExecutionFilter,
        needle: &str,
        limit: usize,
    ) -> Result<Found> {
        let needle = needle.to_lowercase();
        let mut found = Found { executions: Vec::new(), looked_at: 0, stopped_at: None };
        let (mut filter, mut read, way) = (filter.clone(), 0, self.way(filter).await?);
        loop {
            let wanted = BATCH.min(bounds.executions - found.looked_at);
            let batch = self.candidates(&filter, way, wanted).await?;
            let is_last = batch.len() < wanted;
            let mut rest = batch.as_slice();
            while !rest.is_empty() && read < bounds.bytes {
                let (chunk, others) = rest.split_at(fitting(rest, bounds.bytes - read));
                rest = others;
                let hits = self.hits(&filter, way, &needle, chunk).await?;
                for (execution, bytes) in chunk {
                    (found.looked_at, read) = (found.looked_at + 1, read + bytes);
                    filter.before = Some(execution.execution_id);
                    if hits.contains(&execution.execution_id.0) || is_in_error(execution, &needle) {
                        found.executions.push(execution.clone());
                        if found.executions.len() == limit {
                            return Ok(found);
                        }
                    }
                }
            }
            if is_last && rest.is_empty() {
                return Ok(found);
            }
            if found.looked_at >= bounds.executions || read >= bounds.bytes {
                let is_all = self.candidates(&filter, way, 1).await?.is_empty();
                found.stopped_at = filter.before.filter(|_| !is_all);
                return Ok(found);
            }
        }
    }

    pub(super) async fn candidates(
        &self,
        filter: &ExecutionFilter,
        way: Way,
        limit: usize,
    ) -> Result<Vec<(Execution, u64)>> {
        let (text, values) = text(Select::RowsAndSizes, filter, way, &self.db);
        let rows: Vec<Candidate> =
            on_read!(self, |conn| bind_values!(sqlx::query_as(AssertSqlSafe(text)), values)
                .bind(limit as i64)
                .fetch_all(conn)
                .await)?;
        let candidate = |Candidate { row, bytes }: Candidate| {
            Ok((row.try_into()?, u64::try_from(bytes).unwrap_or_default()))
        };
        rows.into_iter().map(candidate).collect()
    }

    /// Which of these, that follow each other in the list, have the text in their payload or output.
    async fn hits(
        &self,
        filter: &ExecutionFilter,
        way: Way,
        needle: &str,
        chunk: &[(Execution, u64)],
    ) -> Result<HashSet<Uuid>> {
        let (Some((newest, _)), Some((oldest, _))) = (chunk.first(), chunk.last()) else {
            return Ok(HashSet::new());
        };
        let select = Select::Texts { oldest: oldest.execution_id, newest: newest.execution_id };
        let (text, values) = text(select, filter, way, &self.db);
        let rows: Vec<Texts> =
            on_read!(self, |conn| bind_values!(sqlx::query_as(AssertSqlSafe(text)), values)
                .fetch_all(conn)
                .await)?;
        let needle = needle.to_owned();
        // Megabytes of text are no work for a thread that answers requests.
        let compared = tokio::task::spawn_blocking(move || {
            let hit = |texts: &Texts| {
                let payload = String::from_utf8_lossy(&texts.payload);
                has(&payload, &needle) || texts.output.as_deref().is_some_and(|output| has(output, &needle))
            };
            rows.iter().filter(|texts| hit(texts)).map(|texts| texts.execution_id).collect()
        });
        compared.await.map_err(|_| Error::from(sqlx::Error::WorkerCrashed))
    }
}

/// How many of these are looked at together, if so many bytes may still be read: one at least.
fn fitting(batch: &[(Execution, u64)], left: u64) -> usize {
    let mut sum = 0;
    let fits = |(_, bytes): &&(Execution, u64)| {
        sum += bytes;
        sum <= BATCH_BYTES.min(left)
    };
    batch.iter().take_while(fits).count().max(1)
}

fn is_in_error(execution: &Execution, needle: &str) -> bool {
    execution
        .error
        .as_ref()
        .is_some_and(|error| has(&error.message, needle) || has(error.code.word(), needle))
}

/// Whether a text has this one in it, which is in lower case.
fn has(text: &str, needle: &str) -> bool {
    text.to_lowercase().contains(needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Actor, AgentId, AuditAction, AuditEntry, ExecutionSource, Headers, Time, UnsignedExecution,
    };

    /// Payloads of nine bytes, told apart by their number.
    async fn filled(url: &str, count: usize) -> Store {
        let store = Store::open(url, 1).await.expect("opens");
        store.migrate().await.expect("migrates");
        for number in 0..count {
            let execution = UnsignedExecution {
                execution_id: ExecutionId::new(),
                tenant_id: "t".parse().expect("a tenant"),
                agent_id: AgentId::new(),
                agent_version: 1,
                payload: format!("\"Number{number:02}").into_bytes(),
                request_id: Uuid::nil(),
                source: ExecutionSource::Test,
                headers: Headers::default(),
                replay_of: None,
                received_at: Time::UNIX_EPOCH,
                event: None,
            };
            let (actor, action) = (Actor::server(), AuditAction::AgentTested);
            let entry = AuditEntry::new(actor, action, execution.agent_id, Time::UNIX_EPOCH);
            store.insert_unsigned(&execution, &entry).await.expect("stored");
        }
        store
    }

    #[tokio::test]
    async fn a_search_keeps_within_its_bounds_and_says_where_it_stopped() {
        let directory = tempfile::tempdir().expect("a directory");
        let url = format!("sqlite://{}", directory.path().join("search.db").display());
        let store = filled(&url, 10).await;
        let all = ExecutionFilter::default();
        let search = async |executions, bytes, filter: &ExecutionFilter| {
            let bounds = Bounds { executions, bytes };
            let found = store.search_within(bounds, filter, "NUMBER00", 5).await.expect("an answer");
            (found.executions.len(), found.looked_at, found.stopped_at)
        };
        for (executions, bytes) in [(9, 1000), (100, 80), (100, 81)] {
            let (hits, looked_at, stopped_at) = search(executions, bytes, &all).await;
            assert_eq!((hits, looked_at), (0, 9), "{executions}, {bytes}");
            let rest = ExecutionFilter { before: stopped_at, ..all.clone() };
            assert_eq!(search(executions, bytes, &rest).await, (1, 1, None));
        }
        for (executions, bytes) in [(10, 1000), (11, 1000), (100, 82), (100, 90), (100, 91)] {
            assert_eq!(search(executions, bytes, &all).await, (1, 10, None), "{executions}, {bytes}");
        }
        let one = store.search_within(Bounds { executions: 100, bytes: 1 }, &all, "number", 1).await;
        assert_eq!(one.expect("an answer").looked_at, 1, "enough is found");
    }
}
