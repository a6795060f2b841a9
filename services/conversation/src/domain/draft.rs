//! A message of an API client on its way into a conversation.

use platform::time::Time;
use uuid::Uuid;

use super::ConversationError;
use super::conversation::{Content, Details, EmailContact, File, Message, MessageDetails, MessageType, Party};
use super::state::Direction;

/// What a client says, by the surface that it came over.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// Into a conversation.
    Conversation(Draft),
    /// Into a chat, by whoever has this number.
    Chat { from: i64, content: Content },
}

/// Whoever has the number that a chat's message is from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Author {
    pub(crate) id: Uuid,
    pub(crate) is_agent: bool,
}

/// A message as a client gives it, read but not yet addressed.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) direction: Direction,
    /// Who writes it: an agent, outbound only.
    pub(crate) agent: Option<Uuid>,
    pub(crate) external_id: Option<String>,
    pub(crate) content: Content,
    pub(crate) attachments: Vec<File>,
    pub(crate) integration_email: Option<String>,
    pub(crate) cc: Vec<EmailContact>,
    pub(crate) bcc: Vec<EmailContact>,
}

impl Draft {
    /// What the end user of a chat says in it, or any agent.
    ///
    /// # Errors
    /// When somebody else says it.
    pub(crate) fn of_chat(
        author: Option<Author>,
        requester: &Party,
        content: Content,
    ) -> Result<Self, ConversationError> {
        let (direction, agent) = match author {
            Some(author) if author.id == requester.id => (Direction::Inbound, None),
            Some(author) if author.is_agent => (Direction::Outbound, Some(author.id)),
            _ => {
                let what = "must be the chat's end user or an agent";
                return Err(ConversationError::invalid("from_user_id", what));
            }
        };
        Ok(Self {
            direction,
            agent,
            external_id: None,
            content,
            attachments: Vec::new(),
            integration_email: None,
            cc: Vec::new(),
            bcc: Vec::new(),
        })
    }

    /// The message in a conversation with a requester.
    pub(crate) fn address(self, kind: MessageType, requester: &Party, details: &Details, at: Time) -> Message {
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
