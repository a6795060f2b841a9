//! What one connection is waiting for, and until when.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use super::{Limits, Protocol};

/// Length of the HTTP/2 client preface (RFC 9113 §3.4). What follows it is watched by pings.
const PREFACE_BYTES: usize = 24;

/// What is left of an abandoned body up to here is likely to be in the receive buffer, where hyper finds it and keeps
/// the connection; with more the response announces its end.
const DRAINABLE_BYTES: u64 = 8 << 10;

/// When something began: milliseconds since the connection was opened plus one, 0 for "not now".
#[derive(Debug, Default)]
struct Mark(AtomicU64);

impl Mark {
    fn get(&self) -> Option<u64> {
        self.0.load(Relaxed).checked_sub(1)
    }

    fn set(&self, now: u64) {
        self.0.store(now + 1, Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Relaxed) != 0
    }

    fn clear(&self) {
        // Most calls find it clear, and a load does not take the cache line from other threads.
        if self.is_set() {
            self.0.store(0, Relaxed);
        }
    }
}

/// Which deadline of [`Limits`] a connection has missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    FirstByte,
    Head,
    Idle,
    Body,
    Write,
    Goodbye,
    Drain,
}

impl Overdue {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::FirstByte => "first_byte",
            Self::Head => "head",
            Self::Idle => "idle",
            Self::Body => "body",
            Self::Write => "write",
            Self::Goodbye => "goodbye",
            Self::Drain => "drain",
        }
    }
}

/// The shared notes of a connection's socket, its requests and its timer.
///
/// Atomics, since a handler may read its body on another thread; none of them guards other memory.
#[derive(Debug)]
pub(super) struct Activity {
    pub(super) limits: Limits,
    pub(super) protocol: Protocol,
    opened: Instant,
    /// Requests whose response has not ended.
    exchanges: AtomicU32,
    preface: AtomicUsize,
    head: Mark,
    idle: Mark,
    body: Mark,
    body_stalled: Mark,
    write_blocked: Mark,
    ending: Mark,
    draining: Mark,
    body_late: AtomicBool,
    unread: AtomicBool,
    announce_end: AtomicBool,
}

impl Activity {
    pub(super) fn new(limits: Limits, protocol: Protocol) -> Self {
        Self {
            limits,
            protocol,
            opened: Instant::now(),
            exchanges: AtomicU32::new(0),
            preface: AtomicUsize::new(0),
            head: Mark::default(),
            idle: Mark::default(),
            body: Mark::default(),
            body_stalled: Mark::default(),
            write_blocked: Mark::default(),
            ending: Mark::default(),
            draining: Mark::default(),
            body_late: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            announce_end: AtomicBool::new(false),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX / 2)
    }

    /// The earliest deadline and what is missed when it passes; nothing while a handler is at work.
    pub(super) fn due(&self) -> Option<(Instant, Overdue)> {
        let mut earliest: Option<(u64, Overdue)> = None;
        let mut consider = |since: Option<u64>, allowed: Duration, overdue: Overdue| {
            if let Some(since) = since {
                let at = since.saturating_add(millis(allowed));
                if earliest.is_none_or(|(other, _)| at < other) {
                    earliest = Some((at, overdue));
                }
            }
        };
        let limits = &self.limits;
        consider(self.draining.get(), limits.drain, Overdue::Drain);
        if let Some(since) = self.ending.get() {
            consider(Some(since), limits.linger, Overdue::Goodbye);
        } else if let Some(since) = self.write_blocked.get() {
            // A peer that is still taking its last answer is not idle.
            consider(Some(since), limits.write_stall, Overdue::Write);
        } else if self.exchanges.load(Relaxed) > 0 {
            consider(self.body.get(), limits.body, Overdue::Body);
            consider(self.body_stalled.get(), limits.body_stall, Overdue::Body);
        } else if let Some(since) = self.head.get() {
            consider(Some(since), limits.head, Overdue::Head);
        } else if let Some(since) = self.idle.get() {
            consider(Some(since), limits.idle, Overdue::Idle);
        } else {
            consider(Some(0), limits.first_byte, Overdue::FirstByte);
        }
        earliest.map(|(at, overdue)| (self.opened + Duration::from_millis(at), overdue))
    }

