//! A settings service with two organizations, each with a key that opens everything.

use std::time::Duration;

use platform::access::{Access, ServiceKey};
use platform::events::redis;
use platform::link::Link;
use platform::seal::MasterKey;
use platform::server::{Limits, Server, Stack};
use platform::{Db, OrgId};
use proto::settings::v1::settings_service_client::SettingsServiceClient;
use proto::settings::v1::{CreateApiKeyRequest, CreateChatbotRequest, CreateOrganizationRequest};
use settings_service::{Dependencies, SCHEMA, mail, mount};
use sqlx::postgres::PgConnectOptions;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

pub(crate) struct World {
    pub(crate) db: Db,
    pub(crate) client: SettingsServiceClient<Link>,
    pub(crate) service_key: ServiceKey,
    /// The organization most tests act in.
    pub(crate) own: Tenant,
    /// Another one, which must not see anything of it.
    pub(crate) other: Tenant,
    _server: Stack,
}

#[derive(Clone)]
pub(crate) struct Tenant {
    pub(crate) org: OrgId,
    pub(crate) key: String,
}

impl World {
    pub(crate) async fn new(options: PgConnectOptions) -> Self {
        let db = Db::with_options(options, SCHEMA, 8);
        let service_key = ServiceKey::random();
        let link = Link::local();
        let server = Server::new(Access::new(link.clone(), service_key.clone()), Limits::default());
        let running = mount(
            server,
            Dependencies {
                db: db.clone(),
                // The loops don't run here, so nobody asks for it.
                redis: redis::Config::new("redis://127.0.0.1:1"),
                master_key: MasterKey::random(),
                mail: mail::Config::default(),
            },
        )
        .build();
        let server = running.stack();
        link.lead_to(&server);
        let mut client = SettingsServiceClient::new(link);
        let own = tenant(&mut client, &service_key, "own").await;
        let other = tenant(&mut client, &service_key, "other").await;
        Self {
            db,
            client,
            service_key,
            own,
            other,
            _server: server,
        }
    }

    /// Another key of the own organization.
    pub(crate) async fn key(&self, scopes: &[&str]) -> String {
        mint(&mut self.client.clone(), &self.service_key, self.own.org, scopes).await
    }

    /// A chatbot of the own organization.
    pub(crate) async fn chatbot(&self) -> String {
        let request = CreateChatbotRequest {
            name: "Demo bot".into(),
            ..CreateChatbotRequest::default()
        };
        let answer = self
            .client
            .clone()
            .create_chatbot(self.own.request(request))
            .await
            .unwrap();
        answer.into_inner().chatbot.unwrap().id
    }
}

async fn tenant(client: &mut SettingsServiceClient<Link>, service_key: &ServiceKey, subdomain: &str) -> Tenant {
    let request = CreateOrganizationRequest {
        name: subdomain.to_uppercase(),
        subdomain: subdomain.into(),
    };
    let answer = client
        .create_organization(service_key.request(nobody(), request))
        .await
        .unwrap();
    let org = OrgId(answer.into_inner().organization.unwrap().id.parse().unwrap());
    let key = mint(client, service_key, org, &proto::scopes()).await;
    Tenant { org, key }
}

async fn mint(
    client: &mut SettingsServiceClient<Link>,
    service_key: &ServiceKey,
    org: OrgId,
    scopes: &[&str],
) -> String {
    let request = CreateApiKeyRequest {
        owner: "tests".into(),
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        expires_at: None,
    };
    let answer = client.create_api_key(service_key.request(org, request)).await.unwrap();
    answer.into_inner().key
}

/// What is in no organization.
pub(crate) fn nobody() -> OrgId {
    OrgId(Uuid::nil())
}

impl Tenant {
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        with_key(&self.key, message)
    }

    /// A request that may be repeated.
    pub(crate) fn retriable<T>(&self, idempotency_key: &str, message: T) -> Request<T> {
        let mut request = self.request(message);
        request
            .metadata_mut()
            .insert("idempotency-key", idempotency_key.parse().unwrap());
        request
    }
}

pub(crate) fn with_key<T>(key: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("authorization", format!("Bearer {key}").parse().unwrap());
    request
}

pub(crate) fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    details.error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

/// The fields a status says are wrong.
pub(crate) fn fields(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = status.get_error_details();
    details
        .bad_request()
        .map(|bad| {
            bad.field_violations
                .iter()
                .map(|violation| violation.field.clone())
                .collect()
        })
        .unwrap_or_default()
}

/// The refusal of a call that must not succeed.
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<tonic::Response<T>, Status>) -> Status {
    result.expect_err("the call must be refused")
}

/// Asserts that a call is refused with a code and a reason.
#[track_caller]
pub(crate) fn assert_refused<T: std::fmt::Debug>(
    result: Result<tonic::Response<T>, Status>,
    code: Code,
    expected: &str,
) {
    let status = refused(result);
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (code, expected),
        "{status:?}"
    );
}

/// Waits until there is something.
pub(crate) async fn eventually<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .expect("it did not happen in time")
}
