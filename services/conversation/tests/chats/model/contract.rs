//! What the contract says of one chat, whatever is done to it.

use proto::conversation::v1 as wire;
use wire::{ChatStatus, ConversationState, DeflectionChannel, EscalationStatus};

#[derive(Clone, Debug)]
pub(super) enum Action {
    /// Over the chat surface.
    EndUserSays,
    BotSays,
    AgentSays(usize),
    Escalate {
        force: bool,
    },
    Choose(DeflectionChannel),
    Acknowledge,
    Finish,
    /// The end, with what was chosen in place of people.
    FinishBy(DeflectionChannel),
    Resume,
    /// Over the conversation surface.
    EndUserWrites,
    Claim {
        agent: usize,
        force: bool,
    },
    Close,
    Reopen,
    Transfer(Room),
    FollowUp,
    /// By the clock: what the end user or an agent waited for is due.
    Wait,
    FollowUpIsDue,
}

/// What a queue is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Room {
    /// It takes everybody.
    Free,
    /// The bot's, which holds nobody.
    Full,
    /// It is never open.
    AfterHours,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Holder {
    Nobody,
    Bot,
    Agent(usize),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Escalation {
    pub(super) status: EscalationStatus,
    /// Why it was deflected.
    deflected: Option<Room>,
    chosen: Option<DeflectionChannel>,
    pub(super) acknowledged: bool,
}

impl Escalation {
    fn new(status: EscalationStatus, deflected: Option<Room>) -> Self {
        Self {
            status,
            deflected,
            chosen: None,
            acknowledged: false,
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.status, EscalationStatus::Escalating | EscalationStatus::Deflecting)
    }
}

pub(super) struct Model {
    pub(super) state: ConversationState,
    pub(super) holder: Holder,
    /// The queue it is in.
    pub(super) room: Room,
    pub(super) follow_up: bool,
    /// Somebody, person or bot, took part.
    taken: bool,
    /// The end user has written.
    wrote: bool,
    /// Whoever has it waits for the end user's answer.
    idle: bool,
    ended: ChatStatus,
    /// The newest one.
    pub(super) escalation: Option<Escalation>,
    /// How many there were.
    pub(super) escalations: usize,
}

impl Model {
    /// A new chat at a menu.
    pub(super) fn at(room: Room) -> Self {
        let has_bot = room == Room::Full;
        Self {
            state: ConversationState::Open,
            holder: if has_bot { Holder::Bot } else { Holder::Nobody },
            room,
            follow_up: false,
            taken: has_bot,
            wrote: false,
            idle: false,
            ended: ChatStatus::Finished,
            escalation: None,
            escalations: 0,
        }
    }

    pub(super) fn status(&self) -> ChatStatus {
        match (self.state, self.holder) {
            (ConversationState::Open, Holder::Nobody) => ChatStatus::Queued,
            (ConversationState::Open, Holder::Bot) => ChatStatus::VaAssigned,
            (ConversationState::Open, Holder::Agent(_)) => ChatStatus::Assigned,
            (ConversationState::Pending, Holder::Bot) => ChatStatus::VaDismissed,
            (ConversationState::Pending, _) => ChatStatus::Dismissed,
            _ => self.ended,
        }
    }

    /// Something will become of it by itself.
    pub(super) fn times_out(&self) -> bool {
        self.idle || self.is_dismissed()
    }

    /// Pending, and no agent comes back to it.
    fn is_dismissed(&self) -> bool {
        self.state == ConversationState::Pending && !self.follow_up
    }

    fn open_escalation(&mut self) -> Option<&mut Escalation> {
        self.escalation.as_mut().filter(|escalation| escalation.is_open())
    }

    fn close(&mut self, ended: ChatStatus) {
        self.state = ConversationState::Closed;
        self.follow_up = false;
        self.ended = ended;
        if let Some(escalation) = self.open_escalation() {
            escalation.status = EscalationStatus::Canceled;
        }
    }

    /// Back into the queue.
    fn queue(&mut self) {
        (self.state, self.holder, self.follow_up) = (ConversationState::Open, Holder::Nobody, false);
    }

    fn hand_over(&mut self) {
        if (self.state, self.holder) != (ConversationState::Open, Holder::Nobody) {
            self.queue();
        }
    }

    fn escalate(&mut self, force: bool) {
        if let Some(escalation) = self.open_escalation() {
            if force && escalation.status == EscalationStatus::Deflecting {
                escalation.status = EscalationStatus::Escalating;
                self.hand_over();
            }
            return;
        }
        let newest = self.escalation.map(|escalation| escalation.status);
        let escalation = match self.holder {
            Holder::Agent(_) if newest == Some(EscalationStatus::Escalated) => return,
            Holder::Agent(_) => Escalation::new(EscalationStatus::Escalated, None),
            _ if self.room != Room::Free && !force => Escalation::new(EscalationStatus::Deflecting, Some(self.room)),
            _ => {
                self.hand_over();
                Escalation::new(EscalationStatus::Escalating, None)
            }
        };
        self.escalation = Some(escalation);
        self.escalations += 1;
    }

    fn choose(&mut self, channel: DeflectionChannel) -> Result<(), &'static str> {
        let has_bot = self.holder == Holder::Bot;
        let Some(escalation) = &mut self.escalation else {
            return Err("ESCALATION_NOT_FOUND");
        };
        if escalation.chosen == Some(channel) {
            return Ok(());
        }
        let is_offered = match channel {
            DeflectionChannel::VirtualAgent => has_bot,
            DeflectionChannel::HumanAgent => escalation.deflected == Some(Room::Full),
            _ => true,
        };
        if escalation.status != EscalationStatus::Deflecting || !is_offered {
            return Err("DEFLECTION_REFUSED");
        }
        escalation.chosen = Some(channel);
        if channel == DeflectionChannel::HumanAgent {
            escalation.status = EscalationStatus::Escalating;
            self.hand_over();
        } else {
            escalation.status = EscalationStatus::Deflected;
        }
        Ok(())
    }

    fn claim(&mut self, agent: usize, force: bool) -> Result<(), &'static str> {
        match self.holder {
            Holder::Agent(owner) if owner == agent => return Ok(()),
            Holder::Agent(_) | Holder::Bot if !force => return Err("ASSIGNED_TO_ANOTHER"),
            _ => self.holder = Holder::Agent(agent),
        }
        self.taken = true;
        if let Some(escalation) = self.open_escalation() {
            escalation.status = EscalationStatus::Escalated;
        }
        Ok(())
    }

    /// What the end user has to answer was said to him.
    fn answered(&mut self) {
        self.taken = true;
        // A bot may have spoken first.
        self.idle |= self.wrote || self.holder == Holder::Bot;
    }

    fn time_passes(&mut self) {
        if self.idle {
            self.state = ConversationState::Pending;
        } else if self.is_dismissed() {
            self.close(if self.wrote {
                ChatStatus::Finished
            } else {
                ChatStatus::NoResponse
            });
        }
    }

    /// Acts, or says why not.
    pub(super) fn act(&mut self, action: &Action) -> Result<(), &'static str> {
        let before = self.holder;
        let done = self.step(action);
        // Only who is there and has it can wait for the end user, and whoever is new has not said anything yet.
        if self.state != ConversationState::Open || self.holder == Holder::Nobody || self.holder != before {
            self.idle = false;
        }
        done
    }

    fn step(&mut self, action: &Action) -> Result<(), &'static str> {
        use ConversationState::{Closed, Open, Pending};
        let is_closed = self.state == Closed;
        match action {
            Action::EndUserSays
            | Action::BotSays
            | Action::AgentSays(_)
            | Action::Escalate { .. }
            | Action::Finish
            | Action::FinishBy(_)
            | Action::Resume
                if is_closed =>
            {
                return Err("CHAT_ENDED");
            }
            Action::Claim { .. } | Action::Transfer(_) | Action::FollowUp if is_closed => {
                return Err("CONVERSATION_CLOSED");
            }
            Action::EndUserSays | Action::EndUserWrites => {
                if is_closed {
                    self.queue();
                }
                (self.state, self.follow_up, self.idle, self.wrote) = (Open, false, false, true);
            }
            Action::BotSays | Action::AgentSays(_) => self.answered(),
            Action::Escalate { force } => self.escalate(*force),
            Action::Choose(_) if is_closed && self.escalation.is_some() => return Err("CHAT_ENDED"),
            Action::Choose(channel) => return self.choose(*channel),
            Action::Acknowledge => match &mut self.escalation {
                None => return Err("ESCALATION_NOT_FOUND"),
                Some(escalation) => escalation.acknowledged |= escalation.is_open(),
            },
            Action::Finish => self.close(ChatStatus::Finished),
            Action::FinishBy(channel) => {
                self.choose(*channel)?;
                self.close(ChatStatus::Finished);
            }
            Action::Resume if self.state == Open => return Err("CHAT_NOT_DISMISSED"),
            Action::Resume if self.holder == Holder::Bot => (self.state, self.follow_up) = (Open, false),
            Action::Claim { agent, force } => return self.claim(*agent, *force),
            Action::Close if is_closed => {}
            Action::Close if self.taken => self.close(ChatStatus::Finished),
            Action::Close => self.close(ChatStatus::Canceled),
            Action::Reopen if self.state == Open => {}
            Action::Resume | Action::Reopen => self.queue(),
            Action::Transfer(room) => {
                self.queue();
                self.room = *room;
            }
            Action::FollowUp => (self.state, self.follow_up) = (Pending, true),
            Action::Wait => self.time_passes(),
            Action::FollowUpIsDue if self.follow_up => (self.state, self.follow_up) = (Open, false),
            Action::FollowUpIsDue => {}
        }
        Ok(())
    }
}
