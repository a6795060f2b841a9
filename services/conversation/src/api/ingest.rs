//! What channel connectors bring: conversations and messages of any type.

use platform::access::Call;
use platform::fault::Violation;
use platform::time::Time;
use proto::conversation::v1 as wire;
use tonic::{Response, Status};
use uuid::Uuid;

use super::conversations::SUBJECT;
use super::messages::external_id;
use super::transitions::{about, lock, owner};
use super::{Api, conversation_wire};
use crate::domain::channel::Channel;
use crate::domain::conversation::{
    Content, ConversationType, Details, File, Message, MessageDetails, MessageType, Party,
};
use crate::domain::state::{self, Direction};
use crate::domain::{ConversationError, field};
use crate::store::Store;
use crate::store::conversations::{NewConversation, Wanted};
use crate::store::transitions::{Line, Step};

/// The channels a type of conversation comes by; the first is meant when none is named.
fn channels(kind: ConversationType) -> &'static [Channel] {
    match kind {
        ConversationType::Chat => &[Channel::WidgetChat],
        ConversationType::ContactForm => &[Channel::ContactForm],
        ConversationType::Email => &[Channel::Email],
        ConversationType::FacebookMessenger => &[Channel::FacebookMessenger],
        ConversationType::Generic => &Channel::ALL,
        ConversationType::Messenger => &[Channel::Messenger],
        ConversationType::PstnPhone => &[Channel::PstnPhone, Channel::Voicemail, Channel::Callback],
        ConversationType::Sms => &[Channel::Sms],
        ConversationType::Twitter => &[Channel::Twitter],
        ConversationType::WhatsApp => &[Channel::WhatsApp],
    }
}

/// That what a type is always shown with is there.
fn complete(kind: ConversationType, details: &Details) -> Result<(), Violation> {
    let required: &[(&str, bool)] = match kind {
        ConversationType::Email => &[
            ("from_email", details.from_email.is_some()),
            ("to_email", details.to_email.is_some()),
            ("integration_email", details.integration_email.is_some()),
        ],
        ConversationType::ContactForm => &[("from_email", details.from_email.is_some())],
        ConversationType::Twitter => &[("twitter_conversation_type", details.twitter_conversation_type.is_some())],
        _ => &[],
    };
    present("details", required)
}

fn present(name: &str, required: &[(&str, bool)]) -> Result<(), Violation> {
    match required.iter().find(|(_, there)| !there) {
        Some((missing, _)) => Err(Violation::new(format!("{name}.{missing}"), "must be present")),
        None => Ok(()),
    }
}

/// A connector's message, read.
struct Incoming {
    kind: MessageType,
    direction: Direction,
    author: Option<Uuid>,
    content: Option<Content>,
    attachments: Vec<File>,
    details: MessageDetails,
    external_id: Option<String>,
}

