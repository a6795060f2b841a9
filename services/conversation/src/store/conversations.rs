//! Conversations as they are read, and how they begin.

use std::cmp::Reverse;

use platform::OrgId;
use platform::time::Time;
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::Store;
use super::messages::Columns;
use super::transitions::{Line, Lines};
use crate::domain::ConversationError;
use crate::domain::attributes::Shown;
use crate::domain::channel::Channel;
use crate::domain::conversation::{Conversation, ConversationType, Details, LinkKind, Message, Party};
use crate::domain::snapshot::{Lasting, Snapshot};
use crate::domain::state::{Direction, Named, Outcome, State};

/// Who a new conversation is with, who may have it, and where it waits.
#[derive(Debug)]
pub(crate) struct Parties {
    pub(crate) requester: Party,
    pub(crate) agent: Option<Party>,
    pub(crate) queue: Option<Named>,
    /// The database's time.
    pub(crate) now: Time,
}

/// What has to be found for a new conversation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) requester: Uuid,
    pub(crate) agent: Option<Uuid>,
    pub(crate) queue: Option<Uuid>,
    /// The channel and the contact endpoint, by which a flow decides on the queue.
    pub(crate) way_in: Option<(Channel, &'a str)>,
}

/// A conversation that is about to be stored.
#[derive(Debug)]
pub(crate) struct NewConversation {
    pub(crate) kind: ConversationType,
    pub(crate) channel: Channel,
    pub(crate) requester: Party,
    pub(crate) direction: Direction,
    pub(crate) subject: Option<String>,
    pub(crate) language: Option<String>,
    pub(crate) details: Details,
    pub(crate) external_id: Option<String>,
    pub(crate) created_at: Time,
    pub(crate) assigned_at: Time,
    pub(crate) closed_at: Option<Time>,
    pub(crate) messages: Vec<Message>,
}

struct Row {
    /// Which of those that were asked for it is.
    n: i64,
    id: i64,
    kind: ConversationType,
    channel: Channel,
    requester_id: Uuid,
    direction: Direction,
    state: State,
    state_updated_at: Time,
    created_at: Time,
    agent_id: Option<Uuid>,
    assigned_at: Option<Time>,
    queue_id: Option<Uuid>,
    queued_at: Option<Time>,
    subject: Option<String>,
    language: Option<String>,
    details: Json<Details>,
    parent_id: Option<i64>,
    link_kind: Option<LinkKind>,
    external_id: Option<String>,
    closed_at: Option<Time>,
    follow_up_at: Option<Time>,
    anonymized_at: Option<Time>,
    attributes: Json<Vec<Shown>>,
}

impl From<Row> for Conversation {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            channel: row.channel,
            requester_id: row.requester_id,
            direction: row.direction,
            state: row.state,
            state_updated_at: row.state_updated_at,
            created_at: row.created_at,
            agent_id: row.agent_id,
            assigned_at: row.assigned_at,
            queue_id: row.queue_id,
            queued_at: row.queued_at,
            subject: row.subject,
            language: row.language,
            details: row.details.0,
            parent_id: row.parent_id,
            link_kind: row.link_kind,
            attributes: row.attributes.0,
            external_id: row.external_id,
            closed_at: row.closed_at,
            follow_up_at: row.follow_up_at,
            anonymized_at: row.anonymized_at,
        }
    }
}

impl Store {
    /// A conversation.
    pub(crate) async fn conversation(
        org: OrgId,
        on: impl PgExecutor<'_>,
        id: i64,
    ) -> Result<Conversation, ConversationError> {
        Self::conversations(org, on, &[id])
            .await?
            .pop()
            .ok_or(ConversationError::ConversationNotFound)
    }

    /// Those of these conversations that exist, newest first.
    pub(crate) async fn conversations(
        org: OrgId,
        on: impl PgExecutor<'_>,
        ids: &[i64],
    ) -> Result<Vec<Conversation>, ConversationError> {
        let wanted: Vec<_> = ids.iter().map(|id| (org, *id)).collect();
        let found = Self::conversations_by_id(on, &wanted).await?;
        let mut found: Vec<_> = found.into_iter().flatten().collect();
        found.sort_unstable_by_key(|conversation| Reverse(conversation.id));
        Ok(found)
    }

