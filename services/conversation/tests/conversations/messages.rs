//! Messages of API clients.

use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;
use wire::{ConversationState, CreateKind};

use crate::support::{
    Spoil, World, assert_field, assert_refused, chat, email, inbound, ok, outbound, refused, text, unknown,
};

fn add(conversation_id: i64, message: wire::MessageInput) -> wire::AddMessageRequest {
    wire::AddMessageRequest {
        conversation_id,
        message: Some(message),
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn messages_come_oldest_first_with_their_authors(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    let agent = &world.own.agents[0];
    let full = wire::MessageInput {
        content: Some(wire::Content {
            r#type: wire::ContentType::Html.into(),
            value: "<b>hi</b>".into(),
        }),
        attachments: vec![wire::File {
            url: "https://files.example.com/a.png".into(),
            pretty_name: Some("a".into()),
        }],
        external_id: Some("m-1".into()),
        ..outbound(agent, "")
    };
    let sent = ok!(world.add_message(add(id, full.clone()))).message.unwrap();
    ok!(world.add_message(add(id, inbound("thanks"))));
    let messages = world.messages(id).await;
    assert_eq!(messages.len(), 3);
    assert_eq!(messages[1], sent);
    assert_eq!(sent.content, full.content);
    assert_eq!(sent.attachments, full.attachments);
    assert_eq!(sent.external_id, full.external_id);
    let authors: Vec<_> = messages.iter().map(|message| message.author_id.as_str()).collect();
    assert_eq!(authors, [&world.own.end_user, agent, &world.own.end_user]);
    assert_eq!(
        world.log(id).await[2..],
        ["MessageAddedByAgent", "MessageAddedByCustomer"]
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_answer_by_mail_goes_from_the_integration_to_the_requester(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let created = ok!(world.create_conversation(email(&world.own.end_user, inbound("hi"))));
    let id = created.conversation.unwrap().id;
    let answer = wire::MessageInput {
        integration_email: Some("other@email.example.com".into()),
        cc: vec!["c@example.com".into()],
        ..outbound(&world.own.agents[0], "hello")
    };
    let details = ok!(world.add_message(add(id, answer)))
        .message
        .unwrap()
        .details
        .unwrap();
    assert_eq!(details.from.unwrap().email, "other@email.example.com");
    assert_eq!(details.to[0].email, format!("{}@example.com", world.own.end_user));
    assert_eq!(details.cc[0].email, "c@example.com");
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn what_the_end_user_writes_reopens_a_closed_conversation(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    ok!(world.close_conversation(wire::CloseConversationRequest { id, user_id: None }));
    ok!(world.add_message(add(id, outbound(&world.own.agents[0], "bye"))));
    assert_eq!(world.conversation(id).await.state(), ConversationState::Closed);
    ok!(world.add_message(add(id, inbound("wait"))));
    assert_eq!(world.conversation(id).await.state(), ConversationState::Open);
    assert_eq!(
        world.log(id).await[3..],
        [
            "MessageAddedByAgent",
            "MessageAddedByCustomer",
            "ConversationReopened",
            "ConversationOffered"
        ]
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_external_id_is_taken_once_in_an_organization(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let (one, two) = (world.chat().await, world.chat().await);
    let named = || wire::MessageInput {
        external_id: Some("m-1".into()),
        ..inbound("x")
    };
    ok!(world.add_message(add(one, named())));
    for id in [one, two] {
        let status = refused!(world.add_message(add(id, named())));
        assert_refused(&status, Code::InvalidArgument, "DUPLICATE_EXTERNAL_ID");
    }
    let status = refused!(world.create_conversation(chat(&world.own.end_user, named())));
    assert_refused(&status, Code::InvalidArgument, "DUPLICATE_EXTERNAL_ID");
    assert_eq!(world.messages(two).await.len(), 1);
    // It says nothing about another organization.
    let elsewhere = world.other.request(chat(&world.other.end_user, named()));
    world.client.clone().create_conversation(elsewhere).await.unwrap();
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn only_some_channels_carry_messages_of_clients(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    for kind in [CreateKind::ContactForm, CreateKind::Sms] {
        let mut request = email(&world.own.end_user, inbound("hi"));
        request.kind = kind.into();
        let id = ok!(world.create_conversation(request)).conversation.unwrap().id;
        let status = refused!(world.add_message(add(id, inbound("x"))));
        assert_refused(&status, Code::InvalidArgument, "UNSUPPORTED_CHANNEL");
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn what_is_missing_or_wrong_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    let cases: Vec<Spoil<wire::MessageInput>> = vec![
        (|m| m.direction = 3, "message.direction"),
        (|m| m.direction = 2, "message.agent_id"),
        (|m| m.content = None, "message.content"),
        (|m| m.content.as_mut().unwrap().r#type = 9, "message.content.type"),
        (|m| m.content = text("a\0b"), "message.content.value"),
        (|m| m.external_id = Some("x".repeat(256)), "message.external_id"),
        (
            |m| m.attachments = vec![wire::File::default(); 51],
            "message.attachments",
        ),
        (|m| m.cc = vec![String::new()], "message.cc[0].email"),
    ];
    for (spoil, field) in cases {
        let mut message = inbound("x");
        spoil(&mut message);
        assert_field(&refused!(world.add_message(add(id, message))), field);
    }
    let none = wire::AddMessageRequest {
        conversation_id: id,
        message: None,
    };
    assert_field(&refused!(world.add_message(none)), "message");
    let status = refused!(world.add_message(add(id, outbound(&unknown(), "x"))));
    assert_refused(&status, Code::NotFound, "AGENT_NOT_FOUND");
    assert_eq!(world.messages(id).await.len(), 1);
}
