//! General settings.

use platform::access::Call;
use platform::fault::Violation;
use platform::time;
use proto::settings::v1::{
    self as wire, GetGeneralSettingsRequest, GetGeneralSettingsResponse, UpdateGeneralSettingsRequest,
    UpdateGeneralSettingsResponse,
};
use tonic::{Request, Response, Status};

use super::{Api, Changed, about_chatbot, json};
use crate::domain::general::{self, ChatStart, FALLBACK_MESSAGE, GeneralSettings, GeneralSettingsChange};
use crate::domain::{SettingsError, field};
use crate::store::Store;

pub(super) async fn get(
    api: &Api,
    request: Request<GetGeneralSettingsRequest>,
) -> Result<Response<GetGeneralSettingsResponse>, Status> {
    let (call, message) = Call::open(request)?;
    let id = super::chatbot_id(message.chatbot_id)?;
    let settings = Store::general(call.org(), &api.db, &id).await?;
    Ok(Response::new(GetGeneralSettingsResponse {
        settings: Some(settings.into()),
    }))
}

pub(super) async fn update(
    api: &Api,
    request: Request<UpdateGeneralSettingsRequest>,
) -> Result<Response<UpdateGeneralSettingsResponse>, Status> {
    let (call, message) = Call::open(request)?;
    let id = super::chatbot_id(message.chatbot_id.clone())?;
    let change = parse(message.clone()).map_err(SettingsError::from)?;
    api.once(&call, "UpdateGeneralSettings", &message, async |tx| {
        let sequence = Store::touch_chatbot(call.org(), tx, &id).await?;
        let mut settings = Store::general(call.org(), &mut *tx, &id).await?;
        change.apply(&mut settings);
        Store::save_general(call.org(), tx, &mut settings).await?;
        api.tell(&call, tx, &id, sequence, Changed::GeneralSettings).await?;
        let answer = UpdateGeneralSettingsResponse {
            settings: Some(settings.into()),
        };
        Ok(about_chatbot(&id, answer))
    })
    .await
}

fn parse(message: UpdateGeneralSettingsRequest) -> Result<GeneralSettingsChange, Violation> {
    Ok(GeneralSettingsChange {
        description: field::change("description", message.description, field::PROSE)?,
        smart_follow_up_prompts_disabled: message.smart_follow_up_prompts_disabled,
        smart_follow_up_prompts_count: field::number(
            "smart_follow_up_prompts_count",
            message.smart_follow_up_prompts_count,
            general::FOLLOW_UPS,
        )?,
        lead_notifications_disabled: message.lead_notifications_disabled,
        history_count: field::number("history_count", message.history_count, general::HISTORY)?,
        gpt_model: general::gpt_model("gpt_model", message.gpt_model.as_deref())?,
        extra_data: field::change("extra_data", message.extra_data, general::EXTRA_DATA)?,
        metadata: message
            .metadata
            .map(|object| general::metadata("metadata", json::from_struct("metadata", object)?))
            .transpose()?,
        page_context_awareness_enabled: message.page_context_awareness_enabled,
        llm_id: field::change("llm_id", message.llm_id, field::NAME)?,
        messages_per_conversation_limited: message.messages_per_conversation_limited,
        max_messages_per_conversation: field::number(
            "max_messages_per_conversation",
            message.max_messages_per_conversation,
            general::MESSAGES,
        )?,
        fallback_message: field::change("fallback_message", message.fallback_message, field::PROSE)?,
        chat_start: message.chat_start.map(parse_chat_start).transpose()?,
    })
}

fn parse_chat_start(value: i32) -> Result<ChatStart, Violation> {
    match wire::ChatStart::try_from(value) {
        Ok(wire::ChatStart::Ai) => Ok(ChatStart::Ai),
        Ok(wire::ChatStart::Agent) => Ok(ChatStart::Agent),
        Ok(wire::ChatStart::Unspecified) | Err(_) => Err(Violation::new("chat_start", "must be AI or AGENT")),
    }
}

impl From<ChatStart> for wire::ChatStart {
    fn from(start: ChatStart) -> Self {
        match start {
            ChatStart::Ai => Self::Ai,
            ChatStart::Agent => Self::Agent,
        }
    }
}

impl From<GeneralSettings> for wire::GeneralSettings {
    fn from(settings: GeneralSettings) -> Self {
        Self {
            id: settings.id.to_string(),
            chatbot_id: settings.chatbot_id,
            description: settings.description,
            smart_follow_up_prompts_disabled: settings.smart_follow_up_prompts_disabled,
            smart_follow_up_prompts_count: settings.smart_follow_up_prompts_count,
            lead_notifications_disabled: settings.lead_notifications_disabled,
            history_count: settings.history_count,
            gpt_model: settings.gpt_model,
            extra_data: settings.extra_data,
            metadata: Some(json::to_struct(settings.metadata)),
            page_context_awareness_enabled: settings.page_context_awareness_enabled,
            llm_id: settings.llm_id,
            messages_per_conversation_limited: settings.messages_per_conversation_limited,
            max_messages_per_conversation: settings.max_messages_per_conversation,
            fallback_message: settings.fallback_message.unwrap_or_else(|| FALLBACK_MESSAGE.to_owned()),
            chat_start: wire::ChatStart::from(settings.chat_start).into(),
            created_at: Some(time::to_proto(settings.created_at)),
            updated_at: Some(time::to_proto(settings.updated_at)),
        }
    }
}
