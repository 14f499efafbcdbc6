//! The server of `agenthook listen`.

use std::net::TcpListener;

use actix_web::dev::Server;
use actix_web::http::StatusCode;
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use tokio::sync::mpsc::Sender;

use crate::clock::Clock;
use crate::model::Time;

/// Largest body that is taken, in bytes: more than any event has.
pub(super) const MAX_BODY_BYTES: usize = 33_554_432;

/// A request as it came.
pub(super) struct Received {
    pub at: Time,
    pub path: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: web::Bytes,
}

struct Door {
    status: StatusCode,
    deliveries: Sender<Received>,
    clock: Clock,
}

/// Takes every POST, hands it on and answers with this status.
pub(super) fn listen(
    listener: TcpListener,
    status: u16,
    deliveries: Sender<Received>,
) -> std::io::Result<Server> {
    let status = StatusCode::from_u16(status).map_err(std::io::Error::other)?;
    let door = Data::new(Door { status, deliveries, clock: Clock::system() });
    let server = HttpServer::new(move || {
        App::new()
            .app_data(door.clone())
            .app_data(web::PayloadConfig::new(MAX_BODY_BYTES))
            .service(web::resource("/{path:.*}").route(web::post().to(receive)))
    });
    Ok(server.workers(1).disable_signals().listen(listener)?.run())
}

async fn receive(door: Data<Door>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    let received = Received { at: door.clock.now(), path: request.path().to_owned(), headers, body };
    match door.deliveries.send(received).await {
        Ok(()) => HttpResponse::new(door.status),
        Err(_) => HttpResponse::ServiceUnavailable().finish(),
    }
}
