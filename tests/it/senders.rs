//! The guides of senders are there, speak of what there is, and can be followed to the letter.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use agenthook::model::{SchemeName, SecretEncoding, Trigger};
use serde_json::{Value, json};

use crate::harness::{ADMIN_KEY, Server, env};

/// A page may have so many lines that it fits two screens.
const MAX_LINES: usize = 80;
/// What `agenthook hits explain` may say.
const DIAGNOSES: [&str; 10] = [
    "missing_header",
    "timestamp_skew",
    "wrong_algorithm",
    "bad_prefix",
    "secret_encoding",
    "wrong_secret_of",
    "trailing_newline",
    "body_reserialized",
    "wrong_scheme",
    "unknown",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/senders")
}

fn word(word: impl serde::Serialize) -> String {
    serde_json::to_value(word).expect("a word").as_str().expect("a word").to_owned()
}

/// One scheme's page.
struct Guide {
    scheme: SchemeName,
    text: String,
}

impl Guide {
    fn all() -> Vec<Self> {
        let guide = |scheme| {
            let path = folder().join(word(scheme) + ".md");
            let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("no {}", path.display()));
            Self { scheme, text }
        };
        SchemeName::ALL.map(guide).into()
    }

    fn name(&self) -> String {
        word(self.scheme)
    }

    /// Its blocks of a language, without indentation.
    fn blocks(&self, language: &str) -> Vec<String> {
        let fences = self.text.split("```").skip(1).step_by(2);
        let blocks = fences.filter_map(|fence| fence.strip_prefix(language)?.strip_prefix('\n'));
        blocks.map(|block| block.lines().map(|line| line.trim_start().to_owned() + "\n").collect()).collect()
    }

    /// The agents it shows, as the bodies of requests.
    fn agents(&self) -> Vec<Value> {
        let agents = self.blocks("json").into_iter();
        agents
            .map(|block| serde_json::from_str(&block).unwrap_or_else(|e| panic!("{}: {e}", self.name())))
            .collect()
    }

    /// The commands with these words in them.
    fn commands(&self, words: &str) -> Vec<String> {
        self.blocks("sh").into_iter().filter(|block| block.contains(words)).collect()
    }

    /// What stands between backquotes at the beginning of the table's rows under a heading.
    fn first_column(&self, heading: &str) -> Vec<&str> {
        let section =
            self.text.split(heading).nth(1).unwrap_or_else(|| panic!("{}: no {heading}", self.name()));
        let section = section.split("\n## ").next().expect("a part");
        let cells = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
        cells.skip(1).flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
    }
}

/// The words after a flag, each time.
fn values<'t>(text: &'t str, flag: &'t str) -> impl Iterator<Item = &'t str> {
    text.split(flag).skip(1).filter_map(|rest| rest.trim_start().split([' ', '\n', '`', '"']).next())
}

#[test]
fn every_scheme_has_a_guide_of_the_same_build() {
    let index = std::fs::read_to_string(folder().join("README.md")).expect("the index");
    let guides = Guide::all();
    for guide in &guides {
        let (name, encoding) = (guide.name(), word(guide.scheme.default_encoding()));
        assert!(guide.text.lines().count() <= MAX_LINES, "{name}: {} lines", guide.text.lines().count());
        for part in ["\n## Create the agent\n", "\n## What ", " with the answer\n", "\n## If it is refused\n"]
        {
            assert!(guide.text.contains(part), "{name}: no {part:?}");
        }
        for row in
            ["scheme", "who makes the secret", "`secret_encoding`", "ids and times", "the same delivery"]
        {
            assert!(guide.text.contains(&format!("\n| {row} | ")), "{name}: no row {row}");
        }
        assert!(guide.text.contains(&format!("\n| scheme | `{name}`")), "{name}");
        let encoding = format!("`{encoding}`");
        assert!(guide.text.contains(&format!("\n| `secret_encoding` | {encoding} (default)")), "{name}");
        let row = index.lines().find(|line| line.contains(&format!("]({name}.md) | `{name}` |")));
        let cells: Vec<_> =
            row.unwrap_or_else(|| panic!("{name} is not in the index")).split(" | ").collect();
        assert_eq!(cells[4], encoding, "{name} in the index");
        let diagnoses = guide.first_column("\n## If it is refused\n");
        assert!(diagnoses.len() > 1, "{name}: {diagnoses:?}");
        for diagnosis in diagnoses {
            assert!(DIAGNOSES.contains(&diagnosis), "{name}: there is no diagnosis {diagnosis}");
        }
    }
    for diagnosis in DIAGNOSES {
        assert!(index.contains(&format!("\n| `{diagnosis}` | ")), "{diagnosis} is not explained");
    }
    let files = std::fs::read_dir(folder()).expect("the folder").count();
    assert_eq!(files, guides.len() + 1, "a page for each scheme, and the index");
}

