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

mod bounds;
mod example;
mod graph;
mod meter;
mod mismatch;
mod patterns;
mod recursion;
mod unique;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

pub use bounds::{
    MAX_ENUM_OPTIONS, MAX_IN_PLACE, MAX_NESTED_CHECKS, MAX_SCHEMA_BYTES, MAX_SCHEMA_DEPTH, MULTIPLE_OF,
};
pub use example::example;
pub use mismatch::{MAX_TEXT_BYTES, Mismatch};
pub use patterns::{
    MAX_AUTOMATA_BYTES, MAX_COMPILED_BYTES, MAX_ESCAPES_SQUARED, MAX_PATTERN_BYTES, MAX_PATTERNS,
};

use graph::{Graph, Look};
use meter::{Metered, Place, Prices};

/// The most mismatches that one check reports.
pub const MAX_MISMATCHES: usize = 20;

/// What finding out whether a payload matches may cost, in looks at the payload (roughly 10 ns each).
pub const CHECK_UNITS: usize = 10_000_000;

/// What finding the places that do not match may cost on top; and, where they are too many, the first of them.
pub const EXPLAIN_UNITS: usize = 3_000_000;

/// What [`PayloadSchema::quick_check`] may cost: a millisecond or two.
pub const QUICK_UNITS: usize = 100_000;

/// The longest text that `format` takes for a regular expression, in bytes (drafts 4 to 7).
pub const MAX_REGEX_FORMAT_BYTES: usize = 4_096;

/// What the engine may take for one pattern, compiled and in its cache of states, in bytes: enough for all that
/// [`patterns`] lets through.
const ENGINE_BYTES: usize = 8 << 20;

/// A schema that payloads can be checked against. Cheap to share between threads behind an `Arc`.
pub struct PayloadSchema {
    validator: Validator<Metered>,
    prices: Prices,
}

impl PayloadSchema {
    /// Takes a schema, or says what is wrong with it and where.
    pub fn compile(schema: &Value) -> Result<Self, SchemaFault> {
        let draft = draft(schema)?;
        bounds::check_size(schema)?;
        let registry = graph::registry(schema, draft)?;
        let graph = Graph::new(schema, draft, &registry)?;
        let in_place = bounds::check(&graph)?;
        recursion::check(&graph)?;
        let text = patterns::check(&graph)?;
        let prices = prices(&graph, draft, in_place, text);
        let options = jsonschema::options_for::<Metered>().with_draft(draft).offline();
        let options = options.with_format("regex", is_regex);
        let engine = PatternOptions::regex().size_limit(ENGINE_BYTES).dfa_size_limit(ENGINE_BYTES);
        let options = options.with_pattern_options(engine);
        // The crate has a few `expect`s about documents; a schema must not be able to end the request. What a
        // panic may leave half done belongs to this call alone.
        let built = catch_unwind(AssertUnwindSafe(|| options.build(schema)));
        let built = built.map_err(|_| SchemaFault::of_the_whole("the schema cannot be compiled"))?;
        let validator = built.map_err(|error| SchemaFault {
            pointer: mismatch::cut(error.instance_path().as_str()),
            message: mismatch::cut(&error.to_string()),
        })?;
        Ok(Self { validator, prices })
    }

    /// Checks a payload. `Err` has at least one and at most [`MAX_MISMATCHES`] entries. Takes some µs for what
    /// people send and up to 200 ms for what attackers do.
    pub fn check(&self, payload: &Value) -> Result<(), Vec<Mismatch>> {
        self.check_for(CHECK_UNITS, payload).unwrap_or_else(|| Err(vec![Mismatch::of_the_whole(TOO_COSTLY)]))
    }

    /// As [`Self::check`], but `None` where it would take more than [`QUICK_UNITS`]: for threads that others
    /// wait for. Ask [`Self::check`] then, on a thread that may take its time.
    #[must_use]
    pub fn quick_check(&self, payload: &Value) -> Option<Result<(), Vec<Mismatch>>> {
        self.check_for(QUICK_UNITS, payload)
    }

