//! Runs a consumer group.
//!
//! Entries are read in batches; subjects are worked on side by side, the events of one subject one after the other. What
//! can't be finished now (the predecessor is missing, the handler failed, the database is away) stays unacknowledged in
//! Redis and is kept here to be tried again; should this process end, its peers take it over.

mod inbox;
mod reader;
mod work;

use redis::aio::MultiplexedConnection;
use tokio_util::sync::CancellationToken;

use super::Consumer;
use super::redis::{Backoff, Config, is_missing};
use crate::db::Db;
use inbox::Inbox;
use reader::Reader;
use work::Desk;

pub use inbox::redrive;

/// Runs until `stop`. Nothing ends it before: what fails is tried again.
pub(super) async fn run(
    db: Db,
    schema: &'static str,
    redis: &Config,
    consumer: impl Consumer,
    stop: &CancellationToken,
) {
    let inbox = Inbox::new(db, schema, consumer.group());
    let reader = Reader::new(consumer.group(), consumer.streams(), redis.patience);
    let mut desk = Desk::new(&consumer, &inbox, redis.patience);
    let mut backoff = Backoff::new();
    loop {
        let result = match redis.connect_blocking().await {
            Ok(mut connection) => session(&mut connection, &reader, &mut desk, &mut backoff, stop).await,
            Err(error) => Err(error),
        };
        let wait = match result {
            Ok(()) => return,
            // Redis was emptied: the group is made again at once.
            Err(error) if is_missing(&error) => Backoff::FIRST / 2,
            Err(error) => {
                let wait = backoff.next();
                tracing::warn!(group = consumer.group(), %error, ?wait, "redis can't be read, events wait");
                wait
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Works with one connection until `stop` or until it breaks.
async fn session(
    redis: &mut MultiplexedConnection,
    reader: &Reader,
    desk: &mut Desk<'_, impl Consumer>,
    backoff: &mut Backoff,
    stop: &CancellationToken,
) -> redis::RedisResult<()> {
    reader.join(redis).await?;
    *backoff = Backoff::new();
    desk.be_patient();
    // What was given to this process on a connection that broke.
    let own = reader.own(redis, desk).await?;
    desk.take(own);
    let mut look_after_at = tokio::time::Instant::now();
    loop {
        if tokio::time::Instant::now() >= look_after_at {
            look_after_at = tokio::time::Instant::now() + reader.period();
            reader.keep(redis, desk).await?;
            let abandoned = reader.claim(redis, desk).await?;
            desk.take(abandoned);
            reader.measure(redis).await?;
        }
        let wait = desk
            .next_due()
            .unwrap_or(look_after_at)
            .min(look_after_at)
            .saturating_duration_since(tokio::time::Instant::now());
        tokio::select! {
            biased;
            () = stop.cancelled() => {
                reader.keep(redis, desk).await?;
                reader.leave(redis).await?;
                return Ok(());
            }
            fresh = reader.read(redis, wait, desk.room()) => desk.take(fresh?),
        }
        let done = desk.work().await;
        reader.acknowledge(redis, &done.finished, &done.failed).await?;
        if done.database_is_away {
            let mut waits = Backoff::new();
            let mut keep_at = tokio::time::Instant::now() + reader.period();
            while !desk.database_is_back().await {
                tokio::select! {
                    () = tokio::time::sleep(waits.next()) => {}
                    () = stop.cancelled() => break,
                }
                if tokio::time::Instant::now() >= keep_at {
                    keep_at = tokio::time::Instant::now() + reader.period();
                    reader.keep(redis, desk).await?;
                }
            }
        }
        for key in desk.impatient() {
            if reader.predecessor_will_not_come(redis, desk, key).await? {
                desk.go_ahead(key);
            }
        }
    }
}
