//! Who calls: API keys, what they stand for, and which method they open.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use parking_lot::{Mutex, RwLock};
use proto::settings::v1::ResolveApiKeyRequest;
use proto::settings::v1::settings_service_client::SettingsServiceClient;
use rand::RngCore as _;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::time::timeout;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Status};
use uuid::Uuid;

use crate::fault::{self, Kind};
use crate::link::Link;
use crate::time::{self, Time};

/// The organization something belongs to: the first argument of everything that touches stored data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrgId(pub Uuid);

impl std::fmt::Display for OrgId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The scope of the deployment's own service key.
pub const INTERNAL: &str = "internal";
/// Metadata in which the service key names the organization it acts for: a UUID.
pub const ORGANIZATION: &str = "handoff-organization";

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
fn credential(header: &str) -> Option<Cow<'_, str>> {
    let header = header.trim_start();
    let (scheme, rest) = header.split_once(' ').unwrap_or(("", header));
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
        return decoded.split_once(':').map(|(_, key)| Cow::Owned(key.to_owned()));
    }
    ((scheme.is_empty() || scheme.eq_ignore_ascii_case("bearer")) && !rest.is_empty()).then_some(Cow::Borrowed(rest))
}

/// A caller who has proved who he is.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The organization in whose name everything happens.
    pub org: OrgId,
    /// Its subdomain; empty for the service key.
    pub subdomain: Arc<str>,
    /// The key that was presented; nil for the service key.
    pub key_id: Uuid,
    /// The person or service behind the key: the default author.
    pub owner: Arc<str>,
    /// What the key opens.
    pub scopes: Arc<[String]>,
    expires_at: Option<Time>,
}

impl Caller {
    /// Whether the caller may use a method with this `access` option.
    pub fn may(&self, access: &str) -> bool {
        self.scopes.iter().any(|scope| scope == access || scope == INTERNAL)
    }

    fn service(org: OrgId) -> Self {
        Self {
            org,
            subdomain: Arc::from(""),
            key_id: Uuid::nil(),
            owner: Arc::from("handoff"),
            scopes: Arc::from([INTERNAL.to_owned()]),
            expires_at: None,
        }
    }
}

/// The deployment's own key, for background work. It never leaves the deployment.
#[derive(Clone)]
pub struct ServiceKey(Arc<str>);

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
        fits.then(|| Self(Arc::from(text)))
            .ok_or("a service key is at least 32 printable characters")
    }
}

impl ServiceKey {
    /// A new one, for a deployment that is one process.
    pub fn random() -> Self {
        let mut secret = [0; 32];
        rand::rng().fill_bytes(&mut secret);
        Self(Arc::from(URL_SAFE_NO_PAD.encode(secret)))
    }

    /// Its text, for the configuration of another process of the same deployment.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn is(&self, text: &str) -> bool {
        Sha256::digest(&*self.0).ct_eq(&Sha256::digest(text)).into()
    }

    /// A request that acts for `org` in the deployment's own name.
    pub fn request<T>(&self, org: OrgId, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        if let Ok(value) = format!("Bearer {}", self.0).parse() {
            metadata.insert("authorization", value);
        }
        if let Ok(value) = org.to_string().parse() {
            metadata.insert(ORGANIZATION, value);
        }
        request
    }
}

/// Answers are used without asking again for this long: so long does a revoked key live.
const FRESH: Duration = Duration::from_secs(5);
/// From this age on an answer is renewed in the background, so that a busy key never waits.
const RENEW: Duration = Duration::from_secs(3);
/// While settings can't be reached, a known key is honoured for this long.
const STALE: Duration = Duration::from_mins(1);
/// Settings can't be reached when it takes longer than this over a known key: most of the deadline is for the call itself.
const MOMENT: Duration = Duration::from_secs(1);
/// Callers kept; a full cache forgets the old ones, or all.
const CACHED: usize = 20_000;

/// Turns credentials into callers, by asking settings and remembering the answer for seconds.
#[derive(Clone)]
pub struct Access(Arc<Inner>);

struct Inner {
    settings: SettingsServiceClient<Link>,
    service_key: ServiceKey,
    known: RwLock<HashMap<[u8; 32], Known>>,
    failures: Mutex<HashMap<IpAddr, Failures>>,
}

