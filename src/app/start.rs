//! Opening the house: database, keys, first admin. Everything that can be wrong is wrong here, before a
//! socket is open.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use secrecy::{ExposeSecret, SecretString};
use tokio_util::task::TaskTracker;

use super::cache::Vouched;
use super::follow::{Caches, Follower};
use super::{App, Role, key_hash, platform_webhook, sealed};
use crate::cipher::Cipher;
use crate::clock::Clock;
use crate::config::{self, DatabaseUrl, SettingError, Settings};
use crate::egress::{Guard, Sender};
use crate::llm::{LlmClient, LlmSettings};
use crate::model::{Actor, ApiKey, ApiKeyId, AuditAction, AuditEntry, KeyRole};
use crate::queue::Queue;
use crate::registry::{Registry, RegistrySettings};
use crate::signal::limit::Rates;
use crate::signal::{ModelReady, Signal};
use crate::store::{Group, Store};

/// Why the program cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The operator has to change a setting: exit code 2.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// Something else is in the way: exit code 1.
    #[error("{0}")]
    Fault(String),
}

impl App {
    /// Opens everything, brings the database up to date, and prints a generated admin key (once).
    ///
    /// # Errors
    /// A setting that cannot be used, or a part that cannot be reached.
    pub async fn start(settings: Settings, clock: Clock, role: Role) -> Result<Self, StartError> {
        if role != Role::All && matches!(settings.database_url, DatabaseUrl::Sqlite(_)) {
            let problem = "SQLite belongs to one process: `agenthook api` and `agenthook worker` need \
                           postgres://…; on SQLite run `agenthook serve`";
            return Err(SettingError { name: "DATABASE_URL", problem: problem.into() }.into());
        }
        if let Some(fault) = settings.admin_key.as_ref().and_then(config::admin_key_fault) {
            return Err(fault.into());
        }
        let guard = Guard::new(settings.outbound.egress_allow.clone());
        if role != Role::Worker {
            platform_webhook::check(&settings, &guard).await?;
        }
        let queue = queue(&settings, role)?;
        create_directories(&settings)?;
        let lock = lock_embedded(&settings)?;
        let keys = config::encryption_keys(&settings)?;
        let cipher = Cipher::new(&keys).map_err(|fault| SettingError {
            name: "AGENTHOOK_ENCRYPTION_KEYS",
            problem: fault.to_string(),
        })?;
        let store = open_store(&settings).await?;
        if role != Role::Worker {
            refuse_if_nobody_could_get_in(&settings, &store).await?;
        }
        migrate_if_wanted(&settings, &store).await?;
        match role {
            Role::All | Role::Api => first_admin(&settings, &store, &clock).await?,
            // Nobody comes in here, so it needs no admin key; but without tables it could only complain.
            Role::Worker => store.ping().await.map_err(no_tables)?,
        }
        if role != Role::Worker {
            platform_webhook::settle(&settings, &store, &cipher, &clock).await?;
        }
        sealed::warn_of_closed(&store, &cipher).await;
        let llm = LlmClient::new(LlmSettings {
            base_url: settings.litellm_base_url.clone(),
            platform_key: settings.platform_key.clone(),
            max_response_bytes: settings.max_llm_response_bytes,
        })
        .map_err(|error| StartError::Fault(format!("the HTTP client cannot be made: {error}")))?;
        let sender = Sender::new(guard)
            .map_err(|error| StartError::Fault(format!("the HTTP client cannot be made: {error}")))?;
        let registry = registry(&settings)?;
        let (signal, rates) = (signal(&settings)?, rates(&settings, &clock)?);
        let model_ready = model_ready(&settings)?;
        // On Postgres other processes change agents, tenants and keys too.
        let vouched = if store.is_embedded() { Vouched::always() } else { Vouched::by_looking() };
        let caches = Caches::new(&vouched);
        let follower = (!store.is_embedded()).then(|| {
            Follower::new(store.clone(), clock.clone(), caches.clone(), vouched)
                .start(signal.listen_to_changes())
        });
        let waiters = super::Waiters::start(signal.listen_to_ends());
        Ok(Self {
            reports: Group::start(store.clone(), settings.accept_queue),
            streams: super::Streams::new(store.clone()),
            settings,
            store,
            cipher,
            clock,
            role,
            queue,
            signal,
            model_ready,
            rates,
            llm,
            sender,
            outbound: tokio::sync::Notify::new(),
            webhooks: super::Webhooks::new(),
            registry,
            agents: caches.agents.clone(),
            tenants: caches.tenants.clone(),
            api_keys: caches.api_keys.clone(),
            subscriptions: caches.subscriptions.clone(),
            wrong_keys: super::WrongKeys::default(),
            searches: super::Searches::default(),
            exports: super::Exports::default(),
            waiters,
            bulk_jobs: super::BulkJobs::default(),
            caches,
            _follower: follower,
            tasks: TaskTracker::new(),
            draining: AtomicBool::new(false),
            _embedded_lock: lock,
        })
    }
}

