//! A conversation service with two organizations, each with people, queues and a key that opens everything.

use std::time::Duration;

use conversation_service::{Dependencies, SCHEMA, mount};
use platform::access::{Access, ServiceKey};
use platform::events::redis;
use platform::link::Link;
use platform::seal::MasterKey;
use platform::server::{Limits, Readiness, Running, Server, Stack};
use platform::{Db, OrgId};
use proto::conversation::v1 as wire;
use proto::conversation::v1::conversation_service_client::ConversationServiceClient;
use proto::settings::v1::settings_service_client::SettingsServiceClient;
use proto::settings::v1::{CreateApiKeyRequest, CreateOrganizationRequest};
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

/// The widget and the address that tests write to.
pub(crate) const WIDGET: &str = "5a556159-2c21-4f3e-a44f-a323deb80d16";
pub(crate) const ADDRESS: &str = "help@email.example.com";

pub(crate) struct World {
    pub(crate) db: Db,
    pub(crate) client: ConversationServiceClient<Link>,
    pub(crate) service_key: ServiceKey,
    /// The organization most tests act in.
    pub(crate) own: Tenant,
    /// Another one, which must not see anything of it.
    pub(crate) other: Tenant,
    pub(crate) settings: SettingsServiceClient<Link>,
    settings_link: Link,
    options: PgConnectOptions,
    _settings: Stack,
    _stop: DropGuard,
}

#[derive(Clone)]
pub(crate) struct Tenant {
    pub(crate) org: OrgId,
    pub(crate) key: String,
    pub(crate) end_user: String,
    pub(crate) agents: [String; 2],
    /// The default one and another one.
    pub(crate) queues: [String; 2],
}

