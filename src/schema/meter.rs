//! A payload that a validator reads on credit.
//!
//! A running validation has no way to be stopped, and what it costs depends on schema and payload together:
//! `oneOf` in a recursive schema, `unevaluatedProperties`, a pattern over a long string. So validators here
//! do not read a [`Value`], they read [`Metered`]: every look at the payload has a price, and when
//! what was given for it is spent, the validation ends by unwinding to [`within`]. The price of a look depends on nothing
//! but schema and payload, never on the clock, so a payload gets the same verdict on every machine and day.
//!
//! The same handle keeps the payload out of error messages: what an error may quote is always `null` here,
//! which also spares the copies of whole subtrees that errors of `anyOf` would carry.

use std::borrow::Cow;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, Node, NodeIdentity, Object, cmp};
use serde_json::{Map, Number, Value};

use super::unique;

/// What a look costs under one schema, in units of roughly 10 ns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prices {
    /// Going to a child: the subschemas in place there that say nothing take time without looking.
    pub step: usize,
    /// A byte of text that is matched against a pattern or a format.
    pub text: usize,
    /// A byte, and then a few, of a property's name: how many patterns there are for names.
    pub names: usize,
    /// A number, which `multipleOf` may take for a long division.
    pub number: usize,
}

thread_local! {
    /// What is left to the validation that runs on this thread, and its prices. A validator makes nodes of its
    /// own for property names, so a reference inside the nodes would not reach everywhere.
    static LEFT: Cell<usize> = const { Cell::new(0) };
    static PRICES: Cell<Prices> = const { Cell::new(Prices { step: 0, text: 0, names: 0, number: 0 }) };
}

/// How an unwinding validation says that its budget is spent, and not that there is a bug.
struct Spent;

/// Runs `validation` for at most `units`; `None` when it would cost more, or when the validator itself panics
/// (which the panic hook has then told): a payload that nobody can check is no valid payload.
pub(super) fn within<T>(units: usize, prices: Prices, validation: impl FnOnce() -> T) -> Option<T> {
    LEFT.set(units);
    PRICES.set(prices);
    // The validator's own state lives in this call; what it shares is only filled, never half written.
    let outcome = catch_unwind(AssertUnwindSafe(validation)).ok();
    LEFT.set(0);
    outcome
}

/// Pays for one look. `resume_unwind` does not call the panic hook: running out is no event to log.
#[inline]
fn pay(units: usize) {
    match LEFT.get().checked_sub(units) {
        Some(left) => LEFT.set(left),
        None => resume_unwind(Box::new(Spent)),
    }
}

/// Pays for reading text as a regular expression, which `format` may ask for.
pub(super) fn pay_for_regex(text: &str) {
    pay(4 * text.len());
}

/// The payload as validators see it.
pub(super) struct Metered;

/// One value of the payload.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    value: &'a Value,
    /// The length of the JSON Pointer to here: every error copies it.
    path: usize,
}

impl<'a> Place<'a> {
    pub fn root(value: &'a Value) -> Self {
        Self { value, path: 0 }
    }
}

impl Json for Metered {
    type Node<'a> = Place<'a>;
    type PreparedKey = String;
    type StringBuffer = Value;
    // as for serde_json's own values, which these are
    const KEYS_PER_LOOKUP: usize = 2;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>(buffer: &mut Value, string: &str, f: impl FnOnce(Place<'_>) -> T) -> T {
        *buffer = Value::String(string.to_owned());
        f(Place::root(buffer))
    }
}

impl<'a> Node<'a, Metered> for Place<'a> {
    type Object = Members<'a>;
    type Array = Elements<'a>;
    type Number = &'a Number;