    fn check_for(&self, units: usize, payload: &Value) -> Option<Result<(), Vec<Mismatch>>> {
        let root = Place::root(payload);
        if meter::within(units, self.prices, || self.validator.is_valid(root))? {
            return Some(Ok(()));
        }
        let units = units.min(EXPLAIN_UNITS);
        let all =
            || self.validator.iter_errors(root).take(MAX_MISMATCHES).map(|e| Mismatch::new(&e)).collect();
        let first = || self.validator.validate(root).err().map(|e| Mismatch::new(&e)).into_iter().collect();
        let mismatches: Option<Vec<_>> = meter::within(units, self.prices, all)
            .or_else(|| meter::within(units, self.prices, first))
            .filter(|mismatches: &Vec<_>| !mismatches.is_empty());
        // it does not match, that is sure: where may be too much to tell
        Some(Err(mismatches.unwrap_or_else(|| vec![Mismatch::of_the_whole(TOO_MANY)])))
    }
}

const TOO_COSTLY: &str =
    "takes too many steps to check against this schema: send a smaller payload or simplify the schema";
const TOO_MANY: &str = "does not match the schema, in more ways than can be listed";

/// What looking at a payload costs under this schema; the numbers were measured.
fn prices(graph: &Graph<'_>, draft: Draft, in_place: u64, text: usize) -> Prices {
    let has = |keyword: &str| graph.nodes.iter().any(|node| node.schema.get(keyword).is_some());
    let unevaluated = graph.nodes.iter().any(|node| node.unevaluated);
    let patterns =
        graph.nodes.iter().map(|node| node.edges.iter().filter(|edge| edge.look == Look::Pattern).count());
    Prices {
        // a subschema that says nothing takes 3 to 4 ns; what was seen of an object is kept in sets of names
        step: usize::try_from(in_place / 3)
            .unwrap_or(usize::MAX)
            .saturating_add(10 * usize::from(unevaluated)),
        // content is decoded and parsed in drafts 6 and 7, and a note to the reader in later ones
        text: if has("contentMediaType") && draft <= Draft::Draft7 { text.max(8) } else { text },
        names: patterns.max().unwrap_or(0) + usize::from(has("propertyNames")),
        number: if has("multipleOf") { 25 } else { 2 },
    }
}

/// The format `regex`, which the crate takes at any length and reads in more than linear time.
fn is_regex(text: &str) -> bool {
    meter::pay_for_regex(text);
    text.len() <= MAX_REGEX_FORMAT_BYTES && jsonschema_regex::is_valid_ecma_regex(text)
}

/// The draft that a schema is written in.
fn draft(schema: &Value) -> Result<Draft, SchemaFault> {
    let fault =
        |message: &str| Err(SchemaFault { pointer: "/$schema".to_owned(), message: message.to_owned() });
    match schema {
        Value::Bool(_) => Ok(Draft::default()),
        Value::Object(members) => match members.get("$schema") {
            None => Ok(Draft::default()),
            Some(Value::String(uri)) => match Draft::from_schema_uri(uri) {
                Draft::Unknown => fault(UNKNOWN_DRAFT),
                draft => Ok(draft),
            },
            Some(_) => fault(UNKNOWN_DRAFT),
        },
        _ => Err(SchemaFault::of_the_whole("a JSON Schema is an object, true or false")),
    }
}

const UNKNOWN_DRAFT: &str = "names no draft that is known: use \"https://json-schema.org/draft/2020-12/schema\", \
    or that of 2019-09, draft-07, draft-06 or draft-04, or leave it out for 2020-12";
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

impl SchemaFault {
    fn of_the_whole(message: impl Into<String>) -> Self {
        Self { pointer: String::new(), message: message.into() }
    }
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

#[cfg(test)]
mod tests;
