//! Messages that are edited and reacted to.

use proto::thread::v1 as pb;
use tonic::{Code, Status};

use crate::support::{BOT, OWNER, World, assert_gapless, assert_invalid, assert_refused, at, from_visitor};

fn change(message: &str) -> pb::UpdateMessageRequest {
    pb::UpdateMessageRequest {
        chatbot_id: BOT.to_owned(),
        message_id: message.to_owned(),
        ..pb::UpdateMessageRequest::default()
    }
}

async fn update(world: &World, request: pb::UpdateMessageRequest) -> Result<pb::Message, Status> {
    let answer = world.org.api().update_message(request).await?;
    Ok(answer.into_inner().message.unwrap())
}

async fn react(world: &World, message: &str, reaction: pb::Reaction) -> pb::Message {
    let request = pb::UpdateMessageRequest {
        reaction: reaction.into(),
        ..change(message)
    };
    update(world, request).await.unwrap()
}

async fn edit(world: &World, message: &str, content: &str) -> Result<pb::Message, Status> {
    let request = pb::UpdateMessageRequest {
        content: Some(content.to_owned()),
        ..change(message)
    };
    update(world, request).await
}

async fn counts(world: &World) -> (i32, i32) {
    let (thread, _) = world.org.read("t").await;
    (thread.positive_count, thread.negative_count)
}

#[tokio::test]
async fn an_edited_message_says_who_edited_it_and_when() {
    let world = World::new().await;
    world.org.thread("t").await;
    let before = world.org.say("t", "Helo").await;
    let after = edit(&world, &before.id, "Hello").await.unwrap();
    assert!(at(after.edited_at.as_ref()) >= at(before.created_at.as_ref()));
    let expected = pb::Message {
        content: "Hello".to_owned(),
        is_edited: true,
        edited_by: Some(OWNER.to_owned()),
        edited_at: after.updated_at,
        updated_at: after.updated_at,
        ..before
    };
    assert_eq!(after, expected);
    assert_eq!(world.org.read("t").await.1, [expected]);
    let events = world.events("threads").await;
    assert_gapless(&events);
    assert_eq!(
        (events[2].kind.as_str(), events[2].data["content"].as_str()),
        ("message.updated", Some("Hello"))
    );
}

#[tokio::test]
async fn saying_what_is_already_said_is_no_edit() {
    let world = World::new().await;
    world.org.thread("t").await;
    let before = world.org.say("t", "Hello").await;
    assert_eq!(edit(&world, &before.id, "Hello").await.unwrap(), before);
    assert_eq!(update(&world, change(&before.id)).await.unwrap(), before);
    assert_eq!(world.events("threads").await.len(), 2);
    let (thread, _) = world.org.read("t").await;
    assert_eq!(at(thread.updated_at.as_ref()), at(before.created_at.as_ref()));
}

#[tokio::test]
async fn a_system_message_can_not_be_edited() {
    let world = World::new().await;
    world.org.thread("t").await;
    let (_, system) = world.org.toggle("t").await;
    assert_invalid(edit(&world, &system.id, "Hello").await, "content");
}

#[tokio::test]
async fn a_message_is_edited_within_the_limits_of_a_new_one() {
    let world = World::new().await;
    world.org.thread("t").await;
    let message = world.org.say("t", "Hello").await;
    assert_invalid(edit(&world, &message.id, "").await, "content");
    let larger = edit(&world, &message.id, &"a".repeat(32 * 1024 + 1)).await;
    assert_refused(larger, Code::OutOfRange, "TOO_LARGE");
}

#[tokio::test]
async fn reactions_are_counted_changed_and_taken_back() {
    let world = World::new().await;
    world.org.thread("t").await;
    let message = world.org.append(pb::AppendMessageRequest {
        author: pb::Author::Bot.into(),
        ..from_visitor("t", "An answer")
    });
    let message = message.await.unwrap().id;
    let steps = [
        (pb::Reaction::Positive, (1, 0)),
        (pb::Reaction::Positive, (1, 0)),
        (pb::Reaction::Negative, (0, 1)),
        (pb::Reaction::Neutral, (0, 0)),
        (pb::Reaction::Positive, (1, 0)),
    ];
    for (reaction, expected) in steps {
        let reacted = react(&world, &message, reaction).await;
        assert_eq!(reacted.reaction(), reaction);
        assert!(!reacted.is_edited);
        assert_eq!(world.org.read("t").await.1, [reacted]);
        assert_eq!(counts(&world).await, expected, "{reaction:?}");
    }
    // Created, appended, and each reaction that was another than before.
    assert_eq!(world.events("threads").await.len(), 2 + 4);
}

#[tokio::test]
async fn a_reaction_to_an_answered_question_is_one_to_the_answer() {
    let world = World::new().await;
    world.org.thread("t").await;
    let question = world.org.say("t", "What is your price?").await;
    let answer = world.org.answer(&question, "Ten").await;
    world.org.answer(&question, "I mean eleven").await;
    let unanswered = world.org.say("t", "Eleven?").await;

    assert_eq!(
        react(&world, &question.id, pb::Reaction::Positive).await.id,
        question.id
    );
    react(&world, &unanswered.id, pb::Reaction::Negative).await;
    let (_, messages) = world.org.read("t").await;
    let reactions: Vec<_> = messages.iter().map(pb::Message::reaction).collect();
    let none = pb::Reaction::Unspecified;
    assert_eq!(reactions, [none, pb::Reaction::Positive, none, pb::Reaction::Negative]);
    assert_eq!(messages[1].id, answer.id);
    assert_eq!(counts(&world).await, (1, 1));
}

#[tokio::test]
async fn concurrent_reactions_are_all_counted() {
    let world = World::new().await;
    world.org.thread("t").await;
    let mut messages = Vec::new();
    for n in 0..20 {
        messages.push(world.org.say("t", &n.to_string()).await.id);
    }
    let all = messages
        .iter()
        .map(|message| react(&world, message, pb::Reaction::Positive));
    futures::future::join_all(all).await;
    assert_eq!(counts(&world).await, (20, 0));
    assert_gapless(&world.events("threads").await);
}

#[tokio::test]
async fn a_message_is_found_in_its_own_thread_only() {
    let world = World::new().await;
    world.org.thread("t").await;
    world.org.thread("other").await;
    let message = world.org.say("t", "Hello").await;
    let in_thread = |thread: &str| pb::UpdateMessageRequest {
        thread_id: Some(thread.to_owned()),
        reaction: pb::Reaction::Positive.into(),
        ..change(&message.id)
    };
    for thread in ["other", "nowhere"] {
        assert_refused(
            update(&world, in_thread(thread)).await,
            Code::NotFound,
            "MESSAGE_NOT_FOUND",
        );
    }
    assert!(update(&world, in_thread("t")).await.is_ok());
    let nowhere = platform::id::new().to_string();
    for id in [nowhere.as_str(), "not an id"] {
        assert_refused(update(&world, change(id)).await, Code::NotFound, "MESSAGE_NOT_FOUND");
    }
}
