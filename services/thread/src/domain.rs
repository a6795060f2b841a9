//! What threads are and what may happen to them. No I/O, no clock, no wire types.

use std::time::Duration;

use platform::time::Time;
use uuid::Uuid;

mod error;
mod parse;

pub(crate) use error::Error;
pub(crate) use parse::{
    content, email, icon_url, lookup, message_id, optional_bytes, optional_text, sources, tags, text, thread_id,
    webhook_url,
};

/// Who answers in a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[repr(i16)]
pub(crate) enum Mode {
    Ai = 1,
    Agent = 2,
}

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[repr(i16)]
pub(crate) enum Author {
    User = 1,
    Bot = 2,
    Agent = 3,
    System = 4,
}

/// A number that no version of this service has stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a known kind")]
pub(crate) struct UnknownKind(u8);

macro_rules! from_number {
    ($($kind:ident { $($variant:ident),* })*) => {$(
        impl TryFrom<u8> for $kind {
            type Error = UnknownKind;

            fn try_from(number: u8) -> Result<Self, UnknownKind> {
                match number {
                    $(number if number == Self::$variant as u8 => Ok(Self::$variant),)*
                    number => Err(UnknownKind(number)),
                }
            }
        }
    )*};
}

from_number! {
    Mode { Ai, Agent }
    Author { User, Bot, Agent, System }
    Reaction { None, Positive, Negative, Neutral }
}

impl Author {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::User => "USER",
            Self::Bot => "BOT",
            Self::Agent => "AGENT",
            Self::System => "SYSTEM",
        }
    }
}

/// What the reader of a message thinks of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::Type)]
#[repr(i16)]
pub(crate) enum Reaction {
    #[default]
    None = 0,
    Positive = 1,
    Negative = 2,
    Neutral = 3,
}

impl Reaction {
    /// What it adds to the thread's counts of positive and negative reactions.
    pub(crate) fn counts(self) -> (i32, i32) {
        match self {
            Self::Positive => (1, 0),
            Self::Negative => (0, 1),
            Self::None | Self::Neutral => (0, 0),
        }
    }
}

/// The type of a system message: a number of the proto's `SystemMessageType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SystemMessageType(pub(crate) i16);

impl SystemMessageType {
    pub(crate) const ESCALATED: Self = Self(1);
    pub(crate) const DEESCALATED: Self = Self(2);
}

#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) id: Uuid,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) phone_number: Option<String>,
    pub(crate) verified: bool,
    pub(crate) created_at: Time,
    pub(crate) updated_at: Time,
}

#[derive(Clone, Debug)]
pub(crate) struct Thread {
    pub(crate) id: Uuid,
    pub(crate) chatbot_id: String,
    pub(crate) thread_id: String,
    pub(crate) mode: Mode,
    pub(crate) title: Option<String>,
    pub(crate) escalated: bool,
    pub(crate) important: bool,
    pub(crate) resolved: bool,
    pub(crate) archived: bool,
    pub(crate) tags: Vec<String>,
    pub(crate) internal_notes: Option<String>,
    pub(crate) platform_source: String,
    pub(crate) visitor: Option<Visitor>,
    pub(crate) webhook_url: Option<String>,
    pub(crate) message_count: i32,
    pub(crate) unread_count: i32,
    pub(crate) read_count: i32,
    pub(crate) positive_count: i32,
    pub(crate) negative_count: i32,
    pub(crate) event_sequence: i64,
    pub(crate) started_at: Time,
    pub(crate) updated_at: Time,
    pub(crate) ended_at: Option<Time>,
}

#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: Uuid,
    pub(crate) position: i32,
    pub(crate) author: Author,
    pub(crate) mode: Mode,
    pub(crate) system_message_type: SystemMessageType,
    pub(crate) content: String,
    pub(crate) agent_name: Option<String>,
    pub(crate) icon_url: Option<String>,
    pub(crate) parent_id: Option<Uuid>,
    pub(crate) llm_model_id: Option<String>,
    pub(crate) reaction: Reaction,
    pub(crate) sources: Option<String>,
    pub(crate) edited_by: Option<String>,
    pub(crate) edited_at: Option<Time>,
    pub(crate) created_at: Time,
    pub(crate) updated_at: Time,
}

