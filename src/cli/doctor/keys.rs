//! The encryption keys: are they there, are they keys, and do they open what is stored?

use std::path::Path;

use super::{Finding, fail, ok, warn};
use crate::app::{Standing, count_sealed};
use crate::cipher::Cipher;
use crate::config::{self, DatabaseUrl, Settings};
use crate::store::Store;

const CHECK: &str = "encryption key";

pub(super) async fn check(settings: &Settings, store: Option<&Store>) -> Vec<Finding> {
    let file = config::encryption_key_file(settings);
    let keys = match config::present_encryption_keys(settings) {
        Ok(Some(keys)) => keys,
        Ok(None) => return vec![without(&file, store).await],
        Err(error) => return vec![fail(CHECK, error.to_string())],
    };
    let cipher = match Cipher::new(&keys) {
        Ok(cipher) => cipher,
        Err(fault) => return vec![fail(CHECK, format!("AGENTHOOK_ENCRYPTION_KEYS: {fault}"))],
    };
    let mut findings = match store {
        None => vec![ok(CHECK, "valid")],
        Some(store) => match Standing::of(store, &cipher).await {
            Ok(standing) => standing_of(&standing, keys.len()),
            Err(error) => vec![fail(CHECK, format!("stored secrets cannot be read: {error}"))],
        },
    };
    let generated =
        settings.encryption_keys.is_none() && matches!(settings.database_url, DatabaseUrl::Sqlite(_));
    if generated && readable_by_others(&file) {
        findings.push(warn(CHECK, format!("others can read {0}: chmod 600 {0}", file.display())));
    }
    findings
}

/// There is no key, and the next start would make one.
async fn without(file: &Path, store: Option<&Store>) -> Finding {
    let Some(store) = store else { return ok(CHECK, "none yet: the first `agenthook serve` makes one") };
    match count_sealed(store).await {
        Ok(0) => ok(CHECK, "none yet: the next `agenthook serve` makes one"),
        Ok(_) => fail(
            CHECK,
            format!("{} is gone, and with it what is stored: put it back from a backup", file.display()),
        ),
        Err(error) => fail(CHECK, format!("stored secrets cannot be read: {error}")),
    }
}

/// How all stored secrets stand to the keys. A key that nothing needs any more is worth a word: it can go.
fn standing_of(standing: &Standing, keys: usize) -> Vec<Finding> {
    let Standing { first, older, closed } = standing;
    let all = standing.rows();
    let mut findings = Vec::new();
    if !closed.is_empty() {
        findings.push(fail(
            CHECK,
            format!(
                "{} of {all} stored secrets open with none of the keys: add the key that they were stored under to \
                 AGENTHOOK_ENCRYPTION_KEYS; `agenthook rekey --dry-run` names them",
                closed.len()
            ),
        ));
    }
    findings.push(match (all, older) {
        (0, _) => ok(CHECK, "valid; no secret is stored yet"),
        (_, 1..) => warn(
            CHECK,
            format!("{first} stored secrets are under the first key, {older} under an older one: run `agenthook rekey`"),
        ),
        _ if keys > 1 && closed.is_empty() => ok(
            CHECK,
            format!("valid, {first} stored secrets are all under the first key: the others can be removed"),
        ),
        _ if closed.is_empty() => ok(CHECK, format!("valid, opens all {all} stored secrets")),
        _ => return findings,
    });
    findings
}

#[cfg(unix)]
fn readable_by_others(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn readable_by_others(_: &Path) -> bool {
    false
}
