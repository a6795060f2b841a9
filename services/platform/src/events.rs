//! What a context tells the others.
//!
//! The outbox table is the truth, the Redis stream a fast and disposable carrier, the inbox makes an effect happen once.

use std::sync::Arc;

use sqlx::PgConnection;
use tokio::sync::Notify;

use crate::access::OrgId;
use crate::db;

/// The two streams; an event is in exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// `handoff:escalations`: `escalation.*`.
    Escalations,
    /// `handoff:events`: everything else.
    Events,
}

impl Stream {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Escalations, Self::Events];

    /// The Redis key, which is public contract.
    pub fn key(self) -> &'static str {
        match self {
            Self::Escalations => "handoff:escalations",
            Self::Events => "handoff:events",
        }
    }
}

/// Something that became true, to be recorded in the transaction that made it true.
#[derive(Clone, Debug)]
pub struct Event {
    /// Whose it is.
    pub org: OrgId,
    /// Where it is told.
    pub stream: Stream,
    /// `<noun>.<participle>`, for example `escalation.created`.
    pub kind: &'static str,
    /// What it is about, for example `escalations/<id>`: the unit of order.
    pub subject: String,
    /// 1, 2, 3 … within the subject and the stream, without gaps, taken under the subject's row lock.
    pub sequence: i64,
    /// The context whose event led to this one.
    pub cause: Option<&'static str>,
    /// What consumers need to know. Never a secret.
    pub data: serde_json::Value,
}

/// The outbox of one context.
#[derive(Clone, Debug)]
pub struct Outbox {
    insert: Arc<str>,
    wake: Arc<Notify>,
}

impl Outbox {
    /// The outbox of the context that owns `schema`.
    pub fn new(schema: &str) -> Self {
        Self {
            insert: format!(
                "insert into {schema}.outbox (org_id, event_id, stream, type, subject, sequence, cause, traceparent, data)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
            )
            .into(),
            wake: Arc::default(),
        }
    }

    /// Records an event in the transaction that makes it true.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record(&self, tx: &mut PgConnection, traceparent: Option<&str>, event: Event) -> Result<(), sqlx::Error> {
        db::statement(&self.insert)
            .bind(event.org.0)
            .bind(crate::id::new())
            .bind(event.stream.key())
            .bind(event.kind)
            .bind(event.subject)
            .bind(event.sequence)
            .bind(event.cause)
            .bind(traceparent)
            .bind(event.data.to_string())
            .execute(tx)
            .await
            .map(drop)
    }

    /// Tells the relay of this process that something was committed. Without it the relay looks by itself in a moment.
    pub fn wake(&self) {
        self.wake.notify_one();
    }
}
