//! Who may do what, and what belongs to somebody else.

use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::{Code, Status};

use crate::support::{World, assert_refused, at, chat, inbound, with_key};

/// Calls every method that is about one conversation; the refusals, in one order.
async fn refusals(world: &World, key: &str, id: i64) -> Vec<Status> {
    let (agent, queue_id) = (world.other.agents[0].clone(), world.other.queues[0].clone());
    let tag_id = platform::id::random().to_string();
    let mut refused = Vec::new();
    macro_rules! call {
        ($($method:ident: $request:expr,)*) => {$(
            refused.push(world.client.clone().$method(with_key(key, $request)).await.unwrap_err());
        )*};
    }
    call!(
        get_conversation: wire::GetConversationRequest { id },
        list_linked_conversations: wire::ListLinkedConversationsRequest { id },
        link_conversation: wire::LinkConversationRequest { id, parent_id: id + 1, kind: 4 },
        add_message: wire::AddMessageRequest { conversation_id: id, message: Some(inbound("x")) },
        list_messages: wire::ListMessagesRequest { conversation_id: id },
        add_notes: wire::AddNotesRequest {
            conversation_id: id,
            notes: vec![wire::NoteInput { message: "n".into(), ..Default::default() }],
        },
        list_notes: wire::ListNotesRequest { conversation_id: id },
        claim_conversation: wire::ClaimConversationRequest { id, agent_id: agent, force: true },
        close_conversation: wire::CloseConversationRequest { id, user_id: None },
        reopen_conversation: wire::ReopenConversationRequest { id, user_id: None },
        transfer_conversation: wire::TransferConversationRequest { id, queue_id, user_id: None },
        follow_up_conversation: wire::FollowUpConversationRequest { id, at: at(4_102_444_800), user_id: None },
        list_conversation_tags: wire::ListConversationTagsRequest { conversation_id: id },
        change_conversation_tag: wire::ChangeConversationTagRequest { conversation_id: id, tag_id, remove: false },
        tag_conversation_by_name: wire::TagConversationByNameRequest { conversation_id: id, names: vec!["t".into()] },
        patch_conversation_attributes: wire::PatchConversationAttributesRequest {
            conversation_id: id,
            changes: Vec::new(),
        },
        list_activity_log: wire::ListActivityLogRequest { conversation_id: Some(id), ..Default::default() },
    );
    refused
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn what_belongs_to_another_organization_does_not_exist(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    let (foreign, absent) = (
        refusals(&world, &world.other.key, id).await,
        refusals(&world, &world.other.key, i64::MAX - 1).await,
    );
    for (foreign, absent) in foreign.iter().zip(&absent) {
        assert_refused(foreign, Code::NotFound, "CONVERSATION_NOT_FOUND");
        assert_eq!((foreign.code(), foreign.message()), (absent.code(), absent.message()));
        assert_eq!(foreign.details(), absent.details());
    }
    let log = wire::ListActivityLogRequest::default();
    let answer = world
        .client
        .clone()
        .list_activity_log(world.other.request(log))
        .await
        .unwrap();
    assert!(answer.into_inner().entries.is_empty());
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_key_opens_what_its_scopes_say(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    let read = world.key("reader", &["conversations:read"]).await;
    let write = world.key("writer", &["conversations:write"]).await;
    let mut client = world.client.clone();
    client
        .get_conversation(with_key(&read, wire::GetConversationRequest { id }))
        .await
        .unwrap();
    let close = wire::CloseConversationRequest { id, user_id: None };
    let status = client
        .close_conversation(with_key(&read, close.clone()))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    client.close_conversation(with_key(&write, close)).await.unwrap();
    let status = client
        .get_conversation(with_key(&write, wire::GetConversationRequest { id }))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    let every = world.own.request(wire::IngestConversationRequest::default());
    assert_eq!(
        client.ingest_conversation(every).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    let message = world.own.request(wire::IngestMessageRequest::default());
    assert_eq!(
        client.ingest_message(message).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    let mut anonymous = world.own.request(chat(&world.own.end_user, inbound("x")));
    anonymous.metadata_mut().remove("authorization");
    assert_eq!(
        client.create_conversation(anonymous).await.unwrap_err().code(),
        Code::Unauthenticated
    );
}
