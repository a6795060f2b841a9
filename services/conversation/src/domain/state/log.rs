//! What steps write to the activity log and tell the others.

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Direction;

/// Somebody or something with the name it has right now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) id: Uuid,
    pub(crate) name: Option<String>,
}

impl Named {
    pub(super) fn user(&self) -> Value {
        compact(json!({ "id": self.id, "name": self.name }))
    }
}

/// Members of a JSON object, as text: what is told is put together from those of several ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Members(String);

impl Members {
    /// Those of an object, which must be one.
    pub(crate) fn of(object: &impl Serialize) -> Self {
        // What is told consists of texts, numbers and ids, which can't fail.
        let mut text = serde_json::to_string(object).unwrap_or_default();
        text.pop();
        text.drain(..text.len().min(1));
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A line of the activity log, and the event that tells the others of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// The documented word.
    pub(crate) kind: &'static str,
    /// Who did it, when that is somebody else than who took the step.
    pub(crate) author: Option<Uuid>,
    /// The documented attributes.
    pub(crate) attributes: Option<Value>,
    pub(crate) event: &'static str,
    /// What the event says besides the conversation's snapshot.
    pub(crate) data: Members,
}

impl Entry {
    pub(super) fn new(kind: &'static str, event: &'static str) -> Self {
        Self {
            kind,
            author: None,
            attributes: None,
            event,
            data: Members::default(),
        }
    }

    pub(super) fn with(mut self, attributes: Value) -> Self {
        self.attributes = Some(attributes);
        self
    }

    pub(super) fn by(mut self, author: Uuid) -> Self {
        self.author = Some(author);
        self
    }

    pub(super) fn telling(mut self, data: Members) -> Self {
        self.data = data;
        self
    }
}

/// Leaves out what has no value.
pub(super) fn compact(mut value: Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
    value
}

/// A message, as the log and the others hear of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) id: Uuid,
    pub(crate) author: Uuid,
    pub(crate) direction: Direction,
    /// Who or what it was sent from, where the channel knows.
    pub(crate) from_endpoint: Option<String>,
    /// What the event says of it.
    pub(crate) data: Members,
}

impl Said {
    pub(super) fn entry(self) -> Entry {
        let kind = match self.direction {
            Direction::Inbound => "MessageAddedByCustomer",
            Direction::Outbound | Direction::Internal => "MessageAddedByAgent",
        };
        Entry::new(kind, "conversation.message_added")
            .with(compact(
                json!({ "messageId": self.id, "fromEndpoint": self.from_endpoint }),
            ))
            .by(self.author)
            .telling(self.data)
    }
}

/// A note, as the log and the others hear of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Noted {
    pub(crate) author: Uuid,
    pub(crate) text: String,
    /// What the event says of it.
    pub(crate) data: Members,
}
