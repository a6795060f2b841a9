//! Conversations that happened elsewhere.

use std::collections::HashSet;

use platform::access::Call;
use platform::fault::Violation;
use platform::time::Time;
use proto::conversation::v1 as wire;
use sqlx::PgConnection;
use tonic::{Response, Status};
use uuid::Uuid;

use super::messages::{draft, external_id};
use super::transitions::{about, owner};
use super::{Api, conversation_wire};
use crate::domain::channel::Channel;
use crate::domain::conversation::{ConversationType, Details, Message, MessageType, Party};
use crate::domain::draft::Draft;
use crate::domain::state::{self, Direction};
use crate::domain::{ConversationError, field};
use crate::store::Store;
use crate::store::conversations::{NewConversation, Wanted};
use crate::store::transitions::Line;

/// Messages of one import at most.
const MESSAGES: usize = 1000;
/// Longest name of a generic channel, in characters.
const CHANNEL_NAME: usize = 100;

/// What an import says, apart from its messages.
struct Import {
    channel_name: String,
    requester: Uuid,
    direction: Direction,
    created_at: Time,
    agent: Option<Uuid>,
    assigned_at: Time,
    external_id: Option<String>,
    closed: Option<(Time, Option<Uuid>)>,
}

impl Import {
    fn read(message: &wire::ImportConversationRequest) -> Result<Self, Violation> {
        field::count("messages", message.messages.len(), 0, MESSAGES)?;
        let created_at = message
            .created_at
            .ok_or_else(|| Violation::new("created_at", "must be present"))?;
        let created_at = field::time("created_at", created_at)?;
        let agent = field::optional_uuid("agent_id", message.agent_id.as_deref())?;
        let assigned_at = message
            .assigned_at
            .map(|at| field::time("assigned_at", at))
            .transpose()?;
        let closed_by = field::optional_uuid("closed_by", message.closed_by.as_deref())?;
        let closed_at = message.closed_at.map(|at| field::time("closed_at", at)).transpose()?;
        Ok(Self {
            channel_name: field::required(
                "generic_channel_name",
                message.generic_channel_name.clone(),
                CHANNEL_NAME,
            )?,
            requester: field::uuid("requester_id", &message.requester_id)?,
            direction: conversation_wire::direction("direction", message.direction)?,
            created_at,
            agent,
            assigned_at: assigned_at.unwrap_or(created_at),
            external_id: external_id("external_id", message.external_id.clone())?,
            closed: closed_at.map(|at| (at, closed_by)),
        })
    }

    /// The channel of that documented name, or else the one that is nothing but chat.
    fn channel(&self) -> Channel {
        match self.channel_name.to_ascii_lowercase().as_str() {
            "email" => Channel::Email,
            "widgetchat" => Channel::WidgetChat,
            _ => Channel::Messenger,
        }
    }
}

/// What could be read of the messages, and in words what could not.
struct Reading {
    drafts: Vec<(Draft, Time)>,
    errors: Vec<String>,
}

impl Reading {
    fn new(message: &wire::ImportConversationRequest) -> Self {
        let mut reading = Self {
            drafts: Vec::with_capacity(message.messages.len()),
            errors: message.unreadable.clone(),
        };
        for (index, message) in message.messages.iter().enumerate() {
            if let Err(violation) = reading.read(&format!("messages[{index}]"), message.clone()) {
                let error = format!("Invalid message: {} {}", violation.field, violation.description);
                reading.errors.push(error);
            }
        }
        reading
    }

    fn read(&mut self, field: &str, import: wire::ImportMessage) -> Result<(), Violation> {
        let mut input = import.message.unwrap_or_default();
        let at = import
            .created_at
            .ok_or_else(|| Violation::new(format!("{field}.created_at"), "must be present"))?;
        let at = field::time(&format!("{field}.created_at"), at)?;
        let name = named(field, input.external_id.as_deref());
        let before = input.attachments.len();
        input
            .attachments
            .retain(|file| field::url("url", file.url.clone()).is_ok());
        if input.attachments.len() < before {
            self.errors.push(format!("Invalid attachment url in message. {name}"));
        }
        self.drafts.push((draft(field, input)?, at));
        Ok(())
    }

