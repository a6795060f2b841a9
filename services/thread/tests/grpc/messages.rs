//! Messages of every author.

use proto::settings::v1::ChatStart;
use proto::thread::v1 as pb;
use tonic::Code;

use crate::support::{BOT, World, assert_gapless, assert_invalid, assert_refused, at, from_visitor};

#[tokio::test]
async fn each_author_is_kept_with_what_belongs_to_it() {
    let world = World::new().await;
    world.org.thread("t").await;
    let question = pb::AppendMessageRequest {
        icon_url: Some("https://cdn.example.com/me.png".to_owned()),
        ..from_visitor("t", "Où est la gare? 🚉")
    };
    let question = world.org.append(question).await.unwrap();
    let answer = pb::AppendMessageRequest {
        author: pb::Author::Bot.into(),
        parent_message_id: Some(question.id.clone()),
        llm_model_id: Some("gpt-4".to_owned()),
        sources_json: Some("[{\"url\": \"https://example.com\", \"n\": 1.50}]".to_owned()),
        ..from_visitor("t", "There")
    };
    let answer = world.org.append(answer).await.unwrap();
    let agent = pb::AppendMessageRequest {
        author: pb::Author::Agent.into(),
        agent_name: Some("Ada".to_owned()),
        ..from_visitor("t", "I can help")
    };
    let agent = world.org.append(agent).await.unwrap();
    let system = pb::AppendMessageRequest {
        author: pb::Author::System.into(),
        system_message_type: pb::SystemMessageType::EmailVerified.into(),
        ..from_visitor("t", "E-mail verified")
    };
    let system = world.org.append(system).await.unwrap();

    let base = |stored: &pb::Message, position, author: pb::Author| pb::Message {
        id: stored.id.clone(),
        thread_id: "t".to_owned(),
        chatbot_id: BOT.to_owned(),
        position,
        author: author.into(),
        mode: pb::Mode::Ai.into(),
        content: stored.content.clone(),
        created_at: stored.created_at,
        updated_at: stored.created_at,
        ..pb::Message::default()
    };
    let expected = [
        pb::Message {
            content: "Où est la gare? 🚉".to_owned(),
            icon_url: Some("https://cdn.example.com/me.png".to_owned()),
            ..base(&question, 1, pb::Author::User)
        },
        pb::Message {
            content: "There".to_owned(),
            parent_message_id: Some(question.id.clone()),
            llm_model_id: Some("gpt-4".to_owned()),
            sources_json: "[{\"url\": \"https://example.com\", \"n\": 1.50}]".to_owned(),
            ..base(&answer, 2, pb::Author::Bot)
        },
        pb::Message {
            content: "I can help".to_owned(),
            agent_name: Some("Ada".to_owned()),
            ..base(&agent, 3, pb::Author::Agent)
        },
        pb::Message {
            content: "E-mail verified".to_owned(),
            system_message_type: pb::SystemMessageType::EmailVerified.into(),
            ..base(&system, 4, pb::Author::System)
        },
    ];
    assert!(expected.iter().all(|message| message.created_at.is_some()));
    assert_eq!([question, answer, agent, system], expected);
    let (thread, messages) = world.org.read("t").await;
    assert_eq!(messages, expected);
    assert_eq!((thread.message_count, thread.unread_count), (4, 1));
    assert_eq!(at(thread.updated_at.as_ref()), at(expected[3].created_at.as_ref()));

    let events = world.events("threads").await;
    assert_gapless(&events);
    let told: Vec<_> = events
        .iter()
        .skip(1)
        .map(|event| (event.kind.as_str(), event.data["author"].clone()))
        .collect();
    let authors = ["USER", "BOT", "AGENT", "SYSTEM"].map(|author| ("message.created", author.into()));
    assert_eq!(told, authors);
    assert_eq!(events[2].data["parentMessageId"], expected[0].id);
    assert_eq!(events[3].data["content"], "I can help");
}

#[tokio::test]
async fn a_message_shows_the_mode_its_thread_was_in() {
    let world = World::new().await;
    world.org.thread("t").await;
    assert_eq!(world.org.say("t", "to the bot").await.mode(), pb::Mode::Ai);
    world.org.toggle("t").await;
    let to_a_person = world.org.say("t", "to a person").await;
    assert_eq!(to_a_person.mode(), pb::Mode::Agent);
    let (_, shown) = world.org.read("t").await;
    let modes: Vec<_> = shown.iter().map(pb::Message::mode).collect();
    assert_eq!(modes, [pb::Mode::Ai, pb::Mode::Agent, pb::Mode::Agent]);
    assert_eq!(shown.last(), Some(&to_a_person));
}

