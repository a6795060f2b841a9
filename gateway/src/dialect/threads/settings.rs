//! General settings and chat mode: the names of two sources for one set of settings.

use proto::settings::v1 as pb;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::answer::{Answer, Nothing, Stamp, given};
use crate::errors::{Failure, Names};
use crate::extract::Call;
use crate::words::{ChatStart, Word as _};

/// General settings of a chatbot.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct GeneralSettings {
    description: Option<String>,
    disable_smart_followup: bool,
    number_of_smart_followup_question_shown: i32,
    enable_page_context_awareness: bool,
    history_message_context: i32,
    llm_id: Option<String>,
    limit_messages_per_conversation: bool,
    max_messages_per_conversation: i32,
    /// What the bot says when it has no answer.
    fallback_message: String,
    chat_start: ChatStart,
    id: String,
    chatbot_id: String,
    created_at: Stamp,
    updated_at: Stamp,
}

impl From<pb::GeneralSettings> for GeneralSettings {
    fn from(settings: pb::GeneralSettings) -> Self {
        Self {
            chat_start: ChatStart::of(settings.chat_start()).unwrap_or(ChatStart::Ai),
            description: settings.description,
            disable_smart_followup: settings.smart_follow_up_prompts_disabled,
            number_of_smart_followup_question_shown: settings.smart_follow_up_prompts_count,
            enable_page_context_awareness: settings.page_context_awareness_enabled,
            history_message_context: settings.history_count,
            llm_id: settings.llm_id,
            limit_messages_per_conversation: settings.messages_per_conversation_limited,
            max_messages_per_conversation: settings.max_messages_per_conversation,
            fallback_message: settings.fallback_message,
            id: settings.id,
            chatbot_id: settings.chatbot_id,
            created_at: Stamp::of(settings.created_at),
            updated_at: Stamp::of(settings.updated_at),
        }
    }
}

/// Get the general settings
#[utoipa::path(get, path = "/v0/chatbots/chatbot/{chatbotId}/settings/general", tag = "Settings",
    responses((status = 200, description = "The settings", body = Answer<GeneralSettings>)))]
pub(super) async fn get_settings(call: Call) -> Result<Answer<GeneralSettings>, Failure> {
    let request = call.request(pb::GetGeneralSettingsRequest {
        chatbot_id: call.chatbot()?,
    });
    let answer = call.settings().get_general_settings(request).await?.into_inner();
    Ok(Answer::data(given(answer.settings)?.into()))
}

/// What to change of the general settings: the members that are present.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SettingsChange {
    description: Option<String>,
    disable_smart_followup: Option<bool>,
    /// 1 to 5.
    number_of_smart_followup_question_shown: Option<i32>,
    enable_page_context_awareness: Option<bool>,
    /// 1 to 5.
    history_message_context: Option<i32>,
    llm_model_id: Option<String>,
    limit_messages_per_conversation: Option<bool>,
    /// 1 to 10000.
    max_messages_per_conversation: Option<i32>,
    fallback_message: Option<String>,
    chat_start: Option<ChatStart>,
}

/// Update the general settings
#[utoipa::path(patch, path = "/v0/chatbots/chatbot/{chatbotId}/settings/general", tag = "Settings",
    request_body(content = SettingsChange, content_type = "application/json"),
    responses((status = 200, description = "`General settings updated successfully`", body = Answer<GeneralSettings>)))]
pub(super) async fn update_settings(call: Call) -> Result<Answer<GeneralSettings>, Failure> {
    const NAMES: Names = &[
        ("smart_follow_up_prompts_disabled", "disableSmartFollowup"),
        ("smart_follow_up_prompts_count", "numberOfSmartFollowupQuestionShown"),
        ("page_context_awareness_enabled", "enablePageContextAwareness"),
        ("history_count", "historyMessageContext"),
        ("llm_id", "llmModelId"),
        ("messages_per_conversation_limited", "limitMessagesPerConversation"),
    ];
    let body: SettingsChange = call.object()?;
    let request = call.request(pb::UpdateGeneralSettingsRequest {
        chatbot_id: call.chatbot()?,
        description: body.description,
        smart_follow_up_prompts_disabled: body.disable_smart_followup,
        smart_follow_up_prompts_count: body.number_of_smart_followup_question_shown,
        history_count: body.history_message_context,
        page_context_awareness_enabled: body.enable_page_context_awareness,
        llm_id: body.llm_model_id,
        messages_per_conversation_limited: body.limit_messages_per_conversation,
        max_messages_per_conversation: body.max_messages_per_conversation,
        fallback_message: body.fallback_message,
        chat_start: body.chat_start.map(|start| pb::ChatStart::from(start).into()),
        ..pb::UpdateGeneralSettingsRequest::default()
    });
    let answer = call
        .settings()
        .update_general_settings(request)
        .await
        .map_err(Failure::naming(NAMES))?
        .into_inner();
    let settings = given(answer.settings)?.into();
    Ok(Answer::done("General settings updated successfully", settings))
}

