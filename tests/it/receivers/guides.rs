//! The guides of receivers: what they show is what is tested, and what they have the reader ask for is granted.

use std::path::Path;

use agenthook::model::Profile;
use serde_json::Value;

use super::{HEX, header, signed};
use crate::harness::Server;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A page's blocks of a language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let text = read(page);
    let fences = text.split("```").skip(1).step_by(2);
    fences.filter_map(|fence| fence.strip_prefix(language)?.strip_prefix('\n')).map(str::to_owned).collect()
}

fn endpoints() -> Vec<Value> {
    let pages = ["docs/receivers/README.md", "docs/receivers/existing.md"];
    let blocks = pages.into_iter().flat_map(|page| blocks(page, "json"));
    blocks
        .map(|block| serde_json::from_str(&block).unwrap_or_else(|error| panic!("{error}: {block}")))
        .collect()
}

#[test]
fn what_a_guide_shows_stands_in_the_program_that_is_tested() {
    for (page, language, program) in [
        ("python.md", "python", "receive.py"),
        ("node.md", "js", "receive.mjs"),
        ("go.md", "go", "receive.go"),
    ] {
        let code = read(&format!("examples/{program}"));
        let blocks = blocks(&format!("docs/receivers/{page}"), language);
        assert!(blocks.len() >= 3, "{page}: {}", blocks.len());
        for block in blocks {
            assert!(code.contains(&block), "{program} has no\n{block}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_of_the_guides_can_be_made() {
    let server = Server::without_worker().await;
    server.tenant(serde_json::json!({"tenant_id": "acme"})).await;
    let endpoints = endpoints();
    assert_eq!(endpoints.len(), 5);
    for endpoint in endpoints {
        let made = server.expect(201, "POST", "/api/v1/webhooks", Some(endpoint.clone())).await;
        let given = endpoint["secret"].is_string();
        assert_eq!(made["standard_webhooks_secret"].is_string(), given, "{made}");
        let profile = endpoint["profile"].as_str().unwrap_or("standard");
        assert_eq!(made["profile"], profile);
    }
}

#[test]
fn every_profile_is_in_the_table_with_what_is_signed_in() {
    let text = read("docs/receivers/README.md");
    let row = |profile: Profile| {
        let word = serde_json::to_value(profile).expect("a word");
        let start = format!("\n| `{}`", word.as_str().expect("a word"));
        let rest = text.split(&start).nth(1).unwrap_or_else(|| panic!("no row{start}"));
        rest.lines().next().expect("a line").to_owned()
    };
    let standard =
        [Profile::Standard, Profile::StandardWebhooks].map(|profile| (profile, "webhook-signature"));
    for (profile, name) in HEX.into_iter().chain(standard) {
        assert!(row(profile).contains(&format!("`{name}`")), "{profile:?}: {name}");
        assert!(!header(&signed(&super::awkward(profile), profile, &super::SECRETS, 0), name).is_empty());
    }
}
