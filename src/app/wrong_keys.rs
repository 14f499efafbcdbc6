//! Who tries API keys: wrong ones are counted by address, so that nobody can try many.
//!
//! A right key is never counted and never refused: neighbors behind one address must not lock each other out.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::model::Time;

/// Wrong keys from one address within [`WINDOW`] that are told so; further ones are refused with 429.
const MAX_WRONG_KEYS: u32 = 20;
/// How long they are counted together.
const WINDOW: TimeDelta = TimeDelta::minutes(1);
/// Addresses that are remembered; the one that was quiet for longest is forgotten first.
const ADDRESSES: u64 = 10_000;

/// Wrong keys by address, in this process.
pub struct WrongKeys(Cache<IpAddr, Arc<Mutex<Count>>>);

/// Too many wrong keys came from an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// In how many seconds the next one is looked at again, 1–60.
    pub wait_s: u32,
    /// Whether this is the first one over the limit in its window: the one to tell somebody about.
    pub is_first: bool,
}

#[derive(Clone, Copy)]
struct Count {
    since: Time,
    wrong: u32,
}

impl Default for WrongKeys {
    fn default() -> Self {
        // Not moka's own choice, which keeps who was seen often and drops who is new.
        let lru = EvictionPolicy::lru();
        Self(Cache::builder().max_capacity(ADDRESSES).eviction_policy(lru).build())
    }
}

impl WrongKeys {
    /// Counts a wrong key.
    ///
    /// # Errors
    /// There were too many.
    pub fn count(&self, address: IpAddr, now: Time) -> Result<(), TooMany> {
        let fresh = || Arc::new(Mutex::new(Count { since: now, wrong: 0 }));
        let count = self.0.get_with(network(address), fresh);
        let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back starts a window of its own.
        if !(count.since..count.since + WINDOW).contains(&now) {
            *count = Count { since: now, wrong: 0 };
        }
        count.wrong = count.wrong.saturating_add(1);
        if count.wrong <= MAX_WRONG_KEYS {
            return Ok(());
        }
        let left = (count.since + WINDOW - now).num_seconds();
        let wait_s = u32::try_from(left).unwrap_or(0).clamp(1, 60);
        Err(TooMany { wait_s, is_first: count.wrong == MAX_WRONG_KEYS + 1 })
    }
}

/// Whom an address belongs to: of IPv6 a household or a host gets 2^64 (RFC 6177), so the upper half counts.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn twenty_a_minute_and_not_one_more() {
        let (wrong, now) = (WrongKeys::default(), Time::UNIX_EPOCH);
        for _ in 0..MAX_WRONG_KEYS {
            assert_eq!(wrong.count(address("192.0.2.1"), now), Ok(()));
        }
        let later = now + TimeDelta::seconds(20);
        assert_eq!(wrong.count(address("192.0.2.1"), later), Err(TooMany { wait_s: 40, is_first: true }));
        assert_eq!(
            wrong.count(address("::ffff:192.0.2.1"), later),
            Err(TooMany { wait_s: 40, is_first: false }),
            "the same address"
        );
        assert_eq!(wrong.count(address("192.0.2.2"), later), Ok(()), "another address");
        assert_eq!(wrong.count(address("192.0.2.1"), now + WINDOW), Ok(()), "the minute is over");
        for _ in 1..MAX_WRONG_KEYS {
            assert_eq!(wrong.count(address("192.0.2.1"), now + WINDOW), Ok(()));
        }
        let next = Err(TooMany { wait_s: 60, is_first: true });
        assert_eq!(wrong.count(address("192.0.2.1"), now + WINDOW), next, "once in each window");
        assert_eq!(wrong.count(address("192.0.2.1"), now), Ok(()), "and the clock was set back");
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let (wrong, now) = (WrongKeys::default(), Time::UNIX_EPOCH);
        for host in 0..MAX_WRONG_KEYS {
            assert_eq!(wrong.count(address(&format!("2001:db8::{host:x}")), now), Ok(()));
        }
        assert!(wrong.count(address("2001:db8::ffff"), now).is_err());
        assert_eq!(wrong.count(address("2001:db8:0:1::1"), now), Ok(()));
    }
}
