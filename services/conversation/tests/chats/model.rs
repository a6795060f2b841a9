//! Random steps over both surfaces, and of the clock, end where a model of the status table says they end.

mod contract;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use uuid::Uuid;
use wire::{ConversationState, DeflectionChannel};

use crate::deflection::closed;
use crate::scene::{Scene, escalation, finish, said};
use crate::support::{at, inbound, reason, until};
use contract::{Action, Holder, Model, Room};

fn room() -> impl Strategy<Value = Room> {
    prop_oneof![2 => Just(Room::Full), 1 => Just(Room::Free), 1 => Just(Room::AfterHours)]
}

fn action() -> impl Strategy<Value = Action> {
    let channel = prop_oneof![
        Just(DeflectionChannel::HumanAgent),
        Just(DeflectionChannel::VirtualAgent),
        Just(DeflectionChannel::ExternalLink),
        Just(DeflectionChannel::Email),
    ];
    let end = prop_oneof![Just(DeflectionChannel::ExternalLink), Just(DeflectionChannel::Email)];
    prop_oneof![
        2 => Just(Action::EndUserSays),
        2 => Just(Action::BotSays),
        2 => (0..2usize).prop_map(Action::AgentSays),
        3 => any::<bool>().prop_map(|force| Action::Escalate { force }),
        2 => channel.prop_map(Action::Choose),
        1 => Just(Action::Acknowledge),
        1 => Just(Action::Finish),
        1 => end.prop_map(Action::FinishBy),
        2 => Just(Action::Resume),
        2 => Just(Action::EndUserWrites),
        3 => (0..2usize, any::<bool>()).prop_map(|(agent, force)| Action::Claim { agent, force }),
        1 => Just(Action::Close),
        2 => Just(Action::Reopen),
        1 => room().prop_map(Action::Transfer),
        2 => Just(Action::FollowUp),
        2 => Just(Action::Wait),
        2 => Just(Action::FollowUpIsDue),
    ]
}

/// One action, or a few that chance alone would seldom bring together.
fn actions() -> impl Strategy<Value = Vec<Action>> {
    let deflected = |choice| vec![Action::Escalate { force: false }, choice];
    let some = prop_oneof![
        9 => action().prop_map(|action| vec![action]),
        1 => Just(vec![Action::BotSays, Action::Wait]),
        1 => Just(vec![Action::EndUserSays, Action::AgentSays(0), Action::Wait]),
        2 => action().prop_map(deflected),
    ];
    prop::collection::vec(some, 1..16).prop_map(|some| some.concat())
}

/// Escalations of a chat, newest first: id, number, status and whether somebody has seen it.
async fn escalations(scene: &Scene, id: i64) -> Vec<(Uuid, i64, i16, bool)> {
    sqlx::query_as(
        "select id, number, status, acknowledged_at is not null from conversation.escalations
         where conversation_id = $1 order by id desc",
    )
    .bind(id)
    .fetch_all(&scene.world.db)
    .await
    .unwrap()
}

/// Lets time pass for the clocks of a chat, until what was due has happened.
async fn wait(scene: &Scene, id: i64) {
    sqlx::query(
        "update conversation.chats set idle_since = idle_since - interval '2 days',
                                       dismissed_since = dismissed_since - interval '2 days'
         where conversation_id = $1",
    )
    .bind(id)
    .execute(&scene.world.db)
    .await
    .unwrap();
    until(async || {
        sqlx::query_scalar(
            "select not exists (select from conversation.chats where conversation_id = $1
                                and least(idle_since, dismissed_since) < now() - interval '1 day')",
        )
        .bind(id)
        .fetch_one(&scene.world.db)
        .await
        .unwrap()
    })
    .await;
}

/// Makes the follow-up of a conversation due, if it has one, until it has none.
async fn follow_up_is_due(scene: &Scene, id: i64) {
    sqlx::query(
        "update conversation.conversations set follow_up_at = now() where id = $1 and follow_up_at is not null",
    )
    .bind(id)
    .execute(&scene.world.db)
    .await
    .unwrap();
    until(async || scene.world.conversation(id).await.follow_up_at.is_none()).await;
}

/// The queue that is like this, by id and number.
async fn queue(scene: &Scene, room: Room) -> (String, i64) {
    match room {
        Room::Free => (scene.world.own.queues[0].clone(), scene.people),
        Room::Full => scene.bots.clone(),
        Room::AfterHours => {
            let id = scene.world.own.queues[1].clone();
            (id.clone(), crate::scene::number(&scene.world, "queues", id).await)
        }
    }
}

