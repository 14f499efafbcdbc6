//! From a setting's text to its value, or one line that says what is wrong.

use std::net::IpAddr;

use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{DatabaseUrl, SettingError};

pub(super) fn fault(name: &'static str, problem: String) -> SettingError {
    SettingError { name, problem }
}

pub(super) fn filled(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

pub(super) fn secret(text: Option<SecretString>) -> Option<SecretString> {
    text.filter(|text| !text.expose_secret().trim().is_empty())
}

pub(super) fn parse<T: std::str::FromStr>(
    name: &'static str,
    text: Option<String>,
    default: &str,
    wanted: &str,
) -> Result<T, SettingError> {
    let text = filled(text).unwrap_or_else(|| default.to_owned());
    text.parse().map_err(|_| fault(name, format!("`{text}` is not {wanted}")))
}

pub(super) fn number(
    name: &'static str,
    text: Option<String>,
    default: usize,
    low: usize,
    high: usize,
) -> Result<usize, SettingError> {
    let Some(text) = filled(text) else { return Ok(default) };
    match text.parse() {
        Ok(number) if (low..=high).contains(&number) => Ok(number),
        _ => Err(fault(name, format!("`{text}` is not a whole number from {low} to {high}"))),
    }
}

pub(super) fn http_url(name: &'static str, text: Option<String>, default: &str) -> Result<Url, SettingError> {
    let text = filled(text).unwrap_or_else(|| default.to_owned());
    // It is shown in answers and logs, so nothing secret may be in it; nor is it repeated here.
    if text.contains('@') {
        return Err(fault(
            name,
            "must not carry a user name or a password: it is shown in answers and logs".into(),
        ));
    }
    let url: Option<Url> = text.parse().ok();
    let good =
        |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none();
    let shown = text.split(['?', '#']).next().unwrap_or_default();
    url.filter(good)
        .ok_or_else(|| fault(name, format!("`{shown}` is not an http:// or https:// URL without a query")))
}

pub(super) fn database_url(
    text: Option<String>,
    data_dir: &std::path::Path,
) -> Result<DatabaseUrl, SettingError> {
    const NAME: &str = "DATABASE_URL";
    let Some(text) = filled(text) else { return Ok(DatabaseUrl::Sqlite(data_dir.join("agenthook.db"))) };
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        if let Err(error) = text.parse::<Url>() {
            // The text is not repeated: it may hold a password.
            return Err(fault(
                NAME,
                format!("is no URL such as postgres://user:password@host:5432/name: {error}"),
            ));
        }
        return Ok(DatabaseUrl::Postgres(text.into()));
    }
    let Some(path) = text.strip_prefix("sqlite:") else {
        return Err(fault(NAME, "must begin with sqlite:// or postgres://".into()));
    };
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.contains(":memory:") || path.contains('?') {
        return Err(fault(NAME, "must name a file, such as sqlite:///var/lib/agenthook/agenthook.db".into()));
    }
    Ok(DatabaseUrl::Sqlite(path.into()))
}

pub(super) fn redis_url(text: Option<SecretString>) -> Result<Option<SecretString>, SettingError> {
    let Some(text) = secret(text) else { return Ok(None) };
    let url: Option<Url> = text.expose_secret().trim().parse().ok();
    if url.is_some_and(|url| matches!(url.scheme(), "redis" | "rediss") && url.has_host()) {
        return Ok(Some(text.expose_secret().trim().to_owned().into()));
    }
    // The text is not repeated: it may hold a password.
    Err(fault(
        "REDIS_URL",
        "must be a URL such as redis://127.0.0.1:6379 or rediss://user:password@host:6380/0".into(),
    ))
}

/// Addresses and CIDRs, comma-separated.
pub(super) fn networks(name: &'static str, text: Option<String>) -> Result<Vec<IpNet>, SettingError> {
    let text = filled(text).unwrap_or_default();
    let network = |part: &str| {
        let network = part.parse::<IpNet>().or_else(|_| part.parse::<IpAddr>().map(IpNet::from));
        network
            .map_err(|_| fault(name, format!("`{part}` is neither an address nor a CIDR such as 10.0.0.0/8")))
    };
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(network).collect()
}
