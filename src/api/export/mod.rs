//! All executions that match, as one file.
//!
//! They are read a few at a time, made into text ([`text`]) and handed on in small pieces; whoever reads slowly slows the
//! reading down. So an export takes a few MB of memory whatever there is to export. A file that breaks off does not end as a
//! whole one does: the last chunk of the answer is missing, and every HTTP client says so.

mod text;

use std::time::Duration;

use actix_web::http::header::{CONTENT_DISPOSITION, X_CONTENT_TYPE_OPTIONS};
use actix_web::{HttpResponse, web};
use futures_util::{Stream, stream};
use serde::Deserialize;
use tokio::sync::mpsc;
use tracing::Instrument;
use utoipa::{IntoParams, ToSchema};

use super::executions::held_only;
use super::{query, view};
use crate::app::{App, EXPORTS, EXPORTS_OF_KEY, Full, Placed};
use crate::model::{AgentId, ApiKeyId, ExecutionStatus, HeldReason, TenantId, Time};
use crate::store::{self, ExecutionFilter, Export};
use crate::web::{ApiError, Caller, Query, Scope};

/// Bytes of a piece.
const PIECE: usize = 64 << 10;
/// Pieces that wait for the client.
const PIECES: usize = 2;
/// A client that takes no piece for so long has gone, or stands in the way of others.
const PATIENCE: Duration = Duration::from_secs(60);

/// The form of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    /// One JSON object per line.
    #[default]
    Ndjson,
    /// A table with a head.
    Csv,
}

/// Which executions, and how.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ExportQuery {
    /// The form of the file; without it NDJSON.
    #[param(inline)]
    format: Option<Format>,
    /// Only this tenant's.
    tenant_id: Option<TenantId>,
    /// Only of this agent.
    agent_id: Option<AgentId>,
    /// Only in this state.
    status: Option<ExecutionStatus>,
    /// Only those that are held for this reason.
    held_reason: Option<HeldReason>,
    /// From then on.
    #[serde(default, deserialize_with = "query::time")]
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Time>,
    /// Before then.
    #[serde(default, deserialize_with = "query::time")]
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Time>,
}

impl Format {
    const fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }

    const fn ending(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }
}

/// Export executions
///
/// All that match, newest first, with input and output. NDJSON has an execution as the list shows it, and `input` and
/// `output`, in each line. CSV (RFC 4180) has these as a table; a cell that begins with what a spreadsheet takes for a formula
/// (`=`, `+`, `-`, `@`, a tab or a line end) has an apostrophe before it. An export that breaks off ends without the last
/// chunk: a client that says nothing of an incomplete answer has all. What comes in meanwhile is not in it. Two exports go at
/// a time in one process, one of each key; one more is refused with 503. A key that is revoked ends its export.
#[utoipa::path(
    get, path = "/api/v1/executions/export", tag = "executions", operation_id = "export_executions", params(ExportQuery),
    responses(
        (
            status = 200, description = "The file.",
            content((view::ExportView = "application/x-ndjson"), (String = "text/csv")),
            headers(("Content-Disposition" = String, description = "`attachment`, and a name for the file."))
        ),
        (status = 503, description = "unavailable")
    )
)]
pub async fn export(
    caller: Caller,
    app: web::Data<App>,
    query: Query<ExportQuery>,
) -> Result<HttpResponse, ApiError> {
    let filter = filter(&caller, &query)?;
    let turn = app.exports.turn(caller.key.key_id).map_err(busy)?;
    let (pieces, taken) = mpsc::channel(PIECES);
    let mut rows = Vec::new();
    let export = match filter {
        None => None,
        Some(filter) => {
            let mut export = app.store.export(filter).await?;
            // What fails at once is answered like any other fault.
            rows = app.store.next_exported(&mut export).await?;
            Some(export)
        }
    };
    let format = query.format.unwrap_or_default();
    let of_key = export.map(|export| OfKey { key_id: caller.key.key_id, export });
    let time = app.clock.now().format("%Y%m%dT%H%M%SZ");
    let name = format!("attachment; filename=\"executions-{time}.{}\"", format.ending());
    actix_web::rt::spawn(go_on(app, of_key, rows, format, pieces, turn).in_current_span());
    Ok(HttpResponse::Ok()
        .content_type(format.content_type())
        .insert_header((CONTENT_DISPOSITION, name))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .streaming(body(taken)))
}

