//! The PostgreSQL side of a consumer: an effect, and the note that it happened, in one transaction.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use anyhow::Context as _;
use futures::FutureExt as _;
use http::HeaderName;
use sqlx::Row as _;
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use uuid::Uuid;

use crate::db::{self, Db};
use crate::events::{Consumer, Received, Stream, envelope, metrics as names};
use crate::fault::{self, Kind};
use crate::telemetry;

/// A delivery takes at most this long.
const DELIVERY: Duration = Duration::from_secs(10);
/// Whether the database is there is known after this long.
const CHECK: Duration = Duration::from_secs(2);

/// What became of a delivery.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It took effect, or had before.
    Finished,
    /// Its predecessor has not taken effect. `known`: one before that has.
    Ahead { known: bool },
    /// Somebody whom the handler needs is away. Not the event's fault.
    Unavailable(anyhow::Error),
    /// The database is away. Not the event's fault either.
    DatabaseIsAway(anyhow::Error),
    /// Anything else.
    Failed(anyhow::Error),
}

pub(super) struct Inbox {
    db: Db,
    group: &'static str,
    enter: String,
    park: String,
}

impl Inbox {
    pub(super) fn new(db: Db, schema: &str, group: &'static str) -> Self {
        Self {
            db,
            group,
            enter: enter(schema),
            park: format!(
                "with parked as (
                     insert into {schema}.parked_events (consumer, event_id, stream, event, error) values ($1, $2, $3, $4, $5)
                     on conflict do nothing
                 )
                 insert into {schema}.inbox_subjects as known (consumer, subject, sequence) values ($1, $6, $7)
                 on conflict (consumer, subject) do update set sequence = excluded.sequence, at = now()
                 where known.sequence < excluded.sequence"
            ),
        }
    }

    /// Lets an event take effect if it is its turn. `ahead`: even if its predecessor is missing.
    pub(super) async fn deliver(&self, consumer: &impl Consumer, event: &Received, ahead: bool) -> Outcome {
        let delivery = self.transact(consumer, event, ahead).instrument(self.span(event));
        let delivery = AssertUnwindSafe(delivery).catch_unwind();
        let error = match tokio::time::timeout(DELIVERY, delivery).await {
            Ok(Ok(Ok(outcome))) => return outcome,
            Ok(Ok(Err(error))) => error,
            Ok(Err(_)) => anyhow::anyhow!("the handler panicked"),
            Err(_) => anyhow::anyhow!("the handler took longer than {DELIVERY:?}"),
        };
        match blame(&error) {
            Some(Blame::Neighbour) => Outcome::Unavailable(error),
            // It may have failed, or taken long, because the database went away just then.
            None if self.answers().await => Outcome::Failed(error),
            None | Some(Blame::Database) => Outcome::DatabaseIsAway(error),
        }
    }

    async fn transact(&self, consumer: &impl Consumer, event: &Received, ahead: bool) -> anyhow::Result<Outcome> {
        let mut tx = self.db.begin().await?;
        let row = db::statement(&self.enter)
            .bind(self.group)
            .bind(event.id)
            .bind(subject(event))
            .bind(event.sequence)
            .bind(ahead)
            .fetch_one(&mut *tx)
            .await?;
        let (turn, fresh): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
        if turn && fresh {
            if !event.is_erased() {
                consumer.handle(&mut tx, event).await?;
            }
            tx.commit().await?;
            metrics::counter!(names::HANDLED, "group" => self.group).increment(1);
            return Ok(Outcome::Finished);
        }
        tx.rollback().await?;
        let last: Option<i64> = row.try_get(2)?;
        if !turn && last.is_none_or(|last| event.sequence > last) {
            return Ok(Outcome::Ahead { known: last.is_some() });
        }
        metrics::counter!(names::DUPLICATES, "group" => self.group).increment(1);
        Ok(Outcome::Finished)
    }

    /// The span of a delivery, in the trace of the request that made the event true.
    fn span(&self, event: &Received) -> Span {
        let span = tracing::debug_span!(
            target: telemetry::TARGET,
            "event",
            otel.name = event.kind,
            otel.kind = "consumer",
            messaging.system = "redis",
            messaging.consumer.group.name = self.group,
            messaging.message.id = %event.id,
        );
        let parent = event.traceparent.as_deref().and_then(|parent| parent.parse().ok());
        if let (false, Some(parent)) = (span.is_disabled(), parent) {
            let headers = [(HeaderName::from_static("traceparent"), parent)].into_iter().collect();
            if let Err(error) = span.set_parent(telemetry::parent_of(&headers)) {
                tracing::debug!(%error, "a span starts a trace of its own");
            }
        }
        span
    }

    /// Puts an event aside, so that those after it can go on.
    pub(super) async fn park(
        &self,
        stream: Stream,
        event: &Received,
        json: &str,
        error: &anyhow::Error,
    ) -> Result<(), sqlx::Error> {
        db::statement(&self.park)
            .bind(self.group)
            .bind(event.id)
            .bind(stream.key())
            .bind(json)
            .bind(format!("{error:#}").replace('\0', " "))
            .bind(subject(event))
            .bind(event.sequence)
            .execute(&self.db)
            .await
            .map(drop)
    }

    /// Whether the database is there.
    pub(super) async fn answers(&self) -> bool {
        matches!(tokio::time::timeout(CHECK, self.db.check()).await, Ok(Ok(())))
    }
}

