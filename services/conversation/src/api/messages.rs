//! Messages of API clients.

use platform::access::Call;
use platform::fault::Violation;
use platform::idempotency::Retry;
use proto::conversation::v1 as wire;
use tonic::{Response, Status};

use super::{Api, conversation_wire};
use crate::domain::draft::{Draft, Input};
use crate::domain::state::Direction;
use crate::domain::{ConversationError, field};
use crate::store::Store;
use crate::store::additions::Addition;
use crate::store::reads::{MessagesOf, SHARED};

/// Reads a message; `field` is what the request calls it.
pub(super) fn draft(field: &str, input: wire::MessageInput) -> Result<Draft, Violation> {
    let name = |name: &str| format!("{field}.{name}");
    let direction = conversation_wire::direction(&name("direction"), input.direction)?;
    let agent = match direction {
        Direction::Outbound => {
            let agent = input.agent_id.unwrap_or_default();
            Some(field::uuid(&name("agent_id"), &agent)?)
        }
        _ => None,
    };
    Ok(Draft {
        direction,
        agent,
        external_id: external_id(&name("external_id"), input.external_id)?,
        content: conversation_wire::content(&name("content"), input.content)?,
        attachments: conversation_wire::files(&name("attachments"), input.attachments)?,
        integration_email: field::optional(&name("integration_email"), input.integration_email, field::EMAIL)?,
        cc: conversation_wire::addresses(&name("cc"), input.cc)?,
        bcc: conversation_wire::addresses(&name("bcc"), input.bcc)?,
    })
}

/// The caller's own id of a message or conversation: absent, or 1 to 255 characters.
pub(super) fn external_id(field: &str, id: Option<String>) -> Result<Option<String>, Violation> {
    id.map(|id| field::required(field, id, field::FOREIGN_ID)).transpose()
}

impl Api {
    pub(super) async fn add_message(
        &self,
        call: Call,
        message: wire::AddMessageRequest,
    ) -> Result<Response<wire::AddMessageResponse>, Status> {
        let retry = Retry::of(&call, &message);
        let missing = || ConversationError::invalid("message", "must be present");
        let draft = draft("message", message.message.ok_or_else(missing)?).map_err(ConversationError::from)?;
        let addition = Addition {
            org: call.org(),
            conversation: message.conversation_id,
            input: Input::Conversation(draft),
            retry,
            traceparent: call.traceparent,
        };
        let written = self.batched.additions.submit(addition).await?;
        Ok(Response::new(wire::AddMessageResponse {
            message: Some(written.into()),
        }))
    }

    pub(super) async fn list_messages(
        &self,
        call: Call,
        message: wire::ListMessagesRequest,
    ) -> Result<Response<wire::ListMessagesResponse>, Status> {
        let (org, id) = (call.org(), message.conversation_id);
        let found = self.batched.messages.submit(MessagesOf(org, id)).await;
        let mut messages = found
            .map_err(ConversationError::from)?
            .ok_or(ConversationError::ConversationNotFound)?;
        if messages.len() > SHARED {
            messages = Store::messages(org, &self.db, id).await?;
        }
        Ok(Response::new(wire::ListMessagesResponse {
            messages: messages.into_iter().map(Into::into).collect(),
        }))
    }
}
