//! The loop that sends what is due.

use std::time::Duration;

use platform::{Db, fault};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::Mailer;
use crate::store::{Due, Outcome, Store};

/// How often the queue is looked at.
const POLL: Duration = Duration::from_secs(1);
/// Mails that are under way at the same time: a slow one holds up a place, not the others.
const AT_ONCE: usize = 8;
/// What is under way when the process stops gets this long. What does not make it is sent again, later.
const FINISH: Duration = Duration::from_secs(5);

/// How often mails that are long done are forgotten.
const PURGE: Duration = Duration::from_mins(10);

/// Sends what is due until `stop`. Failures are recorded with the mail; what can't be recorded is due again when its lease
/// ends.
pub async fn run(db: Db, mailer: Mailer, stop: CancellationToken) {
    let mut under_way = JoinSet::new();
    let mut poll = interval(POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut purge = interval(PURGE);
    purge.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reachable = true;
    loop {
        tokio::select! {
            _ = poll.tick() => {}
            _ = purge.tick() => {
                if let Err(error) = Store::purge_lead_mails(&db).await {
                    tracing::warn!(error = fault::chain(&error), "old lead mails can't be forgotten yet");
                }
            }
            Some(_) = under_way.join_next() => {}
            () = stop.cancelled() => break,
        }
        // No more than can begin at once, so that no lease runs out in a queue.
        let places = AT_ONCE - under_way.len();
        if places == 0 {
            continue;
        }
        match Store::lease_lead_mails(&db, i64::try_from(places).unwrap_or_default()).await {
            Ok(due) => {
                reachable = true;
                for mail in due {
                    under_way.spawn(attempt(db.clone(), mailer.clone(), mail));
                }
            }
            Err(error) => {
                if reachable {
                    tracing::warn!(error = fault::chain(&error), "lead mails can't be read, they wait");
                }
                reachable = false;
            }
        }
    }
    let _ = timeout(FINISH, under_way.join_all()).await;
}

async fn attempt(db: Db, mailer: Mailer, mail: Due) {
    let outcome = mailer.send(&mail).await;
    let name = match outcome {
        Outcome::Sent => "sent",
        Outcome::Postponed(_) => "postponed",
        Outcome::Refused(_) => "refused",
    };
    metrics::counter!("settings_lead_mail_attempts_total", "outcome" => name).increment(1);
    tracing::info!(mail = %mail.id, attempt = mail.attempt, outcome = name, "attempted a lead mail");
    if let Err(error) = Store::finish_lead_mail(&db, &mail, outcome).await {
        tracing::warn!(mail = %mail.id, error = fault::chain(&error), "the outcome of a lead mail can't be recorded");
    }
}
