//! Conversations, messages and notes as they are kept.

use platform::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::attributes::Shown;
use super::channel::Channel;
use super::chats::Ended;
use super::snapshot::{Lasting, Snapshot};
use super::state::{Direction, Members, Named, Noted, Said, Standing, State};

/// What a conversation is shown as. Numbers are those of conversation.proto.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[repr(i16)]
pub(crate) enum ConversationType {
    Chat = 1,
    ContactForm = 2,
    Email = 3,
    FacebookMessenger = 4,
    Generic = 5,
    Messenger = 6,
    PstnPhone = 7,
    Sms = 8,
    Twitter = 9,
    WhatsApp = 10,
}

/// What a message is shown as. Numbers are those of conversation.proto.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[repr(i16)]
pub(crate) enum MessageType {
    Chat = 1,
    Email = 2,
    ContactForm = 3,
    FacebookMessenger = 4,
    Generic = 5,
    Sms = 6,
    Twitter = 7,
    WhatsApp = 8,
    Phone = 9,
    CallRecording = 10,
}

impl ConversationType {
    /// What a message of an API client in such a conversation is shown as.
    pub(crate) fn message_type(self) -> MessageType {
        match self {
            Self::Chat | Self::Messenger => MessageType::Chat,
            Self::ContactForm => MessageType::ContactForm,
            Self::Email => MessageType::Email,
            Self::FacebookMessenger => MessageType::FacebookMessenger,
            Self::Generic => MessageType::Generic,
            Self::PstnPhone => MessageType::Phone,
            Self::Sms => MessageType::Sms,
            Self::Twitter => MessageType::Twitter,
            Self::WhatsApp => MessageType::WhatsApp,
        }
    }
}

/// How a child belongs to its parent. Numbers are those of conversation.proto.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[repr(i16)]
pub(crate) enum LinkKind {
    EmailForward = 1,
    FollowUp = 2,
    SideConversation = 3,
    Related = 4,
}

impl LinkKind {
    /// The documented word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::EmailForward => "EmailForward",
            Self::FollowUp => "FollowUp",
            Self::SideConversation => "SideConversation",
            Self::Related => "Related",
        }
    }
}

/// Where an end user's browser was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BrowserInfo {
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ip_address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) originating_url: Option<String>,
}

/// What only some types of conversation have, besides subject and language.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Details {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from_email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to_email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) integration_email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from_contact_point_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to_contact_point_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) twitter_conversation_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) contact_point_twitter_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end_user_twitter_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) browser_info: Option<BrowserInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) contact_endpoint_id: Option<String>,
}

/// A conversation.
#[derive(Clone, Debug)]
pub(crate) struct Conversation {
    pub(crate) id: i64,
    pub(crate) kind: ConversationType,
    pub(crate) channel: Channel,
    pub(crate) requester_id: Uuid,
    pub(crate) direction: Direction,
    pub(crate) state: State,
    pub(crate) state_updated_at: Time,
    pub(crate) created_at: Time,
    pub(crate) agent_id: Option<Uuid>,
    pub(crate) assigned_at: Option<Time>,
    pub(crate) queue_id: Option<Uuid>,
    pub(crate) queued_at: Option<Time>,
    pub(crate) subject: Option<String>,
    pub(crate) language: Option<String>,
    pub(crate) details: Details,
    pub(crate) parent_id: Option<i64>,
    pub(crate) link_kind: Option<LinkKind>,
    pub(crate) attributes: Vec<Shown>,
    pub(crate) external_id: Option<String>,
    pub(crate) closed_at: Option<Time>,
    pub(crate) follow_up_at: Option<Time>,
    pub(crate) anonymized_at: Option<Time>,
}

/// Somebody who takes part in a conversation, with how to reach him: its end user, or the agent who has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Party {
    pub(crate) id: Uuid,
    pub(crate) name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
}

impl Party {
    /// Somebody of whom nothing else is known.
    pub(crate) fn of(id: Uuid) -> Self {
        Self {
            id,
            name: None,
            email: None,
            phone: None,
        }
    }
}

/// A conversation under its lock: what decides its next step, and where its counters are.
#[derive(Clone, Debug)]
pub(crate) struct Locked {
    pub(crate) id: i64,
    pub(crate) kind: ConversationType,
    pub(crate) channel: Channel,
    pub(crate) direction: Direction,
    pub(crate) requester: Party,
    pub(crate) subject: Option<String>,
    pub(crate) created_at: Time,
    pub(crate) details: Details,
    /// BCP 47.
    pub(crate) language: Option<String>,
    pub(crate) parent_id: Option<i64>,
    pub(crate) anonymized: bool,
    /// The database's time once the lock was there.
    pub(crate) now: Time,
    pub(crate) standing: Standing,
    pub(crate) message_count: i32,
    pub(crate) activity_sequence: i32,
    pub(crate) event_sequence: i64,
    /// The organization's default queue, when it is in none.
    pub(crate) default_queue: Option<Named>,
    /// How its chat ends, for a step that ends it and knows.
    pub(crate) ending: Option<Ended>,
}

