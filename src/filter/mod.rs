//! Filters: CEL expressions, compiled once. That of an agent says which payloads run and is asked for every webhook, that
//! of an endpoint says which events it gets and is asked for every event.
//!
//! Both sides may be hostile. A filter comes from whoever may write agents, a payload from whoever holds the secret, and
//! the `cel` crate overflows the stack on long expressions and has no budget. So:
//!
//! 1. [`source::compile`] parses on a stack of its own, at most [`MAX_FILTER_BYTES`].
//! 2. [`check`] walks what was parsed and takes a closed list of names and functions, nothing that is deep, and no
//!    comprehension inside another.
//! 3. [`payload`] hands the payload out piece by piece, and every piece has a price. When what was given is spent, the
//!    evaluation ends. The same payload under the same filter always gets the same answer.
//!
//! What cannot be evaluated does not match: a filter on `payload.action` is not meant for payloads without one. It is
//! said why ([`EvalFault`]), so that it is not lost without a trace.

mod check;
mod names;
mod payload;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use cel::common::types::CelBool;
use cel::parser::{Expression, Parser};
use cel::{Context, Env, ExecutionError, Value as CelValue, extensions};
use serde_json::Value;

use crate::model::{AgentFacts, Event, Headers};
use crate::source;
use crate::source::Fault;
use check::Costs;
use payload::{Meter, Spent};

pub use check::{MAX_DEPTH, MAX_LIST};
pub use names::Names;

/// The longest filter, in bytes.
pub const MAX_FILTER_BYTES: usize = 1024;
/// What one evaluation may cost, in units of roughly 10 ns.
pub const EVAL_UNITS: usize = 10_000_000;
/// What [`Filter::quick_matches`] may cost: a millisecond or two.
pub const QUICK_UNITS: usize = 100_000;

/// Why a filter could not be evaluated on a payload: it does not match then. Holds types and names, no values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EvalFault(String);

/// A filter that payloads can be held against. Cheap to share between threads behind an `Arc`.
pub struct Filter {
    expression: Expression,
    costs: Costs,
    text: Box<str>,
}

impl Filter {
    /// Takes a CEL expression over these names, or says what is wrong with it and where.
    pub fn compile(text: &str, names: Names) -> Result<Self, Fault> {
        if text.len() > MAX_FILTER_BYTES {
            return Err(Fault::of_the_whole(format!(
                "must be at most {MAX_FILTER_BYTES} bytes: leave the rest to the payload schema or the prompt"
            )));
        }
        if text.trim().is_empty() {
            return Err(Fault::of_the_whole(format!(
                "must not be empty: null takes every {}",
                names.subject()
            )));
        }
        source::compile(|| {
            let parsed = Parser::new().parse_with_source_info(text).map_err(|errors| {
                errors.errors.first().map_or_else(|| Fault::of_the_whole("is no CEL expression"), syntax)
            })?;
            let (mut expression, places) = parsed;
            let costs = check::check(&mut expression, &places, text, names)?;
            Ok(Self { expression, costs, text: text.into() })
        })
    }

    /// Whether a payload is to run. Takes some µs for what people send and up to 200 ms for what attackers do.
    ///
    /// # Errors
    /// Where it cannot be said: something is missing, or of another type, or it would take too long.
    pub fn matches(
        &self,
        payload: &Value,
        headers: &Headers,
        agent: AgentFacts<'_>,
    ) -> Result<bool, EvalFault> {
        self.hook(EVAL_UNITS, payload, headers, agent).unwrap_or_else(|| Err(too_costly(Names::Hook)))
    }

    /// As [`Self::matches`], but `None` where it would take more than [`QUICK_UNITS`]: for threads that others wait for.
    /// Ask [`Self::matches`] then, on a thread that may take its time.
    #[must_use]
    pub fn quick_matches(
        &self,
        payload: &Value,
        headers: &Headers,
        agent: AgentFacts<'_>,
    ) -> Option<Result<bool, EvalFault>> {
        self.hook(QUICK_UNITS, payload, headers, agent)
    }

    /// Whether an endpoint gets an event. `event` is what [`event_facts`] makes of it. Takes as long as [`Self::matches`].
    ///
    /// # Errors
    /// As [`Self::matches`].
    pub fn matches_event(&self, event: &Value) -> Result<bool, EvalFault> {
        self.within(EVAL_UNITS, &[("event", event)]).unwrap_or_else(|| Err(too_costly(Names::Event)))
    }

    /// As [`Self::matches_event`], as [`Self::quick_matches`].
    #[must_use]
    pub fn quick_matches_event(&self, event: &Value) -> Option<Result<bool, EvalFault>> {
        self.within(QUICK_UNITS, &[("event", event)])
    }

