//! MLflow's names for what can be registered.

use std::fmt;
use std::str::FromStr;

/// What is registered, in the forms of MLflow that always mean the same: not `latest`, a stage or an alias, which would
/// mean another version when the request is repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelUri {
    /// `runs:/RUN_ID` or `runs:/RUN_ID/PATH`: what a run has logged.
    Run {
        /// The run.
        run_id: String,
        /// Where below its artifacts, or the name of a logged model.
        path: Option<String>,
    },
    /// `models:/NAME/VERSION`: a version that is registered already.
    Version {
        /// The registered model.
        name: String,
        /// Which of its versions.
        version: u64,
    },
    /// `models:/MODEL_ID`: a logged model of MLflow 3.
    Logged {
        /// MLflow's id: `m-` and more.
        model_id: String,
    },
}

/// The text is no [`ModelUri`]: what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidModelUri(&'static str);

const FORMS: InvalidModelUri =
    InvalidModelUri("must be runs:/RUN_ID/PATH, models:/NAME/VERSION or models:/MODEL_ID");

impl ModelUri {
    /// The longest, in bytes.
    pub const MAX_LEN: usize = 2000;
}

impl FromStr for ModelUri {
    type Err = InvalidModelUri;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > Self::MAX_LEN {
            return Err(InvalidModelUri("must have at most 2000 bytes"));
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidModelUri("must have no control characters"));
        }
        match text.split_once(":/") {
            Some(("runs", rest)) => of_run(rest),
            Some(("models", rest)) => of_model(rest),
            _ => Err(FORMS),
        }
    }
}

fn of_run(rest: &str) -> Result<ModelUri, InvalidModelUri> {
    let (run_id, path) = match rest.split_once('/') {
        Some((run_id, path)) => (run_id, path.strip_suffix('/').unwrap_or(path)),
        None => (rest, ""),
    };
    if !is_id(run_id) {
        return Err(InvalidModelUri("must name a run: runs:/RUN_ID/PATH"));
    }
    if path.is_empty() {
        return Ok(ModelUri::Run { run_id: run_id.to_owned(), path: None });
    }
    // MLflow refuses what leads out of the run's artifacts, and so do we; `?` and `#` would end the path.
    let plain = |step: &str| !matches!(step, "" | "." | "..") && !step.contains(['?', '#', '\\']);
    if !path.split('/').all(plain) {
        return Err(InvalidModelUri("must have a plain path: no empty step, no . or .., none of ? # \\"));
    }
    Ok(ModelUri::Run { run_id: run_id.to_owned(), path: Some(path.to_owned()) })
}

fn of_model(rest: &str) -> Result<ModelUri, InvalidModelUri> {
    if let Some((name, version)) = rest.split_once('/') {
        let exact = InvalidModelUri(
            "must name a version by its number, models:/NAME/VERSION: what latest or a stage means changes",
        );
        let digits = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit());
        return match version.parse() {
            Ok(version) if digits && !name.trim().is_empty() => {
                Ok(ModelUri::Version { name: name.to_owned(), version })
            }
            _ => Err(exact),
        };
    }
    if rest.contains('@') {
        let number = "must name a version by its number, models:/NAME/VERSION: what an alias means changes";
        return Err(InvalidModelUri(number));
    }
    match rest.starts_with("m-") && is_id(rest) {
        true => Ok(ModelUri::Logged { model_id: rest.to_owned() }),
        false => Err(FORMS),
    }
}

/// MLflow's ids of runs and logged models.
fn is_id(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    (1..=256).contains(&text.len()) && text.bytes().all(plain)
}

impl fmt::Display for ModelUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run { run_id, path: None } => write!(f, "runs:/{run_id}"),
            Self::Run { run_id, path: Some(path) } => write!(f, "runs:/{run_id}/{path}"),
            Self::Version { name, version } => write!(f, "models:/{name}/{version}"),
            Self::Logged { model_id } => write!(f, "models:/{model_id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_read_and_written() {
        for (text, spelled) in [
            ("runs:/abc123/model", "runs:/abc123/model"),
            ("runs:/abc123/deep/er path/", "runs:/abc123/deep/er path"),
            ("runs:/abc123", "runs:/abc123"),
            ("runs:/abc123/", "runs:/abc123"),
            ("models:/My Model/7", "models:/My Model/7"),
            ("models:/m-0123456789abcdef", "models:/m-0123456789abcdef"),
        ] {
            assert_eq!(text.parse::<ModelUri>().map(|uri| uri.to_string()).as_deref(), Ok(spelled));
        }
    }

    #[test]
    fn what_means_something_else_tomorrow_or_leads_out_is_none() {
        for wrong in [
            "",
            "abc",
            "runs:",
            "runs:/",
            "runs://host/abc/model",
            "runs:/a b/model",
            "runs:/abc/../other",
            "runs:/abc/x//y",
            "runs:/abc/x?y",
            "runs:/abc/a\\b",
            "runs:/abc/a\nb",
            "models:/My Model/latest",
            "models:/My Model/Production",
            "models:/My Model/1/2",
            "models:/My Model/+1",
            "models:/ /1",
            "models:/My Model@champion",
            "models:/My Model",
            "models:/",
            "s3://bucket/model",
            "file:/etc/passwd",
        ] {
            assert!(wrong.parse::<ModelUri>().is_err(), "{wrong}");
        }
        let of = |length: usize| format!("runs:/a/{}", "x".repeat(length - 8)).parse::<ModelUri>();
        assert!(of(1999).is_ok() && of(2000).is_ok() && of(2001).is_err());
    }
}
