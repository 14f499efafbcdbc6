//! `serve`, `api`, `worker` and `migrate`: the commands that are the server's own process.

use std::sync::Arc;

use super::failure::Failure;
use crate::app::{App, Role, StartError};
use crate::clock::Clock;
use crate::config::SettingsArgs;
use crate::{server, telemetry};

/// Run API and worker in one process: the embedded default
///
/// Without any setting: SQLite in ./data, the in-process queue, loopback only. The admin API key is printed
/// once, at the first start. Flags and environment variables are the same settings.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  agenthook serve\n  \
    LITELLM_API_KEY=sk-… agenthook serve --litellm-base-url http://litellm:4000\n  \
    DATABASE_URL=postgres://… AGENTHOOK_ENCRYPTION_KEYS=… AGENTHOOK_ADMIN_KEY=ahk_… agenthook serve")]
pub(super) struct Serve {
    #[command(flatten)]
    settings: SettingsArgs,
}

/// Take webhooks and answer the API, without running anything: for several processes on Postgres
///
/// Start as many as you like behind a load balancer, with the settings of `agenthook serve`, and `agenthook worker`
/// beside them. REDIS_URL is recommended: without it workers hear of work through Postgres.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  \
    DATABASE_URL=postgres://… REDIS_URL=redis://… AGENTHOOK_ENCRYPTION_KEYS=… AGENTHOOK_ADMIN_KEY=ahk_… agenthook api")]
pub(super) struct Api {
    #[command(flatten)]
    settings: SettingsArgs,
}

/// Run what is due, without taking webhooks: for several processes on Postgres
///
/// Start as many as you like, with the same settings as `agenthook api`. Work is shared out between them; one that
/// dies is replaced by the others within 35 s. SIGTERM lets calls under way end first. With --health-bind it
/// answers /healthz and /readyz.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  \
    DATABASE_URL=postgres://… REDIS_URL=redis://… AGENTHOOK_ENCRYPTION_KEYS=… LITELLM_API_KEY=sk-… agenthook worker")]
pub(super) struct Worker {
    #[command(flatten)]
    settings: SettingsArgs,
}

/// Bring the database up to date, and end
///
/// `serve` does the same at its start unless it is told --no-migrate.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  agenthook migrate --database-url postgres://…")]
pub(super) struct Migrate {
    #[command(flatten)]
    settings: SettingsArgs,
}

impl Serve {
    pub(super) async fn run(self) -> Result<(), Failure> {
        listen(self.settings, Role::All).await
    }
}

impl Api {
    pub(super) async fn run(self) -> Result<(), Failure> {
        listen(self.settings, Role::Api).await
    }
}

async fn listen(settings: SettingsArgs, role: Role) -> Result<(), Failure> {
    let settings = settings.resolve().map_err(StartError::from)?;
    telemetry::start(&settings);
    let listener = server::bind("AGENTHOOK_BIND", settings.bind)?;
    let app = App::start(settings, Clock::system(), role).await?;
    Ok(server::serve(Arc::new(app), listener).await?)
}

impl Worker {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let settings = self.settings.resolve().map_err(StartError::from)?;
        telemetry::start(&settings);
        let health = match settings.health_bind {
            Some(address) => Some(server::bind("AGENTHOOK_HEALTH_BIND", address)?),
            None => None,
        };
        let app = App::start(settings, Clock::system(), Role::Worker).await?;
        Ok(server::work(Arc::new(app), health).await?)
    }
}

impl Migrate {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut settings = self.settings.resolve().map_err(StartError::from)?;
        settings.migrate = true;
        telemetry::start(&settings);
        let kind = settings.database_url.clone();
        crate::app::migrate(&settings).await?;
        anstream::println!("{kind:?} is up to date");
        Ok(())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Setting(error) => Self::Usage(error.to_string()),
            StartError::Fault(message) => Self::Fault(message),
        }
    }
}
