//! The `WHERE` of a list, put together from the filters that are there.
//!
//! With all of them in one text, each as `column = $1 OR $1 IS NULL`, SQLite plans for the case without any and reads
//! the whole table, and Postgres searches no index for the page's cursor. Text and values come from the same calls, so
//! they cannot get out of step.

use uuid::Uuid;

use crate::model::Time;

/// How far the time in a version 7 id may be from the row's own time, in ms: the id is made a moment later, and a clock
/// may be set in between; of rows of different processes, their clocks may differ.
const SLACK_MS: i64 = 10 * 60 * 1000;

/// What a place in the text stands for.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Id(Uuid),
    Time(Time),
    Number(i32),
}

/// Conditions that all hold, and their values.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    texts: Vec<String>,
    values: Vec<Value>,
}

impl Conditions {
    /// One without a value.
    pub fn holds(&mut self, condition: &str) {
        self.texts.push(condition.to_owned());
    }

    /// One with a value, such as `"tenant_id ="`, if there is a value.
    pub fn value(&mut self, condition: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.values.push(value);
            self.texts.push(format!("{condition} ${}", self.values.len()));
        }
    }

    /// A page of rows whose id is of version 7: of those from a time on, before a time, and older than the cursor. The
    /// times are told by the ids first, roughly, so that the index of the list's order is searched for them too: by one
    /// bound at each end, because SQLite searches by no more.
    pub fn page(
        &mut self,
        (id, time): (&str, &str),
        from: Option<Time>,
        to: Option<Time>,
        before: Option<Uuid>,
    ) {
        let upper = before.into_iter().chain(to.map(after_all_by)).min();
        self.value(&format!("{id} >="), from.map(before_all_from).map(Value::Id));
        self.value(&format!("{id} <"), upper.map(Value::Id));
        self.value(&format!("{time} >="), from.map(Value::Time));
        self.value(&format!("{time} <"), to.map(Value::Time));
    }

    /// ` WHERE …`, or nothing.
    pub fn text(&self) -> String {
        if self.texts.is_empty() { String::new() } else { format!(" WHERE {}", self.texts.join(" AND ")) }
    }

    /// The number of the first place that is still free.
    pub fn next_place(&self) -> usize {
        self.values.len() + 1
    }

    /// What is to be bound, in order.
    pub fn values(self) -> Vec<Value> {
        self.values
    }
}

/// Below the id of every row of this time or a later one.
pub(super) fn before_all_from(time: Time) -> Uuid {
    first_of(time.timestamp_millis().saturating_sub(SLACK_MS))
}

/// Above the id of every row before this time.
pub(super) fn after_all_by(time: Time) -> Uuid {
    first_of(time.timestamp_millis().saturating_add(SLACK_MS))
}

/// RFC 9562 §5.7: 48 bits of milliseconds, then what tells ids of the same millisecond apart.
fn first_of(millis: i64) -> Uuid {
    let millis = millis.clamp(0, (1 << 48) - 1);
    Uuid::from_u128(u128::from(millis.unsigned_abs()) << 80)
}

/// Binds [`Conditions::values`], in order.
macro_rules! bind_values {
    ($query:expr, $values:expr) => {{
        let mut query = $query;
        for value in $values {
            query = match value {
                $crate::store::conditions::Value::Text(text) => query.bind(text),
                $crate::store::conditions::Value::Id(id) => query.bind(id),
                $crate::store::conditions::Value::Time(time) => query.bind(time),
                $crate::store::conditions::Value::Number(number) => query.bind(number),
            };
        }
        query
    }};
}
pub(super) use bind_values;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_ids_have_their_slack_and_no_more() {
        let time = Time::from_timestamp_millis(1_700_000_000_000).expect("a time");
        let at = |millis: i64| {
            let (seconds, nanos) = (millis.div_euclid(1000), millis.rem_euclid(1000) * 1_000_000);
            let stamp = uuid::Timestamp::from_unix(uuid::NoContext, seconds as u64, nanos as u32);
            Uuid::new_v7(stamp)
        };
        let millis = time.timestamp_millis();
        assert!(before_all_from(time) <= at(millis - SLACK_MS));
        assert!(before_all_from(time) > at(millis - SLACK_MS - 1));
        assert!(after_all_by(time) > at(millis + SLACK_MS - 1));
        assert!(after_all_by(time) <= at(millis + SLACK_MS));
        assert_eq!(before_all_from(Time::MIN_UTC), Uuid::nil());
        assert!(after_all_by(Time::MAX_UTC) > at(millis));
    }

    #[test]
    fn of_two_upper_bounds_the_lower_one_counts() {
        let (time, early, late) = (Time::UNIX_EPOCH, Uuid::nil(), Uuid::max());
        for (before, expected) in
            [(None, after_all_by(time)), (Some(early), early), (Some(late), after_all_by(time))]
        {
            let mut wanted = Conditions::default();
            wanted.page(("id", "at"), None, Some(time), before);
            assert_eq!(wanted.text(), " WHERE id < $1 AND at < $2");
            assert!(matches!(wanted.values()[0], Value::Id(id) if id == expected));
        }
    }
}
