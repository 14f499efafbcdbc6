//! Callbacks: where a sender may have the end of its run told.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Hosts of one trigger, at most.
pub const MAX_CALLBACK_HOSTS: usize = 20;
/// Longest URL of a callback, in bytes.
pub const MAX_CALLBACK_URL_BYTES: usize = 2048;
/// Longest host as it is written, in bytes: a name has 253.
const MAX_HOST_BYTES: usize = 300;

/// A host that callbacks may go to: a name, `*.` and a name for everything below it, or an address; with a port, or with
/// any. In small letters, and in the form that URLs have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CallbackHost {
    /// Everything below it, and not itself.
    below: bool,
    /// Without the dot that may end a name.
    host: String,
    port: Option<u16>,
}

/// No [`CallbackHost`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a host such as \"hooks.example.com\", \"*.example.com\" or \"192.0.2.7:8443\", without http:// and without a path"
)]
pub struct InvalidCallbackHost;

/// Why a URL is none to call back. Repeats nothing of it: URLs may hold credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallbackFault {
    /// More than [`MAX_CALLBACK_URL_BYTES`].
    #[error("is longer than 2048 bytes: send a shorter URL")]
    TooLong,
    /// No URL that we send to.
    #[error(
        "is no URL: send one such as https://example.com/done, without spaces and without a fragment (#…)"
    )]
    NoUrl,
    /// Another scheme.
    #[error("must begin with https:// or http://")]
    Scheme,
    /// Credentials before the host.
    #[error(
        "carries a user name or a password: leave them out, and let the receiver check the callback's signature"
    )]
    UserInfo,
    /// On none of the hosts.
    #[error(
        "is on none of the hosts that the agent calls back: ask its owner to add the host to trigger.callback_hosts"
    )]
    Host,
}

impl CallbackHost {
    fn has(&self, url: &Url) -> bool {
        let (Some(host), port) = (url.host_str(), url.port_or_known_default()) else { return false };
        let host = host.trim_end_matches('.');
        let fits = match self.below {
            false => host == self.host,
            true => host
                .strip_suffix(self.host.as_str())
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        };
        fits && self.port.is_none_or(|wanted| port == Some(wanted))
    }
}

impl FromStr for CallbackHost {
    type Err = InvalidCallbackHost;

    fn from_str(text: &str) -> Result<Self, InvalidCallbackHost> {
        if text.len() > MAX_HOST_BYTES {
            return Err(InvalidCallbackHost);
        }
        let (below, rest) = text.strip_prefix("*.").map_or((false, text), |rest| (true, rest));
        // An address of IPv6 has colons of its own, and may stand without its brackets.
        let (host, port) = match rest.parse::<Ipv6Addr>() {
            Ok(address) => (format!("[{address}]"), None),
            Err(_) => match rest.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
                Some((host, port)) => (host.to_owned(), Some(port_of(port)?)),
                None => (rest.to_owned(), None),
            },
        };
        let host = match Host::parse(&host).map_err(|_| InvalidCallbackHost)? {
            Host::Domain(name) => {
                let name = name.trim_end_matches('.');
                // A whole top level is nobody's.
                if name.is_empty() || name.contains('*') || below && !name.contains('.') {
                    return Err(InvalidCallbackHost);
                }
                name.to_owned()
            }
            Host::Ipv4(_) | Host::Ipv6(_) if below => return Err(InvalidCallbackHost),
            address @ (Host::Ipv4(_) | Host::Ipv6(_)) => address.to_string(),
        };
        Ok(Self { below, host, port })
    }
}

fn port_of(text: &str) -> Result<u16, InvalidCallbackHost> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|&port: &u16| is_number && port > 0);
    port.ok_or(InvalidCallbackHost)
}

impl TryFrom<String> for CallbackHost {
    type Error = InvalidCallbackHost;
    fn try_from(text: String) -> Result<Self, InvalidCallbackHost> {
        text.parse()
    }
}

impl From<CallbackHost> for String {
    fn from(host: CallbackHost) -> Self {
        host.to_string()
    }
}

