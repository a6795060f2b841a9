//! Signed data: tokens that an organization's own servers sign with the company secret.
//!
//! A JWT library verifies the signature and reads the claims. What it lets pass is refused before: one algorithm, one form
//! of the header, no member twice, bounded in size and depth.

use std::sync::Once;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Validation};
use platform::time::Time;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::Sha256;

use strict::Strict;

mod strict;

/// The longest token, in bytes.
pub const TOKEN: usize = 64 * 1024;
/// How far clocks may be apart.
const LEEWAY: Duration = Duration::from_mins(1);
/// How long a token may be good for.
const LONGEST: Duration = Duration::from_hours(24);

/// What a token says.
#[derive(Deserialize)]
struct Claims {
    custom_data: Map<String, Value>,
    iat: i64,
    exp: i64,
    nbf: Option<i64>,
}

impl Claims {
    fn hold_at(&self, now: Time) -> bool {
        let leeway = LEEWAY.as_secs().cast_signed();
        let longest = LONGEST.as_secs().cast_signed();
        let now = now.timestamp();
        let past = |seconds: i64| seconds <= now + leeway;
        past(self.iat)
            && self.nbf.is_none_or(past)
            && self.iat <= self.exp
            && self.exp > now - leeway
            && self.exp <= now + longest
    }
}

/// The custom data of a token that one of these secrets has signed and that holds now. Nothing tells the others apart.
pub fn verify(token: &str, secrets: &[Vec<u8>], now: Time) -> Option<Map<String, Value>> {
    if token.len() > TOKEN {
        return None;
    }
    let mut parts = token.split('.');
    let (header, payload, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    plain(&strictly(header)?).then_some(())?;
    strictly(payload)?;

    static PROVIDED: Once = Once::new();
    // Whoever was faster has installed the same one: nobody else uses the library.
    PROVIDED.call_once(|| {
        let _ = PROVIDER.install_default();
    });
    let mut validation = Validation::new(Algorithm::HS256);
    // Times are compared with the one clock of this system.
    validation.validate_exp = false;
    let claims = secrets.iter().find_map(|secret| {
        let key = DecodingKey::from_secret(secret);
        let data = jsonwebtoken::decode::<Claims>(token, &key, &validation).ok()?;
        Some(data.claims)
    })?;
    claims.hold_at(now).then_some(claims.custom_data)
}

/// A header that asks for nothing: the algorithm, and at most the type of the token.
fn plain(header: &Map<String, Value>) -> bool {
    header.get("alg").is_some_and(|alg| alg == "HS256")
        && header.iter().all(|(name, value)| match name.as_str() {
            "alg" => true,
            "typ" => value == "JWT",
            _ => false,
        })
}

fn strictly(part: &str) -> Option<Map<String, Value>> {
    let json = BASE64_URL_SAFE_NO_PAD.decode(part).ok()?;
    match serde_json::from_slice(&json).ok()? {
        Strict(Value::Object(members)) => Some(members),
        Strict(_) => None,
    }
}

/// HMAC-SHA256 and nothing else: a key of another family or another algorithm has no verifier at all.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_: &Algorithm, _: &EncodingKey| Err(ErrorKind::InvalidAlgorithm.into()),
    verifier_factory: |algorithm, key| {
        if *algorithm != Algorithm::HS256 || key.family() != AlgorithmFamily::Hmac {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        let mac = Hmac::new_from_slice(key.try_get_as_bytes()?).map_err(|_| ErrorKind::InvalidKeyFormat)?;
        Ok(Box::new(Hs256(mac)))
    },
    key_utils: KeyUtils::new_unimplemented(),
};

struct Hs256(Hmac<Sha256>);

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let mut mac = self.0.clone();
        mac.update(message);
        mac.verify_slice(signature).map_err(signature::Error::from_source)
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}
