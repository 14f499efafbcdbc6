//! What tells pages that something has changed: they then look again.

use actix_web::{HttpRequest, HttpResponse, web};

use super::session::SignedIn;
use crate::api::stream::{Standing, StreamQuery, follow_all, follow_one};
use crate::app::App;
use crate::web::{ApiError, Query};

/// Changes of executions.
///
/// # Errors
/// 503: too many look on.
pub async fn executions(
    app: web::Data<App>,
    signed_in: SignedIn,
    request: HttpRequest,
    query: Query<StreamQuery>,
) -> Result<HttpResponse, ApiError> {
    let standing = Standing::Session(signed_in.token_hash);
    follow_all(app, &signed_in.caller, standing, &request, &query).await
}

/// Changes of one execution.
///
/// # Errors
/// 404: there is none of this id; 503: too many look on.
pub async fn execution(
    app: web::Data<App>,
    signed_in: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let standing = Standing::Session(signed_in.token_hash);
    follow_one(app, &signed_in.caller, standing, &path).await
}
