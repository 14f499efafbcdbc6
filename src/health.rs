//! What supervisors ask.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::web::ApiError;

/// The process is well.
#[derive(Serialize, ToSchema)]
pub struct Health {
    #[schema(value_type = String, pattern = "^(ok|ready)$", example = "ok")]
    status: &'static str,
}

/// The process is up
///
/// For a liveness probe: it looks at nothing else.
#[utoipa::path(
    get, path = "/healthz", tag = "operation", operation_id = "healthz",
    responses((status = 200, description = "It is.", body = Health))
)]
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "ok" })
}

/// The process can take work
///
/// Or 503 and why: the database or the queue does not answer, or the server is stopping.
#[utoipa::path(
    get, path = "/readyz", tag = "operation", operation_id = "readyz",
    responses((status = 200, description = "It can.", body = Health))
)]
pub async fn readyz(app: Data<App>) -> Result<HttpResponse, ApiError> {
    if app.is_draining() {
        return Err(ApiError::unavailable("draining: the server is about to stop"));
    }
    app.store.ping().await.map_err(|error| {
        tracing::warn!(%error, "not ready");
        ApiError::unavailable("database: it does not answer")
    })?;
    app.queue.ping().await.map_err(|problem| {
        tracing::warn!(%problem, "not ready");
        ApiError::unavailable(format!("queue: {problem}"))
    })?;
    Ok(HttpResponse::Ok().json(Health { status: "ready" }))
}
