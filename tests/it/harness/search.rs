//! Looking for what must not be there.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};

/// The secrets, each in the spellings in which it could lie about.
pub fn spellings(secrets: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for secret in secrets {
        all.extend([(*secret).to_owned(), hex::encode(secret), hex::encode_upper(secret)]);
        all.push(url::form_urlencoded::byte_serialize(secret.as_bytes()).collect());
        all.push(percent(secret));
        // As `Debug` prints bytes.
        let bytes: Vec<_> = secret.bytes().map(|byte| byte.to_string()).collect();
        all.push(bytes.join(", "));
        all.extend((0..3).flat_map(|shift| in_base64(secret, shift)));
        let decoded = BASE64_STANDARD.decode(secret).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        all.extend(decoded.filter(|text| text.starts_with("planted")));
        // A part is too much as well.
        all.extend(secret.split(['/', '+', '=']).filter(|part| part.len() > 8).map(str::to_owned));
    }
    all.sort();
    all.dedup();
    all
}

/// Each character that is none of a URL's own, as `%20`.
fn percent(secret: &str) -> String {
    let spelled = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    secret.bytes().map(spelled).collect()
}

/// What is left of it in base64 when so many bytes stand before it, whatever they are, and others follow.
fn in_base64(secret: &str, shift: usize) -> [String; 2] {
    let text = [&vec![0; shift], secret.as_bytes()].concat();
    let start = [0, 2, 3][shift];
    [BASE64_STANDARD.encode(&text), BASE64_URL_SAFE.encode(&text)]
        .map(|encoded| encoded[start..encoded.len() - 4].to_owned())
}

/// None of these stands in this text.
pub fn assert_clean(what: &str, text: &[u8], needles: &[String]) {
    let text = String::from_utf8_lossy(text);
    for needle in needles {
        if let Some((before, after)) = text.split_once(needle.as_str()) {
            let before: String =
                before.chars().rev().take(300).collect::<Vec<_>>().into_iter().rev().collect();
            let after: String = after.chars().take(100).collect();
            panic!("in {what} stands {before}>>>{needle}<<<{after}");
        }
    }
}

/// Nor in any file of this directory, and below it, but the key that is kept there.
pub fn assert_files_clean(directory: &Path, needles: &[String]) {
    let files = files(directory);
    assert!(!files.is_empty(), "there is something to search in {}", directory.display());
    for (name, bytes) in files {
        assert_clean(&name, &bytes, needles);
    }
}

/// What is in a directory and below it, but for the key that is kept there.
pub fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry")) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() && name != "encryption.key" {
            found.push((name, fs::read(path).expect("bytes")));
        }
    }
    found
}

#[test]
fn every_spelling_is_found() {
    let secret = "sk-planted/key+with=all";
    let needles = spellings(&[secret]);
    let found = |text: &str| needles.iter().any(|needle| text.contains(needle.as_str()));
    for before in ["", "a", "ab", "abc", "user:"] {
        let text = format!("{before}{secret}, and more");
        assert!(found(&BASE64_STANDARD.encode(&text)) && found(&BASE64_URL_SAFE.encode(&text)), "{text}");
        assert!(found(&hex::encode(&text)) && found(&format!("{:?}", text.as_bytes())), "{text}");
    }
    for text in ["sk-planted%2Fkey%2Bwith%3Dall", "x=sk-planted%2Fkey%2Bwith%3Dall&y", "key+with"] {
        assert_eq!(found(text), text.contains('%'), "{text}");
    }
    assert!(!found("sk-planned/key"));
}
