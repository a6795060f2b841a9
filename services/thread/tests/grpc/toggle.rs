//! The one step in which a thread is handed to people, and back.

use std::collections::HashSet;

use futures::StreamExt as _;
use proto::settings::v1::ChatStart;
use proto::thread::v1 as pb;

use crate::support::{BOT, CONFIRMATION, OWNER, World, assert_gapless, at, keyed, toggle};

#[tokio::test]
async fn a_toggle_flips_the_flag_the_mode_and_everything_that_goes_with_them() {
    let world = World::new().await;
    let created = pb::CreateThreadRequest {
        chatbot_id: BOT.to_owned(),
        thread_id: Some("t".to_owned()),
        visitor_email: Some("grace@example.com".to_owned()),
        ..pb::CreateThreadRequest::default()
    };
    world.org.create(created).await.unwrap();
    world.org.say("t", "I want a person").await;

    let (on, said) = world.org.toggle("t").await;
    assert_eq!(
        (on.escalated, on.mode(), on.message_count, on.unread_count),
        (true, pb::Mode::Agent, 2, 1)
    );
    let expected = pb::Message {
        id: said.id.clone(),
        thread_id: "t".to_owned(),
        chatbot_id: BOT.to_owned(),
        position: 2,
        author: pb::Author::System.into(),
        mode: pb::Mode::Agent.into(),
        system_message_type: pb::SystemMessageType::ConversationEscalated.into(),
        content: CONFIRMATION.to_owned(),
        created_at: said.created_at,
        updated_at: said.created_at,
        ..pb::Message::default()
    };
    assert_eq!(said, expected);
    let (stored, messages) = world.org.read("t").await;
    assert_eq!((stored, &messages[1]), (on, &expected));
    assert_eq!(at(messages[1].created_at.as_ref()).map(|_| ()), Some(()));

    let (off, said) = world.org.toggle("t").await;
    assert_eq!((off.escalated, off.mode(), off.message_count), (false, pb::Mode::Ai, 3));
    assert_eq!(
        said.system_message_type(),
        pb::SystemMessageType::ConversationDeescalated
    );
    assert_eq!(said.mode(), pb::Mode::Ai);
    assert!(!said.content.is_empty() && said.content != CONFIRMATION);
}

#[tokio::test]
async fn each_step_tells_one_event_with_what_consumers_need() {
    let world = World::new().await;
    let created = pb::CreateThreadRequest {
        chatbot_id: BOT.to_owned(),
        thread_id: Some("t".to_owned()),
        visitor_email: Some("grace@example.com".to_owned()),
        ..pb::CreateThreadRequest::default()
    };
    let uid = world.org.create(created).await.unwrap().uid;
    world.org.say("t", "I want a person").await;
    let before = world.events("threads").await.len();
    let (_, said) = world.org.escalate("t", Some("Talk to sales")).await;
    world.org.toggle("t").await;
    assert_eq!(world.events("threads").await.len(), before);

    let events = world.events("escalations").await;
    assert_eq!(events.len(), 2);
    assert_gapless(&events);
    let (created, resolved) = (&events[0], &events[1]);
    assert_eq!(
        (created.kind.as_str(), resolved.kind.as_str()),
        ("escalation.created", "escalation.resolved")
    );
    assert!(events.iter().all(|event| event.stream == "handoff:escalations"));
    assert_eq!(created.subject, resolved.subject);
    assert_eq!(
        created.subject,
        format!("escalations/{}", created.data["escalationId"].as_str().unwrap())
    );
    let data = &created.data;
    assert_eq!(
        (&data["chatbotId"], &data["threadId"], &data["threadUid"]),
        (&BOT.into(), &"t".into(), &uid.into())
    );
    assert_eq!(
        (&data["requestedBy"], &data["prompt"]),
        (&OWNER.into(), &"Talk to sales".into())
    );
    assert_eq!(data["visitor"]["email"], "grace@example.com");
    assert_eq!(data["lastMessage"]["content"], "I want a person");
    assert_eq!(data["systemMessage"]["id"], said.unwrap().id);
    assert_eq!(
        (&data["resolvedBy"], &resolved.data["resolvedBy"]),
        (&serde_json::Value::Null, &OWNER.into())
    );
}

#[tokio::test]
async fn a_row_is_kept_for_each_time_a_thread_is_escalated() {
    let world = World::new().await;
    world.org.thread("t").await;
    for round in 1..=3 {
        world.org.toggle("t").await;
        assert_eq!(world.count("select count(*) from thread.escalations").await, round);
        assert_eq!(
            world
                .count("select count(*) from thread.escalations where resolved_at is null")
                .await,
            1
        );
        world.org.toggle("t").await;
        assert_eq!(
            world
                .count("select count(*) from thread.escalations where resolved_at is null")
                .await,
            0
        );
    }
}

