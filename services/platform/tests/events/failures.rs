//! Handlers that fail, entries that are none, and a database that is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use platform::events::{Stream, redrive};
use platform::id;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};

use crate::support::{Ledger, Site, Verdict, until};

#[sqlx::test(migrations = false)]
async fn an_event_that_keeps_failing_is_parked_and_can_be_driven_again(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let mended = Arc::new(AtomicBool::new(false));
    let attempts = Arc::new(AtomicU32::new(0));
    let ledger = {
        let (mended, attempts) = (Arc::clone(&mended), Arc::clone(&attempts));
        Ledger::with(move |event| {
            if event.subject != "threads/bad" || event.sequence != 2 || mended.load(Ordering::Relaxed) {
                return Verdict::Done;
            }
            attempts.fetch_add(1, Ordering::Relaxed);
            Verdict::Fail(anyhow::anyhow!("it can't be done"))
        })
    };
    let relay = site.relay();
    let consumer = site.consumer(ledger.clone());
    site.record_all("threads/bad", 1..=4).await;
    site.record_all("threads/good", 1..=4).await;
    site.until_effects("threads/good", &[1, 2, 3, 4]).await;
    site.until_effects("threads/bad", &[1, 3, 4]).await;
    site.until_acknowledged().await;
    assert_eq!(attempts.load(Ordering::Relaxed), 8);

    let parked = sqlx::query("select event_id, error, stream from consumer.parked_events")
        .fetch_one(&site.db)
        .await
        .unwrap();
    assert_eq!(parked.get::<&str, _>(1), "it can't be done");
    assert_eq!(parked.get::<&str, _>(2), Stream::Events.key());
    let event = parked.get(0);
    redrive(&site.db, "consumer", &ledger, event).await.unwrap_err();
    assert_eq!(site.count("consumer.parked_events").await, 1);
    mended.store(true, Ordering::Relaxed);
    assert!(redrive(&site.db, "consumer", &ledger, event).await.unwrap());
    assert_eq!(site.effects("threads/bad").await, [1, 3, 4, 2]);
    assert!(!redrive(&site.db, "consumer", &ledger, event).await.unwrap());
    assert_eq!(site.effects("threads/bad").await, [1, 3, 4, 2]);
    relay.stop().await;
    consumer.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_handler_that_panics_does_not_stop_the_others(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let relay = site.relay();
    let consumer = site.consumer(Ledger::with(|event| {
        assert_ne!(event.subject, "threads/bad", "this is the panic of the test");
        Verdict::Done
    }));
    site.record("threads/bad", 1).await;
    site.record("threads/good", 1).await;
    site.until_effects("threads/good", &[1]).await;
    until(async || site.count("consumer.parked_events").await == 1).await;
    site.until_acknowledged().await;
    assert_eq!(site.effects("threads/bad").await, Vec::<i64>::new());
    relay.stop().await;
    consumer.stop().await;
}

#[sqlx::test(migrations = false)]
async fn a_neighbour_that_is_away_is_waited_for_however_often(_: PgPoolOptions, options: PgConnectOptions) {
    let mut site = Site::new(options).await;
    let refusals = Arc::new(AtomicU32::new(0));
    let ledger = {
        let refusals = Arc::clone(&refusals);
        Ledger::with(move |_| {
            if refusals.fetch_add(1, Ordering::Relaxed) < 12 {
                return Verdict::Fail(tonic::Status::unavailable("later").into());
            }
            Verdict::Done
        })
    };
    let relay = site.relay();
    site.redis.patience.retry = Duration::from_micros(100);
    let consumer = site.consumer(ledger);
    site.record_all("escalations/1", 1..=2).await;
    site.until_effects("escalations/1", &[1, 2]).await;
    site.until_acknowledged().await;
    assert_eq!(refusals.load(Ordering::Relaxed), 14);
    assert_eq!(site.count("consumer.parked_events").await, 0);
    relay.stop().await;
    consumer.stop().await;
}

#[sqlx::test(migrations = false)]
async fn an_event_that_ends_every_process_it_is_given_to_is_parked(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    site.add(id::new(), "threads/1", 1).await;
    let entry = site.give_to("a process that died").await;
    let mut times = redis::cmd("XCLAIM");
    times
        .arg(Stream::Events.key())
        .arg("ledger")
        .arg("a process that died")
        .arg(0)
        .arg(entry)
        .arg("RETRYCOUNT")
        .arg(8);
    let _counted: redis::Value = site.redis.ask(times).await;
    let consumer = site.consumer(Ledger::new());
    until(async || site.count("consumer.parked_events").await == 1).await;
    site.until_acknowledged().await;
    assert_eq!(site.count("effects").await, 0);
    consumer.stop().await;
}

#[sqlx::test(migrations = false)]
async fn entries_that_are_no_events_are_passed_over(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let consumer = site.consumer(Ledger::new());
    site.add_entry(&[("foreign", "entry")]).await;
    site.add_entry(&[("event", "{"), ("type", "thing.changed")]).await;
    site.add_entry(&[
        ("event", "{\"id\":7}"),
        ("type", "thing.changed"),
        ("organization", "nobody"),
    ])
    .await;
    let mut binary = redis::cmd("XADD");
    binary
        .arg(Stream::Escalations.key())
        .arg("*")
        .arg("event")
        .arg(&[0xff_u8, 0, 0xfe][..]);
    let _id: String = site.redis.ask(binary).await;
    site.add(id::new(), "threads/1", 1).await;
    site.until_effects("threads/1", &[1]).await;
    site.until_acknowledged().await;
    consumer.stop().await;
}

#[sqlx::test(migrations = false)]
async fn nothing_is_acknowledged_or_parked_while_the_database_is_away(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    for sequence in 1..=5 {
        site.add(id::new(), "threads/1", sequence).await;
    }
    let database = site.options.get_database().expect("the test has a database").to_owned();
    let mut server = site.options.clone().database("postgres").connect().await.unwrap();
    let mut tell = async |statement: String| {
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut server)
            .await
            .unwrap()
    };
    tell(format!("alter database \"{database}\" with allow_connections false")).await;
    tell(format!(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{database}'"
    ))
    .await;
    let consumer = site.consumer(Ledger::new());
    until(async || {
        let mut groups = redis::cmd("EXISTS");
        groups.arg(Stream::ALL.map(Stream::key).as_slice());
        site.redis.ask::<i64>(groups).await == 2 && site.redis.pending("ledger").await == 5
    })
    .await;
    // Long enough for the lease on its work to run out more than once.
    let mut beats = tokio::time::interval(site.redis.patience.claim);
    for _ in 0..4 {
        beats.tick().await;
        assert_eq!(site.redis.pending("ledger").await, 5);
    }
    tell(format!("alter database \"{database}\" with allow_connections true")).await;
    site.until_effects("threads/1", &[1, 2, 3, 4, 5]).await;
    site.until_acknowledged().await;
    assert_eq!(site.count("consumer.parked_events").await, 0);
    consumer.stop().await;
}
