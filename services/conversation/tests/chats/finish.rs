use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;
use wire::{ChatStatus, DeflectionChannel, ParticipantStatus};

use crate::scene::{NOTHING, Scene, chat, chat_refused, finish, said};
use crate::support::{assert_field, assert_refused};

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_finished_chat_is_a_closed_conversation(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    scene.claim(id, 0).await;
    let done = scene.finish(id).await;
    assert_eq!(done.status(), ChatStatus::Finished);
    assert!(done.ends_at.is_some());
    let agent = done.agent.unwrap();
    assert_eq!(
        (agent.id, agent.status()),
        (scene.agents[0], ParticipantStatus::Finished)
    );
    let conversation = scene.world.conversation(id).await;
    assert_eq!(conversation.state(), wire::ConversationState::Closed);
    assert_eq!(conversation.closed_at, done.ends_at);
    assert_eq!(
        scene.kinds(&format!("chats/{id}")).await,
        ["chat.created", "chat.finished"]
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn the_end_user_or_an_agent_finishes_a_chat(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let cases = [
        (None, &scene.world.own.end_user),
        (Some(scene.ada), &scene.world.own.end_user),
        (Some(scene.agents[1]), &scene.world.own.agents[1]),
        (Some(scene.bot.1), &scene.bot.0),
    ];
    for (finished_by_user_id, author) in cases {
        let id = scene.start(scene.people).await;
        let request = wire::UpdateChatRequest {
            finished_by_user_id,
            ..finish(id)
        };
        chat!(scene.update_chat(request));
        let entry = scene.world.entries(id).await.pop().unwrap();
        assert_eq!(
            (entry.r#type.as_str(), &entry.author.unwrap().id),
            ("ConversationClosed", author)
        );
    }
    let id = scene.start(scene.people).await;
    let request = wire::UpdateChatRequest {
        finished_by_user_id: Some(NOTHING),
        ..finish(id)
    };
    assert_field(&chat_refused!(scene.update_chat(request)), "finished_by_user_id");
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn what_changes_an_ended_chat_is_refused(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    scene.finish(id).await;
    let data = wire::SetCustomDataRequest {
        chat_id: id,
        custom_data: Some(wire::set_custom_data_request::CustomData::Data(
            wire::CustomData::default(),
        )),
    };
    let end_user = wire::UpdateChatEndUserRequest {
        chat_id: id,
        identifier: "ada".to_owned(),
        ..Default::default()
    };
    let refusals = [
        chat_refused!(scene.update_chat(finish(id))),
        chat_refused!(scene.send_chat_message(said(id, scene.ada, "x"))),
        chat_refused!(scene.resume_chat(wire::ResumeChatRequest { id })),
        chat_refused!(scene.create_chat_escalation(crate::scene::escalation(id, true))),
        chat_refused!(scene.set_custom_data(data)),
        chat_refused!(scene.update_chat_end_user(end_user)),
    ];
    for refused in refusals {
        assert_refused(&refused, Code::InvalidArgument, "CHAT_ENDED");
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_chat_that_nobody_took_is_canceled_when_an_agent_closes_it(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let (alone, met) = (scene.start(scene.people).await, scene.start(scene.bots.1).await);
    scene.close(alone).await;
    scene.close(met).await;
    assert_eq!(scene.status(alone).await, ChatStatus::Canceled);
    assert_eq!(scene.status(met).await, ChatStatus::Finished);
    let (_, told) = scene.told(&format!("chats/{alone}")).await.pop().unwrap();
    assert_eq!(told["chat"]["status"], "canceled");
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_reopened_chat_waits_again(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    scene.claim(id, 0).await;
    scene.finish(id).await;
    scene.reopen(id).await;
    let again = scene.chat(id).await;
    assert_eq!((again.status(), again.ends_at), (ChatStatus::Queued, None));
    assert!(again.agent.is_none());
    assert_eq!(again.all_agents.len(), 1);
    scene.finish(id).await;
    assert_eq!(
        scene.kinds(&format!("chats/{id}")).await[1..],
        ["chat.finished", "chat.finished"]
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_update_that_changes_nothing_shows_the_chat(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    let request = wire::UpdateChatRequest {
        id,
        ..Default::default()
    };
    assert_eq!(chat!(scene.update_chat(request)).chat.unwrap(), scene.chat(id).await);
    assert_eq!(scene.status(id).await, ChatStatus::Queued);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_deflection_needs_its_escalation_and_the_other_way_round(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    let request = |escalation_id, channel: DeflectionChannel| wire::UpdateChatRequest {
        escalation_id,
        deflection_channel: channel.into(),
        ..finish(id)
    };
    for (request, field) in [
        (request(None, DeflectionChannel::Email), "escalation_id"),
        (request(Some(1), DeflectionChannel::Unspecified), "deflection_channel"),
        (request(Some(1), DeflectionChannel::HumanAgent), "deflection_channel"),
        (request(Some(1), DeflectionChannel::VirtualAgent), "deflection_channel"),
    ] {
        assert_field(&chat_refused!(scene.update_chat(request)), field);
    }
    let mut wrong = request(Some(1), DeflectionChannel::Email);
    wrong.deflection_channel = 99;
    assert_field(&chat_refused!(scene.update_chat(wrong)), "deflection_channel");
    let refused = chat_refused!(scene.update_chat(request(Some(NOTHING), DeflectionChannel::Email)));
    assert_refused(&refused, Code::NotFound, "ESCALATION_NOT_FOUND");
    let open = scene.escalate(id).await;
    let refused = chat_refused!(scene.update_chat(request(Some(open.id), DeflectionChannel::Email)));
    assert_refused(&refused, Code::InvalidArgument, "DEFLECTION_REFUSED");
    let elsewhere = scene.start(scene.people).await;
    let elsewhere = scene.escalate(elsewhere).await;
    let refused = chat_refused!(scene.update_chat(request(Some(elsewhere.id), DeflectionChannel::Email)));
    assert_refused(&refused, Code::NotFound, "ESCALATION_NOT_FOUND");
    assert_eq!(
        scene.status(id).await,
        ChatStatus::Queued,
        "nothing of a refused update is done"
    );
}
