//! What steps of conversations mean for their chats, stored in the transaction of the steps, whichever surface took them.

use platform::OrgId;
use platform::time::Time;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Store;
use crate::domain::ConversationError;
use crate::domain::chats::chat::{Chat, Numbered};
use crate::domain::chats::{Consequences, Spoken, Step, follow};
use crate::domain::state::Members;
use crate::store::transitions::{Events, Saved, json_text};

/// A message, with what the conversation's event says of it and the trace it belongs to.
struct Said<'a> {
    spoken: Spoken,
    data: &'a Members,
    traceparent: Option<&'a str>,
}

/// The messages among what is told of a conversation.
fn said<'a>(saved: &'a Saved<'_>) -> Vec<Said<'a>> {
    let requester = saved.locked.requester.id;
    let lines = saved.lines.iter();
    let lines = lines.filter(|(line, _)| line.entry.event == "conversation.message_added");
    let said = lines.map(|(line, traceparent)| Said {
        spoken: Spoken {
            author: line.author.unwrap_or(requester),
            inbound: line.entry.kind == "MessageAddedByCustomer",
        },
        data: &line.entry.data,
        traceparent: *traceparent,
    });
    said.collect()
}

/// What becomes of sessions, as columns.
#[derive(Default)]
pub(in crate::store) struct Sessions<'a> {
    pub(in crate::store) orgs: Vec<Uuid>,
    pub(in crate::store) ids: Vec<i64>,
    pub(in crate::store) ended: Vec<Option<i16>>,
    pub(in crate::store) end_user_wrote: Vec<bool>,
    pub(in crate::store) idle_since: Vec<Option<Time>>,
    pub(in crate::store) dismissed_since: Vec<Option<Time>>,
    pub(in crate::store) event_sequences: Vec<i64>,
    /// Which version each must still be; `None` under a lock.
    pub(in crate::store) versions: Vec<Option<&'a str>>,
}

/// Who takes part in them from now on, as columns.
#[derive(Default)]
pub(in crate::store) struct Participants {
    pub(in crate::store) orgs: Vec<Uuid>,
    pub(in crate::store) chats: Vec<i64>,
    pub(in crate::store) people: Vec<Uuid>,
    pub(in crate::store) statuses: Vec<i16>,
    pub(in crate::store) ats: Vec<Time>,
}

/// All that is saved for chats.
#[derive(Default)]
pub(in crate::store) struct Following<'a> {
    pub(in crate::store) sessions: Sessions<'a>,
    pub(in crate::store) participants: Participants,
    pub(in crate::store) events: Events<'a>,
}

impl<'a> Following<'a> {
    fn add(&mut self, saved: &'a Saved<'_>, chat: &Chat, consequences: &Consequences, event_sequence: i64) {
        let (org, id, now) = (saved.org.0, saved.locked.id, saved.locked.now);
        let sessions = &mut self.sessions;
        sessions.orgs.push(org);
        sessions.ids.push(id);
        sessions.ended.push(consequences.ended.map(|ended| ended as i16));
        sessions.end_user_wrote.push(consequences.end_user_wrote);
        let idle_since = consequences.idle.since(chat.idle_since, now);
        sessions.idle_since.push(idle_since);
        let dismissed_since = consequences.dismissed.since(chat.dismissed_since, now);
        sessions.dismissed_since.push(dismissed_since);
        sessions.event_sequences.push(event_sequence);
        let version = saved.versions.and_then(|versions| versions.session.as_deref());
        sessions.versions.push(version);
        for (person, participation) in &consequences.participants {
            let participants = &mut self.participants;
            participants.orgs.push(org);
            participants.chats.push(id);
            participants.people.push(*person);
            participants.statuses.push(*participation as i16);
            participants.ats.push(now);
        }
    }

    fn tell(
        &mut self,
        (org, chat): (OrgId, i64),
        sequence: i64,
        kind: &'static str,
        traceparent: Option<&'a str>,
        data: String,
    ) {
        let events = &mut self.events;
        events.orgs.push(org.0);
        events.conversations.push(chat);
        events.ids.push(platform::id::new());
        events.kinds.push(kind);
        events.sequences.push(sequence);
        events.traceparents.push(traceparent);
        events.data.push(data);
        events.after_tags.push(None);
    }
}

