//! What can be anonymized, and what is left of it.

use std::fmt;

use platform::time::Time;
use uuid::Uuid;

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Conversation(i64),
    /// A message of a conversation.
    Message(i64, Uuid),
    /// An end user, with all his conversations.
    EndUser(Uuid),
}

/// The kind of a [`Target`]. Numbers are those of conversation.proto.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[repr(i16)]
pub(crate) enum TargetKind {
    Conversation = 1,
    Message = 2,
    EndUser = 3,
}

impl Target {
    pub(crate) fn kind(self) -> TargetKind {
        match self {
            Self::Conversation(_) => TargetKind::Conversation,
            Self::Message(..) => TargetKind::Message,
            Self::EndUser(_) => TargetKind::EndUser,
        }
    }

    /// The target whose documented id is `id`.
    pub(crate) fn read(kind: TargetKind, id: &str) -> Option<Self> {
        match kind {
            TargetKind::Conversation => id.parse().ok().map(Self::Conversation),
            TargetKind::Message => {
                let (conversation, message) = id.split_once('_')?;
                Some(Self::Message(conversation.parse().ok()?, platform::id::parse(message)?))
            }
            TargetKind::EndUser => platform::id::parse(id).map(Self::EndUser),
        }
    }
}

/// The documented id: `10749`, `10749_<message>`, `<person>`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conversation(id) => write!(f, "{id}"),
            Self::Message(conversation, message) => write!(f, "{conversation}_{message}"),
            Self::EndUser(id) => write!(f, "{id}"),
        }
    }
}

/// How far a request is.
#[derive(Clone, Debug)]
pub(crate) struct Anonymization {
    pub(crate) id: Uuid,
    pub(crate) kind: TargetKind,
    pub(crate) target_id: String,
    pub(crate) requested_by: Uuid,
    pub(crate) initiated_at: Time,
    /// Absent until everything is erased.
    pub(crate) processed_at: Option<Time>,
}

/// What tells the others. Says only what was anonymized, so it is left alone by what erases the rest.
pub(crate) const TOLD: [&str; 4] = [
    "conversation.anonymized",
    "message.anonymized",
    "end_user.anonymized",
    "escalation.anonymized",
];

/// The attributes of activities that are left: ids, and the words of the organization itself. Whatever else there is may
/// come from the end user.
pub(crate) const KEPT_ATTRIBUTES: [&str; 17] = [
    "agent",
    "agentId",
    "agentName",
    "agentNames",
    "child",
    "claimedFromLabel",
    "claimedFromType",
    "destinationId",
    "destinationLabel",
    "destinationType",
    "linkType",
    "messageId",
    "parent",
    "queueLabel",
    "tag",
    "transferType",
    "updatedAttributeIds",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_read_back_as_it_was_written() {
        let id = Uuid::from_u128(7);
        for target in [
            Target::Conversation(10749),
            Target::Message(10749, id),
            Target::EndUser(id),
        ] {
            assert_eq!(Target::read(target.kind(), &target.to_string()), Some(target));
        }
        for (kind, wrong) in [
            (TargetKind::Conversation, "x"),
            (TargetKind::Message, "10749"),
            (TargetKind::Message, "10749_7"),
            (TargetKind::EndUser, "10749"),
        ] {
            assert_eq!(Target::read(kind, wrong), None, "{wrong}");
        }
    }
}
