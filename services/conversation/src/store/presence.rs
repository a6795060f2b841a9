//! Whether agents are at work.

use platform::OrgId;
use platform::time::Time;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::Store;
use crate::domain::presence::Presence;
use crate::domain::{Channel, ConversationError};

/// Whose presence is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whose {
    Everybody,
    Agent(Uuid),
    Team(Uuid),
}

impl Store {
    /// Stores how an agent is now.
    pub(crate) async fn set_presence(
        org: OrgId,
        tx: &mut PgConnection,
        agent: Uuid,
        working: bool,
        channels: &[Channel],
    ) -> Result<(), ConversationError> {
        let channels: Vec<i16> = channels.iter().map(|channel| *channel as i16).collect();
        sqlx::query!(
            "insert into conversation.presences (org_id, agent_id, working, active_channels) values ($1, $2, $3, $4)
             on conflict (org_id, agent_id) do update
             set working = excluded.working, active_channels = excluded.active_channels, last_seen = excluded.last_seen",
            org.0,
            agent,
            working,
            &channels
        )
        .execute(tx)
        .await?;
        Ok(())
    }

    /// A page of presences in the order in which people became agents, after a number; an agent who was never seen is
    /// away.
    pub(crate) async fn presences(
        org: OrgId,
        on: impl PgExecutor<'_>,
        whose: Whose,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Presence>, ConversationError> {
        let (agent, team) = match whose {
            Whose::Everybody => (None, None),
            Whose::Agent(id) => (Some(id), None),
            Whose::Team(id) => (None, Some(id)),
        };
        let rows = sqlx::query!(
            r#"select p.id, p.number, coalesce(s.working, false) as "working!",
                      coalesce(s.working or s.last_seen > now() - interval '5 minutes', false) as "online!",
                      coalesce(s.active_channels, '{}') as "active_channels!: Vec<Channel>", s.last_seen as "last_seen?"
               from conversation.people p
               left join conversation.presences s on s.org_id = p.org_id and s.agent_id = p.id
               where p.org_id = $1 and p.is_agent and p.number > $2 and ($3::uuid is null or p.id = $3)
                 and ($4::uuid is null or exists (
                     select from conversation.team_members m where m.org_id = $1 and m.team_id = $4 and m.agent_id = p.id
                 ))
               order by p.number limit $5"#,
            org.0,
            after,
            agent,
            team,
            limit
        )
        .fetch_all(on)
        .await?;
        let presences = rows.into_iter().map(|row| Presence {
            agent_id: row.id,
            number: row.number,
            working: row.working,
            online: row.online,
            active_channels: row.active_channels,
            last_seen: row.last_seen,
        });
        Ok(presences.collect())
    }

    /// The database's time.
    pub(crate) async fn now(on: impl PgExecutor<'_>) -> Result<Time, ConversationError> {
        Ok(sqlx::query_scalar!(r#"select now() as "now!""#).fetch_one(on).await?)
    }
}
