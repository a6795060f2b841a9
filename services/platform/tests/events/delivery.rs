//! From the outbox to the effect.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use platform::events::Stream;
use sqlx::Row as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::sync::Notify;

use crate::support::{Ledger, Site, Verdict, execute, until, within};

#[sqlx::test(migrations = false)]
async fn every_event_takes_effect_once_and_in_order(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let subjects: Vec<String> = (0..20)
        .map(|number| format!("{}/{number}", if number < 10 { "escalations" } else { "threads" }))
        .collect();
    let relays = [site.relay(), site.relay()];
    let consumers = [site.consumer(Ledger::new()), site.consumer(Ledger::new())];
    futures::future::join_all(subjects.iter().map(|subject| site.record_all(subject, 1..=30))).await;
    for subject in &subjects {
        site.until_effects(subject, &(1..=30).collect::<Vec<_>>()).await;
    }
    site.until_acknowledged().await;
    assert_eq!(site.count("effects").await, 600);
    assert_eq!(site.published().await, 600);
    for process in relays.into_iter().chain(consumers) {
        process.stop().await;
    }
}

#[sqlx::test(migrations = false)]
async fn an_entry_carries_the_event_and_what_it_is_filtered_by(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let _relay = site.relay();
    site.record("escalations/1", 1).await;
    until(async || site.published().await == 1).await;
    let mut command = redis::cmd("XRANGE");
    command.arg("handoff:escalations").arg("-").arg("+");
    let entries: Vec<(String, Vec<String>)> = site.redis.ask(command).await;
    let [(id, fields)] = entries.as_slice() else {
        panic!("{entries:?}");
    };
    let row = sqlx::query("select stream_ids[1], event_id::text from producer.outbox_batches, producer.outbox")
        .fetch_one(&site.db)
        .await
        .unwrap();
    assert_eq!(row.get::<String, _>(0), *id);
    let names: Vec<&str> = fields.iter().step_by(2).map(String::as_str).collect();
    assert_eq!(names, ["event", "type", "organization"]);
    let event: serde_json::Value = serde_json::from_str(&fields[1]).unwrap();
    assert_eq!(event["id"], row.get::<String, _>(1));
    assert_eq!(event["source"], "/handoff/producer");
    assert_eq!(event["data"]["text"], "\"1\"");
    assert_eq!(fields[3], "thing.changed");
    assert_eq!(fields[5], site.org.to_string());
}