/// A message that is about to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewMessage {
    pub(crate) id: Uuid,
    pub(crate) author: Author,
    pub(crate) system_message_type: SystemMessageType,
    pub(crate) content: String,
    pub(crate) agent_name: Option<String>,
    pub(crate) icon_url: Option<String>,
    pub(crate) parent_id: Option<Uuid>,
    pub(crate) llm_model_id: Option<String>,
    pub(crate) sources: Option<String>,
}

impl NewMessage {
    /// The message as it is right after it was stored, and as every retry is answered.
    pub(crate) fn stored(self, position: i32, mode: Mode, at: Time) -> Message {
        Message {
            id: self.id,
            position,
            author: self.author,
            mode,
            system_message_type: self.system_message_type,
            content: self.content,
            agent_name: self.agent_name,
            icon_url: self.icon_url,
            parent_id: self.parent_id,
            llm_model_id: self.llm_model_id,
            reaction: Reaction::None,
            sources: self.sources,
            edited_by: None,
            edited_at: None,
            created_at: at,
            updated_at: at,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Escalation {
    pub(crate) id: Uuid,
    pub(crate) chatbot_id: String,
    pub(crate) thread_id: String,
    pub(crate) requested_by: String,
    pub(crate) prompt: Option<String>,
    pub(crate) created_at: Time,
    pub(crate) acknowledged_by: Option<String>,
    pub(crate) acknowledged_at: Option<Time>,
    pub(crate) resolved_by: Option<String>,
    pub(crate) resolved_at: Option<Time>,
    pub(crate) age_seconds: i64,
    pub(crate) visitor_name: Option<String>,
    pub(crate) visitor_email: Option<String>,
}

/// Where an escalation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EscalationState {
    Unacknowledged,
    Acknowledged,
    Resolved,
}

impl Escalation {
    pub(crate) fn state(&self) -> EscalationState {
        match (self.resolved_at, self.acknowledged_at) {
            (Some(_), _) => EscalationState::Resolved,
            (None, Some(_)) => EscalationState::Acknowledged,
            (None, None) => EscalationState::Unacknowledged,
        }
    }
}

/// How old an escalation that nobody has seen is when it is told again for the `count`-th time, counted from 0; `None`
/// when it was told often enough.
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

/// What a caller wants of a thread's escalation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Whatever it is not now.
    Toggle,
    /// This, whatever it is now.
    Set(bool),
}

/// The one step in which a thread is handed to people, or taken back: whichever route asks for it, all of this happens in
/// one transaction, or none of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EscalationStep {
    pub(crate) escalated: bool,
    pub(crate) mode: Mode,
    pub(crate) system_message_type: SystemMessageType,
    /// What the visitor reads.
    pub(crate) text: String,
}

const ESCALATED_TEXT: &str = "You are being connected with a member of our team.";
const DEESCALATED_TEXT: &str = "You are back with the assistant.";

impl EscalationStep {
    /// The step from `escalated` to what is wanted; `None` when that is how it is already. `confirmation` is the
    /// chatbot's `humanSupportConfirmationMessage`.
    pub(crate) fn decide(escalated: bool, want: Want, confirmation: Option<&str>) -> Option<Self> {
        let target = match want {
            Want::Toggle => !escalated,
            Want::Set(target) => target,
        };
        (target != escalated).then(|| {
            if target {
                Self {
                    escalated: true,
                    mode: Mode::Agent,
                    system_message_type: SystemMessageType::ESCALATED,
                    text: confirmation
                        .filter(|text| !text.is_empty())
                        .unwrap_or(ESCALATED_TEXT)
                        .to_owned(),
                }
            } else {
                Self {
                    escalated: false,
                    mode: Mode::Ai,
                    system_message_type: SystemMessageType::DEESCALATED,
                    text: DEESCALATED_TEXT.to_owned(),
                }
            }
        })
    }

