//! How stored secrets stand to the encryption keys: looked at, and re-encrypted under the first key.

use std::time::Duration;

use serde::Serialize;

use crate::cipher::{Cipher, CipherError};
use crate::model::SealedKind;
use crate::store::{self, Resealed, SealedId, Store};

/// Rows that are read, and at most rewritten, at a time.
const BATCH: i64 = 100;
/// Between two batches that were rewritten: on SQLite the server waits for its turn to write.
const PAUSE: Duration = Duration::from_millis(10);
/// How often all rows are looked at, at most. One look that finds nothing to do ends it: another one is for what was
/// stored meanwhile.
const LOOKS: usize = 5;
/// How often a batch is tried while the database is away or busy, and how long is waited between.
const TRIES: usize = 10;
const AGAIN: Duration = Duration::from_millis(500);
/// Rows of each kind that are tried at the start.
const SAMPLE: i64 = 20;

/// How stored secrets stand to the keys of a ring.
#[derive(Debug, Default)]
pub struct Standing {
    /// Rows that the first key opens.
    pub first: u64,
    /// Rows that an older key opens.
    pub older: u64,
    /// Rows that none opens, but for retired secrets.
    pub closed: Vec<Closed>,
}

/// A stored secret that cannot be opened, by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Closed {
    /// Which column.
    pub kind: SealedKind,
    /// Which row: a secret's id, or a tenant's.
    pub id: SealedId,
    /// Why not.
    pub reason: ClosedReason,
}

/// Why a stored secret cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosedReason {
    /// It was stored under a key that is not in the ring, or is damaged.
    NoKey,
    /// It was stored for another row.
    WrongOwner,
}

/// What became of a re-encryption.
#[derive(Debug, Default)]
pub struct Rekeyed {
    /// Rows that were rewritten.
    pub rewritten: u64,
    /// How all rows stood at the last look, and what was rewritten then. `older` are those that somebody stored anew
    /// under an older key, again and again.
    pub standing: Standing,
}

impl Standing {
    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.first + self.older + self.closed.len() as u64
    }

    /// Looks at every stored secret, and changes nothing.
    ///
    /// # Errors
    /// The database's.
    pub async fn of(store: &Store, cipher: &Cipher) -> store::Result<Self> {
        Ok(look(store, cipher, None).await?.standing)
    }
}

/// How many stored secrets there are.
///
/// # Errors
/// The database's.
pub async fn count_sealed(store: &Store) -> store::Result<u64> {
    let mut count = 0;
    for kind in SealedKind::ALL {
        count += store.count_sealed(kind).await?;
    }
    Ok(count)
}

/// Re-encrypts every stored secret under the first key of the ring. Servers may run and change secrets meanwhile: a row
/// is rewritten only if it still is what was read. What cannot be opened stays as it is. `progress` hears, after each
/// batch, how many rows were looked at and how many rewritten; from a second look on it begins anew.
///
/// # Errors
/// The database is away for longer than some tries. What was rewritten stays so; the next time goes on from there.
pub async fn rekey(
    store: &Store,
    cipher: &Cipher,
    mut progress: impl FnMut(u64, u64) + Send,
) -> store::Result<Rekeyed> {
    let mut done = Rekeyed::default();
    for _ in 0..LOOKS {
        let before = done.rewritten;
        let mut tell = |looked, rewritten| progress(looked, before + rewritten);
        let look = look(store, cipher, Some(&mut tell)).await?;
        done.rewritten += look.rewritten;
        done.standing = look.standing;
        if done.standing.older == 0 {
            break;
        }
    }
    Ok(done)
}

/// Looks at a sample of what is stored, and says loudly if it cannot be opened. A server starts all the same: agents
/// whose secrets do open go on, and the others' webhooks get 503.
pub(super) async fn warn_of_closed(store: &Store, cipher: &Cipher) {
    let mut tried = 0;
    let mut closed = 0;
    for kind in SealedKind::ALL {
        let rows = match store.newest_sealed(kind, SAMPLE).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(%error, "whether the encryption keys open what is stored could not be looked at");
                return;
            }
        };
        tried += rows.len();
        closed += rows.iter().filter(|row| cipher.place(&kind.owner(&row.id), &row.token).is_err()).count();
    }
    if closed > 0 {
        tracing::error!(
            closed,
            tried,
            "AGENTHOOK_ENCRYPTION_KEYS: {closed} of the {tried} newest stored secrets open with none of these keys: \
             their webhooks get 503, and runs that need such an LLM key end with no_key. Add the key that they were \
             stored under and restart; `agenthook doctor` counts them all"
        );
    }
}

/// Tells how many rows were looked at, and how many rewritten.
type Tell<'a> = &'a mut (dyn FnMut(u64, u64) + Send);

/// What one look at all rows has found and done.
#[derive(Default)]
struct Look {
    standing: Standing,
    rewritten: u64,
}

/// Goes through all rows, and rewrites those that are not under the first key if somebody wants to hear of it.
async fn look(store: &Store, cipher: &Cipher, mut rekey: Option<Tell<'_>>) -> store::Result<Look> {
    let mut look = Look::default();
    for kind in SealedKind::ALL {
        let mut after: Option<SealedId> = None;
        loop {
            let rows = patiently(|| store.sealed_after(kind, after.as_ref(), BATCH)).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.id.clone());
            let mut older = Vec::new();
            for row in rows {
                let owner = kind.owner(&row.id);
                match cipher.place(&owner, &row.token) {
                    Ok(0) => look.standing.first += 1,
                    Ok(_) => older.push((owner, row)),
                    // It verifies nothing any more, and ends by itself.
                    Err(_) if !row.in_use => {}
                    Err(error) => {
                        look.standing.closed.push(Closed { kind, id: row.id, reason: error.into() })
                    }
                }
            }
            look.standing.older += older.len() as u64;
            let Some(tell) = rekey.as_mut() else { continue };
            let resealed = older.into_iter().filter_map(|(owner, row)| {
                let token = cipher.reseal(&owner, &row.token).ok().flatten()?;
                Some(Resealed { row, token })
            });
            let resealed: Vec<_> = resealed.collect();
            if !resealed.is_empty() {
                look.rewritten += patiently(|| store.reseal(kind, &resealed)).await?;
                tokio::time::sleep(PAUSE).await;
            }
            tell(look.standing.rows(), look.rewritten);
        }
    }
    Ok(look)
}

/// Asks again while the database is away, but not for ever.
async fn patiently<T, F: Future<Output = store::Result<T>>>(ask: impl Fn() -> F) -> store::Result<T> {
    for _ in 1..TRIES {
        match ask().await {
            Err(store::Error::Unavailable(_)) => tokio::time::sleep(AGAIN).await,
            answer => return answer,
        }
    }
    ask().await
}

impl From<CipherError> for ClosedReason {
    fn from(error: CipherError) -> Self {
        match error {
            CipherError::Unopenable => Self::NoKey,
            CipherError::WrongOwner => Self::WrongOwner,
        }
    }
}
