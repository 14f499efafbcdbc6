//! The encryption keys: are they there, are they keys, and do they open what is stored?

use std::path::Path;

use super::{Finding, fail, ok, warn};
use crate::app::{llm_key_owner, secret_owner};
use crate::cipher::Cipher;
use crate::config::{self, DatabaseUrl, Settings};
use crate::store::{self, Store};

const CHECK: &str = "encryption key";
/// Tenants, and agents, whose secrets are tried: a ring that lost a key fails among the first.
const SAMPLE: i64 = 100;

pub(super) async fn check(settings: &Settings, store: Option<&Store>) -> Vec<Finding> {
    let file = config::encryption_key_file(settings);
    let generated =
        settings.encryption_keys.is_none() && matches!(settings.database_url, DatabaseUrl::Sqlite(_));
    if generated && !file.exists() {
        return vec![match store {
            None => ok(CHECK, "none yet: the first `agenthook serve` makes one"),
            Some(store) => match count(store).await {
                Ok(0) => ok(CHECK, "none yet: the next `agenthook serve` makes one"),
                Ok(_) => fail(
                    CHECK,
                    format!(
                        "{} is gone, and with it what is stored: put it back from a backup",
                        file.display()
                    ),
                ),
                Err(error) => fail(CHECK, format!("stored secrets cannot be read: {error}")),
            },
        }];
    }
    let keys = match config::encryption_keys(settings) {
        Ok(keys) => keys,
        Err(error) => return vec![fail(CHECK, error.to_string())],
    };
    let cipher = match Cipher::new(&keys) {
        Ok(cipher) => cipher,
        Err(fault) => return vec![fail(CHECK, format!("AGENTHOOK_ENCRYPTION_KEYS: {fault}"))],
    };
    let mut findings = vec![match store {
        None => ok(CHECK, "valid"),
        Some(store) => match opened(store, &cipher).await {
            Ok((0, _)) => ok(CHECK, "valid; no secret is stored yet"),
            Ok((tried, 0)) => ok(CHECK, format!("valid, opens all stored secrets that were tried ({tried})")),
            Ok((tried, closed)) => fail(
                CHECK,
                format!(
                    "{closed} of {tried} stored secrets that were tried do not open: add the key they were stored \
                     under to AGENTHOOK_ENCRYPTION_KEYS"
                ),
            ),
            Err(error) => fail(CHECK, format!("stored secrets cannot be read: {error}")),
        },
    }];
    if generated && readable_by_others(&file) {
        findings.push(warn(CHECK, format!("others can read {0}: chmod 600 {0}", file.display())));
    }
    findings
}

/// How many stored secrets were tried, and how many of them did not open.
async fn opened(store: &Store, cipher: &Cipher) -> store::Result<(usize, usize)> {
    let sealed = sealed(store).await?;
    let closed = sealed.iter().filter(|(owner, token)| cipher.open(owner, token).is_err()).count();
    Ok((sealed.len(), closed))
}

async fn count(store: &Store) -> store::Result<usize> {
    Ok(sealed(store).await?.len())
}

/// Owners and what is sealed for them.
async fn sealed(store: &Store) -> store::Result<Vec<(String, String)>> {
    let mut sealed = Vec::new();
    for tenant in store.tenants(None, SAMPLE).await? {
        if let Some(key) = tenant.llm_key {
            sealed.push((llm_key_owner(&tenant.tenant_id), key.sealed));
        }
    }
    for agent in store.agents(None, None, SAMPLE).await? {
        let secrets = store.webhook_secrets(agent.agent_id).await?;
        sealed.extend(secrets.into_iter().map(|secret| (secret_owner(secret.secret_id), secret.sealed)));
    }
    Ok(sealed)
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
