//! Reads both streams into the ring.

use std::time::{Duration, Instant};

use redis::RedisResult;
use redis::aio::MultiplexedConnection;
use tokio_util::sync::CancellationToken;

use super::history::{End, check};
use super::{Position, Shared};
use crate::events::Stream;
use crate::events::redis::{Backoff, Config, streams};

/// Entries read at once.
const COUNT: usize = 200;
/// Redis is checked for losses this often.
const CHECK: Duration = Duration::from_secs(1);

/// Runs until `stop`.
pub(super) async fn run(feed: &Shared, redis: &Config, stop: &CancellationToken) {
    let mut backoff = Backoff::new();
    loop {
        let session = async {
            let mut connection = redis.connect_blocking().await?;
            session(feed, &mut connection, &mut backoff).await
        };
        let error = tokio::select! {
            ended = session => match ended {
                Err(error) => error,
                Ok(never) => match never {},
            },
            () = stop.cancelled() => return,
        };
        let wait = backoff.next();
        tracing::warn!(%error, ?wait, "redis can't be read, the live feed waits");
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn session(
    feed: &Shared,
    redis: &mut MultiplexedConnection,
    backoff: &mut Backoff,
) -> RedisResult<std::convert::Infallible> {
    let head = feed.ring.lock().head();
    let (mut ends, sound) = check(redis, &head.unwrap_or_default()).await?;
    if head.is_none() || !sound {
        restart(feed, ends);
    }
    *backoff = Backoff::new();
    let mut check_at = Instant::now() + CHECK;
    loop {
        if Instant::now() >= check_at {
            let head = feed.ring.lock().head().unwrap_or_default();
            let (now, sound) = check(redis, &head).await?;
            // A stream that was emptied counts anew.
            let shrunk = now.iter().zip(ends).any(|(now, before)| now.added < before.added);
            ends = now;
            if shrunk || !sound {
                restart(feed, ends);
            }
            check_at = Instant::now() + CHECK;
        }
        let head = feed.ring.lock().head().unwrap_or_default();
        let answer = redis::cmd("XREAD")
            .arg("COUNT")
            .arg(COUNT)
            .arg("BLOCK")
            .arg(u64::try_from(CHECK.as_millis()).unwrap_or(1))
            .arg("STREAMS")
            .arg(&Stream::ALL.map(Stream::key))
            .arg(&Stream::ALL.map(|stream| head.of(stream).to_string()))
            .query_async(redis)
            .await?;
        let read = streams(answer)?;
        if read.is_empty() {
            continue;
        }
        {
            let mut ring = feed.ring.lock();
            for (key, entries) in read {
                if let Some(stream) = Stream::ALL.into_iter().find(|stream| stream.key() == key) {
                    for entry in entries {
                        ring.push(stream, entry);
                    }
                }
            }
        }
        feed.changed.send_replace(());
    }
}

/// Goes on from now.
fn restart(feed: &Shared, ends: [End; 2]) {
    let mut now = Position::default();
    for (stream, end) in Stream::ALL.into_iter().zip(ends) {
        now.set(stream, end.last);
    }
    let mut ring = feed.ring.lock();
    if ring.head().is_some() {
        tracing::warn!("redis lost events, the live feed starts over");
    }
    ring.restart(now);
    drop(ring);
    feed.changed.send_replace(());
}
