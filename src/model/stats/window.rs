//! The stretches of time that are added up, and those that people look at.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::Time;

/// A stretch of time that is added up: one for each window, so that a window reads as many rows as it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "named by its length")]
pub enum Grain {
    Minute,
    QuarterHour,
    TwoHours,
    HalfDay,
}

/// What people look at, up to now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = StatsWindow)]
#[allow(missing_docs, reason = "named by its length")]
pub enum Window {
    #[serde(rename = "1h")]
    Hour,
    #[default]
    #[serde(rename = "24h")]
    Day,
    #[serde(rename = "7d")]
    Week,
    #[serde(rename = "30d")]
    Month,
}

impl Grain {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Minute, Self::QuarterHour, Self::TwoHours, Self::HalfDay];

    /// The word in rows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::QuarterHour => "quarter_hour",
            Self::TwoHours => "two_hours",
            Self::HalfDay => "half_day",
        }
    }

    /// How long it is.
    #[must_use]
    pub const fn length(self) -> TimeDelta {
        match self {
            Self::Minute => TimeDelta::minutes(1),
            Self::QuarterHour => TimeDelta::minutes(15),
            Self::TwoHours => TimeDelta::hours(2),
            Self::HalfDay => TimeDelta::hours(12),
        }
    }

    /// How long it is kept: twice its window or more, and the longest for thirteen months.
    #[must_use]
    pub const fn kept(self) -> TimeDelta {
        match self {
            Self::Minute | Self::QuarterHour => TimeDelta::hours(48),
            Self::TwoHours => TimeDelta::days(15),
            Self::HalfDay => TimeDelta::days(400),
        }
    }

    /// The beginning of the stretch that this time is in; they are counted from midnight in UTC.
    #[must_use]
    pub fn beginning(self, time: Time) -> Time {
        let length = self.length().num_milliseconds();
        let begun = time.timestamp_millis().div_euclid(length) * length;
        Time::from_timestamp_millis(begun).unwrap_or(time)
    }
}

impl Window {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// The word in query strings and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    /// Its time buckets.
    #[must_use]
    pub const fn grain(self) -> Grain {
        match self {
            Self::Hour => Grain::Minute,
            Self::Day => Grain::QuarterHour,
            Self::Week => Grain::TwoHours,
            Self::Month => Grain::HalfDay,
        }
    }

    /// How many of these there are.
    #[must_use]
    pub const fn buckets(self) -> i32 {
        match self {
            Self::Hour | Self::Month => 60,
            Self::Day => 96,
            Self::Week => 84,
        }
    }

    /// Where each bucket begins, the oldest first; the last one is that of this moment, and has not ended.
    pub fn beginnings(self, now: Time) -> impl Iterator<Item = Time> {
        let (last, length) = (self.grain().beginning(now), self.grain().length());
        (0..self.buckets()).rev().map(move |back| last - length * back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        text.parse().expect("a time")
    }

    #[test]
    fn buckets_make_up_the_window() {
        for (window, length) in [
            (Window::Hour, TimeDelta::hours(1)),
            (Window::Day, TimeDelta::days(1)),
            (Window::Week, TimeDelta::days(7)),
            (Window::Month, TimeDelta::days(30)),
        ] {
            assert_eq!(window.grain().length() * window.buckets(), length);
            assert!(window.grain().kept() >= length * 2);
            assert_eq!(serde_json::to_value(window).expect("JSON"), window.as_str());
        }
    }

    #[test]
    fn a_bucket_begins_at_its_beginning_and_ends_before_the_next() {
        for (grain, now, begins) in [
            (Grain::Minute, "2026-01-31T12:59:59.999Z", "2026-01-31T12:59:00Z"),
            (Grain::QuarterHour, "2026-01-31T12:59:59.999Z", "2026-01-31T12:45:00Z"),
            (Grain::QuarterHour, "2026-01-31T13:00:00Z", "2026-01-31T13:00:00Z"),
            (Grain::TwoHours, "2026-01-31T13:59:59.999Z", "2026-01-31T12:00:00Z"),
            (Grain::HalfDay, "2026-01-31T11:59:59.999Z", "2026-01-31T00:00:00Z"),
            (Grain::HalfDay, "1969-12-31T23:59:59Z", "1969-12-31T12:00:00Z"),
        ] {
            assert_eq!(grain.beginning(time(now)), time(begins), "{now}");
        }
        let all: Vec<_> = Window::Hour.beginnings(time("2026-01-31T12:00:30Z")).collect();
        assert_eq!((all.len(), all[0]), (60, time("2026-01-31T11:01:00Z")));
        assert_eq!(all[59], time("2026-01-31T12:00:00Z"));
    }
}
