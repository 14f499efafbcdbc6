//! A real browser looks at the dashboard: Chromium, driven by the programs in tests/browser/. None of them lets a request
//! go elsewhere, a dialog come up, a script fail or a page breach its policy: `tests/browser/watched.py` sees to that.
//!
//! On SQLite only, but for the operator's day: what is looked at is the same on both.

mod access;
mod hostile;
mod operator;
mod others;

use std::path::Path;
use std::process::Command;

use agenthook::server::PAGE_ROUTES;
use serde_json::Value;

use crate::dashboard::{Things, routes};
use crate::harness::{env, fed};

/// Whether there is a browser. Where scripts/test.sh runs, there is.
fn is_here() -> bool {
    let is_here = env("AGENTHOOK_TEST_BROWSER").is_some();
    let why = "AGENTHOOK_TEST_BROWSER is not set: ./scripts/test.sh installs what it names";
    assert!(is_here || env("AGENTHOOK_TEST_LANGUAGES").is_none(), "{why}");
    if !is_here {
        eprintln!("{why}, so this story is skipped");
    }
    is_here
}

/// The same for a story that one database is enough for.
fn is_here_and_on_sqlite() -> bool {
    env("AGENTHOOK_TEST_DB").is_none_or(|database| database == "sqlite") && is_here()
}

/// Plays a story of tests/browser/ to its good end; what it is told is its standard input.
async fn plays(story: &str, told: Value) {
    let python = env("AGENTHOOK_TEST_BROWSER").expect("there is one");
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/browser/{story}.py"));
    // Not on a thread of the server's.
    let played = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(python);
        command.arg("-B").arg(program).env("NO_PROXY", "*").env("no_proxy", "*");
        fed(&mut command, told.to_string().as_bytes())
    });
    let played = played.await.expect("it is played");
    let said = [String::from_utf8_lossy(&played.stdout), String::from_utf8_lossy(&played.stderr)].concat();
    assert!(played.status.success(), "{story}: {}\n{said}", played.status);
}

/// Where one of each kind of page is.
fn pages(things: &Things) -> Vec<String> {
    routes("get").into_iter().map(|pattern| things.path(pattern)).collect()
}

/// Where each button sends its form, but the one that signs out.
fn buttons(things: &Things) -> Vec<String> {
    let posts =
        PAGE_ROUTES.iter().filter(|(path, methods)| methods.contains(&"post") && !path.starts_with("/sign-"));
    posts.map(|(pattern, _)| things.path(pattern)).collect()
}
