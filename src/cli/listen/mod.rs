//! `agenthook listen`: a receiver of deliveries on this machine, for whoever builds one.

mod body;
mod delivery;
mod proof;
mod receiver;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;
use tokio::sync::mpsc;

use super::failure::Failure;
use super::{input, output};
use crate::app::StartError;
use crate::model::Profile;
use crate::server;
use delivery::{Delivery, Seen};
use proof::Proofs;

/// Deliveries that have come and are not printed yet; further ones wait for their answer.
const WAITING: usize = 64;
/// The words of [`Profile`].
const PROFILES: &[&str] = &["standard", "standard-webhooks", "hub", "hokusai", "mlflow"];

/// Receive deliveries on this machine and print each, with whether its signature verifies
///
/// It listens on 127.0.0.1 alone, takes a POST on any path and stores nothing. A server sends to loopback only
/// with AGENTHOOK_EGRESS_ALLOW=127.0.0.0/8. Ctrl-C ends it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  agenthook listen --port 9000 --secret-file secret.txt
  agenthook listen --port 9000 --status 503        # see how deliveries are tried again
  agenthook listen --json | jq .event_type")]
pub(super) struct Listen {
    /// Where to listen, on 127.0.0.1 [default: a port that is free]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    port: u16,

    /// The endpoint's secret_key, or the agent's callback_secret: without it signatures are not checked
    #[arg(long, value_name = "SECRET", env = "AGENTHOOK_SIGNING_SECRET", hide_env_values = true)]
    #[arg(allow_hyphen_values = true)]
    secret: Option<SecretString>,

    /// A file that holds the secret (one line end at its end is ignored); goes before --secret
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,

    /// What the sender is set to: signature headers of this profile that are missing count as wrong
    #[arg(long, value_name = "PROFILE", value_parser = input::word::<Profile>(PROFILES))]
    profile: Option<Profile>,

    /// The status of every answer
    #[arg(long, value_name = "N", default_value_t = 200)]
    #[arg(value_parser = clap::value_parser!(u16).range(200..=599))]
    status: u16,

    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

impl Listen {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let secret = match &self.secret_file {
            Some(path) => Some(input::secret(path)?),
            None => self.secret.clone(),
        };
        let proofs = Proofs::new(secret.as_ref(), self.profile)?;
        let listener = server::bind("--port", SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)))?;
        let address = listener.local_addr().map_err(unusable)?;
        let (sender, mut deliveries) = mpsc::channel(WAITING);
        let receiver = receiver::listen(listener, self.status, sender).map_err(unusable)?;
        let handle = receiver.handle();
        let receiver = tokio::spawn(receiver);
        self.say_where(address)?;
        let mut seen = Seen::new();
        let printed = async {
            while let Some(received) = deliveries.recv().await {
                let delivery = Delivery::of(received, &proofs, &mut seen);
                output::print(if self.json { delivery.json() } else { delivery.text() })?;
            }
            Ok(())
        };
        let outcome = tokio::select! {
            () = server::stop_signal() => Ok(()),
            outcome = printed => outcome,
        };
        // Senders under way get no answer, and try again.
        handle.stop(false).await;
        let _ = receiver.await;
        outcome
    }

    /// What to do next. Beside the objects it would be none of them, so then it goes to stderr.
    fn say_where(&self, address: SocketAddr) -> Result<(), Failure> {
        let line = format!(
            "listening on http://{address} (next: agenthook webhooks create --url http://{address}/ --events '*', on a server that \
             has AGENTHOOK_EGRESS_ALLOW=127.0.0.0/8)"
        );
        if self.json {
            anstream::eprintln!("{line}");
            return Ok(());
        }
        output::print(line)
    }
}

fn unusable(error: std::io::Error) -> Failure {
    StartError::Fault(format!("--port cannot be used: {error}")).into()
}
