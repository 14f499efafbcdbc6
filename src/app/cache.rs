//! A cache whose entries count only while somebody vouches for them.
//!
//! Where this process makes all changes, [`Cached::forget`] alone ends an entry. Where others change things too,
//! the follower ([`super::follow`]) reads their journal twice a second, forgets what changed and then vouches
//! for the rest. If it cannot, entries count for a second after they were read, and are read again: never an
//! older truth than that, and never more reading than without a journal.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moka::future::Cache;

/// Entries of a cache, at most.
const CAPACITY: u64 = 10_000;
/// A change that another process has made holds here after this at the latest.
const FRESH: Duration = Duration::from_secs(1);
/// The end of every entry: for what no journal tells, such as a row that was changed by hand.
const LONGEST: Duration = Duration::from_secs(600);

/// Since when the journal is known to hold nothing new; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Vouched(Option<Arc<Look>>);

#[derive(Debug)]
struct Look {
    epoch: Instant,
    /// When the last good look at the journal began, in ms after `epoch`; 0 is never.
    began: AtomicU64,
}

impl Vouched {
    /// Always: all changes are made here.
    pub fn always() -> Self {
        Self(None)
    }

    /// As long as somebody looks at the journal.
    pub fn by_looking() -> Self {
        Self(Some(Arc::new(Look { epoch: Instant::now(), began: AtomicU64::new(0) })))
    }

    /// All that had changed before this moment is forgotten.
    pub fn since(&self, began: Instant) {
        if let Some(look) = &self.0 {
            let after = began.saturating_duration_since(look.epoch).as_millis();
            look.began.fetch_max(u64::try_from(after).unwrap_or(0), Ordering::SeqCst);
        }
    }

    /// Whether what was read at this moment still counts.
    fn covers(&self, read: Instant) -> bool {
        let Some(look) = &self.0 else { return true };
        let looked = look.epoch + Duration::from_millis(look.began.load(Ordering::SeqCst));
        read.max(looked).elapsed() < FRESH
    }
}

/// Things that were read from the database, by their ids.
pub(super) struct Cached<K, V> {
    entries: Cache<K, (Instant, V)>,
    /// Counts changes: what was read before one must not be kept after it.
    changes: AtomicU64,
    vouched: Vouched,
}

impl<K, V> Cached<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Empty.
    pub fn new(vouched: Vouched) -> Self {
        let mut entries = Cache::builder().max_capacity(CAPACITY);
        if vouched.0.is_some() {
            entries = entries.time_to_live(LONGEST);
        }
        Self { entries: entries.build(), changes: AtomicU64::new(0), vouched }
    }

    /// What is there under this id, else what `load` finds; nothing is not kept.
    pub async fn get_or<E>(
        &self,
        id: &K,
        load: impl Future<Output = Result<Option<V>, E>>,
    ) -> Result<Option<V>, E> {
        if let Some((read, value)) = self.entries.get(id).await
            && self.vouched.covers(read)
        {
            return Ok(Some(value));
        }
        let (before, read) = (self.changes.load(Ordering::SeqCst), Instant::now());
        let Some(value) = load.await? else {
            self.entries.invalidate(id).await;
            return Ok(None);
        };
        self.entries.insert(id.clone(), (read, value.clone())).await;
        if self.changes.load(Ordering::SeqCst) != before {
            self.entries.invalidate(id).await;
        }
        Ok(Some(value))
    }

    /// Forgets one. Call it after the commit.
    pub async fn forget(&self, id: &K) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.entries.invalidate(id).await;
    }

    /// Forgets all.
    pub fn forget_all(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.entries.invalidate_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Loaded = Result<Option<u8>, ()>;

    #[tokio::test]
    async fn what_was_read_before_a_change_is_not_kept_after_it() {
        let cache = Cached::new(Vouched::always());
        let overtaken = async {
            cache.forget(&1).await;
            Loaded::Ok(Some(7))
        };
        assert_eq!(cache.get_or(&1, overtaken).await, Ok(Some(7)));
        assert_eq!(cache.get_or(&1, async { Loaded::Ok(Some(8)) }).await, Ok(Some(8)));
        assert_eq!(cache.get_or(&1, async { Loaded::Ok(Some(9)) }).await, Ok(Some(8)), "it is kept");
        cache.forget_all();
        assert_eq!(cache.get_or(&1, async { Loaded::Ok(None) }).await, Ok(None));
        assert_eq!(cache.get_or(&1, async { Loaded::Ok(Some(5)) }).await, Ok(Some(5)), "nothing is not kept");
    }

    #[test]
    fn entries_count_while_somebody_looks_and_a_second_without() {
        let Some(long_ago) = Instant::now().checked_sub(FRESH * 3) else { return };
        assert!(Vouched::always().covers(long_ago));
        let look = Look { epoch: long_ago, began: AtomicU64::new(0) };
        let vouched = Vouched(Some(Arc::new(look)));
        assert!(vouched.covers(Instant::now()) && !vouched.covers(long_ago));
        vouched.since(Instant::now());
        assert!(vouched.covers(long_ago), "the journal says that it has not changed");
        vouched.since(long_ago);
        assert!(vouched.covers(long_ago), "an older look takes nothing back");
    }
}
