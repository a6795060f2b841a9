//! Human-support settings under `/v1/chatbots/chatbot/{chatbotId}/human-support-settings`.

use http::StatusCode;
use proto::settings::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::answer::{Answer, Null, Stamp, given};
use crate::errors::{Failure, Names};
use crate::extract::Call;

/// What drives the handing over to people.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct HumanSupportSettings {
    id: String,
    chatbot_id: String,
    enable_human_support: bool,
    replace_all_other_suggestions_with_escalation_buttons: bool,
    positive_feedback_prompt: Option<String>,
    request_human_support_prompt: Option<String>,
    human_support_confirmation_message: Option<String>,
    lead_notification: bool,
    lead_notification_email: Vec<String>,
    show_escalation_buttons_after_responses: bool,
    created_at: Stamp,
    updated_at: Stamp,
}

impl From<pb::HumanSupportSettings> for HumanSupportSettings {
    fn from(settings: pb::HumanSupportSettings) -> Self {
        Self {
            id: settings.id,
            chatbot_id: settings.chatbot_id,
            enable_human_support: settings.enable_human_support,
            replace_all_other_suggestions_with_escalation_buttons: settings
                .replace_all_other_suggestions_with_escalation_buttons,
            positive_feedback_prompt: settings.positive_feedback_prompt,
            request_human_support_prompt: settings.request_human_support_prompt,
            human_support_confirmation_message: settings.human_support_confirmation_message,
            lead_notification: settings.lead_notification,
            lead_notification_email: settings.lead_notification_email,
            show_escalation_buttons_after_responses: settings.show_escalation_buttons_after_responses,
            created_at: Stamp::of(settings.created_at),
            updated_at: Stamp::of(settings.updated_at),
        }
    }
}

/// The members that are present are applied. `id`, `accountId`, `chatbotId` and `createdAt` are ignored.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct HumanSupportChange {
    /// Default false. Drives widgets only: an escalation always escalates.
    enable_human_support: Option<bool>,
    /// Default false.
    replace_all_other_suggestions_with_escalation_buttons: Option<bool>,
    /// At most 2000 characters, as the two texts below.
    positive_feedback_prompt: Option<String>,
    request_human_support_prompt: Option<String>,
    /// What the visitor is told when the thread is escalated.
    human_support_confirmation_message: Option<String>,
    /// Default false: whether escalations are mailed.
    lead_notification: Option<bool>,
    /// Replaces the list. At most 20 addresses.
    lead_notification_email: Option<Vec<String>>,
    /// Default true.
    show_escalation_buttons_after_responses: Option<bool>,
}

impl From<HumanSupportChange> for pb::HumanSupportSettingsChange {
    fn from(change: HumanSupportChange) -> Self {
        Self {
            enable_human_support: change.enable_human_support,
            replace_all_other_suggestions_with_escalation_buttons: change
                .replace_all_other_suggestions_with_escalation_buttons,
            positive_feedback_prompt: change.positive_feedback_prompt,
            request_human_support_prompt: change.request_human_support_prompt,
            human_support_confirmation_message: change.human_support_confirmation_message,
            lead_notification: change.lead_notification,
            lead_notification_email: change
                .lead_notification_email
                .map(|addresses| pb::LeadNotificationEmail { addresses }),
            show_escalation_buttons_after_responses: change.show_escalation_buttons_after_responses,
        }
    }
}

/// The change is the body itself, the list a member of it.
const NAMES: Names = &[("settings", ""), ("addresses", "")];

/// Create the human-support settings
///
/// A chatbot has them once: a second creation is a 409.
#[utoipa::path(post, path = "/v1/chatbots/chatbot/{chatbotId}/human-support-settings", tag = "Human support",
    request_body(content = HumanSupportChange, content_type = "application/json"),
    responses((status = 201, description = "`Human support settings created successfully`", body = Answer<HumanSupportSettings>)))]
pub(super) async fn create_human_support_settings(
    call: Call,
) -> Result<(StatusCode, Answer<HumanSupportSettings>), Failure> {
    let body: HumanSupportChange = call.object()?;
    let request = call.request(pb::CreateHumanSupportSettingsRequest {
        chatbot_id: call.chatbot()?,
        settings: Some(body.into()),
    });
    let answer = call
        .settings()
        .create_human_support_settings(request)
        .await
        .map_err(Failure::naming(NAMES))?
        .into_inner();
    let settings = given(answer.settings)?.into();
    let answer = Answer::done("Human support settings created successfully", settings);
    Ok((StatusCode::CREATED, answer))
}

/// Get the human-support settings
#[utoipa::path(get, path = "/v1/chatbots/chatbot/{chatbotId}/human-support-settings", tag = "Human support",
    responses((status = 200, description = "The settings", body = Answer<HumanSupportSettings>)))]
pub(super) async fn get_human_support_settings(call: Call) -> Result<Answer<HumanSupportSettings>, Failure> {
    let request = call.request(pb::GetHumanSupportSettingsRequest {
        chatbot_id: call.chatbot()?,
    });
    let answer = call.settings().get_human_support_settings(request).await?.into_inner();
    Ok(Answer::data(given(answer.settings)?.into()))
}

/// Update the human-support settings
#[utoipa::path(patch, path = "/v1/chatbots/chatbot/{chatbotId}/human-support-settings", tag = "Human support",
    request_body(content = HumanSupportChange, content_type = "application/json"),
    responses((status = 200, description = "`Human support settings updated successfully`", body = Answer<HumanSupportSettings>)))]
pub(super) async fn update_human_support_settings(call: Call) -> Result<Answer<HumanSupportSettings>, Failure> {
    let body: HumanSupportChange = call.object()?;
    let request = call.request(pb::UpdateHumanSupportSettingsRequest {
        chatbot_id: call.chatbot()?,
        settings: Some(body.into()),
    });
    let answer = call
        .settings()
        .update_human_support_settings(request)
        .await
        .map_err(Failure::naming(NAMES))?
        .into_inner();
    let settings = given(answer.settings)?.into();
    Ok(Answer::done("Human support settings updated successfully", settings))
}

/// Delete the human-support settings
///
/// An addition to the source.
#[utoipa::path(delete, path = "/v1/chatbots/chatbot/{chatbotId}/human-support-settings", tag = "Human support",
    responses((status = 200, description = "`Human support settings deleted successfully`", body = Answer<Null>)))]
pub(super) async fn delete_human_support_settings(call: Call) -> Result<Answer<Null>, Failure> {
    let request = call.request(pb::DeleteHumanSupportSettingsRequest {
        chatbot_id: call.chatbot()?,
    });
    call.settings().delete_human_support_settings(request).await?;
    Ok(Answer::done("Human support settings deleted successfully", Null))
}
