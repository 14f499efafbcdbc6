//! Which regular expressions a schema may use.
//!
//! An engine without backtracking is linear in the text, but its factor is the pattern's: `[ab]*a[ab]{200}`
//! takes 3 µs for every byte, which is 3 s for a payload of 1 MiB, because every byte may start a state
//! of the automaton that was never seen before. So a pattern is taken if the whole deterministic automaton is
//! small: then the states are soon all known, and a byte costs a few ns whatever the text is.

use std::collections::HashSet;

use regex_automata::dfa::{StartKind, dense};
use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use serde_json::Value;

use super::SchemaFault;
use super::graph::{Graph, escape};

/// The longest pattern, in bytes.
pub const MAX_PATTERN_BYTES: usize = 1_024;

/// How many different patterns a schema may have.
pub const MAX_PATTERNS: usize = 500;

/// How many of `\d`, `\w`, `\s` (in capitals too) and `\c` a pattern may have is limited by the sum of their
/// squares over all patterns: bringing them from ECMA 262 to our engine reads the pattern again for each.
pub const MAX_ESCAPES_SQUARED: usize = 4_096;

/// What the patterns of one schema may take compiled, together, in bytes: first as nondeterministic automata …
pub const MAX_COMPILED_BYTES: usize = 1 << 20;

/// … and then as deterministic ones.
pub const MAX_AUTOMATA_BYTES: usize = 1 << 20;

/// Refuses patterns that are not understood, or could be slow on some text. For the rest it tells what matching
/// one byte may cost, in units of roughly 10 ns.
pub(super) fn check(graph: &Graph<'_>) -> Result<usize, SchemaFault> {
    let mut left = Left {
        compiled: MAX_COMPILED_BYTES,
        automata: MAX_AUTOMATA_BYTES,
        patterns: MAX_PATTERNS,
        escapes_squared: MAX_ESCAPES_SQUARED,
        word_bytes: 0,
    };
    let mut known = HashSet::new();
    for (index, node) in graph.nodes.iter().enumerate() {
        let own = node.schema.get("pattern").and_then(Value::as_str);
        let of_names = node.schema.get("patternProperties").and_then(Value::as_object);
        let own = own.map(|pattern| (pattern, "/pattern".to_owned()));
        let of_names = of_names.into_iter().flat_map(|patterns| patterns.keys());
        let of_names = of_names.map(|name| (name.as_str(), format!("/patternProperties/{}", escape(name))));
        for (pattern, place) in own.into_iter().chain(of_names) {
            if known.insert(pattern)
                && let Err(message) = left.take(pattern)
            {
                return Err(SchemaFault { pointer: graph.pointer(index) + &place, message });
            }
        }
    }
    // \b stands for a word of Unicode here, which an automaton cannot tell by bytes: text beyond ASCII goes
    // through the engine's slow path, at 64 to 165 ns a byte for 1 kB
    Ok(1 + left.word_bytes / 64)
}

/// What is left for further patterns.
struct Left {
    compiled: usize,
    automata: usize,
    patterns: usize,
    escapes_squared: usize,
    /// The size of the largest pattern that needs to know what a word is.
    word_bytes: usize,
}

impl Left {
    fn take(&mut self, pattern: &str) -> Result<(), String> {
        if pattern.len() > MAX_PATTERN_BYTES {
            return Err(format!("is a pattern longer than {MAX_PATTERN_BYTES} bytes: write a shorter one"));
        }
        self.patterns = self.patterns.checked_sub(1).ok_or_else(|| {
            format!("is one pattern more than the {MAX_PATTERNS} that a schema may have: check fewer values")
        })?;
        let escapes = escapes(pattern);
        self.escapes_squared = self.escapes_squared.checked_sub(escapes * escapes).ok_or(TOO_MANY_ESCAPES)?;
        // as the validator will, ECMA 262's \d and \s are made what they are there
        let translated = jsonschema_regex::to_rust_regex(pattern).map_err(|()| unreadable(pattern))?;
        let forward = self.compile(pattern, &translated, false)?;
        self.determinize(&forward, StartKind::Unanchored)?;
        if forward.look_set_any().contains_word_unicode() {
            self.word_bytes = self.word_bytes.max(forward.memory_usage());
        }
        // the engine may also search from the end, but not for what can start in one place only
        if !forward.is_always_start_anchored() {
            let backward = self.compile(pattern, &translated, true)?;
            self.determinize(&backward, StartKind::Anchored)?;
        }
        Ok(())
    }

    fn compile(&mut self, pattern: &str, translated: &str, reverse: bool) -> Result<NFA, String> {
        let config = thompson::Config::new()
            .reverse(reverse)
            .nfa_size_limit(Some(self.compiled))
            .which_captures(WhichCaptures::None);
        let nfa =
            thompson::Compiler::new().configure(config).build(translated).map_err(|error| {
                match error.size_limit() {
                    Some(_) => too_large(),
                    None => unreadable(pattern),
                }
            })?;
        self.compiled = self.compiled.saturating_sub(nfa.memory_usage());
        Ok(nfa)
    }

    fn determinize(&mut self, nfa: &NFA, start: StartKind) -> Result<(), String> {
        let config = dense::Config::new()
            .start_kind(start)
            .unicode_word_boundary(true)
            .determinize_size_limit(Some(self.automata))
            .dfa_size_limit(Some(self.automata));
        let dfa = dense::Builder::new().configure(config).build_from_nfa(nfa).map_err(|_| too_large())?;
        self.automata = self.automata.saturating_sub(dfa.memory_usage());
        Ok(())
    }
}

/// How many escapes of a pattern have to be translated.
fn escapes(pattern: &str) -> usize {
    let mut bytes = pattern.bytes();
    let mut count = 0;
    while let Some(byte) = bytes.next() {
        let escaped = if byte == b'\\' { bytes.next() } else { None };
        count += usize::from(escaped.is_some_and(|byte| b"dDwWsSc".contains(&byte)));
    }
    count
}

const TOO_MANY_ESCAPES: &str = "has, with the other patterns, too many of \\d, \\w, \\s and their like: write \
    [0-9], [A-Za-z0-9_] or [ \\t\\r\\n], or repeat one of them by + or {n}";

fn too_large() -> String {
    "is a pattern that could be slow on some text, alone or with the other patterns: replace {n,m} of large \
     numbers by minLength and maxLength, begin it with ^, or use narrower classes than . and \\p{…}"
        .to_owned()
}

fn unreadable(pattern: &str) -> String {
    let around = ["(?=", "(?!", "(?<=", "(?<!"].iter().find(|around| pattern.contains(**around));
    let back =
        pattern.as_bytes().windows(2).any(|two| two[0] == b'\\' && matches!(two[1], b'1'..=b'9' | b'k'));
    match (around, back) {
        (Some(around), _) => format!(
            "uses look-around ({around}…), which can take exponential time and is not supported: write the \
             pattern without it, or use not, allOf and further patterns"
        ),
        (None, true) => {
            "uses a backreference, which can take exponential time and is not supported: write the pattern \
             without it"
                .to_owned()
        }
        (None, false) => "is no regular expression that can be read: check brackets and escapes".to_owned(),
    }
}
