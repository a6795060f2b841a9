use proto::conversation::v1 as wire;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;
use wire::{ChatStatus, ParticipantStatus};

use crate::scene::{NOTHING, Scene, chat, chat_refused};
use crate::support::{Spoil, assert_field, assert_refused, at};

fn wanted(scene: &Scene) -> wire::CreateChatRequest {
    wire::CreateChatRequest {
        menu_id: scene.people,
        end_user_id: scene.ada,
        lang: Some("it".to_owned()),
        ..Default::default()
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_chat_waits_in_the_queue_of_its_menu(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let made = chat!(scene.create_chat(wanted(&scene))).chat.unwrap();
    assert_eq!(made.status(), ChatStatus::Queued);
    assert_eq!((made.lang.as_str(), made.menus.len()), ("it", 1));
    assert_eq!(
        (made.menus[0].id, made.menus[0].name.as_str()),
        (scene.people, "Support")
    );
    let end_user = made.end_user.clone().unwrap();
    assert_eq!((end_user.id, end_user.identifier.as_deref()), (scene.ada, Some("ada")));
    assert!(made.agent.is_none() && made.virtual_agent.is_none() && made.all_agents.is_empty());
    assert!(made.ends_at.is_none() && made.timeout_at.is_none());
    assert_eq!(scene.chat(made.id).await, made);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_chat_is_the_conversation_of_its_id(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    let conversation = scene.world.conversation(id).await;
    assert_eq!(conversation.channel(), wire::Channel::WidgetChat);
    assert_eq!(conversation.r#type(), wire::ConversationType::Chat);
    assert_eq!(conversation.queue_id.as_ref(), Some(&scene.world.own.queues[0]));
    assert_eq!(scene.world.log(id).await, ["ConversationCreatedByCustomer"]);
    assert_eq!(scene.kinds(&format!("chats/{id}")).await, ["chat.created"]);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_menu_with_a_virtual_agent_starts_with_it(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.bots.1).await;
    let begun = scene.chat(id).await;
    assert_eq!(begun.status(), ChatStatus::VaAssigned);
    let bot = begun.virtual_agent.clone().unwrap();
    assert_eq!((bot.id, bot.status()), (scene.bot.1, ParticipantStatus::Waiting));
    assert_eq!(begun.all_virtual_agents, [bot]);
    assert_eq!(
        scene.world.conversation(id).await.agent_id,
        Some(scene.bot.0.clone()),
        "the conversation shows it, too"
    );
    scene.say(id, scene.bot.1, "How can I help?").await;
    let met = scene.chat(id).await.virtual_agent.unwrap();
    assert_eq!(met.status(), ParticipantStatus::Connected);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_virtual_agent_sees_the_context_in_the_chat_and_in_events(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let request = wire::CreateChatRequest {
        context_json: r#"{"foo":"bar","key":"value"}"#.to_owned(),
        menu_id: scene.bots.1,
        ..wanted(&scene)
    };
    let made = chat!(scene.create_chat(request)).chat.unwrap();
    let context: serde_json::Value = serde_json::from_str(&made.context_json).unwrap();
    assert_eq!(context, json!({ "foo": "bar", "key": "value" }));
    let (_, told) = scene.told(&format!("chats/{}", made.id)).await.remove(0);
    assert_eq!(
        told["chat"]["context"],
        json!({ "value": { "foo": "bar", "key": "value" } })
    );
    assert_eq!(told["chat"]["status"], "va_assigned");
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_transcript_is_the_start_of_the_history(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let earlier = |from_end_user: bool, seconds: i64, text: &str| wire::TranscriptMessage {
        from_end_user,
        at: at(seconds),
        text: text.to_owned(),
        media: Vec::new(),
    };
    let photo = wire::TranscriptMessage {
        from_end_user: true,
        media: vec![wire::File {
            url: "https://example.com/a.jpg".to_owned(),
            pretty_name: None,
        }],
        ..earlier(true, 1_600_000_020, "")
    };
    let request = wire::CreateChatRequest {
        menu_id: scene.bots.1,
        transcript: vec![
            earlier(true, 1_600_000_000, "Hi"),
            earlier(false, 1_600_000_010, "Hello"),
            photo,
        ],
        ..wanted(&scene)
    };
    let id = chat!(scene.create_chat(request)).chat.unwrap().id;
    let messages = scene.world.messages(id).await;
    let texts: Vec<_> = messages
        .iter()
        .map(|message| message.content.as_ref().map(|content| content.value.as_str()))
        .collect();
    assert_eq!(texts, [Some("Hi"), Some("Hello"), None]);
    assert_eq!(messages[0].created_at, at(1_600_000_000));
    assert_eq!(messages[0].author_id, scene.world.own.end_user);
    assert_eq!(messages[1].author_id, scene.bot.0);
    assert_eq!(messages[2].attachments[0].url, "https://example.com/a.jpg");
    assert_eq!(
        scene.kinds(&format!("chats/{id}")).await,
        ["chat.created"],
        "a history is no news"
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_address_is_kept_with_an_end_user_who_has_none(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let made = chat!(scene.upsert_end_user(wire::UpsertEndUserRequest {
        identifier: "bea".to_owned(),
        ..Default::default()
    }));
    let request = |email: &str| wire::CreateChatRequest {
        end_user_id: made.end_user.as_ref().unwrap().id,
        email: Some(email.to_owned()),
        phone: Some("+15550100".to_owned()),
        ..wanted(&scene)
    };
    chat!(scene.create_chat(request("bea@example.com")));
    chat!(scene.create_chat(request("other@example.com")));
    let bea = made.end_user.as_ref().unwrap().person_id.clone();
    let kept: (Option<String>, Option<String>) =
        sqlx::query_as("select email, phone_number from conversation.people where id::text = $1")
            .bind(bea)
            .fetch_one(&scene.world.db)
            .await
            .unwrap();
    assert_eq!(kept, (Some("bea@example.com".to_owned()), Some("+15550100".to_owned())));
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_wrong_field_of_a_chat_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let spoils: [Spoil<wire::CreateChatRequest>; 9] = [
        (|m| m.lang = Some("not a language".to_owned()), "lang"),
        (|m| m.email = Some("nobody".to_owned()), "email"),
        (|m| m.phone = Some("555".to_owned()), "phone"),
        (|m| m.context_json = "[]".to_owned(), "context_json"),
        (|m| m.context_json = "{".to_owned(), "context_json"),
        (|m| m.context_json = r#"{"a":"\u0000"}"#.to_owned(), "context_json"),
        (
            |m| m.context_json = format!(r#"{{"a":"{}"}}"#, "x".repeat(16 * 1024)),
            "context_json",
        ),
        (
            |m| m.transcript = vec![wire::TranscriptMessage::default()],
            "transcript[0].text",
        ),
        (
            |m| {
                m.transcript = vec![wire::TranscriptMessage {
                    text: "x".to_owned(),
                    at: at(4_102_444_800),
                    ..Default::default()
                }];
            },
            "transcript[0].at",
        ),
    ];
    for (spoil, field) in spoils {
        let mut request = wanted(&scene);
        spoil(&mut request);
        assert_field(&chat_refused!(scene.create_chat(request)), field);
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_chat_needs_a_menu_and_an_end_user(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    for menu_id in [0, -1, NOTHING] {
        let request = wire::CreateChatRequest {
            menu_id,
            ..wanted(&scene)
        };
        let refused = chat_refused!(scene.create_chat(request));
        assert_refused(&refused, Code::NotFound, "QUEUE_NOT_FOUND");
    }
    for end_user_id in [0, NOTHING, scene.agents[0], scene.bot.1] {
        let request = wire::CreateChatRequest {
            end_user_id,
            ..wanted(&scene)
        };
        let refused = chat_refused!(scene.create_chat(request));
        assert_refused(&refused, Code::NotFound, "END_USER_NOT_FOUND");
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_retried_chat_is_made_once(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let create = async || {
        let request = scene.world.own.retriable("key", wanted(&scene));
        let answer = scene.chats.clone().create_chat(request).await.unwrap();
        answer.into_inner().chat.unwrap()
    };
    let first = create().await;
    assert_eq!(create().await, first);
    let count: i64 = sqlx::query_scalar("select count(*) from conversation.chats")
        .fetch_one(&scene.world.db)
        .await
        .unwrap();
    assert_eq!(count, 1);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_conversation_that_is_no_chat_is_not_there(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let mail = crate::support::email(&scene.world.own.end_user, crate::support::inbound("x"));
    let request = scene.request(mail);
    let mail = scene.world.client.clone().create_conversation(request).await.unwrap();
    let mail = mail.into_inner().conversation.unwrap().id;
    for id in [mail, NOTHING, -1] {
        let refused = chat_refused!(scene.get_chat(wire::GetChatRequest { id }));
        assert_refused(&refused, Code::NotFound, "CHAT_NOT_FOUND");
        let refused = chat_refused!(scene.update_chat(crate::scene::finish(id)));
        assert_refused(&refused, Code::NotFound, "CHAT_NOT_FOUND");
    }
}
