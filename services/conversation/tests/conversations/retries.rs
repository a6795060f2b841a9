//! The same idempotency key means the same answer and one effect, for every mutation.

use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;

use crate::support::{World, assert_refused, at, chat, inbound};

/// How much there is of everything that a mutation can make.
async fn made(world: &World) -> (i64, i64, i64, i64) {
    sqlx::query_as(
        "select (select count(*) from conversation.conversations), (select count(*) from conversation.messages),
                (select count(*) from conversation.activity_log), (select count(*) from conversation.outbox)",
    )
    .fetch_one(&world.db)
    .await
    .unwrap()
}

/// Sends each request twice with one key and asserts that the answers are equal and that only the first did something.
macro_rules! assert_once {
    ($world:ident, $($method:ident: $request:expr,)*) => {$(
        let before = made(&$world).await;
        let request = $request;
        let first = $world.client.clone().$method($world.own.retriable("k", request.clone())).await.unwrap();
        let after = made(&$world).await;
        let again = $world.client.clone().$method($world.own.retriable("k", request)).await.unwrap();
        assert_eq!(first.into_inner(), again.into_inner(), stringify!($method));
        assert_ne!(before, after, stringify!($method));
        assert_eq!(after, made(&$world).await, stringify!($method));
    )*};
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_retry_of_any_mutation_gets_the_first_answer_and_does_nothing(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let (id, parent_id) = (world.chat().await, world.chat().await);
    let tag_id = world.tag("t", true).await;
    assert_once!(world,
        create_conversation: chat(&world.own.end_user, inbound("x")),
        import_conversation: wire::ImportConversationRequest {
            generic_channel_name: "c".into(),
            requester_id: world.own.end_user.clone(),
            direction: wire::Direction::Inbound.into(),
            created_at: at(1),
            ..Default::default()
        },
        add_message: wire::AddMessageRequest { conversation_id: id, message: Some(inbound("x")) },
        add_notes: wire::AddNotesRequest {
            conversation_id: id,
            notes: vec![wire::NoteInput { message: "n".into(), ..Default::default() }],
        },
        claim_conversation: wire::ClaimConversationRequest {
            id,
            agent_id: world.own.agents[0].clone(),
            force: false,
        },
        follow_up_conversation: wire::FollowUpConversationRequest { id, at: at(4_102_444_800), user_id: None },
        transfer_conversation: wire::TransferConversationRequest {
            id,
            queue_id: world.own.queues[1].clone(),
            user_id: None,
        },
        close_conversation: wire::CloseConversationRequest { id, user_id: None },
        reopen_conversation: wire::ReopenConversationRequest { id, user_id: None },
        link_conversation: wire::LinkConversationRequest { id, parent_id, kind: wire::LinkKind::Related.into() },
        change_conversation_tag: wire::ChangeConversationTagRequest { conversation_id: id, tag_id, remove: false },
        tag_conversation_by_name: wire::TagConversationByNameRequest { conversation_id: id, names: vec!["u".into()] },
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_key_reused_for_something_else_is_refused(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let mut client = world.client.clone();
    let say = |text: &str| chat(&world.own.end_user, inbound(text));
    client
        .create_conversation(world.own.retriable("k", say("one")))
        .await
        .unwrap();
    let status = client
        .create_conversation(world.own.retriable("k", say("two")))
        .await
        .unwrap_err();
    assert_refused(&status, Code::FailedPrecondition, "IDEMPOTENCY_KEY_REUSED");
}
