//! Secrets at rest: a ring of Fernet keys.
//!
//! The first key encrypts, all of them decrypt, so a key is replaced by putting the new one in front.
//! Fernet has no associated data, so a token alone opens wherever it lies: who can write to a table could
//! move a tenant's token into another tenant's row. Therefore the owner's name stands inside the
//! plaintext, and [`Cipher::open`] refuses a token whose owner is another.

use std::fmt;
use std::sync::Arc;

use fernet::Fernet;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

/// The instant that tokens are opened at: the last that the library can add its tolerance to.
///
/// Fernet writes the time of sealing into a token and refuses one "from the future". Our tokens never
/// expire, and a machine whose clock was an hour ahead when it stored a secret must not lock that secret
/// away for an hour after the clock is set right; nor may two machines' clocks have to agree.
const END_OF_TIME: u64 = i64::MAX as u64;

/// Encrypts and decrypts what rows must not show. Cheap to clone.
#[derive(Clone)]
pub struct Cipher(Arc<[Fernet]>);

/// The ring cannot be built. Says which key, never the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// No key at all.
    #[error("no encryption key is given")]
    None,
    /// This one (1 is the first) is no Fernet key.
    #[error(
        "encryption key number {0} is no Fernet key (32 bytes in URL-safe base64, 44 characters): make one with \
         `openssl rand -base64 32 | tr '+/' '-_'`"
    )]
    Invalid(usize),
}

/// A token cannot be opened. Whoever asked must fail closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    /// Sealed under a key that is not in the ring, or damaged.
    #[error("a stored secret opens with none of the encryption keys: was a key removed from the list?")]
    Unopenable,
    /// Sealed for somebody else.
    #[error("a stored secret belongs to another owner: its row was changed from outside")]
    WrongOwner,
}

impl Cipher {
    /// The ring of these keys; the first encrypts.
    ///
    /// # Errors
    /// No key, or one that is no Fernet key.
    pub fn new(keys: &[SecretString]) -> Result<Self, KeyFault> {
        if keys.is_empty() {
            return Err(KeyFault::None);
        }
        let ring = keys
            .iter()
            .enumerate()
            .map(|(index, key)| Fernet::new(key.expose_secret()).ok_or(KeyFault::Invalid(index + 1)));
        Ok(Self(ring.collect::<Result<_, _>>()?))
    }

    /// A new random key for [`Cipher::new`].
    #[must_use]
    pub fn generate_key() -> SecretString {
        SecretString::from(Fernet::generate_key())
    }

    /// A token that only `owner` can open. `owner` says the kind too (`llm-key:acme`, `webhook-secret:<uuid>`), so
    /// that one noun's id is never another's.
    #[must_use]
    pub fn seal(&self, owner: &str, secret: &SecretString) -> String {
        let plaintext = Zeroizing::new(format!("{}{}", label(owner), secret.expose_secret()));
        self.0[0].encrypt(plaintext.as_bytes())
    }

    /// The secret in the token, if it was sealed for `owner`.
    ///
    /// # Errors
    /// No key of the ring opens it, or it is somebody else's.
    pub fn open(&self, owner: &str, token: &str) -> Result<SecretString, CipherError> {
        self.find(owner, token).map(|(_, secret)| secret)
    }

    /// Which key of the ring opens the token, if it was sealed for `owner`; 0 is the first, the one that encrypts.
    ///
    /// # Errors
    /// As [`Cipher::open`].
    pub fn place(&self, owner: &str, token: &str) -> Result<usize, CipherError> {
        self.find(owner, token).map(|(place, _)| place)
    }

    /// The token under the first key; `None` if it is under that one already.
    ///
    /// # Errors
    /// As [`Cipher::open`]: what lies in a foreign row is not made its own.
    pub fn reseal(&self, owner: &str, token: &str) -> Result<Option<String>, CipherError> {
        let (place, secret) = self.find(owner, token)?;
        Ok((place > 0).then(|| self.seal(owner, &secret)))
    }

    fn find(&self, owner: &str, token: &str) -> Result<(usize, SecretString), CipherError> {
        let (place, plaintext) = self
            .0
            .iter()
            .enumerate()
            .find_map(|(place, key)| Some((place, key.decrypt_at_time(token, None, END_OF_TIME).ok()?)))
            .map(|(place, plaintext)| (place, Zeroizing::new(plaintext)))
            .ok_or(CipherError::Unopenable)?;
        // A ring's key that sealed something else than text, in another product, say, sealed nothing of ours.
        let plaintext = str::from_utf8(&plaintext).map_err(|_| CipherError::WrongOwner)?;
        let secret = plaintext.strip_prefix(&label(owner)).ok_or(CipherError::WrongOwner)?;
        Ok((place, secret.into()))
    }
}

