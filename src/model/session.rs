//! A browser that is signed in to the dashboard.

use chrono::TimeDelta;

use super::{ApiKey, Time};

/// A session: it stands for the API key that it was begun with, and ends with it.
#[derive(Clone, Debug)]
pub struct Session {
    /// Whose it is, as the key is now.
    pub key: ApiKey,
    /// When it was last used, as it is noted.
    pub seen_at: Time,
}

impl Session {
    /// Not used for so long, it has ended.
    pub const IDLE: TimeDelta = TimeDelta::hours(12);
    /// After so long it has ended, however much it is used.
    pub const LONGEST: TimeDelta = TimeDelta::days(7);
    /// How exactly its use is noted: a page is not a write.
    pub const NOTED: TimeDelta = TimeDelta::minutes(1);
}
