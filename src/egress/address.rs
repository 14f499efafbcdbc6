//! Which addresses are public.
//!
//! The registries of special-purpose addresses (<https://www.iana.org/assignments/iana-ipv4-special-registry>, and its
//! sister for IPv6) say which never are. `IpAddr::is_global` is not stable yet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks that are nobody's public address: bits, and how many of them count.
const PRIVATE_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// All that is given to anybody of IPv6 (RFC 4291, 2.4). What is outside is local, or one of the forms that carry an
/// address of IPv4 to a gateway: also such as nobody outside can judge (`64:ff9b:1::/48`, RFC 8215; `::ffff:0:0:0/96`,
/// RFC 7915).
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// What of that is nobody's public address all the same. What carries an address of IPv4 is judged by that one instead.
const PRIVATE_V6: [(Ipv6Addr, u32); 3] = [
    // Protocols, benchmarks, identifiers that are no addresses: none is a host's.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whether anybody on the internet may have this address, and nobody inside a network has it.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !PRIVATE_V4.iter().any(|&(network, bits)| {
            let mask = u32::MAX << (32 - bits);
            u32::from(address) & mask == u32::from(network)
        }),
        IpAddr::V6(address) => match carried(address) {
            Some(carried) => is_public(carried.into()),
            None => is_in(address, GLOBAL_V6) && !PRIVATE_V6.iter().any(|&network| is_in(address, network)),
        },
    }
}

fn is_in(address: Ipv6Addr, (network, bits): (Ipv6Addr, u32)) -> bool {
    u128::from(address) & (u128::MAX << (128 - bits)) == u128::from(network)
}

/// The address of IPv4 that a gateway would go on to: NAT64 (RFC 6052), 6to4 (RFC 3056), Teredo (RFC 4380).
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let pair = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    Some(match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => pair(high, low),
        [0x2002, high, low, ..] => pair(high, low),
        [0x2001, 0, .., high, low] => pair(!high, !low),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        let private = [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b:1::a9fe:a9fe",
            // 127.0.0.1 as a /48 prefix carries it, and 8.8.8.8 where a /96 prefix would
            "64:ff9b:1:7f00:0:100:808:808",
            // Translated by SIIT, the old form too
            "::ffff:0:7f00:1",
            "::ffff:0:a9fe:a9fe",
            "::fffe:7f00:1",
            "100:0:0:1::1",
            "1fff::1",
            "4000::1",
            "2001:2::1",
            "2001:10::1",
            "2001:1ff::1",
            "3fff::1",
            "5f00::1",
            "2002:7f00:1::",
            "2001:0:0:0:0:0:80ff:fffe",
            "2001:db8::1",
            "100::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        let public = [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.255.255",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.255.255",
            "198.20.0.1",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::",
            "2606:4700:4700::1111",
            "2a00:1450:4001::1",
            "2001:200::1",
            "2001:db9::1",
            "3fff:1000::1",
        ];
        for text in private {
            assert!(!is_public(text.parse().expect("an address")), "{text}");
        }
        for text in public {
            assert!(is_public(text.parse().expect("an address")), "{text}");
        }
    }
}
