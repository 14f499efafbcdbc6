//! Settings: what the operator says, checked before anything starts.
//!
//! Flags and environment variables are the same settings. An empty variable counts as unset, because
//! compose files pass empty ones. Every limit of the program that is not a rule of the contract is here.

mod keys;
mod outbound;
mod parse;

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

use parse::{database_url, fault, filled, http_url, networks, number, parse, redis_url, secret};

pub use outbound::{Mlflow, Outbound, OutboundArgs, PlatformWebhook};

pub use keys::{
    admin_key_fault, api_key_hint, encryption_key_file, encryption_keys, generate_api_key,
    present_encryption_keys, write_private,
};

/// The settings as flags and environment variables.
#[derive(clap::Args, Clone, Default)]
pub struct SettingsArgs {
    /// Database: `sqlite://PATH` or `postgres://…` [default: agenthook.db in the data dir]
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// The apalis queue and the signals between processes: `redis://…` [default: none, the in-process queue]. Two
    /// installations on one Redis use different database numbers
    #[arg(long, env = "REDIS_URL", value_name = "URL", hide_env_values = true)]
    pub redis_url: Option<SecretString>,

    /// The LiteLLM proxy [default: http://127.0.0.1:4000]
    #[arg(long, env = "LITELLM_BASE_URL", value_name = "URL")]
    pub litellm_base_url: Option<String>,

    /// The platform key for LiteLLM; a virtual key with limits is better than the master key
    #[arg(long, env = "LITELLM_API_KEY", value_name = "KEY", hide_env_values = true)]
    pub litellm_api_key: Option<SecretString>,

    /// LiteLLM's master key, used when there is no LITELLM_API_KEY
    #[arg(long, env = "LITELLM_MASTER_KEY", value_name = "KEY", hide_env_values = true)]
    pub litellm_master_key: Option<SecretString>,

    /// Listen address [default: 127.0.0.1:8000]
    #[arg(long, env = "AGENTHOOK_BIND", value_name = "ADDR:PORT")]
    pub bind: Option<String>,

    /// Where `agenthook worker` answers /healthz and /readyz; the others do so under AGENTHOOK_BIND [default: nowhere]
    #[arg(long, env = "AGENTHOOK_HEALTH_BIND", value_name = "ADDR:PORT")]
    pub health_bind: Option<String>,

    /// The URL under which senders reach this server, shown in webhook URLs [default: http://BIND]
    #[arg(long, env = "AGENTHOOK_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,

    /// Where the SQLite file and generated keys live [default: ./data]
    #[arg(long, env = "AGENTHOOK_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Fernet keys, comma-separated: the first encrypts, all decrypt; `agenthook rekey --help` says how to replace one
    /// [default on SQLite: generated in the data dir]
    #[arg(long, env = "AGENTHOOK_ENCRYPTION_KEYS", value_name = "KEYS", hide_env_values = true)]
    pub encryption_keys: Option<SecretString>,

    /// The first admin API key, `ahk_` and 28 or more characters [default on SQLite: generated, printed once]
    #[arg(long, env = "AGENTHOOK_ADMIN_KEY", value_name = "KEY", hide_env_values = true)]
    pub admin_key: Option<SecretString>,

    /// Largest accepted payload, in bytes: 1 to 26214400 [default: 1048576]
    #[arg(long, env = "AGENTHOOK_MAX_BODY_BYTES", value_name = "BYTES")]
    pub max_body_bytes: Option<String>,

    /// LLM calls in flight in this process: 1 to 10000 [default: 256]
    #[arg(long, env = "AGENTHOOK_WORKER_CONCURRENCY", value_name = "N")]
    pub worker_concurrency: Option<String>,

    /// Hooks that may wait for the next commit before the answer is 503: 1 to 100000 [default: 4096]
    #[arg(long, env = "AGENTHOOK_ACCEPT_QUEUE", value_name = "N")]
    pub accept_queue: Option<String>,

    /// Hits that are kept of each agent beside its executions, the newest: 1 to 100000 [default: 1000]
    #[arg(long, env = "AGENTHOOK_HITS_PER_AGENT", value_name = "N")]
    pub hits_per_agent: Option<String>,

    /// How long hits and their counts are kept, in days: 1 to 3650 [default: 30]
    #[arg(long, env = "AGENTHOOK_HITS_DAYS", value_name = "DAYS")]
    pub hits_days: Option<String>,

    /// Largest answer taken from LiteLLM, in bytes: 1024 to 104857600 [default: 8388608]
    #[arg(long, env = "AGENTHOOK_MAX_LLM_RESPONSE_BYTES", value_name = "BYTES")]
    pub max_llm_response_bytes: Option<String>,

    /// Connections to Postgres: 2 to 1000 [default: 16]
    #[arg(long, env = "AGENTHOOK_DATABASE_CONNECTIONS", value_name = "N")]
    pub database_connections: Option<String>,

    /// Proxies in front whose X-Forwarded-For is believed, comma-separated: addresses or CIDRs [default: none]
    #[arg(long, env = "AGENTHOOK_TRUSTED_PROXIES", value_name = "CIDRS")]
    pub trusted_proxies: Option<String>,

    #[allow(missing_docs, reason = "documented there")]
    #[command(flatten)]
    pub outbound: OutboundArgs,

    /// Do not bring the database up to date at the start
    #[arg(long)]
    pub no_migrate: bool,

    /// What to log: a level, or `tracing` directives such as `info,agenthook::worker=debug` [default: info]
    #[arg(long, env = "AGENTHOOK_LOG", value_name = "LEVEL")]
    pub log: Option<String>,

    /// `text` or `json` [default: text on a terminal, else json]
    #[arg(long, env = "AGENTHOOK_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<String>,
}