/// Who a new thread starts with.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChatModeChange {
    chat_start: ChatStart,
}

/// Who a new thread starts with.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChatMode {
    chat_start: ChatStart,
}

/// Update the chat mode
#[utoipa::path(patch, path = "/v0/chatbots/chatbot/{chatbotId}/settings/chat-mode", tag = "Settings",
    request_body(content = ChatModeChange, content_type = "application/json"),
    responses((status = 200, description = "`Chat mode updated successfully`", body = Answer<ChatMode>)))]
pub(super) async fn update_chat_mode(call: Call) -> Result<Answer<ChatMode>, Failure> {
    let ChatModeChange { chat_start } = call.object()?;
    let request = call.request(pb::UpdateGeneralSettingsRequest {
        chatbot_id: call.chatbot()?,
        chat_start: Some(pb::ChatStart::from(chat_start).into()),
        ..pb::UpdateGeneralSettingsRequest::default()
    });
    call.settings().update_general_settings(request).await?;
    Ok(Answer::done("Chat mode updated successfully", ChatMode { chat_start }))
}

/// What to change of the general settings, in the names of the other source: the members that are present.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct GeneralChange {
    chatbot_description: Option<String>,
    disable_smart_follow_up_prompts: Option<bool>,
    /// 1 to 5.
    smart_follow_up_prompts_count: Option<i32>,
    disable_lead_notifications: Option<bool>,
    /// 1 to 5.
    history_count: Option<i32>,
    /// `gpt-3.5-turbo` or `gpt-4`.
    gpt_model: Option<String>,
    extra_data: Option<String>,
    /// At most 16 KiB.
    metadata: Option<Map<String, Value>>,
}

/// Update the general settings in the older names
#[utoipa::path(patch, path = "/v0/chatbots/{chatbotId}/settings/general", tag = "Settings",
    request_body(content = GeneralChange, content_type = "application/json"),
    responses((status = 200, description = "`Updated general settings of the chatbot successfully`", body = Answer<Nothing>)))]
pub(super) async fn update_general_settings(call: Call) -> Result<Answer<Nothing>, Failure> {
    const NAMES: Names = &[
        ("description", "chatbotDescription"),
        ("smart_follow_up_prompts_disabled", "disableSmartFollowUpPrompts"),
        ("lead_notifications_disabled", "disableLeadNotifications"),
    ];
    let body: GeneralChange = call.object()?;
    let request = call.request(pb::UpdateGeneralSettingsRequest {
        chatbot_id: call.chatbot()?,
        description: body.chatbot_description,
        smart_follow_up_prompts_disabled: body.disable_smart_follow_up_prompts,
        smart_follow_up_prompts_count: body.smart_follow_up_prompts_count,
        lead_notifications_disabled: body.disable_lead_notifications,
        history_count: body.history_count,
        gpt_model: body.gpt_model,
        extra_data: body.extra_data,
        metadata: body.metadata.map(structure),
        ..pb::UpdateGeneralSettingsRequest::default()
    });
    call.settings()
        .update_general_settings(request)
        .await
        .map_err(Failure::naming(NAMES))?;
    Ok(Answer::done(
        "Updated general settings of the chatbot successfully",
        Nothing {},
    ))
}

/// A JSON object as the proto knows it. Its numbers are doubles.
fn structure(members: Map<String, Value>) -> prost_types::Struct {
    let fields = members.into_iter().map(|(name, member)| (name, value(member)));
    prost_types::Struct {
        fields: fields.collect(),
    }
}

fn value(json: Value) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match json {
        Value::Null => Kind::NullValue(0),
        Value::Bool(flag) => Kind::BoolValue(flag),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text),
        Value::Array(items) => Kind::ListValue(prost_types::ListValue {
            values: items.into_iter().map(value).collect(),
        }),
        Value::Object(members) => Kind::StructValue(structure(members)),
    };
    prost_types::Value { kind: Some(kind) }
}
