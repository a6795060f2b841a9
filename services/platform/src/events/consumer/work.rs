//! What a consumer has been given and not finished.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use futures::StreamExt as _;
use tokio::time::Instant;

use super::inbox::{Inbox, Outcome};
use crate::access::OrgId;
use crate::events::redis::{Entry, Id, Patience};
use crate::events::{Consumer, Received, Stream, envelope, metrics as names};

/// An event that has failed so often is parked.
pub(super) const MAX_DELIVERIES: u32 = 8;
/// Unfinished events on the desk; at that many nothing more is read.
const DESK: usize = 1000;
/// Subjects worked on side by side: each takes a database connection of the context.
const SIDE_BY_SIDE: usize = 4;
/// First wait for a predecessor, which mostly is with a peer right now; it doubles.
const GLANCE: Duration = Duration::from_millis(20);
const LONGEST_GLANCE: Duration = Duration::from_millis(500);

/// Where an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key(pub(super) Stream, pub(super) Id);

/// An entry as it was given to this process.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) key: Key,
    pub(super) entry: Entry,
    /// Deliveries before this one that were not finished.
    pub(super) failures: u32,
}

/// An event that is wanted and has not taken effect.
#[derive(Debug)]
pub(super) struct Open {
    key: Key,
    pub(super) event: Received,
    json: String,
    failures: u32,
    /// Attempts in a row that ended the same way, for the length of the next wait.
    attempts: u32,
    due: Instant,
    /// Since when the predecessor is missing, and whether anything is known of the subject.
    missing: Option<(Instant, bool)>,
    /// The end of the stream when patience ran out.
    pub(super) barrier: Option<Id>,
    /// It goes without its predecessor.
    ahead: bool,
}

/// What a round of work came to.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) finished: Vec<Key>,
    pub(super) failed: Vec<(Key, u32)>,
    pub(super) database_is_away: bool,
}

pub(super) struct Desk<'a, C> {
    consumer: &'a C,
    inbox: &'a Inbox,
    patience: Patience,
    open: BTreeMap<Key, Open>,
    /// Entries that are nothing to this consumer.
    skipped: Vec<Key>,
}

impl<'a, C: Consumer> Desk<'a, C> {
    pub(super) fn new(consumer: &'a C, inbox: &'a Inbox, patience: Patience) -> Self {
        Self {
            consumer,
            inbox,
            patience,
            open: BTreeMap::new(),
            skipped: Vec::new(),
        }
    }

    /// Puts entries on the desk.
    pub(super) fn take(&mut self, deliveries: Vec<Delivery>) {
        for Delivery { key, entry, failures } in deliveries {
            if entry.deleted || (!entry.kind.is_empty() && !self.consumer.wants(&entry.kind)) {
                self.skipped.push(key);
                continue;
            }
            match envelope::decode(&entry.event) {
                Ok(event) if self.consumer.wants(&event.kind) => {
                    self.open.insert(
                        key,
                        Open {
                            key,
                            event,
                            json: entry.event,
                            failures,
                            attempts: 0,
                            due: Instant::now(),
                            missing: None,
                            barrier: None,
                            ahead: false,
                        },
                    );
                }
                Ok(_) => self.skipped.push(key),
                Err(error) => {
                    tracing::warn!(group = self.consumer.group(), stream = key.0.key(), id = %key.1, %error,
                        "a stream entry is no event");
                    metrics::counter!(names::MALFORMED, "group" => self.consumer.group()).increment(1);
                    self.skipped.push(key);
                }
            }
        }
    }

    pub(super) fn has(&self, key: Key) -> bool {
        self.open.contains_key(&key)
    }

    pub(super) fn room(&self) -> usize {
        DESK.saturating_sub(self.open.len())
    }

