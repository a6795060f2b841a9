//! The texts that callers present: API keys and the deployment's own key.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rand::RngCore as _;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tonic::Request;
use uuid::Uuid;

use super::{ORGANIZATION, OrgId};

/// An API key's text: `hk_` and 64 bytes in URL-safe base64: its organization, its id, 256 random bits.
#[derive(Clone, Copy)]
pub struct ApiKey {
    /// Whose key it is.
    pub org: OrgId,
    /// Its public name.
    pub id: Uuid,
    secret: [u8; 32],
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl ApiKey {
    /// A new key.
    pub fn mint(org: OrgId) -> Self {
        let mut secret = [0; 32];
        rand::rng().fill_bytes(&mut secret);
        Self {
            org,
            id: crate::id::random(),
            secret,
        }
    }

    /// Reads a key's text; `None` unless it has the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 64] = URL_SAFE_NO_PAD
            .decode(text.strip_prefix("hk_")?)
            .ok()?
            .try_into()
            .ok()?;
        Some(Self {
            org: OrgId(Uuid::from_slice(&bytes[..16]).ok()?),
            id: Uuid::from_slice(&bytes[16..32]).ok()?,
            secret: bytes[32..].try_into().ok()?,
        })
    }

    /// The text a caller presents.
    pub fn to_text(&self) -> String {
        let bytes = [self.org.0.as_bytes().as_slice(), self.id.as_bytes(), &self.secret].concat();
        format!("hk_{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// What is stored of it. The secret has full entropy, so one plain hash is enough.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }

    /// Whether it is the key of which `hash` was stored, compared in constant time.
    pub fn matches(&self, hash: &[u8]) -> bool {
        self.hash().ct_eq(hash).into()
    }
}

/// The key in an `Authorization` header: `Bearer <key>`, the bare key, or `Basic` with the key as password and any user.
pub(super) fn credential(header: &str) -> Option<Cow<'_, str>> {
    let header = header.trim_start();
    let (scheme, rest) = header.split_once(' ').unwrap_or(("", header));
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
        return decoded.split_once(':').map(|(_, key)| Cow::Owned(key.to_owned()));
    }
    ((scheme.is_empty() || scheme.eq_ignore_ascii_case("bearer")) && !rest.is_empty()).then_some(Cow::Borrowed(rest))
}

/// The deployment's own key, for background work. It never leaves the deployment.
#[derive(Clone)]
pub struct ServiceKey {
    text: Arc<str>,
    /// What presented keys are compared with, so that comparing tells nothing of the text.
    digest: [u8; 32],
}

impl std::fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServiceKey")
    }
}

impl std::str::FromStr for ServiceKey {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Files with secrets tend to end in a line feed.
        let text = text.trim();
        let fits = text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self::new(text))
            .ok_or("a service key is at least 32 printable characters")
    }
}

impl ServiceKey {
    fn new(text: &str) -> Self {
        Self {
            text: Arc::from(text),
            digest: Sha256::digest(text).into(),
        }
    }

    /// A new one, for a deployment that is one process.
    pub fn random() -> Self {
        let mut secret = [0; 32];
        rand::rng().fill_bytes(&mut secret);
        Self::new(&URL_SAFE_NO_PAD.encode(secret))
    }

    /// Its text, for the configuration of another process of the same deployment.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    pub(super) fn is(&self, digest: &[u8; 32]) -> bool {
        self.digest.ct_eq(digest).into()
    }

    /// A request that acts for `org` in the deployment's own name.
    pub fn request<T>(&self, org: OrgId, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        if let Ok(value) = format!("Bearer {}", self.text).parse() {
            metadata.insert("authorization", value);
        }
        if let Ok(value) = org.to_string().parse() {
            metadata.insert(ORGANIZATION, value);
        }
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_text_and_matches_only_its_own_hash() {
        let org = OrgId(crate::id::new());
        let key = ApiKey::mint(org);
        let read = ApiKey::parse(&key.to_text()).unwrap();
        assert_eq!((read.org, read.id), (org, key.id));
        assert!(read.matches(&key.hash()));
        assert!(!ApiKey::mint(org).matches(&key.hash()));
    }

    #[test]
    fn what_is_not_a_key_is_not_read_as_one() {
        let text = ApiKey::mint(OrgId(crate::id::new())).to_text();
        for wrong in [
            "",
            "hk_",
            "hk_x",
            &text[1..],
            &text[..text.len() - 1],
            &format!("{text}A"),
        ] {
            assert!(ApiKey::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_key_comes_as_bearer_raw_or_basic() {
        let basic = format!("Basic {}", STANDARD.encode("demo:hk_x"));
        for header in ["Bearer hk_x", "bearer  hk_x", "hk_x", &basic] {
            assert_eq!(credential(header).as_deref(), Some("hk_x"), "{header}");
        }
        for header in ["", "Bearer ", "Digest hk_x", "Basic %%%", "Basic aGs="] {
            assert_eq!(credential(header), None, "{header}");
        }
    }
}
