//! The settings context: organizations, API keys, chatbots and everything that is configured about them, and the mails
//! that tell people of an escalation.

pub mod api;
pub mod domain;
pub mod events;
pub mod mail;
pub mod store;

use platform::Db;
use platform::events::{Outbox, consume, redis, relay};
use platform::seal::MasterKey;
use platform::server::Server;
use proto::settings::v1::settings_service_server::SettingsServiceServer;

/// The schema this context owns.
pub const SCHEMA: &str = "settings";

/// What brings the schema up to date.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();

/// What the context needs from outside.
#[derive(Clone, Debug)]
pub struct Dependencies {
    /// Its connections.
    pub db: Db,
    /// Where events travel.
    pub redis: redis::Config,
    /// Seals secrets and signs page tokens.
    pub master_key: MasterKey,
    /// How mails leave.
    pub mail: mail::Config,
}

/// Mounts the context on a server: its service, and the loops that tell, hear and mail.
#[must_use]
pub fn mount(server: Server, dependencies: Dependencies) -> Server {
    let Dependencies {
        db,
        redis,
        master_key,
        mail,
    } = dependencies;
    let outbox = Outbox::new(SCHEMA);
    let server = relay(server, db.clone(), SCHEMA, &outbox, redis.clone());
    let server = consume(server, db.clone(), SCHEMA, redis, events::LeadMails);
    let (queue, checked) = (db.clone(), db.clone());
    server
        .service(SettingsServiceServer::new(api::Api::new(db, outbox, master_key)))
        .task("lead mails", move |stop| async move {
            if let Some(mailer) = mail::Mailer::new(mail) {
                mail::run(queue, mailer, stop).await;
            } else {
                tracing::warn!("there is neither a mail server nor a mail folder, lead mails wait");
                stop.cancelled().await;
            }
            Ok(())
        })
        .check("settings database", move || {
            let db = checked.clone();
            async move { db.check().await.is_ok() }
        })
}