/// What is asked for; `None`: nothing that the caller may know of.
fn filter(caller: &Caller, query: &ExportQuery) -> Result<Option<ExecutionFilter>, ApiError> {
    let status = held_only("status", query.status, query.held_reason)?;
    let tenant_id = match caller.scope(query.tenant_id.clone()) {
        Scope::All => None,
        Scope::Tenant(tenant_id) => Some(tenant_id),
        Scope::Nothing => return Ok(None),
    };
    Ok(Some(ExecutionFilter {
        tenant_id,
        agent_id: query.agent_id,
        status,
        held_reason: query.held_reason,
        from: query.from,
        to: query.to,
        before: None,
    }))
}

/// What is still to be read, and by whose right.
struct OfKey {
    key_id: ApiKeyId,
    export: Export,
}

impl OfKey {
    /// The next executions; `None`: the key is not valid any more.
    async fn next(&mut self, app: &App) -> store::Result<Option<Vec<store::Exported>>> {
        if !app.store.has_api_key(self.key_id).await? {
            return Ok(None);
        }
        app.store.next_exported(&mut self.export).await.map(Some)
    }
}

/// Sends everything, and then that this was all; of what breaks off it does not say so.
async fn go_on(
    app: web::Data<App>,
    export: Option<OfKey>,
    rows: Vec<store::Exported>,
    format: Format,
    pieces: mpsc::Sender<Option<web::Bytes>>,
    _turn: Placed,
) {
    let sent = send_all(&app, export, rows, format, &pieces).await;
    match sent {
        Ok(true) => drop(pieces.send_timeout(None, PATIENCE).await),
        Ok(false) => tracing::debug!("an export was not taken to its end, or its key was revoked"),
        Err(error) => tracing::warn!(%error, "an export broke off"),
    }
}

/// `false`: the client takes no more, or may not.
async fn send_all(
    app: &App,
    mut export: Option<OfKey>,
    mut rows: Vec<store::Exported>,
    format: Format,
    pieces: &mpsc::Sender<Option<web::Bytes>>,
) -> store::Result<bool> {
    let head = match format {
        Format::Ndjson => Vec::new(),
        Format::Csv => text::head(),
    };
    if !send(pieces, head).await {
        return Ok(false);
    }
    while !rows.is_empty() {
        // A megabyte of text is no work for a thread that answers requests.
        let made = tokio::task::spawn_blocking(move || match format {
            Format::Ndjson => text::lines(rows),
            Format::Csv => text::table(rows),
        });
        let Ok(made) = made.await else { return Ok(false) };
        if !send(pieces, made).await {
            return Ok(false);
        }
        rows = match &mut export {
            Some(export) => match export.next(app).await? {
                Some(rows) => rows,
                None => return Ok(false),
            },
            None => Vec::new(),
        };
    }
    Ok(true)
}

async fn send(pieces: &mpsc::Sender<Option<web::Bytes>>, text: Vec<u8>) -> bool {
    let mut text = web::Bytes::from(text);
    while !text.is_empty() {
        let piece = text.split_to(PIECE.min(text.len()));
        if pieces.send_timeout(Some(piece), PATIENCE).await.is_err() {
            return false;
        }
    }
    true
}

/// The answer's body. Without the word that this was all it ends with an error, and so without its last chunk.
fn body(taken: mpsc::Receiver<Option<web::Bytes>>) -> impl Stream<Item = std::io::Result<web::Bytes>> {
    stream::unfold(Some(taken), |taken| async {
        let mut taken = taken?;
        match taken.recv().await {
            Some(Some(piece)) => Some((Ok(piece), Some(taken))),
            Some(None) => None,
            None => Some((Err(std::io::Error::other("the export broke off")), None)),
        }
    })
}

fn busy(full: Full) -> ApiError {
    let busy = match full {
        Full::All => format!("{EXPORTS} exports are under way in this process"),
        Full::Key => format!("{EXPORTS_OF_KEY} export of this key is under way in this process"),
    };
    ApiError::unavailable(format!("{busy}, as many as go at once; try again when one has ended"))
}
