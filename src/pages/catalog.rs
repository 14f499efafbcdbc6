//! The closed list of codes, those of answers and those of executions, each with its page from `docs/errors/`.

use crate::model::ErrorCode;
use crate::web::Code;

macro_rules! texts {
    ($($code:literal)*) => {
        /// The pages' Markdown. A code without its file does not compile; one that is not listed fails a test.
        const TEXTS: &[(&str, &str)] =
            &[$(($code, include_str!(concat!("../../docs/errors/", $code, ".md"))),)*];
    };
}

texts! {
    "malformed_json" "incomplete_body" "unauthorized" "forbidden" "agent_not_active" "not_found" "method_not_allowed"
    "request_timeout" "conflict" "last_admin_key" "version_mismatch" "payload_too_large" "unsupported_media_type"
    "invalid_request" "invalid_schema" "invalid_filter" "invalid_template" "schema_mismatch" "callback_not_allowed" "reserved_event_type" "idempotency_mismatch" "too_many_requests" "internal"
    "unavailable" "mlflow_not_configured" "below_baseline" "mlflow_unavailable" "mlflow_refused"
    "llm_unavailable" "llm_timeout" "llm_rate_limited" "llm_bad_request" "llm_auth" "llm_budget_exceeded"
    "llm_no_deployment" "llm_invalid_response" "no_key" "model_not_allowed" "prompt_failed" "agent_deleted" "crashed"
    "cancelled"
}

/// What there is to know about one code.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// The stable word.
    pub code: &'static str,
    /// The HTTP status; `None` for the codes of executions.
    pub status: Option<u16>,
    /// A few words.
    pub title: &'static str,
    /// The page, in Markdown.
    pub text: &'static str,
}

/// All pages: the codes of answers by their status, then those of executions.
#[must_use]
pub fn pages() -> Vec<Page> {
    let problems = Code::ALL.iter().map(|code| {
        let (word, status, _) = code.parts();
        (word, Some(status))
    });
    let executions = ErrorCode::ALL.iter().map(|code| (code.word(), None));
    problems.chain(executions).map(|(code, status)| of(code, status)).collect()
}

fn of(code: &'static str, status: Option<u16>) -> Page {
    let text = TEXTS.iter().find(|(name, _)| *name == code).map_or("", |(_, text)| text);
    let heading = text.lines().next().unwrap_or_default();
    let title = heading.split_once("`: ").map_or(code, |(_, title)| title);
    Page { code, status, title, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_page_and_every_page_its_code() {
        let pages = pages();
        assert_eq!(pages.len(), TEXTS.len(), "pages and codes");
        let mut codes: Vec<_> = pages.iter().map(|page| page.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), pages.len(), "a word means one thing");
        for page in pages {
            let code = page.code;
            assert!(page.text.starts_with(&format!("# `{code}`: {}\n\n", page.title)), "{code}: the heading");
            for section in ["\n## What it means\n", "\n## What to do\n"] {
                assert!(page.text.contains(section), "{code} lacks {section:?}");
            }
            let first = match page.status {
                Some(status) => format!("HTTP status {status}.\n"),
                None => "Not an HTTP status:".to_owned(),
            };
            assert!(page.text.contains(&format!("\n\n{first}")), "{code} does not say {first:?}");
        }
    }

    #[test]
    fn a_page_has_the_title_that_the_answer_has() {
        for code in Code::ALL {
            let (word, status, title) = code.parts();
            let page = of(word, Some(status));
            assert_eq!(page.title, title, "{word}");
        }
    }

    #[test]
    fn the_examples_are_json_with_this_code() {
        for page in pages() {
            for example in page.text.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()) {
                let json: serde_json::Value =
                    serde_json::from_str(example).unwrap_or_else(|error| panic!("{}: {error}", page.code));
                assert_eq!(json["code"], page.code);
                if let Some(status) = page.status {
                    assert_eq!((&json["status"], &json["title"]), (&status.into(), &page.title.into()));
                }
            }
        }
    }
}
