//! Keeps the streams and the infrastructure tables small, and measures the outbox. Done by the active relay only.

use std::time::{Duration, Instant};

use redis::Value;
use redis::aio::MultiplexedConnection;
use sqlx::Row as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::names;
use crate::db::{self, Db};
use crate::events::Stream;
use crate::events::redis::{self as carrier, Config, Id};

/// The outbox is measured this often.
const MEASURE: Duration = Duration::from_secs(5);
/// Old rows and entries are removed this often.
const CLEAN: Duration = Duration::from_mins(1);
/// Rows removed by one statement, so that none holds its locks for long.
const BATCH: u64 = 1000;
/// Statements of one kind in a row; the rest has a minute to wait.
const BATCHES: usize = 100;
/// Entries of a stream are kept so long, in milliseconds.
const KEEP: u64 = 7 * 24 * 60 * 60 * 1000;

/// The statements that remove what is old.
fn purges(schema: &str) -> [(&'static str, String); 5] {
    let by_time = |table: &str, column: &str, age: &str| {
        format!(
            "delete from {schema}.{table} where ctid = any (array(
                 select ctid from {schema}.{table} where {column} < now() - interval '{age}' limit {BATCH}))"
        )
    };
    [
        (
            "outbox",
            // Batches come in order of time: looking at the first ones is enough and needs no index of its own. A row
            // outlives its entry, which could not be erased without it.
            format!(
                "with old as (
                     delete from {schema}.outbox_batches where id = any (array(
                         select id
                         from (select *, sum(size) over (order by id) - size as before
                               from (select * from {schema}.outbox_batches order by id limit {BATCH}) as oldest) as oldest
                         where before < {BATCH} and not lost and published_at < now() - interval '7 days'
                               and coalesce(split_part(stream_ids[size], '-', 1)::float8 / 1000
                                            < extract(epoch from now() - interval '7 days 10 minutes'), true)))
                     returning events
                 )
                 delete from {schema}.outbox where id = any (array(select unnest(events) from old))"
            ),
        ),
        ("inbox", by_time("inbox", "at", "14 days")),
        ("inbox_subjects", by_time("inbox_subjects", "at", "14 days")),
        ("parked_events", by_time("parked_events", "parked_at", "30 days")),
        (
            "idempotency_keys",
            by_time("idempotency_keys", "created_at", "48 hours"),
        ),
    ]
}

pub(super) async fn run(
    db: &Db,
    schema: &'static str,
    redis: &Config,
    mut active: watch::Receiver<bool>,
    stop: &CancellationToken,
) {
    let purges = purges(schema);
    let mut clean_at = Instant::now();
    loop {
        tokio::select! {
            // The sender outlives this loop.
            _ = active.wait_for(|active| *active) => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = measure(db, schema).await {
            tracing::debug!(context = schema, %error, "the outbox could not be measured");
        }
        if Instant::now() >= clean_at {
            clean_at = Instant::now() + CLEAN;
            for (table, statement) in &purges {
                if let Err(error) = purge(db, statement, stop).await {
                    tracing::warn!(context = schema, table, %error, "old rows could not be removed");
                }
            }
            if let Err(error) = trim(redis).await {
                tracing::debug!(context = schema, %error, "the streams could not be trimmed");
            }
        }
        super::rest(MEASURE, stop).await;
    }
}

async fn measure(db: &Db, schema: &'static str) -> Result<(), sqlx::Error> {
    // Counted to a bound: the figure is for alerts, and a large backlog must not make it dear.
    let statement = format!(
        "select count(*)::float8, coalesce(extract(epoch from now() - min(created_at)), 0)::float8
         from (select created_at from {schema}.outbox_unpublished limit 10000) as waiting"
    );
    let row = db::statement(&statement).fetch_one(db).await?;
    metrics::gauge!(names::UNPUBLISHED, "context" => schema).set(row.try_get::<f64, _>(0)?);
    metrics::gauge!(names::OLDEST, "context" => schema).set(row.try_get::<f64, _>(1)?.max(0.0));
    Ok(())
}

async fn purge(db: &Db, statement: &str, stop: &CancellationToken) -> Result<(), sqlx::Error> {
    for _ in 0..BATCHES {
        let removed = db::statement(statement).execute(db).await?;
        if removed.rows_affected() < BATCH || stop.is_cancelled() {
            break;
        }
    }
    Ok(())
}

/// Removes entries that are older than a week and that all our own groups have finished.
async fn trim(config: &Config) -> redis::RedisResult<()> {
    let mut redis = config.connect().await?;
    let (now, _): (u64, u64) = redis::cmd("TIME").query_async(&mut redis).await?;
    for stream in Stream::ALL {
        let mut before = Id((now * 1000).saturating_sub(KEEP), 0);
        if let Some(unfinished) = unfinished(&mut redis, stream).await? {
            before = before.min(unfinished);
        }
        let _removed: u64 = redis::cmd("XTRIM")
            .arg(stream.key())
            .arg("MINID")
            // Not about: what is left has no row any more.
            .arg("=")
            .arg(before.to_string())
            .query_async(&mut redis)
            .await?;
    }
    Ok(())
}

/// The first entry that some group of ours still needs.
async fn unfinished(redis: &mut MultiplexedConnection, stream: Stream) -> redis::RedisResult<Option<Id>> {
    let (ours, groups): (Vec<String>, redis::RedisResult<Value>) = {
        let ours = redis::cmd("SMEMBERS")
            .arg(carrier::groups_key(stream))
            .query_async(redis)
            .await?;
        let groups = redis::cmd("XINFO")
            .arg("GROUPS")
            .arg(stream.key())
            .query_async(redis)
            .await;
        (ours, groups)
    };
    let groups = match groups {
        Err(error) if carrier::is_missing(&error) => return Ok(None),
        groups => carrier::array(groups?)?,
    };
    let mut first: Option<Id> = None;
    for group in groups {
        let Some(name) = carrier::field(group.clone(), "name").and_then(carrier::text) else {
            continue;
        };
        if !ours.contains(&name) {
            continue;
        }
        let delivered = carrier::field(group, "last-delivered-id").ok_or_else(carrier::unexpected)?;
        // Summary: how many are pending, the first, the last, by consumer.
        let pending: Value = redis::cmd("XPENDING")
            .arg(stream.key())
            .arg(&name)
            .query_async(redis)
            .await?;
        let position = match carrier::array(pending)?.into_iter().nth(1) {
            Some(pending) if pending != Value::Nil => carrier::id(pending)?,
            _ => carrier::id(delivered)?,
        };
        first = Some(first.map_or(position, |first| first.min(position)));
    }
    Ok(first)
}
