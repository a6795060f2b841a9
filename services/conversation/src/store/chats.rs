//! Chats: sessions beside conversations.

use platform::OrgId;
use platform::events::Stream;
use platform::time::Time;
use serde_json::{Value, json};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::Store;
use super::transitions::json_text;
use crate::domain::ConversationError;
use crate::domain::chats::chat::{Agent, Chat, EndUser, Menu, Numbered, Participant};
use crate::domain::chats::{Ended, Participation, Session};
use crate::domain::state::State;

mod custom_data;
mod escalations;
pub(in crate::store) mod follow;
pub(crate) mod inactivity;
mod menus;
mod people;
pub(crate) mod reminders;

pub(crate) use escalations::NewEscalation;
pub(crate) use menus::Offer;

struct Row {
    /// Which of those that were asked for it is.
    n: i64,
    id: i64,
    state: State,
    created_at: Time,
    closed_at: Option<Time>,
    language: Option<String>,
    requester_id: Uuid,
    requester_number: i64,
    requester_identifier: Option<String>,
    requester_name: Option<String>,
    requester_email: Option<String>,
    requester_phone: Option<String>,
    agent_id: Option<Uuid>,
    agent_number: Option<i64>,
    agent_name: Option<String>,
    agent_is_virtual: Option<bool>,
    queue_number: Option<i64>,
    queue_name: Option<String>,
    queue_language: Option<String>,
    context: Option<Value>,
    has_session: bool,
    ended: Option<Ended>,
    end_user_wrote: Option<bool>,
    taken: bool,
    idle_since: Option<Time>,
    dismissed_since: Option<Time>,
    event_sequence: Option<i64>,
}

impl From<Row> for Chat {
    fn from(row: Row) -> Self {
        let agent = row.agent_id.zip(row.agent_number).map(|(id, number)| Agent {
            person: Numbered { id, number },
            name: row.agent_name,
            is_virtual: row.agent_is_virtual.unwrap_or_default(),
        });
        let menu = row.queue_number.zip(row.queue_name).map(|(number, name)| Menu {
            number,
            name,
            language: row.queue_language,
        });
        Self {
            id: row.id,
            state: row.state,
            created_at: row.created_at,
            closed_at: row.closed_at,
            language: row.language,
            end_user: EndUser {
                person: Numbered {
                    id: row.requester_id,
                    number: row.requester_number,
                },
                identifier: row.requester_identifier,
                name: row.requester_name,
                email: row.requester_email,
                phone: row.requester_phone,
            },
            agent,
            menu,
            context: row.context,
            session: row.has_session.then(|| Session {
                ended: row.ended,
                end_user_wrote: row.end_user_wrote.unwrap_or_default(),
                taken: row.taken,
            }),
            idle_since: row.idle_since,
            dismissed_since: row.dismissed_since,
            event_sequence: row.event_sequence.unwrap_or_default(),
        }
    }
}

impl Store {
    /// A chat; `CHAT_NOT_FOUND` when the conversation is none.
    pub(crate) async fn chat(org: OrgId, on: impl PgExecutor<'_>, id: i64) -> Result<Chat, ConversationError> {
        let found = Self::chats(on, &[(org, id)]).await?;
        let mut found = found.into_iter().flatten();
        found.next().ok_or(ConversationError::ChatNotFound)
    }

    /// These chats, each where it was asked for; `None` for what is none.
    ///
    /// The planner does not see how many it are: it would plan anew each time it is a few.
    pub(super) async fn chats(
        on: impl PgExecutor<'_>,
        wanted: &[(OrgId, i64)],
    ) -> Result<Vec<Option<Chat>>, sqlx::Error> {
        let rows = sqlx::query_as!(
            Row,
            r#"select i.n as "n!", c.id, c.state as "state: State", c.created_at, c.closed_at, c.language,
                      r.id as requester_id, r.number as requester_number, r.external_id as requester_identifier,
                      case when c.anonymized_at is null then r.display_name end as requester_name,
                      case when c.anonymized_at is null then r.email end as requester_email,
                      case when c.anonymized_at is null then r.phone_number end as requester_phone,
                      c.agent_id, a.number as "agent_number?", a.display_name as agent_name,
                      a.is_virtual as "agent_is_virtual?", q.number as "queue_number?", q.name as "queue_name?",
                      q.language as queue_language, s.context, s.conversation_id is not null as "has_session!",
                      s.ended_as as "ended: Ended", s.end_user_wrote as "end_user_wrote?",
                      coalesce((select true from conversation.chat_participants t
                                where t.org_id = c.org_id and t.conversation_id = c.id limit 1), false) as "taken!",
                      s.idle_since, s.dismissed_since, s.event_sequence as "event_sequence?"
               from unnest((select $1::uuid[]), $2::bigint[]) with ordinality as i (org_id, id, n)
               join conversation.conversations c on c.org_id = i.org_id and c.id = i.id
               join conversation.people r on r.org_id = c.org_id and r.id = c.requester_id
               left join conversation.people a on a.org_id = c.org_id and a.id = c.agent_id
               left join conversation.queues q on q.org_id = c.org_id and q.id = c.queue_id
               left join conversation.chats s on s.org_id = c.org_id and s.conversation_id = c.id
               where c.type = 1 and c.channel = 3"#,
            &wanted.iter().map(|(org, _)| org.0).collect::<Vec<_>>(),
            &wanted.iter().map(|(_, id)| *id).collect::<Vec<_>>(),
        )
        .fetch_all(on)
        .await?;
        let mut chats: Vec<Option<Chat>> = wanted.iter().map(|_| None).collect();
        for row in rows {
            let index = usize::try_from(row.n - 1).unwrap_or_default();
            chats[index] = Some(row.into());
        }
        Ok(chats)
    }