    /// Its system message.
    pub(crate) fn message(&self, id: Uuid) -> NewMessage {
        NewMessage {
            id,
            author: Author::System,
            system_message_type: self.system_message_type,
            content: self.text.clone(),
            agent_name: None,
            icon_url: None,
            parent_id: None,
            llm_model_id: None,
            sources: None,
        }
    }
}

/// What a change of a thread sets; what is absent stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct ThreadChange {
    pub(crate) mode: Option<Mode>,
    pub(crate) important: Option<bool>,
    pub(crate) resolved: Option<bool>,
    pub(crate) archived: Option<bool>,
    pub(crate) tags: Option<Vec<String>>,
    /// `Some(None)` clears.
    pub(crate) title: Option<Option<String>>,
    pub(crate) internal_notes: Option<Option<String>>,
    pub(crate) webhook_url: Option<Option<String>>,
    /// Sealed.
    pub(crate) webhook_token: Option<Option<Vec<u8>>>,
}

impl ThreadChange {
    /// Applies it; whether anything is different now. The sealed token differs each time it is set.
    pub(crate) fn apply(&self, thread: &mut Thread) -> bool {
        fn set<T: PartialEq + Clone>(slot: &mut T, value: Option<&T>) -> bool {
            match value {
                Some(value) if value != slot => {
                    slot.clone_from(value);
                    true
                }
                _ => false,
            }
        }
        let mut changed = self.webhook_token.is_some();
        changed |= set(&mut thread.mode, self.mode.as_ref());
        changed |= set(&mut thread.important, self.important.as_ref());
        changed |= set(&mut thread.resolved, self.resolved.as_ref());
        changed |= set(&mut thread.archived, self.archived.as_ref());
        changed |= set(&mut thread.tags, self.tags.as_ref());
        changed |= set(&mut thread.title, self.title.as_ref());
        changed |= set(&mut thread.internal_notes, self.internal_notes.as_ref());
        changed |= set(&mut thread.webhook_url, self.webhook_url.as_ref());
        changed
    }
}

/// What a change of a visitor sets; what is absent stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct VisitorChange {
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) phone_number: Option<String>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escalating_hands_the_thread_to_people_with_the_configured_words() {
        let step = EscalationStep::decide(false, Want::Toggle, Some("Hold on")).unwrap();
        assert_eq!(
            (step.escalated, step.mode, step.text.as_str()),
            (true, Mode::Agent, "Hold on")
        );
        assert_eq!(step.system_message_type, SystemMessageType::ESCALATED);
    }

    #[test]
    fn de_escalating_gives_it_back_to_the_bot() {
        let step = EscalationStep::decide(true, Want::Toggle, Some("Hold on")).unwrap();
        assert_eq!((step.escalated, step.mode), (false, Mode::Ai));
        assert_ne!(step.text, "Hold on");
    }

    #[test]
    fn reminders_come_ever_later_and_come_to_an_end() {
        let ladder: Vec<_> = (0..).map_while(reminder_after).collect();
        assert_eq!(ladder.len(), 7);
        assert!(ladder.is_sorted_by(|earlier, later| earlier < later));
        assert_eq!(reminder_after(-1), None);
    }

    proptest! {
        #[test]
        fn setting_what_is_set_changes_nothing_and_toggling_always_flips(start: bool, wants in proptest::collection::vec(prop_oneof![
            Just(Want::Toggle), Just(Want::Set(true)), Just(Want::Set(false))
        ], 0..20)) {
            let mut escalated = start;
            for want in wants {
                let step = EscalationStep::decide(escalated, want, None);
                match want {
                    Want::Toggle => prop_assert_eq!(step.as_ref().map(|step| step.escalated), Some(!escalated)),
                    Want::Set(target) => prop_assert_eq!(step.is_some(), target != escalated),
                }
                if let Some(step) = step {
                    prop_assert_eq!(step.mode == Mode::Agent, step.escalated);
                    prop_assert!(!step.text.is_empty());
                    escalated = step.escalated;
                }
            }
        }
    }
}
