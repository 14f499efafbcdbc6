//! HMACs by any hash function that a sender may use, and the plain hashes of those that forget the key.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub const ALL: [Self; 5] = [Self::Sha1, Self::Sha512, Self::Md5, Self::Sha384, Self::Sha256];

    /// As prefixes and documentation write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// Bytes of its output.
    pub fn length(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The HMAC of these parts in a row.
    pub fn mac(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        macro_rules! mac {
            ($hash:ty) => {{
                let mut mac = Hmac::<$hash>::new_from_slice(key).expect("HMAC takes a key of any length");
                parts.iter().for_each(|part| mac.update(part));
                mac.finalize().into_bytes().to_vec()
            }};
        }
        match self {
            Self::Md5 => mac!(Md5),
            Self::Sha1 => mac!(Sha1),
            Self::Sha256 => mac!(Sha256),
            Self::Sha384 => mac!(Sha384),
            Self::Sha512 => mac!(Sha512),
        }
    }

    /// The hash of these parts in a row, which takes no key.
    pub fn plain(self, parts: &[&[u8]]) -> Vec<u8> {
        macro_rules! plain {
            ($hash:ty) => {{
                let mut hash = <$hash>::new();
                parts.iter().for_each(|part| Digest::update(&mut hash, part));
                hash.finalize().to_vec()
            }};
        }
        match self {
            Self::Md5 => plain!(Md5),
            Self::Sha1 => plain!(Sha1),
            Self::Sha256 => plain!(Sha256),
            Self::Sha384 => plain!(Sha384),
            Self::Sha512 => plain!(Sha512),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_vectors() {
        // RFC 2202 §2 and §3, RFC 4231 §4.3: key "Jefe".
        let data: [&[u8]; 2] = [b"what do ya want ", b"for nothing?"];
        for (hash, mac) in [
            (Hash::Md5, "750c783e6ab0b503eaa86e310a5db738"),
            (Hash::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (Hash::Sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        ] {
            assert_eq!(hex::encode(hash.mac(b"Jefe", &data)), mac, "{}", hash.name());
        }
        for hash in Hash::ALL {
            assert_eq!(hash.mac(b"k", &[]).len(), hash.length());
            assert_eq!(hash.plain(&[]).len(), hash.length());
        }
        // FIPS 180: "abc"
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex::encode(Hash::Sha256.plain(&[b"a", b"bc"])), abc);
    }
}
