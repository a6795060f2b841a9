//! The conversation context: people, queues and the rest of the directory, and the conversations between end users and
//! people.

mod api;
mod domain;
mod store;

use std::process::ExitCode;
use std::sync::Arc;

use platform::Db;
use platform::access::ServiceKey;
use platform::batch::commits::{self, Commits};
use platform::batch::reads::Reads;
use platform::events::{self, Outbox};
use platform::link::Link;
use platform::seal::MasterKey;
use platform::server::Server;
use platform::service;
use proto::conversation::v1::chat_service_server::ChatServiceServer;
use proto::conversation::v1::conversation_service_server::ConversationServiceServer;
use proto::conversation::v1::directory_service_server::DirectoryServiceServer;

pub use store::chats::inactivity::Patience;

/// The schema of this context.
pub const SCHEMA: &str = "conversation";

/// What brings the schema up to date.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();

/// What the context needs from outside.
#[derive(Clone, Debug)]
pub struct Dependencies {
    /// Its connections.
    pub db: Db,
    /// Where events travel.
    pub redis: events::redis::Config,
    /// Signs page tokens and keeps fingerprints of requests.
    pub master_key: MasterKey,
    /// Where signed data is verified.
    pub settings: Link,
    /// In whose name it is.
    pub service_key: ServiceKey,
    /// How long end users of chats may take to answer.
    pub patience: Patience,
    /// How much its group commit takes on.
    pub writes: commits::Config,
}

/// What a process of its own is told.
#[derive(Debug, clap::Parser)]
#[command(name = "conversation-service", version)]
pub struct Config {
    #[command(flatten)]
    service: service::Config,
    #[command(flatten)]
    settings: service::Settings,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    writes: commits::Config,
}

/// Serves the context in a process of its own, until it is asked to stop.
pub async fn run(config: Config) -> ExitCode {
    let (settings, patience, writes) = (config.settings.link(), config.patience, config.writes);
    service::run(
        "conversation-service",
        config.service,
        settings,
        &MIGRATOR,
        move |server, deps| {
            let dependencies = Dependencies {
                db: deps.db,
                redis: deps.redis,
                master_key: deps.master_key,
                settings: deps.settings,
                service_key: deps.access.service_key().clone(),
                patience,
                writes,
            };
            Ok(mount(server, dependencies))
        },
    )
    .await
}

/// Mounts the context on a server: its services, and the loops that work in the background.
#[must_use]
pub fn mount(server: Server, dependencies: Dependencies) -> Server {
    let (db, redis, patience) = (
        dependencies.db.clone(),
        dependencies.redis.clone(),
        dependencies.patience,
    );
    let outbox = Outbox::new(SCHEMA);
    let checked = db.clone();
    let (additions, committer) = Commits::new(&dependencies.writes);
    let (conversations, conversation_readers) = Reads::new();
    let (messages, message_readers) = Reads::new();
    let batched = api::Batched {
        additions,
        conversations,
        messages,
    };
    let api = Arc::new(api::Api::new(dependencies, outbox.clone(), batched));
    let (writing, telling) = (db.clone(), outbox.clone());
    let (reading, listing) = (db.clone(), db.clone());
    let (waiting, waking) = (db.clone(), outbox.clone());
    let (idle, ending) = (db.clone(), outbox.clone());
    let (unseen, reminding) = (db.clone(), outbox.clone());
    let anonymizer = store::anonymization::Anonymizer::new(db.clone(), outbox.clone(), redis.clone());
    let server = server
        .service(DirectoryServiceServer::from_arc(Arc::clone(&api)))
        .service(ConversationServiceServer::from_arc(Arc::clone(&api)))
        .service(ChatServiceServer::from_arc(api))
        .task("message writer", move |stop| committer.run(writing, telling, stop))
        .task("conversation readers", move |stop| {
            conversation_readers.run(reading, stop)
        })
        .task("message readers", move |stop| message_readers.run(listing, stop))
        .task("follow-ups", move |stop| store::followups::run(waiting, waking, stop))
        .task("inactive chats", move |stop| {
            store::chats::inactivity::run(idle, ending, patience, stop)
        })
        .task("escalation reminders", move |stop| {
            store::chats::reminders::run(unseen, reminding, stop)
        })
        .task("anonymizations", move |stop| anonymizer.run(stop))
        .check("conversation database", move || {
            let db = checked.clone();
            async move { db.check().await.is_ok() }
        });
    events::relay(server, db, SCHEMA, &outbox, redis)
}