    /// What is on the desk, by how often it failed.
    pub(super) fn kept(&self, stream: Stream) -> BTreeMap<u32, Vec<String>> {
        let mut kept: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for open in self.open.values().filter(|open| open.key.0 == stream) {
            kept.entry(open.failures).or_default().push(open.key.1.to_string());
        }
        kept
    }

    /// When something has to be tried again.
    pub(super) fn next_due(&self) -> Option<Instant> {
        if !self.skipped.is_empty() {
            return Some(Instant::now());
        }
        let mut first: HashMap<(OrgId, &str), (i64, Instant)> = HashMap::new();
        for open in self.open.values() {
            let turn = (open.event.sequence, open.due);
            first
                .entry((open.event.org, &open.event.subject))
                .and_modify(|first| *first = turn.min(*first))
                .or_insert(turn);
        }
        first.into_values().map(|(_, due)| due).min()
    }

    /// Works on every subject whose first event is due.
    pub(super) async fn work(&mut self) -> Done {
        let mut subjects: HashMap<(OrgId, &str), Vec<(i64, Key)>> = HashMap::new();
        for open in self.open.values() {
            subjects
                .entry((open.event.org, &open.event.subject))
                .or_default()
                .push((open.event.sequence, open.key));
        }
        let now = Instant::now();
        let mut due: Vec<Vec<Key>> = Vec::with_capacity(subjects.len());
        for mut turns in subjects.into_values() {
            // By sequence: what is published again comes after what it belongs before.
            turns.sort_unstable();
            let keys: Vec<Key> = turns.into_iter().map(|(_, key)| key).collect();
            if self.open[&keys[0]].due <= now {
                due.push(keys);
            }
        }
        // The oldest first.
        due.sort_unstable();
        let due: Vec<Vec<Open>> = due
            .into_iter()
            .map(|keys| keys.iter().filter_map(|key| self.open.remove(key)).collect())
            .collect();
        let mut done = Done {
            finished: std::mem::take(&mut self.skipped),
            ..Done::default()
        };
        {
            let this = &*self;
            let away = std::sync::atomic::AtomicBool::new(false);
            let rounds: Vec<Round> = futures::stream::iter(due)
                .map(|subject| this.work_on(subject, &away))
                .buffer_unordered(SIDE_BY_SIDE)
                .collect()
                .await;
            done.database_is_away = away.into_inner();
            let mut open = Vec::new();
            for round in rounds {
                done.finished.extend(round.finished);
                done.failed.extend(round.failed);
                open.extend(round.open);
            }
            self.open.extend(open.into_iter().map(|open| (open.key, open)));
        }
        done
    }

