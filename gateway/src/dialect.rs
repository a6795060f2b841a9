//! The documented REST surfaces, each with its own paths and wire types.

pub(crate) mod chats;
pub(crate) mod conversations;
pub(crate) mod threads;

use axum::response::{IntoResponse as _, Response};

use crate::errors::Failure;

/// Whose words a path is answered in, whatever becomes of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Also of every path that is nobody's.
    Threads,
    Conversations,
    Chats,
}

impl Dialect {
    /// The owner of a path.
    pub(crate) fn of(path: &str) -> Self {
        if conversations::owns(path) {
            Self::Conversations
        } else if chats::owns(path) {
            Self::Chats
        } else {
            Self::Threads
        }
    }

    /// A failure in the dialect's form.
    pub(crate) fn refuse(self, failure: Failure) -> Response {
        match self {
            Self::Threads => failure.into_response(),
            Self::Conversations => conversations::Refusal::from(failure).into_response(),
            Self::Chats => chats::Refusal::from(failure).into_response(),
        }
    }
}
