use proto::settings::v1::{
    ChatStart, Chatbot, CreateChatbotRequest, CreateFollowUpPromptRequest, CreateHumanSupportSettingsRequest,
    CreateQuickPromptRequest, DeleteChatbotRequest, GetChatbotProfileRequest, GetChatbotRequest,
    GetGeneralSettingsRequest, HumanSupportSettingsChange, Icons, ListChatbotsRequest, LlmModel, UpdateChatbotRequest,
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;

use crate::support::{World, assert_refused, fields, refused};

pub(crate) fn full() -> CreateChatbotRequest {
    CreateChatbotRequest {
        id: Some("361628903185318481".into()),
        name: "Demo".into(),
        description: Some("Answers".into()),
        icons: Some(Icons {
            bot: Some("https://cdn.example.com/bot.png".into()),
            user: None,
            agent: Some("http://cdn.example.com/agent.png".into()),
            bubble: None,
        }),
        llm_model: Some(LlmModel {
            id: "m1".into(),
            provider: "p".into(),
            title: "M 1".into(),
        }),
        human_support_queue_id: Some("42".into()),
    }
}

fn get(id: &str) -> GetChatbotRequest {
    GetChatbotRequest { chatbot_id: id.into() }
}

async fn events(world: &World, subject: &str) -> Vec<(i64, serde_json::Value)> {
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "select sequence, data from settings.outbox
         where org_id = $1 and subject = $2 and type = 'chatbot.changed' and stream = 'handoff:events' order by id",
    )
    .bind(world.own.org.0)
    .bind(subject)
    .fetch_all(&world.db)
    .await
    .unwrap();
    rows.into_iter()
        .map(|(sequence, data)| (sequence, serde_json::from_str(&data).unwrap()))
        .collect()
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_chatbot_reads_back_as_it_was_created(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let created = world.client.create_chatbot(world.own.request(full())).await.unwrap();
    let created = created.into_inner().chatbot.unwrap();
    let wanted = full();
    assert_eq!(created.id, "361628903185318481");
    assert_eq!((&created.icons, &created.llm_model), (&wanted.icons, &wanted.llm_model));
    assert_eq!(created.description, wanted.description);
    assert_eq!(created.human_support_queue_id, wanted.human_support_queue_id);
    let read = world
        .client
        .get_chatbot(world.own.request(get(&created.id)))
        .await
        .unwrap();
    assert_eq!(read.into_inner().chatbot.unwrap(), created);
    let foreign = world.client.get_chatbot(world.other.request(get(&created.id))).await;
    assert_refused(foreign, Code::NotFound, "CHATBOT_NOT_FOUND");
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_chatbot_without_an_id_gets_a_numeric_one(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let (first, second) = (world.chatbot().await, world.chatbot().await);
    assert_ne!(first, second);
    for id in [first, second] {
        assert!(
            matches!(id.len(), 18 | 19) && id.bytes().all(|byte| byte.is_ascii_digit()),
            "{id}"
        );
    }
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_chatbot_id_is_taken_within_its_organization_even_after_deletion(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let mut world = World::new(options).await;
    world.client.create_chatbot(world.own.request(full())).await.unwrap();
    let again = world.client.create_chatbot(world.own.request(full())).await;
    assert_refused(again, Code::AlreadyExists, "CHATBOT_ID_TAKEN");
    world.client.create_chatbot(world.other.request(full())).await.unwrap();

    let delete = DeleteChatbotRequest {
        chatbot_id: full().id.unwrap(),
    };
    world.client.delete_chatbot(world.own.request(delete)).await.unwrap();
    let reborn = world.client.create_chatbot(world.own.request(full())).await;
    assert_refused(reborn, Code::AlreadyExists, "CHATBOT_ID_TAKEN");
    let others = world
        .client
        .get_chatbot(world.other.request(get("361628903185318481")))
        .await;
    assert!(
        others.is_ok(),
        "another organization's chatbot of the same id is untouched"
    );
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn an_update_sets_what_is_present_and_clears_what_is_empty(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let created = world.client.create_chatbot(world.own.request(full())).await.unwrap();
    let created = created.into_inner().chatbot.unwrap();
    let change = UpdateChatbotRequest {
        chatbot_id: created.id.clone(),
        description: Some(String::new()),
        icons: Some(Icons {
            bot: Some(String::new()),
            bubble: Some("https://cdn.example.com/bubble.png".into()),
            ..Icons::default()
        }),
        llm_model: Some(LlmModel::default()),
        ..UpdateChatbotRequest::default()
    };
    let foreign = world.client.update_chatbot(world.other.request(change.clone())).await;
    assert_refused(foreign, Code::NotFound, "CHATBOT_NOT_FOUND");
    let updated = world.client.update_chatbot(world.own.request(change)).await.unwrap();
    let updated = updated.into_inner().chatbot.unwrap();
    let expected = Chatbot {
        description: None,
        icons: Some(Icons {
            bot: None,
            user: None,
            agent: Some("http://cdn.example.com/agent.png".into()),
            bubble: Some("https://cdn.example.com/bubble.png".into()),
        }),
        llm_model: None,
        updated_at: updated.updated_at,
        ..created
    };
    assert_eq!(updated, expected);
    let read = world
        .client
        .get_chatbot(world.own.request(get(&updated.id)))
        .await
        .unwrap();
    assert_eq!(read.into_inner().chatbot.unwrap(), updated);
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_deleted_chatbot_is_gone_with_everything_about_it(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let chatbot_id = world.chatbot().await;
    let quick = CreateQuickPromptRequest {
        chatbot_id: chatbot_id.clone(),
        title: "t".into(),
        description: "d".into(),
        link: None,
    };
    world
        .client
        .create_quick_prompt(world.own.request(quick.clone()))
        .await
        .unwrap();
    let follow_up = CreateFollowUpPromptRequest {
        chatbot_id: chatbot_id.clone(),
        title: "t".into(),
        description: "d".into(),
        ..CreateFollowUpPromptRequest::default()
    };
    world
        .client
        .create_follow_up_prompt(world.own.request(follow_up))
        .await
        .unwrap();
    let human = CreateHumanSupportSettingsRequest {
        chatbot_id: chatbot_id.clone(),
        settings: None,
    };
    world
        .client
        .create_human_support_settings(world.own.request(human.clone()))
        .await
        .unwrap();

    let delete = DeleteChatbotRequest {
        chatbot_id: chatbot_id.clone(),
    };
    let foreign = world.client.delete_chatbot(world.other.request(delete.clone())).await;
    assert_refused(foreign, Code::NotFound, "CHATBOT_NOT_FOUND");
    world
        .client
        .delete_chatbot(world.own.request(delete.clone()))
        .await
        .unwrap();
    let again = world.client.delete_chatbot(world.own.request(delete)).await;
    assert_refused(again, Code::NotFound, "CHATBOT_NOT_FOUND");

    let read = world.client.get_chatbot(world.own.request(get(&chatbot_id))).await;
    assert_refused(read, Code::NotFound, "CHATBOT_NOT_FOUND");
    let general = GetGeneralSettingsRequest {
        chatbot_id: chatbot_id.clone(),
    };
    let read = world.client.get_general_settings(world.own.request(general)).await;
    assert_refused(read, Code::NotFound, "CHATBOT_NOT_FOUND");
    let written = world.client.create_quick_prompt(world.own.request(quick)).await;
    assert_refused(written, Code::NotFound, "CHATBOT_NOT_FOUND");
    let written = world
        .client
        .create_human_support_settings(world.own.request(human))
        .await;
    assert_refused(written, Code::NotFound, "CHATBOT_NOT_FOUND");
    let left: i64 = sqlx::query_scalar(
        "select (select count(*) from settings.general_settings) + (select count(*) from settings.quick_prompts)
              + (select count(*) from settings.follow_up_prompts) + (select count(*) from settings.human_support_settings)
              + (select count(*) from settings.chatbots where name <> '')",
    )
    .fetch_one(&world.db)
    .await
    .unwrap();
    assert_eq!(left, 0);
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn chatbots_are_listed_newest_first_with_their_total(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(world.chatbot().await);
    }
    ids.reverse();
    let list =
        async |client: &mut proto::settings::v1::settings_service_client::SettingsServiceClient<_>, page, page_size| {
            let request = world.own.request(ListChatbotsRequest { page, page_size });
            let answer = client.list_chatbots(request).await.unwrap().into_inner();
            let listed: Vec<_> = answer.chatbots.into_iter().map(|chatbot| chatbot.id).collect();
            (listed, answer.total)
        };
    let mut client = world.client.clone();
    assert_eq!(list(&mut client, 0, 0).await, (ids.clone(), 3));
    assert_eq!(list(&mut client, 1, 2).await, (ids[..2].to_vec(), 3));
    assert_eq!(list(&mut client, 2, 2).await, (ids[2..].to_vec(), 3));
    assert_eq!(list(&mut client, 7, 2).await, (Vec::new(), 3));
    let foreign = world
        .client
        .list_chatbots(world.other.request(ListChatbotsRequest::default()))
        .await
        .unwrap();
    assert_eq!(foreign.into_inner().total, 0);
    for (page, page_size, field) in [(-1, 0, "page"), (0, -1, "page_size")] {
        let request = world.own.request(ListChatbotsRequest { page, page_size });
        assert_eq!(fields(&refused(world.client.list_chatbots(request).await)), [field]);
    }
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn the_profile_is_what_other_contexts_need_in_one_answer(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let created = world.client.create_chatbot(world.own.request(full())).await.unwrap();
    let created = created.into_inner().chatbot.unwrap();
    let request = GetChatbotProfileRequest {
        chatbot_id: created.id.clone(),
    };
    let ask = |org| world.service_key.request(org, request.clone());
    let profile = world
        .client
        .clone()
        .get_chatbot_profile(ask(world.own.org))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(profile.chatbot.as_ref(), Some(&created));
    assert_eq!(profile.chat_start(), ChatStart::Ai);
    assert_eq!(profile.human_support_confirmation_message, None);

    let human = CreateHumanSupportSettingsRequest {
        chatbot_id: created.id.clone(),
        settings: Some(HumanSupportSettingsChange {
            human_support_confirmation_message: Some("Somebody is coming".into()),
            ..HumanSupportSettingsChange::default()
        }),
    };
    world
        .client
        .create_human_support_settings(world.own.request(human))
        .await
        .unwrap();
    let profile = world
        .client
        .clone()
        .get_chatbot_profile(ask(world.own.org))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        profile.human_support_confirmation_message.as_deref(),
        Some("Somebody is coming")
    );

    let foreign = world.client.clone().get_chatbot_profile(ask(world.other.org)).await;
    assert_refused(foreign, Code::NotFound, "CHATBOT_NOT_FOUND");
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn every_change_of_a_chatbot_is_told_in_order(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let chatbot_id = world.chatbot().await;
    let renamed = UpdateChatbotRequest {
        chatbot_id: chatbot_id.clone(),
        name: Some("Renamed".into()),
        ..UpdateChatbotRequest::default()
    };
    world.client.update_chatbot(world.own.request(renamed)).await.unwrap();
    let human = CreateHumanSupportSettingsRequest {
        chatbot_id: chatbot_id.clone(),
        settings: None,
    };
    world
        .client
        .create_human_support_settings(world.own.request(human.clone()))
        .await
        .unwrap();
    // What fails tells nothing and leaves no gap.
    let again = world
        .client
        .create_human_support_settings(world.own.request(human))
        .await;
    assert_refused(again, Code::AlreadyExists, "HUMAN_SUPPORT_SETTINGS_EXIST");
    let delete = DeleteChatbotRequest {
        chatbot_id: chatbot_id.clone(),
    };
    world.client.delete_chatbot(world.own.request(delete)).await.unwrap();

    let told =
        |change: &str| serde_json::json!({"chatbotId": chatbot_id, "deleted": change == "deleted", "change": change});
    assert_eq!(
        events(&world, &format!("chatbots/{chatbot_id}")).await,
        [
            (1, told("created")),
            (2, told("updated")),
            (3, told("human-support-settings")),
            (4, told("deleted")),
        ]
    );
}