/// The owner with its length in front, so that no owner's label is the beginning of another's.
fn label(owner: &str) -> String {
    format!("{}:{owner}:", owner.len())
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cipher({} keys)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring<const N: usize>(keys: [&SecretString; N]) -> Cipher {
        Cipher::new(&keys.map(Clone::clone)).expect("a ring")
    }

    fn open(cipher: &Cipher, owner: &str, token: &str) -> Result<String, CipherError> {
        cipher.open(owner, token).map(|secret| secret.expose_secret().to_owned())
    }

    #[test]
    fn what_is_sealed_opens_for_its_owner_alone() {
        let cipher = ring([&Cipher::generate_key()]);
        for secret in ["s3cret", "", "7:tenant:", "ключ 🔑\n"] {
            let token = cipher.seal("tenant:a", &secret.into());
            assert_eq!(open(&cipher, "tenant:a", &token), Ok(secret.to_owned()));
            for other in ["tenant:b", "tenant:", "tenant:aa", "secret:a", ""] {
                assert_eq!(open(&cipher, other, &token), Err(CipherError::WrongOwner));
            }
        }
    }

    #[test]
    fn no_label_is_the_beginning_of_another() {
        // an owner that ends like a label does, and a secret that continues it
        let cipher = ring([&Cipher::generate_key()]);
        let token = cipher.seal("a", &"b:secret".into());
        assert_eq!(open(&cipher, "a:b", &token), Err(CipherError::WrongOwner));
        let token = cipher.seal("a:b", &"secret".into());
        assert_eq!(open(&cipher, "a", &token), Err(CipherError::WrongOwner));
    }

    #[test]
    fn the_first_key_encrypts_and_all_decrypt() {
        let [old, new] = [Cipher::generate_key(), Cipher::generate_key()];
        let before = ring([&old]).seal("o", &"s".into());
        let both = ring([&new, &old]);
        assert_eq!(open(&both, "o", &before), Ok("s".to_owned()));
        let after = both.seal("o", &"s".into());
        assert_eq!(open(&ring([&new]), "o", &after), Ok("s".to_owned()));
        assert_eq!(open(&ring([&old]), "o", &after), Err(CipherError::Unopenable));

        assert_eq!((both.place("o", &before), both.place("o", &after)), (Ok(1), Ok(0)));
        assert_eq!(both.reseal("o", &after), Ok(None));
        let again = both.reseal("o", &before).expect("it opens").expect("another token");
        assert_eq!(open(&ring([&new]), "o", &again), Ok("s".to_owned()));
        assert_eq!(both.reseal("p", &before), Err(CipherError::WrongOwner), "it is given to nobody else");
    }

    #[test]
    fn a_wrong_key_or_a_damaged_token_fails_closed() {
        let key = Cipher::generate_key();
        let token = ring([&key]).seal("o", &"s".into());
        assert_eq!(open(&ring([&Cipher::generate_key()]), "o", &token), Err(CipherError::Unopenable));
        let mut damaged = token.clone().into_bytes();
        damaged[60] ^= 1;
        let damaged = String::from_utf8_lossy(&damaged).into_owned();
        for token in ["", "s", "gAAAAA", &damaged, &token[..token.len() - 4]] {
            assert_eq!(open(&ring([&key]), "o", token), Err(CipherError::Unopenable), "{token}");
        }
    }

    #[test]
    fn a_clock_that_was_ahead_locks_nothing_away() {
        let key = Cipher::generate_key();
        let fernet = Fernet::new(key.expose_secret()).expect("a key");
        let tomorrow = chrono::DateTime::parse_from_rfc3339("2400-01-01T00:00:00Z").expect("a date");
        let token = fernet.encrypt_at_time(b"1:o:s", tomorrow.timestamp() as u64);
        assert_eq!(open(&ring([&key]), "o", &token), Ok("s".to_owned()));
    }

    #[test]
    fn a_bad_key_is_named_by_its_place_and_not_printed() {
        assert_eq!(Cipher::new(&[]).err(), Some(KeyFault::None));
        let good = Cipher::generate_key();
        for bad in ["", "password-that-nobody-may-see", &good.expose_secret()[1..], " "] {
            let fault = Cipher::new(&[good.clone(), bad.into()]).expect_err("no ring");
            assert_eq!(fault, KeyFault::Invalid(2));
            assert!(!fault.to_string().contains("nobody"));
        }
        let printed = format!("{:?}", ring([&good]));
        assert_eq!(printed, "Cipher(1 keys)");
    }
}
