//! The documentation keeps its word: what it names is there, and what is there is named.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;

use agenthook::config::SettingsArgs;
use agenthook::model::ErrorCode;
use agenthook::pages::Page;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every page, as a path from the root.
fn pages() -> Vec<PathBuf> {
    let files = ["", "docs", "docs/adr", "docs/errors", "docs/receivers", "docs/senders", "migrations"]
        .into_iter()
        .flat_map(|folder| {
            let entries = std::fs::read_dir(root().join(folder)).expect("a folder");
            entries.map(move |entry| Path::new(folder).join(entry.expect("an entry").file_name()))
        });
    let pages: Vec<_> = files.filter(|file| file.extension().is_some_and(|end| end == "md")).collect();
    assert!(pages.len() > 10, "the pages are found: {pages:?}");
    pages
}

/// What stands between `start` and `end`, each time.
fn between<'t>(text: &'t str, start: &'t str, end: &'t str) -> impl Iterator<Item = &'t str> {
    text.split(start).skip(1).filter_map(move |rest| rest.split(end).next())
}

/// A page without its code blocks.
fn prose(page: &Path) -> String {
    read(page).split("```").step_by(2).collect()
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(page: &Path) -> BTreeSet<String> {
    let headings = prose(page);
    let headings = headings.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let kept = line.trim_start_matches('#').trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        for link in between(&prose(&page), "](", ")").filter(|link| !link.starts_with("https://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.with_file_name(file) };
            let there = root().join(&target).exists();
            let anchored = anchor.is_empty() || there && anchors(&target).contains(anchor);
            if !there || !anchored {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn every_setting_is_in_the_readme() {
    let table = read("README.md");
    let settings = SettingsArgs::augment_args(clap::Command::new("settings"));
    for setting in settings.get_arguments() {
        let flag = format!("--{}", setting.get_long().expect("a flag"));
        let name = setting.get_env().map_or(flag, |name| name.to_string_lossy().into_owned());
        assert!(table.contains(&format!("\n| `{name}`")), "README.md has no row for {name}");
    }
}

#[test]
fn every_code_is_in_the_list_of_codes() {
    let mut table = "| code | status | title |\n|---|---|---|\n".to_owned();
    for Page { code, status, title, .. } in agenthook::pages::pages() {
        let status = status.map_or("execution".to_owned(), |status| status.to_string());
        table += &format!("| [`{code}`]({code}.md) | {status} | {title} |\n");
    }
    assert!(
        read("docs/errors/README.md").contains(&table),
        "docs/errors/README.md must have this table:\n{table}"
    );
    let files = std::fs::read_dir(root().join("docs/errors")).expect("the folder").count();
    assert_eq!(files, agenthook::pages::pages().len() + 1, "a page for each code, and the list");
}

#[test]
fn every_execution_code_is_in_the_operators_guide() {
    let guide = read("docs/operators.md");
    for code in ErrorCode::ALL {
        let row = format!("\n| `{}` |", code.word());
        assert!(guide.contains(&row), "docs/operators.md has no row for {code:?}");
    }
}

#[test]
fn every_test_that_the_architecture_names_is_there() {
    let page = read("docs/architecture.md");
    let table = page.split("## Invariants").last().expect("the table");
    let mut sources = String::new();
    let mut folders = vec![root().join("src"), root().join("tests/it")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path())
        {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                sources += &std::fs::read_to_string(&entry).unwrap_or_default();
            }
        }
    }
    let named: Vec<_> =
        table.split('`').skip(1).step_by(2).filter(|word| word.matches('_').count() > 2).collect();
    assert!(named.len() > 20, "the names are found: {named:?}");
    for name in named {
        assert!(sources.contains(&format!("fn {name}(")), "there is no test {name}");
    }
}

#[test]
fn the_guide_shows_the_examples_as_they_are() {
    let guide = read("docs/integrators.md");
    for example in ["sign.py", "sign.mjs", "sign.go", "sign.php", "sign.sh"] {
        let program = read(Path::new("examples").join(example));
        assert!(guide.contains(program.trim_end()), "docs/integrators.md shows another {example}");
    }
}

#[test]
fn the_page_of_events_has_the_catalogue() {
    let page = read("docs/events.md");
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| `") && line.contains(" | ")).collect();
    for (name, reserved, info) in agenthook::model::catalogue() {
        let by = if reserved { "agenthook" } else { "you" };
        let start = format!("| `{name}` | {by} | {} |", info.description);
        assert!(rows.iter().any(|row| row.starts_with(&start)), "docs/events.md has no row {start}");
    }
    let known = |row: &&&str| {
        agenthook::model::catalogue().any(|(name, ..)| row.starts_with(&format!("| `{name}` |")))
    };
    let typed = rows.iter().filter(|row| row.contains("| agenthook |") || row.contains("| you |"));
    assert!(typed.clone().all(|row| known(&row)), "a row is of no type");
    let filters = between(&page, "```cel\n", "```").flat_map(str::lines);
    for filter in filters {
        let compiled = agenthook::filter::Filter::compile(filter, agenthook::filter::Names::Event);
        assert!(compiled.is_ok(), "{filter}");
    }
}
