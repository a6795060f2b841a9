//! What an event said is taken back, wherever it is.

use platform::events::erasure::{Erased, Erasure, Error};
use platform::events::redis::Config;
use platform::events::{Event, Stream};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use uuid::Uuid;

use crate::support::{Ledger, Site, execute, until, within};

const SECRET: &str = "the name of a person";
/// Tells of the erasure, and is not erased.
const NOTICE: &str = "thing.forgotten";

async fn say(site: &Site, subject: &str, sequence: i64, kind: &'static str, text: &str) {
    let mut tx = site.db.begin().await.unwrap();
    let event = Event {
        org: site.org,
        stream: Stream::Events,
        kind,
        subject: subject.to_owned(),
        sequence,
        cause: None,
        data: serde_json::json!({ "text": text }),
    };
    site.outbox.record(&mut tx, None, event).await.unwrap();
    tx.commit().await.unwrap();
    site.outbox.wake();
}

fn all_of<'a>(site: &Site, subject: &'a str) -> Erased<'a> {
    Erased {
        org: site.org,
        subject,
        mentioning: None,
        except: &[NOTICE],
    }
}

fn erasure(site: &Site) -> Erasure {
    Erasure::new("producer", site.redis.config())
}

/// The events of the stream in which a text occurs.
async fn entries_with(site: &Site, text: &str) -> usize {
    let mut range = redis::cmd("XRANGE");
    range.arg(Stream::Events.key()).arg("-").arg("+");
    let entries: Vec<(String, Vec<String>)> = site.redis.ask(range).await;
    entries
        .iter()
        .filter(|(_, fields)| fields.iter().any(|field| field.contains(text)))
        .count()
}

async fn epoch(site: &Site) -> Uuid {
    sqlx::query_scalar("select epoch from producer.relay_streams where stream = 'handoff:events'")
        .fetch_one(&site.db)
        .await
        .unwrap()
}

/// How often the relay has looked for its newest entry.
async fn looks(site: &Site) -> u64 {
    let mut info = redis::cmd("INFO");
    info.arg("commandstats");
    let stats: String = site.redis.ask(info).await;
    let line = stats
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_xrange:calls="));
    line.and_then(|line| line.split(',').next())
        .map_or(0, |calls| calls.parse().unwrap())
}

