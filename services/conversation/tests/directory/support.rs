//! A directory service with two organizations, each with a key that opens everything.

use conversation_service::{Dependencies, SCHEMA, mount};
use platform::access::{Access, ServiceKey};
use platform::events::redis;
use platform::link::Link;
use platform::seal::MasterKey;
use platform::server::{Limits, Readiness, Server};
use platform::{Db, OrgId};
use proto::conversation::v1 as wire;
use proto::conversation::v1::conversation_service_client::ConversationServiceClient;
use proto::conversation::v1::directory_service_client::DirectoryServiceClient;
use proto::settings::v1::settings_service_client::SettingsServiceClient;
use proto::settings::v1::{CreateApiKeyRequest, CreateOrganizationRequest};
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

pub(crate) struct World {
    pub(crate) client: DirectoryServiceClient<Link>,
    pub(crate) conversations: ConversationServiceClient<Link>,
    /// The organization most tests act in.
    pub(crate) own: Tenant,
    /// Another one, which must not see anything of it.
    pub(crate) other: Tenant,
    settings: SettingsServiceClient<Link>,
    service_key: ServiceKey,
    _stop: DropGuard,
}

#[derive(Clone)]
pub(crate) struct Tenant {
    pub(crate) org: OrgId,
    pub(crate) key: String,
}

/// Calls a method in the name of the world's own organization; its answer.
macro_rules! ok {
    ($world:ident.$method:ident($message:expr)) => {
        $world
            .client
            .clone()
            .$method($world.own.request($message))
            .await
            .unwrap()
            .into_inner()
    };
}
/// The same for a call that must be refused; its status.
macro_rules! refused {
    ($world:ident.$method:ident($message:expr)) => {
        $crate::support::refused!($world, own, $method, $message)
    };
    ($world:ident, $tenant:ident, $method:ident, $message:expr) => {
        $world
            .client
            .clone()
            .$method($world.$tenant.request($message))
            .await
            .expect_err("the call must be refused")
    };
}
pub(crate) use {ok, refused};

impl World {
    pub(crate) async fn new(options: PgConnectOptions) -> Self {
        let db = Db::with_options(options.clone(), SCHEMA, 16);
        let settings_db = Db::with_options(options, "settings", 4);
        settings_db.migrate(&settings_service::MIGRATOR).await.unwrap();
        let service_key = ServiceKey::random();
        let link = Link::local();
        // Nothing that is answered may depend on it.
        let no_redis = redis::Config::new("redis://127.0.0.1:1");
        let server = Server::new(Access::new(link.clone(), service_key.clone()), Limits::default());
        let server = settings_service::mount(
            server,
            settings_service::Dependencies {
                db: settings_db,
                redis: no_redis.clone(),
                master_key: MasterKey::random(),
                mail: settings_service::mail::Config::default(),
            },
        );
        let running = mount(
            server,
            Dependencies {
                db,
                redis: no_redis,
                master_key: MasterKey::random(),
                settings: link.clone(),
                service_key: service_key.clone(),
                patience: conversation_service::Patience::default(),
                writes: platform::batch::commits::Config::default(),
            },
        )
        .build();
        link.lead_to(&running.stack());
        let (listener, stop) = (
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            CancellationToken::new(),
        );
        tokio::spawn(running.run(listener, Readiness::default(), stop.clone()));
        let mut settings = SettingsServiceClient::new(link.clone());
        Self {
            own: tenant(&mut settings, &service_key, "own").await,
            other: tenant(&mut settings, &service_key, "other").await,
            client: DirectoryServiceClient::new(link.clone()),
            conversations: ConversationServiceClient::new(link),
            settings,
            service_key,
            _stop: stop.drop_guard(),
        }
    }

    /// Another key of the own organization.
    pub(crate) async fn key(&self, scopes: &[&str]) -> String {
        mint(&mut self.settings.clone(), &self.service_key, self.own.org, scopes).await
    }

    /// What became of people who were to be created.
    pub(crate) async fn create(&self, role: wire::Role, people: Vec<wire::PersonInput>) -> Vec<Outcome> {
        outcomes(
            ok!(self.create_people(wire::CreatePeopleRequest {
                role: role.into(),
                people,
            }))
            .outcomes,
        )
    }

    /// A new agent of that name.
    pub(crate) async fn agent(&self, name: &str) -> wire::Person {
        self.create(wire::Role::Agent, vec![named(name)])
            .await
            .remove(0)
            .unwrap()
    }

    /// A new end user of that name.
    pub(crate) async fn end_user(&self, name: &str) -> wire::Person {
        self.create(wire::Role::EndUser, vec![named(name)])
            .await
            .remove(0)
            .unwrap()
    }

    pub(crate) async fn queue(&self, name: &str) -> wire::Queue {
        ok!(self.create_queue(wire::CreateQueueRequest {
            name: name.into(),
            ..Default::default()
        }))
        .queue
        .unwrap()
    }
}

/// What became of one person of a bulk request.
pub(crate) type Outcome = Result<wire::Person, wire::Failure>;

pub(crate) fn outcomes(outcomes: Vec<wire::PersonOutcome>) -> Vec<Outcome> {
    outcomes
        .into_iter()
        .map(|outcome| match outcome.outcome.unwrap() {
            wire::person_outcome::Outcome::Person(person) => Ok(person),
            wire::person_outcome::Outcome::Failure(failure) => Err(failure),
        })
        .collect()
}

/// Somebody with a name and an address.
pub(crate) fn named(name: &str) -> wire::PersonInput {
    wire::PersonInput {
        display_name: Some(name.into()),
        email: Some(format!("{name}@example.com")),
        ..Default::default()
    }
}

async fn tenant(settings: &mut SettingsServiceClient<Link>, service_key: &ServiceKey, subdomain: &str) -> Tenant {
    let request = CreateOrganizationRequest {
        name: subdomain.to_uppercase(),
        subdomain: subdomain.into(),
    };
    let request = service_key.request(OrgId(Uuid::nil()), request);
    let answer = settings.create_organization(request).await.unwrap().into_inner();
    let org = OrgId(answer.organization.unwrap().id.parse().unwrap());
    let key = mint(settings, service_key, org, &proto::scopes()).await;
    Tenant { org, key }
}

async fn mint(
    settings: &mut SettingsServiceClient<Link>,
    service_key: &ServiceKey,
    org: OrgId,
    scopes: &[&str],
) -> String {
    let request = CreateApiKeyRequest {
        owner: "tests".into(),
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        expires_at: None,
    };
    let answer = settings
        .create_api_key(service_key.request(org, request))
        .await
        .unwrap();
    answer.into_inner().key
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

/// The code and the reason of a refusal.
pub(crate) fn why(status: &Status) -> (Code, String) {
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone());
    (status.code(), reason.unwrap_or_default())
}

/// Asserts that a call was refused with a code and a reason.
#[track_caller]
pub(crate) fn assert_refused(status: &Status, code: Code, reason: &str) {
    assert_eq!(why(status), (code, reason.to_owned()), "{status:?}");
}

/// The fields a status says are wrong.
#[track_caller]
pub(crate) fn fields(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = status.get_error_details();
    let violations = details.bad_request().map(|bad| bad.field_violations.clone());
    violations
        .unwrap_or_default()
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

/// The id of nobody and nothing.
pub(crate) fn absent() -> String {
    "01890000-0000-7000-8000-000000000000".into()
}
