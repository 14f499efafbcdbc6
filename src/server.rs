//! The HTTP server: every route on one screen, and the life of a server process.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::{NormalizePath, TrailingSlash, from_fn};
use actix_web::web::{Data, ServiceConfig, resource, route};
use actix_web::{App as Actix, HttpResponse, HttpServer, web};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::api::{
    agent_versions, agents, api_keys, audit, bulk, callback_secrets, deliveries, events, execution_actions,
    executions, export, held, hits, llm_keys, models, stats, stream, tenants, timeline, trials,
    webhook_actions, webhook_secrets, webhooks,
};
use crate::app::{App, Role, StartError};
use crate::dashboard::{
    self, agent, delivery, execution, live, sign_in, tenant, tenant_form, webhook, webhook_form,
    webhook_secret, with_refusals_as_pages,
};
use crate::health;
use crate::ingress::{self, Ingress, Intake};
use crate::openapi;
use crate::pages;
use crate::web::{ApiError, end_unread, only_with_key, with_request_id};
use crate::worker::Worker;

/// How long a client may take to send its headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept for the next request.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Connections per server thread; further ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 10_000;
/// How long answers under way may take after the stop, in s.
const SHUTDOWN_S: u64 = 5;
/// How long an API that runs nothing goes on answering after the stop.
const LINGER: Duration = Duration::from_secs(3);

