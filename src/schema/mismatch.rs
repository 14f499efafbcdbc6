//! What a sender is told about a payload that does not match: where and why, never what it sent.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde::Serialize;

/// The longest JSON Pointer, or list of options from the schema, that a mismatch carries, in bytes.
pub const MAX_TEXT_BYTES: usize = 512;

/// One place where the payload does not match the schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// JSON Pointer into the payload. Its names are the payload's own, cut at [`MAX_TEXT_BYTES`].
    pub instance_path: String,
    /// JSON Pointer into the schema: the keyword that is not met.
    pub schema_path: String,
    /// What the schema asks for. Quotes the schema, never the payload, whose property names count as data too.
    pub message: String,
}

impl Mismatch {
    pub(super) fn new(error: &ValidationError<'_>) -> Self {
        Self {
            instance_path: cut(error.instance_path().as_str()),
            schema_path: cut(error.schema_path().as_str()),
            message: cut(&message(error.kind())),
        }
    }

    /// For a payload that could not be checked to the end.
    pub(super) fn of_the_whole(message: &str) -> Self {
        Self { instance_path: String::new(), schema_path: String::new(), message: message.to_owned() }
    }
}

/// Our own words for every kind, without a catch-all: a kind that a new version of the crate adds has to be
/// looked at before it is shown, for the crate's own texts quote values and names of the payload.
fn message(kind: &Kind) -> String {
    match kind {
        Kind::AdditionalItems { limit } => format!("has more than the {limit} items allowed"),
        Kind::AdditionalProperties { unexpected } => {
            format!(
                "has {} that the schema does not allow",
                count(unexpected.len(), "property", "properties")
            )
        }
        Kind::UnevaluatedProperties { unexpected } => {
            format!(
                "has {} that the schema does not allow",
                count(unexpected.len(), "property", "properties")
            )
        }
        Kind::UnevaluatedItems { unexpected } => {
            format!("has {} that the schema does not allow", count(unexpected.len(), "item", "items"))
        }
        Kind::AnyOf { .. } => "matches none of the schemas in anyOf".to_owned(),
        Kind::OneOfNotValid { .. } => "matches none of the schemas in oneOf".to_owned(),
        Kind::OneOfMultipleValid { .. } => "matches more than one of the schemas in oneOf".to_owned(),
        Kind::Constant { expected_value } => format!("must be {expected_value}"),
        Kind::Contains => "contains no, too few or too many items that match".to_owned(),
        Kind::ContentEncoding { content_encoding } => format!("must be encoded as {content_encoding:?}"),
        Kind::ContentMediaType { content_media_type } => format!("must be of type {content_media_type:?}"),
        Kind::FromUtf8 { .. } => "must decode to UTF-8".to_owned(),
        Kind::Enum { options } => format!("must be one of {options}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be greater than {limit}"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        Kind::FalseSchema => "is not allowed here".to_owned(),
        Kind::Format { format } => format!("must be in the format {format:?}"),
        Kind::MaxItems { limit } => format!("must have at most {}", count(*limit, "item", "items")),
        Kind::MinItems { limit } => format!("must have at least {}", count(*limit, "item", "items")),
        Kind::MaxLength { limit } => {
            format!("must be at most {} long", count(*limit, "character", "characters"))
        }
        Kind::MinLength { limit } => {
            format!("must be at least {} long", count(*limit, "character", "characters"))
        }
        Kind::MaxProperties { limit } => {
            format!("must have at most {}", count(*limit, "property", "properties"))
        }
        Kind::MinProperties { limit } => {
            format!("must have at least {}", count(*limit, "property", "properties"))
        }
        Kind::Not { .. } => "matches a schema that it must not match".to_owned(),
        Kind::Pattern { pattern } => format!("must match the pattern {pattern:?}"),
        Kind::PropertyNames { error } => format!("has a property whose name {}", message(error.kind())),
        Kind::Required { property } => format!("must have the property {property}"),
        Kind::Type { kind: TypeKind::Single(kind) } => format!("must be of type {kind}"),
        Kind::Type { kind: TypeKind::Multiple(kinds) } => {
            let kinds: Vec<_> = kinds.iter().map(|kind| kind.to_string()).collect();
            format!("must be of type {}", kinds.join(" or "))
        }
        Kind::UniqueItems => "must not have two equal items".to_owned(),
        // Our engine does not give up, our build has no custom keywords and resolves references when it compiles.
        Kind::BacktrackLimitExceeded { .. }
        | Kind::RegexEngineFailure { .. }
        | Kind::Custom { .. }
        | Kind::Referencing(_) => "could not be checked".to_owned(),
    }
}

fn count(n: impl TryInto<u64>, one: &str, many: &str) -> String {
    match n.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {one}"),
        n => format!("{n} {many}"),
    }
}

/// At most [`MAX_TEXT_BYTES`] of `text`, with an ellipsis where the rest was.
pub(super) fn cut(text: &str) -> String {
    if text.len() <= MAX_TEXT_BYTES {
        return text.to_owned();
    }
    let mark = '…';
    let end = text.floor_char_boundary(MAX_TEXT_BYTES - mark.len_utf8());
    let mut short = text[..end].to_owned();
    short.push(mark);
    short
}
