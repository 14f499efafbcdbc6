//! Model registration: versions in MLflow, and who is told of them.

mod notification;
mod owner;
mod refusal;
mod register;
mod request;
mod source;
mod tags;

use actix_web::{HttpResponse, web};

use super::view;
use crate::app::App;
use crate::registry::{ModelVersion, Registry};
use crate::web::{ApiError, Body, Caller, Code, to_the_end};
use request::{Notify, Register};

/// Register a model
///
/// Compares the run's own metric with the baseline, makes a version of the registered model in MLflow (and the model, if
/// there is none of that name) and publishes `model.registered`. The same request again is the same registration: it
/// finds the version and the event of the first one, also if that failed half way. To register the same run once more
/// on purpose, send another `idempotency_key`.
#[utoipa::path(
    post, path = "/api/v1/models/register", tag = "models", operation_id = "register_model",
    request_body(content = Register, example = json!({
        "model_uri": "runs:/0123456789abcdef0123456789abcdef/model", "model_name": "Sales lead scoring",
        "token_id": "LSCOR", "metric_name": "accuracy", "baseline_value": 0.92, "tags": {"environment": "production"}
    })),
    responses(
        (status = 201, description = "It is registered, and its event will be delivered.", body = view::RegisteredView),
        (status = 409, description = "conflict mlflow_not_configured"),
        (status = 422, description = "invalid_request below_baseline"),
        (status = 502, description = "mlflow_unavailable mlflow_refused")
    )
)]
pub async fn register(caller: Caller, app: web::Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    caller.writer()?;
    registry(&app)?;
    let wanted = request::registration(&app, &caller, body.parse()?).await?;
    let answer = to_the_end(async move { register::carry_out(&app, &caller, wanted).await }).await??;
    Ok(HttpResponse::Created().json(answer))
}

/// Send a registration's event again
///
/// As a new event, for a version that is registered already: whoever has heard of the first one hears of this one too.
/// What the version's tags do not say has to be in the body; what they say cannot be changed here. The version of
/// another tenant is not there; one without the tag `agenthook.tenant` is the admin's alone.
#[utoipa::path(
    post, path = "/api/v1/models/{name}/versions/{version}/notify", tag = "models", operation_id = "notify_model",
    params(
        ("name" = String, Path, description = "The registered model, percent-encoded.", example = "Sales lead scoring"),
        ("version" = u64, Path, description = "Its version's number, from 1 on.", minimum = 1)
    ),
    request_body(content = Option<Notify>, example = json!({})),
    responses(
        (status = 202, description = "The event will be delivered.", body = view::NotifiedView),
        (status = 409, description = "mlflow_not_configured"),
        (status = 502, description = "mlflow_unavailable mlflow_refused")
    )
)]
pub async fn notify(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<(String, String)>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    if app.registry.is_none() {
        caller.writer()?;
    }
    let version = find(registry(&app)?, &caller, &path).await?;
    caller.writer()?;
    let asked = body.parse_or_default()?;
    let answer =
        to_the_end(async move { notification::carry_out(&app, &caller, version, asked).await }).await??;
    Ok(HttpResponse::Accepted().json(answer))
}

/// The version that a path names, if the caller may know of it.
async fn find(
    registry: &Registry,
    caller: &Caller,
    (name, version): &(String, String),
) -> Result<ModelVersion, ApiError> {
    let number = version.parse().ok().filter(|number: &u64| *number > 0 && number.to_string() == *version);
    let number = number.ok_or_else(ApiError::not_found)?;
    let version = registry.version(name, number).await.map_err(refusal::of_address)?;
    match owner::may_see(caller, &version.tags) {
        true => Ok(version),
        false => Err(ApiError::not_found()),
    }
}

fn registry(app: &App) -> Result<&Registry, ApiError> {
    app.registry.as_ref().ok_or_else(|| {
        let detail = "models are registered in MLflow: start agenthook with MLFLOW_TRACKING_URI";
        ApiError::new(Code::MlflowNotConfigured, detail)
    })
}
