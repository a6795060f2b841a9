//! The escalation of a chat to people.

use std::time::Duration;

use platform::time::{Time, to_rfc3339};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Holder;
use super::chat::Chat;
use crate::domain::ConversationError;

/// Where an escalation is. Numbers are those of chat.proto.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[repr(i16)]
pub(crate) enum Status {
    /// Handed over, nobody has taken it yet.
    Escalating = 1,
    /// Somebody took it.
    Escalated = 2,
    /// The chat ended before.
    Canceled = 3,
    /// It can't be queued as asked.
    Deflecting = 4,
    /// The end user has chosen something else than people.
    Deflected = 5,
}

impl Status {
    /// Whether there is still something to be done about it.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Escalating | Self::Deflecting)
    }

    /// The documented word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Escalating => "escalating",
            Self::Escalated => "escalated",
            Self::Canceled => "canceled",
            Self::Deflecting => "deflecting",
            Self::Deflected => "deflected",
        }
    }
}

/// Why somebody escalates. Numbers are those of chat.proto.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[repr(i16)]
pub(crate) enum Reason {
    Unknown = 1,
    ByEndUserAsk = 2,
    ByEndUserMessage = 3,
    ByVirtualAgent = 4,
    PayloadFailure = 5,
    CouldNotResume = 6,
    ByHumanAgent = 7,
    InvalidQueue = 8,
    Dismissed = 9,
}

impl Reason {
    /// The documented word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::ByEndUserAsk => "by_end_user_ask",
            Self::ByEndUserMessage => "by_end_user_message",
            Self::ByVirtualAgent => "by_virtual_agent",
            Self::PayloadFailure => "payload_failure",
            Self::CouldNotResume => "could_not_resume",
            Self::ByHumanAgent => "by_human_agent",
            Self::InvalidQueue => "invalid_queue",
            Self::Dismissed => "dismissed",
        }
    }
}

/// Why it is deflected. Numbers are those of chat.proto.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[repr(i16)]
pub(crate) enum Deflection {
    OverCapacity = 1,
    AfterHours = 2,
}

impl Deflection {
    /// The documented word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::OverCapacity => "over_capacity",
            Self::AfterHours => "after_hours",
        }
    }
}

/// What the end user can choose instead. Numbers are those of chat.proto.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[repr(i16)]
pub(crate) enum Channel {
    Email = 1,
    ExternalLink = 2,
    /// To wait for a person after all.
    HumanAgent = 3,
    /// To go on with the virtual agent.
    VirtualAgent = 4,
}

impl Channel {
    /// The documented word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::ExternalLink => "external_link",
            Self::HumanAgent => "human_agent",
            Self::VirtualAgent => "virtual_agent",
        }
    }
}

/// Where an escalation begins: with whoever has the chat, whatever the queue is like when it is forced.
pub(crate) fn begin(holder: Holder, is_open: bool, is_full: bool, force: bool) -> (Status, Option<Deflection>) {
    match holder {
        Holder::Person => (Status::Escalated, None),
        _ if force => (Status::Escalating, None),
        _ if !is_open => (Status::Deflecting, Some(Deflection::AfterHours)),
        _ if is_full => (Status::Deflecting, Some(Deflection::OverCapacity)),
        _ => (Status::Escalating, None),
    }
}

/// What can be chosen while an escalation is deflecting.
pub(crate) fn offered(deflection: Deflection, holder: Holder) -> Vec<Channel> {
    let mut channels = vec![Channel::Email, Channel::ExternalLink];
    if deflection == Deflection::OverCapacity {
        channels.push(Channel::HumanAgent);
    }
    if holder == Holder::VirtualAgent {
        channels.push(Channel::VirtualAgent);
    }
    channels
}

