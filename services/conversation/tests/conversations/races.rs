//! Many at once.

use std::collections::HashSet;

use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::task::JoinSet;
use tonic::{Code, Status};
use wire::ConversationState;

use crate::support::{World, assert_refused, inbound, ok, person, reason};

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn of_two_hundred_agents_one_gets_the_conversation(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    let mut agents = Vec::new();
    for n in 0..200 {
        agents.push(person(&world.db, world.own.org, &format!("Agent {n}"), true).await);
    }
    let mut claims = JoinSet::new();
    for agent_id in agents {
        let (mut client, own) = (world.client.clone(), world.own.clone());
        claims.spawn(async move {
            let request = wire::ClaimConversationRequest {
                id,
                agent_id: agent_id.clone(),
                force: false,
            };
            let answer = client.claim_conversation(own.request(request)).await;
            answer.map(|_| agent_id)
        });
    }
    let (winners, losers): (Vec<_>, Vec<_>) = claims.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!(winners.len(), 1, "{winners:?}");
    let winner = winners[0].as_ref().unwrap();
    for status in losers.into_iter().map(Result::unwrap_err) {
        assert_refused(&status, Code::AlreadyExists, "ASSIGNED_TO_ANOTHER");
        assert!(status.message().contains(winner.as_str()), "{status:?}");
    }
    assert_eq!(world.conversation(id).await.agent_id.as_ref(), Some(winner));
    assert_eq!(world.log(id).await[2..], ["ConversationClaimed"]);
    assert_eq!(world.told(id).await.len(), 3);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_hundred_adds_of_one_external_id_add_one_message(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let mut conversations = Vec::new();
    for _ in 0..4 {
        conversations.push(world.chat().await);
    }
    let mut adds = JoinSet::new();
    for n in 0..100 {
        let (mut client, own, conversation_id) = (world.client.clone(), world.own.clone(), conversations[n % 4]);
        adds.spawn(async move {
            let message = wire::MessageInput {
                external_id: Some("m-1".into()),
                ..inbound("x")
            };
            let request = wire::AddMessageRequest {
                conversation_id,
                message: Some(message),
            };
            client.add_message(own.request(request)).await
        });
    }
    let answers = adds.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    for status in answers.into_iter().filter_map(Result::err) {
        assert_refused(&status, Code::InvalidArgument, "DUPLICATE_EXTERNAL_ID");
    }
    let mut messages = 0;
    for id in conversations {
        messages += world.messages(id).await.len();
        let log = world.log(id).await;
        assert_eq!(log.len() - 1, world.messages(id).await.len());
    }
    assert_eq!(messages, 5);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn concurrent_messages_each_get_a_place_and_an_entry(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let conversation_id = world.chat().await;
    let mut adds = JoinSet::new();
    for n in 0..50 {
        let (mut client, own) = (world.client.clone(), world.own.clone());
        adds.spawn(async move {
            let message = Some(inbound(&n.to_string()));
            let request = wire::AddMessageRequest {
                conversation_id,
                message,
            };
            client
                .add_message(own.request(request))
                .await
                .unwrap()
                .into_inner()
                .message
                .unwrap()
                .id
        });
    }
    let ids: HashSet<_> = adds.join_all().await.into_iter().collect();
    let messages = world.messages(conversation_id).await;
    assert_eq!(
        messages[1..]
            .iter()
            .map(|message| message.id.clone())
            .collect::<HashSet<_>>(),
        ids
    );
    assert!(messages.is_sorted_by_key(|message| message.created_at.map(|at| (at.seconds, at.nanos))));
    let entries = world.entries(conversation_id).await;
    assert_eq!(entries.len(), 52);
    assert!(entries.is_sorted_by_key(|entry| entry.at.map(|at| (at.seconds, at.nanos))));
    assert_eq!(world.told(conversation_id).await.len(), 52);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn close_and_claim_leave_a_log_that_makes_sense_whoever_is_first(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    for _ in 0..20 {
        let id = world.chat().await;
        let close = async {
            let request = wire::CloseConversationRequest { id, user_id: None };
            world
                .client
                .clone()
                .close_conversation(world.own.request(request))
                .await
        };
        let claim = async {
            let agent_id = world.own.agents[0].clone();
            let request = wire::ClaimConversationRequest {
                id,
                agent_id,
                force: false,
            };
            world
                .client
                .clone()
                .claim_conversation(world.own.request(request))
                .await
        };
        let (closed, claimed) = tokio::join!(close, claim);
        closed.unwrap();
        let conversation = world.conversation(id).await;
        assert_eq!(conversation.state(), ConversationState::Closed);
        let log = world.log(id).await.split_off(2);
        match claimed {
            Ok(_) => assert_eq!(log, ["ConversationClaimed", "ConversationClosed"]),
            Err(status) => {
                assert_refused(&status, Code::InvalidArgument, "CONVERSATION_CLOSED");
                assert_eq!(log, ["ConversationClosed"]);
            }
        }
        assert_eq!(conversation.agent_id.is_some(), log.len() == 2);
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_hundred_imports_of_one_external_id_make_one_conversation(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let mut imports = JoinSet::new();
    for _ in 0..100 {
        let (mut client, own) = (world.client.clone(), world.own.clone());
        imports.spawn(async move {
            let request = wire::ImportConversationRequest {
                generic_channel_name: "elsewhere".into(),
                requester_id: own.end_user.clone(),
                direction: wire::Direction::Inbound.into(),
                created_at: crate::support::at(1),
                external_id: Some("c-1".into()),
                ..Default::default()
            };
            client
                .import_conversation(own.request(request))
                .await
                .unwrap()
                .into_inner()
                .id
        });
    }
    let ids: HashSet<_> = imports.join_all().await.into_iter().collect();
    assert_eq!(ids.len(), 1);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn links_in_both_directions_at_once_leave_one(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    for _ in 0..10 {
        let (a, b) = (world.chat().await, world.chat().await);
        let link = async |id, parent_id| -> Result<(), Status> {
            let kind = wire::LinkKind::Related.into();
            let request = wire::LinkConversationRequest { id, parent_id, kind };
            world
                .client
                .clone()
                .link_conversation(world.own.request(request))
                .await
                .map(drop)
        };
        let (one, two) = tokio::join!(link(a, b), link(b, a));
        assert_ne!(one.is_ok(), two.is_ok());
        let refused = one.err().or(two.err()).unwrap();
        assert_eq!(reason(&refused), "LINK_REFUSED");
    }
    ok!(world.list_activity_log(wire::ListActivityLogRequest::default()));
}