impl Incoming {
    fn read(message: wire::IngestMessageRequest) -> Result<Self, Violation> {
        let kind = conversation_wire::message_type("type", message.r#type)?;
        let direction = conversation_wire::any_direction("direction", message.direction)?;
        let author = field::optional_uuid("author_id", message.author_id.as_deref())?;
        if author.is_none() && direction != Direction::Inbound {
            return Err(Violation::new("author_id", "must be present unless inbound"));
        }
        let details = conversation_wire::message_details("details", message.details.unwrap_or_default())?;
        let required: &[(&str, bool)] = match kind {
            MessageType::Email => &[("from", details.from.is_some())],
            MessageType::Phone => &[
                ("from_number", details.from_number.is_some()),
                ("to_number", details.to_number.is_some()),
            ],
            MessageType::CallRecording => &[("recording", details.recording.is_some())],
            _ => &[],
        };
        present("details", required)?;
        Ok(Self {
            kind,
            direction,
            author,
            content: message
                .content
                .map(|content| conversation_wire::content("content", Some(content)))
                .transpose()?,
            attachments: conversation_wire::files("attachments", message.attachments)?,
            details,
            external_id: external_id("external_id", message.external_id)?,
        })
    }
}

impl Api {
    pub(super) async fn ingest_conversation(
        &self,
        call: Call,
        message: wire::IngestConversationRequest,
    ) -> Result<Response<wire::IngestConversationResponse>, Status> {
        let new = read(message.clone()).map_err(ConversationError::from)?;
        let queue = field::optional_uuid("queue_id", message.queue_id.as_deref()).map_err(ConversationError::from)?;
        self.once(&call, "IngestConversation", &message, async |tx| {
            let mut new = new;
            let endpoint = new.details.contact_endpoint_id.clone().unwrap_or_default();
            let wanted = Wanted {
                requester: new.requester.id,
                agent: None,
                queue,
                way_in: (new.direction == Direction::Inbound).then_some((new.channel, endpoint.as_str())),
            };
            let parties = Store::parties(call.org(), &mut *tx, wanted).await?;
            if queue.is_some() && parties.queue.is_none() {
                return Err(ConversationError::QueueNotFound);
            }
            let mut outcome = state::create(new.direction, new.subject.as_deref(), parties.queue, None, Vec::new());
            let author = match new.direction {
                Direction::Inbound => new.requester.id,
                _ => owner(&call),
            };
            (new.created_at, new.assigned_at) = (parties.now, parties.now);
            new.requester = parties.requester;
            let lines = std::mem::take(&mut outcome.entries)
                .into_iter()
                .map(|entry| Line {
                    author: Some(author),
                    at: parties.now,
                    entry,
                })
                .collect();
            let told = Some(call.traceparent.as_deref());
            let id = Store::insert_conversation(call.org(), tx, new, outcome, lines, told)
                .await?
                .ok_or(ConversationError::ExternalIdTaken)?;
            let conversation = Some(Store::conversation(call.org(), tx, id).await?.into());
            Ok(about(id, wire::IngestConversationResponse { conversation }))
        })
        .await
    }

    pub(super) async fn ingest_message(
        &self,
        call: Call,
        message: wire::IngestMessageRequest,
    ) -> Result<Response<wire::IngestMessageResponse>, Status> {
        let incoming = Incoming::read(message.clone()).map_err(ConversationError::from)?;
        self.once(&call, "IngestMessage", &message, async |tx| {
            if let Some(author) = incoming.author {
                Store::person(call.org(), &mut *tx, author).await?;
            }
            let locked = lock(&call, tx, message.conversation_id).await?;
            let written = Message {
                id: platform::id::new(),
                kind: incoming.kind,
                direction: incoming.direction,
                author_id: incoming.author.unwrap_or(locked.requester.id),
                external_id: incoming.external_id,
                content: incoming.content,
                attachments: incoming.attachments,
                details: incoming.details,
                created_at: locked.now,
                anonymized_at: None,
            };
            let step = Step {
                outcome: state::message(&locked.standing, written.said(), locked.default_queue.clone()),
                author: Some(written.author_id),
                message: Some(&written),
            };
            let saved = Store::save_step(&call, tx, &locked, step).await;
            saved.map_err(|error| match error {
                ConversationError::DuplicateExternalId => ConversationError::ExternalIdTaken,
                error => error,
            })?;
            let answer = wire::IngestMessageResponse {
                message: Some(written.into()),
            };
            Ok(about(locked.id, answer))
        })
        .await
    }
}

/// A connector's conversation, whose times are not known yet, and of its end user only the id.
fn read(message: wire::IngestConversationRequest) -> Result<NewConversation, Violation> {
    let kind = conversation_wire::conversation_type("type", message.r#type)?;
    let allowed = channels(kind);
    let channel = if message.channel == 0 && kind != ConversationType::Generic {
        allowed[0]
    } else {
        Channel::parse("channel", message.channel)?
    };
    if !allowed.contains(&channel) {
        return Err(Violation::new("channel", "does not carry this type of conversation"));
    }
    let wire = message.details.unwrap_or_default();
    let subject = field::optional("details.subject", wire.subject.clone(), SUBJECT)?;
    let language = conversation_wire::language("details.language", wire.language.clone())?;
    let details = conversation_wire::details("details", wire)?;
    complete(kind, &details)?;
    Ok(NewConversation {
        kind,
        channel,
        requester: Party::of(field::uuid("requester_id", &message.requester_id)?),
        direction: conversation_wire::any_direction("direction", message.direction)?,
        subject,
        language,
        details,
        external_id: external_id("external_id", message.external_id)?,
        created_at: Time::UNIX_EPOCH,
        assigned_at: Time::UNIX_EPOCH,
        closed_at: None,
        messages: Vec::new(),
    })
}
