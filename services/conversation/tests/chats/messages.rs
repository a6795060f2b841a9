use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;
use wire::send_chat_message_request::Content;

use crate::scene::{NOTHING, Scene, chat_refused, said};
use crate::support::{assert_field, assert_refused};

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn messages_of_both_sides_are_in_the_conversation_and_told(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.bots.1).await;
    scene.say(id, scene.ada, "I need help").await;
    scene.say(id, scene.bot.1, "Sure").await;
    scene.say(id, scene.agents[0], "Hello from Bo").await;
    let directions: Vec<_> = scene
        .world
        .messages(id)
        .await
        .iter()
        .map(|message| (message.direction(), message.author_id.clone()))
        .collect();
    assert_eq!(
        directions,
        [
            (wire::Direction::Inbound, scene.world.own.end_user.clone()),
            (wire::Direction::Outbound, scene.bot.0.clone()),
            (wire::Direction::Outbound, scene.world.own.agents[0].clone()),
        ]
    );
    let told = scene.told(&format!("chats/{id}")).await;
    let senders: Vec<_> = told[1..]
        .iter()
        .map(|(_, data)| data["message"]["sender"].clone())
        .collect();
    assert_eq!(
        senders,
        [
            serde_json::json!({ "id": scene.ada, "type": "end_user" }),
            serde_json::json!({ "id": scene.bot.1, "type": "virtual_agent" }),
            serde_json::json!({ "id": scene.agents[0], "type": "agent" }),
        ]
    );
    assert_eq!(told[1].0, "chat.message_received");
    assert_eq!(told[1].1["message"]["text"], "I need help");
    assert_eq!(told[1].1["chat"]["id"], id);
    let agents = scene.chat(id).await.all_agents;
    assert_eq!(agents.len(), 1, "who writes takes part");
    assert_eq!(agents[0].id, scene.agents[0]);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_wrong_message_is_refused_by_its_field(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    for text in ["", &"x".repeat(32 * 1024 + 1), "a\0b"] {
        assert_field(
            &chat_refused!(scene.send_chat_message(said(id, scene.ada, text))),
            "text",
        );
    }
    let nothing = wire::SendChatMessageRequest {
        content: None,
        ..said(id, scene.ada, "x")
    };
    assert_field(&chat_refused!(scene.send_chat_message(nothing)), "content");
    let other = crate::support::person(&scene.world.db, scene.world.own.org, "Eve", false).await;
    let other = crate::scene::number(&scene.world, "people", other).await;
    for from in [0, NOTHING, other] {
        let refused = chat_refused!(scene.send_chat_message(said(id, from, "x")));
        assert_field(&refused, "from_user_id");
    }
    let refused = chat_refused!(scene.send_chat_message(said(NOTHING, scene.ada, "x")));
    assert_refused(&refused, Code::NotFound, "CHAT_NOT_FOUND");
    assert!(scene.world.messages(id).await.is_empty());
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn there_is_no_media_yet(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    for content in [Content::PhotoMediaId(1), Content::VideoMediaId(1)] {
        let request = wire::SendChatMessageRequest {
            content: Some(content),
            ..said(id, scene.ada, "")
        };
        let refused = chat_refused!(scene.send_chat_message(request));
        assert_refused(&refused, Code::NotFound, "MEDIA_NOT_FOUND");
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_ended_chat_takes_no_message(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    scene.finish(id).await;
    for from in [scene.ada, scene.agents[0]] {
        let refused = chat_refused!(scene.send_chat_message(said(id, from, "x")));
        assert_refused(&refused, Code::InvalidArgument, "CHAT_ENDED");
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_retried_message_is_said_once(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    let send = async || {
        let request = scene.world.own.retriable("key", said(id, scene.ada, "Hi"));
        let answer = scene.chats.clone().send_chat_message(request).await.unwrap();
        answer.into_inner().message.unwrap()
    };
    let first = send().await;
    assert_eq!(send().await, first);
    assert_eq!(scene.world.messages(id).await, [first]);
}
