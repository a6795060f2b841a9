//! Moves the outbox of a context to Redis.
//!
//! One relay per context is active, the holder of a lease. It publishes in the order of the outbox, and an event counts as
//! published once its row carries the id of its entry. What happens in between (the relay dies, loses its lease, loses the
//! answer) leads to a second entry of the same event, never to none.

mod housekeeping;
mod loss;

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use sqlx::postgres::PgRow;
use sqlx::{Executor as _, PgConnection, Row as _};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::envelope::Recorded;
use super::lease::{Lease, Taken};
use super::redis::{Backoff, Config, Id, text};
use super::{Stream, bounded, metrics as names, notices};
use crate::access::OrgId;
use crate::db::{self, Db};
use crate::time::Time;
use loss::Carrier;

/// Events published at once.
const BATCH: usize = 500;
/// The lease is renewed this often.
const RENEW: Duration = Duration::from_secs(1);
/// Redis is checked for losses this often, even when there is nothing to publish.
const PROBE: Duration = Duration::from_secs(1);
/// Batches begin at least this far apart: under load it makes fewer and larger ones, which is what keeps an event cheap.
const PACE: Duration = Duration::from_millis(50);
/// The outbox is looked at this often when nothing wakes the relay.
const POLL: Duration = Duration::from_millis(200);

/// Why the relay could not go on.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("redis failed")]
    Redis(#[from] redis::RedisError),
    #[error("the lease was lost")]
    Lost,
}

struct Relay {
    schema: &'static str,
    lease: Lease,
    select: String,
    mark: String,
    wake: Arc<Notify>,
    redis: Config,
    /// Whether this is the active relay.
    active: watch::Sender<bool>,
}

/// Runs until `stop`. Nothing ends it before: what fails is tried again.
pub(super) async fn run(db: Db, schema: &'static str, wake: Arc<Notify>, redis: &Config, stop: &CancellationToken) {
    let lease = Lease::new(schema, "relay");
    let held = lease.held();
    let relay = Relay {
        schema,
        select: format!(
            "select id, org_id, event_id, stream, type, subject, sequence, cause, traceparent, data, created_at
             from {schema}.outbox where stream_id is null order by id limit {BATCH}"
        ),
        mark: format!(
            "with marked as (
                 update {schema}.outbox as event set stream_id = entry.id
                 from unnest($1::bigint[], $2::text[]) as entry (event, id)
                 where event.id = entry.event and {held}
             )
             update {schema}.relay_streams as known set last_stream_id = coalesce(last.id, last_stream_id)
             from unnest($3::text[], $4::text[]) as last (stream, id)
             where known.stream = last.stream and {held}"
        ),
        lease,
        wake,
        redis: redis.clone(),
        active: watch::Sender::new(false),
    };
    tokio::join!(
        relay.run(&db, stop),
        housekeeping::run(&db, schema, redis, relay.active.subscribe(), stop),
    );
}

impl Relay {
    async fn run(&self, db: &Db, stop: &CancellationToken) {
        let mut backoff = Backoff::new();
        while !stop.is_cancelled() {
            let result = match connect(db).await {
                Ok(mut pg) => {
                    let result = self.stand_by(&mut pg, &mut backoff, stop).await;
                    if stop.is_cancelled() && self.lease.release(&mut pg).await.is_err() {
                        tracing::debug!(context = self.schema, "the relay's lease runs out by itself");
                    }
                    result
                }
                Err(error) => Err(error),
            };
            self.active.send_replace(false);
            if let Err(error) = result {
                tracing::warn!(
                    context = self.schema,
                    error = crate::fault::chain(&error),
                    "the relay lost the database"
                );
                rest(backoff.next(), stop).await;
            }
        }
    }

    /// Waits for the lease, and leads while it holds.
    async fn stand_by(
        &self,
        pg: &mut PgConnection,
        backoff: &mut Backoff,
        stop: &CancellationToken,
    ) -> Result<(), sqlx::Error> {
        while !stop.is_cancelled() {
            match self.lease.take(pg).await? {
                Taken::Ours => {
                    *backoff = Backoff::new();
                    self.active.send_replace(true);
                    tracing::info!(context = self.schema, "this relay is active");
                    let result = self.lead(pg, stop).await;
                    self.active.send_replace(false);
                    result?;
                }
                // Its holder renews it every second, or is gone.
                Taken::Theirs(left) => rest(left.clamp(PACE, RENEW), stop).await,
            }
        }
        Ok(())
    }

