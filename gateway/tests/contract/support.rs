//! A world for each test: a database of its own, all contexts and the gateway in this process, and an organization with
//! a chatbot.

use std::time::Duration;

use clap::Parser as _;
use gateway::{Dependencies, Limits};
use http::{Method, StatusCode};
use platform::OrgId;
use platform::access::{Access, ServiceKey};
use platform::db::{self, Db};
use platform::events::{self, Feed};
use platform::link::Link;
use platform::seal::MasterKey;
use platform::server::{self, Readiness, Server};
use proto::conversation::v1::chat_service_client::ChatServiceClient;
use proto::conversation::v1::conversation_service_client::ConversationServiceClient;
use proto::settings::v1 as settings;
use proto::settings::v1::settings_service_client::SettingsServiceClient;
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The chatbot that every organization has, under the same id.
pub(crate) const BOT: &str = "361628903185318481";

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn within<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(PATIENCE, what)
        .await
        .expect("it should have happened long ago")
}

#[derive(Debug, clap::Parser)]
struct Stores {
    #[command(flatten)]
    database: db::Config,
}

/// A database that exists as long as this value.
struct Database {
    server: PgConnectOptions,
    name: String,
}

impl Database {
    async fn create() -> Self {
        let stores = Stores::parse_from(["tests"]);
        let server: PgConnectOptions = stores.database.database_url.reveal().parse().unwrap();
        let name = format!("test_{}", platform::id::random().simple());
        let mut connection = PgConnection::connect_with(&server).await.unwrap();
        connection
            .execute(AssertSqlSafe(format!("create database {name} template template0")))
            .await
            .unwrap();
        connection.close().await.unwrap();
        Self { server, name }
    }

    fn options(&self) -> PgConnectOptions {
        self.server.clone().database(&self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // On a thread of its own, because the test's runtime may be on its way out.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut connection = PgConnection::connect_with(&server).await?;
                connection
                    .execute(AssertSqlSafe(format!("drop database {name} with (force)")))
                    .await
            })
        });
        let dropped = dropping.join();
        if !std::thread::panicking() {
            dropped.unwrap().unwrap();
        }
    }
}

/// How a world is laid out.
pub(crate) struct Layout {
    pub(crate) redis: events::redis::Config,
    pub(crate) limits: Limits,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            // Nothing that the gateway answers may depend on it.
            redis: events::redis::Config::new("redis://127.0.0.1:1"),
            limits: Limits::default(),
        }
    }
}

