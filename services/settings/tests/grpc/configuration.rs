//! General settings, prompts and human-support settings of a chatbot.

use prost_types::value::Kind;
use prost_types::{Struct, Value};
use proto::settings::v1::{
    ChatStart, CreateFollowUpPromptRequest, CreateHumanSupportSettingsRequest, CreateQuickPromptRequest,
    DeleteHumanSupportSettingsRequest, GetGeneralSettingsRequest, GetHumanSupportSettingsRequest,
    GetQuickPromptRequest, HumanSupportSettingsChange, LeadNotificationEmail, ListFollowUpPromptsRequest,
    ListQuickPromptsRequest, UpdateGeneralSettingsRequest, UpdateHumanSupportSettingsRequest,
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;

use crate::support::{World, assert_refused, fields, refused};

/// Asserts that each method answers that there is no such chatbot: for one of another organization, one that never was,
/// and, naming the field, for a text that is none.
macro_rules! assert_chatbot_is_asked_for {
    ($world:ident, $chatbot:ident, $($method:ident: $request:expr,)*) => {$(
        let of = |chatbot_id: &str| {
            let mut request = $request.clone();
            request.chatbot_id = chatbot_id.to_owned();
            request
        };
        let foreign = $world.client.$method($world.other.request(of(&$chatbot))).await;
        assert_refused(foreign, Code::NotFound, "CHATBOT_NOT_FOUND");
        let absent = $world.client.$method($world.own.request(of("1"))).await;
        assert_refused(absent, Code::NotFound, "CHATBOT_NOT_FOUND");
        let nul = $world.client.$method($world.own.request(of("a\0b"))).await;
        assert_eq!(fields(&refused(nul)), ["chatbot_id"]);
    )*};
}

pub(crate) fn quick(chatbot_id: &str) -> CreateQuickPromptRequest {
    CreateQuickPromptRequest {
        chatbot_id: chatbot_id.into(),
        title: "Prices".into(),
        description: "What does it cost?".into(),
        link: None,
    }
}

fn follow_up(chatbot_id: &str) -> CreateFollowUpPromptRequest {
    CreateFollowUpPromptRequest {
        chatbot_id: chatbot_id.into(),
        title: "Talk to a person".into(),
        description: "I want to talk to a person".into(),
        link: Some("https://example.com".into()),
        is_escalation_prompt: true,
    }
}

pub(crate) fn update(chatbot_id: &str) -> UpdateGeneralSettingsRequest {
    UpdateGeneralSettingsRequest {
        chatbot_id: chatbot_id.into(),
        ..UpdateGeneralSettingsRequest::default()
    }
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn what_is_configured_about_a_chatbot_is_its_organizations(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let chatbot = world.chatbot().await;
    assert_chatbot_is_asked_for!(world, chatbot,
        get_general_settings: GetGeneralSettingsRequest::default(),
        update_general_settings: update(""),
        create_quick_prompt: quick(""),
        list_quick_prompts: ListQuickPromptsRequest::default(),
        get_quick_prompt: GetQuickPromptRequest::default(),
        create_follow_up_prompt: follow_up(""),
        list_follow_up_prompts: ListFollowUpPromptsRequest::default(),
        create_human_support_settings: CreateHumanSupportSettingsRequest::default(),
        get_human_support_settings: GetHumanSupportSettingsRequest::default(),
        update_human_support_settings: UpdateHumanSupportSettingsRequest::default(),
        delete_human_support_settings: DeleteHumanSupportSettingsRequest::default(),
    );
}

pub(crate) fn object(name: &str, kind: Kind) -> Struct {
    Struct {
        fields: [(name.to_owned(), Value { kind: Some(kind) })].into(),
    }
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_new_chatbot_has_general_settings_which_change_field_by_field(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let chatbot_id = world.chatbot().await;
    let read = GetGeneralSettingsRequest {
        chatbot_id: chatbot_id.clone(),
    };
    let before = world
        .client
        .get_general_settings(world.own.request(read.clone()))
        .await
        .unwrap();
    let before = before.into_inner().settings.unwrap();
    assert_eq!((before.smart_follow_up_prompts_count, before.history_count), (3, 1));
    assert_eq!(before.max_messages_per_conversation, 20);
    assert_eq!(before.chat_start(), ChatStart::Ai);
    assert!(!before.fallback_message.is_empty() && !before.lead_notifications_disabled);

    let change = UpdateGeneralSettingsRequest {
        smart_follow_up_prompts_count: Some(5),
        gpt_model: Some("gpt-4".into()),
        metadata: Some(object("plan", Kind::NumberValue(3.0))),
        fallback_message: Some("?".into()),
        chat_start: Some(ChatStart::Agent.into()),
        ..update(&chatbot_id)
    };
    let changed = world
        .client
        .update_general_settings(world.own.request(change.clone()))
        .await
        .unwrap();
    let changed = changed.into_inner().settings.unwrap();
    assert_eq!(changed.chat_start(), ChatStart::Agent);
    assert_eq!(
        (changed.metadata.as_ref(), changed.gpt_model.as_deref()),
        (change.metadata.as_ref(), Some("gpt-4"))
    );
    assert_eq!((changed.smart_follow_up_prompts_count, changed.history_count), (5, 1));
    assert_eq!((&changed.id, changed.fallback_message.as_str()), (&before.id, "?"));
    let cleared = UpdateGeneralSettingsRequest {
        fallback_message: Some(String::new()),
        gpt_model: Some(String::new()),
        ..update(&chatbot_id)
    };
    world
        .client
        .update_general_settings(world.own.request(cleared))
        .await
        .unwrap();
    let after = world
        .client
        .get_general_settings(world.own.request(read))
        .await
        .unwrap();
    let after = after.into_inner().settings.unwrap();
    assert_eq!(
        (after.fallback_message, after.gpt_model),
        (before.fallback_message, None)
    );
    assert_eq!(after.metadata, changed.metadata);
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn prompts_are_listed_oldest_first(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let chatbot_id = world.chatbot().await;
    let mut created = Vec::new();
    for title in ["One", "Two", "Three"] {
        let request = CreateQuickPromptRequest {
            title: title.into(),
            ..quick(&chatbot_id)
        };
        let prompt = world
            .client
            .create_quick_prompt(world.own.request(request))
            .await
            .unwrap();
        created.push(prompt.into_inner().prompt.unwrap());
    }
    let list = ListQuickPromptsRequest {
        chatbot_id: chatbot_id.clone(),
    };
    let listed = world.client.list_quick_prompts(world.own.request(list)).await.unwrap();
    assert_eq!(listed.into_inner().prompts, created);
    let get = |prompt_id: &str| GetQuickPromptRequest {
        chatbot_id: chatbot_id.clone(),
        prompt_id: prompt_id.into(),
    };
    let read = world
        .client
        .get_quick_prompt(world.own.request(get(&created[1].id)))
        .await
        .unwrap();
    assert_eq!(read.into_inner().prompt.as_ref(), Some(&created[1]));
    for absent in ["no-uuid".to_owned(), platform::id::new().to_string()] {
        let read = world.client.get_quick_prompt(world.own.request(get(&absent))).await;
        assert_refused(read, Code::NotFound, "PROMPT_NOT_FOUND");
    }
    let nul = world.client.get_quick_prompt(world.own.request(get("a\0b"))).await;
    assert_eq!(fields(&refused(nul)), ["prompt_id"]);

    let prompt = world
        .client
        .create_follow_up_prompt(world.own.request(follow_up(&chatbot_id)))
        .await
        .unwrap();
    let prompt = prompt.into_inner().prompt.unwrap();
    assert!(prompt.is_escalation_prompt);
    let list = ListFollowUpPromptsRequest {
        chatbot_id: chatbot_id.clone(),
    };
    let listed = world
        .client
        .list_follow_up_prompts(world.own.request(list))
        .await
        .unwrap();
    assert_eq!(listed.into_inner().prompts, [prompt]);
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_chatbot_has_at_most_a_hundred_prompts_of_each_sort(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let chatbot_id = world.chatbot().await;
    for table in [
        "quick_prompts (org_id, chatbot_id, id, title, description)
                   select $1, $2, gen_random_uuid(), 't', 'd' from generate_series(1, 99)",
        "follow_up_prompts (org_id, chatbot_id, id, title, description, is_escalation_prompt)
                   select $1, $2, gen_random_uuid(), 't', 'd', false from generate_series(1, 99)",
    ] {
        sqlx::query(sqlx::AssertSqlSafe(format!("insert into settings.{table}")))
            .bind(world.own.org.0)
            .bind(&chatbot_id)
            .execute(&world.db)
            .await
            .unwrap();
    }
    world
        .client
        .create_quick_prompt(world.own.request(quick(&chatbot_id)))
        .await
        .unwrap();
    let quick = world
        .client
        .create_quick_prompt(world.own.request(quick(&chatbot_id)))
        .await;
    assert_refused(quick, Code::FailedPrecondition, "PROMPT_LIMIT_REACHED");
    world
        .client
        .create_follow_up_prompt(world.own.request(follow_up(&chatbot_id)))
        .await
        .unwrap();
    let follow_up = world
        .client
        .create_follow_up_prompt(world.own.request(follow_up(&chatbot_id)))
        .await;
    assert_refused(follow_up, Code::FailedPrecondition, "PROMPT_LIMIT_REACHED");
}

pub(crate) fn create(chatbot_id: &str, settings: HumanSupportSettingsChange) -> CreateHumanSupportSettingsRequest {
    CreateHumanSupportSettingsRequest {
        chatbot_id: chatbot_id.into(),
        settings: Some(settings),
    }
}

pub(crate) fn mails(addresses: &[&str]) -> LeadNotificationEmail {
    LeadNotificationEmail {
        addresses: addresses.iter().map(|&address| address.to_owned()).collect(),
    }
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn human_support_settings_live_from_create_to_delete(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let chatbot_id = world.chatbot().await;
    let get = GetHumanSupportSettingsRequest {
        chatbot_id: chatbot_id.clone(),
    };
    let read = world
        .client
        .get_human_support_settings(world.own.request(get.clone()))
        .await;
    assert_refused(read, Code::NotFound, "HUMAN_SUPPORT_SETTINGS_NOT_FOUND");

    let request = create(
        &chatbot_id,
        HumanSupportSettingsChange {
            lead_notification: Some(true),
            lead_notification_email: Some(mails(&["b@example.com", "a@example.com", "b@example.com"])),
            positive_feedback_prompt: Some("Happy?".into()),
            ..HumanSupportSettingsChange::default()
        },
    );
    let created = world
        .client
        .create_human_support_settings(world.own.request(request.clone()))
        .await
        .unwrap();
    let created = created.into_inner().settings.unwrap();
    assert!(!created.enable_human_support && !created.replace_all_other_suggestions_with_escalation_buttons);
    assert!(created.lead_notification && created.show_escalation_buttons_after_responses);
    assert_eq!(created.lead_notification_email, ["b@example.com", "a@example.com"]);
    let again = world
        .client
        .create_human_support_settings(world.own.request(request))
        .await;
    assert_refused(again, Code::AlreadyExists, "HUMAN_SUPPORT_SETTINGS_EXIST");

    let change = UpdateHumanSupportSettingsRequest {
        chatbot_id: chatbot_id.clone(),
        settings: Some(HumanSupportSettingsChange {
            enable_human_support: Some(true),
            positive_feedback_prompt: Some(String::new()),
            lead_notification_email: Some(mails(&[])),
            ..HumanSupportSettingsChange::default()
        }),
    };
    let updated = world
        .client
        .update_human_support_settings(world.own.request(change.clone()))
        .await
        .unwrap();
    let updated = updated.into_inner().settings.unwrap();
    assert!(updated.enable_human_support && updated.lead_notification);
    assert_eq!(
        (
            updated.positive_feedback_prompt.as_ref(),
            updated.lead_notification_email.len()
        ),
        (None, 0)
    );
    let read = world
        .client
        .get_human_support_settings(world.own.request(get))
        .await
        .unwrap();
    assert_eq!(read.into_inner().settings.unwrap(), updated);

    let delete = DeleteHumanSupportSettingsRequest { chatbot_id };
    world
        .client
        .delete_human_support_settings(world.own.request(delete.clone()))
        .await
        .unwrap();
    let again = world
        .client
        .delete_human_support_settings(world.own.request(delete))
        .await;
    assert_refused(again, Code::NotFound, "HUMAN_SUPPORT_SETTINGS_NOT_FOUND");
    let update = world
        .client
        .update_human_support_settings(world.own.request(change))
        .await;
    assert_refused(update, Code::NotFound, "HUMAN_SUPPORT_SETTINGS_NOT_FOUND");
}