async fn until_erased(erasure: &Erasure, site: &Site, what: &Erased<'_>) {
    within(async {
        while !(erasure.scrub(&site.db, what).await.unwrap() && erasure.delete_entries(&site.db, what).await.unwrap()) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[sqlx::test(migrations = false)]
async fn a_subject_is_forgotten_and_the_relay_takes_it_for_no_loss(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let relay = site.relay();
    for sequence in 1..=5 {
        say(&site, "things/1", sequence, "thing.changed", SECRET).await;
        say(&site, "things/2", sequence, "thing.changed", SECRET).await;
    }
    until(async || entries_with(&site, SECRET).await == 10).await;
    until(async || site.published().await == 10).await;
    execute(
        &site.db,
        "insert into producer.parked_events (consumer, event_id, stream, event, error)
         select 'ledger', event_id, stream, data, '' from producer.outbox where sequence = 1",
    )
    .await;
    say(&site, "things/1", 6, NOTICE, "nobody").await;
    let (erasure, before) = (erasure(&site), epoch(&site).await);
    until_erased(&erasure, &site, &all_of(&site, "things/1")).await;
    until(async || site.published().await == 11).await;

    let told = format!("producer.outbox where subject = 'things/1' and data like '%{SECRET}%'");
    assert_eq!(site.count(&told).await, 0);
    assert_eq!(site.count("producer.parked_events").await, 1);
    assert_eq!(site.redis.length(Stream::Events).await, 6);
    assert_eq!(entries_with(&site, SECRET).await, 5);
    assert_eq!(entries_with(&site, "nobody").await, 1);
    let seen = looks(&site).await;
    until(async || looks(&site).await >= seen + 2).await;
    assert_eq!(epoch(&site).await, before, "nothing was lost");
    assert_eq!(site.redis.length(Stream::Events).await, 6);
    relay.stop().await;
}

#[sqlx::test(migrations = false)]
async fn the_newest_entry_stays_until_there_is_a_newer_one(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let relay = site.relay();
    for sequence in 1..=3 {
        say(&site, "things/1", sequence, "thing.changed", SECRET).await;
    }
    until(async || site.published().await == 3).await;
    let (erasure, what, before) = (erasure(&site), all_of(&site, "things/1"), epoch(&site).await);
    assert!(erasure.scrub(&site.db, &what).await.unwrap());
    assert!(!erasure.delete_entries(&site.db, &what).await.unwrap());
    assert_eq!(entries_with(&site, SECRET).await, 1);
    let seen = looks(&site).await;
    until(async || looks(&site).await >= seen + 2).await;
    assert_eq!(epoch(&site).await, before, "nothing was lost");
    say(&site, "things/1", 4, NOTICE, "nobody").await;
    until_erased(&erasure, &site, &what).await;
    assert_eq!(entries_with(&site, SECRET).await, 0);
    relay.stop().await;
}

#[sqlx::test(migrations = false)]
async fn what_a_relay_published_before_it_died_is_found(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let relay = site.relay();
    for sequence in 1..=3 {
        say(&site, "things/1", sequence, "thing.changed", SECRET).await;
        until(async || site.published().await == sequence).await;
    }
    relay.stop().await;
    // As if it had died before it could note where the last one is.
    execute(
        &site.db,
        "delete from producer.outbox_batches where last_event = 3; update producer.outbox_position set read_to = 2",
    )
    .await;
    let relay = site.relay();
    until(async || site.redis.length(Stream::Events).await == 4).await;
    say(&site, "things/1", 4, NOTICE, "nobody").await;
    until_erased(&erasure(&site), &site, &all_of(&site, "things/1")).await;
    assert_eq!(entries_with(&site, SECRET).await, 0);
    relay.stop().await;
}

#[sqlx::test(migrations = false)]
async fn what_is_not_published_yet_is_published_without_what_it_said_and_does_nothing(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let site = Site::new(options).await;
    for sequence in 1..=3 {
        say(&site, "things/1", sequence, "thing.changed", SECRET).await;
    }
    say(&site, "things/1", 4, NOTICE, "nobody").await;
    let (erasure, what) = (erasure(&site), all_of(&site, "things/1"));
    assert!(erasure.scrub(&site.db, &what).await.unwrap());
    assert!(
        !erasure.delete_entries(&site.db, &what).await.unwrap(),
        "a relay may have them in its hands"
    );
    let relay = site.relay();
    let consumer = site.consumer(Ledger::new());
    until_erased(&erasure, &site, &what).await;
    site.until_effects("things/1", &[4]).await;
    site.until_acknowledged().await;
    assert_eq!(site.count("consumer.inbox").await, 4, "the numbers count");
    assert_eq!(entries_with(&site, SECRET).await, 0);
    relay.stop().await;
    consumer.stop().await;
}

#[sqlx::test(migrations = false)]
async fn events_are_chosen_by_what_they_mention(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let relay = site.relay();
    say(&site, "things/1", 1, "thing.changed", "one, the name of a person").await;
    say(&site, "things/1", 2, "thing.changed", "two, the name of a person").await;
    say(&site, "things/1", 3, NOTICE, "one").await;
    let what = Erased {
        mentioning: Some("one"),
        ..all_of(&site, "things/1")
    };
    until_erased(&erasure(&site), &site, &what).await;
    assert_eq!(entries_with(&site, "one, ").await, 0);
    assert_eq!(entries_with(&site, "two, ").await, 1);
    assert_eq!(site.count("producer.outbox where data = 'null'").await, 1);
    relay.stop().await;
}

#[sqlx::test(migrations = false)]
async fn without_redis_it_is_an_error_and_with_it_again_it_goes_on(_: PgPoolOptions, options: PgConnectOptions) {
    let mut site = Site::new(options).await;
    let relay = site.relay();
    say(&site, "things/1", 1, "thing.changed", SECRET).await;
    until(async || site.published().await == 1).await;
    site.redis.save().await;
    site.redis.kill().await;
    say(&site, "things/1", 2, NOTICE, "nobody").await;
    let (erasure, what) = (erasure(&site), all_of(&site, "things/1"));
    assert!(erasure.scrub(&site.db, &what).await.unwrap());
    let error = erasure.delete_entries(&site.db, &what).await.unwrap_err();
    assert!(matches!(error, Error::Redis(_)), "{error}");
    let nowhere = Erasure::new("producer", Config::new("redis://127.0.0.1:1"));
    assert!(matches!(
        nowhere.delete_entries(&site.db, &what).await,
        Err(Error::Redis(_))
    ));
    site.redis.restart().await;
    assert_eq!(entries_with(&site, SECRET).await, 1, "the copy still has it");
    until_erased(&erasure, &site, &what).await;
    assert_eq!(entries_with(&site, SECRET).await, 0);
    relay.stop().await;
}

#[sqlx::test(migrations = false)]
async fn another_organizations_events_and_other_contexts_are_left_alone(_: PgPoolOptions, options: PgConnectOptions) {
    let mut site = Site::new(options).await;
    let relay = site.relay();
    say(&site, "things/1", 1, "thing.changed", SECRET).await;
    // Between the two, so that it is looked at: of a context of another name.
    site.add(Uuid::from_u128(1), "things/1", 1).await;
    let own = site.org;
    site.org = platform::OrgId(platform::id::random());
    say(&site, "things/1", 1, "thing.changed", SECRET).await;
    site.org = own;
    say(&site, "things/1", 2, NOTICE, "nobody").await;
    until_erased(&erasure(&site), &site, &all_of(&site, "things/1")).await;
    assert_eq!(entries_with(&site, SECRET).await, 1);
    assert_eq!(entries_with(&site, "/handoff/elsewhere").await, 1);
    relay.stop().await;
}
