//! Conversations that wait for a point in time.

use platform::server::Readiness;
use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use wire::ConversationState;

use crate::support::{World, assert_field, assert_refused, at, ok, refused, until};

fn follow_up(id: i64, seconds: i64) -> wire::FollowUpConversationRequest {
    wire::FollowUpConversationRequest {
        id,
        at: at(seconds),
        user_id: None,
    }
}

/// In the year 2100.
const LATER: i64 = 4_102_444_800;

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_conversation_is_pending_until_its_follow_up(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    let pending = ok!(world.follow_up_conversation(follow_up(id, LATER)))
        .conversation
        .unwrap();
    assert_eq!(
        (pending.state(), pending.follow_up_at),
        (ConversationState::Pending, at(LATER))
    );
    ok!(world.follow_up_conversation(follow_up(id, LATER)));
    let moved = ok!(world.follow_up_conversation(follow_up(id, LATER + 1)))
        .conversation
        .unwrap();
    assert_eq!(moved.follow_up_at, at(LATER + 1));
    assert_eq!(
        world.log(id).await[2..],
        [
            "FollowupAdded",
            "ConversationPending",
            "FollowupRemoved",
            "FollowupAdded"
        ]
    );
    ok!(world.close_conversation(wire::CloseConversationRequest { id, user_id: None }));
    assert_eq!(world.conversation(id).await.follow_up_at, None);
    assert_eq!(world.log(id).await[6..], ["FollowupRemoved", "ConversationClosed"]);
    let status = refused!(world.follow_up_conversation(follow_up(id, LATER)));
    assert_refused(&status, Code::InvalidArgument, "CONVERSATION_CLOSED");
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_follow_up_is_in_the_future(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    assert_field(&refused!(world.follow_up_conversation(follow_up(id, 1))), "at");
    let none = wire::FollowUpConversationRequest {
        at: None,
        ..follow_up(id, 1)
    };
    assert_field(&refused!(world.follow_up_conversation(none)), "at");
    assert_eq!(world.log(id).await.len(), 2);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn what_is_due_is_opened_once_by_any_number_of_replicas(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let (due, waiting) = (world.chat().await, world.chat().await);
    for id in [due, waiting] {
        ok!(world.follow_up_conversation(follow_up(id, LATER)));
    }
    sqlx::query("update conversation.conversations set follow_up_at = now() where id = $1")
        .bind(due)
        .execute(&world.db)
        .await
        .unwrap();
    let stop = CancellationToken::new();
    let mut replicas = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        replicas.spawn(world.replica().run(listener, Readiness::default(), stop.clone()));
    }
    until(async || world.conversation(due).await.state() == ConversationState::Open).await;
    stop.cancel();
    replicas.join_all().await;
    assert_eq!(world.log(due).await[4..], ["FollowupExpired"]);
    assert_eq!(world.conversation(waiting).await.state(), ConversationState::Pending);
    assert_eq!(world.told(due).await.pop().unwrap().0, "conversation.pending_expired");
}
