//! The live feed.

use platform::events::{BadPosition, Feed, FeedItem, Stream, Subscription};
use platform::id;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio_util::sync::CancellationToken;

use crate::support::{Site, until, within};

/// A running feed and a subscription that begins before what the test does.
async fn start(site: &Site) -> (Feed, Subscription) {
    let feed = Feed::start(site.redis.config(), CancellationToken::new());
    let subscription = feed.subscribe(None).await.unwrap();
    (feed, subscription)
}

async fn next(subscription: &mut Subscription) -> FeedItem {
    within(subscription.next()).await
}

/// The subject of the next item, which is an event, and where to resume after it.
async fn event(subscription: &mut Subscription) -> (String, String) {
    match next(subscription).await {
        FeedItem::Event { id, subject, .. } => (subject.to_string(), id),
        reset @ FeedItem::Reset { .. } => panic!("{reset:?}"),
    }
}

async fn subjects(subscription: &mut Subscription, number: usize) -> Vec<String> {
    let mut subjects = Vec::new();
    for _ in 0..number {
        subjects.push(event(subscription).await.0);
    }
    subjects
}

async fn add(site: &Site, numbers: std::ops::RangeInclusive<u32>) {
    for number in numbers {
        site.add(id::new(), &format!("threads/{number}"), 1).await;
    }
}

fn threads(numbers: std::ops::RangeInclusive<u32>) -> Vec<String> {
    numbers.map(|number| format!("threads/{number}")).collect()
}

#[sqlx::test(migrations = false)]
async fn every_subscriber_sees_every_event_of_both_streams(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let (feed, mut first) = start(&site).await;
    let mut second = feed.subscribe(None).await.unwrap();
    let relay = site.relay();
    site.record("escalations/1", 1).await;
    for subscription in [&mut first, &mut second] {
        let FeedItem::Event {
            json,
            org,
            kind,
            subject,
            ..
        } = next(subscription).await
        else {
            panic!("not an event");
        };
        assert_eq!((org, &*kind, &*subject), (site.org, "thing.changed", "escalations/1"));
        let event: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(event["sequence"], "1");
    }
    site.record("threads/1", 1).await;
    assert_eq!(subjects(&mut first, 1).await, ["threads/1"]);
    assert_eq!(subjects(&mut second, 1).await, ["threads/1"]);
    relay.stop().await;
}

#[sqlx::test(migrations = false)]
async fn who_comes_back_misses_nothing_and_sees_nothing_twice(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let (feed, mut subscription) = start(&site).await;
    add(&site, 1..=5).await;
    subjects(&mut subscription, 2).await;
    let (subject, position) = event(&mut subscription).await;
    assert_eq!(subject, "threads/3");
    drop(subscription);
    add(&site, 6..=7).await;
    // In the process he knows, and in another one that began later.
    let (other, _subscription) = start(&site).await;
    for feed in [feed, other] {
        let mut subscription = feed.subscribe(Some(&position)).await.unwrap();
        assert_eq!(subjects(&mut subscription, 4).await, threads(4..=7));
    }
}

