//! The time of signing: how it is written, and how far from ours it may be.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat};

use super::Refusal;
use crate::model::{Time, TimestampUnit};

/// A time of signing.
#[derive(Clone, Debug)]
pub(super) struct TimeRule {
    pub source: TimeSource,
    pub unit: TimestampUnit,
    /// How far from our time it may be, in s, either way.
    pub tolerance: u32,
}

/// Where the time of signing stands.
#[derive(Clone, Debug)]
pub(super) enum TimeSource {
    /// In a header of its own.
    Header,
    /// In the field `t` of the signature's header.
    Field,
    /// In a member of the JSON body.
    Body(&'static [&'static str]),
}

impl TimeRule {
    /// Checks a time of signing. Whole seconds are compared, and so ±300 are 300 whatever part of a second it is.
    pub fn check(&self, text: &[u8], now: Time, place: impl Into<Cow<'static, str>>) -> Result<(), Refusal> {
        let Some(signed) = read(text, self.unit) else {
            return Err(Refusal::NoTime { place: place.into(), expected: expected(self.unit) });
        };
        let seconds = signed - now.timestamp();
        if seconds.unsigned_abs() > u64::from(self.tolerance) {
            return Err(Refusal::Skewed { seconds, tolerance: self.tolerance });
        }
        Ok(())
    }

    /// This time as a sender writes it.
    pub fn write(&self, now: Time) -> String {
        match self.unit {
            TimestampUnit::S => now.timestamp().to_string(),
            TimestampUnit::Ms => now.timestamp_millis().to_string(),
            TimestampUnit::Rfc3339 => now.to_rfc3339_opts(SecondsFormat::Secs, true),
        }
    }
}

/// Seconds since 1970. Digits alone: no sign, no blank, no fraction.
fn read(text: &[u8], unit: TimestampUnit) -> Option<i64> {
    let text = str::from_utf8(text).ok()?;
    let number = || match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse::<i64>().ok(),
        false => None,
    };
    match unit {
        TimestampUnit::S => number(),
        TimestampUnit::Ms => Some(number()? / 1000),
        TimestampUnit::Rfc3339 => Some(DateTime::parse_from_rfc3339(text).ok()?.timestamp()),
    }
}

fn expected(unit: TimestampUnit) -> &'static str {
    match unit {
        TimestampUnit::S => "seconds since 1970, in digits",
        TimestampUnit::Ms => "milliseconds since 1970, in digits",
        TimestampUnit::Rfc3339 => "an RFC 3339 time",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_the_second_and_in_the_unit_alone() {
        let now = DateTime::from_timestamp(1_700_000_000, 999_000_000).expect("a time");
        let verdict = |unit, text: &str| {
            TimeRule { source: TimeSource::Header, unit, tolerance: 300 }.check(text.as_bytes(), now, "X")
        };
        for offset in [-300_i64, -299, 0, 299, 300] {
            let at = 1_700_000_000 + offset;
            assert_eq!(verdict(TimestampUnit::S, &at.to_string()), Ok(()), "{offset}");
            assert_eq!(verdict(TimestampUnit::Ms, &format!("{at}500")), Ok(()), "{offset}");
            let text = DateTime::from_timestamp(at, 0).expect("a time").to_rfc3339();
            assert_eq!(verdict(TimestampUnit::Rfc3339, &text), Ok(()), "{offset}");
        }
        for seconds in [-301_i64, 301] {
            let at = 1_700_000_000 + seconds;
            let skewed = Err(Refusal::Skewed { seconds, tolerance: 300 });
            assert_eq!(verdict(TimestampUnit::S, &at.to_string()), skewed);
            assert_eq!(verdict(TimestampUnit::Ms, &format!("{at}000")), skewed);
        }
        for (unit, none) in [
            (TimestampUnit::S, "-1700000000"),
            (TimestampUnit::S, "+1700000000"),
            (TimestampUnit::S, "1700000000.0"),
            (TimestampUnit::S, " 1700000000"),
            (TimestampUnit::S, "now"),
            (TimestampUnit::S, ""),
            (TimestampUnit::S, "99999999999999999999"),
            (TimestampUnit::Ms, "1.7e12"),
            (TimestampUnit::Rfc3339, "1700000000"),
            (TimestampUnit::Rfc3339, "2023-11-14"),
        ] {
            assert!(matches!(verdict(unit, none), Err(Refusal::NoTime { .. })), "{none}");
        }
        for (unit, other) in [(TimestampUnit::S, "1700000000000"), (TimestampUnit::Ms, "1700000000")] {
            assert!(matches!(verdict(unit, other), Err(Refusal::Skewed { .. })), "{other}");
        }
    }
}
