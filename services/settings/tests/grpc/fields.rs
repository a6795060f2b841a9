//! Whatever is wrong with a request about a chatbot, the answer names the field.

use prost_types::value::Kind;
use proto::settings::v1::{
    CreateChatbotRequest, CreateFollowUpPromptRequest, CreateQuickPromptRequest, HumanSupportSettingsChange, Icons,
    LlmModel, UpdateChatbotRequest, UpdateGeneralSettingsRequest, UpdateHumanSupportSettingsRequest,
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::chatbots::full;
use crate::configuration::{create, mails, object, quick, update};
use crate::support::{World, fields, refused};

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_wrong_field_of_a_chatbot_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let chatbot_id = world.chatbot().await;
    let nul = || Some("a\0b".to_owned());
    let icons = |icons: Icons| CreateChatbotRequest {
        icons: Some(icons),
        ..full()
    };
    let model = |model: LlmModel| CreateChatbotRequest {
        llm_model: Some(model),
        ..full()
    };
    let m = |id: &str, provider: &str, title: &str| LlmModel {
        id: id.into(),
        provider: provider.into(),
        title: title.into(),
    };
    let cases = [
        (
            CreateChatbotRequest {
                id: Some("a/b".into()),
                ..full()
            },
            "id",
        ),
        (CreateChatbotRequest { id: nul(), ..full() }, "id"),
        (
            CreateChatbotRequest {
                id: Some(String::new()),
                ..full()
            },
            "id",
        ),
        (
            CreateChatbotRequest {
                name: String::new(),
                ..full()
            },
            "name",
        ),
        (
            CreateChatbotRequest {
                name: "x".repeat(201),
                ..full()
            },
            "name",
        ),
        (
            CreateChatbotRequest {
                name: "a\0b".into(),
                ..full()
            },
            "name",
        ),
        (
            CreateChatbotRequest {
                description: nul(),
                ..full()
            },
            "description",
        ),
        (
            CreateChatbotRequest {
                description: Some("x".repeat(2001)),
                ..full()
            },
            "description",
        ),
        (
            CreateChatbotRequest {
                human_support_queue_id: nul(),
                ..full()
            },
            "human_support_queue_id",
        ),
        (
            icons(Icons {
                bot: nul(),
                ..Icons::default()
            }),
            "icons.bot",
        ),
        (
            icons(Icons {
                user: Some("bot.png".into()),
                ..Icons::default()
            }),
            "icons.user",
        ),
        (
            icons(Icons {
                agent: Some("javascript:alert(1)".into()),
                ..Icons::default()
            }),
            "icons.agent",
        ),
        (
            icons(Icons {
                bubble: Some(format!("https://e.com/{}", "x".repeat(2048))),
                ..Icons::default()
            }),
            "icons.bubble",
        ),
        (model(m("a\0", "p", "t")), "llm_model.id"),
        (model(m("i", "a\0", "t")), "llm_model.provider"),
        (model(m("i", "p", "a\0")), "llm_model.title"),
    ];
    for (request, field) in cases {
        let status = refused(
            world
                .client
                .clone()
                .create_chatbot(world.own.request(request.clone()))
                .await,
        );
        assert_eq!(fields(&status), [field], "{request:?}");
        if field == "id" {
            continue;
        }
        let update = UpdateChatbotRequest {
            chatbot_id: chatbot_id.clone(),
            name: Some(request.name),
            description: request.description,
            icons: request.icons,
            llm_model: request.llm_model,
            human_support_queue_id: request.human_support_queue_id,
        };
        let status = refused(world.client.clone().update_chatbot(world.own.request(update)).await);
        assert_eq!(fields(&status), [field]);
    }
}
#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_wrong_field_of_general_settings_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chatbot().await;
    let nul = || Some("a\0b".to_owned());
    let text = |kind| UpdateGeneralSettingsRequest {
        metadata: Some(object("a", kind)),
        ..update(&id)
    };
    let cases = [
        (
            UpdateGeneralSettingsRequest {
                description: nul(),
                ..update(&id)
            },
            "description",
        ),
        (
            UpdateGeneralSettingsRequest {
                smart_follow_up_prompts_count: Some(0),
                ..update(&id)
            },
            "smart_follow_up_prompts_count",
        ),
        (
            UpdateGeneralSettingsRequest {
                smart_follow_up_prompts_count: Some(6),
                ..update(&id)
            },
            "smart_follow_up_prompts_count",
        ),
        (
            UpdateGeneralSettingsRequest {
                history_count: Some(-1),
                ..update(&id)
            },
            "history_count",
        ),
        (
            UpdateGeneralSettingsRequest {
                gpt_model: Some("gpt-5".into()),
                ..update(&id)
            },
            "gpt_model",
        ),
        (
            UpdateGeneralSettingsRequest {
                gpt_model: nul(),
                ..update(&id)
            },
            "gpt_model",
        ),
        (
            UpdateGeneralSettingsRequest {
                extra_data: nul(),
                ..update(&id)
            },
            "extra_data",
        ),
        (
            UpdateGeneralSettingsRequest {
                llm_id: nul(),
                ..update(&id)
            },
            "llm_id",
        ),
        (
            UpdateGeneralSettingsRequest {
                max_messages_per_conversation: Some(i32::MAX),
                ..update(&id)
            },
            "max_messages_per_conversation",
        ),
        (
            UpdateGeneralSettingsRequest {
                fallback_message: nul(),
                ..update(&id)
            },
            "fallback_message",
        ),
        (
            UpdateGeneralSettingsRequest {
                fallback_message: Some("x".repeat(2001)),
                ..update(&id)
            },
            "fallback_message",
        ),
        (
            UpdateGeneralSettingsRequest {
                chat_start: Some(0),
                ..update(&id)
            },
            "chat_start",
        ),
        (
            UpdateGeneralSettingsRequest {
                chat_start: Some(99),
                ..update(&id)
            },
            "chat_start",
        ),
        (text(Kind::StringValue("a\0b".into())), "metadata"),
        (text(Kind::StringValue("x".repeat(17_000))), "metadata"),
        (text(Kind::NumberValue(f64::NAN)), "metadata"),
    ];
    for (request, field) in cases {
        let status = refused(
            world
                .client
                .clone()
                .update_general_settings(world.own.request(request))
                .await,
        );
        assert_eq!(fields(&status), [field]);
    }
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_wrong_field_of_a_prompt_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chatbot().await;
    let cases = [
        (
            CreateQuickPromptRequest {
                title: String::new(),
                ..quick(&id)
            },
            "title",
        ),
        (
            CreateQuickPromptRequest {
                title: "x".repeat(201),
                ..quick(&id)
            },
            "title",
        ),
        (
            CreateQuickPromptRequest {
                title: "a\0b".into(),
                ..quick(&id)
            },
            "title",
        ),
        (
            CreateQuickPromptRequest {
                description: String::new(),
                ..quick(&id)
            },
            "description",
        ),
        (
            CreateQuickPromptRequest {
                description: "x".repeat(2001),
                ..quick(&id)
            },
            "description",
        ),
        (
            CreateQuickPromptRequest {
                description: "a\0b".into(),
                ..quick(&id)
            },
            "description",
        ),
        (
            CreateQuickPromptRequest {
                link: Some("example.com".into()),
                ..quick(&id)
            },
            "link",
        ),
        (
            CreateQuickPromptRequest {
                link: Some("https://e.com/\0".into()),
                ..quick(&id)
            },
            "link",
        ),
    ];
    for (request, field) in cases {
        let follow_up = CreateFollowUpPromptRequest {
            chatbot_id: id.clone(),
            title: request.title.clone(),
            description: request.description.clone(),
            link: request.link.clone(),
            is_escalation_prompt: false,
        };
        let status = refused(
            world
                .client
                .clone()
                .create_quick_prompt(world.own.request(request))
                .await,
        );
        assert_eq!(fields(&status), [field]);
        let status = refused(
            world
                .client
                .clone()
                .create_follow_up_prompt(world.own.request(follow_up))
                .await,
        );
        assert_eq!(fields(&status), [field]);
    }
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_wrong_field_of_human_support_settings_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let chatbot_id = world.chatbot().await;
    let nul = || Some("a\0b".to_owned());
    let none = HumanSupportSettingsChange::default;
    let many: Vec<_> = (0..21).map(|n| format!("a{n}@example.com")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let list = "settings.lead_notification_email.addresses";
    let (first, second) = (format!("{list}[0]"), format!("{list}[1]"));
    let cases = [
        (
            HumanSupportSettingsChange {
                positive_feedback_prompt: nul(),
                ..none()
            },
            "settings.positive_feedback_prompt",
        ),
        (
            HumanSupportSettingsChange {
                request_human_support_prompt: nul(),
                ..none()
            },
            "settings.request_human_support_prompt",
        ),
        (
            HumanSupportSettingsChange {
                human_support_confirmation_message: Some("x".repeat(2001)),
                ..none()
            },
            "settings.human_support_confirmation_message",
        ),
        (
            HumanSupportSettingsChange {
                lead_notification_email: Some(mails(&many)),
                ..none()
            },
            list,
        ),
        (
            HumanSupportSettingsChange {
                lead_notification_email: Some(mails(&["nobody"])),
                ..none()
            },
            &first,
        ),
        (
            HumanSupportSettingsChange {
                lead_notification_email: Some(mails(&["a@b.c", "a@b.c\r\nBcc: d@e.f"])),
                ..none()
            },
            &second,
        ),
        (
            HumanSupportSettingsChange {
                lead_notification_email: Some(mails(&["a@b.c\0"])),
                ..none()
            },
            &first,
        ),
    ];
    for (change, field) in cases {
        let request = world.own.request(create(&chatbot_id, change.clone()));
        let status = refused(world.client.clone().create_human_support_settings(request).await);
        assert_eq!(fields(&status), [field]);
        let request = UpdateHumanSupportSettingsRequest {
            chatbot_id: chatbot_id.clone(),
            settings: Some(change),
        };
        let status = refused(
            world
                .client
                .clone()
                .update_human_support_settings(world.own.request(request))
                .await,
        );
        assert_eq!(fields(&status), [field]);
    }
}
