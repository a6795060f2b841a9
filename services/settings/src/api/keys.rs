//! API keys.

use platform::access::{ApiKey, Call};
use platform::fault::Violation;
use platform::{page, time};
use proto::settings::v1::{
    self as wire, CreateApiKeyRequest, CreateApiKeyResponse, ListApiKeysRequest, ListApiKeysResponse,
    ResolveApiKeyRequest, ResolveApiKeyResponse, RevokeApiKeyRequest, RevokeApiKeyResponse,
};
use tonic::{Request, Response, Status};

use super::{Api, Done};
use crate::domain::key::{self, KeyRecord};
use crate::domain::{SettingsError, field};
use crate::store::Store;

pub(super) async fn create(
    api: &Api,
    request: Request<CreateApiKeyRequest>,
) -> Result<Response<CreateApiKeyResponse>, Status> {
    let (call, message) = Call::open(request)?;
    let NewKey {
        owner,
        scopes,
        expires_at,
    } = NewKey::parse(&message)?;
    if let Some(scope) = scopes.iter().find(|scope| !call.caller.may(scope)) {
        return Err(SettingsError::ScopeNotHeld(scope.clone()).into());
    }
    let key = ApiKey::mint(call.org());
    let mut minted = false;
    let mut response = api
        .once(&call, "CreateApiKey", &message, async |tx| {
            let record = Store::create_key(call.org(), tx, &key, &owner, &scopes, expires_at).await?;
            minted = true;
            let subject = format!("api-keys/{}", record.id);
            // What is kept for a retry is without the text: it is in the first answer and nowhere else.
            let answer = CreateApiKeyResponse {
                api_key: Some(record.into()),
                key: String::new(),
            };
            Ok(Done::new(subject, answer))
        })
        .await?;
    if minted {
        response.get_mut().key = key.to_text();
    }
    Ok(response)
}

struct NewKey {
    owner: String,
    scopes: Vec<String>,
    expires_at: Option<time::Time>,
}

impl NewKey {
    fn parse(message: &CreateApiKeyRequest) -> Result<Self, SettingsError> {
        let expires_at = message.expires_at.map(|at| {
            let at = time::from_proto(at).ok_or_else(|| Violation::new("expires_at", "must be a point in time"))?;
            key::expiry("expires_at", at, time::now())
        });
        Ok(Self {
            owner: field::required("owner", message.owner.clone(), field::NAME)?,
            scopes: key::scopes("scopes", message.scopes.clone(), &proto::scopes())?,
            expires_at: expires_at.transpose()?,
        })
    }
}

pub(super) async fn list(
    api: &Api,
    request: Request<ListApiKeysRequest>,
) -> Result<Response<ListApiKeysResponse>, Status> {
    let (call, message) = Call::open(request)?;
    let size = page::size(message.page_size)?;
    let org = call.org().to_string();
    let list = ["api-keys", &org];
    let after = api.tokens.read(&list, &message.page_token)?;
    let keys = Store::keys(call.org(), &api.db, after, size + 1).await?;
    let (keys, next) = super::cut(keys, size, |key| (key.created_at, key.id));
    Ok(Response::new(ListApiKeysResponse {
        api_keys: keys.into_iter().map(Into::into).collect(),
        next_page_token: next.map_or_else(String::new, |last| api.tokens.make(&list, &last)),
    }))
}

pub(super) async fn revoke(
    api: &Api,
    request: Request<RevokeApiKeyRequest>,
) -> Result<Response<RevokeApiKeyResponse>, Status> {
    let (call, message) = Call::open(request)?;
    field::lookup("id", message.id.clone()).map_err(SettingsError::from)?;
    let id = platform::id::parse(&message.id).ok_or(SettingsError::ApiKeyNotFound)?;
    api.once(&call, "RevokeApiKey", &message, async |tx| {
        let record = Store::revoke_key(call.org(), tx, id).await?;
        let answer = RevokeApiKeyResponse {
            api_key: Some(record.into()),
        };
        Ok(Done::new(format!("api-keys/{id}"), answer))
    })
    .await
}

pub(super) async fn resolve(
    api: &Api,
    request: Request<ResolveApiKeyRequest>,
) -> Result<Response<ResolveApiKeyResponse>, Status> {
    let key = ApiKey::parse(&request.into_inner().key).ok_or(SettingsError::ApiKeyNotValid)?;
    let live = Store::live_key(key.org, &api.db, key.id)
        .await?
        .filter(|live| key.matches(&live.hash))
        .ok_or(SettingsError::ApiKeyNotValid)?;
    Ok(Response::new(ResolveApiKeyResponse {
        organization_id: key.org.to_string(),
        subdomain: live.subdomain,
        key_id: key.id.to_string(),
        owner: live.owner,
        scopes: live.scopes,
        expires_at: live.expires_at.map(time::to_proto),
    }))
}

impl From<KeyRecord> for wire::ApiKey {
    fn from(key: KeyRecord) -> Self {
        Self {
            id: key.id.to_string(),
            owner: key.owner,
            scopes: key.scopes,
            created_at: Some(time::to_proto(key.created_at)),
            expires_at: key.expires_at.map(time::to_proto),
            revoked_at: key.revoked_at.map(time::to_proto),
        }
    }
}