/// Hints go over Redis if there is one, else over Postgres; the embedded database has one process.
fn signal(settings: &Settings) -> Result<Signal, SettingError> {
    let DatabaseUrl::Postgres(database) = &settings.database_url else { return Ok(Signal::local()) };
    let (name, signal) = match &settings.redis_url {
        Some(url) => ("REDIS_URL", Signal::redis(url.expose_secret())),
        None => ("DATABASE_URL", Signal::postgres(database.expose_secret())),
    };
    signal.map_err(|fault| SettingError { name, problem: fault.to_string() })
}

/// The channel for those who hear of models on Redis, if there is one. Whether it is used the platform's endpoint says.
fn model_ready(settings: &Settings) -> Result<Option<ModelReady>, SettingError> {
    let channel = settings.redis_url.as_ref().map(|url| ModelReady::new(url.expose_secret()));
    channel.transpose().map_err(|fault| SettingError { name: "REDIS_URL", problem: fault.to_string() })
}

/// Hooks are counted for all processes together if there is a Redis, else in each.
fn rates(settings: &Settings, clock: &Clock) -> Result<Rates, SettingError> {
    let Some(url) = &settings.redis_url else { return Ok(Rates::local(clock.clone())) };
    Rates::redis(clock.clone(), url.expose_secret())
        .map_err(|fault| SettingError { name: "REDIS_URL", problem: fault.to_string() })
}

/// A client of the MLflow server, if there is one. That it is away now keeps nobody from starting.
fn registry(settings: &Settings) -> Result<Option<Registry>, StartError> {
    let Some(mlflow) = &settings.outbound.mlflow else { return Ok(None) };
    let registry = Registry::new(&RegistrySettings {
        url: mlflow.url.clone(),
        token: mlflow.token.clone(),
        user: mlflow.user.clone(),
    });
    registry.map(Some).map_err(|error| StartError::Fault(error.to_string()))
}

/// The queue that the settings name. That Redis is away now keeps nobody from starting.
fn queue(settings: &Settings, role: Role) -> Result<Queue, SettingError> {
    match (&settings.redis_url, role) {
        (Some(url), _) => {
            Queue::redis(url).map_err(|fault| SettingError { name: "REDIS_URL", problem: fault.to_string() })
        }
        (None, Role::All) => Ok(Queue::memory()),
        (None, Role::Api | Role::Worker) => Ok(Queue::None),
    }
}

/// Makes the directories that the embedded database and the generated keys need.
fn create_directories(settings: &Settings) -> Result<(), StartError> {
    let DatabaseUrl::Sqlite(path) = &settings.database_url else { return Ok(()) };
    for directory in [Some(settings.data_dir.as_path()), path.parent()].into_iter().flatten() {
        if !directory.as_os_str().is_empty() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
            made.map_err(|error| unusable(directory, &error))?;
        }
    }
    // Payloads are in it. SQLite gives the files beside it the same mode.
    private(path).map(drop).map_err(|error| unusable(path, &error))
}

