//! Lists: newest first (or by name), a page at a time, by a cursor that stays right while rows come in.

use serde::Serialize;
use serde_json::{Map, Value};

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
    let limit = asked.unwrap_or(DEFAULT_LIMIT);
    if (1..=MAX_LIMIT).contains(&limit) {
        Ok(limit)
    } else {
        Err(ApiError::field("limit", format!("must be between 1 and {MAX_LIMIT}")))
    }
}

/// `{"<name>": […], "next_cursor": …}`.
#[derive(Debug)]
pub struct Page;

impl Page {
    /// Makes a page out of up to `limit + 1` items: the surplus one only proves that there are more. The
    /// cursor is the id of the last item shown.
    pub fn of<T, V: Serialize>(
        name: &str,
        mut items: Vec<T>,
        limit: i64,
        id: impl Fn(&T) -> String,
        view: impl Fn(T) -> V,
    ) -> Value {
        let limit = usize::try_from(limit).unwrap_or(0);
        let more = items.len() > limit;
        items.truncate(limit);
        let cursor = items.last().filter(|_| more).map(id);
        let views: Vec<Value> =
            items.into_iter().filter_map(|item| serde_json::to_value(view(item)).ok()).collect();
        let mut page = Map::new();
        page.insert(name.to_owned(), views.into());
        page.insert("next_cursor".to_owned(), cursor.into());
        page.into()
    }
}
