//! Pages of messages, and what counts as read.

use proto::thread::v1 as pb;
use tonic::Code;

use crate::support::{BOT, World, assert_invalid, assert_refused};

fn page(thread: &str, page_size: i32, before: Option<&str>) -> pb::ListMessagesRequest {
    pb::ListMessagesRequest {
        chatbot_id: BOT.to_owned(),
        thread_id: thread.to_owned(),
        page_size,
        before: before.map(str::to_owned),
        mark_read: false,
    }
}

async fn list(world: &World, request: pb::ListMessagesRequest) -> pb::ListMessagesResponse {
    world.org.api().list_messages(request).await.unwrap().into_inner()
}

async fn mark_read(world: &World, thread: &str) -> pb::Thread {
    let request = pb::ListMessagesRequest {
        mark_read: true,
        ..page(thread, 1, None)
    };
    list(world, request).await.thread.unwrap()
}

#[tokio::test]
async fn pages_lead_back_to_the_first_message_without_gaps_while_others_write() {
    let world = World::new().await;
    world.org.thread("t").await;
    for n in 1..=23 {
        world.org.say("t", &n.to_string()).await;
    }
    let mut found: Vec<pb::Message> = Vec::new();
    let mut before = None;
    for expected in [10, 10, 3] {
        let answer = list(&world, page("t", 10, before.as_deref())).await;
        assert_eq!(answer.messages.len(), expected);
        assert_eq!(answer.has_more, expected == 10);
        assert_eq!(answer.next_cursor.is_empty(), !answer.has_more);
        if answer.has_more {
            assert_eq!(answer.next_cursor, answer.messages[0].id);
        }
        assert_eq!(answer.thread.unwrap().thread_id, "t");
        found.splice(0..0, answer.messages);
        before = Some(answer.next_cursor);
        world.org.say("t", "meanwhile").await;
    }
    let contents: Vec<_> = found.iter().map(|message| message.content.clone()).collect();
    assert_eq!(contents, (1..=23).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(found, world.org.read("t").await.1[..23]);
}

#[tokio::test]
async fn a_page_that_ends_with_the_first_message_is_the_last() {
    let world = World::new().await;
    world.org.thread("t").await;
    let first = world.org.say("t", "1").await;
    world.org.say("t", "2").await;
    let all = list(&world, page("t", 2, None)).await;
    assert_eq!(
        (all.messages.len(), all.has_more, all.next_cursor.as_str()),
        (2, false, "")
    );
    let none = list(&world, page("t", 2, Some(&first.id))).await;
    assert_eq!((none.messages.len(), none.has_more), (0, false));
}

#[tokio::test]
async fn a_page_has_20_messages_by_default_and_100_at_most() {
    let world = World::new().await;
    world.org.thread("t").await;
    futures::future::join_all((0..101).map(|_| world.org.say("t", "Hello"))).await;
    assert_eq!(list(&world, page("t", 0, None)).await.messages.len(), 20);
    assert_eq!(list(&world, page("t", 5000, None)).await.messages.len(), 100);
    assert_invalid(world.org.api().list_messages(page("t", -1, None)).await, "page_size");
}

#[tokio::test]
async fn a_cursor_is_a_message_of_the_thread() {
    let world = World::new().await;
    world.org.thread("t").await;
    world.org.thread("other").await;
    world.org.say("t", "here").await;
    let elsewhere = world.org.say("other", "there").await.id;
    let nowhere = platform::id::new().to_string();
    for before in [elsewhere.as_str(), &nowhere, "not an id", ""] {
        assert_invalid(
            world.org.api().list_messages(page("t", 0, Some(before))).await,
            "before",
        );
    }
    let unknown = world.org.api().list_messages(page("nowhere", 0, None)).await;
    assert_refused(unknown, Code::NotFound, "THREAD_NOT_FOUND");
}

#[tokio::test]
async fn a_thread_comes_with_as_many_of_its_newest_messages_as_asked_for() {
    let world = World::new().await;
    world.org.thread("t").await;
    for n in 1..=5 {
        world.org.say("t", &n.to_string()).await;
    }
    for (limit, expected) in [(0, vec![]), (2, vec!["4", "5"]), (1000, vec!["1", "2", "3", "4", "5"])] {
        let request = pb::GetThreadRequest {
            chatbot_id: BOT.to_owned(),
            thread_id: "t".to_owned(),
            message_limit: limit,
        };
        let answer = world.org.api().get_thread(request).await.unwrap().into_inner();
        let contents: Vec<_> = answer.messages.iter().map(|message| message.content.as_str()).collect();
        assert_eq!(contents, expected);
    }
    for limit in [-1, 1001] {
        let request = pb::GetThreadRequest {
            chatbot_id: BOT.to_owned(),
            thread_id: "t".to_owned(),
            message_limit: limit,
        };
        assert_invalid(world.org.api().get_thread(request).await, "message_limit");
    }
}

#[tokio::test]
async fn what_the_visitor_wrote_is_unread_until_somebody_reads_it() {
    let world = World::new().await;
    world.org.thread("t").await;
    let question = world.org.say("t", "1").await;
    world.org.answer(&question, "2").await;
    world.org.say("t", "3").await;
    let seen = list(&world, page("t", 0, None)).await.thread.unwrap();
    assert_eq!((seen.unread_count, seen.read_count, seen.message_count), (2, 0, 3));

    let marked = mark_read(&world, "t").await;
    assert_eq!((marked.unread_count, marked.read_count), (0, 3));
    let (stored, _) = world.org.read("t").await;
    assert_eq!(stored, marked);

    world.org.say("t", "4").await;
    let (thread, _) = world.org.read("t").await;
    assert_eq!(
        (thread.unread_count, thread.read_count, thread.message_count),
        (1, 3, 4)
    );
    assert_eq!(mark_read(&world, "t").await.read_count, 4);
}

#[tokio::test]
async fn a_message_that_comes_while_somebody_reads_stays_unread() {
    let world = World::new().await;
    world.org.thread("t").await;
    world.org.say("t", "seen").await;
    // What a writer that is about to commit does, between the reading and the marking.
    let writer = world
        .hold("update thread.threads set message_count = message_count + 1, unread_count = unread_count + 1")
        .await;
    let (marked, ()) = tokio::join!(mark_read(&world, "t"), async {
        world.someone_waits().await;
        writer.commit().await.unwrap();
    });
    assert_eq!((marked.unread_count, marked.read_count), (0, 1));
    let (thread, _) = world.org.read("t").await;
    assert_eq!(
        (thread.unread_count, thread.read_count, thread.message_count),
        (1, 1, 2)
    );
}
