//! What Redis still has of the past.

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisResult, Value};
use tokio::sync::{Mutex, Semaphore};

use super::Position;
use super::ring::Item;
use crate::events::Stream;
use crate::events::redis::{Config, Entry, Id, entries, field, id, is_missing, unexpected};

/// Entries of each stream read at once.
const PAGE: usize = 100;
/// Subscribers who catch up at the same time; the others wait, so that the end of a proxy does not stop Redis.
const AT_ONCE: usize = 4;

/// Reads for those who are behind.
pub(super) struct History {
    redis: Config,
    connection: Mutex<Option<MultiplexedConnection>>,
    turns: Semaphore,
}

/// What follows a position.
pub(super) enum Page {
    /// Nobody knows any more. Now is here.
    Gone(Position),
    /// These, in the order in which they were published.
    Items {
        items: Vec<Item>,
        /// The position after them.
        then: Position,
    },
}

impl History {
    pub(super) fn new(redis: Config) -> Self {
        Self {
            redis,
            connection: Mutex::default(),
            turns: Semaphore::new(AT_ONCE),
        }
    }

    /// The next entries after a position.
    pub(super) async fn after(&self, position: &Position) -> RedisResult<Page> {
        let Ok(_turn) = self.turns.acquire().await else {
            return Err(unexpected());
        };
        let mut connection = self.connection.lock().await;
        let mut redis = match connection.as_ref() {
            Some(redis) => redis.clone(),
            None => self.redis.connect().await?,
        };
        *connection = Some(redis.clone());
        drop(connection);
        let page = page(&mut redis, position).await;
        if page.is_err() {
            *self.connection.lock().await = None;
        }
        page
    }
}

/// What `XINFO STREAM` says: how far the stream is, and whether something of it was removed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct End {
    pub(super) last: Id,
    /// Entries ever added.
    pub(super) added: i64,
    complete: bool,
}

impl End {
    fn read(answer: RedisResult<Value>) -> RedisResult<Self> {
        let info = match answer {
            Err(error) if is_missing(&error) => {
                return Ok(Self {
                    complete: true,
                    ..Self::default()
                });
            }
            answer => answer?,
        };
        let number = |name| match field(info.clone(), name) {
            Some(Value::Int(number)) => number,
            _ => 0,
        };
        let (added, length) = (number("entries-added"), number("length"));
        Ok(Self {
            last: id(field(info, "last-generated-id").ok_or_else(unexpected)?)?,
            added,
            complete: added == length,
        })
    }
}

/// How far the streams are, and whether nothing after `position` is missing in them: its entry is still there, or it is
/// the last one ever, or it is the beginning and nothing was ever removed.
pub(super) async fn check(redis: &mut MultiplexedConnection, position: &Position) -> RedisResult<([End; 2], bool)> {
    let mut pipe = redis::pipe();
    for stream in Stream::ALL {
        ask(&mut pipe, stream, position.of(stream));
    }
    let answers: Vec<RedisResult<Value>> = pipe.ignore_errors().query_async(redis).await?;
    let mut answers = answers.into_iter();
    let mut sound = true;
    let mut ends = [End::default(); 2];
    for (stream, end) in Stream::ALL.into_iter().zip(&mut ends) {
        let (read, here) = answer(&mut answers, position.of(stream))?;
        *end = read;
        sound &= here;
    }
    Ok((ends, sound))
}

fn ask(pipe: &mut Pipeline, stream: Stream, at: Id) {
    let at = at.to_string();
    pipe.cmd("XINFO").arg("STREAM").arg(stream.key());
    pipe.cmd("XRANGE").arg(stream.key()).arg(&at).arg(&at);
}

fn answer(answers: &mut impl Iterator<Item = RedisResult<Value>>, at: Id) -> RedisResult<(End, bool)> {
    let end = End::read(answers.next().ok_or_else(unexpected)?)?;
    let there = entries(answers.next().ok_or_else(unexpected)??)?;
    let sound = !there.is_empty() || at == end.last || (at == Id::default() && end.complete);
    Ok((end, sound))
}

async fn page(redis: &mut MultiplexedConnection, position: &Position) -> RedisResult<Page> {
    let mut pipe = redis::pipe();
    for stream in Stream::ALL {
        let at = position.of(stream);
        // Asked before the entries: these then reach at least as far as it says.
        ask(&mut pipe, stream, at);
        pipe.cmd("XRANGE")
            .arg(stream.key())
            .arg(format!("({at}"))
            .arg("+")
            .arg("COUNT")
            .arg(PAGE);
    }
    let answers: Vec<RedisResult<Value>> = pipe.ignore_errors().query_async(redis).await?;
    let mut answers = answers.into_iter();
    let mut now = Position::default();
    let mut then = *position;
    let mut sound = true;
    let mut found: Vec<(Stream, Entry)> = Vec::new();
    // Up to where both streams were read, so that they can be put in one order.
    let mut until: Option<Id> = None;
    for stream in Stream::ALL {
        let (end, here) = answer(&mut answers, position.of(stream))?;
        let page = entries(answers.next().ok_or_else(unexpected)??)?;
        sound &= here;
        now.set(stream, end.last);
        if let Some(last) = page.last()
            && page.len() == PAGE
        {
            until = Some(until.map_or(last.id, |until| until.min(last.id)));
        }
        then.set(stream, page.last().map_or(end.last, |last| last.id.max(end.last)));
        found.extend(page.into_iter().map(|entry| (stream, entry)));
    }
    if !sound {
        return Ok(Page::Gone(now));
    }
    found.sort_by_key(|(_, entry)| entry.id);
    if let Some(until) = until {
        found.retain(|(_, entry)| entry.id <= until);
        // Only the place of an entry is a position that Redis can vouch for next time.
        then = *position;
        for (stream, entry) in &found {
            then.set(*stream, entry.id);
        }
    }
    Ok(Page::Items {
        items: found
            .into_iter()
            .filter_map(|(stream, entry)| Item::new(stream, entry))
            .collect(),
        then,
    })
}
