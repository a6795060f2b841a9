//! The steps that only the chat surface and the clock take.

use serde_json::{Value, json};

use super::{Entry, Members, Named, Outcome, Standing, State, compact};
use crate::domain::ConversationError;
use crate::domain::conversation::Party;

/// From whoever has it, if anybody, to the agents of its queue, or of `fallback`.
///
/// # Errors
/// When it is closed, or there is no queue.
pub(crate) fn escalate(standing: &Standing, fallback: Option<Named>) -> Result<Outcome, ConversationError> {
    let mut outcome = Outcome::unchanged(standing);
    if standing.queue.is_none() && fallback.is_none() {
        return Err(ConversationError::QueueNotFound);
    }
    match standing.state {
        State::Closed => return Err(ConversationError::ConversationClosed),
        State::Open if standing.agent.is_none() && standing.queue.is_some() => {}
        State::Open => {
            outcome.unassign();
            outcome.offer(fallback);
        }
        State::Pending | State::AwaitingPending => {
            outcome.drop_follow_up();
            outcome.reopen(fallback);
        }
    }
    Ok(outcome)
}

/// The end user did not answer.
pub(crate) fn dismiss(standing: &Standing) -> Outcome {
    let mut outcome = Outcome::unchanged(standing);
    if standing.state == State::Open {
        outcome.standing.state = State::Pending;
        outcome.log(Entry::new("ConversationPending", "conversation.pending"));
    }
    outcome
}

/// A pending conversation goes on: with the virtual agent that has it, else in its queue, or in `fallback`.
///
/// # Errors
/// When it is not pending.
pub(crate) fn resume(
    standing: &Standing,
    has_virtual_agent: bool,
    fallback: Option<Named>,
) -> Result<Outcome, ConversationError> {
    let mut outcome = Outcome::unchanged(standing);
    match standing.state {
        State::Closed => return Err(ConversationError::ConversationClosed),
        State::Open => return Err(ConversationError::ChatNotDismissed),
        State::Pending | State::AwaitingPending => {}
    }
    outcome.drop_follow_up();
    if has_virtual_agent {
        outcome.standing.state = State::Open;
        outcome.log(Entry::new("ConversationReopened", "conversation.reopened"));
    } else {
        outcome.reopen(fallback);
    }
    Ok(outcome)
}

/// It is with somebody else.
pub(crate) fn replace_end_user(standing: &Standing, old: &Party, new: &Party) -> Outcome {
    let user = |user: &Party| -> Value {
        compact(json!({ "id": user.id, "name": user.name, "email": user.email, "phoneNumber": user.phone }))
    };
    let mut outcome = Outcome::unchanged(standing);
    let users = json!({ "oldUser": user(old), "newUser": user(new) });
    let told = json!({ "old_user": { "id": old.id }, "new_user": { "id": new.id } });
    let entry = Entry::new("ConversationEndUserReplaced", "conversation.end_user_replaced");
    outcome.log(entry.with(users).telling(Members::of(&told)));
    outcome
}
