//! Where a request comes from.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::HeaderMap;
use ipnet::IpNet;

/// Names the client before each proxy, the nearest last
/// (<https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/X-Forwarded-For>).
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The client's address: the peer's, or what proxies that are trusted say about it.
pub(super) fn client(peer: Option<SocketAddr>, headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let said = headers.get_all(FORWARDED_FOR).map(|value| value.as_bytes());
    Some(behind(peer?.ip(), &said.collect::<Vec<_>>(), trusted))
}

/// Walks back from the peer for as long as who speaks is trusted. What cannot be read ends the walk.
fn behind(peer: IpAddr, said: &[&[u8]], trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    // Bytes that are no text spoil their own hop only: a client's nonsense must not hide what the proxy adds to it.
    let said: Vec<_> = said.iter().map(|value| String::from_utf8_lossy(value)).collect();
    let hops = said.iter().flat_map(|value| value.split(',')).map(|hop| address(hop.trim()));
    for hop in hops.rev() {
        match hop {
            Some(hop) if is_trusted(&client) => client = hop.to_canonical(),
            _ => break,
        }
    }
    client
}

/// An address, with or without a port; of IPv6 also in brackets alone.
fn address(hop: &str) -> Option<IpAddr> {
    let bare = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    hop.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|at| at.ip())).or_else(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_trusted_is_believed() {
        let trusted: Vec<IpNet> =
            ["10.0.0.0/8", "127.0.0.1/32"].map(|text| text.parse().expect("a network")).into();
        let behind = |peer: &str, said: &[&str]| {
            let said: Vec<_> = said.iter().map(|value| value.as_bytes()).collect();
            behind(peer.parse().expect("an address"), &said, &trusted).to_string()
        };
        assert_eq!(behind("192.0.2.1", &["198.51.100.7"]), "192.0.2.1", "a stranger says what it likes");
        assert_eq!(behind("127.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(behind("::ffff:127.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(
            behind("127.0.0.1", &["6.6.6.6, 198.51.100.7, 10.1.2.3"]),
            "198.51.100.7",
            "6.6.6.6 is a claim"
        );
        assert_eq!(
            behind("127.0.0.1", &["6.6.6.6", "198.51.100.7 ,10.1.2.3"]),
            "198.51.100.7",
            "two headers"
        );
        assert_eq!(behind("127.0.0.1", &["198.51.100.7, nonsense"]), "127.0.0.1");
        assert_eq!(behind("127.0.0.1", &[]), "127.0.0.1");
    }
    #[test]
    fn hops_have_ports_and_brackets_and_some_are_no_text() {
        let trusted: Vec<IpNet> =
            ["10.0.0.0/8", "127.0.0.1/32", "::1/128"].map(|text| text.parse().expect("a network")).into();
        let behind = |said: &[u8]| behind(IpAddr::from([127, 0, 0, 1]), &[said], &trusted).to_string();
        assert_eq!(behind(b"198.51.100.7:5678"), "198.51.100.7");
        assert_eq!(behind(b"198.51.100.7:5678, 10.1.2.3:80"), "198.51.100.7");
        assert_eq!(behind(b"[2001:db8::7]:443"), "2001:db8::7");
        assert_eq!(behind(b"[2001:db8::7]"), "2001:db8::7");
        assert_eq!(behind(b"198.51.100.7, [::1]:443"), "198.51.100.7");
        assert_eq!(behind(b"[::ffff:198.51.100.7]:443"), "198.51.100.7");
        for none in [&b"198.51.100.7:"[..], b"198.51.100.7:99999", b"[198.51.100.7]", b"[::1", b":443", b""] {
            assert_eq!(behind(none), "127.0.0.1", "{none:?}");
        }
        assert_eq!(behind(b"caf\xe9, 198.51.100.7"), "198.51.100.7", "what the proxy added counts");
        assert_eq!(behind("caf\u{e9}, 198.51.100.7".as_bytes()), "198.51.100.7");
        assert_eq!(behind(b"198.51.100.7, \xff"), "127.0.0.1");
    }
}
