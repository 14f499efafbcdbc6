//! Two executions beside each other: a replay and its original, or any two.

use actix_web::{HttpResponse, web};
use askama::Template;

use super::answer::page;
use super::diff::{Diff, Line};
use super::filters::Filters;
use super::frame::{Frame, Section};
use super::names::Names;
use super::prompt::Prompt;
use super::session::SignedIn;
use super::show::{Show, indented, pretty, took, usd};
use crate::api::executions::{find_trace, show as shown};
use crate::api::view::{ExecutionView, TraceView};
use crate::app::App;
use crate::model::ExecutionId;
use crate::web::{ApiError, Code};

#[derive(Template)]
#[template(path = "compare.html")]
struct ComparePage {
    frame: Frame,
    /// What was asked for.
    asked: Vec<String>,
    comparison: Option<Comparison>,
}

struct Comparison {
    ids: [ExecutionId; 2],
    facts: Vec<Fact>,
    /// What is compared line by line: its name, and the difference.
    texts: Vec<(&'static str, Diff)>,
}

/// One thing that can be said of each in a few words.
struct Fact {
    name: &'static str,
    values: [String; 2],
}

/// One of the two.
struct Side {
    trace: TraceView,
    prompt: String,
}

impl ComparePage {
    fn asked(&self, place: usize) -> &str {
        self.asked.get(place).map_or("", String::as_str)
    }
}

impl Fact {
    fn differs(&self) -> bool {
        self.values[0] != self.values[1]
    }
}

/// The comparison; or, if not two are named, what to name them with.
///
/// # Errors
/// 404: there is none of one of the ids.
pub async fn show(
    app: web::Data<App>,
    signed_in: SignedIn,
    filters: Filters,
) -> Result<HttpResponse, ApiError> {
    let asked: Vec<String> =
        ["a", "b", "pick"].into_iter().flat_map(|name| filters.all(name)).map(str::to_owned).collect();
    let comparison = match &asked[..] {
        [a, b] => Some(compared(&app, &signed_in, [a, b]).await?),
        _ => None,
    };
    let frame = Frame::of(&app, &signed_in, Section::Executions, "Compare executions");
    page(&ComparePage { frame, asked, comparison })
}

async fn compared(app: &App, signed_in: &SignedIn, ids: [&str; 2]) -> Result<Comparison, ApiError> {
    let [a, b] = [side(app, signed_in, ids[0]).await?, side(app, signed_in, ids[1]).await?];
    let agents = [&a, &b].map(|side| side.trace.execution.agent_id);
    let names = Names::of(app, agents).await?;
    let facts = facts(&a, &b, &names);
    let ids = [&a, &b].map(|side| side.trace.execution.execution_id);
    let texts = web::block(move || {
        let input =
            |side: &Side| side.trace.input.as_ref().map_or_else(String::new, |json| indented(json.get()));
        let output = |side: &Side| side.trace.output.as_deref().map_or_else(String::new, pretty);
        vec![
            ("Payload", Diff::of(&input(&a), &input(&b))),
            ("Prompt", Diff::of(&a.prompt, &b.prompt)),
            ("Output", Diff::of(&output(&a), &output(&b))),
        ]
    });
    let failed = |_| ApiError::new(Code::Internal, "the comparison was broken off");
    Ok(Comparison { ids, facts, texts: texts.await.map_err(failed)? })
}

async fn side(app: &App, signed_in: &SignedIn, id: &str) -> Result<Side, ApiError> {
    let trace = find_trace(app, &signed_in.caller, id).await?;
    let prompt = Prompt::of(app, &trace).await.text();
    Ok(Side { prompt, trace: shown(app, trace) })
}

fn facts(a: &Side, b: &Side, names: &Names) -> Vec<Fact> {
    let fact = |name, of: &dyn Fn(&ExecutionView) -> String| Fact {
        name,
        values: [a, b].map(|side| of(&side.trace.execution)),
    };
    let none = || "-".to_owned();
    let ms = |value: Option<i64>| value.as_ref().map_or_else(none, took);
    let calls = Fact { name: "Calls", values: [a, b].map(|side| side.trace.attempts.len().to_string()) };
    vec![
        fact("Status", &|one| one.status.word()),
        fact("Error", &|one| {
            one.error.as_ref().map_or_else(none, |error| format!("{}: {}", error.code.word(), error.message))
        }),
        fact("Agent", &|one| names.get(&one.agent_id)),
        fact("Version", &|one| one.agent_version.to_string()),
        fact("Model", &|one| one.model.clone().unwrap_or_else(none)),
        fact("Came from", &|one| one.source.word()),
        fact("Received", &|one| one.timing.received_at.readable()),
        fact("Waited", &|one| ms(one.timing.queue_ms)),
        fact("In calls", &|one| ms(one.timing.llm_ms)),
        fact("Altogether", &|one| ms(one.timing.total_ms)),
        calls,
        fact("Run", &|one| one.run.to_string()),
        fact("Tokens in", &|one| {
            one.usage.as_ref().map_or_else(none, |usage| usage.prompt_tokens.to_string())
        }),
        fact("Tokens out", &|one| {
            one.usage.as_ref().map_or_else(none, |usage| usage.completion_tokens.to_string())
        }),
        fact("Cost", &|one| usd(&one.cost_usd)),
    ]
}
