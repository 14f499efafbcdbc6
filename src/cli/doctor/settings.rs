//! Settings that are valid and still not what one wants.

use url::{Host, Url};

use super::super::api::is_loopback;
use super::{Finding, fail, ok, warn};
use crate::config::{self, Settings};

pub(super) fn check(settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![ok("settings", format!("listens on {}", settings.bind))];
    findings.push(public_url(&settings.public_url));
    if let Some(fault) = settings.admin_key.as_ref().and_then(config::admin_key_fault) {
        findings.push(fail("admin key", fault.to_string()));
    }
    findings
}

/// Whether senders can use the address that webhook URLs show.
fn public_url(url: &Url) -> Finding {
    const CHECK: &str = "public URL";
    let shown = url.as_str().trim_end_matches('/');
    let nowhere = match url.host() {
        Some(Host::Ipv4(address)) => address.is_unspecified(),
        Some(Host::Ipv6(address)) => address.is_unspecified(),
        Some(Host::Domain(_)) | None => false,
    };
    match url.scheme() {
        _ if nowhere => warn(
            CHECK,
            format!("{shown} is no address to send to: set AGENTHOOK_PUBLIC_URL to the one that senders use"),
        ),
        _ if is_loopback(url) => {
            ok(CHECK, format!("{shown}: senders on this machine only; AGENTHOOK_PUBLIC_URL names another"))
        }
        "http" => warn(
            CHECK,
            format!("{shown}: payloads and API keys travel unencrypted: put TLS in front, and https:// here"),
        ),
        _ => ok(CHECK, shown),
    }
}
