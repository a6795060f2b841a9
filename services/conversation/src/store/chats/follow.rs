//! What a step of a conversation means for its chat, stored in the transaction of the step, whichever surface took it.

use platform::OrgId;
use platform::events::Stream;
use platform::time::Time;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Store, Telling};
use crate::domain::ConversationError;
use crate::domain::chats::chat::{Chat, Numbered};
use crate::domain::chats::{Clock, Consequences, Ended, Participation, Session, Spoken, Step, follow};
use crate::domain::state::Standing;
use crate::store::transitions::Saved;

/// What happened to a conversation that may have a chat.
pub(in crate::store) struct Followed {
    org: OrgId,
    pub(in crate::store) id: i64,
    now: Time,
    traceparent: Option<String>,
    before: Standing,
    after: Standing,
    ending: Option<Ended>,
    /// Messages, with what the conversation's events say of them.
    said: Vec<(Spoken, Value)>,
}

impl Followed {
    /// What happened to a conversation.
    pub(in crate::store) fn of(saved: &Saved<'_>) -> Self {
        let locked = saved.locked;
        let said = saved.lines.iter().map(|(line, _)| line);
        let said = said.filter(|line| line.entry.event == "conversation.message_added");
        let said = said.map(|line| {
            let spoken = Spoken {
                author: line.author.unwrap_or(locked.requester.id),
                inbound: line.entry.kind == "MessageAddedByCustomer",
            };
            (spoken, line.entry.data.clone())
        });
        let traceparent = saved.lines.last().and_then(|(_, traceparent)| *traceparent);
        Self {
            org: saved.org,
            id: locked.id,
            now: locked.now,
            traceparent: traceparent.map(str::to_owned),
            before: locked.standing.clone(),
            after: saved.standing.clone(),
            ending: locked.ending,
            said: said.collect(),
        }
    }
}

impl Store {
    /// Stores what a step that is saved means for its chat, and tells it.
    pub(in crate::store) async fn follow_chat(tx: &mut PgConnection, followed: Followed) -> Result<(), sqlx::Error> {
        Self::follow_step(tx, followed).await.map_err(|error| match error {
            ConversationError::Storage(error) => error,
            // The conversation is locked and its session was there: nothing else is missing.
            _ => sqlx::Error::RowNotFound,
        })
    }

    async fn follow_step(tx: &mut PgConnection, followed: Followed) -> Result<(), ConversationError> {
        let org = followed.org;
        let chat = Self::chat(org, &mut *tx, followed.id).await?;
        let Some(session) = chat.session else {
            return Ok(());
        };
        let spoken: Vec<_> = followed.said.iter().map(|(spoken, _)| *spoken).collect();
        let consequences = follow(
            session,
            &Step {
                before: &followed.before,
                after: &followed.after,
                is_virtual: chat.agent.as_ref().is_some_and(|agent| agent.is_virtual),
                spoken: &spoken,
                ending: followed.ending,
            },
        );
        let told = followed.said.len() + usize::from(consequences.finished);
        let sequence = Self::save_session(tx, &followed, &consequences, told).await?;
        Self::save_participants(tx, &followed, &consequences.participants).await?;
        let ended = consequences.ended;
        let chat = Chat {
            session: Some(Session { ended, ..session }),
            ..chat
        };
        if let Some(status) = consequences.escalation() {
            let by = followed.after.agent.as_ref().filter(|_| consequences.taken);
            let by = by.map(|agent| agent.id.to_string());
            let trace = followed.traceparent.as_deref();
            Self::resolve_escalation(org, trace, tx, &chat, status, by.as_deref()).await?;
        }
        Self::tell_steps(tx, &followed, &chat, sequence, consequences.finished).await
    }

    /// The first sequence number of the events that will be told.
    async fn save_session(
        tx: &mut PgConnection,
        followed: &Followed,
        consequences: &Consequences,
        told: usize,
    ) -> Result<i64, ConversationError> {
        let told = i64::try_from(told).unwrap_or_default();
        let last = sqlx::query_scalar!(
            "update conversation.chats
             set ended_as = $3, end_user_wrote = $4,
                 idle_since = case when $5 then $9::timestamptz when $6 then null else idle_since end,
                 dismissed_since = case when $7 then $9::timestamptz when $8 then null else dismissed_since end,
                 event_sequence = event_sequence + $10
             where org_id = $1 and conversation_id = $2 returning event_sequence",
            followed.org.0,
            followed.id,
            consequences.ended.map(|ended| ended as i16),
            consequences.end_user_wrote,
            consequences.idle == Clock::Start,
            consequences.idle == Clock::Stop,
            consequences.dismissed == Clock::Start,
            consequences.dismissed == Clock::Stop,
            followed.now,
            told,
        )
        .fetch_one(tx)
        .await?;
        Ok(last - told + 1)
    }

    async fn save_participants(
        tx: &mut PgConnection,
        followed: &Followed,
        participants: &[(Uuid, Participation)],
    ) -> Result<(), ConversationError> {
        if participants.is_empty() {
            return Ok(());
        }
        let people: Vec<_> = participants.iter().map(|(person, _)| *person).collect();
        let statuses: Vec<_> = participants.iter().map(|(_, status)| *status as i16).collect();
        sqlx::query!(
            "insert into conversation.chat_participants as t (org_id, conversation_id, person_id, status, joined_at)
             select $1, $2, p.id, p.status, $5 from unnest($3::uuid[], $4::smallint[]) as p (id, status)
             on conflict (org_id, conversation_id, person_id) do update set status = excluded.status
             where t.status <> excluded.status",
            followed.org.0,
            followed.id,
            &people,
            &statuses,
            followed.now,
        )
        .execute(tx)
        .await?;
        Ok(())
    }

    async fn tell_steps(
        tx: &mut PgConnection,
        followed: &Followed,
        chat: &Chat,
        first: i64,
        finished: bool,
    ) -> Result<(), ConversationError> {
        let mut told = Vec::with_capacity(followed.said.len() + 1);
        for (spoken, message) in &followed.said {
            let sender = Self::sender(followed.org, tx, chat, *spoken).await?;
            let mut message = message.clone();
            message["sender"] = sender;
            told.push((
                "chat.message_received",
                json!({ "message": message, "chat": chat.snapshot() }),
            ));
        }
        if finished {
            told.push(("chat.finished", json!({ "chat": chat.snapshot() })));
        }
        for (sequence, (kind, data)) in (first..).zip(told) {
            let telling = Telling {
                stream: Stream::Events,
                kind,
                subject: format!("chats/{}", followed.id),
                sequence,
                data,
            };
            Self::tell(followed.org, followed.traceparent.as_deref(), tx, telling).await?;
        }
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
