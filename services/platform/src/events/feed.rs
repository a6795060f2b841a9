//! The live feed: every event as it is published, to any number of subscribers.
//!
//! One reader per process reads both streams into a ring that all subscribers read from; it rests while there are none. Who
//! resumes at a position that the ring has passed reads from Redis until he is back in the ring. Where nobody can know any
//! more whether something was missed, the subscriber is told so, once, and goes on from now.

mod history;
mod reader;
mod ring;

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::redis::{Backoff, Config, Id};
use super::{Stream, metrics as names};
use crate::access::OrgId;
use history::{History, Page};
use ring::{Item, Ring};

/// One reader of both streams. Cloning shares it.
#[derive(Clone)]
pub struct Feed(Arc<Shared>);

struct Shared {
    ring: Mutex<Ring>,
    /// Changes with the ring. Its receivers are the subscribers.
    changed: watch::Sender<()>,
    /// Told when there is one more of them.
    wanted: Notify,
    history: History,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Feed")
    }
}

/// A reader that rested is awake by then, or Redis is away.
const AWAKE: Duration = Duration::from_millis(500);

/// A place in both streams: `<escalations>,<events>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Position {
    escalations: Id,
    events: Id,
}

impl Position {
    fn of(&self, stream: Stream) -> Id {
        match stream {
            Stream::Escalations => self.escalations,
            Stream::Events => self.events,
        }
    }

    fn set(&mut self, stream: Stream, id: Id) {
        match stream {
            Stream::Escalations => self.escalations = id,
            Stream::Events => self.events = id,
        }
    }

    /// Whether nothing up to `other` is still to come.
    fn covers(&self, other: &Self) -> bool {
        Stream::ALL
            .into_iter()
            .all(|stream| self.of(stream) >= other.of(stream))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.escalations, self.events)
    }
}

/// A `Last-Event-ID` that is none of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the position is not one that the feed gave out")]
pub struct BadPosition;

impl FromStr for Position {
    type Err = BadPosition;
    fn from_str(text: &str) -> Result<Self, BadPosition> {
        let (escalations, events) = text.split_once(',').ok_or(BadPosition)?;
        Ok(Self {
            escalations: escalations.parse().map_err(|_| BadPosition)?,
            events: events.parse().map_err(|_| BadPosition)?,
        })
    }
}

/// What a subscriber gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedItem {
    /// Something became true.
    Event {
        /// Where to resume after it.
        id: String,
        /// The CloudEvent.
        json: Arc<str>,
        /// Whose it is: the feed carries everybody's.
        org: OrgId,
        /// `<noun>.<participle>`.
        kind: Arc<str>,
        /// What it is about.
        subject: Arc<str>,
    },
    /// Something may have been missed: fetch anew what you show. What comes after is complete again.
    Reset {
        /// Where to resume after it.
        id: String,
    },
}

impl Feed {
    /// Starts the reader; it reads while somebody subscribes, until `stop`. Redis being away delays it, nothing else.
    pub fn start(redis: Config, stop: CancellationToken) -> Self {
        names::describe();
        let feed = Self(Arc::new(Shared {
            ring: Mutex::default(),
            changed: watch::Sender::new(()),
            wanted: Notify::new(),
            history: History::new(redis.clone()),
        }));
        let shared = Arc::clone(&feed.0);
        tokio::spawn(async move { reader::run(&shared, &redis, &stop).await });
        feed
    }

    /// Everything after `last_event_id`, or from now on.
    ///
    /// # Errors
    /// When the text is no position.
    pub async fn subscribe(&self, last_event_id: Option<&str>) -> Result<Subscription, BadPosition> {
        let position = last_event_id.map(str::parse).transpose()?;
        let mut changed = self.0.changed.subscribe();
        self.0.wanted.notify_one();
        if position.is_none() {
            // Late: the subscriber is told that nobody knows what was before.
            let _ = timeout(AWAKE, async {
                while self.0.ring.lock().head().is_none() && changed.changed().await.is_ok() {}
            })
            .await;
        }
        let ring = self.0.ring.lock();
        let (position, place) = match (position, ring.head()) {
            (Some(position), _) => (position, Place::Behind { sound: false }),
            (None, Some(head)) => (head, Place::Live(ring.end())),
            (None, None) => (Position::default(), Place::Unknown),
        };
        Ok(Subscription {
            feed: Arc::clone(&self.0),
            changed,
            position,
            place,
            caught_up: VecDeque::new(),
            then: None,
            backoff: Backoff::new(),
        })
    }
}

