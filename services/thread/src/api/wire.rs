//! Domain values as the proto has them.

use platform::time::to_proto;
use proto::thread::v1 as pb;

use crate::chatbots::Profile;
use crate::domain::{Author, Error, Escalation, EscalationState, Message, Mode, Reaction, Thread, Visitor};

pub(super) fn thread(thread: Thread, profile: &Profile) -> pb::Thread {
    pb::Thread {
        thread_id: thread.thread_id,
        chatbot_id: thread.chatbot_id,
        uid: thread.id.to_string(),
        mode: mode(thread.mode).into(),
        title: thread.title,
        escalated: thread.escalated,
        important: thread.important,
        resolved: thread.resolved,
        archived: thread.archived,
        tags: thread.tags,
        internal_notes: thread.internal_notes,
        platform_source: thread.platform_source,
        visitor: thread.visitor.map(visitor),
        unread_count: thread.unread_count,
        read_count: thread.read_count,
        message_count: thread.message_count,
        positive_count: thread.positive_count,
        negative_count: thread.negative_count,
        webhook_url: thread.webhook_url,
        started_at: Some(to_proto(thread.started_at)),
        updated_at: Some(to_proto(thread.updated_at)),
        ended_at: thread.ended_at.map(to_proto),
        bot_icon: profile.bot_icon.clone(),
        user_icon: profile.user_icon.clone(),
        agent_icon: profile.agent_icon.clone(),
        bubble_icon: profile.bubble_icon.clone(),
        llm_model: profile.llm_model.clone(),
    }
}

fn visitor(visitor: Visitor) -> pb::Visitor {
    pb::Visitor {
        id: visitor.id.to_string(),
        email: visitor.email,
        name: visitor.name,
        phone_number: visitor.phone_number,
        verified: visitor.verified,
        created_at: Some(to_proto(visitor.created_at)),
        updated_at: Some(to_proto(visitor.updated_at)),
    }
}

pub(super) fn message(message: Message, chatbot_id: &str, thread_id: &str) -> pb::Message {
    pb::Message {
        id: message.id.to_string(),
        thread_id: thread_id.to_owned(),
        chatbot_id: chatbot_id.to_owned(),
        position: message.position.into(),
        author: match message.author {
            Author::User => pb::Author::User,
            Author::Bot => pb::Author::Bot,
            Author::Agent => pb::Author::Agent,
            Author::System => pb::Author::System,
        }
        .into(),
        mode: mode(message.mode).into(),
        system_message_type: message.system_message_type.0.into(),
        content: message.content,
        agent_name: message.agent_name,
        icon_url: message.icon_url,
        parent_message_id: message.parent_id.map(|id| id.to_string()),
        llm_model_id: message.llm_model_id,
        reaction: match message.reaction {
            Reaction::None => pb::Reaction::Unspecified,
            Reaction::Positive => pb::Reaction::Positive,
            Reaction::Negative => pb::Reaction::Negative,
            Reaction::Neutral => pb::Reaction::Neutral,
        }
        .into(),
        sources_json: message.sources.unwrap_or_default(),
        is_edited: message.edited_at.is_some(),
        edited_by: message.edited_by,
        edited_at: message.edited_at.map(to_proto),
        created_at: Some(to_proto(message.created_at)),
        updated_at: Some(to_proto(message.updated_at)),
    }
}

pub(super) fn escalation(escalation: Escalation) -> pb::Escalation {
    pb::Escalation {
        id: escalation.id.to_string(),
        state: match escalation.state() {
            EscalationState::Unacknowledged => pb::EscalationState::Unacknowledged,
            EscalationState::Acknowledged => pb::EscalationState::Acknowledged,
            EscalationState::Resolved => pb::EscalationState::Resolved,
        }
        .into(),
        chatbot_id: escalation.chatbot_id,
        thread_id: escalation.thread_id,
        requested_by: escalation.requested_by,
        prompt: escalation.prompt,
        created_at: Some(to_proto(escalation.created_at)),
        acknowledged_by: escalation.acknowledged_by,
        acknowledged_at: escalation.acknowledged_at.map(to_proto),
        resolved_by: escalation.resolved_by,
        resolved_at: escalation.resolved_at.map(to_proto),
        age_seconds: escalation.age_seconds,
        visitor_name: escalation.visitor_name,
        visitor_email: escalation.visitor_email,
    }
}

fn mode(mode: Mode) -> pb::Mode {
    match mode {
        Mode::Ai => pb::Mode::Ai,
        Mode::Agent => pb::Mode::Agent,
    }
}

/// A mode, or none when it is unspecified.
pub(super) fn read_mode(field: &'static str, number: i32) -> Result<Option<Mode>, Error> {
    match pb::Mode::try_from(number) {
        Ok(pb::Mode::Unspecified) => Ok(None),
        Ok(pb::Mode::Ai) => Ok(Some(Mode::Ai)),
        Ok(pb::Mode::Agent) => Ok(Some(Mode::Agent)),
        Err(_) => Err(Error::invalid(field, "is not a known mode")),
    }
}

pub(super) fn read_author(number: i32) -> Result<Author, Error> {
    match pb::Author::try_from(number) {
        Ok(pb::Author::User) => Ok(Author::User),
        Ok(pb::Author::Bot) => Ok(Author::Bot),
        Ok(pb::Author::Agent) => Ok(Author::Agent),
        Ok(pb::Author::System) => Ok(Author::System),
        Ok(pb::Author::Unspecified) | Err(_) => Err(Error::invalid("author", "must be a known author")),
    }
}

pub(super) fn read_reaction(number: i32) -> Result<Option<Reaction>, Error> {
    match pb::Reaction::try_from(number) {
        Ok(pb::Reaction::Unspecified) => Ok(None),
        Ok(pb::Reaction::Positive) => Ok(Some(Reaction::Positive)),
        Ok(pb::Reaction::Negative) => Ok(Some(Reaction::Negative)),
        Ok(pb::Reaction::Neutral) => Ok(Some(Reaction::Neutral)),
        Err(_) => Err(Error::invalid("reaction", "is not a known reaction")),
    }
}

pub(super) fn read_state(number: i32) -> Result<Option<EscalationState>, Error> {
    match pb::EscalationState::try_from(number) {
        Ok(pb::EscalationState::Unspecified) => Ok(None),
        Ok(pb::EscalationState::Unacknowledged) => Ok(Some(EscalationState::Unacknowledged)),
        Ok(pb::EscalationState::Acknowledged) => Ok(Some(EscalationState::Acknowledged)),
        Ok(pb::EscalationState::Resolved) => Ok(Some(EscalationState::Resolved)),
        Err(_) => Err(Error::invalid("state", "is not a known state")),
    }
}
