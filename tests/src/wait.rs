//! Waiting for something to become true: the only place where a test lets time pass.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Whatever has not happened by then is taken for something that never will.
pub const PATIENCE: Duration = Duration::from_secs(30);

const PAUSE: Duration = Duration::from_millis(15);

/// Waits until `look` finds something. `what` says in a failure what did not happen.
pub async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, look).await
}

/// The same with a deadline that somebody was promised.
pub async fn within<T>(deadline: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(
            started.elapsed() < deadline,
            "did not happen within {deadline:?}: {what}"
        );
        sleep(PAUSE).await;
    }
}