pub(crate) struct World {
    /// `http://127.0.0.1:<port>`.
    pub(crate) url: String,
    /// The key that tests use; it opens everything.
    pub(crate) key: String,
    pub(crate) org: OrgId,
    pub(crate) http: reqwest::Client,
    /// For what has no face to the outside: connectors bring conversations over gRPC.
    pub(crate) conversations: ConversationServiceClient<Link>,
    /// For what has no face to the outside: what queues offer chats.
    pub(crate) chats: ChatServiceClient<Link>,
    service_key: ServiceKey,
    settings: SettingsServiceClient<Link>,
    stop: CancellationToken,
    _database: Database,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Layout::default()).await
    }

    pub(crate) async fn with(layout: Layout) -> Self {
        let database = Database::create().await;
        let settings_db = Db::with_options(database.options(), settings_service::SCHEMA, 8);
        settings_db.migrate(&settings_service::MIGRATOR).await.unwrap();
        let thread_db = Db::with_options(database.options(), thread_service::SCHEMA, 16);
        thread_db.migrate(&thread_service::MIGRATOR).await.unwrap();
        let conversation_db = Db::with_options(database.options(), conversation_service::SCHEMA, 8);
        conversation_db.migrate(&conversation_service::MIGRATOR).await.unwrap();

        let (master_key, service_key) = (MasterKey::random(), ServiceKey::random());
        let stop = CancellationToken::new();
        let link = Link::local();
        let access = Access::new(link.clone(), service_key.clone());
        let feed = Feed::start(layout.redis.clone(), stop.clone());
        let server = Server::new(access.clone(), server::Limits::default());
        let server = settings_service::mount(
            server,
            settings_service::Dependencies {
                db: settings_db,
                redis: layout.redis.clone(),
                master_key: master_key.clone(),
                mail: settings_service::mail::Config::default(),
            },
        );
        let server = conversation_service::mount(
            server,
            conversation_service::Dependencies {
                db: conversation_db,
                redis: layout.redis.clone(),
                master_key: master_key.clone(),
                settings: link.clone(),
                service_key: service_key.clone(),
                patience: conversation_service::Patience::default(),
                writes: platform::batch::commits::Config::default(),
            },
        );
        let running = thread_service::mount(
            server,
            thread_service::Dependencies {
                db: thread_db,
                redis: layout.redis,
                master_key,
                settings: link.clone(),
                service_key: service_key.clone(),
                writes: platform::batch::commits::Config::default(),
            },
        )
        .build();
        link.lead_to(&running.stack());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        tokio::spawn(running.run(listener, Readiness::default(), stop.clone()));

        let deps = Dependencies {
            settings: link.clone(),
            thread: link.clone(),
            conversation: link.clone(),
            access,
            feed,
            limits: layout.limits,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(gateway::serve(listener, deps, stop.clone()));
        let http = reqwest::Client::new();
        // It puts its routes together on this thread, for so long that who waits for the database meanwhile gives up.
        within(http.get(&url).send()).await.unwrap();

        let mut world = Self {
            url,
            key: String::new(),
            org: OrgId(uuid::Uuid::nil()),
            http,
            conversations: ConversationServiceClient::new(link.clone()),
            chats: ChatServiceClient::new(link.clone()),
            service_key,
            settings: SettingsServiceClient::new(link),
            stop,
            _database: database,
        };
        (world.org, world.key) = world.organization("acme").await;
        world
    }

    /// An organization with the chatbot [`BOT`], and a key that opens everything.
    pub(crate) async fn organization(&self, subdomain: &str) -> (OrgId, String) {
        let mut client = self.settings.clone();
        let create = settings::CreateOrganizationRequest {
            name: subdomain.to_owned(),
            subdomain: subdomain.to_owned(),
        };
        let nobody = OrgId(uuid::Uuid::nil());
        let created = client
            .create_organization(self.service_key.request(nobody, create))
            .await;
        let id = created.unwrap().into_inner().organization.unwrap().id;
        let org = OrgId(id.parse().unwrap());
        let chatbot = settings::CreateChatbotRequest {
            id: Some(BOT.to_owned()),
            name: "Support".to_owned(),
            icons: Some(settings::Icons {
                bot: Some("https://cdn.example.com/bot.png".to_owned()),
                ..settings::Icons::default()
            }),
            llm_model: Some(settings::LlmModel {
                id: "gpt-4".to_owned(),
                provider: "openai".to_owned(),
                title: "GPT-4".to_owned(),
            }),
            ..settings::CreateChatbotRequest::default()
        };
        client
            .create_chatbot(self.service_key.request(org, chatbot))
            .await
            .unwrap();
        let (_, key) = self.key(org, &proto::scopes()).await;
        (org, key)
    }

    /// A key of an organization: its id and its text.
    pub(crate) async fn key(&self, org: OrgId, scopes: &[&str]) -> (String, String) {
        let request = settings::CreateApiKeyRequest {
            owner: "ada@example.com".to_owned(),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            expires_at: None,
        };
        let mut client = self.settings.clone();
        let answer = client.create_api_key(self.service_key.request(org, request)).await;
        let answer = answer.unwrap().into_inner();
        (answer.api_key.unwrap().id, answer.key)
    }

    pub(crate) async fn revoke(&self, org: OrgId, id: &str) {
        let request = settings::RevokeApiKeyRequest { id: id.to_owned() };
        let mut client = self.settings.clone();
        client
            .revoke_api_key(self.service_key.request(org, request))
            .await
            .unwrap();
    }

    /// A gRPC message of a part of the system, in the name of the organization.
    pub(crate) fn internal<T>(&self, message: T) -> tonic::Request<T> {
        self.service_key.request(self.org, message)
    }

    /// A request with the world's key, to be sent.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(&self.key)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Value) -> Answer {
        Answer::of(self.request(method, path).json(&body)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, body).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, body).await
    }

    /// A new thread of the chatbot.
    pub(crate) async fn thread(&self, id: &str) {
        let answer = self
            .post(&format!("/v0/chatbots/{BOT}/threads"), json!({"threadId": id}))
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    }

    /// A message in a thread of the chatbot; its id.
    pub(crate) async fn say(&self, body: Value) -> String {
        let answer = self.post(&format!("/v0/chatbots/{BOT}/message"), body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json["data"]["message"]["id"].as_str().unwrap().to_owned()
    }
}

/// An answer that has arrived.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
    /// Null when the body is not JSON.
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = within(request.send()).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = within(response.text()).await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or_default();
        Self {
            status,
            headers,
            text,
            json,
        }
    }

    /// Asserts the documented error body.
    pub(crate) fn is_error(&self, status: u16, code: &str) -> &Self {
        assert_eq!(self.status, status, "{}", self.text);
        let names = |value: &Value| {
            let mut names: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
            names.sort_unstable();
            names
        };
        assert_eq!(
            names(&self.json),
            ["data", "error", "message", "success"],
            "{}",
            self.text
        );
        assert_eq!(
            names(&self.json["error"]),
            ["code", "details", "message"],
            "{}",
            self.text
        );
        assert_eq!(self.json["success"], false);
        assert!(self.json["data"].is_null());
        assert!(self.json["message"].is_string() && self.json["error"]["message"].is_string());
        assert_eq!(self.json["error"]["code"], code, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/json");
        let retry = self.headers.contains_key("retry-after");
        assert!(retry || !matches!(status, 429 | 503), "{status} without Retry-After");
        self
    }

    /// Asserts that the error names a field of the request.
    pub(crate) fn names(&self, field: &str) -> &Self {
        let details = self.json["error"]["details"].as_array();
        let named = details.is_some_and(|details| details.iter().any(|detail| detail["field"] == field));
        assert!(named, "{field} is not named in {}", self.text);
        self
    }
}
