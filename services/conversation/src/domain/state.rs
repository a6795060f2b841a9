//! The state machine of a conversation, without any I/O: each step takes a conversation from one standing to the next
//! and says what it writes to the activity log and tells the others. A step that changes nothing says nothing.

use platform::time::Time;
use serde_json::{Value, json};
use uuid::Uuid;

use super::ConversationError;
use super::conversation::Party;
use log::compact;
pub(crate) use log::{Entry, Members, Named, Noted, Said};

pub(crate) mod chats;
mod log;
#[cfg(test)]
mod tests;

/// Where a conversation is in its life. Numbers are those of conversation.proto.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[repr(i16)]
pub(crate) enum State {
    Open = 1,
    Pending = 2,
    Closed = 3,
    /// A follow-up was asked for and is not effective yet. Only conversations of elsewhere are ever in it.
    AwaitingPending = 4,
}

/// Whether something came from the end user or went to him. Numbers are those of conversation.proto.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[repr(i16)]
pub(crate) enum Direction {
    Inbound = 1,
    Outbound = 2,
    Internal = 3,
}

/// What of a conversation decides what can happen to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) state: State,
    pub(crate) agent: Option<Party>,
    pub(crate) queue: Option<Named>,
    pub(crate) follow_up_at: Option<Time>,
}

/// What a step did.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) standing: Standing,
    /// It was put at the end of its queue.
    pub(crate) enqueued: bool,
    pub(crate) entries: Vec<Entry>,
}

impl Outcome {
    fn unchanged(standing: &Standing) -> Self {
        Self {
            standing: standing.clone(),
            enqueued: false,
            entries: Vec::new(),
        }
    }

    /// Whether the step did anything at all.
    pub(crate) fn is_noop(&self) -> bool {
        self.entries.is_empty()
    }

