//! What comes late, early, twice or never.

use std::sync::Arc;
use std::time::Duration;

use platform::id;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::sync::Notify;

use crate::support::{Ledger, Site, Verdict, until, within};

/// A site whose consumers soon give up on a predecessor.
async fn impatient(options: PgConnectOptions) -> Site {
    let mut site = Site::new(options).await;
    site.redis.patience.predecessor = Duration::from_millis(300);
    site.redis.patience.first_predecessor = Duration::from_millis(200);
    site
}

#[sqlx::test(migrations = false)]
async fn an_event_waits_for_its_predecessor(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    for sequence in [2, 4, 1, 3, 6, 5] {
        site.add(id::new(), "threads/1", sequence).await;
    }
    let consumer = site.consumer(Ledger::new());
    site.until_effects("threads/1", &[1, 2, 3, 4, 5, 6]).await;
    site.until_acknowledged().await;
    consumer.stop().await;
}

#[sqlx::test(migrations = false)]
async fn an_event_takes_effect_once_however_often_it_comes(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let (first, second) = (id::new(), id::new());
    site.add(first, "threads/1", 1).await;
    site.add(first, "threads/1", 1).await;
    site.add(second, "threads/1", 2).await;
    site.add(first, "threads/1", 1).await;
    // The same place in the order, told again under another id.
    site.add(id::new(), "threads/1", 2).await;
    site.add(second, "threads/1", 2).await;
    site.add(id::new(), "threads/1", 3).await;
    let consumer = site.consumer(Ledger::new());
    site.until_effects("threads/1", &[1, 2, 3]).await;
    site.until_acknowledged().await;
    assert_eq!(site.effects("threads/1").await, [1, 2, 3]);
    consumer.stop().await;
}

#[sqlx::test(migrations = false)]
async fn an_event_whose_predecessor_never_comes_goes_ahead_in_the_end(_: PgPoolOptions, options: PgConnectOptions) {
    let site = impatient(options).await;
    site.add(id::new(), "threads/known", 1).await;
    site.add(id::new(), "threads/known", 3).await;
    site.add(id::new(), "threads/unknown", 7).await;
    site.add(id::new(), "threads/unknown", 8).await;
    let consumer = site.consumer(Ledger::new());
    site.until_effects("threads/known", &[1, 3]).await;
    site.until_effects("threads/unknown", &[7, 8]).await;
    // Too late: the order is kept.
    site.add(id::new(), "threads/known", 2).await;
    site.add(id::new(), "threads/known", 4).await;
    site.until_effects("threads/known", &[1, 3, 4]).await;
    site.until_acknowledged().await;
    consumer.stop().await;
}

#[sqlx::test(migrations = false)]
async fn an_event_waits_as_long_as_a_peer_works_on_its_predecessor(_: PgPoolOptions, options: PgConnectOptions) {
    let site = impatient(options).await;
    let handling = Arc::new(Notify::new());
    let go_on = Arc::new(Notify::new());
    let slow = {
        let (handling, go_on) = (Arc::clone(&handling), Arc::clone(&go_on));
        site.consumer(Ledger::with(move |event| {
            if event.subject == "threads/1" && event.sequence == 1 {
                handling.notify_one();
                return Verdict::Wait(Arc::clone(&go_on));
            }
            Verdict::Done
        }))
    };
    site.add(id::new(), "threads/1", 1).await;
    within(handling.notified()).await;
    // The slow one is busy: all of this is the other one's.
    let fast = site.consumer(Ledger::new());
    site.add(id::new(), "threads/1", 2).await;
    site.add(id::new(), "threads/gap", 2).await;
    // By then the patience with the predecessor is over.
    site.until_effects("threads/gap", &[2]).await;
    assert_eq!(site.effects("threads/1").await, Vec::<i64>::new());
    go_on.notify_one();
    site.until_effects("threads/1", &[1, 2]).await;
    site.until_acknowledged().await;
    slow.stop().await;
    fast.stop().await;
}

#[sqlx::test(migrations = false)]
async fn an_event_waits_as_long_as_its_context_publishes_again_what_was_lost(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let site = impatient(options).await;
    let mut recovering = redis::cmd("SET");
    recovering.arg("handoff:recovering:elsewhere").arg(1);
    let () = site.redis.ask(recovering).await;
    site.add(id::new(), "threads/1", 2).await;
    let relay = site.relay();
    let consumer = site.consumer(Ledger::new());
    // Of another context, which recovers from nothing. When it goes ahead, the patience with the first one is over, too.
    site.record("threads/other", 2).await;
    site.until_effects("threads/other", &[2]).await;
    assert_eq!(site.effects("threads/1").await, Vec::<i64>::new());
    site.add(id::new(), "threads/1", 1).await;
    site.until_effects("threads/1", &[1, 2]).await;
    relay.stop().await;
    consumer.stop().await;
}

#[sqlx::test(migrations = false)]
async fn one_subject_that_waits_does_not_hold_up_the_others(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let go_on = Arc::new(Notify::new());
    let consumer = {
        let go_on = Arc::clone(&go_on);
        site.consumer(Ledger::with(move |event| {
            if event.subject == "threads/slow" {
                return Verdict::Fail(anyhow::anyhow!("not now"));
            }
            go_on.notify_one();
            Verdict::Done
        }))
    };
    site.add(id::new(), "threads/slow", 1).await;
    for number in 0..50 {
        site.add(id::new(), &format!("threads/{number}"), 1).await;
    }
    until(async || site.count("effects where subject <> 'threads/slow'").await == 50).await;
    consumer.stop().await;
}