/// The key of the subject's row.
fn subject(event: &Received) -> String {
    format!("{}/{}", event.org, event.subject)
}

/// Notes that an event takes effect, if it is its turn: whether it is, whether it had not before, and how far the subject
/// is. Whoever comes with another event of the same subject waits for the end of the transaction.
fn enter(schema: &str) -> String {
    format!(
        "with subject as (
             insert into {schema}.inbox_subjects as known (consumer, subject, sequence)
             select $1, $3, $4
             where $4 = 1 or $5 or exists (select from {schema}.inbox_subjects where consumer = $1 and subject = $3)
             on conflict (consumer, subject) do update set sequence = excluded.sequence, at = now()
             where known.sequence = excluded.sequence - 1 or ($5 and known.sequence < excluded.sequence)
             returning 1
         ), event as (
             insert into {schema}.inbox (consumer, event_id) select $1, $2 from subject on conflict do nothing returning 1
         )
         select exists (select from subject), exists (select from event),
                (select sequence from {schema}.inbox_subjects where consumer = $1 and subject = $3)"
    )
}

/// Whose fault an error is, when it is not the event's.
enum Blame {
    Neighbour,
    Database,
}

fn blame(error: &anyhow::Error) -> Option<Blame> {
    error.chain().find_map(|cause| {
        if let Some(error) = cause.downcast_ref::<sqlx::Error>() {
            // A statement that takes too long may be the event's fault: whether the database answers decides.
            let slow = matches!(error, sqlx::Error::Database(error) if error.code().as_deref() == Some("57014"));
            return match fault::database_kind(error) {
                Kind::Unavailable if !slow => Some(Blame::Database),
                Kind::Busy => Some(Blame::Neighbour),
                _ => None,
            };
        }
        let status = cause.downcast_ref::<tonic::Status>()?;
        matches!(
            Kind::of(status.code()),
            Kind::Unavailable | Kind::Exhausted | Kind::Busy
        )
        .then_some(Blame::Neighbour)
    })
}

/// Takes up a parked event again. `Ok(false)`: there is no such one.
///
/// It takes effect out of order, since the later events of its subject went on.
///
/// # Errors
/// When it fails again; it stays parked then.
pub async fn redrive(db: &Db, schema: &str, consumer: &impl Consumer, event_id: Uuid) -> anyhow::Result<bool> {
    let mut tx = db.begin().await?;
    let select = format!("select event from {schema}.parked_events where consumer = $1 and event_id = $2 for update");
    let Some(row) = db::statement(&select)
        .bind(consumer.group())
        .bind(event_id)
        .fetch_optional(&mut *tx)
        .await?
    else {
        return Ok(false);
    };
    let event = envelope::decode(row.try_get(0)?).context("the parked event can't be read")?;
    let insert = format!("insert into {schema}.inbox (consumer, event_id) values ($1, $2) on conflict do nothing");
    let inserted = db::statement(&insert)
        .bind(consumer.group())
        .bind(event_id)
        .execute(&mut *tx)
        .await?;
    if inserted.rows_affected() > 0 {
        consumer.handle(&mut tx, &event).await?;
    }
    let delete = format!("delete from {schema}.parked_events where consumer = $1 and event_id = $2");
    db::statement(&delete)
        .bind(consumer.group())
        .bind(event_id)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(true)
}
