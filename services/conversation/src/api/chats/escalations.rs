//! Escalations of chats.

use platform::access::Call;
use platform::fault::Violation;
use proto::conversation::v1 as wire;
use sqlx::PgConnection;
use tonic::{Response, Status};

use super::{lock_chat, lock_running, show};
use crate::api::transitions::{about, owner, save};
use crate::api::{Api, Done};
use crate::domain::chats::Holder;
use crate::domain::chats::escalation::{self, Channel, Escalation, Progress, Reason};
use crate::domain::conversation::Locked;
use crate::domain::state;
use crate::domain::{ConversationError, field};
use crate::store::Store;
use crate::store::chats::NewEscalation;

/// A deflection channel; unspecified is none.
pub(super) fn channel(field: &str, number: i32) -> Result<Option<Channel>, Violation> {
    use wire::DeflectionChannel as Wire;
    match Wire::try_from(number) {
        Ok(Wire::Unspecified) => Ok(None),
        Ok(Wire::Email) => Ok(Some(Channel::Email)),
        Ok(Wire::ExternalLink) => Ok(Some(Channel::ExternalLink)),
        Ok(Wire::HumanAgent) => Ok(Some(Channel::HumanAgent)),
        Ok(Wire::VirtualAgent) => Ok(Some(Channel::VirtualAgent)),
        Err(_) => Err(Violation::new(field, "must be a deflection channel")),
    }
}

fn reason(field: &str, number: i32) -> Result<Reason, Violation> {
    use wire::EscalationReason as Wire;
    Ok(match Wire::try_from(number) {
        Ok(Wire::Unknown) => Reason::Unknown,
        Ok(Wire::ByEndUserAsk) => Reason::ByEndUserAsk,
        Ok(Wire::ByEndUserMessage) => Reason::ByEndUserMessage,
        Ok(Wire::ByVirtualAgent) => Reason::ByVirtualAgent,
        Ok(Wire::PayloadFailure) => Reason::PayloadFailure,
        Ok(Wire::CouldNotResume) => Reason::CouldNotResume,
        Ok(Wire::ByHumanAgent) => Reason::ByHumanAgent,
        Ok(Wire::InvalidQueue) => Reason::InvalidQueue,
        Ok(Wire::Dismissed) => Reason::Dismissed,
        Ok(Wire::Unspecified) | Err(_) => return Err(Violation::new(field, "must be a reason to escalate")),
    })
}

fn progress(field: &str, number: i32) -> Result<Option<Progress>, Violation> {
    use wire::ChatEscalationState as Wire;
    match Wire::try_from(number) {
        Ok(Wire::Unspecified) => Ok(None),
        Ok(Wire::Unacknowledged) => Ok(Some(Progress::Unacknowledged)),
        Ok(Wire::Acknowledged) => Ok(Some(Progress::Acknowledged)),
        Ok(Wire::Resolved) => Ok(Some(Progress::Resolved)),
        Err(_) => Err(Violation::new(field, "must be a state of an escalation")),
    }
}

/// Hands a chat over to the people of its queue.
async fn hand_over(call: &Call, tx: &mut PgConnection, locked: &Locked) -> Result<(), ConversationError> {
    let outcome = state::chats::escalate(&locked.standing, locked.default_queue.clone())?;
    save(call, tx, locked, outcome, owner(call)).await
}

/// Escalates a chat that has no open escalation.
async fn escalate(
    call: &Call,
    tx: &mut PgConnection,
    locked: &Locked,
    reason: Reason,
    force: bool,
) -> Result<Escalation, ConversationError> {
    let org = call.org();
    let holder = Store::chat(org, &mut *tx, locked.id).await?.holder();
    if holder == Holder::Person {
        // Somebody was faster than the request: what the caller wants is true already.
        let newest = Store::newest_escalation(org, &mut *tx, locked.id).await?;
        if let Some(escalated) = newest.filter(|newest| newest.status == escalation::Status::Escalated) {
            return Ok(escalated);
        }
    }
    let queue = locked.standing.queue.as_ref().or(locked.default_queue.as_ref());
    let queue = queue.ok_or(ConversationError::QueueNotFound)?;
    let reception = Store::reception(org, tx, queue.id, locked.id).await?;
    let (status, deflection) = escalation::begin(holder, reception.is_open, reception.is_full, force);
    let new = NewEscalation {
        chat: locked.id,
        status: if status.is_open() {
            status
        } else {
            escalation::Status::Escalating
        },
        reason,
        deflection,
        requested_by: &call.caller.owner,
    };
    let opened = Store::open_escalation(call, tx, new).await?;
    match status {
        escalation::Status::Escalating => hand_over(call, tx, locked).await?,
        escalation::Status::Escalated => {
            let chat = Store::chat(org, &mut *tx, locked.id).await?;
            let by = locked.standing.agent.as_ref().map(|agent| agent.id.to_string());
            let trace = call.traceparent.as_deref();
            Store::resolve_escalation(org, trace, tx, &chat, status, by.as_deref()).await?;
        }
        _ => {}
    }
    Store::escalation(org, tx, opened.id).await
}

