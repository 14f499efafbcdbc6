//! Executions whole, as many as there are, a few at a time: no more in memory than one look at the ledger, and nothing held
//! in the database between two.

use std::collections::{HashMap, VecDeque};

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::conditions::bind_values;
use super::execution_list::{ExecutionFilter, Select, Way, text};
use super::{Result, Store, on_read};
use crate::model::{Execution, Headers};

/// Executions per look at the list.
const BATCH: usize = 500;
/// Bytes of payloads and outputs in memory at a time, unless a single execution has more.
const BATCH_BYTES: u64 = 1 << 20;

/// An execution with what came in and what came out.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The execution.
    pub execution: Execution,
    /// The body as received.
    pub payload: Vec<u8>,
    /// The hook's headers.
    pub headers: Headers,
    /// What the model wrote.
    pub output: Option<String>,
}

/// How far an export has come.
#[derive(Debug)]
pub struct Export {
    filter: ExecutionFilter,
    way: Way,
    /// Those that were found and not read yet, with the size of their texts.
    found: VecDeque<(Execution, u64)>,
    /// There are no more behind these.
    is_last: bool,
}

#[derive(sqlx::FromRow)]
struct Bodies {
    execution_id: Uuid,
    payload: Vec<u8>,
    output: Option<String>,
    headers: Option<String>,
}

impl Store {
    /// Begins to export what a filter lets pass, the newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn export(&self, filter: ExecutionFilter) -> Result<Export> {
        let way = self.way(&filter).await?;
        Ok(Export { filter, way, found: VecDeque::new(), is_last: false })
    }

    /// The next of them; none: that was all. What changes meanwhile, so that the filter lets it pass no more, may be left
    /// out.
    ///
    /// # Errors
    /// The database's.
    pub async fn next_exported(&self, export: &mut Export) -> Result<Vec<Exported>> {
        loop {
            if export.found.is_empty() {
                if export.is_last {
                    return Ok(Vec::new());
                }
                let found = self.candidates(&export.filter, export.way, BATCH).await?;
                export.is_last = found.len() < BATCH;
                if let Some((oldest, _)) = found.last() {
                    export.filter.before = Some(oldest.execution_id);
                }
                export.found = found.into();
                continue;
            }
            let exported = self.bodies(export).await?;
            if !exported.is_empty() {
                return Ok(exported);
            }
        }
    }

    /// Takes as many as fit from those that were found, and reads their texts.
    async fn bodies(&self, export: &mut Export) -> Result<Vec<Exported>> {
        let chunk: Vec<_> = export.found.drain(..fitting(&export.found)).map(|(one, _)| one).collect();
        let (Some(newest), Some(oldest)) = (chunk.first(), chunk.last()) else { return Ok(Vec::new()) };
        let select = Select::Bodies { oldest: oldest.execution_id, newest: newest.execution_id };
        let (text, values) = text(select, &export.filter, export.way, &self.db);
        let rows: Vec<Bodies> =
            on_read!(self, |conn| bind_values!(sqlx::query_as(AssertSqlSafe(text)), values)
                .fetch_all(conn)
                .await)?;
        let mut bodies: HashMap<Uuid, Bodies> = rows.into_iter().map(|row| (row.execution_id, row)).collect();
        let exported = |execution: Execution| {
            let Bodies { payload, output, headers, .. } = bodies.remove(&execution.execution_id.0)?;
            let headers = headers.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
            Some(Exported { execution, payload, headers, output })
        };
        Ok(chunk.into_iter().filter_map(exported).collect())
    }
}

/// How many of these are read together: one at least.
fn fitting(found: &VecDeque<(Execution, u64)>) -> usize {
    let mut sum = 0;
    let fits = |(_, bytes): &&(Execution, u64)| {
        sum += bytes;
        sum <= BATCH_BYTES
    };
    found.iter().take_while(fits).count().max(1).min(found.len())
}
