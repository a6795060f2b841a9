//! What steps of conversations mean for their chats, stored in the transaction of the steps, whichever surface took them.

use platform::OrgId;
use platform::time::Time;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Store;
use crate::domain::ConversationError;
use crate::domain::chats::chat::{Chat, Numbered};
use crate::domain::chats::{Consequences, Session, Spoken, Step, follow};
use crate::domain::state::Members;
use crate::store::transitions::{Saved, json_text};

/// A message, with what the conversation's event says of it and the trace it belongs to.
struct Said<'a> {
    spoken: Spoken,
    data: Members,
    traceparent: Option<&'a str>,
}

/// The messages among what is told of a conversation.
fn said<'a>(saved: &mut Saved<'a>) -> Vec<Said<'a>> {
    let requester = saved.locked.requester.id;
    let lines = std::mem::take(&mut saved.lines).into_iter();
    let lines = lines.filter(|(line, _)| line.entry.event == "conversation.message_added");
    let said = lines.map(|(line, traceparent)| Said {
        spoken: Spoken {
            author: line.author.unwrap_or(requester),
            inbound: line.entry.kind == "MessageAddedByCustomer",
        },
        data: line.entry.data,
        traceparent,
    });
    said.collect()
}

/// What becomes of sessions, as columns.
#[derive(Default)]
struct Sessions {
    orgs: Vec<Uuid>,
    ids: Vec<i64>,
    ended: Vec<Option<i16>>,
    end_user_wrote: Vec<bool>,
    idle_since: Vec<Option<Time>>,
    dismissed_since: Vec<Option<Time>>,
    event_sequences: Vec<i64>,
}

/// Who takes part in them from now on, as columns.
#[derive(Default)]
struct Participants {
    orgs: Vec<Uuid>,
    chats: Vec<i64>,
    people: Vec<Uuid>,
    statuses: Vec<i16>,
    ats: Vec<Time>,
}

/// Their events, as columns.
#[derive(Default)]
struct Events {
    orgs: Vec<Uuid>,
    chats: Vec<i64>,
    ids: Vec<Uuid>,
    kinds: Vec<&'static str>,
    sequences: Vec<i64>,
    traceparents: Vec<Option<String>>,
    data: Vec<String>,
}

/// All that is stored for chats.
#[derive(Default)]
struct Following {
    sessions: Sessions,
    participants: Participants,
    events: Events,
}

impl Following {
    fn add(&mut self, saved: &Saved<'_>, chat: &Chat, consequences: &Consequences, event_sequence: i64) {
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
        for (person, participation) in &consequences.participants {
            let participants = &mut self.participants;
            participants.orgs.push(org);
            participants.chats.push(id);
            participants.people.push(*person);
            participants.statuses.push(*participation as i16);
            participants.ats.push(now);
        }
    }

    fn tell(&mut self, chat: (OrgId, i64), sequence: i64, kind: &'static str, traceparent: Option<&str>, data: String) {
        let ((org, id), events) = (chat, &mut self.events);
        events.orgs.push(org.0);
        events.chats.push(id);
        events.ids.push(platform::id::new());
        events.kinds.push(kind);
        events.sequences.push(sequence);
        events.traceparents.push(traceparent.map(str::to_owned));
        events.data.push(data);
    }
}

impl Store {
    /// Stores what steps that are saved mean for their chats, and tells it.
    pub(in crate::store) async fn follow_chats(
        tx: &mut PgConnection,
        mut saved: Vec<Saved<'_>>,
    ) -> Result<(), sqlx::Error> {
        if saved.is_empty() {
            return Ok(());
        }
        let unread = saved.iter_mut().filter(|saved| saved.chat.is_none());
        let mut unread: Vec<_> = unread.collect();
        if !unread.is_empty() {
            let wanted: Vec<_> = unread.iter().map(|saved| (saved.org, saved.locked.id)).collect();
            for (saved, chat) in unread.iter_mut().zip(Self::chats(&mut *tx, &wanted).await?) {
                saved.chat = chat;
            }
        }
        let mut following = Following::default();
        for saved in saved {
            let followed = Self::follow_chat(tx, &mut following, saved).await;
            followed.map_err(|error| match error {
                ConversationError::Storage(error) => error,
                // The conversation is locked and its session was there: nothing else is missing.
                _ => sqlx::Error::RowNotFound,
            })?;
        }
        Self::save_following(tx, following).await
    }

