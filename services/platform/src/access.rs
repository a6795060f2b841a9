//! Who calls: API keys, what they stand for, and which method they open.

mod call;
mod failures;
mod key;
mod known;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use proto::settings::v1::ResolveApiKeyRequest;
use proto::settings::v1::settings_service_client::SettingsServiceClient;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use tonic::{Code, Status};
use uuid::Uuid;

pub use call::Call;
pub use key::{ApiKey, ServiceKey};

use crate::fault::{self, Kind};
use crate::link::Link;
use crate::time::{self, Time};
use failures::Failures;
use key::credential;
use known::{Age, Known};

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

/// Settings can't be reached when it takes longer than this over a known key: most of the deadline is for the call itself.
const MOMENT: Duration = Duration::from_secs(1);

/// Turns credentials into callers, by asking settings and remembering the answer for seconds.
#[derive(Clone)]
pub struct Access(Arc<Inner>);

struct Inner {
    settings: SettingsServiceClient<Link>,
    service_key: ServiceKey,
    known: Known,
    failures: Failures,
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
            known: Known::default(),
            failures: Failures::default(),
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
            Some(key) => {
                let name = Sha256::digest(&*key).into();
                if self.0.service_key.is(&name) {
                    service_caller(metadata)
                } else {
                    self.resolve(name, &key).await
                }
            }
        };
        match (&result, address) {
            (Err(status), Some(address)) if status.code() == Code::Unauthenticated => {
                self.0.failures.count(address)?;
                result
            }
            _ => result,
        }
    }

    /// `name` is the key's digest: what it is remembered by.
    async fn resolve(&self, name: [u8; 32], key: &str) -> Result<Caller, Status> {
        let caller = match self.0.known.get(&name) {
            Some((caller, Age::Fresh)) => caller,
            Some((caller, Age::ToRenew)) => {
                let (access, key) = (self.clone(), key.to_owned());
                tokio::spawn(async move { access.ask(name, &key).await });
                caller
            }
            // Boxed, here and below: a call whose key is known does not carry the question around.
            Some((caller, Age::Stale)) => match timeout(MOMENT, Box::pin(self.ask(name, key))).await {
                Ok(Ok(caller)) => caller,
                Ok(Err(status)) if Kind::of(status.code()) != Kind::Unavailable => return Err(status),
                Ok(Err(_)) | Err(_) => caller,
            },
            None => Box::pin(self.ask(name, key)).await?,
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
                self.0.known.forget(&name);
                return Err(not_valid());
            }
            Err(status) => {
                self.0.known.not_renewed(&name);
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
        self.0.known.insert(name, caller.clone());
        Ok(caller)
    }
}

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