/// A subscriber's reading of the feed.
pub struct Subscription {
    feed: Arc<Shared>,
    changed: watch::Receiver<()>,
    /// Everything up to here was given out or is of no interest.
    position: Position,
    place: Place,
    /// Read from Redis and not given out.
    caught_up: VecDeque<Item>,
    /// The position after those.
    then: Option<Position>,
    backoff: Backoff,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// The reader does not know where now is.
    Unknown,
    /// The ring may not reach back to the position. `sound`: Redis knows the position, and nothing after it is gone.
    Behind { sound: bool },
    /// The next item of the ring.
    Live(ring::Cursor),
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("position", &self.position)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl Subscription {
    /// The next item. Nothing is lost when the future is dropped before it is ready.
    pub async fn next(&mut self) -> FeedItem {
        loop {
            if let Some(item) = self.caught_up.pop_front() {
                if let Some(event) = self.give(&item) {
                    return event;
                }
                continue;
            }
            if let Some(then) = self.then.take() {
                for stream in Stream::ALL {
                    self.position.set(stream, self.position.of(stream).max(then.of(stream)));
                }
            }
            self.changed.mark_unchanged();
            match self.look() {
                Look::Give(item) => return item,
                Look::Wait => {
                    // The sender is in what this subscription holds.
                    if self.changed.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
                Look::CatchUp => match self.feed.history.after(&self.position).await {
                    Ok(Page::Gone(now)) => return self.reset(now, Place::Behind { sound: true }),
                    Ok(Page::Items { items, then }) => {
                        if then != self.position {
                            self.backoff = Backoff::new();
                        } else if matches!(self.place, Place::Behind { sound: true }) {
                            // The reader has yet to notice what became of the stream.
                            tokio::time::sleep(self.backoff.next()).await;
                        }
                        self.place = Place::Behind { sound: true };
                        self.caught_up = items.into();
                        self.then = Some(then);
                    }
                    Err(error) => {
                        tracing::debug!(%error, "a subscriber can't catch up, redis is away");
                        tokio::time::sleep(self.backoff.next()).await;
                    }
                },
            }
        }
    }

    /// What the ring has.
    fn look(&mut self) -> Look {
        let feed = Arc::clone(&self.feed);
        let ring = feed.ring.lock();
        let Some(head) = ring.head() else {
            return Look::Wait;
        };
        let cursor = match self.place {
            Place::Unknown => return Look::Give(self.reset(head, Place::Live(ring.end()))),
            // A position past the newest one may be another process's or nobody's: Redis is asked.
            Place::Behind { sound }
                if self.position.covers(&ring.floor()) && (sound || head.covers(&self.position)) =>
            {
                ring.start()
            }
            Place::Behind { .. } => return Look::CatchUp,
            Place::Live(cursor) => cursor,
        };
        self.place = Place::Live(cursor);
        loop {
            let Place::Live(cursor) = &mut self.place else {
                return Look::Wait;
            };
            match ring.read(cursor) {
                Err(ring::Overtaken) => return Look::Give(self.reset(head, Place::Live(ring.end()))),
                Ok(None) => return Look::Wait,
                Ok(Some(item)) => {
                    if let Some(event) = self.give(item) {
                        return Look::Give(event);
                    }
                }
            }
        }
    }

    fn reset(&mut self, now: Position, place: Place) -> FeedItem {
        metrics::counter!(names::RESETS).increment(1);
        self.position = now;
        self.place = place;
        FeedItem::Reset { id: now.to_string() }
    }

    /// Gives an item out unless it was before.
    fn give(&mut self, item: &Item) -> Option<FeedItem> {
        if item.id <= self.position.of(item.stream) {
            return None;
        }
        self.position.set(item.stream, item.id);
        Some(FeedItem::Event {
            id: self.position.to_string(),
            json: Arc::clone(&item.json),
            org: item.org,
            kind: Arc::clone(&item.kind),
            subject: Arc::clone(&item.subject),
        })
    }
}

enum Look {
    Give(FeedItem),
    Wait,
    CatchUp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_back_as_it_was_given_out() {
        let position = Position {
            escalations: Id(1, 2),
            events: Id(3, 4),
        };
        assert_eq!(position.to_string().parse(), Ok(position));
        for wrong in ["", ",", "1-2", "1-2,", ",1-2", "1-2,3", "1-2,3-4,5-6", "x,1-2"] {
            assert_eq!(wrong.parse::<Position>(), Err(BadPosition), "{wrong}");
        }
    }
}
