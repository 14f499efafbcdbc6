//! The `agenthook` binary: TLS, then the command line.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    // One provider for every TLS client in the process, before the first of them is made.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        unreachable!("nothing ran before this line, so no provider is installed");
    }
    agenthook::cli::run().await
}