impl fmt::Display for CallbackHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below { "*." } else { "" }, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// The URL that a sender wants to be called back at, if one of these hosts has it. What its name resolves to is not asked.
///
/// # Errors
/// Why not, for the sender.
pub fn callback_url(hosts: &[CallbackHost], text: &str) -> Result<Url, CallbackFault> {
    if text.len() > MAX_CALLBACK_URL_BYTES {
        return Err(CallbackFault::TooLong);
    }
    let url: Url = text.parse().map_err(|_| CallbackFault::NoUrl)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(CallbackFault::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(CallbackFault::UserInfo);
    }
    if url.fragment().is_some() || url.port() == Some(0) || url.as_str().len() > MAX_CALLBACK_URL_BYTES {
        return Err(CallbackFault::NoUrl);
    }
    match hosts.iter().any(|host| host.has(&url)) {
        true => Ok(url),
        false => Err(CallbackFault::Host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> CallbackHost {
        text.parse().unwrap_or_else(|_| panic!("{text}"))
    }

    #[test]
    fn hosts_are_normalized() {
        for (written, kept) in [
            ("Hooks.Example.COM", "hooks.example.com"),
            ("example.com.", "example.com"),
            ("*.Example.com", "*.example.com"),
            ("example.com:8443", "example.com:8443"),
            ("*.example.com:443", "*.example.com:443"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("localhost", "localhost"),
            ("127.0.0.1", "127.0.0.1"),
            ("0x7f.1", "127.0.0.1"),
            ("127.0.0.1:9000", "127.0.0.1:9000"),
            ("[::1]", "[::1]"),
            ("::1", "[::1]"),
            ("[0:0:0:0:0:0:0:1]:9000", "[::1]:9000"),
        ] {
            assert_eq!(host(written).to_string(), kept, "{written}");
            assert_eq!(host(kept), host(written), "what is shown can be sent again");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let long = format!("{}.com", "a".repeat(300));
        for text in [
            "",
            "*",
            "*.",
            "*.com",
            "a.*.com",
            "*.*.com",
            "*.127.0.0.1",
            "*.::1",
            "https://example.com",
            "example.com/path",
            "user@example.com",
            "example.com:",
            "example.com:0",
            "example.com:65536",
            "example.com:+1",
            "example.com:http",
            "exa mple.com",
            ".",
            "[::1",
            "1.2.3.256",
            &long,
        ] {
            assert!(text.parse::<CallbackHost>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_callback_goes_to_a_host_on_the_list_and_nowhere_else() {
        let hosts =
            ["example.com", "*.below.example", "ported.example:8443", "192.0.2.7", "[2001:db8::1]"].map(host);
        for url in [
            "https://example.com/",
            "http://EXAMPLE.com:8080/a?token=b",
            "https://example.com./",
            "https://a.below.example/x",
            "https://a.b.below.example/",
            "https://ported.example:8443/",
            "http://192.0.2.7/",
            "http://3221225991/",
            "http://[2001:db8:0::1]:9000/",
        ] {
            assert!(callback_url(&hosts, url).is_ok(), "{url}");
        }
        for (url, fault) in [
            ("https://example.org/", CallbackFault::Host),
            ("https://notexample.com/", CallbackFault::Host),
            ("https://example.com.evil.org/", CallbackFault::Host),
            ("https://a.example.com/", CallbackFault::Host),
            ("https://below.example/", CallbackFault::Host),
            ("https://.below.example/", CallbackFault::Host),
            ("https://notbelow.example/", CallbackFault::Host),
            ("https://ported.example/", CallbackFault::Host),
            ("https://192.0.2.8/", CallbackFault::Host),
            ("https://example.com@evil.org/", CallbackFault::UserInfo),
            ("https://evil.org\\@example.com/", CallbackFault::Host),
            ("https://a:b@example.com/", CallbackFault::UserInfo),
            ("https://:b@example.com/", CallbackFault::UserInfo),
            ("ftp://example.com/", CallbackFault::Scheme),
            ("javascript:alert(1)", CallbackFault::Scheme),
            ("example.com/done", CallbackFault::NoUrl),
            ("//example.com/", CallbackFault::NoUrl),
            ("https://", CallbackFault::NoUrl),
            ("", CallbackFault::NoUrl),
            ("https://example.com/#x", CallbackFault::NoUrl),
            ("https://example.com:0/", CallbackFault::NoUrl),
        ] {
            assert_eq!(callback_url(&hosts, url), Err(fault), "{url}");
        }
        assert_eq!(callback_url(&[], "https://example.com/"), Err(CallbackFault::Host));
    }

    #[test]
    fn a_url_at_its_limit() {
        let url = |bytes: usize| {
            format!("https://example.com/{}", "a".repeat(bytes - "https://example.com/".len()))
        };
        let hosts = [host("example.com")];
        for (bytes, fits) in [(2047, true), (2048, true), (2049, false)] {
            assert_eq!(callback_url(&hosts, &url(bytes)).is_ok(), fits, "{bytes}");
        }
        assert_eq!(callback_url(&hosts, &url(2049)), Err(CallbackFault::TooLong));
    }
}
