//! The header with the signature is not there: what is there instead?

use super::Case;
use crate::signature::{HeaderSource, PROOF_PARTS, Refusal};

/// Names that look like those of headers that sign, beside [`PROOF_PARTS`].
const PARTS: [&str; 2] = ["x-hub-", "webhook-"];
/// Near misses that are named, at most.
const MAX: usize = 5;
/// Bytes of a name that is named, at most.
const MAX_NAME: usize = 64;
/// Letters by which a name may differ and still be a slip.
const SLIP: usize = 3;

/// That a header is missing or empty, and what is near it.
pub(super) fn missing(case: &Case<'_>, refusal: &Refusal) -> Option<String> {
    let (name, what) = match refusal {
        Refusal::Missing { header } => (header, format!("there is no header {header}")),
        Refusal::Malformed { header, .. } if is_empty(case, header) => {
            (header, format!("the header {header} is empty"))
        }
        Refusal::Malformed { .. }
        | Refusal::Repeated { .. }
        | Refusal::NoTime { .. }
        | Refusal::Skewed { .. }
        | Refusal::Mismatch => return None,
    };
    let near = near_misses(case, name);
    Some(if near.is_empty() {
        format!("{what}: the sender signs nothing, or a proxy in between drops the header")
    } else {
        format!("{what}, but there is {}: the sender signs under another header or scheme", near.join(", "))
    })
}

/// It is there, and nothing is in it. What a scheme misses beside its own headers is told by the refusal itself.
fn is_empty(case: &Case<'_>, name: &str) -> bool {
    let mut values = case.headers.values(name).peekable();
    values.peek().is_some() && values.all(|value| value.trim_ascii().is_empty())
}

/// The headers that may be meant.
fn near_misses(case: &Case<'_>, wanted: &str) -> Vec<String> {
    let wanted = wanted.to_ascii_lowercase();
    let mut near: Vec<String> = Vec::new();
    for (name, _) in case.headers {
        let lower = name.to_ascii_lowercase();
        let is_near = lower != wanted
            && lower.len() <= MAX_NAME
            && (PROOF_PARTS.iter().chain(&PARTS).any(|part| lower.contains(part))
                || distance(&lower, &wanted) <= SLIP);
        if is_near && !near.contains(&lower) {
            near.push(lower);
        }
    }
    near.sort_by_key(|name| distance(name, &wanted));
    near.truncate(MAX);
    near
}

/// How many letters must be changed, added or dropped to make the one of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.bytes().enumerate() {
            let change = corner + usize::from(a != b);
            corner = row[j + 1];
            row[j + 1] = change.min(corner + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_names_are_apart() {
        for (one, other, apart) in
            [("", "", 0), ("abc", "abc", 0), ("abc", "abd", 1), ("abc", "ab", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!((distance(one, other), distance(other, one)), (apart, apart), "{one} {other}");
        }
    }
}
