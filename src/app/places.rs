//! Places that keys share: so many in all, and so many for one of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::ApiKeyId;

/// How many each key holds; keys that hold none are not in it.
type Held = Mutex<HashMap<ApiKeyId, usize>>;

/// All of them.
pub(super) struct Places {
    free: Arc<Semaphore>,
    of_one: usize,
    held: Arc<Held>,
}

/// One of them, for as long as this lives.
pub struct Placed {
    key_id: ApiKeyId,
    held: Arc<Held>,
    _permit: OwnedSemaphorePermit,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// All are taken.
    All,
    /// The key has as many as one may.
    Key,
}

impl Places {
    /// So many in all, and of them so many for one key.
    pub fn new(all: usize, of_one: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(all)), of_one, held: Arc::default() }
    }

    /// One for this key.
    pub fn take(&self, key_id: ApiKeyId) -> Result<Placed, Full> {
        let mut held = lock(&self.held);
        if held.get(&key_id).is_some_and(|count| *count >= self.of_one) {
            return Err(Full::Key);
        }
        let permit = self.free.clone().try_acquire_owned().map_err(|_| Full::All)?;
        *held.entry(key_id).or_default() += 1;
        Ok(Placed { key_id, held: self.held.clone(), _permit: permit })
    }

    pub fn free(&self) -> usize {
        self.free.available_permits()
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        let mut held = lock(&self.held);
        if let Some(count) = held.get_mut(&self.key_id) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.key_id);
            }
        }
    }
}

fn lock(held: &Held) -> MutexGuard<'_, HashMap<ApiKeyId, usize>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_takes_its_share_and_leaves_the_rest() {
        let (places, one, other) = (Places::new(3, 2), ApiKeyId::new(), ApiKeyId::new());
        let first = places.take(one).expect("a place");
        let _second = places.take(one).expect("a place");
        assert_eq!(places.take(one).err(), Some(Full::Key));
        let third = places.take(other).expect("a place");
        assert_eq!((places.take(other).err(), places.free()), (Some(Full::All), 0));
        drop((first, third));
        assert_eq!((lock(&places.held).len(), places.free()), (1, 2), "who holds none is forgotten");
        assert!(places.take(one).is_ok());
    }
}
