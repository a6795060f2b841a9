//! The conversation context: people, queues and the rest of the directory, and the conversations between end users and
//! people.

mod api;
mod domain;
mod store;

use std::process::ExitCode;
use std::sync::Arc;

use platform::Db;
use platform::batch::commits::Commits;
use platform::batch::reads::Reads;
use platform::events::{self, Outbox};
use platform::seal::MasterKey;
use platform::server::Server;
use platform::service;
use proto::conversation::v1::conversation_service_server::ConversationServiceServer;
use proto::conversation::v1::directory_service_server::DirectoryServiceServer;

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
    /// Signs page tokens.
    pub master_key: MasterKey,
}

/// What a process of its own is told.
#[derive(Debug, clap::Parser)]
#[command(name = "conversation-service", version)]
pub struct Config {
    #[command(flatten)]
    service: service::Config,
    #[command(flatten)]
    settings: service::Settings,
}

/// Serves the context in a process of its own, until it is asked to stop.
pub async fn run(config: Config) -> ExitCode {
    let settings = config.settings.link();
    service::run(
        "conversation-service",
        config.service,
        settings,
        &MIGRATOR,
        |server, deps| {
            let (db, redis, master_key) = (deps.db, deps.redis, deps.master_key);
            Ok(mount(server, Dependencies { db, redis, master_key }))
        },
    )
    .await
}

/// Mounts the context on a server: its services, and the loops that work in the background.
#[must_use]
pub fn mount(server: Server, dependencies: Dependencies) -> Server {
    let Dependencies { db, redis, master_key } = dependencies;
    let outbox = Outbox::new(SCHEMA);
    let checked = db.clone();
    let (additions, committer) = Commits::new();
    let (conversations, conversation_readers) = Reads::new();
    let (messages, message_readers) = Reads::new();
    let batched = api::Batched {
        additions,
        conversations,
        messages,
    };
    let api = Arc::new(api::Api::new(db.clone(), outbox.clone(), &master_key, batched));
    let (writing, telling) = (db.clone(), outbox.clone());
    let (reading, listing) = (db.clone(), db.clone());
    let (waiting, waking) = (db.clone(), outbox.clone());
    let anonymizer = store::anonymization::Anonymizer::new(db.clone(), outbox.clone(), redis.clone());
    let server = server
        .service(DirectoryServiceServer::from_arc(Arc::clone(&api)))
        .service(ConversationServiceServer::from_arc(Arc::clone(&api)))
        .task("message writer", move |stop| committer.run(writing, telling, stop))
        .task("conversation readers", move |stop| conversation_readers.run(reading, stop))
        .task("message readers", move |stop| message_readers.run(listing, stop))
        .task("follow-ups", move |stop| store::followups::run(waiting, waking, stop))
        .task("anonymizations", move |stop| anonymizer.run(stop))
        .check("conversation database", move || {
            let db = checked.clone();
            async move { db.check().await.is_ok() }
        });
    events::relay(server, db, SCHEMA, &outbox, redis)
}
