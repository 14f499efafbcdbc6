//! `agenthook rekey`: every stored secret under the first encryption key.

use std::time::{Duration, Instant};

use secrecy::ExposeSecret;

use super::failure::Failure;
use super::output::print;
use crate::app::{Closed, ClosedReason, Rekeyed, Standing, StartError, count_sealed, rekey};
use crate::cipher::Cipher;
use crate::config::{self, DatabaseUrl, SettingError, Settings, SettingsArgs};
use crate::store::{SchemaGap, Store};
use crate::telemetry;

/// Between two words on how far it is.
const EVERY: Duration = Duration::from_secs(2);
/// Rows that are named to people; `--json` names all.
const NAMED: usize = 100;
/// Connections: one row after the other.
const CONNECTIONS: u32 = 2;

/// Re-encrypt all stored secrets under the first key of AGENTHOOK_ENCRYPTION_KEYS
///
/// Webhook secrets and tenants' LLM keys stay what they are; only the key that protects them in the database changes.
/// Servers may run and take webhooks meanwhile, on SQLite too. It may be interrupted and run again: what is done stays
/// done. A secret that opens with none of the keys is named and stays as it is, the others are re-encrypted, and the
/// command ends with 1.
#[derive(clap::Args)]
#[command(after_help = "\
How to replace an encryption key:
  1. Make a new one:       openssl rand -base64 32 | tr '+/' '-_'
  2. Put it before the old one, AGENTHOOK_ENCRYPTION_KEYS=NEW,OLD, and restart every process. A process that
     does not know NEW yet cannot open what the next step writes.
  3. With the same value:  agenthook rekey
  4. Remove the old one, AGENTHOOK_ENCRYPTION_KEYS=NEW, and restart every process. Before that,
     `agenthook doctor` says whether anything still needs it. Keep OLD for as long as backups that need it.

The key that the embedded default has made is in encryption.key in the data directory. The file may hold
several keys, a line each, the first one encrypts: write the new one above the old one in step 2, and delete
the old one's line in step 4.

Examples:
  agenthook rekey --dry-run
  agenthook rekey --json | jq .rewritten")]
pub(super) struct Rekey {
    /// Count what would be re-encrypted, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Print the outcome as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    settings: SettingsArgs,
}

impl Rekey {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Self { dry_run, json, settings } = self;
        let settings = settings.resolve().map_err(StartError::from)?;
        telemetry::start(&settings);
        let cipher = ring(&settings).map_err(StartError::from)?;
        let store = open(&settings).await?;
        let done = if dry_run {
            Standing::of(&store, &cipher).await.map(|standing| Rekeyed { rewritten: 0, standing })
        } else {
            let mut progress = Progress { all: count(&store).await?, told: Instant::now() };
            rekey(&store, &cipher, |looked, rewritten| progress.tell(looked, rewritten)).await
        };
        store.close().await;
        let done = done.map_err(|error| {
            Failure::Fault(format!("{error}; what was re-encrypted stays so: run `agenthook rekey` again"))
        })?;
        tell(&done, dry_run, json)
    }
}

fn tell(done: &Rekeyed, dry_run: bool, json: bool) -> Result<(), Failure> {
    let Rekeyed { rewritten, standing } = done;
    let Standing { first, older, closed } = standing;
    if json {
        print(
            serde_json::json!({
                "dry_run": dry_run,
                "rewritten": rewritten,
                "under_first_key": first,
                "under_older_keys": older,
                "under_no_key": closed.len(),
                "closed": closed,
            })
            .to_string(),
        )?;
    } else {
        closed.iter().take(NAMED).for_each(|row| anstream::eprintln!("{}", name(row)));
        if closed.len() > NAMED {
            anstream::eprintln!("and {} more: --json names them all", closed.len() - NAMED);
        }
        print(match dry_run {
            true => format!("{first} stored secrets are under the first key, {older} would be re-encrypted"),
            false => format!("{rewritten} stored secrets were re-encrypted, {first} are under the first key"),
        })?;
    }
    if !closed.is_empty() {
        return Err(Failure::Fault(format!(
            "{} stored secrets cannot be opened and stay as they are: add the key that they were stored under to \
                 AGENTHOOK_ENCRYPTION_KEYS, or set them anew",
            closed.len()
        )));
    }
    if *older > 0 && !dry_run {
        return Err(Failure::Fault(format!(
            "{older} secrets were stored under an older key meanwhile: restart every process with the new key in \
                 front, and run `agenthook rekey` again"
        )));
    }
    Ok(())
}

/// The name of what cannot be opened, and why.
fn name(row: &Closed) -> String {
    let why = match row.reason {
        ClosedReason::NoKey => "opens with none of the keys, or is damaged",
        ClosedReason::WrongOwner => "belongs to another row: the database was changed from outside",
    };
    format!("{} {} {why}", row.kind, row.id)
}

/// The keys that there are: one that was made here would open nothing.
fn ring(settings: &Settings) -> Result<Cipher, SettingError> {
    const NAME: &str = "AGENTHOOK_ENCRYPTION_KEYS";
    let keys = config::present_encryption_keys(settings)?.ok_or_else(|| SettingError {
        name: NAME,
        problem: format!("is not set, and there is no {}", config::encryption_key_file(settings).display()),
    })?;
    Cipher::new(&keys).map_err(|fault| SettingError { name: NAME, problem: fault.to_string() })
}

/// The database, if it has the tables of this version. Not the lock of a SQLite file: its server may be running.
async fn open(settings: &Settings) -> Result<Store, Failure> {
    let kind = &settings.database_url;
    if let DatabaseUrl::Sqlite(path) = kind
        && !path.exists()
    {
        // Opening it would make it.
        return Err(Failure::Fault(format!("DATABASE_URL: there is no {kind:?}")));
    }
    let store = Store::open(kind.to_url().expose_secret(), CONNECTIONS)
        .await
        .map_err(|error| Failure::Fault(format!("DATABASE_URL: {kind:?} cannot be opened: {error}")))?;
    match store.schema_gap().await {
        Ok(SchemaGap { missing: 0, unknown: 0 }) => Ok(store),
        Ok(SchemaGap { unknown: 1.., .. }) => {
            Err(Failure::Fault(format!("{kind:?} belongs to a newer agenthook: run that version")))
        }
        Ok(_) => Err(Failure::Fault(format!("{kind:?} is not up to date: run `agenthook migrate`"))),
        Err(error) => Err(Failure::Fault(format!("{kind:?} has not our tables: {error}"))),
    }
}

async fn count(store: &Store) -> Result<u64, Failure> {
    count_sealed(store).await.map_err(|error| Failure::Fault(error.to_string()))
}

/// Says from time to time how far it is, on standard error.
struct Progress {
    all: u64,
    told: Instant,
}

impl Progress {
    fn tell(&mut self, looked: u64, rewritten: u64) {
        if self.told.elapsed() >= EVERY {
            self.told = Instant::now();
            anstream::eprintln!(
                "looked at {looked} of {} stored secrets, re-encrypted {rewritten}",
                self.all
            );
        }
    }
}