/// What spoils a good request, and the field that is wrong then.
pub(crate) type Spoil<M> = (fn(&mut M), &'static str);

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
/// The same for a call that must not succeed; its status.
macro_rules! refused {
    ($world:ident.$method:ident($message:expr)) => {
        $world
            .client
            .clone()
            .$method($world.own.request($message))
            .await
            .expect_err("the call must be refused")
    };
}
pub(crate) use {ok, refused};

impl World {
    /// Waits until so many statements wait for a lock.
    pub(crate) async fn until_waiting(&self, count: i64) {
        until(async || {
            let waiting: i64 = sqlx::query_scalar(
                "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
            )
            .fetch_one(&self.db)
            .await
            .unwrap();
            waiting >= count
        })
        .await;
    }

    pub(crate) async fn new(options: PgConnectOptions) -> Self {
        let db = Db::with_options(options.clone(), SCHEMA, 16);
        let settings_db = Db::with_options(options.clone(), "settings", 4);
        settings_db.migrate(&settings_service::MIGRATOR).await.unwrap();
        let service_key = ServiceKey::random();
        let settings_link = Link::local();
        let server = Server::new(
            Access::new(settings_link.clone(), service_key.clone()),
            Limits::default(),
        );
        let running = settings_service::mount(
            server,
            settings_service::Dependencies {
                db: settings_db,
                redis: no_redis(),
                master_key: MasterKey::random(),
                mail: settings_service::mail::Config::default(),
            },
        )
        .build();
        let settings_stack = running.stack();
        settings_link.lead_to(&settings_stack);
        let mut settings = SettingsServiceClient::new(settings_link.clone());
        let (link, stop) = serve(&db, &settings_link, &service_key).await;
        let own = tenant(&db, &mut settings, &service_key, "own").await;
        let other = tenant(&db, &mut settings, &service_key, "other").await;
        Self {
            db,
            client: ConversationServiceClient::new(link),
            service_key,
            own,
            other,
            settings,
            settings_link,
            options,
            _settings: settings_stack,
            _stop: stop,
        }
    }

    /// One more replica, which can be run with its loops.
    pub(crate) fn replica(&self) -> Running {
        self.replica_with(no_redis())
    }

    /// The same with a Redis.
    pub(crate) fn replica_with(&self, redis: redis::Config) -> Running {
        let db = Db::with_options(self.options.clone(), SCHEMA, 8);
        server_on(&db, &self.settings_link, &self.service_key, redis).build()
    }

    /// One more replica that answers, until what is returned is dropped.
    pub(crate) async fn another(&self) -> (Link, DropGuard) {
        let db = Db::with_options(self.options.clone(), SCHEMA, 8);
        serve(&db, &self.settings_link, &self.service_key).await
    }

    /// Another key of the own organization.
    pub(crate) async fn key(&self, owner: &str, scopes: &[&str]) -> String {
        mint(
            &mut self.settings.clone(),
            &self.service_key,
            self.own.org,
            owner,
            scopes,
        )
        .await
    }

    /// A request of a channel connector for the own organization.
    pub(crate) fn internal<T>(&self, message: T) -> Request<T> {
        self.service_key.request(self.own.org, message)
    }

    /// A new inbound chat of the end user.
    pub(crate) async fn chat(&self) -> i64 {
        let request = chat(&self.own.end_user, inbound("hello"));
        ok!(self.create_conversation(request)).conversation.unwrap().id
    }

    pub(crate) async fn conversation(&self, id: i64) -> wire::Conversation {
        ok!(self.get_conversation(wire::GetConversationRequest { id }))
            .conversation
            .unwrap()
    }

    pub(crate) async fn messages(&self, conversation_id: i64) -> Vec<wire::Message> {
        ok!(self.list_messages(wire::ListMessagesRequest { conversation_id })).messages
    }

    pub(crate) async fn entries(&self, id: i64) -> Vec<wire::ActivityLogEntry> {
        let request = wire::ListActivityLogRequest {
            conversation_id: Some(id),
            ..Default::default()
        };
        ok!(self.list_activity_log(request)).entries
    }

    /// The words of a conversation's activity log.
    pub(crate) async fn log(&self, id: i64) -> Vec<String> {
        self.entries(id).await.into_iter().map(|entry| entry.r#type).collect()
    }

    /// A person as events show him.
    pub(crate) async fn shown(&self, id: &str) -> serde_json::Value {
        sqlx::query_scalar(
            "select jsonb_strip_nulls(jsonb_build_object('id', id, 'name', display_name, 'email', email,
                                                         'phone', phone_number))
             from conversation.people where org_id = $1 and id = $2::uuid",
        )
        .bind(self.own.org.0)
        .bind(id)
        .fetch_one(&self.db)
        .await
        .unwrap()
    }

    /// What others were told about a conversation: kinds and data, in the order of their sequence.
    pub(crate) async fn told(&self, id: i64) -> Vec<(String, serde_json::Value)> {
        let rows: Vec<(String, i64, String)> = sqlx::query_as(
            "select type, sequence, data from conversation.outbox where org_id = $1 and subject = $2 order by id",
        )
        .bind(self.own.org.0)
        .bind(format!("conversations/{id}"))
        .fetch_all(&self.db)
        .await
        .unwrap();
        let sequences: Vec<i64> = rows.iter().map(|(_, sequence, _)| *sequence).collect();
        let gapless: Vec<i64> = (1..).take(rows.len()).collect();
        assert_eq!(sequences, gapless);
        rows.into_iter()
            .map(|(kind, _, data)| (kind, serde_json::from_str(&data).unwrap()))
            .collect()
    }

    /// A tag, put there without the service.
    pub(crate) async fn tag(&self, name: &str, active: bool) -> String {
        let id = platform::id::new();
        sqlx::query("insert into conversation.tags (org_id, id, name, active) values ($1, $2, $3, $4)")
            .bind(self.own.org.0)
            .bind(id)
            .bind(name)
            .bind(active)
            .execute(&self.db)
            .await
            .unwrap();
        id.to_string()
    }
}

/// Serves without what is done in the background: that waits for a replica.
async fn serve(db: &Db, settings: &Link, service_key: &ServiceKey) -> (Link, DropGuard) {
    let link = Link::local();
    let server = server_on(db, settings, service_key, no_redis());
    let background = [
        "relay",
        "follow-ups",
        "anonymizations",
        "inactive chats",
        "escalation reminders",
    ];
    let running = background.into_iter().fold(server, Server::without).build();
    link.lead_to(&running.stack());
    let (listener, stop) = (
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
        CancellationToken::new(),
    );
    tokio::spawn(running.run(listener, Readiness::default(), stop.clone()));
    (link, stop.drop_guard())
}

fn server_on(db: &Db, settings: &Link, service_key: &ServiceKey, redis: redis::Config) -> Server {
    mount(
        Server::new(Access::new(settings.clone(), service_key.clone()), Limits::default()),
        Dependencies {
            db: db.clone(),
            redis,
            master_key: MasterKey::random(),
            settings: settings.clone(),
            service_key: service_key.clone(),
            patience: conversation_service::Patience::default(),
            writes: platform::batch::commits::Config::default(),
        },
    )
}

fn no_redis() -> redis::Config {
    redis::Config::new("redis://127.0.0.1:1")
}

