//! What is asked for, and what is refused.

use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;
use wire::{AnonymizationTarget, ConversationState};

use super::{conversation, end_user, message};
use crate::support::{World, assert_field, assert_refused, chat, inbound, ok, refused, unknown, with_key};

async fn close(world: &World, id: i64) {
    ok!(world.close_conversation(wire::CloseConversationRequest { id, user_id: None }));
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_request_is_queued_and_can_be_read(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    let of = world.messages(id).await[0].id.clone();
    close(&world, id).await;
    for (asked, target, target_id) in [
        (message(id, &of), AnonymizationTarget::Message, format!("{id}_{of}")),
        (
            conversation(id, false),
            AnonymizationTarget::Conversation,
            id.to_string(),
        ),
        (
            end_user(&world.own.end_user, false),
            AnonymizationTarget::User,
            world.own.end_user.clone(),
        ),
    ] {
        let request = world.anonymize(asked.clone()).await;
        assert_eq!((request.target(), &request.target_id), (target, &target_id));
        assert!(request.initiated_at.is_some() && request.processed_at.is_none());
        assert!(platform::id::parse(&request.requested_by).is_some(), "{request:?}");
        assert_eq!(world.request_status(&request.id).await, request);
        assert_eq!(world.anonymize(asked).await, request, "it is queued once");
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_hundred_who_ask_at_once_get_one_request(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    let asking = (0..100).map(|_| {
        let (mut client, request) = (world.client.clone(), world.own.request(conversation(id, true)));
        tokio::spawn(async move { client.anonymize(request).await })
    });
    let mut ids = Vec::new();
    for asked in asking.collect::<Vec<_>>() {
        // Whoever waited too long for the others may try again.
        match asked.await.unwrap() {
            Ok(answer) => ids.push(answer.into_inner().request.unwrap().id),
            Err(status) => assert!(matches!(status.code(), Code::Aborted | Code::Unavailable), "{status:?}"),
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(world.log(id).await[2..], ["ConversationClosed"]);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn what_is_not_closed_takes_force(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    let of = world.messages(id).await[0].id.clone();
    for asked in [
        conversation(id, false),
        message(id, &of),
        end_user(&world.own.end_user, false),
    ] {
        let status = refused!(world.anonymize(asked));
        assert_refused(&status, Code::AlreadyExists, "CONVERSATION_NOT_CLOSED");
    }
    assert_eq!(world.conversation(id).await.state(), ConversationState::Open);
    let request = world.anonymize(conversation(id, true)).await;
    assert_eq!(world.conversation(id).await.state(), ConversationState::Closed);
    let entry = world.entries(id).await.pop().unwrap();
    assert_eq!(entry.r#type, "ConversationClosed");
    assert_eq!(entry.author.unwrap().id, request.requested_by);
    let other = world.chat().await;
    let of = world.messages(other).await[0].id.clone();
    let forced = wire::AnonymizeRequest {
        force: true,
        ..message(other, &of)
    };
    let status = refused!(world.anonymize(forced));
    assert_refused(&status, Code::AlreadyExists, "CONVERSATION_NOT_CLOSED");
    world.anonymize(end_user(&world.own.end_user, true)).await;
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn what_is_not_there_or_belongs_to_somebody_else_is_not_found(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let (id, other) = (world.chat().await, world.chat().await);
    let of = world.messages(id).await[0].id.clone();
    for (asked, reason) in [
        (conversation(i64::MAX, true), "CONVERSATION_NOT_FOUND"),
        (conversation(0, true), "CONVERSATION_NOT_FOUND"),
        (message(i64::MAX, &of), "CONVERSATION_NOT_FOUND"),
        (message(id, &unknown()), "MESSAGE_NOT_FOUND"),
        (message(other, &of), "MESSAGE_NOT_FOUND"),
        (end_user(&unknown(), true), "END_USER_NOT_FOUND"),
        (end_user(&world.own.agents[0], true), "END_USER_NOT_FOUND"),
    ] {
        assert_refused(&refused!(world.anonymize(asked)), Code::NotFound, reason);
    }
    let absent = wire::GetAnonymizationRequestRequest { id: unknown() };
    let status = refused!(world.get_anonymization_request(absent));
    assert_refused(&status, Code::NotFound, "ANONYMIZATION_REQUEST_NOT_FOUND");

    let mut client = world.client.clone();
    let request = world.anonymize(conversation(id, true)).await;
    for (asked, reason) in [
        (conversation(other, true), "CONVERSATION_NOT_FOUND"),
        (conversation(id, true), "CONVERSATION_NOT_FOUND"),
        (message(id, &of), "CONVERSATION_NOT_FOUND"),
        (end_user(&world.own.end_user, true), "END_USER_NOT_FOUND"),
    ] {
        let status = client.anonymize(world.other.request(asked)).await.unwrap_err();
        assert_refused(&status, Code::NotFound, reason);
    }
    let foreign = wire::GetAnonymizationRequestRequest { id: request.id };
    let status = client
        .get_anonymization_request(world.other.request(foreign))
        .await
        .unwrap_err();
    assert_refused(&status, Code::NotFound, "ANONYMIZATION_REQUEST_NOT_FOUND");
    assert_eq!(world.conversation(other).await.state(), ConversationState::Open);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_request_with_a_wrong_field_names_it(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    for (asked, field) in [
        (wire::AnonymizeRequest::default(), "target"),
        (message(1, "x"), "message_id"),
        (end_user("x", true), "user_id"),
    ] {
        assert_field(&refused!(world.anonymize(asked)), field);
    }
    let nameless = wire::GetAnonymizationRequestRequest { id: "x".into() };
    assert_field(&refused!(world.get_anonymization_request(nameless)), "id");
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn it_takes_the_scopes_of_what_is_erased(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    let user = end_user(&world.own.end_user, true);
    let mut client = world.client.clone();
    let read = world.key("reader", &["conversations:read"]).await;
    let write = world.key("writer", &["conversations:write"]).await;
    let both = world.key("clerk", &["conversations:write", "directory:write"]).await;
    let status = client
        .anonymize(with_key(&read, conversation(id, true)))
        .await
        .unwrap_err();
    assert_refused(&status, Code::PermissionDenied, "SCOPE_MISSING");
    let status = client.anonymize(with_key(&write, user.clone())).await.unwrap_err();
    assert_refused(&status, Code::PermissionDenied, "SCOPE_MISSING");
    let answer = client
        .anonymize(with_key(&write, conversation(id, true)))
        .await
        .unwrap();
    client.anonymize(with_key(&both, user)).await.unwrap();
    let request = wire::GetAnonymizationRequestRequest {
        id: answer.into_inner().request.unwrap().id,
    };
    let status = client
        .get_anonymization_request(with_key(&write, request.clone()))
        .await
        .unwrap_err();
    assert_refused(&status, Code::PermissionDenied, "SCOPE_MISSING");
    client
        .get_anonymization_request(with_key(&read, request))
        .await
        .unwrap();
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_retry_gets_the_first_answer_and_another_request_is_refused(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let (id, other) = (world.chat().await, world.chat().await);
    let mut client = world.client.clone();
    let mut ask = async |asked| client.anonymize(world.own.retriable("k", asked)).await;
    let first = ask(conversation(id, true)).await.unwrap().into_inner();
    assert_eq!(ask(conversation(id, true)).await.unwrap().into_inner(), first);
    let status = ask(conversation(other, true)).await.unwrap_err();
    assert_refused(&status, Code::FailedPrecondition, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(world.conversation(other).await.state(), ConversationState::Open);
    let requests: i64 = sqlx::query_scalar("select count(*) from conversation.anonymizations")
        .fetch_one(&world.db)
        .await
        .unwrap();
    assert_eq!(requests, 1);
    let begun = chat(&world.own.end_user, inbound("x"));
    assert!(ok!(world.create_conversation(begun)).conversation.is_some());
}
