//! Events that become visible behind others, and those that never do.

use platform::events::{Event, Stream};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::support::{Ledger, Site, execute, until};

fn event(site: &Site, subject: &str) -> Event {
    Event {
        org: site.org,
        stream: Stream::Events,
        kind: "thing.changed",
        subject: subject.to_owned(),
        sequence: 1,
        cause: None,
        data: serde_json::json!({}),
    }
}

/// Waits until the relay has looked so often whether what it misses can still come: as often as it renews its lease.
async fn until_it_looked_again(site: &Site, times: usize) {
    for _ in 0..times {
        let sql = "producer.leases where expires_at > now() + interval '4900 milliseconds'";
        until(async || site.count(sql).await == 0).await;
        until(async || site.count(sql).await == 1).await;
    }
}

async fn until_there_is_no_gap(site: &Site, subject: &str) {
    let mut sequence = 1;
    until(async || site.count("producer.outbox_unpublished").await == 0).await;
    while site.count("producer.outbox_position where gap_first = '{}'").await == 0 {
        // The gaps are noted with what is published.
        site.record(subject, sequence).await;
        until(async || site.count("producer.outbox_unpublished").await == 0).await;
        sequence += 1;
    }
}

#[sqlx::test(migrations = false)]
async fn what_is_committed_late_is_delivered_however_late(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let relay = site.relay();
    let consumer = site.consumer(Ledger::new());
    let mut late = site.db.begin().await.unwrap();
    site.outbox
        .record(&mut late, None, event(&site, "threads/late"))
        .await
        .unwrap();
    site.record_all("threads/1", 1..=3).await;
    site.until_effects("threads/1", &[1, 2, 3]).await;
    until(async || {
        site.count("producer.outbox_position where gap_first = '{1}' and read_to = 4")
            .await
            == 1
    })
    .await;
    until_it_looked_again(&site, 3).await;
    site.record_all("threads/1", 4..=6).await;
    site.until_effects("threads/1", &[1, 2, 3, 4, 5, 6]).await;
    // The next relay knows of it, too.
    relay.stop().await;
    let relay = site.relay();
    site.record_all("threads/1", 7..=9).await;
    site.until_effects("threads/1", &(1..=9).collect::<Vec<_>>()).await;
    until_it_looked_again(&site, 2).await;
    assert!(site.effects("threads/late").await.is_empty());
    late.commit().await.unwrap();
    site.until_effects("threads/late", &[1]).await;
    until_there_is_no_gap(&site, "threads/2").await;
    assert_eq!(site.count("effects where subject = 'threads/late'").await, 1);
    relay.stop().await;
    consumer.stop().await;
}

#[sqlx::test(migrations = false)]
async fn what_was_undone_is_not_looked_for_any_longer(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let relay = site.relay();
    for subject in ["threads/1", "threads/2"] {
        let mut undone = site.db.begin().await.unwrap();
        site.outbox
            .record(&mut undone, None, event(&site, "threads/undone"))
            .await
            .unwrap();
        site.record(subject, 1).await;
        until(async || site.count("producer.outbox_unpublished").await == 0).await;
        undone.rollback().await.unwrap();
    }
    assert_eq!(
        site.count("producer.outbox_position where 3 = any (gap_first)").await,
        1
    );
    until_there_is_no_gap(&site, "threads/3").await;
    let events = usize::try_from(site.count("producer.outbox").await).unwrap();
    assert_eq!(site.redis.length(Stream::Events).await, events);
    relay.stop().await;
}

#[sqlx::test(migrations = false)]
async fn order_is_kept_however_many_events_become_visible_at_once(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let relay = site.relay();
    let consumer = site.consumer(Ledger::new());
    let mut late = site.db.begin().await.unwrap();
    for sequence in 1..=1200 {
        let event = Event {
            sequence,
            ..event(&site, "threads/late")
        };
        site.outbox.record(&mut late, None, event).await.unwrap();
    }
    site.record("threads/1", 1).await;
    until(async || site.published().await == 1).await;
    late.commit().await.unwrap();
    site.record_all("threads/late", 1201..=1210).await;
    until(async || site.published().await == 1211).await;
    let mut range = redis::cmd("XRANGE");
    range.arg(Stream::Events.key()).arg("-").arg("+");
    let entries: Vec<(String, Vec<String>)> = site.redis.ask(range).await;
    let sequences: Vec<i64> = entries
        .iter()
        .map(|(_, fields)| serde_json::from_str::<serde_json::Value>(&fields[1]).unwrap())
        .filter(|event| event["subject"] == "threads/late")
        .map(|event| event["sequence"].as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(sequences, (1..=1210).collect::<Vec<_>>());
    relay.stop().await;
    consumer.stop().await;
}

#[sqlx::test(migrations = false)]
async fn what_an_earlier_release_has_published_is_taken_over(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    site.record_all("threads/1", 1..=4).await;
    // As it would have noted it, in the row itself.
    let mut noted = Vec::new();
    for _ in 1..=2 {
        let mut add = redis::cmd("XADD");
        add.arg(Stream::Events.key()).arg("*").arg("field").arg("value");
        noted.push(site.redis.ask::<String>(add).await);
    }
    let noted = noted.join(",");
    execute(
        &site.db,
        &format!(
            "update producer.outbox set stream_id = ('{{{noted}}}'::text[])[sequence] where sequence <= 2;
             insert into producer.relay_streams (stream, epoch, last_stream_id)
             select stream, '00000000-0000-0000-0000-000000000001',
                    case stream when 'handoff:events' then ('{{{noted}}}'::text[])[2] end
             from unnest('{{handoff:escalations,handoff:events}}'::text[]) as stream"
        ),
    )
    .await;
    let mut set = redis::cmd("SET");
    set.arg("handoff:epoch:producer")
        .arg("00000000-0000-0000-0000-000000000001");
    let () = site.redis.ask(set).await;
    let relay = site.relay();
    until(async || site.redis.length(Stream::Events).await == 4).await;
    until(async || site.published().await == 4).await;
    let places = format!("producer.outbox_batches where stream_ids[1:2] = '{{{noted}}}' and size = 4");
    assert_eq!(site.count(&places).await, 1);
    let () = site.redis.ask(redis::cmd("FLUSHALL")).await;
    until(async || site.redis.length(Stream::Events).await == 4).await;
    relay.stop().await;
}