    /// Who took part in a chat, in the order of joining. Before there is a session it is known from the conversation.
    pub(crate) async fn participants(
        org: OrgId,
        on: impl PgExecutor<'_>,
        id: i64,
    ) -> Result<Vec<Participant>, ConversationError> {
        struct Row {
            id: Uuid,
            number: i64,
            name: Option<String>,
            first_name: Option<String>,
            avatar_url: Option<String>,
            is_virtual: bool,
            participation: Participation,
        }
        let rows = sqlx::query_as!(
            Row,
            r#"select p.id, p.number, p.display_name as name, p.first_name, p.avatar_url, p.is_virtual,
                      t.status as "participation!: Participation"
               from (select person_id, status, joined_at from conversation.chat_participants
                     where org_id = $1 and conversation_id = $2
                     union all
                     select h.person_id, h.status, h.joined_at from conversation.chat_history($1, $2) h
                     where not exists (select from conversation.chats where org_id = $1 and conversation_id = $2)) t
               join conversation.people p on p.org_id = $1 and p.id = t.person_id
               order by t.joined_at, p.number limit 200"#,
            org.0,
            id,
        )
        .fetch_all(on)
        .await?;
        let participants = rows.into_iter().map(|row| Participant {
            person: Numbered {
                id: row.id,
                number: row.number,
            },
            name: row.name,
            first_name: row.first_name,
            avatar_url: row.avatar_url,
            is_virtual: row.is_virtual,
            participation: row.participation,
        });
        Ok(participants.collect())
    }

    /// Begins the sessions of conversations that were there before: who took part is known from their logs.
    pub(crate) async fn open_sessions(tx: &mut PgConnection, chats: &[(OrgId, i64)]) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "with begun as (
                 insert into conversation.chats (org_id, conversation_id, end_user_wrote)
                 select i.org_id, i.id,
                        coalesce((select true from conversation.messages m
                                  where m.org_id = i.org_id and m.conversation_id = i.id and m.direction = 1 limit 1), false)
                 from unnest((select $1::uuid[]), $2::bigint[]) as i (org_id, id)
                 on conflict do nothing returning org_id, conversation_id
             ),
             noticed as (
                 -- A new version of the conversation, for whoever has read that it has no session.
                 update conversation.conversations c set updated_at = c.updated_at
                 from begun b where c.org_id = b.org_id and c.id = b.conversation_id
             )
             insert into conversation.chat_participants (org_id, conversation_id, person_id, status, joined_at)
             select b.org_id, b.conversation_id, h.person_id, h.status, h.joined_at
             from begun b, conversation.chat_history(b.org_id, b.conversation_id) h",
            &chats.iter().map(|(org, _)| org.0).collect::<Vec<_>>(),
            &chats.iter().map(|(_, id)| *id).collect::<Vec<_>>(),
        )
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Begins the session of a new chat, with the virtual agent that has it.
    pub(crate) async fn begin_session(
        org: OrgId,
        tx: &mut PgConnection,
        id: i64,
        context: Option<&Value>,
        end_user_wrote: bool,
        virtual_agent: Option<Uuid>,
    ) -> Result<(), ConversationError> {
        sqlx::query!(
            "with begun as (
                 insert into conversation.chats (org_id, conversation_id, context, end_user_wrote)
                 values ($1, $2, $3, $4) returning 1
             )
             insert into conversation.chat_participants (org_id, conversation_id, person_id, status, joined_at)
             select $1, $2, $5, 1, clock_timestamp() from begun where $5::uuid is not null",
            org.0,
            id,
            context,
            end_user_wrote,
            virtual_agent,
        )
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Records an event of a chat or an escalation in the transaction that makes it true.
    async fn tell(
        org: OrgId,
        traceparent: Option<&str>,
        tx: &mut PgConnection,
        telling: Telling,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "insert into conversation.outbox (org_id, event_id, stream, type, subject, sequence, traceparent, data)
             values ($1, $2, $3, $4, $5, $6, $7, $8)",
            org.0,
            platform::id::new(),
            telling.stream.key(),
            telling.kind,
            telling.subject,
            telling.sequence,
            traceparent,
            json_text(&telling.data),
        )
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Tells that a chat was created.
    pub(crate) async fn tell_created(
        org: OrgId,
        traceparent: Option<&str>,
        tx: &mut PgConnection,
        id: i64,
    ) -> Result<(), ConversationError> {
        sqlx::query!(
            "update conversation.chats set event_sequence = event_sequence + 1
             where org_id = $1 and conversation_id = $2",
            org.0,
            id,
        )
        .execute(&mut *tx)
        .await?;
        let chat = Self::chat(org, &mut *tx, id).await?;
        let telling = Telling {
            stream: Stream::Events,
            kind: "chat.created",
            subject: format!("chats/{id}"),
            sequence: chat.event_sequence,
            data: json!({ "chat": chat.snapshot() }),
        };
        Ok(Self::tell(org, traceparent, tx, telling).await?)
    }
}

/// An event that is about to be recorded.
struct Telling {
    stream: Stream,
    kind: &'static str,
    subject: String,
    sequence: i64,
    data: Value,
}
