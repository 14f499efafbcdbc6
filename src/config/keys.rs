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
/// Characters after the prefix of an admin key that an operator chose.
const MIN_CHARS: usize = 28;

/// The Fernet keys: those of `AGENTHOOK_ENCRYPTION_KEYS`, else (SQLite only) the one in the data dir, made
/// with mode 0600 if it is not there.
///
/// # Errors
/// None is given on Postgres, where several processes must share them; or the file cannot be used.
pub fn encryption_keys(settings: &Settings) -> Result<Vec<SecretString>, SettingError> {
    const NAME: &str = "AGENTHOOK_ENCRYPTION_KEYS";
    if let Some(keys) = &settings.encryption_keys {
        let keys = keys.expose_secret().split(',').map(str::trim).filter(|key| !key.is_empty());
        return Ok(keys.map(|key| SecretString::from(key.to_owned())).collect());
    }
    if matches!(settings.database_url, DatabaseUrl::Postgres(_)) {
        return Err(SettingError {
            name: NAME,
            problem: "is required with Postgres. Make one with `openssl rand -base64 32 | tr '+/' '-_'` and keep it: \
                      without it no stored secret can be read"
                .into(),
        });
    }
    let path = encryption_key_file(settings);
    let problem = |error: std::io::Error| SettingError {
        name: NAME,
        problem: format!("{} cannot be used: {error}", path.display()),
    };
    match fs::read_to_string(&path) {
        Ok(key) => Ok(vec![key.trim().to_owned().into()]),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = Cipher::generate_key();
            write_private(&path, key.expose_secret()).map_err(problem)?;
            Ok(vec![key])
        }
        Err(error) => Err(problem(error)),
    }
}

/// Where the embedded default keeps its generated Fernet key.
#[must_use]
pub fn encryption_key_file(settings: &Settings) -> PathBuf {
    settings.data_dir.join("encryption.key")
}

/// A new API key.
#[must_use]
pub fn generate_api_key() -> SecretString {
    format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())).into()
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
