//! Conversations as a step finds them: locked and read, or only read, with versions that tell later whether anybody has been
//! faster.

use platform::OrgId;
use platform::time::Time;
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::Store;
use crate::domain::ConversationError;
use crate::domain::channel::Channel;
use crate::domain::chats::chat::{Agent, Chat, EndUser, Menu, Numbered};
use crate::domain::chats::{Ended, Session};
use crate::domain::conversation::{ConversationType, Details, Locked, Party};
use crate::domain::state::{Direction, Named, Standing, State};

/// A conversation with its chat, as one statement has read them.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) locked: Locked,
    /// What can be a chat is one, if only without a session.
    pub(super) chat: Option<Chat>,
    pub(super) versions: Versions,
}

/// Which versions of their rows a conversation and the session of its chat were read in: the transactions that wrote them.
#[derive(Clone, Debug)]
pub(super) struct Versions {
    pub(super) conversation: String,
    pub(super) session: Option<String>,
}

struct Row {
    /// Which of those that were asked for it is.
    n: i64,
    id: i64,
    kind: ConversationType,
    channel: Channel,
    direction: Direction,
    state: State,
    details: Json<Details>,
    subject: Option<String>,
    language: Option<String>,
    parent_id: Option<i64>,
    created_at: Time,
    closed_at: Option<Time>,
    follow_up_at: Option<Time>,
    anonymized: bool,
    message_count: i32,
    activity_sequence: i32,
    event_sequence: i64,
    version: String,
    now: Time,
    requester_id: Uuid,
    requester_number: Option<i64>,
    requester_name: Option<String>,
    requester_email: Option<String>,
    requester_phone: Option<String>,
    requester_identifier: Option<String>,
    agent_id: Option<Uuid>,
    agent_number: Option<i64>,
    agent_name: Option<String>,
    agent_email: Option<String>,
    agent_phone: Option<String>,
    agent_is_virtual: Option<bool>,
    queue_id: Option<Uuid>,
    queue_number: Option<i64>,
    queue_name: Option<String>,
    queue_language: Option<String>,
    /// Id and name, for one that is in no queue.
    default_queue: Option<Vec<String>>,
    session_version: Option<String>,
    context: Option<Value>,
    ended: Option<Ended>,
    end_user_wrote: Option<bool>,
    taken: Option<bool>,
    idle_since: Option<Time>,
    dismissed_since: Option<Time>,
    chat_event_sequence: Option<i64>,
}

impl Row {
    fn chat(&self) -> Chat {
        let numbered = |id: Uuid, number: Option<i64>| Numbered {
            id,
            number: number.unwrap_or_default(),
        };
        Chat {
            id: self.id,
            state: self.state,
            created_at: self.created_at,
            closed_at: self.closed_at,
            language: self.language.clone(),
            end_user: EndUser {
                person: numbered(self.requester_id, self.requester_number),
                identifier: self.requester_identifier.clone(),
                name: self.requester_name.clone(),
                email: self.requester_email.clone(),
                phone: self.requester_phone.clone(),
            },
            agent: self.agent_id.map(|id| Agent {
                person: numbered(id, self.agent_number),
                name: self.agent_name.clone(),
                is_virtual: self.agent_is_virtual.unwrap_or_default(),
            }),
            menu: self
                .queue_number
                .zip(self.queue_name.clone())
                .map(|(number, name)| Menu {
                    number,
                    name,
                    language: self.queue_language.clone(),
                }),
            context: self.context.clone(),
            session: self.session_version.as_ref().map(|_| Session {
                ended: self.ended,
                end_user_wrote: self.end_user_wrote.unwrap_or_default(),
                taken: self.taken.unwrap_or_default(),
            }),
            idle_since: self.idle_since,
            dismissed_since: self.dismissed_since,
            event_sequence: self.chat_event_sequence.unwrap_or_default(),
        }
    }
}

impl From<Row> for Seen {
    fn from(row: Row) -> Self {
        let is_chat = row.kind == ConversationType::Chat && row.channel == Channel::WidgetChat;
        let chat = is_chat.then(|| row.chat());
        let mut default_queue = row.default_queue.unwrap_or_default().into_iter();
        let default_queue = default_queue
            .next()
            .and_then(|id| platform::id::parse(&id))
            .map(|id| Named {
                id,
                name: default_queue.next(),
            });
        let locked = Locked {
            id: row.id,
            kind: row.kind,
            channel: row.channel,
            direction: row.direction,
            requester: Party {
                id: row.requester_id,
                name: row.requester_name,
                email: row.requester_email,
                phone: row.requester_phone,
            },
            subject: row.subject,
            created_at: row.created_at,
            details: row.details.0,
            language: row.language,
            parent_id: row.parent_id,
            anonymized: row.anonymized,
            now: row.now,
            standing: Standing {
                state: row.state,
                agent: row.agent_id.map(|id| Party {
                    id,
                    name: row.agent_name,
                    email: row.agent_email,
                    phone: row.agent_phone,
                }),
                queue: row.queue_id.map(|id| Named {
                    id,
                    name: row.queue_name,
                }),
                follow_up_at: row.follow_up_at,
            },
            message_count: row.message_count,
            activity_sequence: row.activity_sequence,
            event_sequence: row.event_sequence,
            default_queue,
            ending: None,
        };
        Self {
            locked,
            chat,
            versions: Versions {
                conversation: row.version,
                session: row.session_version,
            },
        }
    }
}

