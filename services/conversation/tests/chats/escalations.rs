use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;
use wire::{ChatEscalationState as State, ChatStatus, EscalationStatus, ParticipantStatus};

use crate::scene::{NOTHING, Scene, chat, chat_refused, escalation, no_uuid};
use crate::support::{assert_field, assert_refused, until};

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn escalating_takes_the_chat_from_the_virtual_agent_into_the_queue(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.bots.1).await;
    scene.say(id, scene.ada, "A person, please").await;
    let begun = scene.escalate(id).await;
    assert_eq!((begun.chat_id, begun.status()), (id, EscalationStatus::Escalating));
    assert_eq!(begun.reason(), wire::EscalationReason::ByEndUserAsk);
    assert_eq!(
        (begun.state(), begun.requested_by.as_str()),
        (State::Unacknowledged, "tests")
    );
    let chat = scene.chat(id).await;
    assert_eq!(chat.status(), ChatStatus::Queued);
    assert!(chat.virtual_agent.is_none());
    assert_eq!(chat.all_virtual_agents[0].status(), ParticipantStatus::Finished);
    let log = scene.world.log(id).await;
    assert_eq!(log[3..], ["ConversationUnassigned", "ConversationOffered"]);
    let told = scene.told(&format!("escalations/{}", begun.escalation_id)).await;
    assert_eq!(told[0].0, "escalation.created");
    let data = &told[0].1;
    assert_eq!((&data["kind"], &data["chatId"]), (&"chat".into(), &id.into()));
    assert_eq!(data["escalationId"], begun.escalation_id);
    assert_eq!(data["visitor"]["name"], "Ada");
    assert_eq!(data["lastMessage"]["content"], "A person, please");
    assert_eq!(
        (&data["status"], &data["reason"]),
        (&"escalating".into(), &"by_end_user_ask".into())
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_chat_that_waits_already_can_be_escalated(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    let before = scene.world.log(id).await;
    assert_eq!(scene.escalate(id).await.status(), EscalationStatus::Escalating);
    assert_eq!(scene.status(id).await, ChatStatus::Queued);
    assert_eq!(scene.world.log(id).await, before, "it keeps its place");
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn escalating_again_is_the_same_escalation(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.bots.1).await;
    let first = scene.escalate(id).await;
    assert_eq!(scene.escalate(id).await.id, first.id);
    assert_eq!(
        scene.kinds(&format!("escalations/{}", first.escalation_id)).await,
        ["escalation.created"]
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_claim_over_the_other_surface_completes_the_escalation(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.bots.1).await;
    let begun = scene.escalate(id).await;
    scene.claim(id, 0).await;
    let done = scene.escalation(begun.id).await;
    assert_eq!(
        (done.status(), done.state()),
        (EscalationStatus::Escalated, State::Resolved)
    );
    assert_eq!(done.resolved_by.as_ref(), Some(&scene.world.own.agents[0]));
    let chat = scene.chat(id).await;
    assert_eq!(chat.status(), ChatStatus::Assigned);
    let agent = chat.agent.unwrap();
    assert_eq!(
        (agent.id, agent.status()),
        (scene.agents[0], ParticipantStatus::Connected)
    );
    assert_eq!(
        scene.kinds(&format!("escalations/{}", begun.escalation_id)).await,
        ["escalation.created", "escalation.resolved"]
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_chat_that_ends_first_cancels_the_escalation(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let (finished, closed) = (scene.start(scene.bots.1).await, scene.start(scene.bots.1).await);
    let escalations = [scene.escalate(finished).await.id, scene.escalate(closed).await.id];
    scene.finish(finished).await;
    scene.close(closed).await;
    for id in escalations {
        let ended = scene.escalation(id).await;
        assert_eq!((ended.status(), ended.resolved_by), (EscalationStatus::Canceled, None));
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_chat_that_a_person_has_is_escalated_at_once(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    scene.claim(id, 1).await;
    let first = scene.escalate(id).await;
    assert_eq!(first.status(), EscalationStatus::Escalated);
    assert_eq!(scene.status(id).await, ChatStatus::Assigned);
    assert_eq!(scene.escalate(id).await.id, first.id);
    assert_eq!(
        scene.kinds(&format!("escalations/{}", first.escalation_id)).await,
        ["escalation.created", "escalation.resolved"]
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_reopened_chat_can_be_escalated_anew(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.bots.1).await;
    let first = scene.escalate(id).await;
    scene.finish(id).await;
    assert_refused(
        &chat_refused!(scene.create_chat_escalation(escalation(id, false))),
        Code::InvalidArgument,
        "CHAT_ENDED",
    );
    scene.reopen(id).await;
    let second = scene.escalate(id).await;
    assert_ne!(second.id, first.id);
    assert_eq!(second.status(), EscalationStatus::Escalating);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_escalation_needs_a_reason_and_a_chat(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.bots.1).await;
    for reason in [0, 99] {
        let request = wire::CreateChatEscalationRequest {
            reason,
            ..escalation(id, false)
        };
        assert_field(&chat_refused!(scene.create_chat_escalation(request)), "reason");
    }
    let refused = chat_refused!(scene.create_chat_escalation(escalation(NOTHING, false)));
    assert_refused(&refused, Code::NotFound, "CHAT_NOT_FOUND");
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn the_first_acknowledgement_wins_and_is_told(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.bots.1).await;
    let begun = scene.escalate(id).await;
    let request = wire::AcknowledgeChatEscalationRequest {
        escalation_id: begun.escalation_id.clone(),
    };
    let seen = chat!(scene.acknowledge_chat_escalation(request.clone()))
        .escalation
        .unwrap();
    assert_eq!(
        (seen.state(), seen.acknowledged_by.as_deref()),
        (State::Acknowledged, Some("tests"))
    );
    let again = chat!(scene.acknowledge_chat_escalation(request)).escalation.unwrap();
    assert_eq!(again.acknowledged_at, seen.acknowledged_at);
    assert_eq!(
        scene.kinds(&format!("escalations/{}", begun.escalation_id)).await,
        ["escalation.created", "escalation.acknowledged"]
    );
    for escalation_id in [no_uuid(), "x".to_owned(), String::new()] {
        let request = wire::AcknowledgeChatEscalationRequest { escalation_id };
        let refused = chat_refused!(scene.acknowledge_chat_escalation(request));
        assert_refused(&refused, Code::NotFound, "ESCALATION_NOT_FOUND");
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn escalations_are_listed_by_state_newest_first(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let mut made = Vec::new();
    for _ in 0..3 {
        let id = scene.start(scene.bots.1).await;
        made.push(scene.escalate(id).await);
    }
    scene.claim(made[0].chat_id, 0).await;
    chat!(
        scene.acknowledge_chat_escalation(wire::AcknowledgeChatEscalationRequest {
            escalation_id: made[1].escalation_id.clone(),
        })
    );
    let list = async |state: State, page_size: i32, before: &str| {
        let request = wire::ListChatEscalationsRequest {
            state: state.into(),
            page_size,
            before: before.to_owned(),
        };
        let page = chat!(scene.list_chat_escalations(request));
        let ids: Vec<_> = page.escalations.iter().map(|escalation| escalation.id).collect();
        (ids, page.has_more)
    };
    assert_eq!(list(State::Resolved, 0, "").await, (vec![made[0].id], false));
    assert_eq!(list(State::Acknowledged, 0, "").await, (vec![made[1].id], false));
    assert_eq!(list(State::Unacknowledged, 0, "").await, (vec![made[2].id], false));
    assert_eq!(
        list(State::Unspecified, 2, "").await,
        (vec![made[2].id, made[1].id], true)
    );
    let before = &made[1].escalation_id;
    assert_eq!(list(State::Unspecified, 2, before).await, (vec![made[0].id], false));
    let refuse = async |state, page_size, before: &str, field| {
        let before = before.to_owned();
        let request = wire::ListChatEscalationsRequest {
            state,
            page_size,
            before,
        };
        assert_field(&chat_refused!(scene.list_chat_escalations(request)), field);
    };
    refuse(9, 0, "", "state").await;
    refuse(0, -1, "", "page_size").await;
    refuse(0, 0, "x", "before").await;
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn what_nobody_has_seen_is_told_again(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.bots.1).await;
    let begun = scene.escalate(id).await;
    sqlx::query(
        "update conversation.escalations set created_at = created_at - interval '2 minutes', remind_at = now()",
    )
    .execute(&scene.world.db)
    .await
    .unwrap();
    let _replica = scene.run_replica().await;
    let subject = format!("escalations/{}", begun.escalation_id);
    until(async || scene.kinds(&subject).await.len() == 2).await;
    let (kind, data) = scene.told(&subject).await.remove(1);
    assert_eq!((kind.as_str(), &data["reminder"]), ("escalation.reminded", &1.into()));
    let due: Option<bool> = sqlx::query_scalar("select remind_at > now() from conversation.escalations")
        .fetch_one(&scene.world.db)
        .await
        .unwrap();
    assert_eq!(due, Some(true));
}
