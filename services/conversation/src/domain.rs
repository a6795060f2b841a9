//! What the conversation context is about: plain types and rules.

pub(crate) mod error;
pub(crate) mod field;

pub(crate) use error::ConversationError;
