//! Lists: newest first (or by name), a page at a time, by a cursor that stays right while rows come in.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::ApiError;

/// Items on a page when nobody says how many.
pub const DEFAULT_LIMIT: i64 = 50;
/// Items on a page at most.
pub const MAX_LIMIT: i64 = 200;

/// How many items a page shall have.
///
/// # Errors
/// 422 for a limit out of bounds.
pub fn limit(asked: Option<i64>) -> Result<i64, ApiError> {
    limit_within(MAX_LIMIT, asked.unwrap_or(DEFAULT_LIMIT))
}

/// The same for a list of large items, with a maximum of its own.
///
/// # Errors
/// 422 for a limit out of bounds.
pub fn limit_within(max: i64, asked: i64) -> Result<i64, ApiError> {
    if (1..=max).contains(&asked) {
        Ok(asked)
    } else {
        Err(ApiError::field("limit", format!("must be between 1 and {max}")))
    }
}

/// `{"<name>": […], "next_cursor": …}`.
#[derive(Debug)]
pub struct Page<V> {
    name: &'static str,
    items: Vec<V>,
    next_cursor: Option<String>,
}

impl<V> Page<V> {
    /// A page without items.
    #[must_use]
    pub fn empty(name: &'static str) -> Self {
        Self { name, items: Vec::new(), next_cursor: None }
    }

    /// Makes a page out of up to `limit + 1` items: the surplus one only proves that there are more. The
    /// cursor is the id of the last item shown.
    pub fn of<T>(
        name: &'static str,
        mut items: Vec<T>,
        limit: i64,
        id: impl Fn(&T) -> String,
        view: impl Fn(T) -> V,
    ) -> Self {
        let limit = usize::try_from(limit).unwrap_or(0);
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items.last().filter(|_| more).map(id);
        Self { name, items: items.into_iter().map(view).collect(), next_cursor }
    }
}

impl<V> Page<V> {
    /// What is on it, and `cursor` of the next page.
    #[must_use]
    pub fn into_parts(self) -> (Vec<V>, Option<String>) {
        (self.items, self.next_cursor)
    }
}

impl<V: Serialize> Serialize for Page<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut page = serializer.serialize_map(Some(2))?;
        page.serialize_entry(self.name, &self.items)?;
        page.serialize_entry("next_cursor", &self.next_cursor)?;
        page.end()
    }
}
