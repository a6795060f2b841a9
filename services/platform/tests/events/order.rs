//! What comes late, early, twice or never.

use std::sync::Arc;
use std::time::Duration;

use platform::events::Stream;
use platform::id;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::sync::Notify;

use crate::support::{Ledger, Site, Verdict, until};

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
async fn an_event_waits_as_long_as_a_peer_has_its_predecessor(_: PgPoolOptions, options: PgConnectOptions) {
    let mut site = impatient(options).await;
    // Nobody takes over from the peer while it is alive.
    site.redis.patience.claim = Duration::from_hours(1);
    site.add(id::new(), "threads/1", 1).await;
    let entry = site.give_to("a peer").await;
    let first = site.consumer(Ledger::new());
    site.add(id::new(), "threads/1", 2).await;
    site.add(id::new(), "threads/gap", 2).await;
    // By then the patience with the predecessor is over.
    site.until_effects("threads/gap", &[2]).await;
    assert_eq!(site.effects("threads/1").await, Vec::<i64>::new());
    let mut idle = redis::cmd("XCLAIM");
    idle.arg(Stream::Events.key())
        .arg("ledger")
        .arg("a peer")
        .arg(0)
        .arg(entry)
        .arg("IDLE")
        .arg(2 * 60 * 60 * 1000);
    let _claimed: redis::Value = site.redis.ask(idle).await;
    let second = site.consumer(Ledger::new());
    site.until_effects("threads/1", &[1, 2]).await;
    site.until_acknowledged().await;
    first.stop().await;
    second.stop().await;
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
