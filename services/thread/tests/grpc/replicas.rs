//! Two replicas on one database.

use platform::batch::commits;
use platform::link::Link;

use crate::support::{Org, World, assert_gapless, from_visitor, keyed, toggle};

async fn two() -> (World, Org) {
    let world = World::new().await;
    let link: Link = world.replica(commits::Config::default()).await;
    let other = world.org.at(link);
    (world, other)
}

#[tokio::test]
async fn replicas_that_write_to_the_same_threads_store_everything_once() {
    let (world, other) = two().await;
    let threads: Vec<String> = (0..10).map(|n| format!("t{n}")).collect();
    for thread in &threads {
        world.org.thread(thread).await;
    }
    for round in 0..4 {
        let sends = (0..400_usize).map(|n| {
            let org = if n % 2 == 0 { &world.org } else { &other };
            // The replicas go through the threads in opposite directions.
            let at = if n % 2 == 0 { n / 2 % 10 } else { 9 - n / 2 % 10 };
            org.append(keyed(
                &format!("{round}-{n}"),
                from_visitor(&threads[at], &n.to_string()),
            ))
        });
        for answer in futures::future::join_all(sends).await {
            answer.unwrap();
        }
    }
    for thread in &threads {
        let (thread, messages) = world.org.read(thread).await;
        assert_eq!((thread.message_count, thread.unread_count), (160, 160));
        let positions: Vec<_> = messages.iter().map(|message| message.position).collect();
        assert_eq!(positions, (1..=160).collect::<Vec<_>>());
    }
    let events = world.events("threads").await;
    assert_eq!(events.len(), 10 + 1600);
    assert_gapless(&events);
}

#[tokio::test]
async fn a_retry_at_another_replica_gets_the_first_answer() {
    let (world, other) = two().await;
    world.org.thread("t").await;
    let sends = (0..20).map(|n| {
        let org = if n % 2 == 0 { &world.org } else { &other };
        org.append(keyed("k", from_visitor("t", "Hello")))
    });
    let answers = futures::future::join_all(sends).await;
    let first = answers[0].as_ref().unwrap();
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap() == first));
    assert_eq!(world.org.read("t").await.1.len(), 1);

    let (here, there) = (keyed("k", toggle("t")), keyed("k", toggle("t")));
    let (mut api, mut other) = (world.org.api(), other.api());
    let (here, there) = tokio::join!(api.toggle_escalation(here), other.toggle_escalation(there));
    assert_eq!(here.unwrap().into_inner(), there.unwrap().into_inner());
    assert!(world.org.read("t").await.0.escalated);
}

#[tokio::test]
async fn messages_toggles_and_bulks_at_once_keep_one_order() {
    let (world, other) = two().await;
    for thread in ["a", "b"] {
        world.org.thread(thread).await;
    }
    let all = (0..60_usize).map(|n| {
        let (world, other) = (&world, &other);
        async move {
            let org = if n % 2 == 0 { &world.org } else { other };
            let (first, second) = if n % 4 < 2 { ("a", "b") } else { ("b", "a") };
            match n % 3 {
                0 => drop(org.say(first, &n.to_string()).await),
                1 => drop(org.toggle(second).await),
                _ => {
                    let change = |id: &str| proto::thread::v1::ThreadChange {
                        thread_id: id.to_owned(),
                        title: Some(n.to_string()),
                        ..proto::thread::v1::ThreadChange::default()
                    };
                    let bulk = proto::thread::v1::BulkUpdateThreadsRequest {
                        chatbot_id: crate::support::BOT.to_owned(),
                        changes: vec![change(first), change(second)],
                    };
                    org.api().bulk_update_threads(bulk).await.unwrap();
                }
            }
        }
    });
    futures::future::join_all(all).await;
    let mut stored = 0;
    for thread in ["a", "b"] {
        let (thread, messages) = world.org.read(thread).await;
        let positions: Vec<_> = messages.iter().map(|message| message.position).collect();
        assert_eq!(positions, (1..=i64::from(thread.message_count)).collect::<Vec<_>>());
        stored += messages.len();
    }
    assert_eq!(stored, 40);
    assert_gapless(&world.events("threads").await);
    assert_gapless(&world.events("escalations").await);
}
