//! The binary as a process of its own.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::install_tls;
use super::server_dir::signal;

/// The binary, in a directory, with no environment at all.
pub fn agenthook(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agenthook"));
    command
        .current_dir(directory)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A server that dies with its test, however that ends.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

/// Waits until the server is ready. No deadline of its own beyond a patience that no healthy start needs.
pub async fn ready(http: &reqwest::Client, url: &str, child: &mut Child) {
    for _ in 0..3000 {
        if http.get(format!("{url}/readyz")).send().await.is_ok_and(|answer| answer.status() == 200) {
            return;
        }
        if let Some(status) = child.try_wait().expect("a child") {
            let mut errors = String::new();
            child.stderr.take().expect("piped").read_to_string(&mut errors).expect("text");
            panic!("the server ended ({status}): {errors}");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the server is not ready");
}

pub fn client() -> reqwest::Client {
    install_tls();
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

/// As an operator ends it.
pub fn terminate(child: &Child) {
    signal(child, "TERM");
}
