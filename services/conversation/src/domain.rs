//! What the conversation context is about: plain types and rules.

pub(crate) mod anonymization;
pub(crate) mod attributes;
pub(crate) mod channel;
pub(crate) mod chats;
pub(crate) mod contact_endpoints;
pub(crate) mod conversation;
pub(crate) mod draft;
pub(crate) mod error;
pub(crate) mod field;
pub(crate) mod flows;
pub(crate) mod people;
pub(crate) mod presence;
pub(crate) mod queues;
pub(crate) mod search;
pub(crate) mod snapshot;
pub(crate) mod state;
pub(crate) mod tags;
pub(crate) mod teams;

pub(crate) use channel::Channel;
pub(crate) use error::ConversationError;