#[tokio::test]
async fn a_chatbot_without_human_support_escalates_with_words_of_its_own() {
    let world = World::new().await;
    world.chatbot("bare", ChatStart::Ai).await;
    let start = pb::CreateThreadRequest {
        chatbot_id: "bare".to_owned(),
        thread_id: Some("t".to_owned()),
        ..pb::CreateThreadRequest::default()
    };
    world.org.create(start).await.unwrap();
    let request = pb::ToggleEscalationRequest {
        chatbot_id: "bare".to_owned(),
        thread_id: "t".to_owned(),
    };
    let answer = world.org.api().toggle_escalation(request).await.unwrap().into_inner();
    assert!(answer.thread.unwrap().escalated);
    let said = answer.system_message.unwrap().content;
    assert!(!said.is_empty() && said != CONFIRMATION);
}

#[tokio::test]
async fn setting_what_is_set_writes_nothing() {
    let world = World::new().await;
    world.org.thread("t").await;
    let (escalated, said) = world.org.escalate("t", Some("Talk to sales")).await;
    assert!(escalated.escalated && said.is_some());
    let (again, said) = world.org.escalate("t", Some("Talk to billing")).await;
    assert_eq!((again, said), (escalated.clone(), None));
    assert_eq!(world.org.read("t").await.0, escalated);
    let open = world.org.escalations(pb::EscalationState::Unacknowledged).await;
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].prompt.as_deref(), Some("Talk to sales"));
    assert_eq!(world.events("escalations").await.len(), 1);
}

#[tokio::test]
async fn a_toggle_sent_a_hundred_times_at_once_with_one_key_flips_once() {
    let world = World::new().await;
    world.org.thread("t").await;
    let calls = (0..100).map(|_| {
        let mut api = world.org.api();
        async move {
            api.toggle_escalation(keyed("once", toggle("t")))
                .await
                .unwrap()
                .into_inner()
        }
    });
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let (thread, messages) = world.org.read("t").await;
    assert_eq!(answers[0].thread.as_ref(), Some(&thread));
    assert!(thread.escalated);
    assert_eq!(
        messages,
        answers[0].system_message.clone().into_iter().collect::<Vec<_>>()
    );
    assert_eq!(world.events("escalations").await.len(), 1);
    assert_eq!(world.count("select count(*) from thread.escalations").await, 1);
}

#[tokio::test]
async fn toggles_at_once_without_a_key_each_flip_what_the_last_one_left() {
    let world = World::new().await;
    world.org.thread("t").await;
    let calls = futures::stream::iter((0..51).map(|_| world.org.toggle("t")));
    // As many as have a connection or wait a moment for one.
    let answers: Vec<_> = calls.buffer_unordered(25).collect().await;
    for (thread, said) in &answers {
        assert_eq!(thread.escalated, said.position % 2 == 1, "the {}th flip", said.position);
        assert_eq!(thread.message_count, i32::try_from(said.position).unwrap());
    }
    let (thread, messages) = world.org.read("t").await;
    assert!(thread.escalated, "after an odd number of flips");
    let positions: Vec<_> = messages.iter().map(|message| message.position).collect();
    assert_eq!(positions, (1..=51).collect::<Vec<_>>());
    let ids: HashSet<_> = answers.iter().map(|(_, said)| said.id.clone()).collect();
    assert_eq!(ids, messages.into_iter().map(|message| message.id).collect());
    assert_eq!(world.count("select count(*) from thread.escalations").await, 26);
    assert_eq!(
        world
            .count("select count(*) from thread.escalations where resolved_at is null")
            .await,
        1
    );
    let events = world.events("escalations").await;
    assert_eq!(events.len(), 51);
    assert_gapless(&events);
}

#[tokio::test]
async fn a_step_is_whole_or_does_not_happen() {
    let world = World::new().await;
    let before = world.org.thread("t").await;
    world
        .execute(
            "alter table thread.outbox add constraint nothing_is_told check (type <> 'escalation.created') not valid",
        )
        .await;
    let failed = world.org.api().toggle_escalation(toggle("t")).await.unwrap_err();
    assert_eq!(failed.code(), tonic::Code::Internal);
    assert!(!failed.message().contains("nothing_is_told"), "{}", failed.message());
    assert_eq!(world.org.read("t").await, (before, Vec::new()));
    assert_eq!(world.count("select count(*) from thread.escalations").await, 0);
}
