//! Messages that are stored together: what happens to one happens to no other.

use platform::batch::commits;
use proto::thread::v1 as pb;
use tonic::{Code, Status};

use crate::support::{Layout, World, assert_gapless, assert_refused, from_visitor, keyed, until};

/// Makes the next message to `stall` wait until the answer ends.
async fn stalled(world: &World) -> sqlx::Transaction<'static, sqlx::Postgres> {
    world
        .hold("select from thread.threads where thread_id = 'stall' for update")
        .await
}

/// Sends messages while an earlier commit is under way, so that they are one batch.
async fn as_one_batch<R>(world: &World, messages: impl IntoIterator<Item = R>) -> Vec<Result<pb::Message, Status>>
where
    R: tonic::IntoRequest<pb::AppendMessageRequest>,
{
    let lock = stalled(world).await;
    let batch = async {
        world.someone_waits().await;
        let mut batch = futures::future::join_all(messages.into_iter().map(|message| world.org.append(message)));
        // All of them are in the queue before the one ahead is let go.
        assert!(futures::poll!(&mut batch).is_pending());
        lock.commit().await.unwrap();
        batch.await
    };
    tokio::join!(world.org.say("stall", "ahead"), batch).1
}

#[tokio::test]
async fn many_messages_at_once_all_find_their_place() {
    let world = World::new().await;
    for thread in 0..5 {
        world.org.thread(&format!("t{thread}")).await;
    }
    let sends = (0..500).map(|n| world.org.append(from_visitor(&format!("t{}", n % 5), &n.to_string())));
    for answer in futures::future::join_all(sends).await {
        answer.unwrap();
    }
    for thread in 0..5 {
        let (thread, messages) = world.org.read(&format!("t{thread}")).await;
        assert_eq!((thread.message_count, thread.unread_count), (100, 100));
        let positions: Vec<_> = messages.iter().map(|message| message.position).collect();
        assert_eq!(positions, (1..=100).collect::<Vec<_>>());
    }
    assert_gapless(&world.events("threads").await);
}

#[tokio::test]
async fn a_poisoned_message_fails_alone() {
    let world = World::new().await;
    world.org.thread("stall").await;
    world.org.thread("t").await;
    world
        .execute("alter table thread.messages add constraint antidote check (content <> 'poison')")
        .await;
    let contents = ["1", "2", "poison", "3", "4"];
    let answers = as_one_batch(&world, contents.map(|content| from_visitor("t", content))).await;
    for (content, answer) in contents.iter().zip(answers) {
        if *content == "poison" {
            let status = answer.unwrap_err();
            assert_eq!(status.code(), Code::Internal);
            assert!(!status.message().contains("antidote"), "{}", status.message());
        } else {
            assert_eq!(answer.unwrap().content, *content);
        }
    }
    let (thread, messages) = world.org.read("t").await;
    let stored: Vec<_> = messages
        .iter()
        .map(|message| (message.position, message.content.as_str()))
        .collect();
    assert_eq!(stored, [(1, "1"), (2, "2"), (3, "3"), (4, "4")]);
    assert_eq!((thread.message_count, thread.unread_count), (4, 4));
    assert_gapless(&world.events("threads").await);
}

#[tokio::test]
async fn an_unknown_thread_or_parent_in_a_batch_is_refused_alone() {
    let world = World::new().await;
    world.org.thread("stall").await;
    world.org.thread("t").await;
    let parentless = pb::AppendMessageRequest {
        parent_message_id: Some(platform::id::new().to_string()),
        ..from_visitor("t", "an answer")
    };
    let batch = [
        from_visitor("t", "1"),
        from_visitor("nowhere", "2"),
        parentless,
        from_visitor("t", "4"),
    ];
    let mut answers = as_one_batch(&world, batch).await.into_iter();
    assert_eq!(answers.next().unwrap().unwrap().position, 1);
    assert_refused(answers.next().unwrap(), Code::NotFound, "THREAD_NOT_FOUND");
    crate::support::assert_invalid(answers.next().unwrap(), "parent_message_id");
    assert_eq!(answers.next().unwrap().unwrap().position, 2);
    assert_gapless(&world.events("threads").await);
}

#[tokio::test]
async fn one_key_ten_times_in_one_batch_stores_one_message() {
    let world = World::new().await;
    world.org.thread("stall").await;
    world.org.thread("t").await;
    let mut batch: Vec<_> = (0..10).map(|_| keyed("k", from_visitor("t", "Hello"))).collect();
    batch.push(keyed("k", from_visitor("t", "another body")));
    batch.push(keyed("another key", from_visitor("t", "Hello")));
    let mut answers = as_one_batch(&world, batch).await;
    let another = answers.pop().unwrap().unwrap();
    assert_refused(
        answers.pop().unwrap(),
        Code::FailedPrecondition,
        "IDEMPOTENCY_KEY_REUSED",
    );
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let (thread, messages) = world.org.read("t").await;
    assert_eq!((thread.message_count, thread.unread_count), (2, 2));
    assert_eq!(messages, [answers[0].clone(), another]);
    assert_gapless(&world.events("threads").await);
}

