//! The ledger: every row, and the only module that knows SQL.
//!
//! One file per aggregate. Each has its statements at the top, its row structs, and the functions that the
//! rest of the program calls with model types. The row is the truth: queue, caches and signals may be lost
//! at any moment and lose nothing.

mod accept;
mod agents;
mod api_keys;
mod audit;
mod changes;
mod conditions;
mod db;
mod deliveries;
mod error;
mod event_forget;
mod event_list;
mod event_publish;
mod events;
mod execution_events;
mod execution_list;
mod execution_search;
mod executions;
mod export;
mod forget;
mod group;
mod hits;
mod ledger;
mod news;
mod relay;
mod revocation;
mod rotation;
mod row;
mod sealed;
mod secrets;
mod sessions;
mod stats;
mod tenants;
mod unsigned;
mod webhooks;

pub use accept::Accepted;
pub use api_keys::KeyDeletion;
pub use audit::AuditFilter;
pub use changes::JournalRow;
pub use deliveries::{
    Again, Attempted, CLAIMS_LOST, ClaimedDelivery, Deliverable, DeliveryEnd, DeliveryFilter,
    DeliveryOutcome, NewDelivery, OutcomeWritten, Recovery, Room, Undispatched,
};
pub use error::{Error, Result};
pub use event_list::{DeliveryOfEvent, EventFilter};
pub use event_publish::{Published, Report};
pub use execution_list::ExecutionFilter;
pub use execution_search::Found;
pub use export::{Export, Exported};
pub use forget::Forgotten;
pub use group::{Entry, Full, Group};
pub use hits::HitFilter;
pub use ledger::{
    AttemptEnd, AttemptStart, Begin, Cancellation, Claim, Claimed, End, Finish, Hold, LOCK_POSTGRES, Lease,
    Loss, Lost, Release, Retry, SUSPECT, Spent,
};
pub use news::{Newest, News};
pub use revocation::Revoked;
pub use rotation::{Rotated, Rotation};
pub use sealed::{Resealed, Sealed, SealedId};
pub use secrets::SecretChange;
pub use stats::{Backlog, COUNTED, Counted};
pub use webhooks::{NewSigningSecret, NewWebhook};

use db::{Db, on_read, on_write};

/// A handle on the database; cheap to clone.
#[derive(Clone)]
pub struct Store {
    db: Db,
}

/// How far a database is from this program's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaGap {
    /// Migrations still to be applied.
    pub missing: usize,
    /// Migrations of a newer program.
    pub unknown: usize,
}

impl Store {
    /// Opens `sqlite://PATH` (made if missing) or `postgres://…`; does not migrate.
    ///
    /// # Errors
    /// The database cannot be reached, or the URL is none of the two.
    pub async fn open(url: &str, max_connections: u32) -> Result<Self> {
        Ok(Self { db: Db::open(url, max_connections).await? })
    }

    /// Brings the schema up to date.
    ///
    /// # Errors
    /// A migration fails, or the database was migrated by a newer version of this program.
    pub async fn migrate(&self) -> std::result::Result<(), sqlx::migrate::MigrateError> {
        self.db.migrate().await
    }

    /// Migrations that the database lacks, and those that it has and this program does not know. Changes
    /// nothing.
    ///
    /// # Errors
    /// The database does not answer, or nothing was ever migrated in it.
    pub async fn schema_gap(&self) -> Result<SchemaGap> {
        const APPLIED: &str = "SELECT version FROM _sqlx_migrations WHERE success";
        let applied: Vec<i64> = on_read!(self, |conn| sqlx::query_scalar(APPLIED).fetch_all(conn).await)?;
        let known: Vec<i64> = self.db.migrator().iter().map(|migration| migration.version).collect();
        let without = |all: &[i64], these: &[i64]| all.iter().filter(|one| !these.contains(one)).count();
        Ok(SchemaGap { missing: without(&known, &applied), unknown: without(&applied, &known) })
    }

