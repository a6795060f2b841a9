//! Conversations that happened elsewhere.

use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;
use wire::{ConversationState, ConversationType, Direction};

use crate::support::{Spoil, World, assert_field, assert_refused, at, inbound, ok, outbound, refused, unknown};

fn import(world: &World, messages: Vec<wire::ImportMessage>) -> wire::ImportConversationRequest {
    wire::ImportConversationRequest {
        generic_channel_name: "MyCustomChat".into(),
        requester_id: world.own.end_user.clone(),
        direction: Direction::Inbound.into(),
        messages,
        created_at: at(1000),
        ..Default::default()
    }
}

fn dated(message: wire::MessageInput, seconds: i64) -> wire::ImportMessage {
    wire::ImportMessage {
        message: Some(message),
        created_at: at(seconds),
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_import_keeps_its_times_and_tells_nobody(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let agent = world.own.agents[0].clone();
    let request = wire::ImportConversationRequest {
        agent_id: Some(agent.clone()),
        assigned_at: at(1500),
        closed_at: at(3000),
        closed_by: Some(agent.clone()),
        ..import(
            &world,
            vec![dated(outbound(&agent, "second"), 2000), dated(inbound("first"), 1100)],
        )
    };
    let answer = ok!(world.import_conversation(request));
    assert!(answer.partial_errors.is_empty());
    let imported = world.conversation(answer.id).await;
    assert_eq!(
        (imported.r#type(), imported.state()),
        (ConversationType::Generic, ConversationState::Closed)
    );
    assert_eq!(
        (imported.created_at, imported.assigned_at, imported.closed_at),
        (at(1000), at(1500), at(3000))
    );
    assert_eq!((imported.queue_id, imported.agent_id), (None, Some(agent)));
    let messages = world.messages(answer.id).await;
    let texts: Vec<_> = messages
        .iter()
        .map(|message| message.content.clone().unwrap().value)
        .collect();
    assert_eq!(texts, ["first", "second"]);
    assert_eq!(messages[0].created_at, at(1100));
    let log: Vec<_> = world
        .entries(answer.id)
        .await
        .into_iter()
        .map(|entry| (entry.r#type, entry.at))
        .collect();
    assert_eq!(
        log,
        [
            ("ConversationCreatedByCustomer".to_owned(), at(1000)),
            ("MessageAddedByCustomer".to_owned(), at(1100)),
            ("MessageAddedByAgent".to_owned(), at(2000)),
            ("ConversationAssigned".to_owned(), at(1500)),
            ("ConversationClosed".to_owned(), at(3000)),
        ]
    );
    assert!(world.told(answer.id).await.is_empty());
    // What happens from now on is told, from the first sequence on.
    ok!(world.reopen_conversation(wire::ReopenConversationRequest {
        id: answer.id,
        user_id: None
    }));
    assert_eq!(world.told(answer.id).await.len(), 3);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn what_cannot_be_used_is_left_out_and_named(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let with = |message: wire::MessageInput, external_id: &str| wire::MessageInput {
        external_id: Some(external_id.to_owned()),
        ..message
    };
    let attached = wire::MessageInput {
        attachments: vec![wire::File {
            url: "nowhere".into(),
            pretty_name: None,
        }],
        ..with(inbound("attached"), "42")
    };
    let request = wire::ImportConversationRequest {
        agent_id: Some(world.own.end_user.clone()),
        unreadable: vec!["Invalid message: messages[9]".into()],
        ..import(
            &world,
            vec![
                dated(attached, 1),
                wire::ImportMessage::default(),
                dated(with(outbound(&unknown(), "x"), "43"), 2),
                dated(with(inbound("twice"), "44"), 3),
                dated(with(inbound("twice"), "44"), 4),
            ],
        )
    };
    let answer = ok!(world.import_conversation(request));
    assert_eq!(
        answer.partial_errors,
        [
            "Invalid message: messages[9]",
            "Invalid attachment url in message. externalId: 42",
            "Invalid message: messages[1].created_at must be present",
            "The agent of a message does not exist. externalId: 43",
            "Duplicate externalId in message. externalId: 44",
            "The conversation could not be assigned",
        ]
    );
    let messages = world.messages(answer.id).await;
    assert_eq!(messages.len(), 2);
    assert!(messages[0].attachments.is_empty());
    assert_eq!(world.conversation(answer.id).await.agent_id, None);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_repeated_external_id_answers_with_the_first_conversation(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let request = wire::ImportConversationRequest {
        external_id: Some("c-1".into()),
        ..import(&world, vec![dated(inbound("x"), 1)])
    };
    let first = ok!(world.import_conversation(request.clone()));
    let again = ok!(world.import_conversation(request));
    assert_eq!((again.id, again.partial_errors.len()), (first.id, 0));
    assert_eq!(world.messages(first.id).await.len(), 1);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn people_who_do_not_exist_and_wrong_fields_are_refused(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let good = || import(&world, Vec::new());
    let request = wire::ImportConversationRequest {
        requester_id: unknown(),
        ..good()
    };
    assert_refused(
        &refused!(world.import_conversation(request)),
        Code::NotFound,
        "END_USER_NOT_FOUND",
    );
    let request = wire::ImportConversationRequest {
        agent_id: Some(unknown()),
        ..good()
    };
    assert_refused(
        &refused!(world.import_conversation(request)),
        Code::NotFound,
        "AGENT_NOT_FOUND",
    );
    let cases: Vec<Spoil<wire::ImportConversationRequest>> = vec![
        (|r| r.generic_channel_name.clear(), "generic_channel_name"),
        (|r| r.generic_channel_name = "x".repeat(101), "generic_channel_name"),
        (|r| r.requester_id = "me".into(), "requester_id"),
        (|r| r.direction = 3, "direction"),
        (|r| r.created_at = None, "created_at"),
        (|r| r.messages = vec![wire::ImportMessage::default(); 1001], "messages"),
        (|r| r.external_id = Some(String::new()), "external_id"),
        (|r| r.closed_by = Some("me".into()), "closed_by"),
    ];
    for (spoil, field) in cases {
        let mut request = good();
        spoil(&mut request);
        assert_field(&refused!(world.import_conversation(request)), field);
    }
}
