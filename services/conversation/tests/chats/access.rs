use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::{Code, Request, Status};

use crate::scene::{Scene, escalation, finish, said};
use crate::support::{assert_refused, with_key};

/// The outcome of every method that names something, called by `key` about what belongs to the scene's organization.
async fn outcomes(scene: &Scene, key: &str) -> Vec<(&'static str, Result<(), Status>)> {
    fn ask<T>(key: &str, message: T) -> Request<T> {
        with_key(key, message)
    }
    let id = scene.start(scene.bots.1).await;
    let open = scene.escalate(id).await;
    let client = || scene.chats.clone();
    let (chat_id, conversation_id) = (id, id);
    let choose = wire::UpdateChatEscalationRequest {
        chat_id,
        id: open.id,
        deflection_channel: wire::DeflectionChannel::Email.into(),
    };
    let acknowledge = wire::AcknowledgeChatEscalationRequest {
        escalation_id: open.escalation_id,
    };
    let create = wire::CreateChatRequest {
        menu_id: scene.people,
        end_user_id: scene.ada,
        ..Default::default()
    };
    let end_user = wire::UpdateChatEndUserRequest {
        chat_id,
        identifier: "x".to_owned(),
        ..Default::default()
    };
    let data = wire::SetCustomDataRequest {
        chat_id,
        custom_data: Some(wire::set_custom_data_request::CustomData::Data(
            wire::CustomData::default(),
        )),
    };
    let configure = wire::ConfigureQueueRequest {
        id: scene.bots.0.clone(),
        ..Default::default()
    };
    let by = Some(wire::get_end_user_request::By::Id(scene.ada));
    let flags = wire::SetCustomerFlagsRequest {
        chat_id,
        ..Default::default()
    };
    vec![
        (
            "get_chat",
            client().get_chat(ask(key, wire::GetChatRequest { id })).await.map(drop),
        ),
        (
            "update_chat",
            client().update_chat(ask(key, finish(id))).await.map(drop),
        ),
        (
            "resume_chat",
            client()
                .resume_chat(ask(key, wire::ResumeChatRequest { id }))
                .await
                .map(drop),
        ),
        (
            "send",
            client()
                .send_chat_message(ask(key, said(id, scene.ada, "x")))
                .await
                .map(drop),
        ),
        (
            "escalate",
            client()
                .create_chat_escalation(ask(key, escalation(id, true)))
                .await
                .map(drop),
        ),
        (
            "choose",
            client().update_chat_escalation(ask(key, choose)).await.map(drop),
        ),
        (
            "acknowledge",
            client()
                .acknowledge_chat_escalation(ask(key, acknowledge))
                .await
                .map(drop),
        ),
        ("create_chat", client().create_chat(ask(key, create)).await.map(drop)),
        (
            "end_user",
            client().update_chat_end_user(ask(key, end_user)).await.map(drop),
        ),
        (
            "get_end_user",
            client()
                .get_end_user(ask(key, wire::GetEndUserRequest { by }))
                .await
                .map(drop),
        ),
        (
            "set_custom_data",
            client().set_custom_data(ask(key, data)).await.map(drop),
        ),
        (
            "set_flags",
            client().set_customer_flags(ask(key, flags)).await.map(drop),
        ),
        (
            "get_flags",
            client()
                .get_customer_flags(ask(key, wire::GetCustomerFlagsRequest { chat_id }))
                .await
                .map(drop),
        ),
        (
            "custom_data",
            client()
                .get_conversation_custom_data(ask(key, wire::GetConversationCustomDataRequest { conversation_id }))
                .await
                .map(drop),
        ),
        (
            "configure_queue",
            client().configure_queue(ask(key, configure)).await.map(drop),
        ),
    ]
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn what_is_another_organizations_is_not_there(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    for (method, outcome) in outcomes(&scene, &scene.world.other.key).await {
        let refused = outcome.expect_err(method);
        assert_eq!(refused.code(), Code::NotFound, "{method}: {refused:?}");
    }
    let menus = with_key(&scene.world.other.key, wire::ListMenusRequest::default());
    let menus = scene.chats.clone().list_menus(menus).await.unwrap().into_inner().menus;
    assert_eq!(menus.len(), 2);
    let list = with_key(&scene.world.other.key, wire::ListChatEscalationsRequest::default());
    let listed = scene.chats.clone().list_chat_escalations(list).await.unwrap();
    assert!(listed.into_inner().escalations.is_empty());
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn every_method_asks_for_its_scope(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let key = scene.world.key("nobody", &["events:read"]).await;
    for (method, outcome) in outcomes(&scene, &key).await {
        assert_refused(&outcome.expect_err(method), Code::PermissionDenied, "SCOPE_MISSING");
    }
    let reader = scene.world.key("reader", &["chats:read"]).await;
    for (method, outcome) in outcomes(&scene, &reader).await {
        let reads = ["get_chat", "get_end_user", "get_flags"].contains(&method);
        assert_eq!(outcome.is_ok(), reads, "{method}");
    }
}
