//! How far somebody has read in what happens.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use uuid::Uuid;

/// A time in ms since 1970, as ids of version 7 tell it: the clock is that of whoever makes ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(u64);

impl Position {
    /// How far each look at what is new goes back, in ms. An id is made before its row is committed, and on another
    /// machine: clocks may differ by 5 s, and a commit may take 10 s.
    pub const BACK_MS: u64 = 15_000;

    /// This moment.
    #[must_use]
    pub fn now() -> Self {
        Self::of(Uuid::now_v7())
    }

    /// When an id was made.
    #[must_use]
    pub fn of(id: Uuid) -> Self {
        // RFC 9562 §5.7: the first 48 bits.
        Self(u64::try_from(id.as_u128() >> 80).unwrap_or_default())
    }

    /// Below every id of which somebody who has come so far may not know.
    #[must_use]
    pub fn lookback(self) -> Uuid {
        let millis = self.0.saturating_sub(Self::BACK_MS).min((1 << 48) - 1);
        Uuid::from_u128(u128::from(millis) << 80)
    }

    /// How long it is from there to `later`, in ms.
    #[must_use]
    pub fn ms_until(self, later: Self) -> u64 {
        later.0.saturating_sub(self.0)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Position {
    type Err = ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_goes_back_by_its_time_and_no_more() {
        let id = Uuid::now_v7();
        let position = Position::of(id);
        assert_eq!(position.to_string().parse(), Ok(position));
        assert_eq!(Position::of(position.lookback()).ms_until(position), Position::BACK_MS);
        assert!(position.lookback() < id && Position::now() >= position);
        for odd in ["0", "18446744073709551615"] {
            let _ = odd.parse::<Position>().expect("a number").lookback();
        }
        assert!("-1".parse::<Position>().is_err() && "".parse::<Position>().is_err());
    }
}
