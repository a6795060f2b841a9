//! What is removed when it is old, and what is not.

use platform::events::Stream;
use platform::id;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::support::{Site, execute, until};

#[sqlx::test(migrations = false)]
async fn old_rows_go_and_unpublished_events_stay(_: PgPoolOptions, options: PgConnectOptions) {
    let mut site = Site::new(options).await;
    site.redis.kill().await;
    execute(
        &site.db,
        "insert into producer.outbox (org_id, event_id, stream, type, subject, sequence, data, created_at)
         select gen_random_uuid(), gen_random_uuid(), 'handoff:events', 'thing.changed', 'threads/1', n, '{}',
                now() - (11 - n) * interval '1 day'
         from generate_series(1, 10) as n;
         insert into producer.outbox_batches (stream, events, stream_ids, first_event, last_event, published_at)
         select stream, array[id], array['1-' || id], id, id, created_at from producer.outbox where id < 10;
         update producer.outbox_position set read_to = 9;
         insert into producer.inbox (consumer, event_id, at)
         select 'ledger', gen_random_uuid(), now() - n * interval '1 day' from generate_series(1, 2500) as n;
         insert into producer.inbox_subjects (consumer, subject, sequence, at)
         select 'ledger', n, n, now() - n * interval '1 day' from generate_series(1, 20) as n;
         insert into producer.parked_events (consumer, event_id, stream, event, error, parked_at)
         select 'ledger', gen_random_uuid(), '', '', '', now() - n * interval '1 day' from generate_series(1, 40) as n;
         insert into producer.idempotency_keys (org_id, owner, rpc, key, request_hash, created_at)
         select gen_random_uuid(), '', '', '', '', now() - n * interval '1 hour' from generate_series(1, 60) as n;",
    )
    .await;
    let relay = site.relay();
    until(async || site.count("producer.idempotency_keys").await == 47).await;
    // The day that is the limit is over by the time it is looked at.
    assert_eq!(site.count("producer.outbox where id < 10").await, 5);
    assert_eq!(site.count("producer.outbox_batches").await, 5);
    assert_eq!(site.count("producer.outbox_unpublished").await, 1);
    assert_eq!(site.count("producer.inbox").await, 13);
    assert_eq!(site.count("producer.inbox_subjects").await, 13);
    assert_eq!(site.count("producer.parked_events").await, 29);
    relay.stop().await;
}

#[sqlx::test(migrations = false)]
async fn old_entries_go_as_soon_as_every_group_of_ours_is_past_them(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    // Two streams' worth of very old entries, in nodes of ten.
    for stream in Stream::ALL {
        for number in 1..=50 {
            let mut add = redis::cmd("XADD");
            add.arg(stream.key())
                .arg(format!("{number}-1"))
                .arg("field")
                .arg("value");
            let _id: String = site.redis.ask(add).await;
        }
    }
    let group = async |stream: Stream, name: &str, at: &str| {
        let mut create = redis::cmd("XGROUP");
        create.arg("CREATE").arg(stream.key()).arg(name).arg(at);
        let () = site.redis.ask(create).await;
    };
    group(Stream::Events, "ours", "25-1").await;
    let mut ours = redis::cmd("SADD");
    ours.arg("handoff:groups:handoff:events").arg("ours");
    let _added: i64 = site.redis.ask(ours).await;
    // A group of another system, long forgotten.
    group(Stream::Escalations, "theirs", "0-0").await;
    site.add(id::new(), "threads/1", 1).await;
    let relay = site.relay();
    until(async || site.redis.length(Stream::Escalations).await == 0).await;
    until(async || site.redis.length(Stream::Events).await == 27).await;
    relay.stop().await;
}
