//! A Redis that loses what it was given.

use std::collections::BTreeMap;

use platform::events::Stream;
use sqlx::Row as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::support::{Ledger, Site, execute, until};

async fn flush(site: &Site) {
    let () = site.redis.ask(redis::cmd("FLUSHALL")).await;
}

/// The stream id of each event that was published.
async fn stream_ids(site: &Site) -> BTreeMap<i64, Option<String>> {
    let rows = sqlx::query(
        "select sequence, place.stream_id
         from producer.outbox_batches b, unnest(b.events, b.stream_ids) as place (event, stream_id)
         join producer.outbox o on o.id = place.event",
    )
    .fetch_all(&site.db)
    .await
    .unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

async fn all_are_there(site: &Site, events: usize) {
    until(async || site.redis.length(Stream::Escalations).await >= events).await;
    until(async || site.published().await == i64::try_from(events).unwrap()).await;
}

#[sqlx::test(migrations = false)]
async fn what_a_flush_removed_before_anybody_read_it_is_delivered(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let relay = site.relay();
    site.record_all("escalations/1", 1..=40).await;
    all_are_there(&site, 40).await;
    flush(&site).await;
    all_are_there(&site, 40).await;
    let consumer = site.consumer(Ledger::new());
    site.until_effects("escalations/1", &(1..=40).collect::<Vec<_>>()).await;
    site.until_acknowledged().await;
    relay.stop().await;
    consumer.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_flush_in_the_middle_repeats_no_effect_and_loses_none(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let relay = site.relay();
    let consumer = site.consumer(Ledger::new());
    let subjects: Vec<String> = (0..10).map(|number| format!("escalations/{number}")).collect();
    let recording = futures::future::join_all(subjects.iter().map(|subject| site.record_all(subject, 1..=40)));
    let flushing = async {
        for events in [50, 150, 250] {
            until(async || site.count("effects").await >= events).await;
            flush(&site).await;
        }
    };
    tokio::join!(recording, flushing);
    for subject in &subjects {
        site.until_effects(subject, &(1..=40).collect::<Vec<_>>()).await;
    }
    until(async || site.published().await == 400).await;
    assert_eq!(site.count("effects").await, 400);
    relay.stop().await;
    consumer.stop().await;
}

#[sqlx::test(migrations = false)]
async fn redis_killed_and_back_empty_costs_no_event(_: PgPoolOptions, options: PgConnectOptions) {
    let mut site = Site::new(options).await;
    let relay = site.relay();
    let consumer = site.consumer(Ledger::new());
    site.record_all("escalations/1", 1..=20).await;
    site.until_effects("escalations/1", &(1..=20).collect::<Vec<_>>()).await;
    consumer.kill().await;
    site.record_all("escalations/1", 21..=40).await;
    until(async || site.published().await == 40).await;
    site.redis.kill().await;
    site.record_all("escalations/1", 41..=60).await;
    site.redis.restart().await;
    all_are_there(&site, 60).await;
    let consumer = site.consumer(Ledger::new());
    site.until_effects("escalations/1", &(1..=60).collect::<Vec<_>>()).await;
    site.until_acknowledged().await;
    assert_eq!(site.count("effects").await, 60);
    relay.stop().await;
    consumer.stop().await;
}

#[sqlx::test(migrations = false)]
async fn after_a_failover_to_an_older_copy_exactly_what_is_missing_is_published_again(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let mut site = Site::new(options).await;
    let relay = site.relay();
    site.record_all("escalations/1", 1..=10).await;
    until(async || site.published().await == 10).await;
    site.redis.save().await;
    site.record_all("escalations/1", 11..=20).await;
    until(async || site.published().await == 20).await;
    let before = stream_ids(&site).await;
    site.redis.kill().await;
    site.redis.restart().await;
    all_are_there(&site, 20).await;
    let after = stream_ids(&site).await;
    for (sequence, id) in before {
        assert_eq!(after[&sequence] == id, sequence <= 10, "{sequence}");
    }
    assert_eq!(site.redis.length(Stream::Escalations).await, 20);
    let consumer = site.consumer(Ledger::new());
    site.until_effects("escalations/1", &(1..=20).collect::<Vec<_>>()).await;
    site.until_acknowledged().await;
    relay.stop().await;
    consumer.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_loss_while_no_relay_ran_is_noticed_by_the_next_one(_: PgPoolOptions, options: PgConnectOptions) {
    let mut site = Site::new(options).await;
    let relay = site.relay();
    site.record_all("escalations/1", 1..=5).await;
    until(async || site.published().await == 5).await;
    site.redis.save().await;
    site.record_all("escalations/1", 6..=9).await;
    until(async || site.published().await == 9).await;
    relay.stop().await;
    site.redis.kill().await;
    site.redis.restart().await;
    assert_eq!(site.redis.length(Stream::Escalations).await, 5);
    let relay = site.relay();
    all_are_there(&site, 9).await;
    relay.stop().await;
}

#[sqlx::test(migrations = false)]
async fn what_a_relay_found_lost_before_it_died_is_published_by_the_next_one(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let site = Site::new(options).await;
    let relay = site.relay();
    site.record_all("escalations/1", 1..=3).await;
    site.record_all("threads/1", 1..=3).await;
    until(async || site.published().await == 6).await;
    relay.stop().await;
    execute(
        &site.db,
        "update producer.outbox_batches set lost = true, stream_ids = array_fill(null::text, array[cardinality(events)])
         where stream = 'handoff:events'",
    )
    .await;
    assert_eq!(site.count("producer.outbox_unpublished").await, 3);
    let relay = site.relay();
    until(async || site.redis.length(Stream::Events).await == 6).await;
    until(async || site.published().await == 6).await;
    assert_eq!(site.redis.length(Stream::Escalations).await, 3);
    assert_eq!(
        site.count("producer.outbox_batches where array_position(stream_ids, null) > 0")
            .await,
        0
    );
    relay.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_stream_that_somebody_deleted_comes_back(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let relay = site.relay();
    let consumer = site.consumer(Ledger::new());
    site.record_all("escalations/1", 1..=5).await;
    site.record_all("threads/1", 1..=5).await;
    site.until_effects("escalations/1", &[1, 2, 3, 4, 5]).await;
    let mut delete = redis::cmd("DEL");
    delete.arg(Stream::Escalations.key());
    let _deleted: i64 = site.redis.ask(delete).await;
    until(async || site.redis.length(Stream::Escalations).await == 5).await;
    assert_eq!(site.redis.length(Stream::Events).await, 5);
    site.record("escalations/1", 6).await;
    site.until_effects("escalations/1", &[1, 2, 3, 4, 5, 6]).await;
    relay.stop().await;
    consumer.stop().await;
}

#[sqlx::test(migrations = false)]
async fn what_is_older_than_a_day_is_not_published_again(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let relay = site.relay();
    site.record_all("escalations/1", 1..=2).await;
    until(async || site.published().await == 2).await;
    // As if these had been published the day before yesterday.
    sqlx::query(
        "update producer.outbox_batches set published_at = now() - interval '48 hours',
                stream_ids = array(select '1000-' || event from unnest(events) as event)",
    )
    .execute(&site.db)
    .await
    .unwrap();
    site.record_all("escalations/1", 3..=4).await;
    until(async || site.published().await == 4).await;
    flush(&site).await;
    until(async || site.redis.length(Stream::Escalations).await == 2).await;
    until(async || site.published().await == 4).await;
    let ids = stream_ids(&site).await;
    assert_eq!(ids[&1].as_deref(), Some("1000-1"));
    assert_eq!(ids[&2].as_deref(), Some("1000-2"));
    assert_eq!(site.redis.length(Stream::Escalations).await, 2);
    relay.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_group_that_somebody_destroyed_is_made_again(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let relay = site.relay();
    let consumer = site.consumer(Ledger::new());
    site.record_all("escalations/1", 1..=3).await;
    site.until_effects("escalations/1", &[1, 2, 3]).await;
    let mut destroy = redis::cmd("XGROUP");
    destroy.arg("DESTROY").arg(Stream::Escalations.key()).arg("ledger");
    let _destroyed: i64 = site.redis.ask(destroy).await;
    site.record_all("escalations/1", 4..=6).await;
    site.until_effects("escalations/1", &[1, 2, 3, 4, 5, 6]).await;
    site.until_acknowledged().await;
    relay.stop().await;
    consumer.stop().await;
}