impl Locked {
    /// How events show it where it stands now.
    pub(crate) fn snapshot<'a>(&'a self, standing: &'a Standing) -> Snapshot<'a> {
        let lasting = Lasting {
            channel: self.channel,
            direction: self.direction,
            requester: &self.requester,
            details: &self.details,
            subject: self.subject.as_deref(),
            created_at: self.created_at,
        };
        Snapshot::new(lasting, standing)
    }

    /// Whether it can have a chat session beside it.
    pub(crate) fn is_chat(&self) -> bool {
        self.kind == ConversationType::Chat && self.channel == Channel::WidgetChat
    }
}

/// Whether a content is plain. Numbers are those of conversation.proto.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[repr(i16)]
pub(crate) enum ContentType {
    Text = 1,
    Html = 2,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) kind: ContentType,
    pub(crate) value: String,
}

/// Something that is kept at its URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct File {
    pub(crate) url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pretty_name: Option<String>,
}

/// Somebody a mail is from or to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EmailContact {
    pub(crate) email: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
}

/// What only some types of message have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct MessageDetails {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<EmailContact>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) to: Vec<EmailContact>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) cc: Vec<EmailContact>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) bcc: Vec<EmailContact>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) reply_default_to: Vec<EmailContact>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_auto_reply: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) inline_images: Vec<File>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delivery_failure_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) original_content_url: Option<File>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_file: Option<File>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_automated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) duration: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recording: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) integration_email: Option<String>,
}

/// A message, stored or about to be.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: Uuid,
    pub(crate) kind: MessageType,
    pub(crate) direction: Direction,
    pub(crate) author_id: Uuid,
    pub(crate) external_id: Option<String>,
    pub(crate) content: Option<Content>,
    pub(crate) attachments: Vec<File>,
    pub(crate) details: MessageDetails,
    pub(crate) created_at: Time,
    pub(crate) anonymized_at: Option<Time>,
}

/// A message as events show it (the payload of the original's webhooks).
#[derive(Debug, Serialize)]
struct Told<'a> {
    message_id: Uuid,
    direction: &'static str,
    author: Author,
    created_at: String,
    attachments: &'a [File],
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<ToldContent<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Author {
    id: Uuid,
}

#[derive(Debug, Serialize)]
struct ToldContent<'a> {
    text: &'a str,
    content_type: &'static str,
}

impl Message {
    /// What the log and the others hear of it.
    pub(crate) fn said(&self) -> Said {
        let direction = match self.direction {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
            Direction::Internal => "internal",
        };
        let content = self.content.as_ref();
        let data = Told {
            message_id: self.id,
            direction,
            author: Author { id: self.author_id },
            created_at: platform::time::to_rfc3339(self.created_at),
            attachments: &self.attachments,
            text: content.map(|content| content.value.as_str()),
            content: content.map(|content| ToldContent {
                text: &content.value,
                content_type: match content.kind {
                    ContentType::Text => "Text",
                    ContentType::Html => "Html",
                },
            }),
            external_id: self.external_id.as_deref(),
        };
        let from_endpoint = self
            .details
            .from
            .as_ref()
            .map(|from| from.email.clone())
            .or_else(|| self.details.from_number.clone());
        Said {
            id: self.id,
            author: self.author_id,
            direction: self.direction,
            from_endpoint,
            data: Members::of(&data),
        }
    }
}

/// An internal note.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) id: Uuid,
    pub(crate) conversation_id: i64,
    pub(crate) author_id: Uuid,
    pub(crate) text: String,
    pub(crate) created_at: Time,
}

impl Note {
    /// What the log and the others hear of it.
    pub(crate) fn noted(&self) -> Noted {
        Noted {
            author: self.author_id,
            text: self.text.clone(),
            data: Members::of(&json!({
                "note_id": self.id,
                "text": self.text,
                "author": { "id": self.author_id },
                "created_at": platform::time::to_rfc3339(self.created_at),
            })),
        }
    }
}

/// A line of the activity log as it is read.
#[derive(Clone, Debug)]
pub(crate) struct Activity {
    pub(crate) id: Uuid,
    pub(crate) conversation_id: i64,
    pub(crate) at: Time,
    pub(crate) kind: String,
    pub(crate) author_id: Option<Uuid>,
    pub(crate) author_name: Option<String>,
    pub(crate) author_email: Option<String>,
    pub(crate) author_phone: Option<String>,
    pub(crate) attributes: Option<Value>,
}