    fn log(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    fn unassign(&mut self) {
        if let Some(agent) = self.standing.agent.take() {
            self.log(unassigned(&agent));
        }
    }

    fn drop_follow_up(&mut self) {
        if self.standing.follow_up_at.take().is_some() {
            self.log(Entry::new("FollowupRemoved", "conversation.updated"));
        }
    }

    /// Offers it to the agents of its queue, or of `fallback`.
    fn offer(&mut self, fallback: Option<Named>) {
        if self.standing.queue.is_none() {
            self.standing.queue = fallback;
        }
        if let Some(queue) = &self.standing.queue {
            let entry = Entry::new("ConversationOffered", "conversation.enqueued")
                .with(compact(json!({ "agentNames": [], "queueLabel": queue.name })));
            self.log(entry);
            self.enqueued = true;
        }
    }

    fn reopen(&mut self, fallback: Option<Named>) {
        self.standing.state = State::Open;
        self.log(Entry::new("ConversationReopened", "conversation.reopened"));
        self.unassign();
        self.offer(fallback);
    }
}

fn unassigned(agent: &Party) -> Entry {
    let user = compact(json!({ "id": agent.id, "name": agent.name }));
    Entry::new("ConversationUnassigned", "conversation.unassigned").with(json!({ "agent": user }))
}

/// A new conversation: open, in its queue, with whoever has it already and its first messages.
pub(crate) fn create(
    direction: Direction,
    subject: Option<&str>,
    queue: Option<Named>,
    agent: Option<Party>,
    messages: Vec<Said>,
) -> Outcome {
    let mut outcome = Outcome {
        enqueued: queue.is_some(),
        standing: Standing {
            state: State::Open,
            agent,
            queue,
            follow_up_at: None,
        },
        entries: Vec::new(),
    };
    let kind = match direction {
        Direction::Inbound => "ConversationCreatedByCustomer",
        Direction::Outbound | Direction::Internal => "ConversationCreatedByAgent",
    };
    let created = compact(json!({ "subject": subject }));
    outcome.log(Entry::new(kind, "conversation.created").with(created));
    for message in messages {
        outcome.log(message.entry());
    }
    if let Some(agent) = &outcome.standing.agent {
        let agent = compact(json!({ "agentId": agent.id, "agentName": agent.name }));
        outcome.log(Entry::new("ConversationAssigned", "conversation.assigned").with(agent));
    }
    outcome
}

/// A message was written. What the end user writes wakes a conversation that was closed or waits: a closed one goes back
/// to its queue or `fallback`, a pending one to whoever has it.
pub(crate) fn message(standing: &Standing, said: Said, fallback: Option<Named>) -> Outcome {
    let mut outcome = Outcome::unchanged(standing);
    let direction = said.direction;
    outcome.log(said.entry());
    if direction == Direction::Inbound {
        match standing.state {
            State::Open => {}
            State::Pending | State::AwaitingPending => {
                outcome.standing.state = State::Open;
                outcome.drop_follow_up();
            }
            State::Closed => outcome.reopen(fallback),
        }
    }
    outcome
}

/// An agent takes the conversation. Without `force` nobody is robbed of it.
///
/// # Errors
/// When another agent has it, or it is closed.
pub(crate) fn claim(standing: &Standing, agent: Party, force: bool) -> Result<Outcome, ConversationError> {
    let mut outcome = Outcome::unchanged(standing);
    if standing.state == State::Closed {
        return Err(ConversationError::ConversationClosed);
    }
    let from = match &standing.agent {
        Some(owner) if owner.id == agent.id => return Ok(outcome),
        Some(owner) if !force => return Err(ConversationError::AssignedToAnother(owner.id)),
        Some(owner) => {
            outcome.unassign();
            json!({ "claimedFromType": "Agent", "claimedFromLabel": owner.name })
        }
        None => match &standing.queue {
            Some(queue) => json!({ "claimedFromType": "Queue", "claimedFromLabel": queue.name }),
            None => json!({}),
        },
    };
    outcome.standing.agent = Some(agent);
    outcome.log(Entry::new("ConversationClaimed", "conversation.assigned").with(compact(from)));
    Ok(outcome)
}

/// The conversation is over. Who had it is remembered.
pub(crate) fn close(standing: &Standing) -> Outcome {
    let mut outcome = Outcome::unchanged(standing);
    if standing.state != State::Closed {
        outcome.standing.state = State::Closed;
        outcome.drop_follow_up();
        outcome.log(Entry::new("ConversationClosed", "conversation.closed"));
    }
    outcome
}

/// Back into its queue, or into `fallback` when it never had one.
pub(crate) fn reopen(standing: &Standing, fallback: Option<Named>) -> Outcome {
    let mut outcome = Outcome::unchanged(standing);
    if standing.state != State::Open {
        outcome.drop_follow_up();
        outcome.reopen(fallback);
    }
    outcome
}

/// Into another queue, where it waits for somebody.
///
/// # Errors
/// When it is closed.
pub(crate) fn transfer(standing: &Standing, queue: Named) -> Result<Outcome, ConversationError> {
    let mut outcome = Outcome::unchanged(standing);
    if standing.state == State::Closed {
        return Err(ConversationError::ConversationClosed);
    }
    let there = standing.queue.as_ref().is_some_and(|current| current.id == queue.id);
    if there && standing.state == State::Open && standing.agent.is_none() {
        return Ok(outcome);
    }
    let transferred = compact(json!({
        "transferType": "Queue",
        "destinationType": "Queue",
        "destinationId": queue.id,
        "destinationLabel": queue.name,
    }));
    outcome.drop_follow_up();
    outcome.log(Entry::new("TransferInitiated", "conversation.updated").with(transferred.clone()));
    outcome.unassign();
    outcome.standing.state = State::Open;
    outcome.standing.queue = Some(queue);
    outcome.enqueued = true;
    outcome.log(Entry::new("TransferSuccessful", "conversation.transferred").with(transferred));
    Ok(outcome)
}

/// Nobody has to look at it until `at`.
///
/// # Errors
/// When it is closed.
pub(crate) fn follow_up(standing: &Standing, at: Time) -> Result<Outcome, ConversationError> {
    let mut outcome = Outcome::unchanged(standing);
    if standing.state == State::Closed {
        return Err(ConversationError::ConversationClosed);
    }
    if standing.follow_up_at == Some(at) {
        return Ok(outcome);
    }
    outcome.drop_follow_up();
    let data = Members::of(&json!({ "follow_up_at": platform::time::to_rfc3339(at) }));
    outcome.standing.follow_up_at = Some(at);
    outcome.log(Entry::new("FollowupAdded", "conversation.updated").telling(data.clone()));
    if standing.state != State::Pending {
        outcome.standing.state = State::Pending;
        outcome.log(Entry::new("ConversationPending", "conversation.pending").telling(data));
    }
    Ok(outcome)
}

/// The follow-up is due.
pub(crate) fn expire(standing: &Standing) -> Outcome {
    let mut outcome = Outcome::unchanged(standing);
    if outcome.standing.follow_up_at.take().is_some() {
        outcome.standing.state = State::Open;
        outcome.log(Entry::new("FollowupExpired", "conversation.pending_expired"));
    }
    outcome
}

/// Its agent is none any more.
pub(crate) fn unassign(standing: &Standing) -> Outcome {
    let mut outcome = Outcome::unchanged(standing);
    outcome.unassign();
    if standing.agent.is_some() && standing.state == State::Open {
        outcome.offer(None);
    }
    outcome
}

/// Somebody wrote notes.
pub(crate) fn notes(standing: &Standing, notes: &[Noted]) -> Outcome {
    let mut outcome = Outcome::unchanged(standing);
    for note in notes {
        let entry = Entry::new("NoteAdded", "conversation.note_added").with(json!({ "message": note.text }));
        outcome.log(entry.by(note.author).telling(note.data.clone()));
    }
    outcome
}

/// Tags were put on it, or taken off.
pub(crate) fn tags(standing: &Standing, tags: &[Named], added: bool) -> Outcome {
    let (kind, event) = if added {
        ("TagAdded", "conversation.tag_added")
    } else {
        ("TagRemoved", "conversation.tag_removed")
    };
    let mut outcome = Outcome::unchanged(standing);
    for tag in tags {
        let entry = Entry::new(kind, event).with(json!({ "tag": tag.name }));
        outcome.log(entry.telling(Members::of(&json!({ "tag": tag.user() }))));
    }
    outcome
}

/// Custom attributes have new values; `null` stands for none.
pub(crate) fn attributes(standing: &Standing, values: &[(Uuid, Value)]) -> Outcome {
    if values.is_empty() {
        return Outcome::unchanged(standing);
    }
    let ids: Vec<Uuid> = values.iter().map(|(id, _)| *id).collect();
    let values: serde_json::Map<String, Value> = values
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(id, value)| (id.to_string(), value.clone()))
        .collect();
    let entry = Entry::new("ConversationCustomAttributesUpdated", "conversation.updated")
        .with(json!({ "updatedAttributeIds": ids, "updatedAttributeValues": values }));
    logged(standing, entry)
}

/// It became the child of another one, or got one.
pub(crate) fn link(standing: &Standing, child: i64, parent: i64, kind: &str, as_child: bool) -> Outcome {
    let word = if as_child {
        "ConversationLinkedToParent"
    } else {
        "ConversationLinkedFromChild"
    };
    let link = json!({ "child": child, "parent": parent, "linkType": kind });
    logged(
        standing,
        Entry::new(word, "conversation.updated")
            .with(link.clone())
            .telling(Members::of(&link)),
    )
}

fn logged(standing: &Standing, entry: Entry) -> Outcome {
    let mut outcome = Outcome::unchanged(standing);
    outcome.log(entry);
    outcome
}