/// Where choosing a channel leads. Choosing what was chosen already leads nowhere else.
///
/// # Errors
/// When the escalation is not deflecting, or the channel is not offered.
pub(crate) fn choose(
    status: Status,
    deflection: Option<Deflection>,
    chosen: Option<Channel>,
    holder: Holder,
    channel: Channel,
) -> Result<Status, ConversationError> {
    if chosen == Some(channel) {
        return Ok(status);
    }
    let can = status == Status::Deflecting
        && deflection.is_some_and(|deflection| offered(deflection, holder).contains(&channel));
    match channel {
        _ if !can => Err(ConversationError::DeflectionRefused),
        Channel::HumanAgent => Ok(Status::Escalating),
        Channel::Email | Channel::ExternalLink | Channel::VirtualAgent => Ok(Status::Deflected),
    }
}

/// How long after its creation an escalation that nobody has seen is told again, for the `count`-th time; `None`: no more.
pub(crate) fn reminder_after(count: i16) -> Option<Duration> {
    const LADDER: [Duration; 7] = [
        Duration::from_mins(1),
        Duration::from_mins(5),
        Duration::from_mins(15),
        Duration::from_hours(1),
        Duration::from_hours(4),
        Duration::from_hours(12),
        Duration::from_hours(24),
    ];
    usize::try_from(count).ok().and_then(|count| LADDER.get(count).copied())
}

/// What is left to do about an escalation. Numbers are those of chat.proto.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Unacknowledged = 1,
    Acknowledged = 2,
    Resolved = 3,
}

/// An escalation.
#[derive(Clone, Debug)]
pub(crate) struct Escalation {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) chat_id: i64,
    pub(crate) status: Status,
    pub(crate) reason: Reason,
    pub(crate) deflection: Option<Deflection>,
    pub(crate) channel: Option<Channel>,
    pub(crate) event_sequence: i64,
    pub(crate) requested_by: String,
    pub(crate) created_at: Time,
    pub(crate) acknowledged_by: Option<String>,
    pub(crate) acknowledged_at: Option<Time>,
    pub(crate) resolved_by: Option<String>,
    pub(crate) resolved_at: Option<Time>,
    pub(crate) age_seconds: i64,
}

impl Escalation {
    pub(crate) fn progress(&self) -> Progress {
        match (self.resolved_at, self.acknowledged_at) {
            (Some(_), _) => Progress::Resolved,
            (None, Some(_)) => Progress::Acknowledged,
            (None, None) => Progress::Unacknowledged,
        }
    }

    /// What can be chosen now.
    pub(crate) fn offered(&self, holder: Holder) -> Vec<Channel> {
        match self.deflection {
            Some(deflection) if self.status == Status::Deflecting => offered(deflection, holder),
            _ => Vec::new(),
        }
    }

    /// What an event says of it: what it says of a thread's, too, and what only chats have.
    pub(crate) fn told(&self, chat: &Chat) -> Value {
        let end_user = &chat.end_user;
        let offered = self.offered(chat.holder());
        json!({
            "kind": "chat",
            "escalationId": self.id,
            "number": self.number,
            "chatId": self.chat_id,
            "status": self.status.as_str(),
            "reason": self.reason.as_str(),
            "deflectionReason": self.deflection.map(Deflection::as_str),
            "deflectionChannel": self.channel.map(Channel::as_str),
            "deflectionChannels": offered.into_iter().map(Channel::as_str).collect::<Vec<_>>(),
            "title": null,
            "visitor": {
                "id": end_user.identifier.clone().unwrap_or_else(|| end_user.person.id.to_string()),
                "email": end_user.email,
                "name": end_user.name,
                "phoneNumber": end_user.phone,
            },
            "requestedBy": self.requested_by,
            "prompt": null,
            "createdAt": to_rfc3339(self.created_at),
            "acknowledgedBy": self.acknowledged_by,
            "acknowledgedAt": self.acknowledged_at.map(to_rfc3339),
            "resolvedBy": self.resolved_by,
            "resolvedAt": self.resolved_at.map(to_rfc3339),
            "chat": chat.snapshot(),
        })
    }
}
