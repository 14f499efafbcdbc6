//! Executions while they happen, as server-sent events.
//!
//! A message is told at least once: whoever comes back with the last id hears of a few seconds before it again, and tells
//! repeats by execution, run and status. Nothing is kept for whoever reads slowly: such a one is let go ([`reader`]) and
//! comes back by itself, as every `EventSource` does.

mod all;
mod one;
mod reader;
mod text;

use actix_web::http::header::{CACHE_CONTROL, HeaderName, X_CONTENT_TYPE_OPTIONS};
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::mpsc;
use tracing::Instrument;
use utoipa::IntoParams;

use super::executions::find;
use crate::app::{App, Full, Place, STREAMS, STREAMS_OF_KEY};
use crate::model::{AgentId, ExecutionId, ExecutionStatus, Position, TenantId};
use crate::web::{ApiError, Caller, Query};
use all::{Filter, Missed};
use reader::{PIECES, Reader};

pub(crate) use reader::Standing;

/// Where an `EventSource` says how far it has come when it comes back.
const LAST_EVENT_ID: &str = "last-event-id";
/// Tells a proxy (nginx) that it must not wait for the answer's end.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Which executions, and from where on.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct StreamQuery {
    /// Only this tenant's.
    pub(crate) tenant_id: Option<TenantId>,
    /// Only of this agent.
    pub(crate) agent_id: Option<AgentId>,
    /// Only what comes into this state.
    status: Option<ExecutionStatus>,
    /// The last `id` that was read, for whoever cannot set the header `Last-Event-ID`, which counts more.
    #[param(pattern = "^[0-9]{1,15}$")]
    last_event_id: Option<String>,
}

/// Follow executions
///
/// Server-sent events, about a second after each change. `event` is `execution.queued`, `execution.held`, `execution.started`,
/// `execution.completed`, `execution.failed` or `execution.cancelled`, and `data` the execution as the list shows it, in the
/// state that it has come into; of states that pass within a second only the last one is told, and an end always is. `id` is a
/// position: whoever sends the last one as `Last-Event-ID` misses nothing, whichever process answers, and is told of some
/// changes again (at least once: tell repeats by `execution_id`, `run` and `status`). `event: reset` says that there was too
/// much to tell (more than 10,000 executions made or ended since, or a position older than a day): read the list again. A
/// comment comes every 15 s. A reader that is too slow is let go and may come back. 200 streams at a time in one process,
/// 20 of them of one key; one more is refused with 503.
#[utoipa::path(
    get, path = "/api/v1/executions/stream", tag = "executions", operation_id = "stream_executions",
    params(StreamQuery, ("Last-Event-ID" = Option<String>, Header, description = "The last `id` that was read.")),
    responses(
        (status = 200, description = "Messages, until somebody hangs up.", content((String = "text/event-stream"))),
        (status = 503, description = "unavailable")
    )
)]
pub async fn all(
    caller: Caller,
    app: web::Data<App>,
    request: HttpRequest,
    query: Query<StreamQuery>,
) -> Result<HttpResponse, ApiError> {
    let standing = Standing::Key(caller.key.key_id);
    follow_all(app, &caller, standing, &request, &query).await
}

/// Follow an execution
///
/// Server-sent events: how it stands, at once and after each change of `run` or `status`, as `GET /api/v1/executions/stream`
/// tells it; after the end of its run `event: end`, and nothing more. Of states that pass within half a second (two seconds
/// while it is held) only the last one is told.
#[utoipa::path(
    get, path = "/api/v1/executions/{execution_id}/stream", tag = "executions", operation_id = "stream_execution",
    params(("execution_id" = ExecutionId, Path, description = "The execution.")),
    responses(
        (status = 200, description = "Messages, to the end of its run.", content((String = "text/event-stream"))),
        (status = 503, description = "unavailable")
    )
)]
pub async fn one(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let standing = Standing::Key(caller.key.key_id);
    follow_one(app, &caller, standing, &path).await
}

/// The answer to whoever wants to follow all, for as long as it stands.
pub(crate) async fn follow_all(
    app: web::Data<App>,
    caller: &Caller,
    standing: Standing,
    request: &HttpRequest,
    query: &StreamQuery,
) -> Result<HttpResponse, ApiError> {
    let filter = Filter::of(caller.scope(query.tenant_id.clone()), query.agent_id, query.status);
    let from = position(request, query)?;
    let place = place(&app, caller)?;
    // In this order: what is committed while it is read what was missed is told by whom it follows.
    let follow = app.streams.follow().await?;
    let missed = match from {
        Some(from) => Some(Missed::since(from, &app).await?),
        None => None,
    };
    let (pieces, taken) = mpsc::channel(PIECES);
    let reader = Reader::new(app, place, standing, pieces);
    actix_web::rt::spawn(all::tell(reader, follow, filter, missed).in_current_span());
    Ok(answer(taken))
}

/// The same of one execution.
pub(crate) async fn follow_one(
    app: web::Data<App>,
    caller: &Caller,
    standing: Standing,
    execution_id: &str,
) -> Result<HttpResponse, ApiError> {
    let execution = find(&app, caller, execution_id).await?;
    let place = place(&app, caller)?;
    let (pieces, taken) = mpsc::channel(PIECES);
    let reader = Reader::new(app, place, standing, pieces);
    actix_web::rt::spawn(one::tell(reader, execution).in_current_span());
    Ok(answer(taken))
}

fn position(request: &HttpRequest, query: &StreamQuery) -> Result<Option<Position>, ApiError> {
    let header = request.headers().get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("?"));
    let Some(text) = header.or(query.last_event_id.as_deref()) else { return Ok(None) };
    let position =
        text.parse().map_err(|_| ApiError::field("last_event_id", "must be an id of a message"))?;
    Ok(Some(position))
}

fn place(app: &App, caller: &Caller) -> Result<Place, ApiError> {
    if app.is_draining() {
        return Err(ApiError::unavailable("the server is about to stop; try again in a moment"));
    }
    app.streams.place(caller.key.key_id).map_err(|full| {
        let open = match full {
            Full::All => format!("{STREAMS} streams are open in this process"),
            Full::Key => format!("{STREAMS_OF_KEY} streams of this key are open in this process"),
        };
        ApiError::unavailable(format!("{open}, as many as there may be; try again when one has ended"))
    })
}

fn answer(taken: mpsc::Receiver<web::Bytes>) -> HttpResponse {
    let body = stream::unfold(taken, |mut taken| async {
        let piece = taken.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(piece), taken))
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((X_ACCEL_BUFFERING, "no"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .streaming(body)
}
