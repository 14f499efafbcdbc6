//! Imports point down: who may name whom, checked over the sources. And no file is too long, the tests' neither.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// For each module, the modules of the crate that it may name.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("clock", &["model"]),
    ("cipher", &[]),
    ("schema", &[]),
    ("source", &[]),
    ("filter", &["model", "source"]),
    ("template", &["model", "source"]),
    ("signature", &["model"]),
    ("store", &["model"]),
    ("quiet", &[]),
    ("queue", &["model", "quiet"]),
    ("signal", &["clock", "model", "quiet"]),
    ("llm", &["model"]),
    ("egress", &["model", "signature"]),
    ("registry", &["model"]),
    ("config", &["cipher", "model"]),
    ("telemetry", &["config"]),
    (
        "app",
        &[
            "model",
            "clock",
            "cipher",
            "schema",
            "source",
            "filter",
            "template",
            "signature",
            "store",
            "queue",
            "registry",
            "signal",
            "llm",
            "egress",
            "config",
        ],
    ),
    ("web", &["app", "model", "store"]),
    ("ingress", &["app", "filter", "model", "quiet", "schema", "signal", "signature", "store", "web"]),
    (
        "worker",
        &[
            "app", "cipher", "clock", "egress", "filter", "llm", "model", "queue", "quiet", "signal",
            "store", "template",
        ],
    ),
    (
        "api",
        &[
            "app",
            "config",
            "model",
            "cipher",
            "egress",
            "filter",
            "ingress",
            "llm",
            "registry",
            "schema",
            "signature",
            "source",
            "store",
            "template",
            "web",
        ],
    ),
    ("dashboard", &["api", "app", "ingress", "model", "pages", "store", "web"]),
    ("pages", &["app", "model", "web"]),
    ("health", &["app", "web"]),
    ("openapi", &["api", "app", "health", "ingress", "model", "pages", "web"]),
    ("server", &["api", "app", "dashboard", "health", "ingress", "openapi", "pages", "web", "worker"]),
];

/// For each crate that has a home, the modules that may name it.
const HOMES: &[(&str, &[&str])] = &[
    // cli: the receiver of `agenthook listen`
    ("actix_web", &["server", "web", "api", "cli", "dashboard", "health", "ingress", "openapi", "pages"]),
    ("sqlx", &["store", "signal"]),
    ("apalis_redis", &["queue"]),
    ("redis", &["queue", "signal"]),
    ("apalis", &["queue"]),
    ("reqwest", &["llm", "cli", "egress", "registry"]),
    ("hyper", &["egress"]),
    ("fernet", &["cipher"]),
    ("jsonschema", &["schema"]),
    ("askama", &["dashboard"]),
    ("similar", &["dashboard"]),
    ("cel", &["filter"]),
    ("csv", &["api"]),
    ("minijinja", &["template"]),
    ("hmac", &["signature"]),
    ("ed25519_dalek", &["signature"]),
    ("pulldown_cmark", &["pages"]),
    ("charts_rs", &["dashboard"]),
    ("similar", &["dashboard"]),
    ("utoipa_swagger_ui", &["openapi"]),
    ("clap", &["cli", "config"]),
];

/// Folders that would have no subject.
const DRAWERS: [&str; 5] = ["utils", "util", "common", "helpers", "services"];

/// The files below a folder of the repository: the module that each belongs to, its path and its text.
fn files(folder: &str) -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let (mut folders, mut found) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let below = entry.strip_prefix(&root).expect("below the root");
                let first = below.iter().next().expect("a name").to_string_lossy();
                let module = first.trim_end_matches(".rs").to_owned();
                found.push((module, entry.clone(), fs::read_to_string(&entry).expect("text")));
            }
        }
    }
    assert!(found.len() > 50, "the files in {folder} are found: {}", found.len());
    found
}

fn sources() -> Vec<(String, PathBuf, String)> {
    files("src")
}

/// The code of a file, without its comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// The modules of this crate that a line names.
fn named<'a>(line: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    line.match_indices(start).filter_map(move |(at, _)| {
        let free = line[..at].chars().next_back().is_none_or(|c| !(c.is_alphanumeric() || c == '_'));
        let rest = &line[at + start.len()..];
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        (free && end > 0).then_some(&rest[..end])
    })
}

#[test]
fn modules_name_only_what_is_below_them() {
    let rules: BTreeMap<_, _> = MAY_NAME.iter().copied().collect();
    let mut wrong = Vec::new();
    for (module, path, text) in sources() {
        if ["main", "lib", "cli"].contains(&module.as_str()) {
            continue;
        }
        let allowed =
            rules.get(module.as_str()).unwrap_or_else(|| panic!("{module} has no place in MAY_NAME"));
        for line in code(&text) {
            assert!(
                !line.contains("use crate::{"),
                "{}: one `use` per module, so that this test sees it",
                path.display()
            );
            for name in named(line, "crate::") {
                if name != module && !allowed.contains(&name) {
                    wrong.push(format!("{}: {module} names {name}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports that point up or sideways:\n{}", wrong.join("\n"));
}

#[test]
fn crates_with_a_home_are_named_only_there() {
    let mut wrong = Vec::new();
    for (module, path, text) in sources() {
        for (name, homes) in HOMES {
            let start = format!("{name}::");
            let uses = code(&text).any(|line| {
                line.match_indices(&start).any(|(at, _)| {
                    line[..at]
                        .chars()
                        .next_back()
                        .is_none_or(|c| !(c.is_alphanumeric() || c == '_' || c == ':'))
                })
            });
            if uses && !homes.contains(&module.as_str()) {
                wrong.push(format!("{}: {name} is named in {module}, its home is {homes:?}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "crates away from home:\n{}", wrong.join("\n"));
}

#[test]
fn no_file_is_a_drawer_or_too_long_without_saying_why() {
    for (_, path, text) in sources().into_iter().chain(files("tests/it")) {
        let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let folder =
            path.parent().and_then(Path::file_name).expect("a folder").to_string_lossy().into_owned();
        assert!(
            !DRAWERS.contains(&stem.as_str()) && !DRAWERS.contains(&folder.as_str()),
            "{}",
            path.display()
        );
        let lines = text.lines().count();
        let reason =
            text.lines().take_while(|line| line.starts_with("//!")).any(|line| line.contains("long because"));
        assert!(
            lines <= 400 || reason,
            "{} has {lines} lines: split it, or say `long because` in its module doc",
            path.display()
        );
    }
}
