//! Whether Redis still has what it was given.
//!
//! Two things tell: a key that says the epoch that PostgreSQL says, and the last entry of each stream. A server that was
//! emptied has no key. A server that fell behind (an older copy took over) lacks the last entry, because a copy is always
//! a prefix of what it copies. Whatever happened between two looks, one of the two is then missing.

use std::collections::HashMap;

use redis::Value;
use redis::aio::MultiplexedConnection;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use super::republish::literal;
use super::{BATCH, Trouble, bounded, names};
use crate::db;
use crate::events::Stream;
use crate::events::lease::{Lease, Taken};
use crate::events::redis::{Id, array, entries, recovering_key, text, unexpected};

/// What was published within this time is published again when it is missing.
const WINDOW: &str = "24 hours";
/// A relay that recovers says so again within so many seconds, or is gone.
const RECOVERING: u64 = 60;

/// What PostgreSQL knows of the streams of one context.
#[derive(Debug)]
pub(super) struct Carrier {
    schema: &'static str,
    epoch: Uuid,
    epoch_key: String,
    last: HashMap<Stream, Id>,
    /// What was lost is not back yet.
    recovering: bool,
    /// There may be lost events: nobody has looked yet.
    behind: bool,
    /// Nothing has ever been published: what is missing is not lost.
    new: bool,
}

