//! Failed authentications by address, so that keys can't be guessed at leisure.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tonic::Status;

use crate::fault::{self, Kind};

/// Failures an address may have within [`WINDOW`].
const ALLOWED: u32 = 20;
const WINDOW: Duration = Duration::from_mins(1);
/// Addresses kept; when there are more the old ones are forgotten, or all.
const KEPT: usize = 20_000;

/// The failures of each address within its current window.
#[derive(Default)]
pub(super) struct Failures(Mutex<HashMap<IpAddr, Window>>);

struct Window {
    count: u32,
    since: Instant,
}

impl Failures {
    /// Counts one more. A valid key is never refused by this, because it is only asked after the key was found not to be
    /// valid.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when the address has had too many.
    pub(super) fn count(&self, address: IpAddr) -> Result<(), Status> {
        let mut windows = self.0.lock();
        if windows.len() >= KEPT {
            windows.retain(|_, window| window.since.elapsed() < WINDOW);
            if windows.len() >= KEPT {
                windows.clear();
            }
        }
        let new = || Window {
            count: 0,
            since: Instant::now(),
        };
        let window = windows.entry(address).or_insert_with(new);
        if window.since.elapsed() >= WINDOW {
            *window = new();
        }
        window.count = window.count.saturating_add(1);
        if window.count > ALLOWED {
            return Err(fault::refuse(
                Kind::Exhausted,
                "TOO_MANY_FAILED_AUTHENTICATIONS",
                "too many failed authentications, slow down",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn an_address_that_fails_too_often_is_told_to_slow_down_and_no_other() {
        let failures = Failures::default();
        let (busy, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        for _ in 0..ALLOWED {
            failures.count(busy).unwrap();
        }
        assert_eq!(failures.count(busy).unwrap_err().code(), Code::ResourceExhausted);
        failures.count(other).unwrap();
    }
}
