//! Where a request comes from.

use std::net::IpAddr;

use actix_web::dev::ServiceRequest;
use ipnet::IpNet;

/// Names the client before each proxy, the nearest last
/// (<https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/X-Forwarded-For>).
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The client's address: the peer's, or what proxies that are trusted say about it.
pub(super) fn client(request: &ServiceRequest, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    let said = request.headers().get_all(FORWARDED_FOR).filter_map(|value| value.to_str().ok());
    Some(behind(peer, &said.collect::<Vec<_>>(), trusted))
}

/// Walks back from the peer for as long as who speaks is trusted. What cannot be read ends the walk.
fn behind(peer: IpAddr, said: &[&str], trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    let hops = said.iter().flat_map(|value| value.split(',')).map(|hop| hop.trim().parse::<IpAddr>());
    for hop in hops.rev() {
        match hop {
            Ok(hop) if is_trusted(&client) => client = hop.to_canonical(),
            _ => break,
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_trusted_is_believed() {
        let trusted: Vec<IpNet> =
            ["10.0.0.0/8", "127.0.0.1/32"].map(|text| text.parse().expect("a network")).into();
        let behind =
            |peer: &str, said: &[&str]| behind(peer.parse().expect("an address"), said, &trusted).to_string();
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
}
