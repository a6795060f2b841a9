//! The newest events, in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Position;
use crate::access::OrgId;
use crate::events::redis::{Entry, Id};
use crate::events::{Stream, envelope};

/// Events kept.
const EVENTS: usize = 4096;
/// Their size together, in bytes: what a burst of large ones costs at most.
const BYTES: usize = 32 * 1024 * 1024;
/// What the kinds of events end with that tell everybody to forget what was said of their subject.
const FORGET: &str = ".anonymized";

/// An event of the feed.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) stream: Stream,
    pub(super) id: Id,
    pub(super) json: Arc<str>,
    pub(super) org: OrgId,
    pub(super) kind: Arc<str>,
    pub(super) subject: Arc<str>,
}

impl Item {
    /// `None` when the entry is no event.
    pub(super) fn new(stream: Stream, entry: Entry) -> Option<Self> {
        Some(Self {
            stream,
            id: entry.id,
            org: OrgId(crate::id::parse(&entry.organization)?),
            kind: entry.kind.into(),
            subject: envelope::subject(&entry.event)?.into(),
            json: entry.event.into(),
        })
    }
}

/// Who reads the ring is here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    next: u64,
    /// How often the ring had been emptied.
    resets: u64,
}

/// The ring went on without the one who reads it.
#[derive(Debug)]
pub(super) struct Overtaken;

#[derive(Debug, Default)]
pub(super) struct Ring {
    items: VecDeque<Item>,
    /// How many items were in front of the first one.
    first: u64,
    bytes: usize,
    /// Where the streams were before the first item.
    floor: Position,
    /// Where they are after the last one, once that is known.
    head: Option<Position>,
    resets: u64,
}

impl Ring {
    pub(super) fn head(&self) -> Option<Position> {
        self.head
    }

    pub(super) fn floor(&self) -> Position {
        self.floor
    }

    /// Before the first item.
    pub(super) fn start(&self) -> Cursor {
        Cursor {
            next: self.first,
            resets: self.resets,
        }
    }

    /// After the last item.
    pub(super) fn end(&self) -> Cursor {
        Cursor {
            next: self.first + self.items.len() as u64,
            resets: self.resets,
        }
    }

    /// The item under the cursor, which moves on; `None` at the end.
    pub(super) fn read(&self, cursor: &mut Cursor) -> Result<Option<&Item>, Overtaken> {
        if cursor.resets != self.resets {
            return Err(Overtaken);
        }
        let index = cursor.next.checked_sub(self.first).ok_or(Overtaken)?;
        let item = usize::try_from(index).ok().and_then(|index| self.items.get(index));
        if item.is_some() {
            cursor.next += 1;
        }
        Ok(item)
    }

    /// Adds the next entry of a stream.
    pub(super) fn push(&mut self, stream: Stream, entry: Entry) {
        self.head.get_or_insert_default().set(stream, entry.id);
        let Some(item) = Item::new(stream, entry) else {
            return;
        };
        if item.kind.ends_with(FORGET) {
            self.forget(item.org, &item.subject);
        }
        self.bytes += item.json.len();
        self.items.push_back(item);
        while self.items.len() > EVENTS || self.bytes > BYTES {
            let Some(oldest) = self.items.pop_front() else {
                break;
            };
            self.first += 1;
            self.bytes -= oldest.json.len();
            self.floor.set(oldest.stream, oldest.id);
        }
    }

    /// Takes the data out of the events of a subject, which are given to whoever resumes before them.
    fn forget(&mut self, org: OrgId, subject: &str) {
        for item in &mut self.items {
            if item.org == org && &*item.subject == subject && !item.kind.ends_with(FORGET) {
                self.bytes -= item.json.len();
                item.json = envelope::erased(&item.json).into();
                self.bytes += item.json.len();
            }
        }
    }

    /// Forgets everything, while nobody reads.
    pub(super) fn rest(&mut self) {
        self.first += self.items.len() as u64;
        self.items.clear();
        self.bytes = 0;
        self.head = None;
    }

    /// Starts at a position. Everybody who reads the ring is told if it had another one before.
    pub(super) fn restart(&mut self, now: Position) {
        if self.head.is_some() {
            self.resets += 1;
        }
        self.rest();
        self.floor = now;
        self.head = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64) -> Entry {
        Entry {
            id: Id(number, 0),
            event: r#"{"subject":"threads/1"}"#.to_owned(),
            kind: "thread.created".to_owned(),
            organization: "00000000-0000-0000-0000-000000000001".to_owned(),
            deleted: false,
        }
    }

    #[test]
    fn the_ring_keeps_the_newest_events_and_says_who_was_overtaken() {
        let mut ring = Ring::default();
        ring.restart(Position::default());
        let mut slow = ring.start();
        let events = EVENTS as u64;
        for number in 1..=events {
            ring.push(Stream::Events, entry(number));
        }
        assert_eq!(ring.read(&mut slow).unwrap().unwrap().id, Id(1, 0));
        for number in events + 1..=events + 2 {
            ring.push(Stream::Events, entry(number));
        }
        assert!(ring.read(&mut slow).is_err());
        assert_eq!(ring.floor().events, Id(2, 0));
        assert_eq!(ring.head().unwrap().events, Id(events + 2, 0));
        let mut reader = ring.start();
        let mut read = Vec::new();
        while let Some(item) = ring.read(&mut reader).unwrap() {
            read.push(item.id.0);
        }
        assert_eq!(read, (3..=events + 2).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_to_be_forgotten_is_given_without_its_data() {
        let mut ring = Ring::default();
        ring.restart(Position::default());
        let mut reader = ring.start();
        let said = |number, subject: &str| Entry {
            event: format!(r#"{{"subject":"{subject}","data":{{"text":"secret"}}}}"#),
            ..entry(number)
        };
        ring.push(Stream::Events, said(1, "threads/1"));
        ring.push(Stream::Events, said(2, "threads/2"));
        let notice = Entry {
            kind: "thread.anonymized".to_owned(),
            ..said(3, "threads/1")
        };
        ring.push(Stream::Events, notice);
        let mut told = Vec::new();
        while let Some(item) = ring.read(&mut reader).unwrap() {
            told.push((item.id.0, item.json.contains("secret")));
        }
        assert_eq!(told, [(1, false), (2, true), (3, true)]);
        assert_eq!(ring.bytes, ring.items.iter().map(|item| item.json.len()).sum::<usize>());
    }

    #[test]
    fn large_events_push_others_out() {
        let mut ring = Ring::default();
        ring.restart(Position::default());
        for number in 1..=40 {
            let mut large = entry(number);
            large.event = format!(r#"{{"subject":"threads/1","data":"{}"}}"#, "x".repeat(1024 * 1024));
            ring.push(Stream::Events, large);
        }
        assert!(ring.bytes <= BYTES);
        assert_eq!(ring.floor().events, Id(9, 0));
    }

    #[test]
    fn what_is_no_event_only_moves_the_position() {
        let mut ring = Ring::default();
        ring.restart(Position::default());
        let mut reader = ring.start();
        ring.push(
            Stream::Events,
            Entry {
                id: Id(1, 0),
                ..Entry::default()
            },
        );
        assert!(ring.read(&mut reader).unwrap().is_none());
        assert_eq!(ring.head().unwrap().events, Id(1, 0));
    }
}