struct Known {
    caller: Caller,
    at: Instant,
    renewing: AtomicBool,
}

struct Failures {
    count: u32,
    since: Instant,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Access")
    }
}

impl Access {
    /// `settings` is where keys are resolved.
    pub fn new(settings: Link, service_key: ServiceKey) -> Self {
        Self(Arc::new(Inner {
            settings: SettingsServiceClient::new(settings),
            service_key,
            known: RwLock::default(),
            failures: Mutex::default(),
        }))
    }

    /// The deployment's own key.
    pub fn service_key(&self) -> &ServiceKey {
        &self.0.service_key
    }

    /// The caller behind a request's metadata.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` with reason `CREDENTIALS_MISSING` or `API_KEY_NOT_VALID`; `UNAVAILABLE` when settings can't be
    /// reached and the key is not known from the last minute; `RESOURCE_EXHAUSTED` when `address` failed too often.
    pub async fn caller(&self, metadata: &http::HeaderMap, address: Option<IpAddr>) -> Result<Caller, Status> {
        let header = metadata
            .get(http::header::AUTHORIZATION)
            .ok_or_else(|| fault::refuse(Kind::Unauthenticated, "CREDENTIALS_MISSING", "authorization is missing"))?;
        let result = match header.to_str().ok().and_then(credential) {
            None => Err(not_valid()),
            Some(key) if self.0.service_key.is(&key) => service_caller(metadata),
            Some(key) => self.resolve(&key).await,
        };
        match (&result, address) {
            (Err(status), Some(address)) if status.code() == Code::Unauthenticated => self.failed(address, result),
            _ => result,
        }
    }

    async fn resolve(&self, key: &str) -> Result<Caller, Status> {
        let name: [u8; 32] = Sha256::digest(key).into();
        let known = self.0.known.read().get(&name).map(|known| {
            let age = known.at.elapsed();
            let renew = age > RENEW && !known.renewing.swap(true, Ordering::Relaxed);
            (known.caller.clone(), age, renew)
        });
        let caller = match known {
            Some((caller, age, renew)) if age < FRESH => {
                if renew {
                    let (access, key) = (self.clone(), key.to_owned());
                    tokio::spawn(async move { access.ask(name, &key).await });
                }
                caller
            }
            Some((caller, age, _)) if age < STALE => match timeout(MOMENT, self.ask(name, key)).await {
                Ok(Ok(caller)) => caller,
                Ok(Err(status)) if Kind::of(status.code()) != Kind::Unavailable => return Err(status),
                Ok(Err(_)) | Err(_) => caller,
            },
            _ => self.ask(name, key).await?,
        };
        if caller.expires_at.is_some_and(|at| at <= time::now()) {
            return Err(not_valid());
        }
        Ok(caller)
    }

    async fn ask(&self, name: [u8; 32], key: &str) -> Result<Caller, Status> {
        if ApiKey::parse(key).is_none() {
            return Err(not_valid());
        }
        let request = ResolveApiKeyRequest { key: key.to_owned() };
        let answer = match self.0.settings.clone().resolve_api_key(request).await {
            Ok(answer) => answer.into_inner(),
            Err(status) if status.code() == Code::Unauthenticated => {
                self.0.known.write().remove(&name);
                return Err(not_valid());
            }
            Err(status) => {
                if let Some(known) = self.0.known.read().get(&name) {
                    known.renewing.store(false, Ordering::Relaxed);
                }
                return Err(fault::pass_on(status));
            }
        };
        let caller = Caller {
            org: OrgId(crate::id::parse(&answer.organization_id).ok_or_else(not_valid)?),
            subdomain: answer.subdomain.into(),
            key_id: crate::id::parse(&answer.key_id).ok_or_else(not_valid)?,
            owner: answer.owner.into(),
            scopes: answer.scopes.into(),
            expires_at: answer.expires_at.and_then(time::from_proto),
        };
        let mut known = self.0.known.write();
        if known.len() >= CACHED {
            known.retain(|_, known| known.at.elapsed() < STALE);
            if known.len() >= CACHED {
                known.clear();
            }
        }
        known.insert(
            name,
            Known {
                caller: caller.clone(),
                at: Instant::now(),
                renewing: AtomicBool::new(false),
            },
        );
        Ok(caller)
    }

