//! The prompt template of an agent: a minijinja template of the user message, compiled once per version, rendered for
//! every run.
//!
//! Both sides may be hostile: a template comes from whoever may write agents, a payload from whoever holds the secret.
//! [`check`] takes a closed list of what a template may be made of, without functions, recursion and other templates;
//! the engine's fuel ([`FUEL`]) bounds steps and memory of a rendering; [`Bounded`] its output.
//!
//! What `{{ … }}` writes stands in a [`fence`], so that a payload's text is data to the model and the template's own
//! text is not.

mod check;
mod fence;

use std::fmt;
use std::io;

use minijinja::value::{Kwargs, Serde};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, Value as Shown};
use serde_json::Value;

use crate::model::{AgentFacts, Headers};
use crate::source;
use crate::source::Fault;

/// The longest template, in bytes.
pub const MAX_TEMPLATE_BYTES: usize = 65_536;
/// The longest message that a template may make, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 2 << 20;
/// What one rendering may cost: a step is 1, and so are 64 bytes of text that are made on the way.
pub const FUEL: u64 = 1_000_000;

pub use check::MAX_DEPTH;
use fence::Fence;

/// The name of the one template in its environment.
const NAME: &str = "prompt";

/// A template that messages can be made with. Cheap to share between threads behind an `Arc`.
pub struct Template(Environment<'static>);

/// Why a template made no message of a payload. Holds the template's own text, no values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RenderFault(Fault);

impl Template {
    /// Takes a template, or says what is wrong with it and where.
    pub fn compile(text: &str) -> Result<Self, Fault> {
        if text.len() > MAX_TEMPLATE_BYTES {
            return Err(Fault::of_the_whole(format!("must be at most {MAX_TEMPLATE_BYTES} bytes")));
        }
        if text.trim().is_empty() {
            return Err(Fault::of_the_whole("must not be empty: null shows the payload as JSON"));
        }
        source::compile(|| {
            check::check(text)?;
            let mut environment = environment();
            environment
                .add_template_owned(NAME, text.to_owned())
                .map_err(|error| check::syntax(text, &error))?;
            Ok(Self(environment))
        })
    }

    /// The message for a payload. `draw` gives markers for the fences; it is asked again until the payload and the headers
    /// do not contain the one drawn. Takes up to 200 ms, whatever they hold: on a thread that may take its time.
    ///
    /// # Errors
    /// Something that the template names is missing, or the message or the work for it is too much.
    pub fn render(
        &self,
        payload: &Value,
        headers: &Headers,
        agent: AgentFacts<'_>,
        draw: impl FnMut() -> u128,
    ) -> Result<Message, RenderFault> {
        let fence = Fence::draw(payload, headers, draw);
        let names = [
            ("payload", Shown::from(Serde(payload))),
            ("headers", Shown::from(Serde(&headers.0))),
            ("agent", Shown::from(Serde(agent))),
            (Fence::NAME, Shown::from(fence.marker.clone())),
        ];
        let mut out = Bounded(Vec::new());
        let template = self.0.get_template(NAME).map_err(|error| told("", &error))?;
        let rendered = template.render_captured_to(Shown::from_pairs(names), &mut out).map(|_| ());
        rendered.map_err(|error| told(template.source(), &error))?;
        Ok(Message {
            text: fence.explained(String::from_utf8_lossy(&out.0).into_owned()),
            marker: fence.marker,
        })
    }
}

/// A message that was made.
#[derive(Debug)]
pub struct Message {
    /// What the model is to read.
    pub text: String,
    /// What marks the payload's parts in it.
    pub marker: String,
}

impl fmt::Debug for Template {
    /// Shows nothing of the template: it is a customer's, and this goes into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template").finish_non_exhaustive()
    }
}

/// A stored payload as templates see it: of two members with one name the last counts, and a number beyond 64 bits is a
/// float. Ingress has checked that it is JSON.
#[must_use]
pub fn payload(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes)).unwrap_or_default()
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_debug(false);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(32);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_formatter(fence::write);
    environment.add_filter("tojson", tojson);
    for name in check::UNWANTED_FILTERS {
        environment.remove_filter(name);
    }
    for name in check::UNWANTED_GLOBALS {
        environment.remove_global(name);
    }
    environment
}

/// Compact JSON. The engine's own filter escapes `<` and `'` for browsers, and is charged after its work.
fn tojson(state: &State<'_, '_>, value: &Shown, kwargs: Kwargs) -> Result<String, Error> {
    kwargs.assert_all_used()?;
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    json(state, value)
}

/// A value as compact JSON, paid for.
fn json(state: &State<'_, '_>, value: &Shown) -> Result<String, Error> {
    let mut out = Bounded(Vec::new());
    serde_json::to_writer(&mut out, value)
        .map_err(|error| Error::new(ErrorKind::WriteFailure, "no JSON").with_source(error))?;
    state.consume_fuel(out.0.len() as u64 / 16)?;
    String::from_utf8(out.0).map_err(|_| Error::from(ErrorKind::BadSerialization))
}

/// Takes [`MAX_MESSAGE_BYTES`] and no more.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_MESSAGE_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An error of the engine in our words: its own quote values.
fn told(text: &str, error: &Error) -> RenderFault {
    let place = error.range().filter(|range| text.get(range.clone()).is_some());
    // The engine marks the last step of a path: we name all of it.
    let place = place.map(|range| {
        let of_a_path = |c: char| c.is_alphanumeric() || "_.-'\"[]".contains(c);
        text[..range.start].trim_end_matches(of_a_path).len()..range.end
    });
    let named = place.as_ref().and_then(|range| text.get(range.clone())).map(str::trim);
    let named = match named {
        Some(named) => format!("`{}`", source::cut(named.to_owned(), 100)),
        None => "something".to_owned(),
    };
    let message = match error.kind() {
        ErrorKind::UndefinedError => {
            format!("{named} is not there: write `is defined`, or `| default(…)`, where it may be missing")
        }
        ErrorKind::OutOfFuel => {
            format!("it takes too many steps, or too much memory (more than {FUEL} units), on this payload")
        }
        ErrorKind::WriteFailure => format!("the message would be longer than {MAX_MESSAGE_BYTES} bytes"),
        kind => format!("{named} cannot be made of this payload ({kind})"),
    };
    RenderFault(match place {
        Some(range) => Fault::at(text, range.start, message),
        None => Fault { line: error.line(), ..Fault::of_the_whole(message) },
    })
}

#[cfg(test)]
mod tests;
