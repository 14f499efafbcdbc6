//! Problem documents: their schema, and what each status may carry.

use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::pages::pages;
use crate::web::Code;

/// What is wrong with one field of a request.
#[derive(ToSchema)]
#[schema(as = FieldError)]
#[allow(dead_code, reason = "`web::FieldError` as the document says it")]
pub(super) struct FieldFault {
    /// JSON Pointer into the body, or the name of a query parameter.
    pointer: String,
    /// What has to stand there.
    message: String,
    /// In a filter or a template: the line, from 1 on.
    line: Option<u32>,
    /// The character in the line, from 1 on.
    column: Option<u32>,
}

/// Where a payload does not match the schema.
#[derive(ToSchema)]
#[schema(as = SchemaMismatch)]
#[allow(dead_code, reason = "the answer is made by `schema`")]
pub(super) struct Mismatch {
    /// JSON Pointer into the payload.
    instance_path: String,
    /// JSON Pointer into the schema.
    schema_path: String,
    /// What has to be there.
    message: String,
}

/// The schema that all problems share.
pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "description": "A refusal (RFC 9457).",
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "properties": {
            "type": { "type": "string", "format": "uri", "description": "Address of a page about this code." },
            "title": { "type": "string" },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string", "description": "What to do, for people." },
            "code": { "type": "string", "description": "Tells problems apart.", "enum": words(Code::ALL) },
            "request_id": { "type": "string", "format": "uuid", "description": "The same as `X-Request-Id`." },
            "errors": {
                "type": "array",
                "description": "One entry per fault.",
                "items": { "anyOf": [
                    { "$ref": "#/components/schemas/FieldError" },
                    { "$ref": "#/components/schemas/SchemaMismatch" }
                ] }
            }
        }
    })
}

fn words(codes: &[Code]) -> Vec<&'static str> {
    codes.iter().map(|code| code.parts().0).collect()
}

/// The answer of a status that may carry these codes.
pub(super) fn answer(codes: &[Code]) -> Value {
    let status = codes.first().map_or(500, |code| code.parts().1);
    let described: Vec<_> =
        codes.iter().map(|code| format!("`{}`: {}.", code.parts().0, code.parts().2)).collect();
    let examples: serde_json::Map<_, _> =
        codes.iter().map(|code| (code.parts().0.to_owned(), json!({ "value": example(*code) }))).collect();
    json!({
        "description": described.join("\n\n"),
        "content": { "application/problem+json": {
            "schema": {
                "allOf": [{ "$ref": "#/components/schemas/Problem" }],
                "properties": { "status": { "const": status }, "code": { "enum": words(codes) } }
            },
            "examples": examples
        } }
    })
}

/// The example of the code's page, or one without further detail.
fn example(code: Code) -> Value {
    let (word, status, title) = code.parts();
    let page = pages().into_iter().find(|page| page.code == word);
    let shown = page.and_then(|page| page.text.split("```json\n").nth(1)?.split("```").next());
    shown.and_then(|shown| serde_json::from_str(shown).ok()).unwrap_or_else(|| {
        json!({
            "type": format!("https://hooks.example.com/errors/{word}"), "title": title, "status": status,
            "detail": title, "code": word, "request_id": "01a20175-5a8a-7526-aa33-6f9e28e51321"
        })
    })
}

/// The name of this answer among the document's.
pub(super) fn name(codes: &[Code]) -> String {
    words(codes).join("-")
}

/// The codes that a description names: `conflict`, or `invalid_request invalid_schema`.
pub(super) fn named(description: &str) -> Option<Vec<Code>> {
    let code = |word: &str| Code::ALL.iter().copied().find(|code| code.parts().0 == word);
    let codes: Option<Vec<_>> = description.split(' ').map(code).collect();
    codes.filter(|codes| !codes.is_empty())
}
