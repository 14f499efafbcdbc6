//! Which targets may be reached: by their form, by their address, and by what their name resolves to.
//!
//! A name is looked up when a target is saved, and again when it is connected to, because it may resolve to something
//! else by then. Of each answer all addresses must be fine, and the connection goes to one of exactly these: nobody
//! resolves a second time between the check and the connection. The HTTP client asks nobody about targets that are
//! addresses themselves, so those are checked before each request too.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;
use url::{Host, Url};

use super::address::is_public;

/// Longest URL of a target, in bytes.
pub const MAX_URL_BYTES: usize = 2048;
/// How long a look-up may take when a target is saved, and how long one may wait for its turn.
const LOOK_UP: Duration = Duration::from_secs(3);
/// Look-ups at once. The system's resolver holds a thread until it has its answer, and nothing can stop it: names that
/// hang must not use up the threads that others need.
const LOOK_UPS: usize = 64;

/// What checks targets, when they are saved and when they are connected to; cheap to clone.
#[derive(Clone)]
pub struct Guard {
    allow: Arc<[IpNet]>,
    names: Arc<dyn Names>,
    turns: Arc<Semaphore>,
}

/// What turns names into addresses.
pub trait Names: Send + Sync + 'static {
    /// All addresses of a name. An error or an empty list: it has none now.
    fn look_up(&self, name: &str) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>>;
}

/// The system's resolver.
struct System;

impl Names for System {
    fn look_up(&self, name: &str) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Why a target is refused: for whoever set it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetFault {
    /// It is no URL that we send to.
    #[error("{0}")]
    Form(&'static str),
    /// It leads into a private network.
    #[error(
        "leads to a private, local or reserved address: webhooks go to public ones, and to the networks in \
         AGENTHOOK_EGRESS_ALLOW"
    )]
    Private,
}

/// What a name resolves to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// To addresses that may be reached.
    Fine,
    /// To nothing, now.
    Unknown,
}

impl Guard {
    /// Refuses private addresses, but for those in `allow`.
    #[must_use]
    pub fn new(allow: Vec<IpNet>) -> Self {
        Self::with_names(allow, System)
    }

    /// The same with another resolver.
    #[must_use]
    pub fn with_names(allow: Vec<IpNet>, names: impl Names) -> Self {
        let turns = Arc::new(Semaphore::new(LOOK_UPS));
        Self { allow: allow.into(), names: Arc::new(names), turns }
    }

    /// Checks a target's form, and its address if it is one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(&self, text: &str) -> Result<Url, TargetFault> {
        let form = |message| Err(TargetFault::Form(message));
        if text.len() > MAX_URL_BYTES {
            return form("must have at most 2048 bytes");
        }
        // The parser would strip or turn these, and what is shown would not be where it goes.
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return form("must have no spaces, control characters or backslashes: encode them (%20)");
        }
        let Ok(url) = text.parse::<Url>() else {
            return form("must be a URL such as https://example.com/hook");
        };
        let authority = text.split_once("://").map(|(_, rest)| rest);
        if !matches!(url.scheme(), "http" | "https") || authority.is_none() {
            return form("must begin with https:// or http://");
        }
        if authority.is_some_and(|rest| rest.starts_with('/')) {
            return form("must name a host");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return form("must not carry a user name or a password: put credentials into `headers`");
        }
        if url.fragment().is_some() {
            return form("must have no fragment (#…): it is never sent");
        }
        if url.port() == Some(0) {
            return form("must not name port 0");
        }
        match url.host() {
            Some(Host::Ipv4(address)) => self.address(address.into())?,
            Some(Host::Ipv6(address)) => self.address(address.into())?,
            Some(Host::Domain(name)) if !name.trim_end_matches('.').is_empty() => {}
            Some(Host::Domain(_)) | None => return form("must name a host"),
        }
        Ok(url)
    }

    /// Checks a target that somebody wants to save: its form, its address, and what its name resolves to now.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn check(&self, text: &str) -> Result<Resolution, TargetFault> {
        let url = self.parse(text)?;
        let Some(Host::Domain(name)) = url.host() else { return Ok(Resolution::Fine) };
        match tokio::time::timeout(LOOK_UP, self.look_up(name)).await {
            Ok(Ok(found)) if !found.is_empty() => {
                found.into_iter().try_for_each(|address| self.address(address))?;
                Ok(Resolution::Fine)
            }
            Ok(Ok(_) | Err(_)) | Err(_) => Ok(Resolution::Unknown),
        }
    }

    /// All addresses of a name. Its turn lasts until the resolver has answered, not until the caller has gone.
    async fn look_up(&self, name: &str) -> std::io::Result<Vec<IpAddr>> {
        let turn = tokio::time::timeout(LOOK_UP, self.turns.clone().acquire_owned()).await;
        let turn = turn.map_err(std::io::Error::other)?.map_err(std::io::Error::other)?;
        let found = self.names.look_up(name);
        let looked_up = tokio::spawn(async move {
            let found = found.await;
            drop(turn);
            found
        });
        looked_up.await.map_err(std::io::Error::other)?
    }

    fn address(&self, address: IpAddr) -> Result<(), TargetFault> {
        let canonical = address.to_canonical();
        let allowed = self.allow.iter().any(|network| network.contains(&canonical));
        if allowed || is_public(address) { Ok(()) } else { Err(TargetFault::Private) }
    }
}

/// What the HTTP client asks when it connects. What it gets is what it connects to.
impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = guard.look_up(name.as_str()).await.map_err(|_| Unresolved)?;
            if found.is_empty() {
                return Err(Unresolved.into());
            }
            for address in &found {
                guard.address(*address).map_err(|_| Refused)?;
            }
            let addresses: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok::<_, Box<dyn Error + Send + Sync>>(addresses)
        })
    }
}

/// A name that leads to a private address.
#[derive(Debug, thiserror::Error)]
#[error("the address is private")]
pub(super) struct Refused;

/// A name that leads nowhere.
#[derive(Debug, thiserror::Error)]
#[error("the name does not resolve")]
pub(super) struct Unresolved;

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