    async fn follow_chat(
        tx: &mut PgConnection,
        following: &mut Following,
        mut saved: Saved<'_>,
    ) -> Result<(), ConversationError> {
        let Some((chat, session)) = saved
            .chat
            .take()
            .and_then(|chat| chat.session.map(|session| (chat, session)))
        else {
            return Ok(());
        };
        let (org, id) = (saved.org, saved.locked.id);
        let trace = saved.lines.last().and_then(|(_, traceparent)| *traceparent);
        let said = said(&mut saved);
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
        let ended = consequences.ended;
        let chat = Chat {
            session: Some(Session { ended, ..session }),
            ..chat
        };
        if let Some(status) = consequences.escalation() {
            let by = saved.standing.agent.as_ref().filter(|_| consequences.taken);
            let by = by.map(|agent| agent.id.to_string());
            Self::resolve_escalation(org, trace, tx, &chat, status, by.as_deref()).await?;
        }
        let mut sequence = chat.event_sequence;
        let snapshot = json_text(&chat.snapshot());
        for said in said {
            let sender = json_text(&Self::sender(org, tx, &chat, said.spoken).await?);
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
        following.add(&saved, &chat, &consequences, sequence);
        Ok(())
    }

    async fn save_following(tx: &mut PgConnection, following: Following) -> Result<(), sqlx::Error> {
        let Following {
            sessions,
            participants,
            events,
        } = following;
        sqlx::query!(
            "with followed as (
                 update conversation.chats s
                 set ended_as = f.ended_as, end_user_wrote = f.end_user_wrote, idle_since = f.idle_since,
                     dismissed_since = f.dismissed_since, event_sequence = f.event_sequence
                 from unnest((select $1::uuid[]), $2::bigint[], $3::smallint[], $4::boolean[], $5::timestamptz[],
                             $6::timestamptz[], $7::bigint[])
                     as f (org_id, id, ended_as, end_user_wrote, idle_since, dismissed_since, event_sequence)
                 where s.org_id = f.org_id and s.conversation_id = f.id
             ),
             participating as (
                 insert into conversation.chat_participants as t (org_id, conversation_id, person_id, status, joined_at)
                 select * from unnest($8::uuid[], $9::bigint[], $10::uuid[], $11::smallint[], $12::timestamptz[])
                 on conflict (org_id, conversation_id, person_id) do update set status = excluded.status
                 where t.status <> excluded.status
             )
             -- In the order of the arrays: nothing joins them.
             insert into conversation.outbox (org_id, event_id, stream, type, subject, sequence, traceparent, data)
             select e.org_id, e.id, 'handoff:events', e.type, 'chats/' || e.chat, e.sequence, e.traceparent, e.data
             from unnest((select $13::uuid[]), $14::bigint[], $15::uuid[], $16::text[], $17::bigint[], $18::text[], $19::text[])
                 as e (org_id, chat, id, type, sequence, traceparent, data)",
            &sessions.orgs,
            &sessions.ids,
            &sessions.ended as &[Option<i16>],
            &sessions.end_user_wrote,
            &sessions.idle_since as &[Option<Time>],
            &sessions.dismissed_since as &[Option<Time>],
            &sessions.event_sequences,
            &participants.orgs,
            &participants.chats,
            &participants.people,
            &participants.statuses,
            &participants.ats,
            &events.orgs,
            &events.chats,
            &events.ids,
            &events.kinds as &[&str],
            &events.sequences,
            &events.traceparents as &[Option<String>],
            &events.data,
        )
        .execute(tx)
        .await?;
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
