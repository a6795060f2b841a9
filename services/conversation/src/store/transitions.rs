//! The steps of a conversation: locked, decided in the domain, saved with what they log and tell.

use platform::OrgId;
use platform::access::Call;
use platform::time::Time;
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::Store;
use super::chats::Followed;
use crate::domain::ConversationError;
use crate::domain::channel::Channel;
use crate::domain::conversation::{ConversationType, Details, Locked, Requester};
use crate::domain::state::{Entry, Named, Outcome, Standing, State};

/// A line of the activity log that is about to be stored, with its event.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) entry: Entry,
    /// Nobody: it happened by itself.
    pub(crate) author: Option<Uuid>,
    pub(crate) at: Time,
}

/// The columns of lines, as statements take them.
pub(super) struct Lines {
    pub(super) ids: Vec<Uuid>,
    pub(super) kinds: Vec<&'static str>,
    pub(super) authors: Vec<Option<Uuid>>,
    pub(super) ats: Vec<Time>,
    pub(super) attributes: Vec<Option<Value>>,
    pub(super) event_ids: Vec<Uuid>,
    pub(super) events: Vec<&'static str>,
    pub(super) data: Vec<Value>,
}

impl Lines {
    pub(super) fn new(lines: Vec<Line>) -> Self {
        let mut columns = Self {
            ids: lines.iter().map(|_| platform::id::new()).collect(),
            kinds: lines.iter().map(|line| line.entry.kind).collect(),
            authors: lines.iter().map(|line| line.author).collect(),
            ats: lines.iter().map(|line| line.at).collect(),
            attributes: Vec::with_capacity(lines.len()),
            event_ids: lines.iter().map(|_| platform::id::new()).collect(),
            events: lines.iter().map(|line| line.entry.event).collect(),
            data: Vec::with_capacity(lines.len()),
        };
        for line in lines {
            columns.attributes.push(line.entry.attributes);
            columns.data.push(line.entry.data);
        }
        columns
    }

    /// What numbers grow by.
    pub(super) fn count(&self) -> i32 {
        i32::try_from(self.ids.len()).unwrap_or(i32::MAX)
    }
}

/// A step that is about to be saved.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) outcome: Outcome,
    /// Nobody: it happened by itself.
    pub(crate) author: Option<Uuid>,
    /// Messages it adds.
    pub(crate) messages: i32,
}

struct LockedRow {
    id: i64,
    kind: ConversationType,
    channel: Channel,
    requester_id: Uuid,
    requester_name: Option<String>,
    requester_email: Option<String>,
    requester_phone: Option<String>,
    state: State,
    agent_id: Option<Uuid>,
    agent_name: Option<String>,
    queue_id: Option<Uuid>,
    queue_name: Option<String>,
    default_queue_id: Option<Uuid>,
    default_queue_name: Option<String>,
    details: Json<Details>,
    parent_id: Option<i64>,
    follow_up_at: Option<Time>,
    anonymized: bool,
    message_count: i32,
    activity_sequence: i32,
    event_sequence: i64,
    has_chat: bool,
    now: Time,
}

impl From<LockedRow> for Locked {
    fn from(row: LockedRow) -> Self {
        let named = |id: Option<Uuid>, name| id.map(|id| Named { id, name });
        Self {
            id: row.id,
            kind: row.kind,
            channel: row.channel,
            requester: Requester {
                id: row.requester_id,
                name: row.requester_name,
                email: row.requester_email,
                phone: row.requester_phone,
            },
            details: row.details.0,
            parent_id: row.parent_id,
            anonymized: row.anonymized,
            now: row.now,
            standing: Standing {
                state: row.state,
                agent: named(row.agent_id, row.agent_name),
                queue: named(row.queue_id, row.queue_name),
                follow_up_at: row.follow_up_at,
            },
            message_count: row.message_count,
            activity_sequence: row.activity_sequence,
            event_sequence: row.event_sequence,
            default_queue: named(row.default_queue_id, row.default_queue_name),
            has_chat: row.has_chat,
            ending: None,
        }
    }
}

impl Store {
    /// Locks a conversation until the end of the transaction.
    ///
    /// Names come from scalar subqueries, which are evaluated again when the row has changed while we waited for it.
    pub(crate) async fn lock_conversation(
        org: OrgId,
        tx: &mut PgConnection,
        id: i64,
    ) -> Result<Locked, ConversationError> {
        sqlx::query_as!(
            LockedRow,
            r#"select c.id, c.type as "kind: ConversationType", c.channel as "channel: Channel", c.requester_id,
                      (select p.display_name from conversation.people p
                       where p.org_id = c.org_id and p.id = c.requester_id) as requester_name,
                      (select p.email from conversation.people p
                       where p.org_id = c.org_id and p.id = c.requester_id) as requester_email,
                      (select p.phone_number from conversation.people p
                       where p.org_id = c.org_id and p.id = c.requester_id) as requester_phone,
                      c.state as "state: State", c.agent_id,
                      (select p.display_name from conversation.people p
                       where p.org_id = c.org_id and p.id = c.agent_id) as agent_name,
                      c.queue_id,
                      (select q.name from conversation.queues q
                       where q.org_id = c.org_id and q.id = c.queue_id) as queue_name,
                      (select q.id from conversation.queues q
                       where q.org_id = c.org_id and q.is_default) as default_queue_id,
                      (select q.name from conversation.queues q
                       where q.org_id = c.org_id and q.is_default) as default_queue_name,
                      c.details as "details: Json<Details>", c.parent_id, c.follow_up_at,
                      c.anonymized_at is not null as "anonymized!", c.message_count, c.activity_sequence,
                      c.event_sequence, c.channel = 3 and exists(select from conversation.chats s
                                               where s.org_id = c.org_id and s.conversation_id = c.id) as "has_chat!",
                      clock_timestamp() as "now!"
               from conversation.conversations c where c.org_id = $1 and c.id = $2
               for no key update of c"#,
            org.0,
            id,
        )
        .fetch_optional(tx)
        .await?
        .map(Locked::from)
        .ok_or(ConversationError::ConversationNotFound)
    }