    /// The peer sent `bytes`.
    pub(super) fn received(&self, bytes: usize) {
        match self.protocol {
            Protocol::Http1 => {
                if self.exchanges.load(Relaxed) == 0 && !self.head.is_set() {
                    self.head.set(self.now());
                }
            }
            // Only the connection's own task reads, so two loads and stores in a row are one step.
            Protocol::Http2 => {
                let before = self.preface.load(Relaxed);
                if before < PREFACE_BYTES {
                    let after = before.saturating_add(bytes);
                    self.preface.store(after, Relaxed);
                    if after >= PREFACE_BYTES {
                        self.head.clear();
                        self.idle.set(self.now());
                    } else if !self.head.is_set() {
                        self.head.set(self.now());
                    }
                }
            }
        }
    }

    /// The peer took bytes, or there are bytes it does not take.
    pub(super) fn wrote(&self, progress: bool) {
        if progress {
            if self.write_blocked.is_set() {
                self.write_blocked.clear();
                if self.idle.is_set() {
                    self.idle.set(self.now());
                }
            }
        } else if !self.write_blocked.is_set() {
            self.write_blocked.set(self.now());
        }
    }

    pub(super) fn is_write_blocked(&self) -> bool {
        self.write_blocked.is_set()
    }

    /// The connection has to be over within [`Limits::linger`].
    pub(super) fn end(&self) {
        if !self.ending.is_set() {
            self.ending.set(self.now());
        }
    }

    /// Everything has to be over within [`Limits::drain`].
    pub(super) fn drain(&self) {
        self.draining.set(self.now());
    }

    /// Makes the body fail with [`super::BodyError::Late`], which leaves the handler [`Limits::linger`] to say so.
    pub(super) fn refuse_body(&self) {
        self.body_late.store(true, Relaxed);
        self.end();
    }

    pub(super) fn body_is_late(&self) -> bool {
        self.body_late.load(Relaxed)
    }

    /// The handler wants more of the body than has arrived.
    pub(super) fn body_stalled(&self) {
        if !self.body_stalled.is_set() {
            self.body_stalled.set(self.now());
        }
    }

    pub(super) fn body_moved(&self) {
        self.body_stalled.clear();
    }

    pub(super) fn body_arrived(&self) {
        self.body_stalled.clear();
        self.body.clear();
    }

    /// The handler has no use for the rest of the body, which is at most `rest` bytes where that is known.
    pub(super) fn body_abandoned(&self, rest: Option<u64>) {
        self.body_arrived();
        self.unread.store(true, Relaxed);
        if self.body_is_late() || rest.is_none_or(|rest| rest > DRAINABLE_BYTES) {
            self.announce_end.store(true, Relaxed);
        }
    }

    /// Whether the response must say that the connection ends with it.
    pub(super) fn announces_end(&self) -> bool {
        self.announce_end.load(Relaxed)
    }

    /// Whether the peer may still be sending, so that closing now would cost it the answer.
    pub(super) fn has_unread_input(&self) -> bool {
        self.unread.load(Relaxed) || (self.protocol == Protocol::Http1 && self.head.is_set())
    }
}

/// One request and its response, from the end of the head until the response was handed over whole.
#[derive(Debug)]
pub(super) struct Exchange(Arc<Activity>);

impl Exchange {
    pub(super) fn begin(activity: &Arc<Activity>, has_body: bool) -> Self {
        activity.exchanges.fetch_add(1, Relaxed);
        if activity.protocol == Protocol::Http1 {
            activity.head.clear();
            activity.body_stalled.clear();
            activity.unread.store(false, Relaxed);
            if has_body {
                activity.body.set(activity.now());
            } else {
                activity.body.clear();
            }
        }
        Self(Arc::clone(activity))
    }

    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.0
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // Before the count, so that nobody sees a connection without requests that is idle since an earlier one.
        self.0.idle.set(self.0.now());
        self.0.exchanges.fetch_sub(1, Relaxed);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
