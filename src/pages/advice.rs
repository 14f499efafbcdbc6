//! What to do about a code, in one sentence of its page.

use pulldown_cmark::{Event, Parser, TagEnd};

use super::catalog::pages;

/// The first sentence of what the code's page says is to be done, as plain text; `None`: there is no such code.
#[must_use]
pub fn advice(code: &str) -> Option<String> {
    let page = pages().into_iter().find(|page| page.code == code)?;
    let (_, section) = page.text.split_once("\n## What to do\n")?;
    let mut text = String::new();
    for event in Parser::new(section) {
        match event {
            Event::Text(part) | Event::Code(part) => text.push_str(&part),
            Event::SoftBreak | Event::HardBreak => text.push(' '),
            Event::End(TagEnd::Paragraph | TagEnd::Item) => break,
            _ => {}
        }
    }
    let end = text.find(". ").map_or(text.len(), |end| end + 1);
    text.truncate(end);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ErrorCode;

    #[test]
    fn every_code_of_an_execution_has_one_sentence() {
        for code in ErrorCode::ALL {
            let advice = advice(code.word()).unwrap_or_default();
            assert!(advice.len() >= 8 && advice.ends_with('.'), "{}: {advice}", code.word());
            assert!(!advice.contains(". ") && !advice.contains('`'), "{}: {advice}", code.word());
        }
        assert_eq!(
            advice("llm_bad_request").as_deref(),
            Some("Change the prompt, the payload or llm_config, then run the execution again.")
        );
        assert_eq!(advice("nothing"), None);
    }
}