    /// Gives a conversation that nobody has to an agent, in one conditional update; `None` when somebody has it or it is
    /// closed, anonymized or absent. Of any number of agents at once, one gets it. Returns what it was before.
    pub(crate) async fn take_conversation(
        org: OrgId,
        tx: &mut PgConnection,
        id: i64,
        agent: Uuid,
    ) -> Result<Option<Locked>, ConversationError> {
        let row = sqlx::query_as!(
            LockedRow,
            r#"update conversation.conversations c set agent_id = $3, assigned_at = clock_timestamp()
               where c.org_id = $1 and c.id = $2 and c.agent_id is null and c.state <> 3 and c.anonymized_at is null
               returning c.id, c.type as "kind: ConversationType", c.channel as "channel: Channel", c.requester_id,
                         null as requester_name, null as requester_email, null as requester_phone,
                         c.state as "state: State", null::uuid as agent_id, null as agent_name, c.queue_id,
                         (select q.name from conversation.queues q
                          where q.org_id = c.org_id and q.id = c.queue_id) as queue_name,
                         null::uuid as default_queue_id, null as default_queue_name,
                         c.details as "details: Json<Details>", c.parent_id, c.follow_up_at,
                         false as "anonymized!", c.message_count, c.activity_sequence, c.event_sequence,
                         c.channel = 3 and exists(select from conversation.chats s
                                               where s.org_id = c.org_id and s.conversation_id = c.id) as "has_chat!",
                      clock_timestamp() as "now!""#,
            org.0,
            id,
            agent,
        )
        .fetch_optional(tx)
        .await?;
        Ok(row.map(Locked::from))
    }

    /// Saves a step of a locked conversation, with its lines of the activity log and its events, in one statement.
    pub(crate) async fn save_step(
        call: &Call,
        tx: &mut PgConnection,
        locked: &Locked,
        step: Step,
    ) -> Result<(), ConversationError> {
        Self::save_outcome(call.org(), call.traceparent.as_deref(), tx, locked, step).await
    }

    /// [`Store::save_step`], for what no caller asked for.
    pub(crate) async fn save_outcome(
        org: OrgId,
        traceparent: Option<&str>,
        tx: &mut PgConnection,
        locked: &Locked,
        step: Step,
    ) -> Result<(), ConversationError> {
        let Outcome {
            standing,
            enqueued,
            entries,
        } = step.outcome;
        let told = entries.iter().map(|entry| (entry, entry.author.or(step.author)));
        let followed = Followed::of(org, traceparent, locked, &standing, told);
        let lines = entries.into_iter().map(|entry| Line {
            author: entry.author.or(step.author),
            at: locked.now,
            entry,
        });
        let lines = Lines::new(lines.collect());
        sqlx::query!(
            "with saved as (
                 update conversation.conversations c
                 set state_updated_at = case when c.state = $3 then c.state_updated_at else $4 end, state = $3,
                     assigned_at = case when $5::uuid is null then null
                                        when c.agent_id is distinct from $5 then $4 else c.assigned_at end,
                     agent_id = $5, queue_id = $6, queued_at = case when $7 then $4 else c.queued_at end,
                     closed_at = case when $3 = 3 then coalesce(c.closed_at, $4) end, follow_up_at = $8,
                     message_count = c.message_count + $9,
                     last_message_at = case when $9 > 0 then $4 else c.last_message_at end,
                     activity_sequence = c.activity_sequence + $10, event_sequence = c.event_sequence + $10,
                     updated_at = $4
                 where c.org_id = $1 and c.id = $2
                 returning c as row
             ),
             told as materialized (select conversation.snapshot(row) as snapshot from saved),
             logged as (
                 insert into conversation.activity_log (org_id, conversation_id, sequence, id, at, type, author_id,
                                                        attributes)
                 select $1, $2, $11 + l.n, l.id, l.at, l.kind, l.author, l.attributes
                 from unnest($12::uuid[], $13::text[], $14::uuid[], $15::timestamptz[], $16::jsonb[])
                     with ordinality as l (id, kind, author, at, attributes, n)
             )
             insert into conversation.outbox (org_id, event_id, stream, type, subject, sequence, traceparent, data)
             select $1, e.id, 'handoff:events', e.kind, 'conversations/' || $2::bigint, $17 + e.n, $18,
                    (e.data || jsonb_build_object('conversation', told.snapshot))::text
             from told, unnest($19::uuid[], $20::text[], $21::jsonb[]) with ordinality as e (id, kind, data, n)
             order by e.n",
            org.0,
            locked.id,
            standing.state as i16,
            locked.now,
            standing.agent.map(|agent| agent.id),
            standing.queue.map(|queue| queue.id),
            enqueued,
            standing.follow_up_at,
            step.messages,
            lines.count(),
            i64::from(locked.activity_sequence),
            &lines.ids,
            &lines.kinds as &[&str],
            &lines.authors as &[Option<Uuid>],
            &lines.ats,
            &lines.attributes as &[Option<Value>],
            locked.event_sequence,
            traceparent,
            &lines.event_ids,
            &lines.events as &[&str],
            &lines.data,
        )
        .execute(&mut *tx)
        .await?;
        match followed {
            Some(followed) => Self::follow_chat(tx, followed).await,
            None => Ok(()),
        }
    }
}
