//! Moves the outbox of a context to Redis.
//!
//! One relay per context is active, the holder of a lease. It publishes in the order of the outbox, and an event counts as
//! published once a batch says where its entry is. What happens in between (the relay dies, loses its lease, loses the
//! answer) leads to a second entry of the same event, never to none. Rows of the outbox are only read: marking each would
//! cost more than recording it did.

mod housekeeping;
mod loss;
mod position;
mod republish;

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use sqlx::postgres::PgRow;
use sqlx::{Executor as _, PgConnection, Row as _};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::envelope::Recorded;
use super::lease::{Lease, Taken};
use super::redis::{Backoff, Config, text};
use super::{Stream, bounded, metrics as names, notices};
use crate::access::OrgId;
use crate::db::{self, Db};
use crate::time::Time;
use loss::Carrier;
use position::{Doubt, Position};
use republish::Republish;

/// Events published at once, and again as many that appeared behind others.
const BATCH: usize = 500;
/// What is read of an event, for [`Relay::add`] and [`stream`].
const COLUMNS: &str = "id, org_id, event_id, stream, type, subject, sequence, cause, traceparent, data, created_at";
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
    note: String,
    republish: Republish,
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
        // Those that appeared late come first: what is told of a subject is in the order of ids. An earlier release
        // notes in the row itself that it published it.
        select: format!(
            "(select waiting.* from unnest($2::bigint[], $3::bigint[]) as gap (first, last)
              cross join lateral (select {COLUMNS}, stream_id from {schema}.outbox where id between gap.first and gap.last
                                  order by id limit {BATCH}) as waiting
              order by id limit {BATCH})
             union all
             (select {COLUMNS}, stream_id from {schema}.outbox where id > $1 order by id limit {BATCH})"
        ),
        note: format!(
            "with batches as (
                 insert into {schema}.outbox_batches (stream, events, stream_ids, first_event, last_event)
                 select '{escalations}', $4::bigint[], $5::text[], $4[1], $4[cardinality($4)]
                 where cardinality($4) > 0 and {held}
                 union all
                 select '{events}', $6::bigint[], $7::text[], $6[1], $6[cardinality($6)]
                 where cardinality($6) > 0 and {held}
             ),
             streams as (
                 update {schema}.relay_streams as known set last_stream_id = last.id
                 from (values ('{escalations}', $8), ('{events}', $9)) as last (stream, id)
                 where known.stream = last.stream and last.id is not null and {held}
             )
             update {schema}.outbox_position set read_to = $1, gap_first = $2, gap_last = $3 where one and {held}",
            escalations = Stream::Escalations.key(),
            events = Stream::Events.key(),
        ),
        republish: Republish::new(schema, &lease),
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
        let mut reader = Reader {
            position: Position::load(self.schema, pg).await?,
            doubt: None,
        };
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
                reader.look(self.schema, pg).await?;
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
                self.publish(pg, redis, &mut carrier, &mut reader, &mut probe_at).await
            };
            let began = Instant::now();
            match step.await {
                Ok(BATCH..) => continue,
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
        reader: &mut Reader,
        probe_at: &mut Instant,
    ) -> Result<usize, Trouble> {
        if carrier.is_behind() {
            if self.publish_again(pg, redis, carrier, probe_at).await? {
                // There may be more of it.
                return Ok(BATCH);
            }
            carrier.caught_up(redis).await?;
        }
        let closed = reader.doubt.take_if(|doubt| !doubt.closed().is_empty());
        let position = &reader.position;
        let (gap_first, gap_last) = position.gaps();
        let mut rows = bounded(
            db::statement(&self.select)
                .bind(position.read_to())
                .bind(gap_first)
                .bind(gap_last)
                .fetch_all(&mut *pg),
        )
        .await?;
        let mut ids = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<i64>, _>>()?;
        let late = ids.partition_point(|id| *id <= position.read_to());
        let mut closed = closed.as_ref().map_or(&[][..], Doubt::closed);
        if late == BATCH {
            // More of them may wait, and what they say comes before what was read behind them.
            rows.truncate(late);
            ids.truncate(late);
            closed = &[];
        }
        let next = position.after(&ids, closed);
        if rows.is_empty() {
            reader.position = next;
            return Ok(0);
        }
        let told: Vec<(Stream, Option<String>)> = rows
            .iter()
            .map(|row| Ok((stream(row)?, row.try_get(11)?)))
            .collect::<Result<_, sqlx::Error>>()?;
        let fresh = rows.iter().zip(&told).filter(|(_, (_, place))| place.is_none());
        let mut places = self
            .send(redis, carrier, probe_at, fresh.map(|(row, _)| row))
            .await?
            .into_iter();
        let mut batches: [(Vec<i64>, Vec<String>); 2] = Default::default();
        let mut last: [Option<String>; 2] = Default::default();
        for (id, (stream, place)) in ids.iter().zip(told) {
            let of = stream as usize;
            let place = if let Some(place) = place {
                place
            } else {
                let place = places.next().ok_or_else(super::redis::unexpected)?;
                last[of] = Some(place.clone());
                place
            };
            batches[of].0.push(*id);
            batches[of].1.push(place);
        }
        let (gap_first, gap_last) = next.gaps();
        let [(escalations, escalation_places), (events, event_places)] = &batches;
        let noted = bounded(
            db::statement(&self.note)
                .bind(next.read_to())
                .bind(gap_first)
                .bind(gap_last)
                .bind(escalations)
                .bind(escalation_places)
                .bind(events)
                .bind(event_places)
                .bind(&last[0])
                .bind(&last[1])
                .execute(pg),
        )
        .await?;
        if noted.rows_affected() == 0 {
            return Err(Trouble::Lost);
        }
        reader.position = next;
        carrier.published(&last);
        Ok(rows.len())
    }

    /// Publishes again what was lost, a part of it. Says whether there was anything.
    async fn publish_again(
        &self,
        pg: &mut PgConnection,
        redis: &mut MultiplexedConnection,
        carrier: &mut Carrier,
        probe_at: &mut Instant,
    ) -> Result<bool, Trouble> {
        let mut lost = self.republish.read(pg).await?;
        if lost.is_empty() {
            return Ok(false);
        }
        carrier.fall_behind();
        let places = self.send(redis, carrier, probe_at, lost.rows()).await?;
        let last = lost.found(places);
        self.republish.note(pg, &lost, &last).await?;
        carrier.published(&last);
        Ok(true)
    }

    /// Gives Redis these rows. Says where each of them is now.
    async fn send<'a>(
        &self,
        redis: &mut MultiplexedConnection,
        carrier: &Carrier,
        probe_at: &mut Instant,
        rows: impl Iterator<Item = &'a PgRow>,
    ) -> Result<Vec<String>, Trouble> {
        let mut pipe = redis::Pipeline::with_capacity(BATCH + 2);
        carrier.tell_recovering(&mut pipe);
        pipe.cmd("GET").arg(carrier.epoch_key());
        let mut count = 0;
        for row in rows {
            self.add(&mut pipe, row)?;
            count += 1;
        }
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut answers = pipe.query_async::<Vec<redis::Value>>(redis).await?.into_iter();
        if !carrier.owns(answers.next()) {
            // The entries went to a server that lost what came before them.
            *probe_at = Instant::now();
        }
        let places: Vec<String> = answers.filter_map(text).collect();
        if places.len() != count {
            return Err(super::redis::unexpected().into());
        }
        metrics::counter!(names::PUBLISHED, "context" => self.schema).increment(places.len() as u64);
        Ok(places)
    }

    /// Adds the entry of an outbox row to what is sent.
    fn add(&self, pipe: &mut redis::Pipeline, row: &PgRow) -> Result<(), sqlx::Error> {
        let org: uuid::Uuid = row.try_get(1)?;
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
        let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
        pipe.cmd("XADD")
            .arg(stream(row)?.key())
            .arg("*")
            .arg("event")
            .arg(event)
            .arg("type")
            .arg(kind)
            .arg("organization")
            .arg(&*org.as_hyphenated().encode_lower(&mut buffer));
        notices::add(pipe, OrgId(org), kind, subject);
        Ok(())
    }
}

/// What is read of the outbox, and what was not seen yet.
struct Reader {
    position: Position,
    doubt: Option<Doubt>,
}

impl Reader {
    /// Looks, from time to time, whether what was not seen can still come.
    async fn look(&mut self, schema: &str, pg: &mut PgConnection) -> Result<(), sqlx::Error> {
        match &mut self.doubt {
            Some(doubt) => doubt.look(schema, pg).await?,
            None => self.doubt = Doubt::about(&self.position, schema, pg).await?,
        }
        Ok(())
    }
}

/// The stream that a row goes to.
fn stream(row: &PgRow) -> Result<Stream, sqlx::Error> {
    let key: &str = row.try_get(3)?;
    Ok(if key == Stream::Escalations.key() {
        Stream::Escalations
    } else {
        Stream::Events
    })
}

/// What is noted is not flushed to disk by itself: a note that a crash of the server loses leads to a second entry, as one
/// that was never made.
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
