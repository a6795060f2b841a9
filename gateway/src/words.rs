//! The closed sets of words of the wire, and the proto enums behind them.

use std::fmt;
use std::marker::PhantomData;

use proto::settings::v1 as settings;
use proto::thread::v1 as thread;
use serde::de::{Deserializer, Error, Visitor};

/// A closed set of words.
pub(crate) trait Word: Copy + 'static {
    /// The enum of the proto.
    type Proto: From<Self> + PartialEq;
    /// Each word with its meaning.
    const ALL: &'static [(&'static str, Self)];

    /// The meaning of a word, or what it has to be: `must be one of AI, AGENT`.
    fn read(text: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, meaning)| *meaning)
            .ok_or_else(|| {
                let words: Vec<_> = Self::ALL.iter().map(|(word, _)| *word).collect();
                format!("must be one of {}", words.join(", "))
            })
    }

    /// The word for a value of the proto; `None` for one that callers never see.
    fn of(value: Self::Proto) -> Option<Self> {
        Self::ALL
            .iter()
            .map(|(_, word)| *word)
            .find(|word| Self::Proto::from(*word) == value)
    }
}

/// The number by which a proto message holds a word; an absent word is the unspecified value 0.
pub(crate) fn number<W: Word<Proto: Into<i32>>>(word: Option<W>) -> i32 {
    word.map_or(0, |word| W::Proto::from(word).into())
}

/// Reads a word.
pub(crate) fn read<'de, W: Word, D: Deserializer<'de>>(deserializer: D) -> Result<W, D::Error> {
    deserializer.deserialize_str(Reader(PhantomData))
}

struct Reader<W>(PhantomData<W>);

impl<W: Word> Visitor<'_> for Reader<W> {
    type Value = W;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<W, E> {
        W::read(text).map_err(E::custom)
    }
}

macro_rules! words {
    ($(#[doc = $doc:literal])* $name:ident = $proto:ty { $($text:literal = $variant:ident is $value:ident),+ $(,)? }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
        pub(crate) enum $name { $(#[serde(rename = $text)] $variant),+ }

        impl $crate::words::Word for $name {
            type Proto = $proto;
            const ALL: &'static [(&'static str, Self)] = &[$(($text, Self::$variant)),+];
        }

        // Derived, it would not see the words, which come here through a macro.
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::Type::String)
                    .description(Some(concat!($($doc, "\n"),*).trim()))
                    .enum_values(Some([$($text),+]))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}

        impl From<$name> for $proto {
            fn from(word: $name) -> Self {
                match word { $($name::$variant => Self::$value),+ }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::words::read(deserializer)
            }
        }
    };
}

pub(crate) use words;

words! {
    /// Who answers in the thread.
    Mode = thread::Mode {
        "AI" = Ai is Ai,
        "AGENT" = Agent is Agent,
    }
}

words! {
    /// A mode to filter by; HUMAN is another word for AGENT.
    ModeFilter = thread::Mode {
        "AI" = Ai is Ai,
        "AGENT" = Agent is Agent,
        "HUMAN" = Human is Agent,
    }
}

words! {
    /// Who sends a message: the visitor, a person of the support team, or the bot (an addition to the source).
    Sender = thread::Author {
        "USER" = User is User,
        "AGENT" = Agent is Agent,
        "BOT" = Bot is Bot,
    }
}

words! {
    /// What the visitor thought of a message. NEUTRAL takes an earlier reaction back.
    Reaction = thread::Reaction {
        "POSITIVE" = Positive is Positive,
        "NEGATIVE" = Negative is Negative,
        "NEUTRAL" = Neutral is Neutral,
    }
}

words! {
    /// What a system message tells. CONVERSATION_DEESCALATED is an addition to the source, which names no word for it.
    SystemMessageType = thread::SystemMessageType {
        "CONVERSATION_ESCALATED" = ConversationEscalated is ConversationEscalated,
        "CONVERSATION_DEESCALATED" = ConversationDeescalated is ConversationDeescalated,
        "EXCEEDED_USAGE_LIMITS" = ExceededUsageLimits is ExceededUsageLimits,
        "EMAIL_VERIFIED" = EmailVerified is EmailVerified,
        "ENTERED_WRONG_OTP" = EnteredWrongOtp is EnteredWrongOtp,
        "PROVIDED_EMAIL" = ProvidedEmail is ProvidedEmail,
        "PERSONA_SELECTED" = PersonaSelected is PersonaSelected,
        "PROBLEMS_WITH_UPSTREAM_PROVIDER" = ProblemsWithUpstreamProvider is ProblemsWithUpstreamProvider,
    }
}

words! {
    /// How far an escalation is.
    EscalationState = thread::EscalationState {
        "unacknowledged" = Unacknowledged is Unacknowledged,
        "acknowledged" = Acknowledged is Acknowledged,
        "resolved" = Resolved is Resolved,
    }
}

words! {
    /// A state to filter escalations by.
    EscalationFilter = thread::EscalationState {
        "unacknowledged" = Unacknowledged is Unacknowledged,
        "acknowledged" = Acknowledged is Acknowledged,
        "resolved" = Resolved is Resolved,
        "all" = All is Unspecified,
    }
}

words! {
    /// Whether a new thread starts with the bot or with a person.
    ChatStart = settings::ChatStart {
        "ai" = Ai is Ai,
        "agent" = Agent is Agent,
    }
}

words! {
    /// What became of a lead mail.
    LeadMailState = settings::LeadMailState {
        "pending" = Pending is Pending,
        "sent" = Sent is Sent,
        "failed" = Failed is Failed,
    }
}

words! {
    /// A state to filter lead mails by.
    LeadMailFilter = settings::LeadMailState {
        "pending" = Pending is Pending,
        "sent" = Sent is Sent,
        "failed" = Failed is Failed,
        "all" = All is Unspecified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_reads_as_itself_and_nothing_else_does() {
        assert_eq!(Mode::read("AGENT"), Ok(Mode::Agent));
        for wrong in ["", "ai", "Ai", "HUMAN", "AI "] {
            assert_eq!(Mode::read(wrong), Err("must be one of AI, AGENT".to_owned()));
        }
    }

    #[test]
    fn a_value_without_a_word_is_not_shown() {
        assert_eq!(Reaction::of(thread::Reaction::Unspecified), None);
        assert_eq!(Reaction::of(thread::Reaction::Neutral), Some(Reaction::Neutral));
    }

    #[test]
    fn every_system_message_type_of_the_proto_has_a_word() {
        for number in 1..=8 {
            let value = thread::SystemMessageType::try_from(number).unwrap();
            assert!(SystemMessageType::of(value).is_some(), "{value:?}");
        }
    }
}
