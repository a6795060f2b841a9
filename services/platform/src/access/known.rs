//! The callers behind keys that were resolved lately.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::RwLock;

use super::Caller;

/// Answers are used without asking again for this long: so long does a revoked key live.
const FRESH: Duration = Duration::from_secs(5);
/// From this age on an answer is renewed in the background, so that a busy key never waits.
const RENEW: Duration = Duration::from_secs(3);
/// While settings can't be reached, a known key is honoured for this long.
const STALE: Duration = Duration::from_mins(1);
/// Callers kept; when there are more the old ones are forgotten, or all.
const KEPT: usize = 20_000;

/// Callers by the digests of their keys.
#[derive(Default)]
pub(super) struct Known(RwLock<HashMap<[u8; 32], Entry>>);

struct Entry {
    caller: Caller,
    at: Instant,
    renewing: AtomicBool,
}

/// What a known caller is good for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// He is let in.
    Fresh,
    /// He is let in; whoever is told this is the one to ask again.
    ToRenew,
    /// He is let in if settings can't be asked.
    Stale,
}

impl Known {
    pub(super) fn get(&self, name: &[u8; 32]) -> Option<(Caller, Age)> {
        let known = self.0.read();
        let entry = known.get(name)?;
        let age = match entry.at.elapsed() {
            age if age >= STALE => return None,
            age if age >= FRESH => Age::Stale,
            age if age > RENEW && !entry.renewing.swap(true, Ordering::Relaxed) => Age::ToRenew,
            _ => Age::Fresh,
        };
        Some((entry.caller.clone(), age))
    }

    pub(super) fn insert(&self, name: [u8; 32], caller: Caller) {
        let mut known = self.0.write();
        if known.len() >= KEPT {
            known.retain(|_, entry| entry.at.elapsed() < STALE);
            if known.len() >= KEPT {
                known.clear();
            }
        }
        let entry = Entry {
            caller,
            at: Instant::now(),
            renewing: AtomicBool::new(false),
        };
        known.insert(name, entry);
    }

    /// The renewal has failed: the next who asks may try again.
    pub(super) fn not_renewed(&self, name: &[u8; 32]) {
        if let Some(entry) = self.0.read().get(name) {
            entry.renewing.store(false, Ordering::Relaxed);
        }
    }

    pub(super) fn forget(&self, name: &[u8; 32]) {
        self.0.write().remove(name);
    }
}
