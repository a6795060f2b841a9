//! The thread context: chatbot threads, and the one step in which they are handed to people.
//!
//! A thread is an ordered run of messages of a visitor, the bot and people. Messages keep their place for good; what was
//! answered to the caller as stored is stored.

mod api;
mod chatbots;
mod domain;
mod store;

use std::process::ExitCode;

use platform::access::ServiceKey;
use platform::batch::commits::{self, Commits};
use platform::batch::reads::Reads;
use platform::db::Db;
use platform::events::{self, Outbox};
use platform::idempotency::Idempotency;
use platform::link::Link;
use platform::seal::MasterKey;
use platform::server::Server;
use platform::service;
use proto::thread::v1::thread_service_server::ThreadServiceServer;

/// The schema's history.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();

/// The schema of this context.
pub const SCHEMA: &str = "thread";

/// What the context needs from outside.
#[derive(Debug)]
pub struct Dependencies {
    /// Its database.
    pub db: Db,
    /// Where its events go.
    pub redis: events::redis::Config,
    /// Seals webhook tokens.
    pub master_key: MasterKey,
    /// Where chatbots are looked up.
    pub settings: Link,
    /// In whose name they are looked up.
    pub service_key: ServiceKey,
    /// How much its group commit takes on.
    pub writes: commits::Config,
}

/// What a process of its own is told.
#[derive(Debug, clap::Parser)]
#[command(name = "thread-service", version)]
pub struct Config {
    #[command(flatten)]
    service: service::Config,
    #[command(flatten)]
    settings: service::Settings,
    #[command(flatten)]
    writes: commits::Config,
}

/// Serves the context in a process of its own, until it is asked to stop.
pub async fn run(config: Config) -> ExitCode {
    let writes = config.writes;
    service::run(
        "thread-service",
        config.service,
        config.settings.link(),
        &MIGRATOR,
        |server, deps| {
            let dependencies = Dependencies {
                db: deps.db,
                redis: deps.redis,
                master_key: deps.master_key,
                settings: deps.settings,
                service_key: deps.access.service_key().clone(),
                writes,
            };
            Ok(mount(server, dependencies))
        },
    )
    .await
}

/// Mounts the context on a server, with its loops.
#[must_use]
pub fn mount(server: Server, dependencies: Dependencies) -> Server {
    let Dependencies {
        db,
        redis,
        master_key,
        settings,
        service_key,
        writes,
    } = dependencies;
    let outbox = Outbox::new(SCHEMA);
    let chatbots = chatbots::Chatbots::new(settings, service_key);
    let (appends, committer) = Commits::new(&writes);
    let (reads, readers) = Reads::new();
    let store = store::Store {
        db: db.clone(),
        outbox: outbox.clone(),
        idempotency: Idempotency::new(SCHEMA),
        appends,
        reads,
    };
    let (write_db, write_outbox, read_db, ready_db) = (db.clone(), outbox.clone(), db.clone(), db.clone());
    let reminding = store.clone();
    let changes = redis.clone();
    let api = api::Api {
        store,
        chatbots: chatbots.clone(),
        master_key,
    };
    let server = server
        .service(ThreadServiceServer::new(api))
        .check("thread database", move || {
            let db = ready_db.clone();
            async move { db.check().await.is_ok() }
        })
        .task("message writers", move |stop| {
            committer.run(write_db, write_outbox, stop)
        })
        .task("thread readers", move |stop| readers.run(read_db, stop))
        .task("escalation reminders", move |stop| {
            store::reminders::run(reminding, stop)
        })
        .task("chatbot changes", move |stop| chatbots.follow(changes, stop));
    events::relay(server, db, SCHEMA, &outbox, redis)
}
