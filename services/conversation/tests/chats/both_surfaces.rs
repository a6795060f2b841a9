//! What one surface does the other shows.

use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;
use wire::{ChatStatus, ConversationState, EscalationStatus, ParticipantStatus};

use crate::scene::Scene;
use crate::support::{assert_refused, chat as a_chat, inbound, ok, outbound, refused};

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_chat_goes_its_way_over_both_surfaces(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let world = &scene.world;
    let id = scene.start(scene.bots.1).await;
    scene.say(id, scene.ada, "Where is my order?").await;
    scene.say(id, scene.bot.1, "Let me see").await;
    let escalation = scene.escalate(id).await;
    scene.claim(id, 0).await;
    let message = Some(outbound(&world.own.agents[0], "It is on its way"));
    let conversation_id = id;
    ok!(world.add_message(wire::AddMessageRequest {
        conversation_id,
        message
    }));
    assert_eq!(scene.status(id).await, ChatStatus::Assigned);
    assert_eq!(
        scene.escalation(escalation.id).await.status(),
        EscalationStatus::Escalated
    );
    scene.finish(id).await;
    assert_eq!(world.conversation(id).await.state(), ConversationState::Closed);
    let late = refused!(world.transfer_conversation(wire::TransferConversationRequest {
        id,
        queue_id: world.own.queues[1].clone(),
        user_id: None,
    }));
    assert_refused(&late, Code::InvalidArgument, "CONVERSATION_CLOSED");
    scene.reopen(id).await;
    assert_eq!(scene.status(id).await, ChatStatus::Queued);
    scene.claim(id, 1).await;
    scene.close(id).await;
    let done = scene.chat(id).await;
    assert_eq!(done.status(), ChatStatus::Finished);
    let agents: Vec<_> = done.all_agents.iter().map(|agent| (agent.id, agent.status())).collect();
    assert_eq!(
        agents,
        scene.agents.map(|agent| (agent, ParticipantStatus::Finished)),
        "in the order of joining"
    );
    assert_eq!(
        scene.kinds(&format!("chats/{id}")).await,
        [
            "chat.created",
            "chat.message_received",
            "chat.message_received",
            "chat.message_received",
            "chat.finished",
            "chat.finished"
        ]
    );
    assert_eq!(world.messages(id).await.len(), 3);
    assert_eq!(
        world.log(id).await,
        [
            "ConversationCreatedByCustomer",
            "ConversationAssigned",
            "MessageAddedByCustomer",
            "MessageAddedByAgent",
            "ConversationUnassigned",
            "ConversationOffered",
            "ConversationClaimed",
            "MessageAddedByAgent",
            "ConversationClosed",
            "ConversationReopened",
            "ConversationUnassigned",
            "ConversationOffered",
            "ConversationClaimed",
            "ConversationClosed"
        ]
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_chat_that_began_on_the_other_surface_is_a_chat(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let world = &scene.world;
    let request = world.own.request(a_chat(&world.own.end_user, inbound("hello")));
    let made = world.client.clone().create_conversation(request).await.unwrap();
    let id = made.into_inner().conversation.unwrap().id;
    assert_eq!(scene.status(id).await, ChatStatus::Queued);
    scene.claim(id, 0).await;
    scene.claim(id, 1).await;
    let participants = |chat: &wire::Chat| -> Vec<(i64, ParticipantStatus)> {
        chat.all_agents.iter().map(|agent| (agent.id, agent.status())).collect()
    };
    let expected = [
        (scene.agents[0], ParticipantStatus::Finished),
        (scene.agents[1], ParticipantStatus::Connected),
    ];
    let before = scene.chat(id).await;
    assert_eq!(before.status(), ChatStatus::Assigned);
    assert_eq!(participants(&before), expected);
    // From here on it has a session.
    scene.say(id, scene.agents[1], "Hello").await;
    assert_eq!(participants(&scene.chat(id).await), expected);
    assert!(
        scene.chat(id).await.timeout_at.is_some(),
        "the end user has written before"
    );
    assert_eq!(scene.finish(id).await.status(), ChatStatus::Finished);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_end_user_who_writes_to_an_ended_conversation_reopens_the_chat(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    scene.claim(id, 0).await;
    scene.finish(id).await;
    let request = scene.request(wire::AddMessageRequest {
        conversation_id: id,
        message: Some(inbound("One more thing")),
    });
    scene.world.client.clone().add_message(request).await.unwrap();
    let again = scene.chat(id).await;
    assert_eq!((again.status(), again.ends_at), (ChatStatus::Queued, None));
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_transfer_puts_the_chat_into_another_menu(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.bots.1).await;
    let request = scene.request(wire::TransferConversationRequest {
        id,
        queue_id: scene.world.own.queues[0].clone(),
        user_id: None,
    });
    scene.world.client.clone().transfer_conversation(request).await.unwrap();
    let moved = scene.chat(id).await;
    assert_eq!((moved.status(), moved.menus[0].id), (ChatStatus::Queued, scene.people));
    assert!(moved.virtual_agent.is_none());
}