impl Store {
    /// Locks a conversation until the end of the transaction.
    pub(crate) async fn lock_conversation(
        org: OrgId,
        tx: &mut PgConnection,
        id: i64,
    ) -> Result<Locked, ConversationError> {
        Self::lock_conversations(tx, &[(org, id)]).await?;
        Self::read_locked(org, tx, id)
            .await?
            .ok_or(ConversationError::ConversationNotFound)
    }

    async fn read_locked(org: OrgId, tx: &mut PgConnection, id: i64) -> Result<Option<Locked>, sqlx::Error> {
        let seen = Self::see_conversations(tx, &[(org, id)]).await?;
        Ok(seen.into_iter().flatten().next().map(|seen| seen.locked))
    }

    /// Locks these conversations until the end of the transaction, in the order of their keys, so that two of these
    /// transactions never wait for each other. What is read afterwards is what they are until then.
    ///
    /// One array is a subquery, here and wherever many are read or saved at once: a planner that sees how many there are
    /// plans anew whenever it is a few.
    pub(super) async fn lock_conversations(tx: &mut PgConnection, wanted: &[(OrgId, i64)]) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "select c.id from unnest((select $1::uuid[]), $2::bigint[]) as i (org_id, id)
             join conversation.conversations c on c.org_id = i.org_id and c.id = i.id
             order by c.org_id, c.id for no key update of c",
            &wanted.iter().map(|(org, _)| org.0).collect::<Vec<_>>(),
            &wanted.iter().map(|(_, id)| *id).collect::<Vec<_>>(),
        )
        .fetch_all(tx)
        .await?;
        Ok(())
    }

    /// Reads these conversations with their chats, each where it was asked for; none of them may come twice. Offsets keep each
    /// look-up one by itself, as in [`super::additions`].
    pub(super) async fn see_conversations(
        on: impl PgExecutor<'_>,
        wanted: &[(OrgId, i64)],
    ) -> Result<Vec<Option<Seen>>, sqlx::Error> {
        let rows = sqlx::query_as!(
            Row,
            r#"select i.n as "n!", c.id, c.type as "kind: ConversationType", c.channel as "channel: Channel",
                      c.direction as "direction: Direction", c.state as "state: State", c.details as "details: Json<Details>",
                      c.subject, c.language, c.parent_id, c.created_at, c.closed_at, c.follow_up_at,
                      c.anonymized_at is not null as "anonymized!", c.message_count, c.activity_sequence, c.event_sequence,
                      c.xmin::text as "version!", clock_timestamp() as "now!", c.requester_id,
                      r.number as "requester_number?", r.display_name as requester_name, r.email as requester_email,
                      r.phone_number as requester_phone, r.external_id as requester_identifier, c.agent_id,
                      a.number as "agent_number?", a.display_name as agent_name, a.email as agent_email,
                      a.phone_number as agent_phone, a.is_virtual as "agent_is_virtual?", c.queue_id,
                      q.number as "queue_number?", q.name as "queue_name?", q.language as queue_language,
                      case when c.queue_id is null then (select array[q.id::text, q.name] from conversation.queues q
                                                         where q.org_id = c.org_id and q.is_default) end as default_queue,
                      s.xmin::text as session_version, s.context, s.ended_as as "ended: Ended",
                      s.end_user_wrote as "end_user_wrote?",
                      case when s.conversation_id is not null
                           then coalesce((select true from conversation.chat_participants t
                                          where t.org_id = c.org_id and t.conversation_id = c.id limit 1), false)
                      end as taken,
                      s.idle_since, s.dismissed_since, s.event_sequence as "chat_event_sequence?"
               from unnest((select $1::uuid[]), $2::bigint[]) with ordinality as i (org_id, id, n)
               join conversation.conversations c on c.org_id = i.org_id and c.id = i.id
               left join lateral (select * from conversation.people p
                                  where p.org_id = c.org_id and p.id = c.requester_id offset 0) r on true
               left join lateral (select * from conversation.people p
                                  where p.org_id = c.org_id and p.id = c.agent_id offset 0) a on true
               left join lateral (select * from conversation.queues q
                                  where q.org_id = c.org_id and q.id = c.queue_id offset 0) q on true
               left join lateral (select s.xmin, s.* from conversation.chats s
                                  where s.org_id = c.org_id and s.conversation_id = c.id offset 0) s on true"#,
            &wanted.iter().map(|(org, _)| org.0).collect::<Vec<_>>(),
            &wanted.iter().map(|(_, id)| *id).collect::<Vec<_>>(),
        )
        .fetch_all(on)
        .await?;
        let mut seen: Vec<Option<Seen>> = wanted.iter().map(|_| None).collect();
        for row in rows {
            let index = usize::try_from(row.n - 1).unwrap_or_default();
            seen[index] = Some(row.into());
        }
        Ok(seen)
    }

    /// Gives a conversation that nobody has to an agent, in one conditional update; `None` when somebody has it or it is
    /// closed, anonymized or absent. Of any number of agents at once, one gets it. Returns what it was before.
    pub(crate) async fn take_conversation(
        org: OrgId,
        tx: &mut PgConnection,
        id: i64,
        agent: Uuid,
    ) -> Result<Option<Locked>, ConversationError> {
        let taken = sqlx::query!(
            "update conversation.conversations c set agent_id = $3, assigned_at = clock_timestamp()
             where c.org_id = $1 and c.id = $2 and c.agent_id is null and c.state <> 3 and c.anonymized_at is null",
            org.0,
            id,
            agent,
        )
        .execute(&mut *tx)
        .await?;
        if taken.rows_affected() == 0 {
            return Ok(None);
        }
        let taken = Self::read_locked(org, tx, id).await?;
        Ok(taken.map(|mut taken| {
            taken.standing.agent = None;
            taken
        }))
    }
}