#[tokio::test]
async fn a_client_that_is_gone_hurts_nobody() {
    let world = World::new().await;
    world.org.thread("stall").await;
    world.org.thread("t").await;
    world.org.say("t", "0").await;
    let lock = stalled(&world).await;

    let mut under_way = Box::pin(world.org.append(from_visitor("stall", "under way")));
    assert!(futures::poll!(&mut under_way).is_pending());
    world.someone_waits().await;
    let mut queued = Box::pin(world.org.append(from_visitor("t", "queued")));
    assert!(futures::poll!(&mut queued).is_pending());
    let mut kept = Box::pin(world.org.append(from_visitor("t", "kept")));
    assert!(futures::poll!(&mut kept).is_pending());
    drop(under_way);
    drop(queued);
    lock.commit().await.unwrap();

    assert_eq!(kept.await.unwrap().position, 2);
    let contents = async |thread: &str| {
        let (_, messages) = world.org.read(thread).await;
        messages.into_iter().map(|message| message.content).collect::<Vec<_>>()
    };
    assert_eq!(contents("t").await, ["0", "kept"], "nobody waits for the other one");
    assert_eq!(contents("stall").await, ["under way"], "it could not be called back");
    assert_gapless(&world.events("threads").await);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_stores_nothing_of_what_it_refused() {
    let writes = commits::Config {
        write_queue: 4,
        write_batch: 2,
    };
    let world = World::with(Layout {
        writes,
        ..Layout::default()
    })
    .await;
    world.org.thread("stall").await;
    world.org.thread("t").await;
    let lock = stalled(&world).await;
    let ahead = world.org.append(from_visitor("stall", "ahead"));
    let flood = async {
        world.someone_waits().await;
        let sends = (0..20).map(|n| world.org.append(from_visitor("t", &n.to_string())));
        let mut sends: futures::stream::FuturesUnordered<_> = sends.collect();
        let mut refused = 0;
        while refused < 16 {
            let answer = futures::StreamExt::next(&mut sends).await.unwrap();
            let status = assert_refused(answer, Code::ResourceExhausted, "WRITE_QUEUE_FULL");
            assert!(tonic_types::StatusExt::get_details_retry_info(&status).is_some());
            refused += 1;
        }
        lock.commit().await.unwrap();
        futures::StreamExt::collect::<Vec<_>>(sends).await
    };
    let (ahead, accepted) = tokio::join!(ahead, flood);
    ahead.unwrap();
    let mut accepted: Vec<_> = accepted.into_iter().map(Result::unwrap).collect();
    accepted.sort_by_key(|message| message.position);
    let (thread, messages) = world.org.read("t").await;
    assert_eq!(thread.message_count, 4);
    assert_eq!(messages, accepted);
    assert!(world.org.append(from_visitor("t", "room again")).await.is_ok());
}

#[tokio::test]
async fn looking_a_key_up_reads_no_other_key() {
    let world = World::new().await;
    world.org.thread("t").await;
    for batch in 0..20 {
        let sends = (0..30).map(|n| {
            let message = from_visitor("t", &n.to_string());
            world.org.append(keyed(&format!("{batch}-{n}"), message))
        });
        for answer in futures::future::join_all(sends).await {
            answer.unwrap();
        }
    }
    let (scans, read) = (
        "select idx_scan from pg_stat_all_indexes where schemaname = 'thread' and indexrelname = 'idempotency_keys_pkey'",
        "select idx_tup_read from pg_stat_all_indexes where schemaname = 'thread' and indexrelname = 'idempotency_keys_pkey'",
    );
    // The server adds its statistics up when it has the time.
    until(async || world.count(scans).await >= 600).await;
    assert_eq!(world.count(read).await, 0);
}

#[tokio::test]
async fn a_batch_that_is_the_victim_of_a_deadlock_is_stored_after_all() {
    let world = World::new().await;
    for thread in ["stall", "first", "second"] {
        world.org.thread(thread).await;
    }
    // Nobody can say who will be the victim of a real deadlock, nor that it does not come back at once. Here it is the
    // first statement with this message, and no other: the sequence is not rolled back with it.
    world
        .execute(
            "create sequence thread.victims;
             create function thread.victimize() returns trigger language plpgsql as $$
             begin
                 if nextval('thread.victims') = 1 then
                     raise exception using errcode = 'deadlock_detected';
                 end if;
                 return new;
             end $$;
             create trigger victimize before insert on thread.messages
                 for each row when (new.content = 'victim') execute function thread.victimize()",
        )
        .await;
    let batch = [from_visitor("second", "Hello"), from_visitor("first", "victim")];
    for answer in as_one_batch(&world, batch).await {
        assert_eq!(answer.unwrap().position, 1);
    }
    assert_eq!(
        world.count("select last_value from thread.victims").await,
        2,
        "it was tried again"
    );
    assert_gapless(&world.events("threads").await);
}
