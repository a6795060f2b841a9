//! Messages of API clients.

use platform::access::Call;
use platform::fault::Violation;
use platform::time::Time;
use proto::conversation::v1 as wire;
use sqlx::PgConnection;
use tonic::{Response, Status};
use uuid::Uuid;

use super::transitions::{about, lock};
use super::{Api, conversation_wire};
use crate::domain::channel::Channel;
use crate::domain::conversation::{
    Content, Details, EmailContact, File, Locked, Message, MessageDetails, MessageType, Requester,
};
use crate::domain::state::{self, Direction};
use crate::domain::{ConversationError, field};
use crate::store::Store;
use crate::store::transitions::Step;

/// A message as a client gives it, read but not yet addressed.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) direction: Direction,
    /// Who writes it: an agent, outbound only.
    pub(super) agent: Option<Uuid>,
    pub(super) external_id: Option<String>,
    content: Content,
    attachments: Vec<File>,
    integration_email: Option<String>,
    cc: Vec<EmailContact>,
    bcc: Vec<EmailContact>,
}

impl Draft {
    /// Reads a message; `field` is what the request calls it.
    pub(super) fn read(field: &str, input: wire::MessageInput) -> Result<Self, Violation> {
        let name = |name: &str| format!("{field}.{name}");
        let direction = conversation_wire::direction(&name("direction"), input.direction)?;
        let agent = match direction {
            Direction::Outbound => {
                let agent = input.agent_id.unwrap_or_default();
                Some(field::uuid(&name("agent_id"), &agent)?)
            }
            _ => None,
        };
        Ok(Self {
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

    /// The message in a conversation with a requester.
    pub(super) fn address(self, kind: MessageType, requester: &Requester, details: &Details, at: Time) -> Message {
        let author_id = self.agent.unwrap_or(requester.id);
        let mut message = Message {
            id: platform::id::new(),
            kind,
            direction: self.direction,
            author_id,
            external_id: self.external_id,
            content: Some(self.content),
            attachments: self.attachments,
            details: MessageDetails {
                cc: self.cc,
                bcc: self.bcc,
                ..MessageDetails::default()
            },
            created_at: at,
            anonymized_at: None,
        };
        if matches!(kind, MessageType::Email | MessageType::ContactForm) {
            let integration = self
                .integration_email
                .clone()
                .or_else(|| details.integration_email.clone())
                .map(|email| EmailContact { email, name: None });
            let requester = requester.email.clone().map(|email| EmailContact {
                email,
                name: requester.name.clone(),
            });
            let (from, to) = match self.direction {
                Direction::Inbound => (requester, integration),
                Direction::Outbound | Direction::Internal => (integration, requester),
            };
            message.details.from = from;
            message.details.to = to.into_iter().collect();
        }
        message.details.integration_email = self.integration_email;
        message
    }
}

/// The caller's own id of a message or conversation: absent, or 1 to 255 characters.
pub(super) fn external_id(field: &str, id: Option<String>) -> Result<Option<String>, Violation> {
    id.map(|id| field::required(field, id, field::FOREIGN_ID)).transpose()
}

/// Adds a message to a locked conversation.
pub(super) async fn add(
    call: &Call,
    tx: &mut PgConnection,
    locked: &Locked,
    message: &Message,
) -> Result<(), ConversationError> {
    Store::insert_message(call.org(), tx, locked, message).await?;
    let step = Step {
        outcome: state::message(&locked.standing, &message.said(), locked.default_queue.clone()),
        author: Some(message.author_id),
        messages: 1,
    };
    Store::save_step(call, tx, locked, step).await
}

impl Api {
    pub(super) async fn add_message(
        &self,
        call: Call,
        message: wire::AddMessageRequest,
    ) -> Result<Response<wire::AddMessageResponse>, Status> {
        let missing = || ConversationError::invalid("message", "must be present");
        let input = message.message.clone().ok_or_else(missing)?;
        let draft = Draft::read("message", input).map_err(ConversationError::from)?;
        self.once(&call, "AddMessage", &message, async |tx| {
            if let Some(agent) = draft.agent {
                Store::agent(call.org(), &mut *tx, agent).await?;
            }
            let locked = lock(&call, tx, message.conversation_id).await?;
            if !matches!(
                locked.channel,
                Channel::Email | Channel::WidgetChat | Channel::Messenger
            ) {
                return Err(ConversationError::UnsupportedChannel);
            }
            let kind = locked.kind.message_type();
            let written = draft.address(kind, &locked.requester, &locked.details, locked.now);
            add(&call, tx, &locked, &written).await?;
            let answer = wire::AddMessageResponse {
                message: Some(written.into()),
            };
            Ok(about(locked.id, answer))
        })
        .await
    }

    pub(super) async fn list_messages(
        &self,
        call: Call,
        message: wire::ListMessagesRequest,
    ) -> Result<Response<wire::ListMessagesResponse>, Status> {
        Store::expect_conversation(call.org(), &self.db, message.conversation_id).await?;
        let messages = Store::messages(call.org(), &self.db, message.conversation_id).await?;
        Ok(Response::new(wire::ListMessagesResponse {
            messages: messages.into_iter().map(Into::into).collect(),
        }))
    }
}
