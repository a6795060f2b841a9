//! Escalations of chats to people.

use proto::conversation::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::Json;
use super::ask::{Ask, required};
use super::refusal::Refusal;
use super::words::{ChatEscalationStatus, DeflectionChannel, EscalationReason};
use crate::answer::given;
use crate::errors::Failure;
use crate::words::{Word as _, number};

/// An escalation of a chat.
#[derive(Serialize, ToSchema)]
#[schema(as = ChatEscalation)]
pub(super) struct Escalation {
    id: i64,
    chat_id: i64,
    status: ChatEscalationStatus,
}

impl Escalation {
    fn of(escalation: Option<pb::ChatEscalation>) -> Result<Self, Failure> {
        let escalation = given(escalation)?;
        Ok(Self {
            id: escalation.id,
            chat_id: escalation.chat_id,
            status: given(ChatEscalationStatus::of(escalation.status()))?,
        })
    }
}

/// Why a chat is escalated, and how.
#[derive(Deserialize, ToSchema)]
pub(super) struct EscalateChat {
    #[schema(value_type = EscalationReason)]
    reason: Option<EscalationReason>,
    /// Whatever the queue's size and opening hours. Default false.
    force_escalate: Option<bool>,
}

/// Escalate a chat
///
/// `escalating` until a person takes it; `deflecting` when the queue is full or closed. A chat that has an open
/// escalation keeps it.
#[utoipa::path(post, path = "/apps/api/v1/chats/{chat_id}/escalations", tag = "Chats",
    request_body(content = EscalateChat, content_type = "application/json",
        example = json!({"reason": "by_end_user_ask", "force_escalate": true})),
    responses((status = 200, description = "The escalation", body = Escalation)))]
pub(super) async fn create_chat_escalation(ask: Ask) -> Result<Json<Escalation>, Refusal> {
    let chat_id = ask.chat()?;
    let body: EscalateChat = ask.object()?;
    let request = ask.request(pb::CreateChatEscalationRequest {
        chat_id,
        reason: number(Some(required(body.reason, "reason")?)),
        force_escalate: body.force_escalate.unwrap_or_default(),
    });
    let answer = ask.chats().create_chat_escalation(request).await?.into_inner();
    Ok(Json(Escalation::of(answer.escalation)?))
}

/// What the end user chose.
#[derive(Deserialize, ToSchema)]
pub(super) struct DeflectEscalation {
    #[schema(value_type = DeflectionChannel)]
    deflection_channel: Option<DeflectionChannel>,
}

/// Choose the deflection channel
///
/// Of an escalation that is deflecting. `human_agent`, which waits for a person after all, is offered when the queue is
/// full; `virtual_agent` while one has the chat.
#[utoipa::path(patch, path = "/apps/api/v1/chats/{chat_id}/escalations/{escalation_id}", tag = "Chats",
    request_body(content = DeflectEscalation, content_type = "application/json",
        example = json!({"deflection_channel": "human_agent"})),
    responses((status = 200, description = "The escalation", body = Escalation)))]
pub(super) async fn update_chat_escalation(ask: Ask) -> Result<Json<Escalation>, Refusal> {
    let (chat_id, id) = (ask.chat()?, ask.escalation()?);
    let body: DeflectEscalation = ask.object()?;
    let request = ask.request(pb::UpdateChatEscalationRequest {
        chat_id,
        id,
        deflection_channel: number(Some(required(body.deflection_channel, "deflection_channel")?)),
    });
    let answer = ask.chats().update_chat_escalation(request).await?.into_inner();
    Ok(Json(Escalation::of(answer.escalation)?))
}
