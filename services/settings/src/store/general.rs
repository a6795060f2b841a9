//! General settings.

use platform::OrgId;
use sqlx::{PgConnection, PgExecutor};

use super::Store;
use crate::domain::SettingsError;
use crate::domain::general::{ChatStart, GeneralSettings};

impl Store {
    /// The general settings of a chatbot: every chatbot has them.
    pub async fn general(
        org: OrgId,
        on: impl PgExecutor<'_>,
        chatbot_id: &str,
    ) -> Result<GeneralSettings, SettingsError> {
        let row = sqlx::query!(
            "select id, chatbot_id, description, smart_follow_up_prompts_disabled, smart_follow_up_prompts_count,
                    lead_notifications_disabled, history_count, gpt_model, extra_data, metadata,
                    page_context_awareness_enabled, llm_id, messages_per_conversation_limited,
                    max_messages_per_conversation, fallback_message, chat_start, created_at, updated_at
             from settings.general_settings where org_id = $1 and chatbot_id = $2",
            org.0,
            chatbot_id
        )
        .fetch_optional(on)
        .await?
        .ok_or(SettingsError::ChatbotNotFound)?;
        Ok(GeneralSettings {
            id: row.id,
            chatbot_id: row.chatbot_id,
            description: row.description,
            smart_follow_up_prompts_disabled: row.smart_follow_up_prompts_disabled,
            smart_follow_up_prompts_count: row.smart_follow_up_prompts_count,
            lead_notifications_disabled: row.lead_notifications_disabled,
            history_count: row.history_count,
            gpt_model: row.gpt_model,
            extra_data: row.extra_data,
            metadata: row.metadata,
            page_context_awareness_enabled: row.page_context_awareness_enabled,
            llm_id: row.llm_id,
            messages_per_conversation_limited: row.messages_per_conversation_limited,
            max_messages_per_conversation: row.max_messages_per_conversation,
            fallback_message: row.fallback_message,
            chat_start: ChatStart::from_stored(&row.chat_start),
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }

    /// Stores general settings, new or changed, and stamps them with the transaction's time.
    pub async fn save_general(
        org: OrgId,
        tx: &mut PgConnection,
        settings: &mut GeneralSettings,
    ) -> Result<(), SettingsError> {
        let times = sqlx::query!(
            "insert into settings.general_settings
                 (org_id, chatbot_id, id, description, smart_follow_up_prompts_disabled, smart_follow_up_prompts_count,
                  lead_notifications_disabled, history_count, gpt_model, extra_data, metadata,
                  page_context_awareness_enabled, llm_id, messages_per_conversation_limited,
                  max_messages_per_conversation, fallback_message, chat_start)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
             on conflict (org_id, chatbot_id) do update set
                 description = excluded.description,
                 smart_follow_up_prompts_disabled = excluded.smart_follow_up_prompts_disabled,
                 smart_follow_up_prompts_count = excluded.smart_follow_up_prompts_count,
                 lead_notifications_disabled = excluded.lead_notifications_disabled,
                 history_count = excluded.history_count,
                 gpt_model = excluded.gpt_model,
                 extra_data = excluded.extra_data,
                 metadata = excluded.metadata,
                 page_context_awareness_enabled = excluded.page_context_awareness_enabled,
                 llm_id = excluded.llm_id,
                 messages_per_conversation_limited = excluded.messages_per_conversation_limited,
                 max_messages_per_conversation = excluded.max_messages_per_conversation,
                 fallback_message = excluded.fallback_message,
                 chat_start = excluded.chat_start,
                 updated_at = now()
             returning created_at, updated_at",
            org.0,
            settings.chatbot_id,
            settings.id,
            settings.description,
            settings.smart_follow_up_prompts_disabled,
            settings.smart_follow_up_prompts_count,
            settings.lead_notifications_disabled,
            settings.history_count,
            settings.gpt_model,
            settings.extra_data,
            settings.metadata,
            settings.page_context_awareness_enabled,
            settings.llm_id,
            settings.messages_per_conversation_limited,
            settings.max_messages_per_conversation,
            settings.fallback_message,
            settings.chat_start.as_str()
        )
        .fetch_one(tx)
        .await?;
        (settings.created_at, settings.updated_at) = (times.created_at, times.updated_at);
        Ok(())
    }
}