/// Makes of a table of routes what serves them, with a 405 for every other method, and a list of them.
macro_rules! routes {
    ($($(#[$doc:meta])* fn $serve:ident, $list:ident { $($($path:literal)|+ => $methods:tt;)+ })+) => { $(
        $(#[$doc])*
        fn $serve(routes: &mut ServiceConfig) {
            $(routes.service(routes!(@resource [$($path),+] $methods));)+
        }

        /// Each path, and its methods.
        pub const $list: &[(&str, &[&str])] = &[$($(($path, routes!(@methods $methods))),+),+];
    )+ };
    (@resource $paths:tt { $($method:ident: $handler:path),+ $(,)? }) => {
        resource($paths)
            $(.route(web::$method().to($handler)))+
            .default_service(route().to(|| only(&[$(stringify!($method)),+])))
    };
    (@methods { $($method:ident: $handler:path),+ $(,)? }) => { &[$(stringify!($method)),+] };
}

routes! {
    /// What a sender, an integrator or an operator calls.
    fn routes, ROUTES {
        "/webhook/agents/{agent_id}/webhook" => { post: ingress::receive };
        "/api/v1/tenants" => { get: tenants::list, post: tenants::create };
        "/api/v1/tenants/{tenant_id}" => { get: tenants::get, patch: tenants::update, delete: tenants::delete };
        "/api/v1/tenants/{tenant_id}/llm-key" => {
            put: llm_keys::set, delete: llm_keys::remove
        };
        "/api/v1/agents" => { get: agents::list, post: agents::create };
        "/api/v1/agents/{agent_id}" => { get: agents::get, patch: agents::update, delete: agents::delete };
        // The second address is the one that users of the product's predecessor know.
        "/api/v1/agents/{agent_id}/webhook-secret" | "/api/agents/{agent_id}/webhook-secret" => {
            get: webhook_secrets::get
        };
        "/api/v1/agents/{agent_id}/webhook-secret/rotate" | "/api/agents/{agent_id}/webhook-secret/rotate" => {
            post: webhook_secrets::rotate
        };
        // Below `rotate`, which is no id.
        "/api/v1/agents/{agent_id}/webhook-secret/{secret_id}"
            | "/api/agents/{agent_id}/webhook-secret/{secret_id}" => {
            delete: webhook_secrets::revoke
        };
        "/api/v1/agents/{agent_id}/callback-secret/rotate" => { post: callback_secrets::rotate };
        "/api/v1/agents/{agent_id}/versions" => { get: agent_versions::list };
        "/api/v1/agents/{agent_id}/versions/{version}" => { get: agent_versions::get };
        "/api/v1/agents/{agent_id}/hits" => { get: hits::list };
        "/api/v1/hits/{hit_id}" => { get: hits::get };
        "/api/v1/agents/{agent_id}/test" => { post: trials::run };
        "/api/v1/keys" => { get: api_keys::list, post: api_keys::create };
        "/api/v1/keys/{key_id}" => { delete: api_keys::delete };
        "/api/v1/executions" => { get: executions::list };
        // Above the ids: they are none.
        "/api/v1/executions/export" => { get: export::export };
        "/api/v1/executions/bulk" => { post: bulk::start };
        "/api/v1/executions/stream" => { get: stream::all };
        "/api/v1/executions/{execution_id}" => { get: executions::get };
        "/api/v1/executions/{execution_id}/stream" => { get: stream::one };
        "/api/v1/executions/{execution_id}/timeline" => { get: timeline::get };
        "/api/v1/executions/{execution_id}/cancel" => { post: execution_actions::cancel };
        "/api/v1/executions/{execution_id}/retry" => { post: execution_actions::retry };
        "/api/v1/executions/{execution_id}/replay" => { post: execution_actions::replay };
        "/api/v1/executions/{execution_id}/release" => { post: held::release };
        "/api/v1/executions/{execution_id}/discard" => { post: held::discard };
        "/api/v1/stats" => { get: stats::get };
        "/api/v1/models/register" => { post: models::register };
        "/api/v1/models/{name}/versions/{version}/notify" => { post: models::notify };
        "/api/v1/webhooks" => { get: webhooks::list, post: webhooks::create };
        "/api/v1/webhooks/{webhook_id}" => {
            get: webhooks::get, put: webhooks::replace, patch: webhooks::update, delete: webhooks::delete
        };
        "/api/v1/webhooks/{webhook_id}/enable" => { post: webhook_actions::enable };
        "/api/v1/webhooks/{webhook_id}/disable" => { post: webhook_actions::disable };
        "/api/v1/webhooks/{webhook_id}/test" => { post: webhook_actions::test };
        "/api/v1/webhooks/{webhook_id}/secret/rotate" => { post: webhook_actions::rotate };
        "/api/v1/webhooks/{webhook_id}/recover" => { post: deliveries::recover };
        "/api/v1/webhooks/{webhook_id}/deliveries" => { get: deliveries::list };
        "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}" => { get: deliveries::get };
        "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/retry" => { post: deliveries::retry };
        "/api/v1/events" => { get: events::list, post: events::publish };
        "/api/v1/events/{event_id}" => { get: events::get };
        "/api/v1/event-types" => { get: events::types };
        "/api/v1/audit" => { get: audit::list };
        "/openapi.json" => { get: openapi::json };
        "/docs" => { get: openapi::docs };
        "/docs/{file}" => { get: openapi::file };
        "/errors" => { get: pages::list };
        // Above the codes: it is none.
        "/errors/style.css" => { get: pages::style };
        "/errors/{code}" => { get: pages::page };
    }

    /// The dashboard: pages for people, which the API's document leaves out.
    fn page_routes, PAGE_ROUTES {
        "/" => { get: dashboard::overview::show };
        "/assets/{file}" => { get: dashboard::assets::file };
        "/sign-in" => { get: sign_in::form, post: sign_in::sign_in };
        "/sign-out" => { post: sign_in::sign_out };
        "/executions" => { get: dashboard::executions::list };
        // Above the ids: they are none.
        "/executions/compare" => { get: dashboard::compare::show };
        "/executions/stream" => { get: live::executions };
        "/executions/{execution_id}" => { get: execution::show };
        "/executions/{execution_id}/stream" => { get: live::execution };
        "/executions/{execution_id}/cancel" => { post: execution::cancel };
        "/executions/{execution_id}/retry" => { post: execution::retry };
        "/executions/{execution_id}/replay" => { post: execution::replay };
        "/executions/{execution_id}/release" => { post: execution::release };
        "/executions/{execution_id}/discard" => { post: execution::discard };
        "/agents" => { get: dashboard::agents::list };
        // Above the ids: they are none.
        "/agents/new" => { get: agent::edit::new, post: agent::edit::create };
        "/agents/check" => { post: agent::check::check };
        "/agents/{agent_id}" => { get: dashboard::agents::show };
        "/agents/{agent_id}/edit" => { get: agent::edit::edit, post: agent::edit::update };
        "/agents/{agent_id}/status" => { post: agent::status::set };
        "/agents/{agent_id}/test" => { get: agent::trial::form, post: agent::trial::run };
        "/agents/{agent_id}/secrets/show" => { post: agent::secrets::show };
        "/agents/{agent_id}/secrets/rotate" => { post: agent::secrets::rotate };
        "/agents/{agent_id}/secrets/{secret_id}/revoke" => {
            get: agent::secrets::ask_to_revoke, post: agent::secrets::revoke
        };
        "/agents/{agent_id}/versions" => { get: agent::versions::list };
        "/agents/{agent_id}/versions/{version}" => { get: agent::versions::show };
        "/agents/{agent_id}/versions/{version}/restore" => { post: agent::versions::restore };
        "/hits/{hit_id}" => { get: dashboard::hits::show };
        "/webhooks" => { get: dashboard::webhooks::list, post: webhook_form::create };
        // Above the ids: it is none.
        "/webhooks/new" => { get: webhook_form::new };
        "/webhooks/{webhook_id}" => { get: webhook::show, post: webhook_form::save };
        "/webhooks/{webhook_id}/edit" => { get: webhook_form::edit };
        "/webhooks/{webhook_id}/delete" => { get: webhook::ask_to_delete, post: webhook::delete };
        "/webhooks/{webhook_id}/rotate" => { get: webhook_secret::form, post: webhook_secret::rotate };
        "/webhooks/{webhook_id}/enable" => { post: webhook::enable };
        "/webhooks/{webhook_id}/disable" => { post: webhook::disable };
        "/webhooks/{webhook_id}/test" => { post: webhook::test };
        "/webhooks/{webhook_id}/recover" => { post: webhook::recover };
        "/webhooks/{webhook_id}/deliveries/{delivery_id}" => { get: delivery::show };
        "/webhooks/{webhook_id}/deliveries/{delivery_id}/retry" => { post: delivery::retry };
        "/events" => { get: dashboard::events::list, post: dashboard::event::publish };
        // Above the ids: they are none.
        "/events/types" => { get: dashboard::events::types };
        "/events/new" => { get: dashboard::event::new };
        "/events/{event_id}" => { get: dashboard::event::show };
        "/tenants" => { get: dashboard::tenants::list, post: tenant_form::create };
        // Not below the tenants: one may be called `new`.
        "/new-tenant" => { get: tenant_form::new };
        "/tenants/{tenant_id}" => { get: tenant::show, post: tenant_form::save };
        "/tenants/{tenant_id}/edit" => { get: tenant_form::edit };
        "/tenants/{tenant_id}/delete" => { get: tenant::ask_to_delete, post: tenant::delete };
        "/tenants/{tenant_id}/llm-key" => { post: tenant::set_llm_key };
        "/tenants/{tenant_id}/llm-key/remove" => {
            get: tenant::ask_to_remove_llm_key, post: tenant::remove_llm_key
        };
        "/keys" => { get: dashboard::keys::list, post: dashboard::keys::create };
        "/keys/new" => { get: dashboard::keys::new };
        "/keys/{key_id}/delete" => { get: dashboard::keys::ask_to_delete, post: dashboard::keys::delete };
        "/audit" => { get: dashboard::audit::list };
    }

    /// What supervisors ask: all that a worker answers.
    fn health_routes, HEALTH_ROUTES {
        "/healthz" => { get: health::healthz };
        "/readyz" => { get: health::readyz };
    }
}

async fn only(methods: &'static [&'static str]) -> Result<HttpResponse, ApiError> {
    Err(ApiError::method_not_allowed(methods))
}

async fn nowhere() -> Result<HttpResponse, ApiError> {
    Err(ApiError::not_found())
}

/// Serves on an open listener. The group commit's writer runs on the caller's runtime.
///
/// # Errors
/// The listener cannot be used.
pub fn listen(app: Arc<App>, listener: TcpListener) -> std::io::Result<Server> {
    let ingress = Data::new(Ingress::new(app.clone(), Intake::start(app.clone())));
    let app = Data::from(app);
    let server = HttpServer::new(move || {
        Actix::new()
            .app_data(app.clone())
            .app_data(ingress.clone())
            .wrap(from_fn(only_with_key))
            .wrap(from_fn(with_refusals_as_pages))
            // Inside, so that the path that is matched is the one that was normalized.
            .wrap(from_fn(with_request_id))
            .wrap(NormalizePath::new(TrailingSlash::Trim))
            .wrap(from_fn(end_unread))
            .configure(routes)
            .configure(page_routes)
            .configure(health_routes)
            .default_service(route().to(nowhere))
    })
    .client_request_timeout(HEADER_TIMEOUT)
    .keep_alive(KEEP_ALIVE)
    .max_connections(MAX_CONNECTIONS)
    .shutdown_timeout(SHUTDOWN_S)
    .disable_signals()
    .listen(listener)?
    .run();
    Ok(server)
}

/// Answers for a worker's health on an open listener, and nothing else.
fn listen_for_health(app: Arc<App>, listener: TcpListener) -> std::io::Result<Server> {
    let app = Data::from(app);
    let server = HttpServer::new(move || {
        Actix::new()
            .app_data(app.clone())
            .wrap(from_fn(with_request_id))
            .configure(health_routes)
            .default_service(route().to(nowhere))
    })
    .workers(1)
    .client_request_timeout(HEADER_TIMEOUT)
    .shutdown_timeout(SHUTDOWN_S)
    .disable_signals()
    .listen(listener)?
    .run();
    Ok(server)
}

/// Opens the listen address that a setting names, before anything else is started.
///
/// # Errors
/// It is in use, or not this machine's.
pub fn bind(setting: &str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .map_err(|error| StartError::Fault(format!("{setting}: {address} cannot be used: {error}")))
}

/// API, and in the all-in-one the worker too, until SIGTERM or Ctrl-C.
///
/// # Errors
/// The listener cannot be used.
pub async fn serve(app: Arc<App>, listener: TcpListener) -> Result<(), StartError> {
    let fault = |error: std::io::Error| StartError::Fault(format!("AGENTHOOK_BIND cannot be used: {error}"));
    let address = listener.local_addr().map_err(fault)?;
    let server = listen(app.clone(), listener).map_err(fault)?;
    let handle = server.handle();
    let stop = CancellationToken::new();
    let worker = match app.role {
        Role::Api => None,
        Role::All | Role::Worker => Some(tokio::spawn(Worker::new(app.clone()).run(stop.clone()))),
    };
    let server = tokio::spawn(server);
    tracing::info!(%address, database = ?app.settings.database_url, queue = ?app.queue, "ready");
    until_stopped(&app, worker, stop, Some((handle, server))).await
}

/// The worker alone, until SIGTERM or Ctrl-C. On `health`, if there is one, it says how it is, to the very end.
///
/// # Errors
/// The worker ended by itself, or the listener cannot be used.
pub async fn work(app: Arc<App>, health: Option<TcpListener>) -> Result<(), StartError> {
    let health = health.map(|listener| listen_for_health(app.clone(), listener)).transpose();
    let health = health
        .map_err(|error| StartError::Fault(format!("AGENTHOOK_HEALTH_BIND cannot be used: {error}")))?
        .map(|server| (server.handle(), tokio::spawn(server)));
    let stop = CancellationToken::new();
    let worker = tokio::spawn(Worker::new(app.clone()).run(stop.clone()));
    tracing::info!(database = ?app.settings.database_url, queue = ?app.queue, "ready");
    until_stopped(&app, Some(worker), stop, health).await
}

/// Waits for the signal to stop, and stops: refuses new work, lets runs under way end, and only then closes the door:
/// until the end there is somebody to say 503 and why.
async fn until_stopped(
    app: &App,
    worker: Option<JoinHandle<()>>,
    stop: CancellationToken,
    door: Option<(ServerHandle, JoinHandle<std::io::Result<()>>)>,
) -> Result<(), StartError> {
    let worker = until_told(worker).await?;
    tracing::info!("stopping: no new work is taken, runs under way may end");
    app.drain();
    stop.cancel();
    match worker {
        Some(worker) => drop(worker.await),
        // Nothing holds the door open here but this: whoever sends on hears 503 and why, until a load balancer knows.
        None => tokio::time::sleep(LINGER).await,
    }
    if let Some((handle, server)) = door {
        handle.stop(true).await;
        let _ = server.await;
    }
    app.end_tasks().await;
    app.store.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Waits for the signal to stop. A worker that ends before it is a fault: accepting for a worker that is gone
/// would be a promise to nobody, and a restart is the cure.
async fn until_told(mut worker: Option<JoinHandle<()>>) -> Result<Option<JoinHandle<()>>, StartError> {
    let ended = async {
        match &mut worker {
            Some(worker) => drop(worker.await),
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = stop_signal() => {}
        () = ended => return Err(StartError::Fault("the worker ended by itself; see the log".into())),
    }
    Ok(worker)
}

/// Returns at SIGTERM, at Ctrl-C, or when the terminal is closed.
pub async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup())) {
        (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hangup.recv() => {}
            }
        }
        _ => tracing::error!("signals cannot be heard; stopping at once"),
    }
}
