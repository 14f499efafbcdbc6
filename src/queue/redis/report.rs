//! What an operator wants to know of a Redis.

use redis::{AsyncConnectionConfig, InfoDict};
use secrecy::SecretString;

use super::PING;
use super::connection::{CONNECT, client};

/// The facts that matter to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisReport {
    /// Its version.
    pub version: String,
    /// What it does when its memory is full; `None` if it does not say.
    pub maxmemory_policy: Option<String>,
    /// Whether it writes what it has to disk at once (AOF).
    pub appends: bool,
}

/// Asks a Redis.
///
/// # Errors
/// What is wrong, without a word of the URL.
pub async fn report(url: &SecretString) -> Result<RedisReport, String> {
    let client = client(url).map_err(|fault| fault.to_string())?;
    let limits =
        AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(Some(PING));
    let told = async {
        let mut connection = client.get_multiplexed_async_connection_with_config(&limits).await?;
        redis::cmd("INFO").query_async::<InfoDict>(&mut connection).await
    };
    let told = told.await.map_err(|error| format!("Redis cannot be used: {error}"))?;
    Ok(RedisReport {
        version: told.get("redis_version").unwrap_or_else(|| "of unknown version".to_owned()),
        maxmemory_policy: told.get("maxmemory_policy"),
        appends: told.get::<u8>("aof_enabled") == Some(1),
    })
}
