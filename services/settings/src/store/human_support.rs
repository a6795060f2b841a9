//! Human-support settings.

use platform::OrgId;
use sqlx::{PgConnection, PgExecutor};

use super::Store;
use crate::domain::SettingsError;
use crate::domain::human_support::HumanSupportSettings;

impl Store {
    /// The human-support settings of a chatbot.
    pub async fn human_support(
        org: OrgId,
        on: impl PgExecutor<'_>,
        chatbot_id: &str,
    ) -> Result<HumanSupportSettings, SettingsError> {
        sqlx::query_as!(
            HumanSupportSettings,
            "select id, chatbot_id, enable_human_support, replace_all_other_suggestions, positive_feedback_prompt,
                    request_human_support_prompt, human_support_confirmation_message as confirmation_message,
                    lead_notification, lead_notification_email, show_escalation_buttons, created_at, updated_at
             from settings.human_support_settings where org_id = $1 and chatbot_id = $2",
            org.0,
            chatbot_id
        )
        .fetch_optional(on)
        .await?
        .ok_or(SettingsError::HumanSupportSettingsNotFound)
    }

    /// Stores a chatbot's first human-support settings and stamps them with the transaction's time.
    pub async fn create_human_support(
        org: OrgId,
        tx: &mut PgConnection,
        settings: &mut HumanSupportSettings,
    ) -> Result<(), SettingsError> {
        let times = sqlx::query!(
            "insert into settings.human_support_settings
                 (org_id, chatbot_id, id, enable_human_support, replace_all_other_suggestions, positive_feedback_prompt,
                  request_human_support_prompt, human_support_confirmation_message, lead_notification,
                  lead_notification_email, show_escalation_buttons)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) returning created_at, updated_at",
            org.0,
            settings.chatbot_id,
            settings.id,
            settings.enable_human_support,
            settings.replace_all_other_suggestions,
            settings.positive_feedback_prompt,
            settings.request_human_support_prompt,
            settings.confirmation_message,
            settings.lead_notification,
            &settings.lead_notification_email,
            settings.show_escalation_buttons
        )
        .fetch_one(tx)
        .await?;
        (settings.created_at, settings.updated_at) = (times.created_at, times.updated_at);
        Ok(())
    }

    /// Stores changed human-support settings and stamps them with the transaction's time.
    pub async fn save_human_support(
        org: OrgId,
        tx: &mut PgConnection,
        settings: &mut HumanSupportSettings,
    ) -> Result<(), SettingsError> {
        settings.updated_at = sqlx::query_scalar!(
            "update settings.human_support_settings
             set enable_human_support = $3, replace_all_other_suggestions = $4, positive_feedback_prompt = $5,
                 request_human_support_prompt = $6, human_support_confirmation_message = $7, lead_notification = $8,
                 lead_notification_email = $9, show_escalation_buttons = $10, updated_at = now()
             where org_id = $1 and chatbot_id = $2 returning updated_at",
            org.0,
            settings.chatbot_id,
            settings.enable_human_support,
            settings.replace_all_other_suggestions,
            settings.positive_feedback_prompt,
            settings.request_human_support_prompt,
            settings.confirmation_message,
            settings.lead_notification,
            &settings.lead_notification_email,
            settings.show_escalation_buttons
        )
        .fetch_one(tx)
        .await?;
        Ok(())
    }

    /// Erases the human-support settings of a chatbot.
    pub async fn delete_human_support(
        org: OrgId,
        tx: &mut PgConnection,
        chatbot_id: &str,
    ) -> Result<(), SettingsError> {
        let deleted = sqlx::query!(
            "delete from settings.human_support_settings where org_id = $1 and chatbot_id = $2",
            org.0,
            chatbot_id
        )
        .execute(tx)
        .await?;
        match deleted.rows_affected() {
            0 => Err(SettingsError::HumanSupportSettingsNotFound),
            _ => Ok(()),
        }
    }
}
