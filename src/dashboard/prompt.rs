//! The prompt of an execution, as its page shows it.

use std::time::Duration;

use crate::api::prompts;
use crate::app::App;
use crate::model::Trace;

/// How long a page waits for it: a hostile template takes a while, and two are rendered at once.
const PATIENCE: Duration = Duration::from_secs(2);
/// What stands for the marker, which is drawn at random for each run.
pub(super) const MARKER: &str = "MARKER";

/// What the model read, or would read.
pub(super) enum Prompt {
    /// Who says it, and what.
    Messages(Vec<(&'static str, String)>),
    /// Why there is none.
    Unmade(String),
}

impl Prompt {
    /// That of this execution, made anew of its payload by the version that it runs on.
    pub async fn of(app: &App, trace: &Trace) -> Self {
        let made = tokio::time::timeout(PATIENCE, prompts::of_execution(app, trace));
        let prompt = match made.await {
            Ok(Ok(Ok(prompt))) => prompt,
            Ok(Ok(Err(error))) => return Self::Unmade(error.message),
            Ok(Err(refused)) => return Self::Unmade(refused.detail().to_owned()),
            Err(_) => return Self::Unmade("it takes too long at the moment: open the page again".to_owned()),
        };
        let marker = prompt.marker;
        let message = |content: String| content.replace(&marker, MARKER);
        Self::Messages(prompt.messages.into_iter().map(|one| (one.role, message(one.content))).collect())
    }

    /// As one text, for a comparison.
    pub fn text(&self) -> String {
        match self {
            Self::Messages(messages) => {
                let texts = messages.iter().map(|(role, content)| format!("{role}:\n{content}"));
                texts.collect::<Vec<_>>().join("\n\n")
            }
            Self::Unmade(_) => String::new(),
        }
    }
}
