//! Teams of agents.

use http::StatusCode;
use proto::conversation::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::Data;
use super::ask::{Ask, is_uuid};
use super::refusal::{Part, Refusal};
use crate::answer::given;

/// A team.
#[derive(Serialize, ToSchema)]
pub(super) struct Team {
    id: String,
    name: String,
}

impl From<pb::Team> for Team {
    fn from(team: pb::Team) -> Self {
        Self {
            id: team.id,
            name: team.name,
        }
    }
}

/// A team of an agent.
#[derive(Serialize, ToSchema)]
pub(super) struct TeamReference {
    id: String,
}

/// A member of a team.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TeamMember {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number: Option<String>,
}

/// A team to be created.
#[derive(Deserialize, ToSchema)]
pub(super) struct CreateTeam {
    /// 1 to 200 characters.
    name: String,
}

/// Create a team
#[utoipa::path(post, path = "/v1/teams", tag = "Teams",
    request_body(content = CreateTeam, content_type = "application/json"),
    responses((status = 201, description = "The team", body = Data<Team>)))]
pub(super) async fn create_team(ask: Ask) -> Result<(StatusCode, Data<Team>), Refusal> {
    let CreateTeam { name } = ask.object()?;
    let request = ask.request(pb::CreateTeamRequest { name });
    let answer = ask.directory().create_team(request).await?.into_inner();
    let data = given(answer.team)?.into();
    Ok((StatusCode::CREATED, Data { data }))
}

/// List the teams
#[utoipa::path(get, path = "/v1/teams", tag = "Teams",
    responses((status = 200, description = "The teams", body = Data<Vec<Team>>)))]
pub(super) async fn list_teams(ask: Ask) -> Result<Data<Vec<Team>>, Refusal> {
    let request = ask.request(pb::ListTeamsRequest { agent_id: None });
    let answer = ask.directory().list_teams(request).await?.into_inner();
    let data = answer.teams.into_iter().map(Team::from).collect();
    Ok(Data { data })
}

/// List the teams of an agent
#[utoipa::path(get, path = "/v1/agents/{agentId}/teams", tag = "Agents",
    responses((status = 200, description = "The ids of the teams", body = Data<Vec<TeamReference>>)))]
pub(super) async fn list_agent_teams(ask: Ask) -> Result<Data<Vec<TeamReference>>, Refusal> {
    let request = ask.request(pb::ListTeamsRequest {
        agent_id: Some(ask.uuid("agentId")?),
    });
    let answer = ask.directory().list_teams(request).await?.into_inner();
    let teams = answer.teams.into_iter();
    let data = teams.map(|team| TeamReference { id: team.id }).collect();
    Ok(Data { data })
}

/// Get a team
#[utoipa::path(get, path = "/v1/teams/{teamId}", tag = "Teams",
    responses((status = 200, description = "The team", body = Data<Team>)))]
pub(super) async fn get_team(ask: Ask) -> Result<Data<Team>, Refusal> {
    let request = ask.request(pb::GetTeamRequest {
        id: ask.uuid("teamId")?,
    });
    let answer = ask.directory().get_team(request).await?.into_inner();
    let data = given(answer.team)?.into();
    Ok(Data { data })
}

/// Delete a team
#[utoipa::path(delete, path = "/v1/teams/{teamId}", tag = "Teams",
    responses((status = 204, description = "Deleted")))]
pub(super) async fn delete_team(ask: Ask) -> Result<StatusCode, Refusal> {
    let request = ask.request(pb::DeleteTeamRequest {
        id: ask.uuid("teamId")?,
    });
    ask.directory().delete_team(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the members of a team
#[utoipa::path(get, path = "/v1/teams/{teamId}/agents", tag = "Teams",
    responses((status = 200, description = "The members", body = Data<Vec<TeamMember>>)))]
pub(super) async fn list_team_members(ask: Ask) -> Result<Data<Vec<TeamMember>>, Refusal> {
    let request = ask.request(pb::ListTeamMembersRequest {
        id: ask.uuid("teamId")?,
    });
    let answer = ask.directory().list_team_members(request).await?.into_inner();
    let members = answer.members.into_iter().map(|member| TeamMember {
        id: member.id,
        name: member.display_name,
        email: member.email,
        phone_number: member.phone_number,
    });
    Ok(Data {
        data: members.collect(),
    })
}

/// Agents by their ids.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AgentIds {
    agent_ids: Vec<String>,
}

impl AgentIds {
    /// The ids, each of which is one.
    pub(super) fn read(ask: &Ask) -> Result<Vec<String>, Refusal> {
        let Self { agent_ids } = ask.object()?;
        match agent_ids.iter().position(|id| !is_uuid(id)) {
            None => Ok(agent_ids),
            Some(index) => Err(Refusal::invalid(
                Part::Body,
                format!("agentIds[{index}]"),
                "must be a UUID",
            )),
        }
    }
}

async fn change(ask: &Ask, remove: bool) -> Result<(), Refusal> {
    let request = ask.request(pb::ChangeTeamMembersRequest {
        id: ask.uuid("teamId")?,
        agent_ids: AgentIds::read(ask)?,
        remove,
    });
    ask.directory().change_team_members(request).await?;
    Ok(())
}

/// Add agents to a team
///
/// At most 100, all or none.
#[utoipa::path(patch, path = "/v1/teams/{teamId}/agents", tag = "Teams",
    request_body(content = AgentIds, content_type = "application/json"),
    responses((status = 200, description = "Added")))]
pub(super) async fn add_team_members(ask: Ask) -> Result<StatusCode, Refusal> {
    change(&ask, false).await?;
    Ok(StatusCode::OK)
}

/// Add agents to a team
///
/// The same as with PATCH: a known client does it so.
#[utoipa::path(post, path = "/v1/teams/{teamId}/agents", tag = "Teams",
    request_body(content = AgentIds, content_type = "application/json"),
    responses((status = 200, description = "Added")))]
pub(super) async fn post_team_members(ask: Ask) -> Result<StatusCode, Refusal> {
    add_team_members(ask).await
}

/// Remove agents from a team
///
/// At most 100, all or none.
#[utoipa::path(delete, path = "/v1/teams/{teamId}/agents", tag = "Teams",
    request_body(content = AgentIds, content_type = "application/json"),
    responses((status = 204, description = "Removed")))]
pub(super) async fn remove_team_members(ask: Ask) -> Result<StatusCode, Refusal> {
    change(&ask, true).await?;
    Ok(StatusCode::NO_CONTENT)
}