impl Api {
    /// Notes what the end user chose, and does it.
    pub(super) async fn deflect(
        &self,
        call: &Call,
        tx: &mut PgConnection,
        locked: &Locked,
        escalation: &Escalation,
        channel: Channel,
    ) -> Result<Escalation, ConversationError> {
        let holder = Store::chat(call.org(), &mut *tx, locked.id).await?.holder();
        let Escalation { status, deflection, .. } = *escalation;
        let next = escalation::choose(status, deflection, escalation.channel, holder, channel)?;
        if next == status {
            return Ok(escalation.clone());
        }
        let chosen = Store::choose_deflection(call, tx, escalation, next, Some(channel)).await?;
        if next == escalation::Status::Escalating {
            hand_over(call, tx, locked).await?;
        }
        Ok(chosen)
    }

    pub(in crate::api) async fn create_chat_escalation(
        &self,
        call: Call,
        message: wire::CreateChatEscalationRequest,
    ) -> Result<Response<wire::CreateChatEscalationResponse>, Status> {
        let reason = reason("reason", message.reason).map_err(ConversationError::from)?;
        self.once(&call, "CreateChatEscalation", &message, async |tx| {
            let org = call.org();
            let locked = lock_running(&call, tx, message.chat_id).await?;
            let newest = Store::newest_escalation(org, &mut *tx, locked.id).await?;
            let force = message.force_escalate;
            let escalation = match newest.filter(|newest| newest.status.is_open()) {
                None => escalate(&call, tx, &locked, reason, force).await?,
                Some(open) if force && open.status == escalation::Status::Deflecting => {
                    let status = escalation::Status::Escalating;
                    let forced = Store::choose_deflection(&call, tx, &open, status, None).await?;
                    hand_over(&call, tx, &locked).await?;
                    forced
                }
                Some(open) => open,
            };
            let escalation = Some(self.show_escalation(org, tx, escalation).await?);
            Ok(about(locked.id, wire::CreateChatEscalationResponse { escalation }))
        })
        .await
    }

    pub(in crate::api) async fn update_chat_escalation(
        &self,
        call: Call,
        message: wire::UpdateChatEscalationRequest,
    ) -> Result<Response<wire::UpdateChatEscalationResponse>, Status> {
        let missing = || ConversationError::invalid("deflection_channel", "must be present");
        let channel = channel("deflection_channel", message.deflection_channel).map_err(ConversationError::from)?;
        let channel = channel.ok_or_else(missing)?;
        self.once(&call, "UpdateChatEscalation", &message, async |tx| {
            let org = call.org();
            let locked = lock_chat(&call, tx, message.chat_id).await?;
            let escalation = Store::escalation_numbered(org, &mut *tx, locked.id, message.id).await?;
            if locked.standing.state == state::State::Closed {
                return Err(ConversationError::ChatEnded);
            }
            let escalation = self.deflect(&call, tx, &locked, &escalation, channel).await?;
            let escalation = Some(self.show_escalation(org, tx, escalation).await?);
            Ok(about(locked.id, wire::UpdateChatEscalationResponse { escalation }))
        })
        .await
    }

    pub(in crate::api) async fn list_chat_escalations(
        &self,
        call: Call,
        message: wire::ListChatEscalationsRequest,
    ) -> Result<Response<wire::ListChatEscalationsResponse>, Status> {
        let progress = progress("state", message.state).map_err(ConversationError::from)?;
        let size = match message.page_size {
            ..0 => return Err(ConversationError::invalid("page_size", "must not be negative").into()),
            0 => 20,
            size => i64::from(size.min(100)),
        };
        let before = (!message.before.is_empty()).then_some(&*message.before);
        let before = field::optional_uuid("before", before).map_err(ConversationError::from)?;
        let org = call.org();
        let mut connection = self.db.acquire().await.map_err(ConversationError::from)?;
        let found = Store::escalations(org, &mut *connection, progress, before, size + 1).await?;
        let (found, next) = super::super::cut(found, size, |escalation| escalation.id);
        let mut escalations = Vec::with_capacity(found.len());
        for escalation in found {
            escalations.push(self.show_escalation(org, &mut connection, escalation).await?);
        }
        Ok(Response::new(wire::ListChatEscalationsResponse {
            escalations,
            has_more: next.is_some(),
        }))
    }

    pub(in crate::api) async fn acknowledge_chat_escalation(
        &self,
        call: Call,
        message: wire::AcknowledgeChatEscalationRequest,
    ) -> Result<Response<wire::AcknowledgeChatEscalationResponse>, Status> {
        let id = field::lookup("escalation_id", message.escalation_id.clone()).map_err(ConversationError::from)?;
        let id = platform::id::parse(&id).ok_or(ConversationError::EscalationNotFound)?;
        self.once(&call, "AcknowledgeChatEscalation", &message, async |tx| {
            let escalation = Store::acknowledge_escalation(&call, tx, id).await?;
            let chat = Store::chat(call.org(), tx, escalation.chat_id).await?;
            let escalation = Some(show::shown(escalation, &chat));
            let answer = wire::AcknowledgeChatEscalationResponse { escalation };
            Ok(Done::new(format!("conversations/{}", chat.id), answer))
        })
        .await
    }
}
