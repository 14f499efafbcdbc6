//! Exports under way: a few at a time.

use super::places::{Full, Placed, Places};
use crate::model::ApiKeyId;

/// Exports at once, in one process.
pub const EXPORTS: usize = 2;
/// Of them, those of one key.
pub const EXPORTS_OF_KEY: usize = 1;

/// Lets a few export at a time: each reads from the database as fast as its client takes it.
pub struct Exports(Places);

impl Default for Exports {
    fn default() -> Self {
        Self(Places::new(EXPORTS, EXPORTS_OF_KEY))
    }
}

impl Exports {
    /// A turn, for as long as it is held.
    ///
    /// # Errors
    /// Why there is none.
    pub fn turn(&self, key_id: ApiKeyId) -> Result<Placed, Full> {
        self.0.take(key_id)
    }
}
