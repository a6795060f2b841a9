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
/// The reader rests when nobody has subscribed for so long: who comes back sooner finds the ring as it was.
const LINGER: Duration = Duration::from_secs(30);

/// Runs until `stop`.
pub(super) async fn run(feed: &Shared, redis: &Config, stop: &CancellationToken) {
    let mut backoff = Backoff::new();
    loop {
        let session = async {
            while feed.changed.receiver_count() == 0 {
                feed.wanted.notified().await;
            }
            let mut connection = redis.connect_blocking().await?;
            session(feed, &mut connection, &mut backoff).await
        };
        let error = tokio::select! {
            ended = session => match ended {
                Err(error) => error,
                Ok(()) => continue,
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

/// Reads until nobody wants it any more.
async fn session(feed: &Shared, redis: &mut MultiplexedConnection, backoff: &mut Backoff) -> RedisResult<()> {
    let head = feed.ring.lock().head();
    let (mut ends, sound) = check(redis, &head.unwrap_or_default()).await?;
    if head.is_none() || !sound {
        restart(feed, ends);
    }
    *backoff = Backoff::new();
    let mut check_at = Instant::now() + CHECK;
    let mut rest_at = Instant::now() + LINGER;
    loop {
        if feed.changed.receiver_count() > 0 {
            rest_at = Instant::now() + LINGER;
        } else if Instant::now() >= rest_at && rest(feed) {
            return Ok(());
        }
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

/// Forgets what was read, unless somebody has subscribed meanwhile.
fn rest(feed: &Shared) -> bool {
    // Subscribers count before they look at the ring.
    let mut ring = feed.ring.lock();
    let unwanted = feed.changed.receiver_count() == 0;
    if unwanted {
        ring.rest();
    }
    unwanted
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
