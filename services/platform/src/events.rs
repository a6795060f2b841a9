//! What a context tells the others.
//!
//! The outbox table is the truth, the Redis stream a fast and disposable carrier, the inbox makes an effect happen once.
//! Redis may vanish, come back empty or fall behind at any time: that costs time, never an event.

mod consumer;
mod envelope;
pub mod erasure;
mod feed;
mod lease;
mod metrics;
mod notices;
pub mod redis;
mod relay;

use std::sync::Arc;

use sqlx::PgConnection;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::access::OrgId;
use crate::db::{self, Db};
use crate::server::Server;
use crate::time::Time;

pub use consumer::redrive;
pub use feed::{BadPosition, Feed, FeedItem, Subscription};
pub use notices::{Notice, listen};

/// The two streams; an event is in exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    /// What consumers need to know. Never a secret, and never null, which stands for erased.
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
    pub async fn record(
        &self,
        tx: &mut PgConnection,
        traceparent: Option<&str>,
        event: Event,
    ) -> Result<(), sqlx::Error> {
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

/// An event as a consumer gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// The event's own id, the same however often it is delivered.
    pub id: Uuid,
    /// Whose it is.
    pub org: OrgId,
    /// The context that told it: `/handoff/<schema>`.
    pub source: String,
    /// `<noun>.<participle>`.
    pub kind: String,
    /// What it is about: the unit of order.
    pub subject: String,
    /// 1, 2, 3 … within the subject.
    pub sequence: i64,
    /// When it was recorded, by the database's clock.
    pub time: Time,
    /// The context whose event led to this one.
    pub cause: Option<String>,
    /// The W3C trace context of the request that made it true.
    pub traceparent: Option<String>,
    /// What its kind says about it; null once that was erased.
    pub data: serde_json::Value,
}

impl Received {
    /// Whether what it said was erased before it was delivered. It still counts, so that its successors need not wait,
    /// but nobody is told of it.
    pub fn is_erased(&self) -> bool {
        self.data.is_null()
    }
}

/// What a context does about the events of others: a consumer group.
///
/// Every event that it [wants](Consumer::wants) takes effect exactly once and, within a subject, in order.
#[async_trait::async_trait]
pub trait Consumer: Send + Sync + 'static {
    /// The group's name: the context's.
    fn group(&self) -> &'static str;

    /// The streams it reads.
    fn streams(&self) -> &'static [Stream];

    /// Whether it wants events of this kind. Order is kept per subject, so it wants every kind of a subject or none.
    fn wants(&self, kind: &str) -> bool;

    /// Takes effect, inside the transaction that also notes that it did: what it does outside that transaction may happen
    /// again. It has ten seconds.
    ///
    /// # Errors
    /// Any error undoes the transaction and leads to another delivery, a while later. An unavailable database or
    /// neighbour ([`sqlx::Error`], [`tonic::Status`]) is waited for; with any other cause the event is parked after eight
    /// deliveries, and the subject's later events go on.
    async fn handle(&self, tx: &mut PgConnection, event: &Received) -> anyhow::Result<()>;
}

/// Adds what moves a context's outbox to Redis and keeps its infrastructure tables small.
///
/// Any number of replicas may run it; one at a time is active.
pub fn relay(server: Server, db: Db, schema: &'static str, outbox: &Outbox, redis: redis::Config) -> Server {
    metrics::describe();
    let wake = Arc::clone(&outbox.wake);
    server.task("relay", move |stop| async move {
        relay::run(db, schema, wake, &redis, &stop).await;
        Ok(())
    })
}

/// Adds a consumer, whose inbox is in `schema`.
///
/// Any number of replicas may run it; they share the work.
pub fn consume(server: Server, db: Db, schema: &'static str, redis: redis::Config, consumer: impl Consumer) -> Server {
    metrics::describe();
    server.task("consumer", move |stop| async move {
        consumer::run(db, schema, &redis, consumer, &stop).await;
        Ok(())
    })
}

/// A statement takes at most this long, even when the server went away without a word.
const STATEMENT: std::time::Duration = std::time::Duration::from_secs(4);

/// Bounds what is done on a connection outside the pool.
async fn bounded<T>(what: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    tokio::time::timeout(STATEMENT, what)
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