#[test]
fn the_guides_speak_of_what_there_is() {
    let schemes: BTreeSet<_> = SchemeName::ALL.map(word).into();
    let encodings =
        [SecretEncoding::Base64, SecretEncoding::Utf8, SecretEncoding::Hex, SecretEncoding::Whsec];
    let encodings: BTreeSet<_> = encodings.map(word).into();
    for guide in Guide::all() {
        let name = guide.name();
        let flags = values(&guide.text, "--scheme ").filter(|scheme| !schemes.contains(*scheme));
        assert_eq!(flags.collect::<Vec<_>>(), [""; 0], "{name}: schemes");
        let flags =
            values(&guide.text, "--secret-encoding ").filter(|encoding| !encodings.contains(*encoding));
        assert_eq!(flags.collect::<Vec<_>>(), [""; 0], "{name}: encodings");
        let agents = guide.agents();
        for (at, mut agent) in agents.into_iter().enumerate() {
            let trigger = agent["trigger"].as_object_mut().unwrap_or_else(|| panic!("{name}: no trigger"));
            trigger.remove("secret");
            let trigger: Trigger = serde_json::from_value(trigger.clone().into())
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(trigger.faults(), [], "{name}");
            // what follows the first may be another way
            assert!(trigger.scheme == guide.scheme || at > 0, "{name}: {:?}", trigger.scheme);
        }
    }
}

/// Runs a block of a guide as a reader would, in a directory with what the guide has the reader put there.
async fn follow(server: &Server, directory: &Path, block: &str) -> Output {
    let binaries = Path::new(env!("CARGO_BIN_EXE_agenthook")).parent().expect("a directory").to_owned();
    let path = std::env::join_paths(
        [binaries].into_iter().chain(std::env::split_paths(&env("PATH").expect("a PATH"))),
    );
    let mut command = Command::new("sh");
    command.args(["-euc", block]).current_dir(directory);
    command.env("PATH", path.expect("paths"));
    command.env("AGENTHOOK_URL", &server.url).env("AGENTHOOK_API_KEY", ADMIN_KEY);
    let output =
        tokio::task::spawn_blocking(move || command.output().expect("it runs")).await.expect("it ends");
    assert!(output.status.success(), "{block}{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guides_can_be_followed() {
    let server = Server::without_worker().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    for guide in Guide::all() {
        let name = guide.name();
        for agent in guide.agents() {
            let made = server.expect(201, "POST", "/api/v1/agents", Some(agent.clone())).await;
            assert_eq!(made["trigger"]["scheme"], agent["trigger"]["scheme"], "{name}");
        }
        let directory = tempfile::tempdir().expect("a directory");
        let agent = &guide.agents()[0];
        let secret = agent["trigger"]["secret"].as_str().unwrap_or("a-secret-that-the-sender-has-made");
        for file in ["secret.txt", "public-key.txt"] {
            std::fs::write(directory.path().join(file), secret).expect("written");
        }
        std::fs::write(directory.path().join("agent.json"), agent.to_string()).expect("written");

        let [create] = &guide.commands("agenthook agent create")[..] else {
            panic!("{name}: one way to create")
        };
        let made = follow(&server, directory.path(), &format!("{} --json", create.trim_end())).await;
        let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
        assert_eq!(made["trigger"]["scheme"], name);
        assert_eq!(made["trigger"]["secret_encoding"], word(guide.scheme.default_encoding()), "{name}");
        assert!(made["webhook_url"].is_string(), "{name}: {made}");
        let id = made["agent_id"].as_str().expect("an id");
        for rotate in guide.commands("agenthook agent rotate-secret") {
            if guide.scheme == SchemeName::StandardWebhooks {
                let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
                std::fs::write(directory.path().join("secret.txt"), secret).expect("written");
            }
            follow(&server, directory.path(), &rotate.replace("AGENT_ID", id)).await;
        }
    }
}