impl std::fmt::Debug for SettingsArgs {
    /// Nothing of what was given: unchecked, any of it may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SettingsArgs").finish_non_exhaustive()
    }
}

/// Our own steps, and only the troubles of the libraries. actix-http's are those of whoever sends garbage, a port scan
/// for one.
const DEFAULT_LOG: &str = "info,actix_http=off,actix_server=warn,apalis_core=warn,sqlx=warn";

/// A setting that cannot be used: one line that names it and says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct SettingError {
    /// The environment variable's name.
    pub name: &'static str,
    /// What is wrong and what would be right.
    pub problem: String,
}

/// The settings, checked and with defaults.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "documented where the operator reads them: SettingsArgs")]
pub struct Settings {
    pub database_url: DatabaseUrl,
    /// May hold a password.
    pub redis_url: Option<SecretString>,
    pub litellm_base_url: Url,
    pub platform_key: Option<SecretString>,
    pub bind: SocketAddr,
    pub health_bind: Option<SocketAddr>,
    pub public_url: Url,
    pub data_dir: PathBuf,
    pub encryption_keys: Option<SecretString>,
    pub admin_key: Option<SecretString>,
    pub max_body_bytes: usize,
    pub worker_concurrency: usize,
    pub accept_queue: usize,
    pub hits_per_agent: u32,
    pub hits_days: u32,
    pub max_llm_response_bytes: usize,
    pub database_connections: u32,
    pub trusted_proxies: Vec<IpNet>,
    pub outbound: Outbound,
    pub migrate: bool,
    pub log: String,
    pub log_format: Option<LogFormat>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where the database is. May hold a password: `Debug` prints only the kind.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// The embedded default: the file's path.
    Sqlite(PathBuf),
    /// A whole `postgres://` URL.
    Postgres(SecretString),
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(_) => f.write_str("postgres://…"),
        }
    }
}

impl DatabaseUrl {
    /// The URL as sqlx takes it.
    #[must_use]
    pub fn to_url(&self) -> SecretString {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}", path.display()).into(),
            Self::Postgres(url) => url.clone(),
        }
    }
}

impl SettingsArgs {
    /// Checks every setting and fills in the defaults.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn resolve(self) -> Result<Settings, SettingError> {
        let data_dir =
            self.data_dir.filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| "./data".into());
        const ADDRESS: &str = "an address and a port such as 127.0.0.1:8000";
        let bind: SocketAddr = parse("AGENTHOOK_BIND", self.bind, "127.0.0.1:8000", ADDRESS)?;
        let health_bind = match filled(self.health_bind) {
            Some(text) => Some(parse("AGENTHOOK_HEALTH_BIND", Some(text), "", ADDRESS)?),
            None => None,
        };
        let log_format = match filled(self.log_format).as_deref() {
            None => None,
            Some("text") => Some(LogFormat::Text),
            Some("json") => Some(LogFormat::Json),
            Some(other) => {
                return Err(fault("AGENTHOOK_LOG_FORMAT", format!("`{other}` is neither text nor json")));
            }
        };
        let log = filled(self.log).unwrap_or_else(|| DEFAULT_LOG.into());
        if log.parse::<tracing_subscriber::EnvFilter>().is_err() {
            return Err(fault(
                "AGENTHOOK_LOG",
                format!("`{log}` is no level (error, warn, info, debug, trace) and no filter"),
            ));
        }
        let (outbound, redis_url) = (self.outbound.resolve()?, redis_url(self.redis_url)?);
        if outbound.platform_webhook.as_ref().is_some_and(|wanted| wanted.redis_fallback)
            && redis_url.is_none()
        {
            return Err(fault("ENABLE_REDIS_FALLBACK", "publishes on Redis: set REDIS_URL too".into()));
        }
        Ok(Settings {
            database_url: database_url(self.database_url, &data_dir)?,
            redis_url,
            litellm_base_url: http_url("LITELLM_BASE_URL", self.litellm_base_url, "http://127.0.0.1:4000")?,
            platform_key: secret(self.litellm_api_key).or_else(|| secret(self.litellm_master_key)),
            public_url: http_url("AGENTHOOK_PUBLIC_URL", self.public_url, &format!("http://{bind}"))?,
            bind,
            health_bind,
            encryption_keys: secret(self.encryption_keys),
            admin_key: secret(self.admin_key),
            max_body_bytes: number(
                "AGENTHOOK_MAX_BODY_BYTES",
                self.max_body_bytes,
                1_048_576,
                1,
                26_214_400,
            )?,
            worker_concurrency: number(
                "AGENTHOOK_WORKER_CONCURRENCY",
                self.worker_concurrency,
                256,
                1,
                10_000,
            )?,
            accept_queue: number("AGENTHOOK_ACCEPT_QUEUE", self.accept_queue, 4096, 1, 100_000)?,
            hits_per_agent: number("AGENTHOOK_HITS_PER_AGENT", self.hits_per_agent, 1000, 1, 100_000)? as u32,
            hits_days: number("AGENTHOOK_HITS_DAYS", self.hits_days, 30, 1, 3650)? as u32,
            max_llm_response_bytes: number(
                "AGENTHOOK_MAX_LLM_RESPONSE_BYTES",
                self.max_llm_response_bytes,
                8_388_608,
                1024,
                104_857_600,
            )?,
            database_connections: number(
                "AGENTHOOK_DATABASE_CONNECTIONS",
                self.database_connections,
                16,
                2,
                1000,
            )? as u32,
            trusted_proxies: networks("AGENTHOOK_TRUSTED_PROXIES", self.trusted_proxies)?,
            outbound,
            migrate: !self.no_migrate,
            data_dir,
            log,
            log_format,
        })
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
