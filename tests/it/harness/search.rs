//! Looking for what must not be there.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// The secrets, each in the spellings in which it could lie about.
pub fn spellings(secrets: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for secret in secrets {
        all.extend([(*secret).to_owned(), hex::encode(secret)]);
        // The end of base64 depends on what follows.
        let base64 = BASE64_STANDARD.encode(secret);
        all.push(base64[..base64.len() - 4].to_owned());
        let decoded = BASE64_STANDARD.decode(secret).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        all.extend(decoded.filter(|text| text.starts_with("planted")));
        // A part is too much as well.
        all.extend(secret.split(['/', '+', '=']).filter(|part| part.len() > 8).map(str::to_owned));
    }
    all
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

/// Nor in any file of this directory but the key that is kept there.
pub fn assert_files_clean(directory: &Path, needles: &[String]) {
    let mut files = 0;
    for entry in fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry")) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_file() && name != "encryption.key" {
            assert_clean(&name, &fs::read(entry.path()).expect("bytes"), needles);
            files += 1;
        }
    }
    assert!(files > 0, "there is something to search in {}", directory.display());
}
