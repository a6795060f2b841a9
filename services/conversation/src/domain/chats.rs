//! A chat is a conversation with a session beside it. Its status follows from where the conversation stands; what a step
//! of the conversation means for its session is decided here, whichever surface took the step.

use platform::time::Time;
use uuid::Uuid;

use super::state::{Standing, State};

pub(crate) mod chat;
pub(crate) mod custom_data;
pub(crate) mod escalation;
pub(crate) mod hours;
#[cfg(test)]
mod tests;

/// Where a chat is. Numbers are those of chat.proto.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub(crate) enum Status {
    Queued = 1,
    Assigned = 2,
    VaAssigned = 3,
    Dismissed = 4,
    VaDismissed = 5,
    Finished = 6,
    Canceled = 7,
    NoResponse = 8,
}

/// Who has a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    Nobody,
    Person,
    VirtualAgent,
}

/// How a chat has ended. Numbers are those of [`Status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[repr(i16)]
pub(crate) enum Ended {
    Finished = 6,
    /// Before anybody had taken it.
    Canceled = 7,
    /// The end user never wrote anything.
    NoResponse = 8,
}

impl Status {
    /// The status that a conversation's standing stands for.
    pub(crate) fn of(state: State, holder: Holder, ended: Option<Ended>) -> Self {
        match (state, holder) {
            (State::Open, Holder::Nobody) => Self::Queued,
            (State::Open, Holder::Person) => Self::Assigned,
            (State::Open, Holder::VirtualAgent) => Self::VaAssigned,
            (State::Pending | State::AwaitingPending, Holder::VirtualAgent) => Self::VaDismissed,
            (State::Pending | State::AwaitingPending, _) => Self::Dismissed,
            (State::Closed, _) => match ended {
                None | Some(Ended::Finished) => Self::Finished,
                Some(Ended::Canceled) => Self::Canceled,
                Some(Ended::NoResponse) => Self::NoResponse,
            },
        }
    }

    /// The documented word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Assigned => "assigned",
            Self::VaAssigned => "va_assigned",
            Self::Dismissed => "dismissed",
            Self::VaDismissed => "va_dismissed",
            Self::Finished => "finished",
            Self::Canceled => "canceled",
            Self::NoResponse => "no_response",
        }
    }
}

/// What somebody who took part does. Numbers are those of chat.proto.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[repr(i16)]
pub(crate) enum Participation {
    /// A virtual agent that has the chat and has not said anything yet.
    Waiting = 1,
    Connected = 2,
    /// No more.
    Finished = 3,
}

/// What of a session decides what a step means for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) ended: Option<Ended>,
    pub(crate) end_user_wrote: bool,
    /// Somebody, person or virtual agent, has had the chat.
    pub(crate) taken: bool,
}

/// A message, as far as the session cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spoken {
    pub(crate) author: Uuid,
    pub(crate) inbound: bool,
}

/// A step of the conversation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<'a> {
    pub(crate) before: &'a Standing,
    pub(crate) after: &'a Standing,
    /// Whoever has it after the step is a virtual agent.
    pub(crate) is_virtual: bool,
    pub(crate) spoken: &'a [Spoken],
    /// How it ends, when it ends and that is not to be found out.
    pub(crate) ending: Option<Ended>,
}

/// What becomes of a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// It goes on, or stays off.
    Keep,
    /// It starts, or starts again.
    Start,
    Stop,
}

impl Clock {
    /// Since when it runs, after it has run since `before`.
    pub(crate) fn since(self, before: Option<Time>, now: Time) -> Option<Time> {
        match self {
            Self::Keep => before,
            Self::Start => Some(now),
            Self::Stop => None,
        }
    }
}

/// What a step means for its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Consequences {
    pub(crate) ended: Option<Ended>,
    pub(crate) end_user_wrote: bool,
    /// Runs while the end user does not answer.
    pub(crate) idle: Clock,
    /// Runs while the chat is dismissed.
    pub(crate) dismissed: Clock,
    /// Who takes part, and how, from now on.
    pub(crate) participants: Vec<(Uuid, Participation)>,
    /// Somebody has taken it.
    pub(crate) taken: bool,
    /// It has ended.
    pub(crate) finished: bool,
}

impl Consequences {
    /// What becomes of an escalation that is open, if anything.
    pub(crate) fn escalation(&self) -> Option<escalation::Status> {
        match (self.finished, self.taken) {
            (true, _) => Some(escalation::Status::Canceled),
            (false, true) => Some(escalation::Status::Escalated),
            (false, false) => None,
        }
    }
}

/// What a step of the conversation means for the session of its chat.
pub(crate) fn follow(session: Session, step: &Step<'_>) -> Consequences {
    let Step { before, after, .. } = *step;
    let id = |standing: &Standing| standing.agent.as_ref().map(|agent| agent.id);
    let (from, to) = (id(before), id(after));
    let is_closed = after.state == State::Closed;
    let finished = is_closed && before.state != State::Closed;
    let end_user_wrote = session.end_user_wrote || step.spoken.iter().any(|spoken| spoken.inbound);

    let mut participants = Vec::new();
    // The last word about somebody counts.
    let mut put = |person, participation| {
        participants.retain(|(other, _)| *other != person);
        participants.push((person, participation));
    };
    let joins = from != to && !is_closed;
    if let Some(agent) = from.filter(|_| joins || finished) {
        put(agent, Participation::Finished);
    }
    if let Some(agent) = to.filter(|_| joins) {
        let waits = step.is_virtual;
        put(
            agent,
            if waits {
                Participation::Waiting
            } else {
                Participation::Connected
            },
        );
    }
    for spoken in step.spoken.iter().filter(|spoken| !spoken.inbound) {
        let is_here = to == Some(spoken.author) && !is_closed;
        put(
            spoken.author,
            if is_here {
                Participation::Connected
            } else {
                Participation::Finished
            },
        );
    }

    let ended = if finished {
        let found_out = if session.taken || to.is_some() {
            Ended::Finished
        } else {
            Ended::Canceled
        };
        Some(step.ending.unwrap_or(found_out))
    } else if is_closed {
        session.ended
    } else {
        None
    };
    let is_put_off = after.state != State::Open && after.follow_up_at.is_some();
    Consequences {
        ended,
        end_user_wrote,
        idle: idle(step, from != to, end_user_wrote),
        dismissed: match after.state {
            State::Open | State::Closed => Clock::Stop,
            _ if is_put_off => Clock::Stop,
            _ if before.state == after.state && before.follow_up_at.is_none() => Clock::Keep,
            _ => Clock::Start,
        },
        participants,
        taken: joins && to.is_some(),
        finished,
    }
}

/// The clock runs from the last message of whoever has the chat, once both sides have written: virtual agents may have
/// spoken first.
fn idle(step: &Step<'_>, handed_on: bool, end_user_wrote: bool) -> Clock {
    if step.after.state != State::Open || step.after.agent.is_none() {
        return Clock::Stop;
    }
    match step.spoken.last() {
        Some(spoken) if spoken.inbound => Clock::Stop,
        Some(_) if end_user_wrote || step.is_virtual => Clock::Start,
        _ if handed_on => Clock::Stop,
        _ => Clock::Keep,
    }
}
