//! `quickstart`: the whole main job from nothing, in front of the reader's eyes.

mod demo;
mod litellm;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};

use super::api::Api;
use super::failure::Failure;
use super::{curl, output, trace};
use crate::app::{App, Role, StartError};
use crate::clock::Clock;
use crate::config::{self, OutboundArgs, SettingsArgs};
use crate::{server, telemetry};
use litellm::Proxy;

/// Where the server listens unless it is told otherwise or the port is taken.
const USUAL_PORT: u16 = 8000;

/// Run the whole main job from nothing: LiteLLM, server, agent, one signed ticket and its trace
///
/// Installs a LiteLLM proxy into a virtual environment (the first time: about a minute), starts it on a mock
/// model that needs no API key, starts the server on SQLite, makes a demo tenant and agent, sends one signed
/// ticket and shows its trace. Then it stays up until Ctrl-C. A second run reuses everything.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  agenthook quickstart
  LITELLM_BASE_URL=http://127.0.0.1:4000 LITELLM_API_KEY=sk-… agenthook quickstart --model gpt-4o-mini")]
pub(super) struct Quickstart {
    /// Use this LiteLLM proxy instead of installing one; it needs LITELLM_API_KEY too
    #[arg(long, env = "LITELLM_BASE_URL", value_name = "URL")]
    litellm_base_url: Option<String>,

    /// The key for that proxy
    #[arg(long, env = "LITELLM_API_KEY", value_name = "KEY", hide_env_values = true)]
    litellm_api_key: Option<SecretString>,

    /// The same by its other name: the proxy's master key
    #[arg(long, env = "LITELLM_MASTER_KEY", value_name = "KEY", hide_env_values = true)]
    litellm_master_key: Option<SecretString>,

    /// The model of the demo agent [default: agenthook-mock, else the first that the proxy lists]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,

    /// Listen address [default: 127.0.0.1:8000, or a free port if that is taken]
    #[arg(long, env = "AGENTHOOK_BIND", value_name = "ADDR:PORT")]
    bind: Option<String>,

    /// Private networks that webhooks may be sent to, such as 127.0.0.0/8 for `agenthook listen` [default: none]
    #[arg(long, env = "AGENTHOOK_EGRESS_ALLOW", value_name = "CIDRS")]
    egress_allow: Option<String>,

    /// Where everything is kept; remove it to begin anew
    #[arg(long, value_name = "DIR", default_value = ".agenthook")]
    dir: PathBuf,
}

impl Quickstart {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let data_dir = self.dir.join("quickstart");
        std::fs::create_dir_all(&data_dir).map_err(|error| {
            Failure::Fault(format!("--dir: {} cannot be used: {error}", data_dir.display()))
        })?;
        // Before anything there is touched: a second run would take the first one's files from under it.
        let lock = std::fs::File::create(data_dir.join("quickstart.lock"))?;
        if lock.try_lock().is_err() {
            let message =
                "another quickstart runs in this directory: stop it, or give this one another --dir";
            return Err(Failure::Fault(message.into()));
        }
        let mut args = SettingsArgs {
            litellm_base_url: self.litellm_base_url.filter(|url| !url.trim().is_empty()),
            litellm_api_key: self.litellm_api_key,
            litellm_master_key: self.litellm_master_key,
            data_dir: Some(data_dir.clone()),
            log: Some("warn,actix_server=error".into()),
            log_format: Some("text".into()),
            outbound: OutboundArgs { egress_allow: self.egress_allow, ..OutboundArgs::default() },
            ..SettingsArgs::default()
        };
        let admin_key = admin_key(&data_dir)?;
        args.admin_key = Some(admin_key.clone());

        let mut proxy = None;
        if let Some(url) = &args.litellm_base_url {
            step(1, &format!("LiteLLM: the proxy at {url}"))?;
        } else {
            step(1, "LiteLLM: a local proxy with a mock model")?;
            let started = Proxy::start(&self.dir).await?;
            args.litellm_base_url = Some(started.url.clone());
            args.litellm_api_key = None;
            args.litellm_master_key = Some(started.master_key.clone());
            proxy = Some(started);
        }

        let listener = listener(self.bind)?;
        args.bind = Some(listener.local_addr()?.to_string());
        let settings = args.resolve().map_err(StartError::from)?;
        telemetry::start(&settings);
        let at = format!("Server: {} on SQLite in {}", settings.public_url, data_dir.display());
        let app = Arc::new(App::start(settings, Clock::system(), Role::All).await?);
        // Before anything runs: what an earlier run has left would use up its retries on a proxy that only starts.
        tokio::select! {
            ready = wait_for(&app, proxy.as_mut()) => ready?,
            () = server::stop_signal() => return Ok(()),
        }
        step(2, &at)?;
        let mut serving = tokio::spawn(server::serve(app.clone(), listener));
        let show = show(&app, self.model, &admin_key);
        tokio::select! {
            shown = show => shown?,
            // Ctrl-C before there was anything to see.
            outcome = &mut serving => return ended(outcome),
        }
        ended(serving.await)?;
        drop(proxy);
        output::print("stopped; run it again and everything is still there")
    }
}

