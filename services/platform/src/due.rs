//! What falls due by the clock of the database.

use std::error::Error;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::events::Outbox;
use crate::fault;

/// What is due is looked for this often.
const EVERY: Duration = Duration::from_secs(1);

/// Lets `step` do some of what is due, again and again until `stop`; it says how much it did. Any number of replicas may
/// do so at once, because a step skips the rows that another one has locked.
///
/// What was done adds to `counter`, and its events are published at once. A failure is logged, and tried again: `what`
/// waits meanwhile.
///
/// # Errors
/// Never; a task of a server may fail.
pub async fn run<E, F>(
    what: &'static str,
    counter: &'static str,
    outbox: &Outbox,
    stop: CancellationToken,
    step: impl Fn() -> F,
) -> anyhow::Result<()>
where
    E: Error,
    F: Future<Output = Result<u64, E>>,
{
    let mut every = interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = stop.cancelled() => return Ok(()),
        }
        match step().await {
            Ok(0) => {}
            Ok(done) => {
                outbox.wake();
                metrics::counter!(counter).increment(done);
            }
            Err(error) => tracing::warn!(what, error = %fault::chain(&error), "what is due waits for the database"),
        }
    }
}