impl Carrier {
    pub(super) async fn load(schema: &'static str, pg: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let insert = format!(
            "insert into {schema}.relay_streams (stream, epoch) select stream, $2 from unnest($1::text[]) as stream
             on conflict do nothing"
        );
        let inserted = bounded(
            db::statement(&insert)
                .bind(Stream::ALL.map(Stream::key).as_slice())
                .bind(crate::id::random())
                .execute(&mut *pg),
        )
        .await?;
        let select = format!("select stream, epoch, last_stream_id from {schema}.relay_streams order by stream");
        let rows = bounded(db::statement(&select).fetch_all(pg)).await?;
        let mut carrier = Self {
            schema,
            epoch: Uuid::nil(),
            epoch_key: format!("handoff:epoch:{schema}"),
            last: HashMap::new(),
            recovering: false,
            behind: true,
            new: inserted.rows_affected() > 0,
        };
        for row in rows {
            let key: &str = row.try_get(0)?;
            carrier.epoch = row.try_get(1)?;
            let last: Option<&str> = row.try_get(2)?;
            if let (Some(stream), Some(last)) = (
                Stream::ALL.into_iter().find(|stream| stream.key() == key),
                last.and_then(|last| last.parse().ok()),
            ) {
                carrier.last.insert(stream, last);
            }
        }
        Ok(carrier)
    }

    pub(super) fn epoch_key(&self) -> &str {
        &self.epoch_key
    }

    /// Whether the value of the epoch key is ours.
    pub(super) fn owns(&self, value: Option<Value>) -> bool {
        value
            .and_then(text)
            .is_some_and(|epoch| epoch.parse() == Ok(self.epoch))
    }

    /// Tells consumers, as long as this is so, that what they miss may still come back.
    pub(super) fn tell_recovering(&self, pipe: &mut redis::Pipeline) {
        if self.recovering {
            pipe.cmd("SET")
                .arg(recovering_key(self.schema))
                .arg(1)
                .arg("EX")
                .arg(RECOVERING)
                .ignore();
        }
    }

    /// Whether lost events may have to be published first.
    pub(super) fn is_behind(&self) -> bool {
        self.behind
    }

    /// Notes that there are lost events: another relay may have found them.
    pub(super) fn fall_behind(&mut self) {
        self.recovering = true;
    }

    /// Notes that what was lost is published again.
    pub(super) async fn caught_up(&mut self, redis: &mut MultiplexedConnection) -> Result<(), Trouble> {
        if self.recovering {
            let () = redis::cmd("DEL")
                .arg(recovering_key(self.schema))
                .query_async(redis)
                .await?;
            self.recovering = false;
        }
        self.behind = false;
        Ok(())
    }

    /// Notes the newest entries, in the order of [`Stream::ALL`].
    pub(super) fn published(&mut self, last: &[Option<String>; 2]) {
        for (stream, last) in Stream::ALL.into_iter().zip(last) {
            if let Some(last) = last.as_ref().and_then(|last| last.parse().ok()) {
                self.last.insert(stream, last);
            }
        }
    }

    /// Whether nothing was lost since the last look.
    pub(super) async fn is_intact(&self, redis: &mut MultiplexedConnection) -> Result<bool, Trouble> {
        let mut pipe = redis::pipe();
        pipe.cmd("GET").arg(&self.epoch_key);
        for (stream, last) in &self.last {
            exists(&mut pipe, *stream, *last);
        }
        let mut answers = pipe.query_async::<Vec<Value>>(redis).await?.into_iter();
        Ok(self.owns(answers.next()) && answers.all(|entries| is_there(&entries)))
    }

    /// Notes everything that is gone as lost, and begins a new epoch.
    pub(super) async fn recover(
        &mut self,
        pg: &mut PgConnection,
        redis: &mut MultiplexedConnection,
        lease: &Lease,
    ) -> Result<(), Trouble> {
        // First in Redis, last in PostgreSQL: another loss meanwhile, or the end of this process, makes them differ again.
        let epoch = crate::id::random();
        self.recovering = true;
        self.behind = true;
        let mut pipe = redis::pipe();
        pipe.cmd("SET").arg(&self.epoch_key).arg(epoch.to_string()).ignore();
        self.tell_recovering(&mut pipe);
        let () = pipe.query_async(redis).await?;
        let (lost, last) = self.find_missing(pg, redis, lease).await?;
        let update = format!(
            "update {}.relay_streams as known set epoch = $1, last_stream_id = last.id
             from unnest($2::text[], $3::text[]) as last (stream, id) where known.stream = last.stream and {}",
            self.schema,
            lease.held()
        );
        let keys = Stream::ALL.map(Stream::key);
        let ids = Stream::ALL.map(|stream| last.get(&stream).map(Id::to_string));
        let updated = bounded(
            db::statement(&update)
                .bind(epoch)
                .bind(keys.as_slice())
                .bind(ids.as_slice())
                .execute(pg),
        )
        .await?;
        if updated.rows_affected() == 0 {
            return Err(Trouble::Lost);
        }
        if !self.new {
            tracing::warn!(
                context = self.schema,
                lost,
                "redis lost events, they are published again"
            );
            metrics::counter!(names::LOSSES, "context" => self.schema).increment(1);
            metrics::counter!(names::REPUBLISHED, "context" => self.schema).increment(lost);
        }
        self.epoch = epoch;
        self.last = last;
        self.new = false;
        Ok(())
    }

    /// Looks for every event of the last day, newest first. Says how many are gone, and the newest entries that are not.
    async fn find_missing(
        &self,
        pg: &mut PgConnection,
        redis: &mut MultiplexedConnection,
        lease: &Lease,
    ) -> Result<(u64, HashMap<Stream, Id>), Trouble> {
        let schema = self.schema;
        // As many batches as have about so many events, and at least one.
        let select = format!(
            "select id, stream, stream_ids, published_at > now() - interval '{WINDOW}'
             from (select *, sum(size) over (order by id desc) - size as before
                   from (select id, stream, stream_ids, size, published_at from {schema}.outbox_batches
                         where id < $1 order by id desc limit {BATCH}) as batch) as batch
             where before < {BATCH} order by id desc"
        );
        let lose = format!(
            "update {schema}.outbox_batches as batch set stream_ids = left_over.ids::text[], lost = true
             from unnest($1::bigint[], $2::text[]) as left_over (batch, ids)
             where batch.id = left_over.batch and {}",
            lease.held()
        );
        let bounds = bounds(redis).await?;
        let mut last: HashMap<Stream, Id> = HashMap::new();
        let mut lost = 0;
        let mut before = i64::MAX;
        loop {
            let rows = bounded(db::statement(&select).bind(before).fetch_all(&mut *pg)).await?;
            let mut young = Vec::with_capacity(rows.len());
            for row in &rows {
                before = row.try_get(0)?;
                let stream: &str = row.try_get(1)?;
                if let (Some(stream), true) = (
                    Stream::ALL.into_iter().find(|known| known.key() == stream),
                    row.try_get(3)?,
                ) {
                    young.push((before, stream, row.try_get::<Vec<Option<String>>, _>(2)?));
                }
            }
            if young.is_empty() {
                return Ok((lost, last));
            }
            let mut pipe = redis::pipe();
            self.tell_recovering(&mut pipe);
            // What lies outside of what the stream holds need not be looked for: after a flush that is everything.
            let may_exist = |stream: Stream, place: &Option<String>| {
                let entry: Id = place.as_ref()?.parse().ok()?;
                let (first, last) = bounds.get(&stream)?;
                (*first <= entry && entry <= *last).then_some(entry)
            };
            for (_, stream, places) in &young {
                for entry in places.iter().filter_map(|place| may_exist(*stream, place)) {
                    exists(&mut pipe, *stream, entry);
                }
            }
            let mut answers = pipe.query_async::<Vec<Value>>(redis).await?.into_iter();
            let (mut batches, mut left) = (Vec::new(), Vec::new());
            for (batch, stream, mut places) in young {
                let mut gone = 0;
                for place in &mut places {
                    match may_exist(stream, place) {
                        Some(entry) if is_there(&answers.next().ok_or_else(unexpected)?) => {
                            let newest = last.entry(stream).or_default();
                            *newest = entry.max(*newest);
                        }
                        _ => {
                            *place = None;
                            gone += 1;
                        }
                    }
                }
                if gone > 0 {
                    batches.push(batch);
                    left.push(literal(&places));
                    lost += gone;
                }
            }
            if !batches.is_empty() {
                bounded(db::statement(&lose).bind(batches).bind(left).execute(&mut *pg)).await?;
            }
            // A day of events takes longer than the lease lasts.
            if lease.take(pg).await? != Taken::Ours {
                return Err(Trouble::Lost);
            }
        }
    }
}