    fn hook(
        &self,
        units: usize,
        payload: &Value,
        headers: &Headers,
        agent: AgentFacts<'_>,
    ) -> Option<Result<bool, EvalFault>> {
        let headers = if self.costs.uses_headers { plain(&headers.0) } else { Value::Null };
        let agent = if self.costs.uses_agent { plain(agent) } else { Value::Null };
        self.within(units, &[("payload", payload), ("headers", &headers), ("agent", &agent)])
    }

    fn within(&self, units: usize, names: &[(&str, &Value)]) -> Option<Result<bool, EvalFault>> {
        let meter = Meter::new(units, self.costs.step, self.costs.text);
        // What a panic may leave half done belongs to this call alone.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let mut context = Context::with_env(env());
            for &(name, value) in names {
                context.add_variable_as_val(name, payload::value(value, &meter));
            }
            let value =
                CelValue::resolve_val(&self.expression, &context).map_err(|error| told(error, &self.text))?;
            value.downcast_ref::<CelBool>().map(|answer| *answer.inner()).ok_or_else(|| {
                EvalFault(format!("it says neither true nor false, but a {}", value.get_type().name()))
            })
        }));
        match outcome {
            Ok(answer) => Some(answer),
            Err(panic) if panic.is::<Spent>() => None,
            Err(_) => Some(Err(EvalFault(CANNOT.into()))),
        }
    }
}

const CANNOT: &str = "it cannot be evaluated on what it was asked about";

fn too_costly(names: Names) -> EvalFault {
    EvalFault(format!("it takes too many steps on this {}: simplify the filter", names.subject()))
}

/// An event as filters see it. Its data is parsed: make it once for all that are asked about the event.
#[must_use]
pub fn event_facts(event: &Event) -> Value {
    serde_json::json!({
        "type": event.event_type,
        "data": serde_json::from_str::<Value>(&event.data).unwrap_or_default(),
        "tenant_id": event.tenant_id,
        "agent_id": event.agent_id,
        "execution_id": event.execution_id,
    })
}

impl fmt::Debug for Filter {
    /// Shows nothing of the filter: it is a customer's, and this goes into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").finish_non_exhaustive()
    }
}

fn plain(value: impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// CEL's own functions, and those for texts; [`check`] says which of them are taken.
fn env() -> Arc<Env> {
    static ENV: OnceLock<Arc<Env>> = OnceLock::new();
    ENV.get_or_init(|| {
        let mut env = Env::stdlib();
        if let Err(error) = env.add_extension(extensions::strings) {
            tracing::error!(%error, "CEL's functions for texts are missing");
        }
        Arc::new(env)
    })
    .clone()
}

fn syntax(error: &cel::ParseError) -> Fault {
    let place = |number: isize| usize::try_from(number).ok().filter(|number| *number > 0);
    let message = error.msg.trim_start_matches("Syntax error: ");
    Fault {
        line: place(error.pos.0),
        column: place(error.pos.1),
        ..Fault::of_the_whole(format!("is no CEL expression: {message}"))
    }
}

/// Whether a name stands in the filter as it is, and not as a part of a longer one.
fn stands_in(text: &str, name: &str) -> bool {
    let is_outside = |next: Option<char>| next.is_none_or(|next| !next.is_alphanumeric() && next != '_');
    !name.is_empty()
        && text.match_indices(name).any(|(at, _)| {
            is_outside(text[..at].chars().next_back()) && is_outside(text[at + name.len()..].chars().next())
        })
}

/// An error of the evaluation without the values that it quotes. `text` is the filter's.
fn told(error: ExecutionError, text: &str) -> EvalFault {
    EvalFault(match error {
        // As in `payload.map[payload.name]`: the name is the payload's.
        ExecutionError::NoSuchKey(key) if !stands_in(text, &key) => "the object has no such member".into(),
        ExecutionError::NoSuchKey(key) => {
            let key = source::cut(key.to_string(), 100);
            format!("there is no `{key}`: has(…) asks whether there is one")
        }
        ExecutionError::NoSuchOverload(overload) => source::cut(overload.to_string(), 200),
        ExecutionError::UnexpectedType { got, want } => format!("there is a {got} where {want} is needed"),
        ExecutionError::IndexOutOfBounds(_) => "a list has no element of that number".into(),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "it divides by zero".into(),
        ExecutionError::Overflow(..) => "a number is too large".into(),
        ExecutionError::UnsupportedBinaryOperator(operator, ..) => {
            format!("`{operator}` takes two numbers or two texts of one type")
        }
        ExecutionError::FunctionError { function, .. } => format!("{function}(…) cannot take this value"),
        _ => CANNOT.into(),
    })
}

#[cfg(test)]
mod tests;
