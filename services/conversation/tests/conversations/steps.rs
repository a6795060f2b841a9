//! Claim, close, reopen and transfer.

use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;
use wire::ConversationState;

use crate::support::{WIDGET, World, assert_field, assert_refused, ok, refused, unknown};

fn claim(id: i64, agent: &str, force: bool) -> wire::ClaimConversationRequest {
    wire::ClaimConversationRequest {
        id,
        agent_id: agent.to_owned(),
        force,
    }
}

fn close(id: i64) -> wire::CloseConversationRequest {
    wire::CloseConversationRequest { id, user_id: None }
}

fn reopen(id: i64) -> wire::ReopenConversationRequest {
    wire::ReopenConversationRequest { id, user_id: None }
}

fn transfer(id: i64, queue: &str) -> wire::TransferConversationRequest {
    wire::TransferConversationRequest {
        id,
        queue_id: queue.to_owned(),
        user_id: None,
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_claim_assigns_and_is_logged_once(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    let agent = &world.own.agents[0];
    let claimed = ok!(world.claim_conversation(claim(id, agent, false)))
        .conversation
        .unwrap();
    assert_eq!(claimed.agent_id.as_ref(), Some(agent));
    assert_eq!(claimed.state(), ConversationState::Open);
    assert_eq!(world.conversation(id).await, claimed);
    let again = ok!(world.claim_conversation(claim(id, agent, false)))
        .conversation
        .unwrap();
    assert_eq!(again, claimed);
    let log = world.entries(id).await;
    assert_eq!(log.len(), 3);
    assert_eq!(log[2].r#type, "ConversationClaimed");
    assert_eq!(log[2].attributes_type, "ConversationClaimedAttribute");
    assert_eq!(log[2].author.as_ref().unwrap().name.as_deref(), Some("Bo"));
    let attributes: serde_json::Value = serde_json::from_str(&log[2].attributes_json).unwrap();
    assert_eq!(
        attributes,
        serde_json::json!({ "claimedFromType": "Queue", "claimedFromLabel": "Support" })
    );
    let (kind, data) = world.told(id).await.pop().unwrap();
    assert_eq!(kind, "conversation.assigned");
    let expected = serde_json::json!({
        "csid": id,
        "channel": "WIDGET_CHAT",
        "status": "OPEN",
        "direction": "INBOUND",
        "queue": { "id": claimed.queue_id, "name": "Support" },
        "contact_point": WIDGET,
        "requester": world.shown(&world.own.end_user).await,
        "assignee": world.shown(agent).await,
        "tags": [],
        "created_at": data["conversation"]["created_at"],
    });
    assert_eq!(data["conversation"], expected);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn only_force_takes_a_conversation_from_another_agent(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    let [first, second] = &world.own.agents;
    ok!(world.claim_conversation(claim(id, first, false)));
    let status = refused!(world.claim_conversation(claim(id, second, false)));
    assert_refused(&status, Code::AlreadyExists, "ASSIGNED_TO_ANOTHER");
    assert!(status.message().contains(first.as_str()), "{status:?}");
    let robbed = ok!(world.claim_conversation(claim(id, second, true)))
        .conversation
        .unwrap();
    assert_eq!(robbed.agent_id.as_ref(), Some(second));
    assert_eq!(
        world.log(id).await[2..],
        ["ConversationClaimed", "ConversationUnassigned", "ConversationClaimed"]
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn only_an_agent_of_the_organization_can_claim(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    for agent in [unknown(), world.other.agents[0].clone(), world.own.end_user.clone()] {
        let status = refused!(world.claim_conversation(claim(id, &agent, true)));
        assert_refused(&status, Code::NotFound, "AGENT_NOT_FOUND");
    }
    assert_field(&refused!(world.claim_conversation(claim(id, "me", true))), "agent_id");
    assert_eq!(world.conversation(id).await.agent_id, None);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_closed_conversation_stays_closed_until_it_is_reopened(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    let agent = &world.own.agents[0];
    ok!(world.claim_conversation(claim(id, agent, false)));
    let closed = ok!(world.close_conversation(close(id))).conversation.unwrap();
    assert_eq!(closed.state(), ConversationState::Closed);
    assert!(closed.closed_at.is_some());
    assert_eq!(closed.agent_id.as_ref(), Some(agent));
    assert_eq!(ok!(world.close_conversation(close(id))).conversation.unwrap(), closed);
    let status = refused!(world.claim_conversation(claim(id, &world.own.agents[1], true)));
    assert_refused(&status, Code::InvalidArgument, "CONVERSATION_CLOSED");
    let status = refused!(world.transfer_conversation(transfer(id, &world.own.queues[1])));
    assert_refused(&status, Code::InvalidArgument, "CONVERSATION_CLOSED");

    let open = ok!(world.reopen_conversation(reopen(id))).conversation.unwrap();
    assert_eq!(open.state(), ConversationState::Open);
    assert_eq!((open.agent_id.clone(), open.closed_at), (None, None));
    assert_eq!(open.queue_id.as_ref(), Some(&world.own.queues[0]));
    assert_eq!(ok!(world.reopen_conversation(reopen(id))).conversation.unwrap(), open);
    assert_eq!(
        world.log(id).await[3..],
        [
            "ConversationClosed",
            "ConversationReopened",
            "ConversationUnassigned",
            "ConversationOffered"
        ]
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_transfer_puts_it_into_the_other_queue_where_nobody_has_it(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    ok!(world.claim_conversation(claim(id, &world.own.agents[0], false)));
    let before = world.conversation(id).await;
    let moved = ok!(world.transfer_conversation(transfer(id, &world.own.queues[1])))
        .conversation
        .unwrap();
    assert_eq!(moved.queue_id.as_ref(), Some(&world.own.queues[1]));
    assert_eq!(moved.agent_id, None);
    assert_ne!(moved.queued_at, before.queued_at);
    assert_eq!(
        world.log(id).await[3..],
        ["TransferInitiated", "ConversationUnassigned", "TransferSuccessful"]
    );
    for queue in [unknown(), world.other.queues[0].clone()] {
        let status = refused!(world.transfer_conversation(transfer(id, &queue)));
        assert_refused(&status, Code::NotFound, "QUEUE_NOT_FOUND");
    }
    assert_field(&refused!(world.transfer_conversation(transfer(id, "q"))), "queue_id");
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn whoever_a_step_is_done_for_has_to_be_an_agent(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    for (user, code, reason) in [
        (unknown(), Code::NotFound, "USER_NOT_FOUND"),
        (world.other.agents[0].clone(), Code::NotFound, "USER_NOT_FOUND"),
        (world.own.end_user.clone(), Code::InvalidArgument, "USER_NOT_AGENT"),
    ] {
        let user_id = Some(user);
        let request = wire::CloseConversationRequest {
            id,
            user_id: user_id.clone(),
        };
        assert_refused(&refused!(world.close_conversation(request)), code, reason);
        let request = wire::ReopenConversationRequest {
            id,
            user_id: user_id.clone(),
        };
        assert_refused(&refused!(world.reopen_conversation(request)), code, reason);
        let request = wire::TransferConversationRequest {
            user_id,
            ..transfer(id, &world.own.queues[1])
        };
        assert_refused(&refused!(world.transfer_conversation(request)), code, reason);
    }
    let request = wire::CloseConversationRequest {
        id,
        user_id: Some("me".into()),
    };
    assert_field(&refused!(world.close_conversation(request)), "user_id");
    let request = wire::CloseConversationRequest {
        id,
        user_id: Some(world.own.agents[1].clone()),
    };
    ok!(world.close_conversation(request));
    let author = world.entries(id).await.pop().unwrap().author.unwrap();
    assert_eq!(author.id, world.own.agents[1]);
}
