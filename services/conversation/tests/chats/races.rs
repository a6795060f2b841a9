use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::task::JoinSet;
use tonic::Code;
use wire::{ChatStatus, EscalationStatus};

use crate::scene::{Scene, escalation, finish, said};
use crate::support::reason;

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn many_who_escalate_at_once_get_one_escalation(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.bots.1).await;
    let mut asking = JoinSet::new();
    for _ in 0..20 {
        let (mut client, request) = (scene.chats.clone(), scene.request(escalation(id, false)));
        asking.spawn(async move { client.create_chat_escalation(request).await });
    }
    let mut ids: Vec<_> = asking
        .join_all()
        .await
        .into_iter()
        .map(|answer| answer.unwrap().into_inner().escalation.unwrap().escalation_id)
        .collect();
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(
        scene.kinds(&format!("escalations/{}", ids[0])).await,
        ["escalation.created"]
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn two_claims_and_the_end_at_once_leave_one_story(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    for _ in 0..15 {
        let id = scene.start(scene.bots.1).await;
        let begun = scene.escalate(id).await;
        let claim = async |agent: usize| {
            let request = scene.request(wire::ClaimConversationRequest {
                id,
                agent_id: scene.world.own.agents[agent].clone(),
                force: false,
            });
            scene.world.client.clone().claim_conversation(request).await.map(drop)
        };
        let end = async || {
            let request = scene.request(finish(id));
            scene.chats.clone().update_chat(request).await.map(drop)
        };
        let (first, second, ended) = tokio::join!(claim(0), claim(1), end());
        ended.unwrap();
        let won: Vec<_> = [&first, &second].into_iter().filter(|claim| claim.is_ok()).collect();
        assert!(won.len() <= 1);
        for refused in [first.as_ref(), second.as_ref()].into_iter().filter_map(Result::err) {
            assert!(["ASSIGNED_TO_ANOTHER", "CONVERSATION_CLOSED"].contains(&reason(refused).as_str()));
        }
        let (chat, done) = (scene.chat(id).await, scene.escalation(begun.id).await);
        assert_eq!(chat.status(), ChatStatus::Finished);
        let expected = if won.is_empty() {
            EscalationStatus::Canceled
        } else {
            EscalationStatus::Escalated
        };
        assert_eq!(done.status(), expected);
        assert_eq!(chat.all_agents.len(), won.len());
        assert_eq!(
            scene.kinds(&format!("escalations/{}", begun.escalation_id)).await,
            ["escalation.created", "escalation.resolved"]
        );
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn whoever_takes_a_chat_while_its_session_begins_completes_the_escalation(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let scene = Scene::new(options).await;
    for _ in 0..15 {
        let id = scene.world.chat().await;
        let (begun, ()) = tokio::join!(scene.escalate(id), scene.claim(id, 0));
        assert_eq!(scene.status(id).await, ChatStatus::Assigned);
        assert_eq!(scene.escalation(begun.id).await.status(), EscalationStatus::Escalated);
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_chat_ends_once_whoever_ends_it(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    let mut ending = JoinSet::new();
    for _ in 0..10 {
        let (mut client, request) = (scene.chats.clone(), scene.request(finish(id)));
        ending.spawn(async move { client.update_chat(request).await });
    }
    let answers = ending.join_all().await;
    let refusals: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert_eq!(refusals.len(), 9);
    assert!(
        refusals
            .iter()
            .all(|refused| refused.code() == Code::InvalidArgument && reason(refused) == "CHAT_ENDED")
    );
    assert_eq!(
        scene.kinds(&format!("chats/{id}")).await,
        ["chat.created", "chat.finished"]
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn messages_at_once_are_told_without_gaps(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.bots.1).await;
    let mut writing = JoinSet::new();
    for n in 0..20 {
        let from = if n % 2 == 0 { scene.ada } else { scene.bot.1 };
        let (mut client, request) = (scene.chats.clone(), scene.request(said(id, from, "x")));
        writing.spawn(async move { client.send_chat_message(request).await.unwrap() });
    }
    writing.join_all().await;
    assert_eq!(scene.kinds(&format!("chats/{id}")).await.len(), 21);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn many_who_upsert_at_once_get_one_end_user(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let mut upserting = JoinSet::new();
    for n in 0..20 {
        let mut client = scene.chats.clone();
        let request = scene.request(wire::UpsertEndUserRequest {
            identifier: "bea".to_owned(),
            name: Some(format!("Bea {n}")),
            ..Default::default()
        });
        upserting.spawn(async move { client.upsert_end_user(request).await.unwrap() });
    }
    let answers = upserting.join_all().await;
    let mut ids: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.into_inner().end_user.unwrap().id)
        .collect();
    ids.dedup();
    assert_eq!(ids.len(), 1);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn of_many_who_ask_for_the_last_place_one_gets_it(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    scene.configure(&scene.bots.0, Some(1), None).await;
    let mut asking = JoinSet::new();
    for _ in 0..8 {
        let id = scene.start(scene.bots.1).await;
        let (mut client, request) = (scene.chats.clone(), scene.request(escalation(id, false)));
        asking.spawn(async move { client.create_chat_escalation(request).await });
    }
    let statuses = asking.join_all().await.into_iter().map(|answer| {
        let escalation = answer.unwrap().into_inner().escalation.unwrap();
        escalation.status()
    });
    let got = statuses
        .filter(|status| *status == EscalationStatus::Escalating)
        .count();
    assert_eq!(got, 1);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn what_is_due_is_done_once_by_any_number_of_replicas(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let mut chats = Vec::new();
    for _ in 0..5 {
        let id = scene.start(scene.bots.1).await;
        scene.say(id, scene.bot.1, "Hello").await;
        chats.push(id);
    }
    sqlx::query("update conversation.chats set idle_since = idle_since - interval '2 days'")
        .execute(&scene.world.db)
        .await
        .unwrap();
    let _replicas = (
        scene.run_replica().await,
        scene.run_replica().await,
        scene.run_replica().await,
    );
    for id in chats {
        crate::support::until(async || scene.status(id).await == ChatStatus::VaDismissed).await;
        let log = scene.world.log(id).await;
        assert_eq!(log.iter().filter(|kind| *kind == "ConversationPending").count(), 1);
    }
}