    /// Works on the events of one subject, in order, until one can't be finished.
    async fn work_on(&self, subject: Vec<Open>, away: &std::sync::atomic::AtomicBool) -> Round {
        use std::sync::atomic::Ordering::Relaxed;
        let mut round = Round::default();
        let mut events = subject.into_iter();
        for mut open in events.by_ref() {
            if away.load(Relaxed) {
                round.open.push(open);
                break;
            }
            let outcome = if open.failures >= MAX_DELIVERIES {
                Outcome::Failed(anyhow::anyhow!("no process that it was given to finished it"))
            } else {
                self.inbox.deliver(self.consumer, &open.event, open.ahead).await
            };
            let error = match outcome {
                Outcome::Finished => {
                    round.finished.push(open.key);
                    continue;
                }
                Outcome::Ahead { known } => {
                    open.wait_for_predecessor(known);
                    round.open.push(open);
                    break;
                }
                Outcome::Unavailable(error) => {
                    open.wait(self.patience.retry, Patience::LONGEST_RETRY);
                    tracing::warn!(group = self.consumer.group(), event = %open.event.id, kind = open.event.kind,
                        error = format!("{error:#}"), "a neighbour is not available, the event waits");
                    round.open.push(open);
                    break;
                }
                Outcome::DatabaseIsAway(error) => {
                    tracing::warn!(
                        group = self.consumer.group(),
                        error = format!("{error:#}"),
                        "the database is not available, events wait"
                    );
                    away.store(true, Relaxed);
                    round.open.push(open);
                    break;
                }
                Outcome::Failed(error) => error,
            };
            metrics::counter!(names::FAILED, "group" => self.consumer.group()).increment(1);
            open.failures = (open.failures + 1).min(MAX_DELIVERIES);
            if open.failures < MAX_DELIVERIES {
                tracing::warn!(group = self.consumer.group(), event = %open.event.id, kind = open.event.kind,
                    failures = open.failures, error = format!("{error:#}"), "an event failed, it will be tried again");
                open.wait(self.patience.retry, Patience::LONGEST_RETRY);
                round.failed.push((open.key, open.failures));
                round.open.push(open);
                break;
            }
            match self.inbox.park(open.key.0, &open.event, &open.json, &error).await {
                Ok(()) => {
                    tracing::error!(group = self.consumer.group(), event = %open.event.id, kind = open.event.kind,
                        subject = open.event.subject, error = format!("{error:#}"), "an event was parked");
                    metrics::counter!(names::PARKED, "group" => self.consumer.group()).increment(1);
                    round.finished.push(open.key);
                }
                Err(error) => {
                    tracing::warn!(group = self.consumer.group(), event = %open.event.id, %error, "an event could not be parked");
                    open.wait(self.patience.retry, Patience::LONGEST_RETRY);
                    round.open.push(open);
                    break;
                }
            }
        }
        round.open.extend(events);
        round
    }

    /// Whether the database answers.
    pub(super) async fn database_is_back(&self) -> bool {
        self.inbox.answers().await
    }

    /// The events whose patience with their predecessor is over.
    pub(super) fn impatient(&self) -> Vec<Key> {
        let mut first = HashSet::new();
        let mut impatient = Vec::new();
        let mut open: Vec<&Open> = self.open.values().collect();
        open.sort_unstable_by_key(|open| open.event.sequence);
        for open in open {
            // Whoever has another event of the subject before it on the desk waits for that one.
            if first.insert((open.event.org, open.event.subject.as_str()))
                && let Some((since, known)) = open.missing
                && !open.ahead
            {
                let patience = if known {
                    self.patience.predecessor
                } else {
                    self.patience.first_predecessor
                };
                if since.elapsed() >= patience {
                    impatient.push(open.key);
                }
            }
        }
        impatient
    }

    /// Gives predecessors their time anew: while Redis could not be reached they could not come.
    pub(super) fn be_patient(&mut self) {
        for open in self.open.values_mut() {
            open.missing = None;
            open.barrier = None;
        }
    }

    pub(super) fn waiting(&mut self, key: Key) -> Option<&mut Open> {
        self.open.get_mut(&key)
    }

    /// Lets an event take effect without its predecessor.
    pub(super) fn go_ahead(&mut self, key: Key) {
        if let Some(open) = self.open.get_mut(&key) {
            tracing::warn!(group = self.consumer.group(), event = %open.event.id, subject = open.event.subject,
                sequence = open.event.sequence, "the predecessor of an event never came, it goes ahead");
            metrics::counter!(names::GAPS, "group" => self.consumer.group()).increment(1);
            open.ahead = true;
            open.due = Instant::now();
        }
    }
}

#[derive(Default)]
struct Round {
    finished: Vec<Key>,
    failed: Vec<(Key, u32)>,
    open: Vec<Open>,
}

impl Open {
    fn wait(&mut self, first: Duration, longest: Duration) {
        let wait = first.saturating_mul(1 << self.attempts.min(16)).min(longest);
        self.attempts += 1;
        self.due = Instant::now() + wait;
    }

    fn wait_for_predecessor(&mut self, known: bool) {
        let (since, _) = self.missing.unwrap_or((Instant::now(), known));
        self.missing = Some((since, known));
        self.wait(GLANCE, LONGEST_GLANCE);
    }
}