async fn act(scene: &Scene, id: i64, action: &Action) -> Result<(), String> {
    let world = &scene.world;
    let (mut chats, mut conversations) = (scene.chats.clone(), world.client.clone());
    let newest = escalations(scene, id).await.first().copied().unwrap_or_default();
    let say = |from| scene.request(said(id, from, "x"));
    let user_id = None;
    let done = match action {
        Action::EndUserSays => chats.send_chat_message(say(scene.ada)).await.map(drop),
        Action::BotSays => chats.send_chat_message(say(scene.bot.1)).await.map(drop),
        Action::AgentSays(agent) => chats.send_chat_message(say(scene.agents[*agent])).await.map(drop),
        Action::Escalate { force } => {
            let request = scene.request(escalation(id, *force));
            chats.create_chat_escalation(request).await.map(drop)
        }
        Action::Choose(channel) => {
            let request = wire::UpdateChatEscalationRequest {
                chat_id: id,
                id: newest.1,
                deflection_channel: (*channel).into(),
            };
            chats.update_chat_escalation(scene.request(request)).await.map(drop)
        }
        Action::Acknowledge => {
            let escalation_id = newest.0.to_string();
            let request = scene.request(wire::AcknowledgeChatEscalationRequest { escalation_id });
            chats.acknowledge_chat_escalation(request).await.map(drop)
        }
        Action::Finish => chats.update_chat(scene.request(finish(id))).await.map(drop),
        Action::FinishBy(channel) => {
            let request = wire::UpdateChatRequest {
                escalation_id: Some(newest.1),
                deflection_channel: (*channel).into(),
                ..finish(id)
            };
            chats.update_chat(scene.request(request)).await.map(drop)
        }
        Action::Resume => {
            let request = scene.request(wire::ResumeChatRequest { id });
            chats.resume_chat(request).await.map(drop)
        }
        Action::EndUserWrites => {
            let request = wire::AddMessageRequest {
                conversation_id: id,
                message: Some(inbound("x")),
            };
            conversations.add_message(scene.request(request)).await.map(drop)
        }
        Action::Claim { agent, force } => {
            let request = wire::ClaimConversationRequest {
                id,
                agent_id: world.own.agents[*agent].clone(),
                force: *force,
            };
            conversations.claim_conversation(scene.request(request)).await.map(drop)
        }
        Action::Close => {
            let request = scene.request(wire::CloseConversationRequest { id, user_id });
            conversations.close_conversation(request).await.map(drop)
        }
        Action::Reopen => {
            let request = scene.request(wire::ReopenConversationRequest { id, user_id });
            conversations.reopen_conversation(request).await.map(drop)
        }
        Action::Transfer(room) => {
            let (queue_id, _) = queue(scene, *room).await;
            let request = scene.request(wire::TransferConversationRequest { id, queue_id, user_id });
            conversations.transfer_conversation(request).await.map(drop)
        }
        Action::FollowUp => {
            let at = at(4_102_444_800);
            let request = scene.request(wire::FollowUpConversationRequest { id, at, user_id });
            conversations.follow_up_conversation(request).await.map(drop)
        }
        Action::Wait => {
            wait(scene, id).await;
            Ok(())
        }
        Action::FollowUpIsDue => {
            follow_up_is_due(scene, id).await;
            Ok(())
        }
    };
    done.map_err(|status| reason(&status))
}

/// Both surfaces show what the model says.
async fn assert_shown(scene: &Scene, id: i64, model: &Model, after: &str) {
    let (chat, conversation) = (scene.chat(id).await, scene.world.conversation(id).await);
    assert_eq!(chat.status(), model.status(), "{after}");
    assert_eq!(conversation.state(), model.state, "{after}");
    let (person, bot) = match model.holder {
        Holder::Nobody => (None, None),
        Holder::Bot => (None, Some(&scene.bot.0)),
        Holder::Agent(agent) => (Some(&scene.world.own.agents[agent]), None),
    };
    let shown = |agent: &Option<wire::ChatAgent>| agent.as_ref().map(|agent| agent.person_id.clone());
    assert_eq!(shown(&chat.agent), person.cloned(), "{after}");
    assert_eq!(shown(&chat.virtual_agent), bot.cloned(), "{after}");
    assert_eq!(conversation.agent_id, person.or(bot).cloned(), "{after}");
    let (queue, menu) = queue(scene, model.room).await;
    assert_eq!(chat.menus[0].id, menu, "{after}");
    assert_eq!(conversation.queue_id, Some(queue), "{after}");
    assert_eq!(chat.ends_at, conversation.closed_at, "{after}");
    assert_eq!(chat.timeout_at.is_some(), model.times_out(), "{after}");
    assert_eq!(conversation.follow_up_at.is_some(), model.follow_up, "{after}");
    let at_work = chat.all_agents.iter().chain(&chat.all_virtual_agents);
    let at_work = at_work.filter(|agent| agent.status() != wire::ParticipantStatus::Finished);
    let held = model.state != ConversationState::Closed && model.holder != Holder::Nobody;
    assert_eq!(at_work.count(), usize::from(held), "{after}");

    let found = escalations(scene, id).await;
    assert_eq!(found.len(), model.escalations, "{after}");
    assert_eq!(
        found.first().map(|(.., status, seen)| (i32::from(*status), *seen)),
        model
            .escalation
            .map(|escalation| (escalation.status.into(), escalation.acknowledged)),
        "{after}"
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn random_steps_on_both_surfaces_follow_the_status_table(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    scene.configure(&scene.bots.0, Some(0), None).await;
    scene.configure(&scene.world.own.queues[1], None, Some(closed())).await;
    let _replica = scene.run_replica().await;
    let mut runner = TestRunner::default();
    for _ in 0..25 {
        let room = room().new_tree(&mut runner).unwrap().current();
        let actions = actions().new_tree(&mut runner).unwrap().current();
        let id = scene.start(queue(&scene, room).await.1).await;
        let mut model = Model::at(room);
        assert_shown(&scene, id, &model, &format!("at {room:?}")).await;
        for action in &actions {
            let after = format!("after {action:?} of {actions:?} at {room:?}");
            let done = act(&scene, id, action).await;
            assert_eq!(done, model.act(action).map_err(str::to_owned), "{after}");
            assert_shown(&scene, id, &model, &after).await;
        }
        scene.kinds(&format!("chats/{id}")).await;
        for (escalation, ..) in escalations(&scene, id).await {
            scene.kinds(&format!("escalations/{escalation}")).await;
        }
    }
}