impl Store {
    /// What a step means for the chat of its conversation, which is what it is after the step but for its session, is added
    /// to `following`. What it means for an escalation is stored at once.
    pub(in crate::store) async fn follow_chat<'a>(
        tx: &mut PgConnection,
        following: &mut Following<'a>,
        saved: &'a Saved<'_>,
        chat: &Chat,
    ) -> Result<(), sqlx::Error> {
        let followed = Self::follow_step(tx, following, saved, chat).await;
        followed.map_err(|error| match error {
            ConversationError::Storage(error) => error,
            // The conversation and its session were there: nothing else is missing.
            _ => sqlx::Error::RowNotFound,
        })
    }

    async fn follow_step<'a>(
        tx: &mut PgConnection,
        following: &mut Following<'a>,
        saved: &'a Saved<'_>,
        chat: &Chat,
    ) -> Result<(), ConversationError> {
        let Some(session) = chat.session else {
            return Ok(());
        };
        let (org, id) = (saved.org, saved.locked.id);
        let trace = saved.lines.last().and_then(|(_, traceparent)| *traceparent);
        let said = said(saved);
        let spoken: Vec<_> = said.iter().map(|said| said.spoken).collect();
        let consequences = follow(
            session,
            &Step {
                before: &saved.locked.standing,
                after: &saved.standing,
                is_virtual: chat.agent.as_ref().is_some_and(|agent| agent.is_virtual),
                spoken: &spoken,
                ending: saved.locked.ending,
            },
        );
        if let Some(status) = consequences.escalation() {
            let by = saved.standing.agent.as_ref().filter(|_| consequences.taken);
            let by = by.map(|agent| agent.id.to_string());
            Self::resolve_escalation(org, trace, tx, chat, status, by.as_deref()).await?;
        }
        let mut sequence = chat.event_sequence;
        let snapshot = json_text(&chat.snapshot_ended(consequences.ended));
        for said in said {
            let sender = json_text(&Self::sender(org, tx, chat, said.spoken).await?);
            let message = said.data.as_str();
            sequence += 1;
            let data = format!(r#"{{"chat":{snapshot},"message":{{{message},"sender":{sender}}}}}"#);
            following.tell((org, id), sequence, "chat.message_received", said.traceparent, data);
        }
        if consequences.finished {
            sequence += 1;
            let data = format!(r#"{{"chat":{snapshot}}}"#);
            following.tell((org, id), sequence, "chat.finished", trace, data);
        }
        following.add(saved, chat, &consequences, sequence);
        Ok(())
    }

    /// Who wrote a message, in the terms of the chat surface.
    async fn sender(
        org: OrgId,
        tx: &mut PgConnection,
        chat: &Chat,
        spoken: Spoken,
    ) -> Result<Value, ConversationError> {
        let named = |person: &Numbered, kind: &str| json!({ "id": person.number, "type": kind });
        if spoken.inbound && spoken.author == chat.end_user.person.id {
            return Ok(named(&chat.end_user.person, "end_user"));
        }
        // Whoever has the chat is known.
        let holder = chat.agent.as_ref().filter(|agent| agent.person.id == spoken.author);
        if let Some(agent) = holder.filter(|_| !spoken.inbound) {
            let kind = if agent.is_virtual { "virtual_agent" } else { "agent" };
            return Ok(named(&agent.person, kind));
        }
        let author = Self::people(org, tx, &[spoken.author]).await?.pop();
        let Some(author) = author else {
            return Ok(json!({ "id": null, "type": "service" }));
        };
        let person = Numbered {
            id: author.id,
            number: author.number,
        };
        let kind = match author.roles {
            _ if spoken.inbound => "end_user",
            roles if roles.is_virtual => "virtual_agent",
            _ => "agent",
        };
        Ok(named(&person, kind))
    }
}
