//! Organizations and company secrets.

use platform::OrgId;
use platform::access::Call;
use platform::time;
use proto::settings::v1::{
    self as wire, CreateOrganizationRequest, CreateOrganizationResponse, FindOrganizationRequest,
    FindOrganizationResponse, GetOrganizationRequest, GetOrganizationResponse, SetCompanySecretRequest,
    SetCompanySecretResponse, VerifySignedDataRequest, VerifySignedDataResponse,
};
use tonic::{Request, Response, Status};

use super::{Api, Done};
use crate::domain::organization::{self, Organization};
use crate::domain::{SettingsError, field, signed_data};
use crate::store::Store;

pub(super) async fn create(
    api: &Api,
    request: Request<CreateOrganizationRequest>,
) -> Result<Response<CreateOrganizationResponse>, Status> {
    let (call, message) = Call::open(request)?;
    let name = field::required("name", message.name.clone(), field::NAME).map_err(SettingsError::from)?;
    let subdomain = organization::subdomain("subdomain", message.subdomain.clone()).map_err(SettingsError::from)?;
    api.once(&call, "CreateOrganization", &message, async move |tx| {
        let id = OrgId(platform::id::new());
        let created_at = Store::create_organization(id, tx, &name, &subdomain).await?;
        let organization = Organization {
            id,
            name,
            subdomain,
            created_at,
        };
        let answer = CreateOrganizationResponse {
            organization: Some(organization.into()),
        };
        Ok(Done::new(format!("organizations/{id}"), answer))
    })
    .await
}

pub(super) async fn find(
    api: &Api,
    request: Request<FindOrganizationRequest>,
) -> Result<Response<FindOrganizationResponse>, Status> {
    let subdomain = field::lookup("subdomain", request.into_inner().subdomain).map_err(SettingsError::from)?;
    let organization = Store::organization_at(&subdomain, &api.db).await?;
    Ok(Response::new(FindOrganizationResponse {
        organization: Some(organization.into()),
    }))
}

pub(super) async fn get(
    api: &Api,
    request: Request<GetOrganizationRequest>,
) -> Result<Response<GetOrganizationResponse>, Status> {
    let (call, _) = Call::open(request)?;
    let organization = Store::organization(call.org(), &api.db).await?;
    Ok(Response::new(GetOrganizationResponse {
        organization: Some(organization.into()),
    }))
}

pub(super) async fn set_secret(
    api: &Api,
    request: Request<SetCompanySecretRequest>,
) -> Result<Response<SetCompanySecretResponse>, Status> {
    let (call, message) = Call::open(request)?;
    let secret = organization::company_secret("secret", message.secret).map_err(SettingsError::from)?;
    // A retry is recognized by a hash of the request that is stored: it must not give a guessable secret away.
    let recognized = SetCompanySecretRequest {
        secret: api.master_key.fingerprint(b"company secret retries", secret.as_bytes()),
    };
    api.once(&call, "SetCompanySecret", &recognized, async |tx| {
        let live = Store::add_company_secret(call.org(), tx, &api.master_key, &secret).await?;
        let answer = SetCompanySecretResponse {
            live_secrets: i32::try_from(live).unwrap_or(i32::MAX),
        };
        Ok(Done::new(format!("organizations/{}", call.org()), answer))
    })
    .await
}

pub(super) async fn verify_signed_data(
    api: &Api,
    request: Request<VerifySignedDataRequest>,
) -> Result<Response<VerifySignedDataResponse>, Status> {
    let (call, message) = Call::open(request)?;
    let secrets = Store::company_secrets(call.org(), &api.db, &api.master_key).await?;
    let data = signed_data::verify(&message.signed_data, &secrets, time::now());
    let data = data.ok_or(SettingsError::SignedDataInvalid)?;
    Ok(Response::new(VerifySignedDataResponse {
        custom_data_json: serde_json::Value::Object(data).to_string(),
    }))
}

impl From<Organization> for wire::Organization {
    fn from(organization: Organization) -> Self {
        Self {
            id: organization.id.to_string(),
            name: organization.name,
            subdomain: organization.subdomain,
            created_at: Some(time::to_proto(organization.created_at)),
        }
    }
}
