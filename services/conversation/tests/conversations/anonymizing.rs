//! Anonymization: who may ask for it, and that nothing is left, whatever happens on the way.

mod asking;
mod redis;
mod working;

use std::fmt::Write as _;

use platform::server::Readiness;
use proto::conversation::v1 as wire;
use sqlx::{AssertSqlSafe, Row as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wire::AnonymizationTarget;

use self::redis::Redis;
use crate::support::{ADDRESS, World, email, inbound, ok, until};

/// What must not be left.
const SECRET: &str = "zebulon-quarkstein";

fn conversation(id: i64, force: bool) -> wire::AnonymizeRequest {
    wire::AnonymizeRequest {
        target: AnonymizationTarget::Conversation.into(),
        conversation_id: id,
        force,
        ..Default::default()
    }
}

fn message(conversation_id: i64, message_id: &str) -> wire::AnonymizeRequest {
    wire::AnonymizeRequest {
        target: AnonymizationTarget::Message.into(),
        conversation_id,
        message_id: message_id.to_owned(),
        ..Default::default()
    }
}

fn end_user(id: &str, force: bool) -> wire::AnonymizeRequest {
    wire::AnonymizeRequest {
        target: AnonymizationTarget::User.into(),
        user_id: id.to_owned(),
        force,
        ..Default::default()
    }
}

/// A closed conversation that says [`SECRET`] wherever it can, in requests that can be repeated.
async fn telling(world: &World) -> i64 {
    let mut request = email(&world.own.end_user, inbound(SECRET));
    request.subject = Some(format!("about {SECRET}"));
    let external_id = format!("{SECRET} {}", platform::id::random());
    request.message.as_mut().unwrap().external_id = Some(external_id);
    let key = platform::id::random().to_string();
    let made = world
        .client
        .clone()
        .create_conversation(world.own.retriable(&key, request))
        .await;
    let id = made.unwrap().into_inner().conversation.unwrap().id;
    ok!(world.add_notes(wire::AddNotesRequest {
        conversation_id: id,
        notes: vec![wire::NoteInput {
            message: SECRET.into(),
            ..Default::default()
        }],
    }));
    ok!(world.close_conversation(wire::CloseConversationRequest { id, user_id: None }));
    id
}

impl World {
    async fn anonymize(&self, request: wire::AnonymizeRequest) -> wire::AnonymizationRequest {
        ok!(self.anonymize(request)).request.unwrap()
    }

    async fn request_status(&self, id: &str) -> wire::AnonymizationRequest {
        let request = wire::GetAnonymizationRequestRequest { id: id.to_owned() };
        ok!(self.get_anonymization_request(request)).request.unwrap()
    }

    async fn until_processed(&self, id: &str) {
        until(async || self.request_status(id).await.processed_at.is_some()).await;
    }

    /// Whether a text is anywhere in the schema, also within bytes.
    async fn keeps(&self, text: &str) -> bool {
        let tables: Vec<String> = sqlx::query_scalar(
            "select format('select t::text from %I.%I t', table_schema, table_name) from information_schema.tables
             where table_schema = 'conversation' and table_type = 'BASE TABLE'",
        )
        .fetch_all(&self.db)
        .await
        .unwrap();
        assert!(tables.len() > 20, "{tables:?}");
        let mut bytes = String::new();
        for byte in text.bytes() {
            write!(bytes, "{byte:02x}").unwrap();
        }
        for table in tables {
            let rows = sqlx::query(AssertSqlSafe(table)).fetch_all(&self.db).await.unwrap();
            let found = rows.iter().any(|row| {
                let row: &str = row.get(0);
                row.contains(text) || row.contains(&bytes)
            });
            if found {
                return true;
            }
        }
        false
    }

    async fn run(&self, redis: &Redis) -> Worker {
        let stop = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let running = self.replica_with(redis.config());
        let task = tokio::spawn(running.run(listener, Readiness::default(), stop.clone()));
        Worker { task, stop }
    }
}

/// A replica with its loops.
struct Worker {
    task: JoinHandle<anyhow::Result<()>>,
    stop: CancellationToken,
}

impl Worker {
    /// Ends it as a crash does.
    async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// The address of somebody, which the messages of his conversations show.
fn address(person: &str) -> String {
    assert_ne!(person, ADDRESS);
    format!("{person}@example.com")
}