/// Steps 3 and 4: the demo, before the reader's eyes.
async fn show(app: &App, model: Option<String>, admin_key: &SecretString) -> Result<(), Failure> {
    let api = Api::at(app.settings.public_url.clone(), admin_key.clone())?;
    let model = match model {
        Some(model) => model,
        None => demo::pick_model(app).await?,
    };
    step(3, &format!("Demo: tenant `demo`, agent `Ticket triage` on model {model}"))?;
    let demo = demo::prepare(&api, &model).await?;
    step(4, "One signed ticket")?;
    let trace = demo.send_ticket(&api).await?;
    output::print(format!("\n{}\n", indented(&trace::of(&trace))))?;
    next_steps(&demo, app, admin_key)
}

fn ended(outcome: Result<Result<(), StartError>, tokio::task::JoinError>) -> Result<(), Failure> {
    match outcome {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(Failure::Fault("the server ended unexpectedly".into())),
    }
}

/// What the reader can do now.
fn next_steps(demo: &demo::Demo, app: &App, admin_key: &SecretString) -> Result<(), Failure> {
    let ticket = demo::TICKET.as_bytes();
    let command = curl::command(&demo.webhook_url, &demo.sign(ticket)?, ticket, Path::new("-"))?;
    // Under `cargo run` no agenthook is on the PATH, but this is what was run.
    let program = std::env::args().next().unwrap_or_else(|| "agenthook".into());
    let server = app.settings.public_url.as_str().trim_end_matches('/');
    output::print(format!(
        "Send one yourself (the same bytes again within five minutes are the same delivery):\n\n  {command}\n\n\
         Look around, in a browser at {server}/ with this key to sign in, or here:\n\n\
         \x20 export AGENTHOOK_URL={server} AGENTHOOK_API_KEY={}\n  {program} executions list\n\n\
         Running until Ctrl-C.",
        admin_key.expose_secret()
    ))
}

/// Waits until the proxy answers; a proxy of ours may also die.
async fn wait_for(app: &App, mut proxy: Option<&mut Proxy>) -> Result<(), Failure> {
    const PATIENCE: Duration = Duration::from_secs(120);
    let start = Instant::now();
    let spinner = litellm::spinner("LiteLLM starts (about ten seconds)");
    loop {
        let Err(error) = app.llm.liveliness().await else {
            spinner.finish_and_clear();
            return Ok(());
        };
        if let Some(proxy) = proxy.as_mut() {
            proxy.still_runs()?;
        } else if start.elapsed() > Duration::from_secs(5) {
            return Err(Failure::Fault(format!("LITELLM_BASE_URL: {}", error.message)));
        }
        if start.elapsed() > PATIENCE {
            return Err(Failure::Fault(format!("LiteLLM does not answer: {}", error.message)));
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// The key of the demo's admin: made at the first run, kept beside the data.
fn admin_key(data_dir: &Path) -> Result<SecretString, Failure> {
    let path = data_dir.join("admin.key");
    if let Ok(text) = std::fs::read_to_string(&path) {
        return Ok(text.trim().to_owned().into());
    }
    let key = config::generate_api_key();
    config::write_private(&path, key.expose_secret())
        .map_err(|error| Failure::Fault(format!("{} cannot be written: {error}", path.display())))?;
    Ok(key)
}

/// The address that was asked for; else the usual one, or any port if that is taken.
fn listener(asked: Option<String>) -> Result<TcpListener, Failure> {
    if let Some(text) = asked.filter(|text| !text.trim().is_empty()) {
        let args = SettingsArgs { bind: Some(text), ..SettingsArgs::default() };
        let address = args.resolve().map_err(StartError::from)?.bind;
        return Ok(server::bind("AGENTHOOK_BIND", address)?);
    }
    let any = || server::bind("AGENTHOOK_BIND", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    Ok(server::bind("AGENTHOOK_BIND", SocketAddr::from((Ipv4Addr::LOCALHOST, USUAL_PORT)))
        .or_else(|_| any())?)
}

fn step(number: usize, text: &str) -> Result<(), Failure> {
    use owo_colors::OwoColorize;
    output::print(format!("{} {text}", format!("[{number}/4]").bold()))
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