async fn tenant(
    db: &Db,
    client: &mut SettingsServiceClient<Link>,
    service_key: &ServiceKey,
    subdomain: &str,
) -> Tenant {
    let request = CreateOrganizationRequest {
        name: subdomain.to_uppercase(),
        subdomain: subdomain.into(),
    };
    let nobody = OrgId(Uuid::nil());
    let answer = client.create_organization(service_key.request(nobody, request)).await;
    let org = OrgId(answer.unwrap().into_inner().organization.unwrap().id.parse().unwrap());
    let key = mint(client, service_key, org, "tests", &proto::scopes()).await;
    Tenant {
        org,
        key,
        end_user: person(db, org, "Ada", false).await,
        agents: [person(db, org, "Bo", true).await, person(db, org, "Cy", true).await],
        queues: [
            queue(db, org, "Support", true).await,
            queue(db, org, "Sales", false).await,
        ],
    }
}

/// A person, put there without the service.
pub(crate) async fn person(db: &Db, org: OrgId, name: &str, agent: bool) -> String {
    let id = platform::id::new();
    sqlx::query(
        "insert into conversation.people (org_id, id, is_agent, is_end_user, is_virtual, display_name, email, phone_number)
         values ($1, $2, $3, not $3, false, $4, $5, null)",
    )
    .bind(org.0)
    .bind(id)
    .bind(agent)
    .bind(name)
    .bind(format!("{id}@example.com"))
    .execute(db)
    .await
    .unwrap();
    id.to_string()
}

async fn queue(db: &Db, org: OrgId, name: &str, is_default: bool) -> String {
    let id = platform::id::new();
    sqlx::query(
        "insert into conversation.queues (org_id, id, name, is_default, options) values ($1, $2, $3, $4, '{}')",
    )
    .bind(org.0)
    .bind(id)
    .bind(name)
    .bind(is_default)
    .execute(db)
    .await
    .unwrap();
    id.to_string()
}

async fn mint(
    client: &mut SettingsServiceClient<Link>,
    service_key: &ServiceKey,
    org: OrgId,
    owner: &str,
    scopes: &[&str],
) -> String {
    let request = CreateApiKeyRequest {
        owner: owner.into(),
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        expires_at: None,
    };
    let answer = client.create_api_key(service_key.request(org, request)).await.unwrap();
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

#[expect(clippy::unnecessary_wraps, reason = "as fields of messages are")]
pub(crate) fn text(value: &str) -> Option<wire::Content> {
    Some(wire::Content {
        r#type: wire::ContentType::Text.into(),
        value: value.to_owned(),
    })
}

pub(crate) fn inbound(value: &str) -> wire::MessageInput {
    wire::MessageInput {
        direction: wire::Direction::Inbound.into(),
        content: text(value),
        ..Default::default()
    }
}

pub(crate) fn outbound(agent: &str, value: &str) -> wire::MessageInput {
    wire::MessageInput {
        direction: wire::Direction::Outbound.into(),
        content: text(value),
        agent_id: Some(agent.to_owned()),
        ..Default::default()
    }
}

pub(crate) fn chat(requester: &str, message: wire::MessageInput) -> wire::CreateConversationRequest {
    wire::CreateConversationRequest {
        kind: wire::CreateKind::Chat.into(),
        requester_id: requester.to_owned(),
        contact_endpoint_id: WIDGET.to_owned(),
        message: Some(message),
        ..Default::default()
    }
}

pub(crate) fn email(requester: &str, message: wire::MessageInput) -> wire::CreateConversationRequest {
    wire::CreateConversationRequest {
        kind: wire::CreateKind::Email.into(),
        requester_id: requester.to_owned(),
        contact_endpoint_id: ADDRESS.to_owned(),
        subject: Some("My order".to_owned()),
        message: Some(message),
        ..Default::default()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as fields of messages are")]
pub(crate) fn at(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds, nanos: 0 })
}

pub(crate) fn unknown() -> String {
    platform::id::random().to_string()
}

pub(crate) fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    details.error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

/// Asserts the code and the reason of a refusal.
#[track_caller]
pub(crate) fn assert_refused(status: &Status, code: Code, expected: &str) {
    assert_eq!((status.code(), reason(status).as_str()), (code, expected), "{status:?}");
}

/// Asserts that a request was refused because of one field.
#[track_caller]
pub(crate) fn assert_field(status: &Status, field: &str) {
    assert_refused(status, Code::InvalidArgument, "REQUEST_VALIDATION_FAILED");
    let details = status.get_error_details();
    let fields: Vec<_> = details
        .bad_request()
        .unwrap()
        .field_violations
        .iter()
        .map(|v| v.field.clone())
        .collect();
    assert_eq!(fields, [field]);
}

/// Waits until a condition holds.
pub(crate) async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .expect("it did not happen in time");
}