#[tokio::test]
async fn a_visitor_and_the_bot_start_a_thread_with_a_message_and_nobody_else_does() {
    let world = World::new().await;
    world.chatbot("people-first", ChatStart::Agent).await;
    let start = |author: pb::Author| pb::AppendMessageRequest {
        chatbot_id: "people-first".to_owned(),
        thread_id: None,
        author: author.into(),
        content: "Hello".to_owned(),
        ..pb::AppendMessageRequest::default()
    };
    for author in [pb::Author::User, pb::Author::Bot] {
        let message = world.org.append(start(author)).await.unwrap();
        assert_eq!((message.position, message.mode()), (1, pb::Mode::Agent));
        let request = pb::GetThreadRequest {
            chatbot_id: "people-first".to_owned(),
            thread_id: message.thread_id.clone(),
            message_limit: 10,
        };
        let answer = world.org.api().get_thread(request).await.unwrap().into_inner();
        let thread = answer.thread.unwrap();
        assert_eq!(
            (thread.message_count, thread.unread_count),
            (1, i32::from(author == pb::Author::User))
        );
        assert_eq!(answer.messages, [message]);
    }
    assert_invalid(world.org.append(start(pb::Author::Agent)).await, "thread_id");
    let system = pb::AppendMessageRequest {
        system_message_type: pb::SystemMessageType::EmailVerified.into(),
        ..start(pb::Author::System)
    };
    assert_invalid(world.org.append(system).await, "thread_id");
    let events = world.events("threads").await;
    assert_eq!(events.len(), 4);
    assert_gapless(&events);
}

#[tokio::test]
async fn an_answer_belongs_to_a_message_of_its_own_thread() {
    let world = World::new().await;
    world.org.thread("t").await;
    world.org.thread("other").await;
    let elsewhere = world.org.say("other", "Hello").await;
    let answer = |parent: &str| pb::AppendMessageRequest {
        author: pb::Author::Bot.into(),
        parent_message_id: Some(parent.to_owned()),
        ..from_visitor("t", "An answer")
    };
    let nowhere = platform::id::new().to_string();
    for parent in [elsewhere.id.as_str(), &nowhere, "not an id"] {
        assert_invalid(world.org.append(answer(parent)).await, "parent_message_id");
    }
    let without_thread = pb::AppendMessageRequest {
        thread_id: None,
        ..answer(&elsewhere.id)
    };
    assert_invalid(world.org.append(without_thread).await, "parent_message_id");
    assert!(world.org.read("t").await.1.is_empty());
}

#[tokio::test]
async fn what_belongs_to_one_author_is_refused_with_another() {
    let world = World::new().await;
    world.org.thread("t").await;
    let visitor = || from_visitor("t", "Hello");
    let cases = [
        (
            "agent_name",
            pb::AppendMessageRequest {
                agent_name: Some("Ada".to_owned()),
                ..visitor()
            },
        ),
        (
            "llm_model_id",
            pb::AppendMessageRequest {
                llm_model_id: Some("gpt-4".to_owned()),
                ..visitor()
            },
        ),
        (
            "sources_json",
            pb::AppendMessageRequest {
                sources_json: Some("[]".to_owned()),
                ..visitor()
            },
        ),
        (
            "system_message_type",
            pb::AppendMessageRequest {
                system_message_type: pb::SystemMessageType::EmailVerified.into(),
                ..visitor()
            },
        ),
        (
            "system_message_type",
            pb::AppendMessageRequest {
                author: pb::Author::System.into(),
                ..visitor()
            },
        ),
        ("author", pb::AppendMessageRequest { author: 0, ..visitor() }),
    ];
    for (field, request) in cases {
        assert_invalid(world.org.append(request).await, field);
    }
}

#[tokio::test]
async fn a_message_has_one_byte_to_32_kib() {
    let world = World::new().await;
    world.org.thread("t").await;
    assert_eq!(
        world.org.say("t", &"ü".repeat(16 * 1024)).await.content.len(),
        32 * 1024
    );
    let larger = world.org.append(from_visitor("t", &"a".repeat(32 * 1024 + 1))).await;
    let status = assert_refused(larger, Code::OutOfRange, "TOO_LARGE");
    assert_eq!(crate::support::fields(&status), ["content"]);
    assert_invalid(world.org.append(from_visitor("t", "")).await, "content");
    assert_eq!(world.org.read("t").await.0.message_count, 1);
}

#[tokio::test]
async fn sources_are_a_bounded_list_of_objects() {
    let world = World::new().await;
    world.org.thread("t").await;
    let with = |sources: String| pb::AppendMessageRequest {
        author: pb::Author::Bot.into(),
        sources_json: Some(sources),
        ..from_visitor("t", "An answer")
    };
    assert_eq!(world.org.append(with("[]".to_owned())).await.unwrap().sources_json, "");
    for wrong in ["{}", "[1]", "[{}", &format!("[{}{{}}]", "{},".repeat(100))] {
        assert_invalid(world.org.append(with(wrong.to_owned())).await, "sources_json");
    }
    let large = format!("[{{\"text\":\"{}\"}}]", "a".repeat(64 * 1024));
    assert_refused(world.org.append(with(large)).await, Code::OutOfRange, "TOO_LARGE");
}
