//! The same idempotency key means the same answer and one effect, for every mutation.

use proto::settings::v1::{
    CreateChatbotRequest, CreateFollowUpPromptRequest, CreateHumanSupportSettingsRequest, CreateOrganizationRequest,
    CreateQuickPromptRequest, DeleteChatbotRequest, DeleteHumanSupportSettingsRequest, RevokeApiKeyRequest,
    UpdateChatbotRequest, UpdateGeneralSettingsRequest, UpdateHumanSupportSettingsRequest,
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;

use crate::support::{World, assert_refused, nobody};

/// Sends each request twice with one key and asserts that the answers are equal and that only the first told something.
macro_rules! assert_once {
    ($world:ident, $($method:ident: $request:expr,)*) => {$(
        let before = told(&$world).await;
        let request = $request;
        let first = $world.client.$method($world.own.retriable("k", request.clone())).await.unwrap();
        let after = told(&$world).await;
        let again = $world.client.$method($world.own.retriable("k", request)).await.unwrap();
        assert_eq!(first.into_inner(), again.into_inner(), stringify!($method));
        assert_eq!((after, told(&$world).await), (before + 1, before + 1), stringify!($method));
    )*};
}

async fn told(world: &World) -> i64 {
    sqlx::query_scalar("select count(*) from settings.outbox")
        .fetch_one(&world.db)
        .await
        .unwrap()
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_retry_of_any_mutation_gets_the_first_answer_and_does_nothing(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let chatbot_id = world.chatbot().await;
    assert_once!(world,
        create_chatbot: CreateChatbotRequest { name: "Demo".into(), ..CreateChatbotRequest::default() },
        update_chatbot: UpdateChatbotRequest { chatbot_id: chatbot_id.clone(), ..UpdateChatbotRequest::default() },
        update_general_settings: UpdateGeneralSettingsRequest {
            chatbot_id: chatbot_id.clone(),
            ..UpdateGeneralSettingsRequest::default()
        },
        create_quick_prompt: CreateQuickPromptRequest {
            chatbot_id: chatbot_id.clone(),
            title: "t".into(),
            description: "d".into(),
            link: None,
        },
        create_follow_up_prompt: CreateFollowUpPromptRequest {
            chatbot_id: chatbot_id.clone(),
            title: "t".into(),
            description: "d".into(),
            ..CreateFollowUpPromptRequest::default()
        },
        create_human_support_settings: CreateHumanSupportSettingsRequest {
            chatbot_id: chatbot_id.clone(),
            settings: None,
        },
        update_human_support_settings: UpdateHumanSupportSettingsRequest {
            chatbot_id: chatbot_id.clone(),
            settings: None,
        },
        delete_human_support_settings: DeleteHumanSupportSettingsRequest { chatbot_id: chatbot_id.clone() },
        delete_chatbot: DeleteChatbotRequest { chatbot_id: chatbot_id.clone() },
    );
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_retry_of_what_tells_nothing_gets_the_first_answer_too(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let key = world.key(&["threads:read"]).await;
    let request = RevokeApiKeyRequest {
        id: platform::access::ApiKey::parse(&key).unwrap().id.to_string(),
    };
    let first = world
        .client
        .revoke_api_key(world.own.retriable("k", request.clone()))
        .await
        .unwrap();
    let again = world
        .client
        .revoke_api_key(world.own.retriable("k", request))
        .await
        .unwrap();
    assert_eq!(first.into_inner(), again.into_inner());

    let mut organizations = Vec::new();
    for _ in 0..2 {
        let request = CreateOrganizationRequest {
            name: "Third".into(),
            subdomain: "third".into(),
        };
        let mut request = world.service_key.request(nobody(), request);
        request.metadata_mut().insert("idempotency-key", "k".parse().unwrap());
        organizations.push(world.client.create_organization(request).await.unwrap().into_inner());
    }
    assert_eq!(organizations[0], organizations[1]);
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_key_reused_for_something_else_is_refused(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let named = |name: &str| CreateChatbotRequest {
        name: name.into(),
        ..CreateChatbotRequest::default()
    };
    world
        .client
        .create_chatbot(world.own.retriable("k", named("One")))
        .await
        .unwrap();
    let other = world
        .client
        .create_chatbot(world.own.retriable("k", named("Two")))
        .await;
    assert_refused(other, Code::FailedPrecondition, "IDEMPOTENCY_KEY_REUSED");
    // It means nothing to another organization.
    world
        .client
        .create_chatbot(world.other.retriable("k", named("Two")))
        .await
        .unwrap();
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn what_failed_may_be_retried(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let chatbot_id = world.chatbot().await;
    let request = DeleteHumanSupportSettingsRequest {
        chatbot_id: chatbot_id.clone(),
    };
    let early = world
        .client
        .delete_human_support_settings(world.own.retriable("k", request.clone()))
        .await;
    assert_refused(early, Code::NotFound, "HUMAN_SUPPORT_SETTINGS_NOT_FOUND");
    let create = CreateHumanSupportSettingsRequest {
        chatbot_id,
        settings: None,
    };
    world
        .client
        .create_human_support_settings(world.own.request(create))
        .await
        .unwrap();
    world
        .client
        .delete_human_support_settings(world.own.retriable("k", request))
        .await
        .unwrap();
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn twenty_concurrent_retries_create_one_chatbot(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (mut client, own) = (world.client.clone(), world.own.clone());
        calls.spawn(async move {
            let request = CreateChatbotRequest {
                name: "Demo".into(),
                ..CreateChatbotRequest::default()
            };
            client
                .create_chatbot(own.retriable("k", request))
                .await
                .unwrap()
                .into_inner()
        });
    }
    let answers = calls.join_all().await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let chatbots: i64 = sqlx::query_scalar("select count(*) from settings.chatbots")
        .fetch_one(&world.db)
        .await
        .unwrap();
    assert_eq!((chatbots, told(&world).await), (1, 1));
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn concurrent_changes_of_a_chatbot_are_told_without_gaps(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let chatbot_id = world.chatbot().await;
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..20 {
        let (mut client, own, chatbot_id) = (world.client.clone(), world.own.clone(), chatbot_id.clone());
        calls.spawn(async move {
            let request = CreateQuickPromptRequest {
                chatbot_id,
                title: format!("{n}"),
                description: "d".into(),
                link: None,
            };
            client.create_quick_prompt(own.request(request)).await.unwrap();
        });
    }
    calls.join_all().await;
    let sequences: Vec<i64> = sqlx::query_scalar("select sequence from settings.outbox order by id")
        .fetch_all(&world.db)
        .await
        .unwrap();
    assert_eq!(sequences, (1..=21).collect::<Vec<_>>());
}
