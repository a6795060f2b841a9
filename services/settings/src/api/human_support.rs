//! Human-support settings.

use platform::access::Call;
use platform::fault::Violation;
use platform::time;
use proto::settings::v1::{
    self as wire, CreateHumanSupportSettingsRequest, CreateHumanSupportSettingsResponse,
    DeleteHumanSupportSettingsRequest, DeleteHumanSupportSettingsResponse, GetHumanSupportSettingsRequest,
    GetHumanSupportSettingsResponse, UpdateHumanSupportSettingsRequest, UpdateHumanSupportSettingsResponse,
};
use tonic::{Request, Response, Status};

use super::{Api, Changed, about_chatbot};
use crate::domain::human_support::{self, HumanSupportChange, HumanSupportSettings};
use crate::domain::{SettingsError, field};
use crate::store::Store;

pub(super) async fn create(
    api: &Api,
    request: Request<CreateHumanSupportSettingsRequest>,
) -> Result<Response<CreateHumanSupportSettingsResponse>, Status> {
    let (call, message) = Call::open(request)?;
    let id = super::chatbot_id(message.chatbot_id.clone())?;
    let change = parse(message.settings.clone()).map_err(SettingsError::from)?;
    api.once(&call, "CreateHumanSupportSettings", &message, async |tx| {
        let sequence = Store::touch_chatbot(call.org(), tx, &id).await?;
        let mut settings = HumanSupportSettings::new(platform::id::new(), id.clone(), time::now());
        change.apply(&mut settings);
        Store::create_human_support(call.org(), tx, &mut settings).await?;
        api.tell(&call, tx, &id, sequence, Changed::HumanSupportSettings)
            .await?;
        let answer = CreateHumanSupportSettingsResponse {
            settings: Some(settings.into()),
        };
        Ok(about_chatbot(&id, answer))
    })
    .await
}

pub(super) async fn get(
    api: &Api,
    request: Request<GetHumanSupportSettingsRequest>,
) -> Result<Response<GetHumanSupportSettingsResponse>, Status> {
    let (call, message) = Call::open(request)?;
    let id = super::chatbot_id(message.chatbot_id)?;
    Store::chatbot(call.org(), &api.db, &id).await?;
    let settings = Store::human_support(call.org(), &api.db, &id).await?;
    Ok(Response::new(GetHumanSupportSettingsResponse {
        settings: Some(settings.into()),
    }))
}

pub(super) async fn update(
    api: &Api,
    request: Request<UpdateHumanSupportSettingsRequest>,
) -> Result<Response<UpdateHumanSupportSettingsResponse>, Status> {
    let (call, message) = Call::open(request)?;
    let id = super::chatbot_id(message.chatbot_id.clone())?;
    let change = parse(message.settings.clone()).map_err(SettingsError::from)?;
    api.once(&call, "UpdateHumanSupportSettings", &message, async |tx| {
        let sequence = Store::touch_chatbot(call.org(), tx, &id).await?;
        let mut settings = Store::human_support(call.org(), &mut *tx, &id).await?;
        change.apply(&mut settings);
        Store::save_human_support(call.org(), tx, &mut settings).await?;
        api.tell(&call, tx, &id, sequence, Changed::HumanSupportSettings)
            .await?;
        let answer = UpdateHumanSupportSettingsResponse {
            settings: Some(settings.into()),
        };
        Ok(about_chatbot(&id, answer))
    })
    .await
}

pub(super) async fn delete(
    api: &Api,
    request: Request<DeleteHumanSupportSettingsRequest>,
) -> Result<Response<DeleteHumanSupportSettingsResponse>, Status> {
    let (call, message) = Call::open(request)?;
    let id = super::chatbot_id(message.chatbot_id.clone())?;
    api.once(&call, "DeleteHumanSupportSettings", &message, async |tx| {
        let sequence = Store::touch_chatbot(call.org(), tx, &id).await?;
        Store::delete_human_support(call.org(), tx, &id).await?;
        api.tell(&call, tx, &id, sequence, Changed::HumanSupportSettings)
            .await?;
        Ok(about_chatbot(&id, DeleteHumanSupportSettingsResponse {}))
    })
    .await
}

fn parse(change: Option<wire::HumanSupportSettingsChange>) -> Result<HumanSupportChange, Violation> {
    let change = change.unwrap_or_default();
    Ok(HumanSupportChange {
        enable_human_support: change.enable_human_support,
        replace_all_other_suggestions: change.replace_all_other_suggestions_with_escalation_buttons,
        positive_feedback_prompt: field::change(
            "settings.positive_feedback_prompt",
            change.positive_feedback_prompt,
            field::PROSE,
        )?,
        request_human_support_prompt: field::change(
            "settings.request_human_support_prompt",
            change.request_human_support_prompt,
            field::PROSE,
        )?,
        confirmation_message: field::change(
            "settings.human_support_confirmation_message",
            change.human_support_confirmation_message,
            field::PROSE,
        )?,
        lead_notification: change.lead_notification,
        lead_notification_email: change
            .lead_notification_email
            .map(|list| human_support::addresses("settings.lead_notification_email.addresses", list.addresses))
            .transpose()?,
        show_escalation_buttons: change.show_escalation_buttons_after_responses,
    })
}

impl From<HumanSupportSettings> for wire::HumanSupportSettings {
    fn from(settings: HumanSupportSettings) -> Self {
        Self {
            id: settings.id.to_string(),
            chatbot_id: settings.chatbot_id,
            enable_human_support: settings.enable_human_support,
            replace_all_other_suggestions_with_escalation_buttons: settings.replace_all_other_suggestions,
            positive_feedback_prompt: settings.positive_feedback_prompt,
            request_human_support_prompt: settings.request_human_support_prompt,
            human_support_confirmation_message: settings.confirmation_message,
            lead_notification: settings.lead_notification,
            lead_notification_email: settings.lead_notification_email,
            show_escalation_buttons_after_responses: settings.show_escalation_buttons,
            created_at: Some(time::to_proto(settings.created_at)),
            updated_at: Some(time::to_proto(settings.updated_at)),
        }
    }
}
