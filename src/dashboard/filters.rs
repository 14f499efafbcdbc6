//! A list's query string as a browser's form makes it.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use super::done::Done;
use crate::web::{ApiError, from_fields};

/// Its fields. What was left empty is not asked for, and times are in UTC.
pub struct Filters {
    fields: Vec<(String, String)>,
    /// What a button has just done here.
    pub(super) done: Option<Done>,
}

impl FromRequest for Filters {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request.query_string())))
    }
}

impl Filters {
    fn of(query: &str) -> Self {
        let fields = form_urlencoded::parse(query.as_bytes()).into_owned();
        let fields = fields.map(|(name, value)| (name, value.trim().to_owned()));
        let (done, fields): (Vec<_>, Vec<_>) =
            fields.filter(|(_, value)| !value.is_empty()).partition(|(name, _)| name == "done");
        let done = done.into_iter().find_map(|(_, word)| Done::of(&word));
        Self { fields, done }
    }

    /// As the API's query string for the same list.
    ///
    /// # Errors
    /// 422 with the field that is wrong.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        let fields = self.fields.iter().cloned();
        from_fields(fields.map(|(name, value)| match name.as_str() {
            "from" | "to" => (name, in_utc(value)),
            _ => (name, value),
        }))
    }

    /// What a field says, to be shown in it again.
    pub(super) fn get(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// All that fields of this name say.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.fields.iter().filter(|(known, _)| known == name);
        fields.map(|(_, value)| value.as_str()).collect()
    }

    /// Whether anything but a page's place is asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.fields.iter().all(|(name, _)| name == "cursor")
    }

    /// The same list from there on, as a query string.
    pub(super) fn at(&self, cursor: impl ToString) -> String {
        let mut query = form_urlencoded::Serializer::for_suffix(String::from("?"), 1);
        query.extend_pairs(self.fields.iter().filter(|(name, _)| name != "cursor"));
        query.append_pair("cursor", &cursor.to_string()).finish()
    }
}

/// A browser's own field for times says no zone, and no seconds where there are none.
pub(super) fn in_utc(time: String) -> String {
    match time.len() {
        16 => time + ":00Z",
        19 => time + "Z",
        _ => time,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct List {
        from: Option<String>,
        status: Option<String>,
        q: Option<String>,
    }

    #[test]
    fn empty_fields_are_none_and_times_are_in_utc() {
        let filters = Filters::of("status=&from=2026-01-31T12%3A00&q=+a%26b+");
        let list: List = filters.read().expect("a list");
        assert_eq!(list.from.as_deref(), Some("2026-01-31T12:00:00Z"));
        assert_eq!((list.status, list.q.as_deref()), (None, Some("a&b")));
        assert_eq!(filters.get("from"), "2026-01-31T12:00", "shown as it was written");
        assert_eq!(filters.at("7"), "?from=2026-01-31T12%3A00&q=a%26b&cursor=7");
        assert_eq!(Filters::of("done=retried").done, Some(Done::Retried));
        assert!(Filters::of("cursor=7&status=&done=x").is_empty() && !filters.is_empty());
        assert!(Filters::of("sttus=failed").read::<List>().is_err());
    }
}
