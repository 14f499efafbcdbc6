//! Keys that a first start needs: given by the operator or, on the embedded default, generated.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

use super::{DatabaseUrl, SettingError, Settings};
use crate::cipher::Cipher;

/// What every API key begins with.
const PREFIX: &str = "ahk_";
/// Last characters of a key that its hint shows.
const HINT_CHARS: usize = 4;
/// Characters after the prefix of an admin key that an operator chose.
const MIN_CHARS: usize = 28;

/// What encrypts, as its setting is called.
const ENCRYPTION_KEYS: &str = "AGENTHOOK_ENCRYPTION_KEYS";

/// The Fernet keys: those of `AGENTHOOK_ENCRYPTION_KEYS`, else (SQLite only) those in the data dir's file, made with
/// mode 0600 if it is not there.
///
/// # Errors
/// None is given on Postgres, where several processes must share them; or the file cannot be used.
pub fn encryption_keys(settings: &Settings) -> Result<Vec<SecretString>, SettingError> {
    if let Some(keys) = present_encryption_keys(settings)? {
        return Ok(keys);
    }
    let (path, key) = (encryption_key_file(settings), Cipher::generate_key());
    write_private(&path, key.expose_secret()).map_err(|error| unusable(&path, &error))?;
    Ok(vec![key])
}

/// The same without making any: `None` where the next start would.
///
/// # Errors
/// As [`encryption_keys`].
pub fn present_encryption_keys(settings: &Settings) -> Result<Option<Vec<SecretString>>, SettingError> {
    if let Some(keys) = &settings.encryption_keys {
        return Ok(Some(split(keys)));
    }
    if matches!(settings.database_url, DatabaseUrl::Postgres(_)) {
        return Err(SettingError {
            name: ENCRYPTION_KEYS,
            problem: "is required with Postgres. Make one with `openssl rand -base64 32 | tr '+/' '-_'` and keep it: \
                      without it no stored secret can be read"
                .into(),
        });
    }
    let path = encryption_key_file(settings);
    let keys = match fs::read_to_string(&path) {
        Ok(text) => split(&text.into()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(&path, &error)),
    };
    match keys.is_empty() {
        false => Ok(Some(keys)),
        true => Err(SettingError {
            name: ENCRYPTION_KEYS,
            problem: format!("{} holds no key: put it back from a backup", path.display()),
        }),
    }
}

/// Keys between commas or on lines of their own. A key has neither.
fn split(keys: &SecretString) -> Vec<SecretString> {
    let between = |c: char| c == ',' || c.is_whitespace();
    let keys = keys.expose_secret().split(between).filter(|key| !key.is_empty());
    keys.map(|key| SecretString::from(key.to_owned())).collect()
}

fn unusable(path: &Path, error: &std::io::Error) -> SettingError {
    SettingError { name: ENCRYPTION_KEYS, problem: format!("{} cannot be used: {error}", path.display()) }
}

/// Where the embedded default keeps its Fernet keys, one a line, the first encrypts. One is made at the first start.
#[must_use]
pub fn encryption_key_file(settings: &Settings) -> PathBuf {
    settings.data_dir.join("encryption.key")
}

/// A new API key.
#[must_use]
pub fn generate_api_key() -> SecretString {
    format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())).into()
}

/// What may be shown of an API key: of 28 characters and more nobody guesses the others from the last four.
#[must_use]
pub fn api_key_hint(key: &SecretString) -> String {
    let mut end: Vec<char> = key.expose_secret().chars().rev().take(HINT_CHARS).collect();
    end.reverse();
    format!("{PREFIX}…{}", end.into_iter().collect::<String>())
}

/// What is wrong with an admin key that an operator chose; `None` if nothing.
#[must_use]
pub fn admin_key_fault(key: &SecretString) -> Option<SettingError> {
    let good = key.expose_secret().strip_prefix(PREFIX).is_some_and(|rest| {
        rest.chars().count() >= MIN_CHARS && rest.bytes().all(|byte| byte.is_ascii_graphic())
    });
    (!good).then(|| SettingError {
        name: "AGENTHOOK_ADMIN_KEY",
        problem: format!(
            "must be `{PREFIX}` and at least {MIN_CHARS} more printable characters without spaces"
        ),
    })
}

/// Writes a file that only its owner can read, whole or not at all.
///
/// # Errors
/// The file system's.
pub fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let draft = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    fs::rename(&draft, path)
}
