//! The JSON Schema of an agent's payloads: compiled once when the agent is saved, asked for every webhook.
//!
//! Both sides may be hostile. A schema comes from whoever may write agents, a payload from whoever holds the
//! secret, and the check runs on the path of every webhook: it has to be over within 200 ms whatever they
//! send. Three things see to that, in this order:
//!
//! 1. [`bounds`] refuses at save what could never be checked cheaply: size, nesting, exponential `$ref`s,
//!    recursion that meets the same place twice, references that leave the document.
//! 2. [`patterns`] takes only regular expressions that a small deterministic automaton can match.
//! 3. [`meter`] counts every look at the payload and ends a check that looks too often. The same payload is
//!    always refused or always taken: nothing depends on the clock.
//!
//! The draft is the one that `$schema` names (4, 6, 7, 2019-09, 2020-12), else 2020-12. `format` is checked in
//! drafts 4, 6 and 7 and is a note to the reader in the later ones, as those drafts say; `pattern` is always
//! checked. There are no remote references, and nothing is ever fetched.

mod meter;
mod mismatch;
mod unique;

use std::fmt;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

pub use mismatch::{MAX_TEXT_BYTES, Mismatch};

use meter::{Budget, Metered, Place};

/// The most mismatches that one check reports.
pub const MAX_MISMATCHES: usize = 20;

/// What finding out whether a payload matches may cost, in looks at the payload (roughly 10 ns each).
pub const CHECK_BUDGET: u64 = 8_000_000;

/// What finding all the places that do not match may cost on top.
pub const EXPLAIN_BUDGET: u64 = 4_000_000;

/// A schema that payloads can be checked against. Cheap to share between threads behind an `Arc`.
pub struct PayloadSchema {
    validator: Validator<Metered>,
}

impl PayloadSchema {
    /// Takes a schema, or says what is wrong with it and where.
    pub fn compile(schema: &Value) -> Result<Self, SchemaFault> {
        let options = jsonschema::options_for::<Metered>()
            .offline()
            .with_pattern_options(PatternOptions::regex().size_limit(1 << 20).dfa_size_limit(4 << 20));
        let validator = options.build(schema).map_err(|error| SchemaFault {
            pointer: mismatch::cut(error.instance_path().as_str()),
            message: mismatch::cut(&error.to_string()),
        })?;
        Ok(Self { validator })
    }

    /// Checks a payload. `Err` has at least one and at most [`MAX_MISMATCHES`] entries.
    pub fn check(&self, payload: &Value) -> Result<(), Vec<Mismatch>> {
        let root = Place::root(payload);
        let budget = |units| Budget { units, text: 64 };
        match meter::within(budget(CHECK_BUDGET), || self.validator.is_valid(root)) {
            Some(true) => return Ok(()),
            Some(false) => {}
            None => return Err(vec![Mismatch::of_the_whole(TOO_COSTLY)]),
        }
        let collect = || {
            self.validator
                .iter_errors(root)
                .take(MAX_MISMATCHES)
                .map(|e| Mismatch::new(&e))
                .collect::<Vec<_>>()
        };
        let mismatches = meter::within(budget(EXPLAIN_BUDGET), collect).unwrap_or_default();
        match mismatches.is_empty() {
            false => Err(mismatches),
            // too many to list them all: the payload is refused all the same
            true => Err(vec![Mismatch::of_the_whole(TOO_MANY)]),
        }
    }
}

const TOO_COSTLY: &str =
    "takes too many steps to check against this schema: send a smaller payload or simplify the schema";
const TOO_MANY: &str = "does not match the schema in more places than can be listed";

impl fmt::Debug for PayloadSchema {
    /// Shows nothing of the schema: it is a customer's, and this goes into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PayloadSchema").finish_non_exhaustive()
    }
}

/// Why a schema is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaFault {
    /// JSON Pointer into the schema.
    pub pointer: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl fmt::Display for SchemaFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.as_str() {
            "" => f.write_str(&self.message),
            pointer => write!(f, "{pointer}: {}", self.message),
        }
    }
}

impl std::error::Error for SchemaFault {}
