//! The bare server: what actix-web does when nothing is to be done.

use std::net::SocketAddr;
use std::process::Command;

use actix_web::{App, HttpResponse, HttpServer, web};

use crate::Outcome;
use crate::process::Process;

async fn answer(_body: web::Bytes) -> HttpResponse {
    HttpResponse::Accepted().content_type("application/json").body(r#"{"status":"queued"}"#)
}

/// Serves until it is killed.
pub fn serve(address: SocketAddr) -> std::io::Result<()> {
    let server = HttpServer::new(|| App::new().default_service(web::to(answer)));
    actix_web::rt::System::new().block_on(server.bind(address)?.run())
}

/// This program once more, as the bare server.
pub fn start(address: SocketAddr) -> Outcome<Process> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--hello", &address.to_string()]);
    Process::start(&mut command, None)
}