    fn as_object(&self) -> Option<Members<'a>> {
        pay(1);
        self.value.as_object().map(|members| Members { members, path: self.path })
    }

    fn as_array(&self) -> Option<Elements<'a>> {
        pay(1);
        self.value.as_array().map(|elements| Elements { elements, path: self.path })
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        let text = self.value.as_str();
        pay(1 + text.map_or(0, str::len).saturating_mul(PRICES.get().text));
        text.map(Cow::Borrowed)
    }

    fn as_number(&self) -> Option<&'a Number> {
        let number = self.value.as_number();
        pay(1 + number.map_or(0, price));
        number
    }

    fn as_boolean(&self) -> Option<bool> {
        pay(1);
        self.value.as_bool()
    }

    fn is_null(&self) -> bool {
        pay(1);
        self.value.is_null()
    }

    fn is_number(&self) -> bool {
        pay(1);
        self.value.is_number()
    }

    fn json_type(&self) -> JsonType {
        pay(1);
        match self.value {
            Value::Null => JsonType::Null,
            Value::Bool(_) => JsonType::Boolean,
            Value::Number(_) => JsonType::Number,
            Value::String(_) => JsonType::String,
            Value::Array(_) => JsonType::Array,
            Value::Object(_) => JsonType::Object,
        }
    }

    fn string_length(&self) -> Option<u64> {
        let text = self.value.as_str();
        pay(1 + text.map_or(0, str::len) / 64);
        text.map(|text| text.chars().count() as u64)
    }

    fn equals_value(&self, expected: &Value) -> bool {
        equal(self.value, expected)
    }

    /// Only what errors quote and annotations keep is asked for here, so the answer tells nothing. The
    /// price is that of an error: a box, and a copy of the pointer to the place.
    fn to_value(&self) -> Cow<'a, Value> {
        pay(100 + self.path / 8);
        Cow::Owned(Value::Null)
    }

    fn identity(&self) -> Option<NodeIdentity> {
        Some(NodeIdentity::new(std::ptr::from_ref(self.value).addr()))
    }

    fn container_identity(&self) -> Option<NodeIdentity> {
        (self.value.is_object() || self.value.is_array()).then(|| self.identity()).flatten()
    }
}

/// A number far from 1 is written out as a fraction of hundreds of digits before it is divided.
fn price(number: &Number) -> usize {
    let per_number = PRICES.get().number;
    match number.as_f64().map(f64::abs) {
        Some(float) if float == 0.0 || (1e-6..1e19).contains(&float) => per_number,
        _ => 40 * per_number,
    }
}

/// Equality of JSON Schema (`1` is `1.0`), paid for by what is compared.
fn equal(left: &Value, right: &Value) -> bool {
    pay(1);
    match (left, right) {
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, left)| {
                    pay(2 + name.len() / 64);
                    right.get(name).is_some_and(|right| equal(left, right))
                })
        }
        (Value::String(left), Value::String(right)) => {
            pay(left.len().min(right.len()) / 64);
            left == right
        }
        (left, right) => cmp::equal(left, right),
    }
}

/// The members of an object.
#[derive(Clone)]
pub(super) struct Members<'a> {
    members: &'a Map<String, Value>,
    path: usize,
}

impl<'a> Object<'a, Metered> for Members<'a> {
    type Node = Place<'a>;
    type MemberName = &'a str;
    type MembersIter = MembersIter<'a>;

    fn len(&self) -> usize {
        pay(1);
        self.members.len()
    }

    fn get(&self, key: &String) -> Option<Place<'a>> {
        pay(3 + PRICES.get().step + key.len() / 64);
        self.members.get(key).map(|value| Place { value, path: self.path + 1 + key.len() })
    }

    fn members(&self) -> MembersIter<'a> {
        pay(1);
        MembersIter { members: self.members.iter(), path: self.path }
    }
}

/// See [`Members`].
pub(super) struct MembersIter<'a> {
    members: serde_json::map::Iter<'a>,
    path: usize,
}

impl<'a> Iterator for MembersIter<'a> {
    type Item = (&'a str, Place<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.members.next()?;
        let Prices { step, text, names, .. } = PRICES.get();
        pay(1 + step + name.len() / 16 + names.saturating_mul(4 + name.len().saturating_mul(text)));
        Some((name, Place { value, path: self.path + 1 + name.len() }))
    }
}

/// The elements of an array.
#[derive(Clone)]
pub(super) struct Elements<'a> {
    elements: &'a [Value],
    path: usize,
}

impl<'a> Array<'a, Metered> for Elements<'a> {
    type Node = Place<'a>;
    type ElementsIter = ElementsIter<'a>;

    fn len(&self) -> usize {
        pay(1);
        self.elements.len()
    }

    fn elements(&self) -> ElementsIter<'a> {
        pay(1);
        ElementsIter { elements: self.elements.iter(), path: self.path }
    }

    fn is_unique(&self) -> bool {
        unique::is_unique(self.elements, pay)
    }
}

/// See [`Elements`].
pub(super) struct ElementsIter<'a> {
    elements: std::slice::Iter<'a, Value>,
    path: usize,
}

impl<'a> Iterator for ElementsIter<'a> {
    type Item = Place<'a>;

    fn next(&mut self) -> Option<Place<'a>> {
        let value = self.elements.next()?;
        pay(1 + PRICES.get().step);
        Some(Place { value, path: self.path + 7 })
    }
}
