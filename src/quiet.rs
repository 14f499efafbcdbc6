//! Keeps a log from being filled with one and the same trouble, which may go on for hours.

use std::time::{Duration, Instant};

/// From one word to the next, at least.
const PAUSE: Duration = Duration::from_secs(10);

/// Lets through what is said every 10 s at most: one for each kind of trouble.
#[derive(Debug, Default)]
pub struct Quiet(Option<Instant>);

impl Quiet {
    /// Whether it may be said now; then not again for a while.
    pub fn may_speak(&mut self) -> bool {
        let may = self.0.is_none_or(|last| last.elapsed() >= PAUSE);
        if may {
            self.0 = Some(Instant::now());
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_that_goes_on_is_told_once_and_another_one_too() {
        let mut quiet = Quiet::default();
        assert!(quiet.may_speak());
        assert!(!quiet.may_speak() && !quiet.may_speak());
        assert!(Quiet::default().may_speak());
    }
}
