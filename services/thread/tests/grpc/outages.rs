//! What this context needs is away.

use std::time::Duration;

use proto::thread::v1 as pb;
use tonic::{Code, Request};

use crate::support::{BOT, Layout, World, assert_gapless, assert_refused, from_visitor, toggle, until};

#[tokio::test]
async fn known_chatbots_work_while_settings_is_down() {
    let world = World::with(Layout {
        settings_apart: true,
        ..Layout::default()
    })
    .await;
    world.org.thread("t").await;
    world.stop_settings().await;

    world.org.say("t", "Hello").await;
    let (thread, said) = world.org.toggle("t").await;
    assert!(thread.escalated);
    assert_eq!(said.content, crate::support::CONFIRMATION);
    world.org.thread("another").await;
    let unknown = pb::CreateThreadRequest {
        chatbot_id: "never-seen".to_owned(),
        ..pb::CreateThreadRequest::default()
    };
    assert_refused(
        world.org.create(unknown).await,
        Code::Unavailable,
        "DEPENDENCY_UNAVAILABLE",
    );
}

fn soon<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(Duration::from_millis(300));
    request
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_not_waited_for_past_the_deadline() {
    let world = World::new().await;
    world.org.thread("t").await;
    world.org.say("t", "before").await;
    let lock = world
        .hold("lock table thread.threads, thread.messages in access exclusive mode")
        .await;
    let append = world.org.append(soon(from_visitor("t", "blocked"))).await;
    assert_refused(append, Code::Unavailable, "DEADLINE_EXCEEDED");
    let flip = world.org.api().toggle_escalation(soon(toggle("t"))).await;
    assert_refused(flip, Code::Unavailable, "DEADLINE_EXCEEDED");
    let read = pb::GetThreadRequest {
        chatbot_id: BOT.to_owned(),
        thread_id: "t".to_owned(),
        message_limit: 10,
    };
    let read = world.org.api().get_thread(soon(read)).await;
    assert_refused(read, Code::Unavailable, "DEADLINE_EXCEEDED");
    lock.rollback().await.unwrap();

    world.org.say("t", "after").await;
    let (thread, messages) = world.org.read("t").await;
    assert_eq!(messages.last().unwrap().content, "after");
    let positions: Vec<_> = messages.iter().map(|message| message.position).collect();
    assert_eq!(positions, (1..=i64::from(thread.message_count)).collect::<Vec<_>>());
}

#[tokio::test]
async fn lost_connections_are_replaced_and_no_acknowledged_message_is_lost() {
    let world = World::new().await;
    world.org.thread("t").await;
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        acknowledged.push(world.org.say("t", &format!("before {round}")).await.id);
        world
            .execute(
                "select pg_terminate_backend(pid) from pg_stat_activity
                 where datname = current_database() and application_name = 'thread'",
            )
            .await;
        let request = || from_visitor("t", "after");
        until(async || match world.org.append(request()).await {
            Ok(_) => true,
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                false
            }
        })
        .await;
        until(async || world.org.call("ToggleEscalation", toggle("t")).await.is_ok()).await;
        let read = || pb::GetThreadRequest {
            chatbot_id: BOT.to_owned(),
            thread_id: "t".to_owned(),
            message_limit: 1,
        };
        until(async || world.org.call("GetThread", read()).await.is_ok()).await;
    }
    let (_, messages) = world.org.read("t").await;
    let stored: Vec<_> = messages.iter().map(|message| &message.id).collect();
    assert!(acknowledged.iter().all(|id| stored.contains(&id)));
    assert_gapless(&world.events("threads").await);
}