#[sqlx::test(migrations = false)]
async fn nothing_is_lost_between_catching_up_and_live(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let (first, mut subscription) = start(&site).await;
    add(&site, 1..=1).await;
    let (_, position) = event(&mut subscription).await;
    drop((first, subscription));
    // More than a page of the past, in both streams, while the present goes on.
    add(&site, 2..=250).await;
    let relay = site.relay();
    site.record_all("escalations/1", 1..=50).await;
    until(async || site.published().await == 50).await;
    let (feed, _subscription) = start(&site).await;
    let mut subscription = feed.subscribe(Some(&position)).await.unwrap();
    let reading = async {
        let mut seen = Vec::new();
        for _ in 0..449 {
            seen.push(event(&mut subscription).await.0);
        }
        seen
    };
    let ((), seen) = tokio::join!(add(&site, 251..=400), reading);
    let (escalations, events): (Vec<String>, Vec<String>) =
        seen.into_iter().partition(|subject| subject == "escalations/1");
    assert_eq!(escalations.len(), 50);
    assert_eq!(events, threads(2..=400));
    relay.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_position_whose_successors_were_trimmed_is_answered_with_one_reset(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let site = Site::new(options).await;
    let (first, mut subscription) = start(&site).await;
    add(&site, 1..=30).await;
    let (_, position) = event(&mut subscription).await;
    drop((first, subscription));
    let mut trim = redis::cmd("XTRIM");
    trim.arg(Stream::Events.key()).arg("MAXLEN").arg(5);
    let _trimmed: i64 = site.redis.ask(trim).await;
    let (feed, _subscription) = start(&site).await;
    let mut subscription = feed.subscribe(Some(&position)).await.unwrap();
    let FeedItem::Reset { id } = next(&mut subscription).await else {
        panic!("not a reset");
    };
    add(&site, 31..=33).await;
    assert_eq!(subjects(&mut subscription, 3).await, threads(31..=33));
    let mut again = feed.subscribe(Some(&id)).await.unwrap();
    assert_eq!(subjects(&mut again, 3).await, threads(31..=33));
}

#[sqlx::test(migrations = false)]
async fn a_position_from_before_a_flush_is_answered_with_a_reset(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let (first, mut subscription) = start(&site).await;
    add(&site, 1..=3).await;
    let (_, position) = event(&mut subscription).await;
    drop((first, subscription));
    let () = site.redis.ask(redis::cmd("FLUSHALL")).await;
    add(&site, 4..=5).await;
    let (feed, _subscription) = start(&site).await;
    let mut subscription = feed.subscribe(Some(&position)).await.unwrap();
    assert!(matches!(next(&mut subscription).await, FeedItem::Reset { .. }));
    add(&site, 6..=7).await;
    assert_eq!(subjects(&mut subscription, 2).await, threads(6..=7));
}

#[sqlx::test(migrations = false)]
async fn who_listens_during_a_flush_is_told(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let (_feed, mut subscription) = start(&site).await;
    add(&site, 1..=3).await;
    assert_eq!(subjects(&mut subscription, 3).await, threads(1..=3));
    let () = site.redis.ask(redis::cmd("FLUSHALL")).await;
    assert!(matches!(next(&mut subscription).await, FeedItem::Reset { .. }));
    add(&site, 4..=5).await;
    assert_eq!(subjects(&mut subscription, 2).await, threads(4..=5));
}

#[sqlx::test(migrations = false)]
async fn who_listens_while_an_older_copy_takes_over_is_told(_: PgPoolOptions, options: PgConnectOptions) {
    let mut site = Site::new(options).await;
    let (_feed, mut subscription) = start(&site).await;
    add(&site, 1..=3).await;
    site.redis.save().await;
    add(&site, 4..=5).await;
    assert_eq!(subjects(&mut subscription, 5).await, threads(1..=5));
    site.redis.kill().await;
    site.redis.restart().await;
    assert!(matches!(next(&mut subscription).await, FeedItem::Reset { .. }));
    add(&site, 6..=7).await;
    assert_eq!(subjects(&mut subscription, 2).await, threads(6..=7));
}

#[sqlx::test(migrations = false)]
async fn redis_that_comes_back_as_it_was_interrupts_nobody(_: PgPoolOptions, options: PgConnectOptions) {
    let mut site = Site::new(options).await;
    let (_feed, mut subscription) = start(&site).await;
    add(&site, 1..=3).await;
    assert_eq!(subjects(&mut subscription, 3).await, threads(1..=3));
    site.redis.save().await;
    site.redis.kill().await;
    site.redis.restart().await;
    add(&site, 4..=5).await;
    assert_eq!(subjects(&mut subscription, 2).await, threads(4..=5));
}

#[sqlx::test(migrations = false)]
async fn a_position_in_the_future_is_answered_with_a_reset(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let (feed, _subscription) = start(&site).await;
    add(&site, 1..=1).await;
    let mut subscription = feed.subscribe(Some("0-0,99999999999999-0")).await.unwrap();
    assert!(matches!(next(&mut subscription).await, FeedItem::Reset { .. }));
    add(&site, 2..=2).await;
    assert_eq!(subjects(&mut subscription, 1).await, threads(2..=2));
}

#[sqlx::test(migrations = false)]
async fn a_text_that_is_no_position_is_refused(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let feed = Feed::start(site.redis.config(), CancellationToken::new());
    assert_eq!(feed.subscribe(Some("yesterday")).await.unwrap_err(), BadPosition);
}

#[sqlx::test(migrations = false)]
async fn nothing_is_read_before_somebody_subscribes(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let readers = async || {
        let mut command = redis::cmd("CLIENT");
        command.arg("LIST");
        let clients: String = site.redis.ask(command).await;
        clients.matches("cmd=xread ").count()
    };
    let resting = Feed::start(site.redis.config(), CancellationToken::new());
    // One that began later and is read by now shows that the first one had the time to.
    let (_feed, mut subscription) = start(&site).await;
    add(&site, 1..=3).await;
    assert_eq!(subjects(&mut subscription, 3).await, threads(1..=3));
    until(async || readers().await > 0).await;
    assert_eq!(readers().await, 1);
    let mut late = resting.subscribe(None).await.unwrap();
    until(async || readers().await == 2).await;
    add(&site, 4..=4).await;
    assert_eq!(subjects(&mut late, 1).await, threads(4..=4));
}

#[sqlx::test(migrations = false)]
async fn a_feed_waits_for_redis(_: PgPoolOptions, options: PgConnectOptions) {
    let mut site = Site::new(options).await;
    site.redis.kill().await;
    let feed = Feed::start(site.redis.config(), CancellationToken::new());
    let mut fresh = feed.subscribe(None).await.unwrap();
    let mut resumed = feed.subscribe(Some("5-5,6-6")).await.unwrap();
    site.redis.restart().await;
    assert!(matches!(next(&mut fresh).await, FeedItem::Reset { .. }));
    assert!(matches!(next(&mut resumed).await, FeedItem::Reset { .. }));
    add(&site, 1..=2).await;
    assert_eq!(subjects(&mut fresh, 2).await, threads(1..=2));
    assert_eq!(subjects(&mut resumed, 2).await, threads(1..=2));
}
