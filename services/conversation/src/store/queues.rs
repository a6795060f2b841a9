//! Queues and their members.

use platform::OrgId;
use platform::time::Time;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::{MOST, Store};
use crate::domain::ConversationError;
use crate::domain::conversation::Party;
use crate::domain::queues::{Member, Position, Queue};

struct Row {
    id: Uuid,
    number: i64,
    name: String,
    is_default: bool,
    virtual_agent_id: Option<Uuid>,
    options: String,
    created_at: Time,
}

impl From<Row> for Queue {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            number: row.number,
            name: row.name,
            is_default: row.is_default,
            virtual_agent_id: row.virtual_agent_id,
            options: row.options,
            created_at: row.created_at,
        }
    }
}

/// A queue that is about to be stored.
#[derive(Debug)]
pub(crate) struct NewQueue {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) is_default: bool,
    pub(crate) virtual_agent_id: Option<Uuid>,
    /// A JSON object.
    pub(crate) options: serde_json::Value,
}

impl Store {
    /// Stores a queue. The first of an organization is the default one whatever is asked for; one that is to be it takes
    /// that over from the one before.
    pub(crate) async fn create_queue(
        org: OrgId,
        tx: &mut PgConnection,
        new: NewQueue,
    ) -> Result<Queue, ConversationError> {
        // Which queue is the default one is decided by one transaction at a time.
        sqlx::query!(
            "select pg_advisory_xact_lock(hashtextextended($1, 0))",
            format!("queues/{org}")
        )
        .execute(&mut *tx)
        .await?;
        if new.is_default {
            sqlx::query!(
                "update conversation.queues set is_default = false where org_id = $1 and is_default",
                org.0
            )
            .execute(&mut *tx)
            .await?;
        }
        let row = sqlx::query_as!(
            Row,
            r#"insert into conversation.queues (org_id, id, name, is_default, virtual_agent_id, options)
               values ($1, $2, $3, not exists (select from conversation.queues where org_id = $1 and is_default), $4, $5)
               returning id, number, name, is_default, virtual_agent_id, options::text as "options!", created_at"#,
            org.0,
            new.id,
            new.name,
            new.virtual_agent_id,
            new.options
        )
        .fetch_one(tx)
        .await?;
        Ok(row.into())
    }

    /// A queue.
    pub(crate) async fn queue(org: OrgId, on: impl PgExecutor<'_>, id: Uuid) -> Result<Queue, ConversationError> {
        sqlx::query_as!(
            Row,
            r#"select id, number, name, is_default, virtual_agent_id, options::text as "options!", created_at
               from conversation.queues where org_id = $1 and id = $2"#,
            org.0,
            id
        )
        .fetch_optional(on)
        .await?
        .map(Queue::from)
        .ok_or(ConversationError::QueueNotFound)
    }

    /// The queues, by name.
    pub(crate) async fn queues(org: OrgId, on: impl PgExecutor<'_>) -> Result<Vec<Queue>, ConversationError> {
        let rows = sqlx::query_as!(
            Row,
            r#"select id, number, name, is_default, virtual_agent_id, options::text as "options!", created_at
               from conversation.queues where org_id = $1 order by name, id limit $2"#,
            org.0,
            MOST
        )
        .fetch_all(on)
        .await?;
        Ok(rows.into_iter().map(Queue::from).collect())
    }

    /// The members of a queue, in the order in which they became agents.
    pub(crate) async fn queue_members(
        org: OrgId,
        on: impl PgExecutor<'_>,
        id: Uuid,
    ) -> Result<Vec<Member>, ConversationError> {
        Ok(sqlx::query_as!(
            Member,
            "select m.agent_id, m.priority from conversation.queue_members m
             join conversation.people p on p.org_id = m.org_id and p.id = m.agent_id
             where m.org_id = $1 and m.queue_id = $2 order by p.number limit $3",
            org.0,
            id,
            MOST
        )
        .fetch_all(on)
        .await?)
    }

    /// Adds agents to a queue; who is a member already stays one.
    pub(crate) async fn add_queue_members(
        org: OrgId,
        tx: &mut PgConnection,
        id: Uuid,
        agents: &[Uuid],
    ) -> Result<(), ConversationError> {
        sqlx::query!(
            "insert into conversation.queue_members (org_id, queue_id, agent_id)
             select $1, $2, agent_id from unnest($3::uuid[]) as agent_id order by agent_id on conflict do nothing",
            org.0,
            id,
            agents
        )
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Takes agents out of a queue; says who was in it.
    pub(crate) async fn remove_queue_members(
        org: OrgId,
        tx: &mut PgConnection,
        id: Uuid,
        agents: &[Uuid],
    ) -> Result<Vec<Uuid>, ConversationError> {
        Ok(sqlx::query_scalar!(
            "delete from conversation.queue_members where org_id = $1 and queue_id = $2 and agent_id = any($3)
             returning agent_id",
            org.0,
            id,
            agents
        )
        .fetch_all(tx)
        .await?)
    }

    /// Those of these people who are agents, kept from ceasing to be it until the transaction ends.
    pub(crate) async fn hold_agents(
        org: OrgId,
        tx: &mut PgConnection,
        ids: &[Uuid],
    ) -> Result<Vec<Uuid>, ConversationError> {
        Ok(sqlx::query_scalar!(
            "select id from conversation.people where org_id = $1 and id = any($2) and is_agent order by id for share",
            org.0,
            ids
        )
        .fetch_all(tx)
        .await?)
    }

    /// An agent, kept from ceasing to be it until the transaction ends.
    pub(crate) async fn hold_agent(
        org: OrgId,
        tx: &mut PgConnection,
        id: Uuid,
    ) -> Result<Option<Party>, ConversationError> {
        Ok(sqlx::query_as!(
            Party,
            "select id, display_name as name, email, phone_number as phone from conversation.people
             where org_id = $1 and id = $2 and is_agent for share",
            org.0,
            id
        )
        .fetch_optional(tx)
        .await?)
    }

    /// Whether somebody is a virtual agent, who then is kept from ceasing to be it until the transaction ends.
    pub(crate) async fn hold_virtual_agent(
        org: OrgId,
        tx: &mut PgConnection,
        id: Uuid,
    ) -> Result<bool, ConversationError> {
        let held = sqlx::query_scalar!(
            "select id from conversation.people where org_id = $1 and id = $2 and is_virtual for share",
            org.0,
            id
        )
        .fetch_optional(tx)
        .await?;
        Ok(held.is_some())
    }

    /// Where an open conversation without an agent stands among those of its queue.
    pub(crate) async fn queue_position(
        org: OrgId,
        on: impl PgExecutor<'_>,
        conversation: i64,
    ) -> Result<Position, ConversationError> {
        let row = sqlx::query!(
            r#"select c.state = 1 and c.agent_id is null and c.queue_id is not null as "waits!", c.queued_at,
                      (select count(*) from conversation.conversations o
                       where o.org_id = c.org_id and o.queue_id = c.queue_id and o.state = 1 and o.agent_id is null
                         and (o.queued_at, o.id) <= (c.queued_at, c.id)) as "position!"
               from conversation.conversations c where c.org_id = $1 and c.id = $2"#,
            org.0,
            conversation
        )
        .fetch_optional(on)
        .await?
        .ok_or(ConversationError::ConversationNotFound)?;
        match row.queued_at {
            Some(queued_at) if row.waits => Ok(Position {
                position: row.position,
                queued_at,
            }),
            _ => Err(ConversationError::NotQueued),
        }
    }
}
