//! A world for each test: a database of its own, both contexts on it, and an organization with a chatbot.
//!
//! There is no Redis in it: nothing that this context answers may depend on one. Events are read from the outbox.

use std::time::Duration;

use clap::Parser as _;
use platform::OrgId;
use platform::access::{Access, ServiceKey};
use platform::batch::commits;
use platform::db::{self, Db, Secret};
use platform::events;
use platform::link::Link;
use platform::seal::MasterKey;
use platform::server::{Limits, Readiness, Server};
use proto::settings::v1 as settings;
use proto::settings::v1::settings_service_client::SettingsServiceClient;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::Code;

mod client;
mod refusals;

pub(crate) use client::{Key, Org, call, from_visitor, keyed, toggle};
pub(crate) use refusals::{assert_invalid, assert_refused, at, fields, refusal};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// The chatbot that every organization has, under the same id.
pub(crate) const BOT: &str = "361628903185318481";
/// The owner of the key that tests use.
pub(crate) const OWNER: &str = "ada@example.com";
/// What the chatbot's human-support settings say to an escalated visitor.
pub(crate) const CONFIRMATION: &str = "A person will be with you.";

pub(crate) async fn within<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(PATIENCE, what)
        .await
        .expect("it should have happened long ago")
}

pub(crate) async fn until(condition: impl AsyncFn() -> bool) {
    within(async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
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
#[derive(Default)]
pub(crate) struct Layout {
    pub(crate) writes: commits::Config,
    /// Settings is another process, as far as threads can tell.
    pub(crate) settings_apart: bool,
}

pub(crate) struct World {
    pub(crate) org: Org,
    /// The test's own connections.
    pub(crate) pool: PgPool,
    pub(crate) settings: SettingsServiceClient<Link>,
    pub(crate) service_key: ServiceKey,
    pub(crate) master_key: MasterKey,
    settings_link: Link,
    settings_stop: CancellationToken,
    stop: CancellationToken,
    database: Database,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn no_redis() -> events::redis::Config {
    events::redis::Config {
        redis_url: Secret::from("redis://127.0.0.1:1".to_owned()),
        patience: events::redis::Patience::default(),
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Layout::default()).await
    }

    pub(crate) async fn with(layout: Layout) -> Self {
        let database = Database::create().await;
        let settings_db = Db::with_options(database.options(), "settings", 8);
        settings_db.migrate(&settings_service::MIGRATOR).await.unwrap();
        let thread_db = Db::with_options(database.options(), "thread", 1);
        thread_db.migrate(&thread_service::MIGRATOR).await.unwrap();

        let (master_key, service_key) = (MasterKey::random(), ServiceKey::random());
        let stop = CancellationToken::new();
        let settings_stop = stop.child_token();
        let local = Link::local();
        let server = Server::new(Access::new(local.clone(), service_key.clone()), Limits::default());
        let server = settings_service::mount(
            server,
            settings_service::Dependencies {
                db: settings_db,
                redis: no_redis(),
                master_key: master_key.clone(),
                mail: settings_service::mail::Config::default(),
            },
        );
        let running = server.build();
        local.lead_to(&running.stack());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(running.run(listener, Readiness::default(), settings_stop.clone()));
        let settings_link = if layout.settings_apart {
            Link::remote(&format!("http://{address}")).unwrap()
        } else {
            local
        };
        let mut world = Self {
            org: Org {
                id: OrgId(uuid::Uuid::nil()),
                key: Key::new(""),
                link: Link::local(),
            },
            pool: PgPoolOptions::new().connect_lazy_with(database.options()),
            settings: SettingsServiceClient::new(settings_link.clone()),
            service_key,
            master_key,
            settings_link,
            settings_stop,
            stop,
            database,
        };
        let threads = world.replica(layout.writes).await;
        world.org = world.organization("acme", threads).await;
        world
    }

    /// One more replica of the thread context, on the same database.
    pub(crate) async fn replica(&self, writes: commits::Config) -> Link {
        let link = Link::local();
        let access = Access::new(self.settings_link.clone(), self.service_key.clone());
        let running = thread_service::mount(
            Server::new(access, Limits::default()),
            thread_service::Dependencies {
                db: Db::with_options(self.database.options(), "thread", 16),
                redis: no_redis(),
                master_key: self.master_key.clone(),
                settings: self.settings_link.clone(),
                service_key: self.service_key.clone(),
                writes,
            },
        )
        .build();
        link.lead_to(&running.stack());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        tokio::spawn(running.run(listener, Readiness::default(), self.stop.clone()));
        link
    }

    /// An organization with a key that opens everything and with the chatbot [`BOT`].
    pub(crate) async fn organization(&self, subdomain: &str, threads: Link) -> Org {
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
        let id = OrgId(id.parse().unwrap());
        let chatbot = settings::CreateChatbotRequest {
            id: Some(BOT.to_owned()),
            name: "Support".to_owned(),
            icons: Some(settings::Icons {
                bot: Some("https://cdn.example.com/bot.png".to_owned()),
                user: Some("https://cdn.example.com/user.png".to_owned()),
                agent: Some("https://cdn.example.com/agent.png".to_owned()),
                bubble: Some("https://cdn.example.com/bubble.png".to_owned()),
            }),
            llm_model: Some(settings::LlmModel {
                id: "gpt-4".to_owned(),
                provider: "openai".to_owned(),
                title: "GPT-4".to_owned(),
            }),
            ..settings::CreateChatbotRequest::default()
        };
        client
            .create_chatbot(self.service_key.request(id, chatbot))
            .await
            .unwrap();
        let human_support = settings::CreateHumanSupportSettingsRequest {
            chatbot_id: BOT.to_owned(),
            settings: Some(settings::HumanSupportSettingsChange {
                enable_human_support: Some(false),
                human_support_confirmation_message: Some(CONFIRMATION.to_owned()),
                ..settings::HumanSupportSettingsChange::default()
            }),
        };
        let created = client.create_human_support_settings(self.service_key.request(id, human_support));
        created.await.unwrap();
        let org = Org {
            id,
            key: Key::new(""),
            link: threads,
        };
        self.with_key(&org, OWNER, &proto::scopes()).await
    }

    /// The same organization through another key.
    pub(crate) async fn with_key(&self, org: &Org, owner: &str, scopes: &[&str]) -> Org {
        let request = settings::CreateApiKeyRequest {
            owner: owner.to_owned(),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            expires_at: None,
        };
        let mut client = self.settings.clone();
        let created = client.create_api_key(self.service_key.request(org.id, request)).await;
        let key = created.unwrap().into_inner().key;
        Org {
            id: org.id,
            key: Key::new(&key),
            link: org.link.clone(),
        }
    }

    /// Another organization, on the same replica.
    pub(crate) async fn stranger(&self) -> Org {
        self.organization("globex", self.org.link.clone()).await
    }

    /// A chatbot without human-support settings; `start` is who its threads start with.
    pub(crate) async fn chatbot(&self, id: &str, start: settings::ChatStart) {
        let mut client = self.settings.clone();
        let create = settings::CreateChatbotRequest {
            id: Some(id.to_owned()),
            name: id.to_owned(),
            ..settings::CreateChatbotRequest::default()
        };
        client
            .create_chatbot(self.service_key.request(self.org.id, create))
            .await
            .unwrap();
        let mut update = settings::UpdateGeneralSettingsRequest {
            chatbot_id: id.to_owned(),
            ..settings::UpdateGeneralSettingsRequest::default()
        };
        update.set_chat_start(start);
        let updated = client.update_general_settings(self.service_key.request(self.org.id, update));
        updated.await.unwrap();
    }

    /// Ends the settings server. Its address refuses connections then.
    pub(crate) async fn stop_settings(&self) {
        self.settings_stop.cancel();
        let request = || settings::ResolveApiKeyRequest { key: String::new() };
        until(async || {
            let answer = self.settings.clone().resolve_api_key(request()).await;
            answer.is_err_and(|status| status.code() == Code::Unavailable)
        })
        .await;
    }

    /// Everything told about a subject, in order. `kind` is the start of the subject: `threads` or `escalations`.
    pub(crate) async fn events(&self, kind: &str) -> Vec<Told> {
        let rows = sqlx::query(
            "select type, stream, subject, sequence, data from thread.outbox
             where subject like $1 || '/%' order by subject, sequence",
        )
        .bind(kind)
        .fetch_all(&self.pool)
        .await
        .unwrap();
        rows.into_iter()
            .map(|row| Told {
                kind: row.get("type"),
                stream: row.get("stream"),
                subject: row.get("subject"),
                sequence: row.get("sequence"),
                data: serde_json::from_str(row.get("data")).unwrap(),
            })
            .collect()
    }

    /// One number from the database.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    pub(crate) async fn execute(&self, sql: &'static str) {
        self.pool.execute(sql).await.unwrap();
    }

    /// Waits until some statement of the service waits for a lock.
    pub(crate) async fn someone_waits(&self) {
        until(async || {
            self.count(
                "select count(*) from pg_stat_activity
                 where datname = current_database() and application_name = 'thread' and wait_event_type = 'Lock'",
            )
            .await
                > 0
        })
        .await;
    }

    /// Holds a lock that `sql` takes until the answer is dropped or committed.
    pub(crate) async fn hold(&self, sql: &'static str) -> sqlx::Transaction<'static, sqlx::Postgres> {
        let mut tx = self.pool.begin().await.unwrap();
        (&mut *tx).execute(sql).await.unwrap();
        tx
    }
}

/// An event as the outbox has it.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) kind: String,
    pub(crate) stream: String,
    pub(crate) subject: String,
    pub(crate) sequence: i64,
    pub(crate) data: serde_json::Value,
}

/// That each subject's events are numbered 1, 2, 3 …
pub(crate) fn assert_gapless(events: &[Told]) {
    let mut expected = std::collections::HashMap::new();
    for event in events {
        let next = expected.entry(event.subject.as_str()).or_insert(1);
        assert_eq!(event.sequence, *next, "{event:?}");
        *next += 1;
    }
}