    /// Whether the database answers, has our tables and takes writes.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<()> {
        // Changes nothing, and yet a standby or a read-only file refuses it.
        const PING: &str = "UPDATE api_keys SET name = name WHERE key_hash IS NULL";
        on_write!(self, |conn| sqlx::query(PING).execute(conn).await.map(|_| ()))?;
        Ok(())
    }

    /// Whether this is the embedded database, which belongs to one process at a time.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        matches!(self.db, Db::Sqlite { .. })
    }

    /// Lets every statement of the program be parsed and planned by the database: what replaces
    /// compile-time checking where one text serves two databases.
    ///
    /// # Errors
    /// The statements that the database refuses, each with its reason.
    pub async fn prepare_all(&self) -> std::result::Result<usize, Vec<String>> {
        use sqlx::Executor;
        let common = [
            agents::STATEMENTS,
            api_keys::STATEMENTS,
            audit::STATEMENTS,
            changes::STATEMENTS,
            events::STATEMENTS,
            event_forget::STATEMENTS,
            event_list::STATEMENTS,
            event_publish::STATEMENTS,
            webhooks::STATEMENTS,
            webhooks::CHANGES,
            webhooks::SUBSCRIPTIONS,
            executions::STATEMENTS,
            execution_events::STATEMENTS,
            forget::STATEMENTS,
            news::STATEMENTS,
            revocation::STATEMENTS,
            rotation::STATEMENTS,
            sealed::STATEMENTS,
            secrets::STATEMENTS,
            sessions::STATEMENTS,
            tenants::STATEMENTS,
            accept::STATEMENTS,
            unsigned::STATEMENTS,
            hits::STATEMENTS,
            hits::READING,
        ];
        let own: &[&str] = match &self.db {
            Db::Sqlite { .. } => &[],
            Db::Postgres { .. } => &[
                accept::INSERT_POSTGRES,
                accept::CALL_BACK_POSTGRES,
                agents::NAMES_POSTGRES,
                api_keys::LOCK_POSTGRES,
                events::INSERT_POSTGRES,
                event_publish::INSERT_POSTGRES,
                deliveries::CLAIM_POSTGRES,
                deliveries::EVENTS_POSTGRES,
                deliveries::WAITING_POSTGRES,
                deliveries::TAKE_POSTGRES,
                deliveries::INSERT_POSTGRES,
                deliveries::CALLBACKS_POSTGRES,
                deliveries::END_POSTGRES,
                deliveries::ATTEMPT_POSTGRES,
                deliveries::OF_DELETED_POSTGRES,
                deliveries::OF_DISABLED_POSTGRES,
                event_forget::FORGET_DELIVERIES_POSTGRES,
                event_forget::FORGET_EVENTS_POSTGRES,
                ledger::BEGIN_POSTGRES,
                ledger::CLAIM_POSTGRES,
                ledger::CLAIM_DUE_POSTGRES,
                ledger::LOCK_POSTGRES,
                ledger::CLOSE_POSTGRES,
                ledger::END_POSTGRES,
                news::THESE_POSTGRES,
                stats::ADD_POSTGRES,
                stats::SET_POSTGRES,
            ],
        };
        let sqlite: Vec<&str> = match &self.db {
            Db::Sqlite { .. } => accept::INSERT_SQLITE.iter().map(|(_, text)| text.as_str()).collect(),
            Db::Postgres { .. } => Vec::new(),
        };
        let lists = execution_list::every_text(&self.db).into_iter();
        let lists = lists.chain(audit::every_text(&self.db)).chain(agents::every_text());
        let lists = lists.chain(hits::every_text()).chain(webhooks::every_text());
        let lists = lists.chain(deliveries::every_text()).chain(event_list::every_text());
        let lists: Vec<_> = lists.collect();
        let all = common
            .iter()
            .chain(ledger::STATEMENTS)
            .chain(deliveries::STATEMENTS)
            .chain(stats::STATEMENTS)
            .copied()
            .flatten()
            .chain(own)
            .copied();
        let all = all.chain(sqlite).chain(lists.iter().map(String::as_str));
        let (mut count, mut refused) = (0, Vec::new());
        for sql in all {
            count += 1;
            if let Err(error) = on_write!(self, |conn| conn
                .prepare(sqlx::SqlSafeStr::into_sql_str(sqlx::AssertSqlSafe(sql)))
                .await
                .map(|_| ()))
            {
                refused.push(format!("{sql}: {error}"));
            }
        }
        if refused.is_empty() { Ok(count) } else { Err(refused) }
    }

    /// Waits for the connections to end.
    pub async fn close(&self) {
        self.db.close().await;
    }
}