    /// Leaves out messages of agents who do not exist and messages that are there already.
    async fn check(&mut self, call: &Call, tx: &mut PgConnection) -> Result<(), ConversationError> {
        let agents: Vec<_> = self.drafts.iter().filter_map(|(draft, _)| draft.agent).collect();
        let agents = Store::agents_among(call.org(), &mut *tx, &agents).await?;
        let ids: Vec<_> = self
            .drafts
            .iter()
            .filter_map(|(draft, _)| draft.external_id.clone())
            .collect();
        let taken = Store::taken_external_ids(call.org(), &mut *tx, &ids).await?;
        let mut taken: HashSet<String> = taken.into_iter().collect();
        let errors = &mut self.errors;
        self.drafts.retain(|(draft, _)| {
            if draft.agent.is_some_and(|agent| !agents.contains(&agent)) {
                let name = named("message", draft.external_id.as_deref());
                errors.push(format!("The agent of a message does not exist. {name}"));
                return false;
            }
            let fresh = draft.external_id.clone().is_none_or(|id| taken.insert(id));
            if !fresh {
                let name = named("message", draft.external_id.as_deref());
                errors.push(format!("Duplicate externalId in message. {name}"));
            }
            fresh
        });
        Ok(())
    }

    /// The messages, in the order in which they were written.
    fn messages(self, requester: &Party, details: &Details) -> Vec<Message> {
        let mut messages: Vec<_> = self
            .drafts
            .into_iter()
            .map(|(draft, at)| draft.address(MessageType::Generic, requester, details, at))
            .collect();
        messages.sort_by_key(|message| message.created_at);
        messages
    }
}

/// How a message is called in an error: by the caller's own id when it has one.
fn named(field: &str, external_id: Option<&str>) -> String {
    match external_id {
        Some(id) => format!("externalId: {id}"),
        None => field.to_owned(),
    }
}

impl Api {
    pub(super) async fn import_conversation(
        &self,
        call: Call,
        message: wire::ImportConversationRequest,
    ) -> Result<Response<wire::ImportConversationResponse>, Status> {
        let import = Import::read(&message).map_err(ConversationError::from)?;
        self.once(&call, "ImportConversation", &message, async |tx| {
            let wanted = Wanted {
                requester: import.requester,
                agent: import.agent,
                queue: None,
                way_in: None,
            };
            let parties = Store::parties(call.org(), &mut *tx, wanted).await?;
            let mut reading = Reading::new(&message);
            reading.check(&call, tx).await?;
            if let Some(agent) = import.agent.filter(|_| parties.agent.is_none()) {
                match Store::person(call.org(), &mut *tx, agent).await {
                    Ok(_) => reading.errors.push("The conversation could not be assigned".to_owned()),
                    Err(ConversationError::UserNotFound) => return Err(ConversationError::AgentNotFound),
                    Err(error) => return Err(error),
                }
            }
            let mut closed = import.closed;
            if let Some((_, Some(by))) = closed
                && Store::agents_among(call.org(), &mut *tx, &[by]).await?.is_empty()
            {
                reading.errors.push("The conversation could not be closed".to_owned());
                closed = None;
            }
            let details = Details {
                contact_endpoint_id: Some(import.channel_name.clone()),
                ..Details::default()
            };
            let partial_errors = std::mem::take(&mut reading.errors);
            let messages = reading.messages(&parties.requester, &details);
            let said: Vec<_> = messages.iter().map(Message::said).collect();
            let created = state::create(import.direction, None, None, parties.agent, said);
            let author = match import.direction {
                Direction::Inbound => import.requester,
                _ => import.agent.unwrap_or_else(|| owner(&call)),
            };
            let mut times = vec![import.created_at];
            times.extend(messages.iter().map(|message| message.created_at));
            times.push(import.assigned_at);
            let line = |(entry, at): (state::Entry, Time)| Line {
                author: entry.author.or(Some(author)),
                at,
                entry,
            };
            let mut lines: Vec<_> = created.entries.iter().cloned().zip(times).map(line).collect();
            let outcome = match closed {
                None => created,
                Some((at, by)) => {
                    let outcome = state::close(&created.standing);
                    let by = by.unwrap_or_else(|| owner(&call));
                    lines.extend(outcome.entries.iter().cloned().map(|entry| Line {
                        entry,
                        author: Some(by),
                        at,
                    }));
                    outcome
                }
            };
            let new = NewConversation {
                kind: ConversationType::Generic,
                channel: import.channel(),
                requester: parties.requester,
                direction: import.direction,
                subject: None,
                language: None,
                details,
                external_id: import.external_id.clone(),
                created_at: import.created_at,
                assigned_at: import.assigned_at,
                closed_at: closed.map(|(at, _)| at),
                messages,
            };
            let made = Store::insert_conversation(call.org(), tx, new, outcome, lines, None).await?;
            let answer = match (made, import.external_id.as_deref()) {
                (Some(id), _) => wire::ImportConversationResponse { id, partial_errors },
                (None, Some(external_id)) => wire::ImportConversationResponse {
                    id: Store::conversation_by_external_id(call.org(), tx, external_id).await?,
                    partial_errors: Vec::new(),
                },
                (None, None) => return Err(ConversationError::ConversationNotFound),
            };
            Ok(about(answer.id, answer))
        })
        .await
    }
}