/// Opens a file, which is made if it is not there, for its owner alone.
fn private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Takes the embedded database for this process alone: a second server on the same file would run what the
/// first one is running.
fn lock_embedded(settings: &Settings) -> Result<Option<File>, StartError> {
    let DatabaseUrl::Sqlite(path) = &settings.database_url else { return Ok(None) };
    let lock_path = path.with_extension("lock");
    let lock = private(&lock_path).map_err(|error| unusable(&lock_path, &error))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Err(StartError::Fault(format!(
            "{} is in use by another agenthook process; stop it, choose another AGENTHOOK_DATA_DIR, or use Postgres",
            path.display()
        ))),
        Err(TryLockError::Error(error)) => Err(unusable(&lock_path, &error)),
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> StartError {
    let problem = format!("{} cannot be used: {error}", path.display());
    SettingError { name: "AGENTHOOK_DATA_DIR", problem }.into()
}

/// Brings the database up to date, and does nothing else.
///
/// # Errors
/// The database cannot be opened or migrated.
pub async fn migrate(settings: &Settings) -> Result<(), StartError> {
    // Not the lock: a server of this very version may be running on the file, and then there is nothing to do.
    create_directories(settings)?;
    let store = open_store(settings).await?;
    migrate_if_wanted(settings, &store).await?;
    store.close().await;
    Ok(())
}

async fn open_store(settings: &Settings) -> Result<Store, StartError> {
    let kind = &settings.database_url;
    let url = kind.to_url();
    Store::open(url.expose_secret(), settings.database_connections)
        .await
        .map_err(|error| StartError::Fault(format!("DATABASE_URL: {kind:?} cannot be opened: {error}")))
}

async fn migrate_if_wanted(settings: &Settings, store: &Store) -> Result<(), StartError> {
    if settings.migrate {
        store.migrate().await.map_err(|error| {
            StartError::Fault(format!("the database cannot be brought up to date: {error}"))
        })?;
    }
    Ok(())
}

/// Without any key for an administrator tables would be made for nobody. On SQLite one is generated.
async fn refuse_if_nobody_could_get_in(settings: &Settings, store: &Store) -> Result<(), SettingError> {
    if settings.admin_key.is_some() || store.is_embedded() {
        return Ok(());
    }
    match store.schema_gap().await {
        // Nothing was ever made here.
        Err(crate::store::Error::Fault(_)) if settings.migrate => Err(admin_key_required()),
        // Whether there is a key is looked up when the tables are as they should be.
        _ => Ok(()),
    }
}

fn admin_key_required() -> SettingError {
    SettingError {
        name: "AGENTHOOK_ADMIN_KEY",
        problem: "is required for the first start on Postgres: `ahk_` and at least 28 more characters".into(),
    }
}

/// What a database says that was never brought up to date.
fn no_tables(error: crate::store::Error) -> StartError {
    StartError::Fault(format!("the database has not our tables (run `agenthook migrate`?): {error}"))
}

/// Makes sure that somebody can get in.
async fn first_admin(settings: &Settings, store: &Store, clock: &Clock) -> Result<(), StartError> {
    if let Some(key) = &settings.admin_key {
        let hash = key_hash(key.expose_secret().as_bytes());
        let (admin, entry) = admin("AGENTHOOK_ADMIN_KEY", key, clock);
        return store.add_api_key(&hash, &admin, &entry).await.map_err(no_tables);
    }
    if store.has_any_api_key().await.map_err(no_tables)? {
        return Ok(());
    }
    if !store.is_embedded() {
        return Err(admin_key_required().into());
    }
    let key = config::generate_api_key();
    let hash = key_hash(key.expose_secret().as_bytes());
    let (admin, entry) = admin("generated at the first start", &key, clock);
    store.add_api_key(&hash, &admin, &entry).await.map_err(no_tables)?;
    // On standard output, not in the log: logs are kept, this is shown once.
    println!("Admin API key (shown once, keep it): {}", key.expose_secret());
    Ok(())
}

/// An admin key that the server makes itself, and the note of it.
fn admin(name: &str, key: &SecretString, clock: &Clock) -> (ApiKey, AuditEntry) {
    let (key_id, created_at) = (ApiKeyId::new(), clock.now());
    let hint = Some(config::api_key_hint(key));
    let entry = AuditEntry::new(Actor::server(), AuditAction::ApiKeyCreated, key_id, created_at);
    let key = ApiKey { key_id, role: KeyRole::Admin, tenant_id: None, name: name.into(), hint, created_at };
    (key, entry.with("name", name))
}