    /// Counts a failed authentication; the 21st within a minute from one address is told to slow down. A valid key is
    /// never refused by this, because it is only asked after the key was found not to be valid.
    fn failed(&self, address: IpAddr, result: Result<Caller, Status>) -> Result<Caller, Status> {
        let mut failures = self.0.failures.lock();
        if failures.len() >= CACHED {
            failures.retain(|_, failures| failures.since.elapsed() < FAILURE_WINDOW);
            if failures.len() >= CACHED {
                failures.clear();
            }
        }
        let failures = failures.entry(address).or_insert(Failures {
            count: 0,
            since: Instant::now(),
        });
        if failures.since.elapsed() >= FAILURE_WINDOW {
            *failures = Failures {
                count: 0,
                since: Instant::now(),
            };
        }
        failures.count = failures.count.saturating_add(1);
        if failures.count > FAILURES {
            return Err(fault::refuse(
                Kind::Exhausted,
                "TOO_MANY_FAILED_AUTHENTICATIONS",
                "too many failed authentications, slow down",
            ));
        }
        result
    }
}

/// Failed authentications an address may make within [`FAILURE_WINDOW`].
const FAILURES: u32 = 20;
const FAILURE_WINDOW: Duration = Duration::from_mins(1);

fn not_valid() -> Status {
    fault::refuse(Kind::Unauthenticated, "API_KEY_NOT_VALID", "the API key is not valid")
}

fn service_caller(metadata: &http::HeaderMap) -> Result<Caller, Status> {
    let org = match metadata.get(ORGANIZATION) {
        None => Uuid::nil(),
        Some(value) => value
            .to_str()
            .ok()
            .and_then(crate::id::parse)
            .ok_or_else(|| fault::invalid(ORGANIZATION, "must be a UUID"))?,
    };
    Ok(Caller::service(OrgId(org)))
}

/// What a method needs to know of the call besides its message.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who calls.
    pub caller: Caller,
    /// The caller's `idempotency-key`, 1 to 255 printable characters, quotes removed.
    pub idempotency_key: Option<String>,
    /// The W3C trace context the call came with.
    pub traceparent: Option<String>,
}

impl Call {
    /// Takes a request apart.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when no layer has put a caller there; `INVALID_ARGUMENT` naming `idempotency-key`.
    pub fn open<T>(request: Request<T>) -> Result<(Self, T), Status> {
        let (metadata, extensions, message) = request.into_parts();
        let caller = extensions.get::<Caller>().cloned().ok_or_else(not_valid)?;
        Ok((
            Self {
                caller,
                idempotency_key: idempotency_key(&metadata)?,
                traceparent: metadata
                    .get("traceparent")
                    .and_then(|value| value.to_str().ok())
                    .filter(|value| value.len() <= 64)
                    .map(str::to_owned),
            },
            message,
        ))
    }

    /// The caller's organization.
    pub fn org(&self) -> OrgId {
        self.caller.org
    }
}

fn idempotency_key(metadata: &MetadataMap) -> Result<Option<String>, Status> {
    let Some(value) = metadata.get("idempotency-key") else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    let bare = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(text);
    if bare.is_empty() || bare.len() > 255 || !bare.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(fault::invalid(
            "idempotency-key",
            "must be 1 to 255 printable ASCII characters",
        ));
    }
    Ok(Some(bare.to_owned()))
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

    #[test]
    fn an_idempotency_key_is_read_bare_and_quoted() {
        let key = |value: &str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("idempotency-key", value.parse().unwrap());
            idempotency_key(&metadata)
        };
        assert_eq!(key("a-1").unwrap().as_deref(), Some("a-1"));
        assert_eq!(key("\"a-1\"").unwrap().as_deref(), Some("a-1"));
        assert!(key("").is_err());
        assert!(key(&"a".repeat(256)).is_err());
        assert_eq!(idempotency_key(&MetadataMap::new()).unwrap(), None);
    }
}
