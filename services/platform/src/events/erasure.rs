//! Erases what events have said: in the outbox, among parked events and in Redis.
//!
//! A row stays, so that nobody waits for a number that is missing; what it said becomes `null`. Entries of the stream
//! that say more than their row does now are deleted, except for what the relay takes for the newest one: it would think
//! that Redis has lost it. Whoever erases therefore records an event of the subject first, which comes after them.

use redis::aio::MultiplexedConnection;
use redis::{RedisResult, cmd};
use sqlx::Row as _;

use super::redis::{Config, Entry, Id, entries, recovering_key};
use super::{Stream, envelope};
use crate::access::OrgId;
use crate::db::{self, Db};

/// Rows in one statement, and entries in one answer.
const BATCH: usize = 500;
/// An entry is looked for from this long before its event was recorded, in milliseconds: clocks are read apart.
const MARGIN: i64 = 2000;
/// A row goes no earlier than this after its entry came, in milliseconds. What is older may have lost its row.
const KEEP: i64 = 7 * 24 * 60 * 60 * 1000;

/// The events of one context, from which data is erased.
#[derive(Clone, Debug)]
pub struct Erasure {
    schema: &'static str,
    redis: Config,
    scrub: String,
    left: String,
    scrubbed: String,
    newest: String,
}

/// Which events are erased.
#[derive(Clone, Copy, Debug)]
pub struct Erased<'a> {
    /// Whose they are.
    pub org: OrgId,
    /// What they are about.
    pub subject: &'a str,
    /// Only those whose data contains this text.
    pub mentioning: Option<&'a str>,
    /// Not those of these kinds, which say nothing that could be erased.
    pub except: &'a [&'a str],
}