    /// Publishes until the lease is lost, `stop`, or the database fails.
    async fn lead(&self, pg: &mut PgConnection, stop: &CancellationToken) -> Result<(), sqlx::Error> {
        let mut carrier = Carrier::load(self.schema, pg).await?;
        let mut connection: Option<MultiplexedConnection> = None;
        let mut backoff = Backoff::new();
        let mut retry_at = Instant::now();
        let mut probe_at = Instant::now();
        let mut renewed = Instant::now();
        let mut poll = PACE;
        while !stop.is_cancelled() {
            if renewed.elapsed() >= RENEW {
                let now = Instant::now();
                if self.lease.take(pg).await? != Taken::Ours {
                    tracing::info!(context = self.schema, "another relay is active");
                    return Ok(());
                }
                renewed = now;
            }
            let step = async {
                if connection.is_none() && Instant::now() >= retry_at {
                    let mut fresh = self.redis.connect().await?;
                    loss::check_eviction(self.schema, &mut fresh).await?;
                    connection = Some(fresh);
                    probe_at = Instant::now();
                }
                let Some(redis) = connection.as_mut() else {
                    return Ok(0);
                };
                if Instant::now() >= probe_at {
                    if !carrier.is_intact(redis).await? {
                        carrier.recover(pg, redis, &self.lease).await?;
                    }
                    probe_at = Instant::now() + PROBE;
                    backoff = Backoff::new();
                }
                self.publish(pg, redis, &mut carrier, &mut probe_at).await
            };
            let began = Instant::now();
            match step.await {
                Ok(BATCH) => continue,
                Ok(0) => poll = (poll * 2).min(POLL),
                Ok(_) => {
                    poll = PACE;
                    rest(PACE.saturating_sub(began.elapsed()), stop).await;
                }
                Err(Trouble::Redis(error)) => {
                    connection = None;
                    let wait = backoff.next();
                    retry_at = Instant::now() + wait;
                    tracing::warn!(context = self.schema, %error, ?wait, "redis can't be reached, events wait");
                }
                Err(Trouble::Database(error)) => return Err(error),
                Err(Trouble::Lost) => {
                    tracing::warn!(context = self.schema, "the relay lost its lease");
                    return Ok(());
                }
            }
            tokio::select! {
                () = self.wake.notified(), if connection.is_some() => {}
                () = tokio::time::sleep(poll) => {}
                () = stop.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Publishes what is next. Says how many events that were.
    async fn publish(
        &self,
        pg: &mut PgConnection,
        redis: &mut MultiplexedConnection,
        carrier: &mut Carrier,
        probe_at: &mut Instant,
    ) -> Result<usize, Trouble> {
        let rows = bounded(db::statement(&self.select).fetch_all(&mut *pg)).await?;
        if rows.is_empty() {
            carrier.recovered(redis).await?;
            return Ok(0);
        }
        let mut pipe = redis::Pipeline::with_capacity(rows.len() + 2);
        carrier.tell_recovering(&mut pipe);
        pipe.cmd("GET").arg(carrier.epoch_key());
        let mut events = Vec::with_capacity(rows.len());
        for row in &rows {
            events.push(self.add(&mut pipe, row)?);
        }
        let mut answers = pipe.query_async::<Vec<redis::Value>>(redis).await?.into_iter();
        let intact = carrier.owns(answers.next());
        let ids: Vec<String> = answers.filter_map(text).collect();
        if ids.len() != events.len() {
            return Err(super::redis::unexpected().into());
        }
        let last = |stream| {
            let last = events.iter().rposition(|(_, of)| *of == stream);
            last.map(|index| ids[index].as_str())
        };
        let keys = Stream::ALL.map(Stream::key);
        let last = Stream::ALL.map(last);
        let marked = bounded(
            db::statement(&self.mark)
                .bind(events.iter().map(|(id, _)| *id).collect::<Vec<i64>>())
                .bind(&ids)
                .bind(keys.as_slice())
                .bind(last.as_slice())
                .execute(pg),
        )
        .await?;
        if marked.rows_affected() == 0 {
            return Err(Trouble::Lost);
        }
        for (stream, last) in Stream::ALL.into_iter().zip(last) {
            if let Some(last) = last.and_then(|last| last.parse::<Id>().ok()) {
                carrier.published(stream, last);
            }
        }
        if !intact {
            // The entries went to a server that lost what came before them.
            *probe_at = Instant::now();
        }
        metrics::counter!(names::PUBLISHED, "context" => self.schema).increment(ids.len() as u64);
        Ok(ids.len())
    }

    /// Adds the entry of an outbox row to what is sent.
    fn add(&self, pipe: &mut redis::Pipeline, row: &PgRow) -> Result<(i64, Stream), sqlx::Error> {
        let org: uuid::Uuid = row.try_get(1)?;
        let key: &str = row.try_get(3)?;
        let kind: &str = row.try_get(4)?;
        let subject: &str = row.try_get(5)?;
        let event = Recorded {
            id: row.try_get(2)?,
            org,
            kind,
            subject,
            sequence: row.try_get(6)?,
            cause: row.try_get(7)?,
            traceparent: row.try_get(8)?,
            data: row.try_get(9)?,
            time: row.try_get::<Time, _>(10)?,
        }
        .encode(self.schema);
        let stream = if key == Stream::Escalations.key() {
            Stream::Escalations
        } else {
            Stream::Events
        };
        let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
        pipe.cmd("XADD")
            .arg(stream.key())
            .arg("*")
            .arg("event")
            .arg(event)
            .arg("type")
            .arg(kind)
            .arg("organization")
            .arg(&*org.as_hyphenated().encode_lower(&mut buffer));
        notices::add(pipe, OrgId(org), kind, subject);
        Ok((row.try_get(0)?, stream))
    }
}

/// What is marked is not flushed to disk by itself: a mark that a crash of the server loses leads to a second entry, as
/// one that was never made.
async fn connect(db: &Db) -> Result<PgConnection, sqlx::Error> {
    let mut pg = db.dedicated().await?;
    pg.execute("set synchronous_commit = off").await?;
    Ok(pg)
}

/// Waits, but not longer than until `stop`.
async fn rest(wait: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(wait) => {}
        () = stop.cancelled() => {}
    }
}