fn exists(pipe: &mut redis::Pipeline, stream: Stream, id: Id) {
    let id = id.to_string();
    pipe.cmd("XRANGE").arg(stream.key()).arg(&id).arg(&id);
}

fn is_there(entries: &Value) -> bool {
    matches!(entries, Value::Array(found) if !found.is_empty())
}

/// The first and the last entry of each stream that has any.
async fn bounds(redis: &mut MultiplexedConnection) -> Result<HashMap<Stream, (Id, Id)>, Trouble> {
    let mut bounds = HashMap::new();
    for stream in Stream::ALL {
        let mut pipe = redis::pipe();
        pipe.cmd("XRANGE")
            .arg(stream.key())
            .arg("-")
            .arg("+")
            .arg("COUNT")
            .arg(1);
        pipe.cmd("XREVRANGE")
            .arg(stream.key())
            .arg("+")
            .arg("-")
            .arg("COUNT")
            .arg(1);
        let (first, last): (Value, Value) = pipe.query_async(redis).await?;
        if let (Some(first), Some(last)) = (entries(first)?.first(), entries(last)?.first()) {
            bounds.insert(stream, (first.id, last.id));
        }
    }
    Ok(bounds)
}

/// Warns when the server may throw events away to make room. A managed server may not say.
pub(super) async fn check_eviction(schema: &'static str, redis: &mut MultiplexedConnection) -> Result<(), Trouble> {
    let answer: redis::RedisResult<Value> = redis::cmd("CONFIG")
        .arg("GET")
        .arg("maxmemory-policy")
        .query_async(redis)
        .await;
    let policy = match answer {
        Ok(values) => array(values)?.into_iter().nth(1).and_then(text),
        Err(error) if error.is_io_error() => return Err(error.into()),
        Err(error) => {
            tracing::debug!(context = schema, %error, "redis does not say whether it evicts");
            None
        }
    };
    if let Some(policy) = policy {
        let evicts = policy != "noeviction";
        metrics::gauge!(names::EVICTING, "context" => schema).set(if evicts { 1.0 } else { 0.0 });
        if evicts {
            tracing::warn!(
                context = schema,
                policy,
                "redis may evict events, set maxmemory-policy to noeviction"
            );
        }
    }
    Ok(())
}