/// Why events can't be erased right now.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error("the outbox can't be erased")]
    Database(#[from] sqlx::Error),
    /// Redis failed, or is away.
    #[error("the entries of the streams can't be erased")]
    Redis(#[from] redis::RedisError),
}

impl Erasure {
    /// The events of the context that owns `schema`. It needs an index on `outbox (org_id, subject)`.
    pub fn new(schema: &'static str, redis: Config) -> Self {
        // `except` and `mentioning` in the terms of the outbox.
        let says_more = "org_id = $1 and subject = $2 and type <> all($3) and data <> 'null'
                         and ($4::text is null or strpos(data, $4) > 0)";
        Self {
            schema,
            redis,
            // Rows that somebody else has in his hands are left for the next time: he may hold them in another order.
            scrub: format!(
                "with picked as (
                     select id from {schema}.outbox where {says_more} order by id limit {BATCH} for update skip locked
                 ),
                 scrubbed as (
                     update {schema}.outbox set data = 'null' where id = any (array(select id from picked))
                     returning event_id
                 ),
                 parked as (
                     delete from {schema}.parked_events where event_id = any (array(select event_id from scrubbed))
                 )
                 select count(*) from scrubbed"
            ),
            left: format!("select exists (select from {schema}.outbox where {says_more})"),
            // An earlier release notes in the row itself where it has published it.
            scrubbed: format!(
                "select event.id, event.stream, place.stream_id, event.stream_id,
                        (extract(epoch from clock_timestamp() - event.created_at) * 1000)::bigint as age
                 from (select * from {schema}.outbox
                       where org_id = $1 and subject = $2 and data = 'null' and id > $3 order by id limit {BATCH}) as event
                 left join lateral (
                     select batch.stream_ids[array_position(batch.events, event.id)] as stream_id
                     from {schema}.outbox_batches batch
                     where batch.last_event >= event.id and batch.first_event <= event.id
                           and event.id = any (batch.events)
                     order by batch.last_event limit 1
                 ) as place on true
                 order by event.id"
            ),
            newest: format!(
                "select stream, last_stream_id from {schema}.relay_streams where last_stream_id is not null"
            ),
        }
    }

    /// Takes the data out of the outbox, and drops the events that were parked. `Ok(false)`: somebody was busy with some
    /// of them, which takes another call.
    ///
    /// # Errors
    /// When the database fails. What was done until then stays done.
    pub async fn scrub(&self, db: &Db, what: &Erased<'_>) -> Result<bool, Error> {
        loop {
            let row = db::statement(&self.scrub)
                .bind(what.org.0)
                .bind(what.subject)
                .bind(what.except)
                .bind(what.mentioning)
                .fetch_one(db)
                .await?;
            let scrubbed: i64 = row.try_get(0)?;
            if scrubbed == 0 {
                break;
            }
        }
        let row = db::statement(&self.left)
            .bind(what.org.0)
            .bind(what.subject)
            .bind(what.except)
            .bind(what.mentioning)
            .fetch_one(db)
            .await?;
        let left: bool = row.try_get(0)?;
        Ok(!left)
    }

    /// Deletes the entries that still say what [`Erasure::scrub`] has taken out of the outbox. `Ok(false)`: not all of
    /// them can be deleted yet, because the relay has events of the subject to publish.
    ///
    /// An entry is looked for between the moment when its event was recorded and the place that was noted last: a relay that
    /// died in between has published it a second time.
    ///
    /// # Errors
    /// When the database or Redis fails. What was done until then stays done.
    pub async fn delete_entries(&self, db: &Db, what: &Erased<'_>) -> Result<bool, Error> {
        let mut redis = self.redis.connect().await?;
        let recovering: bool = cmd("EXISTS")
            .arg(recovering_key(self.schema))
            .query_async(&mut redis)
            .await?;
        if recovering {
            return Ok(false);
        }
        let (now, _): (i64, i64) = cmd("TIME").query_async(&mut redis).await?;
        let now = now * 1000;
        let old = (Id::default(), Id(milliseconds(now - KEEP), 0));
        let mut all = true;
        for stream in Stream::ALL {
            all &= self.walk(&mut redis, db, stream, vec![old], what).await?;
        }
        let mut after = 0_i64;
        loop {
            let rows = db::statement(&self.scrubbed)
                .bind(what.org.0)
                .bind(what.subject)
                .bind(after)
                .fetch_all(db)
                .await?;
            let mut spans: [Vec<(Id, Id)>; 2] = Default::default();
            for row in &rows {
                after = row.try_get(0)?;
                let key: &str = row.try_get(1)?;
                let places: [Option<&str>; 2] = [row.try_get(2)?, row.try_get(3)?];
                let places = places.iter().flatten().filter_map(|id| id.parse::<Id>().ok());
                let Some(place) = places.max() else {
                    // It may be on its way with what it said before.
                    all = false;
                    continue;
                };
                let recorded = Id(milliseconds(now - row.try_get::<i64, _>(4)? - MARGIN), 0);
                let of = Stream::ALL.iter().position(|stream| stream.key() == key);
                if let Some(of) = of {
                    spans[of].push((recorded.min(place), place));
                }
            }
            for (stream, spans) in Stream::ALL.into_iter().zip(spans) {
                all &= self.walk(&mut redis, db, stream, joined(spans), what).await?;
            }
            if rows.len() < BATCH {
                return Ok(all);
            }
        }
    }

    /// Deletes what is to be erased in these parts of a stream; whether that was all of it.
    async fn walk(
        &self,
        redis: &mut MultiplexedConnection,
        db: &Db,
        stream: Stream,
        spans: Vec<(Id, Id)>,
        what: &Erased<'_>,
    ) -> Result<bool, Error> {
        let mut all = true;
        for (from, to) in spans {
            let mut from = from.to_string();
            loop {
                let found = range(redis, stream, &from, to).await?;
                let Some(last) = found.last().map(|entry| entry.id) else {
                    break;
                };
                let wanted: Vec<Id> = found
                    .iter()
                    .filter(|entry| self.says(entry, what))
                    .map(|entry| entry.id)
                    .collect();
                if !wanted.is_empty() {
                    // Asked after they were found: an entry that is no newer is none that the relay has yet to note.
                    let newest = self.newest(db, stream).await?;
                    let (gone, kept): (Vec<Id>, Vec<Id>) = wanted.into_iter().partition(|id| *id < newest);
                    all &= kept.is_empty();
                    delete(redis, stream, &gone).await?;
                }
                if found.len() < BATCH {
                    break;
                }
                from = format!("({last}");
            }
        }
        Ok(all)
    }

    /// Whether an entry says what is to be erased.
    fn says(&self, entry: &Entry, what: &Erased<'_>) -> bool {
        let text = entry.event.as_str();
        crate::id::parse(&entry.organization) == Some(what.org.0)
            && !what.except.contains(&entry.kind.as_str())
            && what.mentioning.is_none_or(|mentioned| text.contains(mentioned))
            && envelope::outline(text).is_some_and(|outline| {
                outline.subject == what.subject
                    && outline.source.strip_prefix("/handoff/") == Some(self.schema)
                    && outline.says_something
            })
    }

    /// The entry that the relay takes for its newest one.
    async fn newest(&self, db: &Db, stream: Stream) -> Result<Id, sqlx::Error> {
        for row in db::statement(&self.newest).fetch_all(db).await? {
            if row.try_get::<&str, _>(0)? == stream.key() {
                return Ok(row.try_get::<&str, _>(1)?.parse().unwrap_or_default());
            }
        }
        Ok(Id::default())
    }
}

fn milliseconds(time: i64) -> u64 {
    u64::try_from(time).unwrap_or_default()
}

/// The same parts of a stream without those that overlap.
fn joined(mut spans: Vec<(Id, Id)>) -> Vec<(Id, Id)> {
    spans.sort_unstable();
    let mut joined: Vec<(Id, Id)> = Vec::with_capacity(spans.len());
    for (from, to) in spans {
        match joined.last_mut() {
            Some(before) if from <= before.1 => before.1 = to.max(before.1),
            _ => joined.push((from, to)),
        }
    }
    joined
}

async fn range(redis: &mut MultiplexedConnection, stream: Stream, from: &str, to: Id) -> RedisResult<Vec<Entry>> {
    let answer = cmd("XRANGE")
        .arg(stream.key())
        .arg(from)
        .arg(to.to_string())
        .arg("COUNT")
        .arg(BATCH)
        .query_async(redis)
        .await?;
    entries(answer)
}

async fn delete(redis: &mut MultiplexedConnection, stream: Stream, ids: &[Id]) -> RedisResult<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = ids.iter().map(Id::to_string).collect();
    cmd("XDEL").arg(stream.key()).arg(ids).query_async(redis).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_stream_that_overlap_are_one() {
        let id = |time| Id(time, 0);
        let spans = vec![
            (id(7), id(9)),
            (id(1), id(3)),
            (id(2), id(5)),
            (id(5), id(6)),
            (id(8), id(8)),
        ];
        assert_eq!(joined(spans), [(id(1), id(6)), (id(7), id(9))]);
        assert!(joined(Vec::new()).is_empty());
    }
}
