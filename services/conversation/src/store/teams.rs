//! Teams and their members.

use platform::OrgId;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::{MOST, Store};
use crate::domain::ConversationError;
use crate::domain::teams::Team;

impl Store {
    /// Stores a new team.
    pub(crate) async fn create_team(org: OrgId, tx: &mut PgConnection, team: &Team) -> Result<(), ConversationError> {
        sqlx::query!(
            "insert into conversation.teams (org_id, id, name) values ($1, $2, $3)",
            org.0,
            team.id,
            team.name
        )
        .execute(tx)
        .await?;
        Ok(())
    }

    /// The teams, or those of one agent, by name.
    pub(crate) async fn teams(
        org: OrgId,
        on: impl PgExecutor<'_>,
        agent: Option<Uuid>,
    ) -> Result<Vec<Team>, ConversationError> {
        Ok(sqlx::query_as!(
            Team,
            "select id, name from conversation.teams t
             where org_id = $1 and ($2::uuid is null or exists (
                 select from conversation.team_members m where m.org_id = $1 and m.team_id = t.id and m.agent_id = $2
             ))
             order by name, id limit $3",
            org.0,
            agent,
            MOST
        )
        .fetch_all(on)
        .await?)
    }

    /// A team.
    pub(crate) async fn team(org: OrgId, on: impl PgExecutor<'_>, id: Uuid) -> Result<Team, ConversationError> {
        sqlx::query_as!(
            Team,
            "select id, name from conversation.teams where org_id = $1 and id = $2",
            org.0,
            id
        )
        .fetch_optional(on)
        .await?
        .ok_or(ConversationError::TeamNotFound)
    }

    /// Keeps a team from being deleted until the transaction ends.
    pub(crate) async fn hold_team(org: OrgId, tx: &mut PgConnection, id: Uuid) -> Result<(), ConversationError> {
        sqlx::query_scalar!(
            "select id from conversation.teams where org_id = $1 and id = $2 for share",
            org.0,
            id
        )
        .fetch_optional(tx)
        .await?
        .map(drop)
        .ok_or(ConversationError::TeamNotFound)
    }

    /// Deletes a team. Its members stay.
    pub(crate) async fn delete_team(org: OrgId, tx: &mut PgConnection, id: Uuid) -> Result<(), ConversationError> {
        let deleted = sqlx::query!(
            "delete from conversation.teams where org_id = $1 and id = $2",
            org.0,
            id
        )
        .execute(tx)
        .await?;
        if deleted.rows_affected() == 0 {
            return Err(ConversationError::TeamNotFound);
        }
        Ok(())
    }

    /// The ids of a team's members.
    pub(crate) async fn team_members(
        org: OrgId,
        on: impl PgExecutor<'_>,
        id: Uuid,
    ) -> Result<Vec<Uuid>, ConversationError> {
        Ok(sqlx::query_scalar!(
            "select agent_id from conversation.team_members where org_id = $1 and team_id = $2 limit $3",
            org.0,
            id,
            MOST
        )
        .fetch_all(on)
        .await?)
    }

    /// Adds agents to a team; who is a member already stays one.
    pub(crate) async fn add_team_members(
        org: OrgId,
        tx: &mut PgConnection,
        id: Uuid,
        agents: &[Uuid],
    ) -> Result<(), ConversationError> {
        sqlx::query!(
            "insert into conversation.team_members (org_id, team_id, agent_id)
             select $1, $2, agent_id from unnest($3::uuid[]) as agent_id order by agent_id on conflict do nothing",
            org.0,
            id,
            agents
        )
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Takes agents out of a team.
    pub(crate) async fn remove_team_members(
        org: OrgId,
        tx: &mut PgConnection,
        id: Uuid,
        agents: &[Uuid],
    ) -> Result<(), ConversationError> {
        sqlx::query!(
            "delete from conversation.team_members where org_id = $1 and team_id = $2 and agent_id = any($3)",
            org.0,
            id,
            agents
        )
        .execute(tx)
        .await?;
        Ok(())
    }
}
