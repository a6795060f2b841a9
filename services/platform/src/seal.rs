//! Secrets that must be used again: sealed at rest with the deployment's master key.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use rand::RngCore as _;
use sha2::Sha256;

/// 32 random bytes, written in base64. Two may be live: the first seals, both open, so that it can be rotated.
#[derive(Clone)]
pub struct MasterKey {
    current: [u8; 32],
    previous: Option<[u8; 32]>,
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey")
    }
}

/// Why a master key or a sealed value can't be used. Says nothing about either.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The text of the master key.
    #[error("a master key is 32 bytes in base64; two are separated by a comma")]
    Malformed,
    /// The value was sealed with another key or for another purpose, or was altered.
    #[error("the sealed value can't be opened with the live master keys")]
    Unopenable,
}

/// Configuration of the master key.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Config {
    /// 32 random bytes in base64 that seal stored secrets and sign page tokens. `new,old` while rotating.
    #[arg(long = "master-key", env = "HANDOFF_MASTER_KEY", hide_env_values = true)]
    pub master_key: MasterKey,
}

impl FromStr for MasterKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let decode = |part: &str| {
            STANDARD
                .decode(part.trim())
                .ok()
                .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
                .ok_or(Error::Malformed)
        };
        match text.split_once(',') {
            None => Ok(Self {
                current: decode(text)?,
                previous: None,
            }),
            Some((current, previous)) => Ok(Self {
                current: decode(current)?,
                previous: Some(decode(previous)?),
            }),
        }
    }
}

const NONCE: usize = 24;

impl MasterKey {
    /// A new one.
    pub fn random() -> Self {
        let mut current = [0; 32];
        rand::rng().fill_bytes(&mut current);
        Self {
            current,
            previous: None,
        }
    }

    /// Its text, for writing it to a configuration.
    pub fn to_text(&self) -> String {
        match self.previous {
            None => STANDARD.encode(self.current),
            Some(previous) => format!("{},{}", STANDARD.encode(self.current), STANDARD.encode(previous)),
        }
    }

    /// A key for one purpose, from which the master key can't be learned.
    pub fn derive(&self, purpose: &[u8]) -> [u8; 32] {
        derive(&self.current, purpose)
    }

    /// What a secret can be recognized by, without being guessed from it.
    pub fn fingerprint(&self, purpose: &[u8], secret: &[u8]) -> String {
        let mut mac = <Hmac<Sha256> as hmac::Mac>::new_from_slice(&self.derive(purpose)).expect("any length will do");
        mac.update(secret);
        format!("{:x}", mac.finalize().into_bytes())
    }

    /// Seals a secret for one place: `place` names the row and column, so that a sealed value moved to another row
    /// does not open there.
    pub fn seal(&self, place: &[u8], secret: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE];
        rand::rng().fill_bytes(&mut nonce);
        let sealed = cipher(&self.current)
            .encrypt(
                XNonce::from_slice(&nonce),
                Payload {
                    msg: secret,
                    aad: place,
                },
            )
            .expect("a secret fits into memory");
        [nonce.as_slice(), &sealed].concat()
    }

    /// The secret in a sealed value.
    ///
    /// # Errors
    /// [`Error::Unopenable`].
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE).ok_or(Error::Unopenable)?;
        std::iter::once(&self.current)
            .chain(&self.previous)
            .find_map(|key| {
                cipher(key)
                    .decrypt(
                        XNonce::from_slice(nonce),
                        Payload {
                            msg: sealed,
                            aad: place,
                        },
                    )
                    .ok()
            })
            .ok_or(Error::Unopenable)
    }
}

fn cipher(key: &[u8; 32]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&derive(key, b"sealed secrets").into())
}

fn derive(key: &[u8; 32], purpose: &[u8]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as hmac::Mac>::new_from_slice(key).expect("any length will do");
    mac.update(purpose);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_opens_in_its_place_only() {
        let key = MasterKey::random();
        let sealed = key.seal(b"row 1", b"secret");
        assert_eq!(key.open(b"row 1", &sealed).unwrap(), b"secret");
        assert_eq!(key.open(b"row 2", &sealed), Err(Error::Unopenable));
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
    }

    #[test]
    fn what_the_previous_key_sealed_still_opens() {
        let (old, new) = (MasterKey::random(), MasterKey::random());
        let both: MasterKey = format!("{},{}", new.to_text(), old.to_text()).parse().unwrap();
        assert_eq!(both.open(b"p", &old.seal(b"p", b"s")).unwrap(), b"s");
        assert_eq!(new.open(b"p", &both.seal(b"p", b"s")).unwrap(), b"s");
    }

    #[test]
    fn an_altered_or_cut_value_does_not_open() {
        let key = MasterKey::random();
        let mut sealed = key.seal(b"p", b"secret");
        assert_eq!(key.open(b"p", &sealed[..10]), Err(Error::Unopenable));
        *sealed.last_mut().unwrap() ^= 1;
        assert_eq!(key.open(b"p", &sealed), Err(Error::Unopenable));
    }
}