    /// These conversations, each where it was asked for.
    pub(super) async fn conversations_by_id(
        on: impl PgExecutor<'_>,
        wanted: &[(OrgId, i64)],
    ) -> Result<Vec<Option<Conversation>>, sqlx::Error> {
        let rows = sqlx::query_as!(
            Row,
            r#"select i.n as "n!", c.id, c.type as "kind: ConversationType", c.channel as "channel: Channel", c.requester_id,
                      c.direction as "direction: Direction", c.state as "state: State", c.state_updated_at, c.created_at,
                      c.agent_id, c.assigned_at, c.queue_id, c.queued_at, c.subject, c.language,
                      c.details as "details: Json<Details>", c.parent_id, c.link_kind as "link_kind: LinkKind",
                      c.external_id, c.closed_at, c.follow_up_at, c.anonymized_at,
                      (select coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'name', d.label, 'identifier', d.identifier,
                                                                    'value', v.value) order by d.created_at, d.id), '[]')
                       from conversation.conversation_attributes v
                       join conversation.custom_attributes d on d.org_id = v.org_id and d.id = v.attribute_id
                       where v.org_id = c.org_id and v.conversation_id = c.id) as "attributes!: Json<Vec<Shown>>"
               from unnest((select $1::uuid[]), $2::bigint[]) with ordinality as i (org_id, id, n)
               join conversation.conversations c on c.org_id = i.org_id and c.id = i.id"#,
            &wanted.iter().map(|(org, _)| org.0).collect::<Vec<_>>(),
            &wanted.iter().map(|(_, id)| *id).collect::<Vec<_>>(),
        )
        .fetch_all(on)
        .await?;
        let mut found: Vec<Option<Conversation>> = wanted.iter().map(|_| None).collect();
        for row in rows {
            let index = usize::try_from(row.n - 1).unwrap_or_default();
            found[index] = Some(row.into());
        }
        Ok(found)
    }

    /// That there is such a conversation.
    pub(crate) async fn expect_conversation(
        org: OrgId,
        on: impl PgExecutor<'_>,
        id: i64,
    ) -> Result<(), ConversationError> {
        sqlx::query_scalar!(
            r#"select 1 as "one!" from conversation.conversations where org_id = $1 and id = $2"#,
            org.0,
            id,
        )
        .fetch_optional(on)
        .await?
        .map(drop)
        .ok_or(ConversationError::ConversationNotFound)
    }

    /// The ids of an end user's conversations, newest first, from below `before`.
    pub(crate) async fn conversations_of(
        org: OrgId,
        on: impl PgExecutor<'_>,
        requester: Uuid,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<i64>, ConversationError> {
        Ok(sqlx::query_scalar!(
            "select id from conversation.conversations
             where org_id = $1 and requester_id = $2 and id < coalesce($3, 9223372036854775807)
             order by id desc limit $4",
            org.0,
            requester,
            before,
            limit,
        )
        .fetch_all(on)
        .await?)
    }

    /// The conversation with an external id.
    pub(crate) async fn conversation_by_external_id(
        org: OrgId,
        on: impl PgExecutor<'_>,
        external_id: &str,
    ) -> Result<i64, ConversationError> {
        sqlx::query_scalar!(
            "select id from conversation.conversations where org_id = $1 and external_id = $2",
            org.0,
            external_id,
        )
        .fetch_optional(on)
        .await?
        .ok_or(ConversationError::ConversationNotFound)
    }

    /// Finds the parties of a new conversation in one statement. A queue or agent that is not found is absent. The requester
    /// is kept from being anonymized until the transaction ends: his conversation would be missed.
    pub(crate) async fn parties(
        org: OrgId,
        on: impl PgExecutor<'_>,
        wanted: Wanted<'_>,
    ) -> Result<Parties, ConversationError> {
        let (channel, endpoint) = wanted.way_in.unzip();
        let row = sqlx::query!(
            r#"select r.id, r.display_name, r.email, r.phone_number, a.id as "agent_id?", a.display_name as agent_name,
                      a.email as agent_email, a.phone_number as agent_phone, q.id as "queue_id?", q.name as "queue_name?", clock_timestamp() as "now!"
               from conversation.people r
               left join conversation.people a on a.org_id = $1 and a.id = $3 and a.is_agent
               left join conversation.queues q on q.org_id = $1 and q.id = coalesce(
                   $4,
                   (select f.queue_id from conversation.flows f
                    where f.org_id = $1 and f.channel = $5 and f.contact_endpoint_id = $6 order by f.id desc limit 1),
                   (select d.id from conversation.queues d where d.org_id = $1 and d.is_default))
               where r.org_id = $1 and r.id = $2 and r.is_end_user and r.anonymized_at is null
               for key share of r"#,
            org.0,
            wanted.requester,
            wanted.agent,
            wanted.queue,
            channel.map(|channel| channel as i16),
            endpoint,
        )
        .fetch_optional(on)
        .await?
        .ok_or(ConversationError::EndUserNotFound)?;
        Ok(Parties {
            requester: Party {
                id: row.id,
                name: row.display_name,
                email: row.email,
                phone: row.phone_number,
            },
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
            now: row.now,
        })
    }

    /// Stores a new conversation with its messages, its log and, when it is `told`, its events, in one statement.
    /// `None` when its external id is taken.
    pub(crate) async fn insert_conversation(
        org: OrgId,
        tx: &mut PgConnection,
        new: NewConversation,
        outcome: Outcome,
        lines: Vec<Line>,
        told: Option<Option<&str>>,
    ) -> Result<Option<i64>, ConversationError> {
        let standing = outcome.standing;
        let lasting = Lasting {
            channel: new.channel,
            direction: new.direction,
            requester: &new.requester,
            details: &new.details,
            subject: new.subject.as_deref(),
            created_at: new.created_at,
        };
        let snapshot = Snapshot::new(lasting, &standing);
        let mut lines = Lines::new(&lines.iter().map(|line| (line, &snapshot)).collect::<Vec<_>>());
        let logged = lines.count();
        if told.is_none() {
            lines.event_ids.clear();
            lines.events.clear();
            lines.before_tags.clear();
            lines.after_tags.clear();
        }
        let messages = Columns::new(&new.messages.iter());
        let last_message_at = new.messages.iter().map(|message| message.created_at).max();
        let state_updated_at = new.closed_at.unwrap_or(new.created_at);
        let assigned_at = standing.agent.as_ref().map(|_| new.assigned_at);
        let queued_at = standing.queue.as_ref().map(|_| new.created_at);
        let told_events = if told.is_some() { i64::from(logged) } else { 0 };
        Ok(sqlx::query_scalar!(
            r#"with made as (
                   insert into conversation.conversations as c
                       (org_id, type, channel, direction, state, state_updated_at, requester_id, agent_id, assigned_at,
                        queue_id, queued_at, subject, language, details, external_id, closed_at, created_at, updated_at,
                        message_count, last_message_at, activity_sequence, event_sequence)
                   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
                           $21, $22)
                   on conflict (org_id, external_id) do nothing
                   returning c.id
               ),
               written as (
                   insert into conversation.messages (org_id, conversation_id, position, id, type, direction, author_id,
                                                      external_id, content_type, content, attachments, details, created_at,
                                                      search)
                   select $1, made.id, m.n, m.id, m.type, m.direction, m.author, m.external_id, m.content_type,
                          m.content, m.attachments, m.details, m.created_at,
                          conversation.search_vector(l.config, m.content)
                   from made, (select conversation.search_config($13) as config offset 0) l, unnest($23::uuid[], $24::smallint[], $25::smallint[], $26::uuid[], $27::text[],
                                     $28::smallint[], $29::text[], $30::jsonb[], $31::jsonb[], $32::timestamptz[])
                       with ordinality as m (id, type, direction, author, external_id, content_type, content, attachments,
                                             details, created_at, n)
               ),
               logged as (
                   insert into conversation.activity_log (org_id, conversation_id, sequence, id, at, type, author_id,
                                                          attributes)
                   select $1, made.id, l.n, l.id, l.at, l.kind, l.author, l.attributes
                   from made, unnest($33::uuid[], $34::text[], $35::uuid[], $36::timestamptz[], $37::jsonb[])
                       with ordinality as l (id, kind, author, at, attributes, n)
               ),
               told as (
                   insert into conversation.outbox (org_id, event_id, stream, type, subject, sequence, traceparent, data)
                   select $1, e.id, 'handoff:events', e.kind, 'conversations/' || made.id, e.n, $38,
                          '{"conversation":{"csid":' || made.id || e.before_tags || e.after_tags
                   from made, unnest($39::uuid[], $40::text[], $41::text[], $42::text[])
                       with ordinality as e (id, kind, before_tags, after_tags, n)
                   order by e.n
               )
               select id as "id!" from made"#,
            org.0,
            new.kind as i16,
            new.channel as i16,
            new.direction as i16,
            standing.state as i16,
            state_updated_at,
            new.requester.id,
            standing.agent.as_ref().map(|agent| agent.id),
            assigned_at,
            standing.queue.as_ref().map(|queue| queue.id),
            queued_at,
            new.subject.as_deref(),
            new.language,
            Json(&new.details) as _,
            new.external_id,
            new.closed_at,
            new.created_at,
            state_updated_at,
            messages.count(),
            last_message_at,
            logged,
            told_events,
            &messages.ids,
            &messages.kinds,
            &messages.directions,
            &messages.authors,
            &messages.external_ids as &[Option<&str>],
            &messages.content_types as &[Option<i16>],
            &messages.contents as &[Option<&str>],
            &messages.attachments,
            &messages.details,
            &messages.created_ats,
            &lines.ids,
            &lines.kinds as &[&str],
            &lines.authors as &[Option<Uuid>],
            &lines.ats,
            &lines.attributes as &[Option<&Value>],
            told.flatten(),
            &lines.event_ids,
            &lines.events as &[&str],
            &lines.before_tags,
            &lines.after_tags,
        )
        .fetch_optional(tx)
        .await?)
    }
}