#[sqlx::test(migrations = false)]
async fn what_is_recorded_while_redis_is_down_is_delivered_afterwards(_: PgPoolOptions, options: PgConnectOptions) {
    let mut site = Site::new(options).await;
    let relay = site.relay();
    let consumer = site.consumer(Ledger::new());
    site.record("threads/1", 1).await;
    site.until_effects("threads/1", &[1]).await;
    until(async || site.published().await == 1).await;
    site.redis.kill().await;
    site.record_all("threads/1", 2..=50).await;
    assert_eq!(site.published().await, 1);
    site.redis.restart().await;
    site.until_effects("threads/1", &(1..=50).collect::<Vec<_>>()).await;
    relay.stop().await;
    consumer.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_relay_killed_between_publishing_and_noting_it_leads_to_one_effect(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let site = Site::new(options).await;
    let relay = site.relay();
    site.record("threads/1", 1).await;
    until(async || site.published().await == 1).await;
    // Its note of the next event waits for this transaction.
    let mut tx = site.db.begin().await.unwrap();
    sqlx::query("lock table producer.relay_streams in share mode")
        .execute(&mut *tx)
        .await
        .unwrap();
    site.record("threads/1", 2).await;
    until(async || waiting(&site).await > 0).await;
    assert_eq!(site.redis.length(Stream::Events).await, 2);
    relay.kill().await;
    // The server would go on with the statement of a client that is gone.
    execute(
        &site.db,
        "select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
    )
    .await;
    until(async || waiting(&site).await == 0).await;
    tx.rollback().await.unwrap();
    assert_eq!(site.published().await, 1);
    let relay = site.relay();
    until(async || site.published().await == 2).await;
    assert_eq!(site.redis.length(Stream::Events).await, 3);
    let consumer = site.consumer(Ledger::new());
    site.until_effects("threads/1", &[1, 2]).await;
    site.until_acknowledged().await;
    assert_eq!(site.effects("threads/1").await, [1, 2]);
    relay.stop().await;
    consumer.stop().await;
}

/// Statements that wait for a lock.
async fn waiting(site: &Site) -> i64 {
    site.count("pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()")
        .await
}

#[sqlx::test(migrations = false)]
async fn a_relay_that_lost_its_lease_notes_nothing(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let relay = site.relay();
    site.record("threads/1", 1).await;
    until(async || site.published().await == 1).await;
    // It has nothing else to write, and is stopped while it publishes.
    until(async || {
        let mut recovering = redis::cmd("EXISTS");
        recovering.arg("handoff:recovering:producer");
        !site.redis.ask::<bool>(recovering).await
    })
    .await;
    let mut pause = redis::cmd("CLIENT");
    pause.arg("PAUSE").arg(60_000).arg("WRITE");
    let () = site.redis.ask(pause).await;
    site.record("threads/1", 2).await;
    until(async || {
        let mut list = redis::cmd("CLIENT");
        list.arg("LIST");
        let clients: String = site.redis.ask(list).await;
        clients
            .lines()
            .any(|client| client.contains("cmd=xadd") && client.contains("flags=b"))
    })
    .await;
    execute(
        &site.db,
        "update producer.leases set holder = gen_random_uuid(), expires_at = now() + interval '1 hour'",
    )
    .await;
    let mut unpause = redis::cmd("CLIENT");
    unpause.arg("UNPAUSE");
    let () = site.redis.ask(unpause).await;
    // It goes on to the end of what it was doing. It published the event, but it may not say so: that is the other
    // one's business now.
    relay.stop().await;
    assert_eq!(site.published().await, 1);
    assert_eq!(site.count("producer.leases").await, 1);
}

#[sqlx::test(migrations = false)]
async fn one_relay_is_active_and_the_other_takes_over(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let first = site.relay();
    site.record("threads/1", 1).await;
    until(async || site.published().await == 1).await;
    let holder = async || {
        let row = sqlx::query("select holder from producer.leases")
            .fetch_one(&site.db)
            .await
            .unwrap();
        row.get::<uuid::Uuid, _>(0)
    };
    let active = holder().await;
    let second = site.relay();
    site.record_all("threads/1", 2..=20).await;
    until(async || site.published().await == 20).await;
    assert_eq!(holder().await, active);
    assert_eq!(site.redis.length(Stream::Events).await, 20);
    first.kill().await;
    site.record_all("threads/1", 21..=40).await;
    until(async || site.published().await == 40).await;
    assert_ne!(holder().await, active);
    assert_eq!(site.redis.length(Stream::Events).await, 40);
    // One that stops in order does not make the next one wait.
    second.stop().await;
    assert_eq!(site.count("producer.leases").await, 0);
}

#[sqlx::test(migrations = false)]
async fn a_consumer_killed_before_it_acknowledged_leads_to_one_effect(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let relay = site.relay();
    let handling = Arc::new(Notify::new());
    let go_on = Arc::new(Notify::new());
    let first = {
        let (handling, go_on) = (Arc::clone(&handling), Arc::clone(&go_on));
        site.consumer(Ledger::with(move |_| {
            handling.notify_one();
            Verdict::Wait(Arc::clone(&go_on))
        }))
    };
    site.record("escalations/1", 1).await;
    within(handling.notified()).await;
    // The acknowledgement gets nowhere.
    let mut pause = redis::cmd("CLIENT");
    pause.arg("PAUSE").arg(60_000).arg("WRITE");
    let () = site.redis.ask(pause).await;
    go_on.notify_one();
    site.until_effects("escalations/1", &[1]).await;
    first.kill().await;
    let mut unpause = redis::cmd("CLIENT");
    unpause.arg("UNPAUSE");
    let () = site.redis.ask(unpause).await;
    assert_eq!(site.redis.pending("ledger").await, 1);
    let second = site.consumer(Ledger::new());
    site.until_acknowledged().await;
    site.until_effects("escalations/1", &[1]).await;
    relay.stop().await;
    second.stop().await;
}

#[sqlx::test(migrations = false)]
async fn what_a_consumer_died_over_is_done_by_another(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let relay = site.relay();
    let handling = Arc::new(Notify::new());
    let first = {
        let handling = Arc::clone(&handling);
        site.consumer(Ledger::with(move |_| {
            handling.notify_one();
            Verdict::Wait(Arc::default())
        }))
    };
    site.record_all("escalations/1", 1..=3).await;
    within(handling.notified()).await;
    first.kill().await;
    assert_eq!(site.count("effects").await, 0);
    let second = site.consumer(Ledger::new());
    site.until_effects("escalations/1", &[1, 2, 3]).await;
    site.until_acknowledged().await;
    relay.stop().await;
    second.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_consumer_that_stops_hands_over_what_it_has_not_finished(_: PgPoolOptions, options: PgConnectOptions) {
    let mut site = Site::new(options).await;
    // Nobody takes anything over by himself.
    site.redis.patience.claim = Duration::from_hours(1);
    let attempted = Arc::new(Notify::new());
    let first = {
        let attempted = Arc::clone(&attempted);
        site.consumer(Ledger::with(move |_| {
            attempted.notify_one();
            Verdict::Fail(tonic::Status::unavailable("later").into())
        }))
    };
    for sequence in 1..=3 {
        site.add(platform::id::new(), "threads/1", sequence).await;
    }
    within(attempted.notified()).await;
    until(async || site.redis.pending("ledger").await == 3).await;
    first.stop().await;
    let second = site.consumer(Ledger::new());
    site.until_effects("threads/1", &[1, 2, 3]).await;
    site.until_acknowledged().await;
    second.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_group_begins_with_the_oldest_event_and_leaves_no_member_behind(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let relay = site.relay();
    site.record_all("threads/1", 1..=3).await;
    until(async || site.published().await == 3).await;
    let consumer = site.consumer(Ledger::new());
    site.until_effects("threads/1", &[1, 2, 3]).await;
    site.until_acknowledged().await;
    consumer.stop().await;
    let mut members = redis::cmd("XINFO");
    members.arg("CONSUMERS").arg(Stream::Events.key()).arg("ledger");
    assert_eq!(site.redis.ask::<Vec<redis::Value>>(members).await, []);
    relay.stop().await;
}

#[sqlx::test(migrations = false)]
async fn no_two_events_share_an_id(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    site.record_all("threads/1", 1..=50).await;
    let rows = sqlx::query("select event_id from producer.outbox")
        .fetch_all(&site.db)
        .await
        .unwrap();
    let ids: BTreeSet<uuid::Uuid> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(ids.len(), 50);
}
