//! Teams.

use platform::access::Call;
use platform::fault::Violation;
use proto::conversation::v1::{
    self as wire, ChangeTeamMembersRequest, ChangeTeamMembersResponse, CreateTeamRequest, CreateTeamResponse,
    DeleteTeamRequest, DeleteTeamResponse, GetTeamRequest, GetTeamResponse, ListTeamMembersRequest,
    ListTeamMembersResponse, ListTeamsRequest, ListTeamsResponse,
};
use tonic::{Response, Status};
use uuid::Uuid;

use super::{Api, Done, people};
use crate::domain::teams::Team;
use crate::domain::{ConversationError, field};
use crate::store::Store;

/// How many agents a request adds or removes at most.
const MEMBERS: usize = 100;

impl Api {
    pub(super) async fn create_team(
        &self,
        call: Call,
        message: CreateTeamRequest,
    ) -> Result<Response<CreateTeamResponse>, Status> {
        let team = Team {
            id: platform::id::new(),
            name: field::required("name", message.name.clone(), field::NAME).map_err(ConversationError::from)?,
        };
        self.once(&call, "CreateTeam", &message, async |tx| {
            Store::create_team(call.org(), tx, &team).await?;
            let subject = format!("teams/{}", team.id);
            let answer = CreateTeamResponse {
                team: Some(team.into()),
            };
            Ok(Done::new(subject, answer))
        })
        .await
    }

    pub(super) async fn list_teams(
        &self,
        call: Call,
        message: ListTeamsRequest,
    ) -> Result<Response<ListTeamsResponse>, Status> {
        let agent = field::optional_uuid("agent_id", message.agent_id.as_deref()).map_err(ConversationError::from)?;
        if let Some(agent) = agent {
            Store::agent(call.org(), &self.db, agent).await?;
        }
        let teams = Store::teams(call.org(), &self.db, agent).await?;
        Ok(Response::new(ListTeamsResponse {
            teams: teams.into_iter().map(Into::into).collect(),
        }))
    }

    pub(super) async fn get_team(
        &self,
        call: Call,
        message: GetTeamRequest,
    ) -> Result<Response<GetTeamResponse>, Status> {
        let id = field::uuid("id", &message.id).map_err(ConversationError::from)?;
        let team = Store::team(call.org(), &self.db, id).await?;
        Ok(Response::new(GetTeamResponse {
            team: Some(team.into()),
        }))
    }

    pub(super) async fn delete_team(
        &self,
        call: Call,
        message: DeleteTeamRequest,
    ) -> Result<Response<DeleteTeamResponse>, Status> {
        let id = field::uuid("id", &message.id).map_err(ConversationError::from)?;
        self.once(&call, "DeleteTeam", &message, async |tx| {
            Store::delete_team(call.org(), tx, id).await?;
            Ok(Done::new(format!("teams/{id}"), DeleteTeamResponse {}))
        })
        .await
    }

    pub(super) async fn list_team_members(
        &self,
        call: Call,
        message: ListTeamMembersRequest,
    ) -> Result<Response<ListTeamMembersResponse>, Status> {
        let (org, id) = (
            call.org(),
            field::uuid("id", &message.id).map_err(ConversationError::from)?,
        );
        Store::team(org, &self.db, id).await?;
        let ids = Store::team_members(org, &self.db, id).await?;
        let members = Store::people(org, &self.db, &ids).await?;
        Ok(Response::new(ListTeamMembersResponse {
            members: members
                .into_iter()
                .map(|person| people::to_wire(person, Vec::new()))
                .collect(),
        }))
    }

    pub(super) async fn change_team_members(
        &self,
        call: Call,
        message: ChangeTeamMembersRequest,
    ) -> Result<Response<ChangeTeamMembersResponse>, Status> {
        let (id, agents) = parse(&message).map_err(ConversationError::from)?;
        self.once(&call, "ChangeTeamMembers", &message, async |tx| {
            let org = call.org();
            Store::hold_team(org, tx, id).await?;
            if message.remove {
                Store::remove_team_members(org, tx, id, &agents).await?;
            } else {
                let held = Store::hold_agents(org, tx, &agents).await?;
                if let Some(index) = agents.iter().position(|agent| !held.contains(agent)) {
                    return Err(ConversationError::invalid(
                        format!("agent_ids[{index}]"),
                        "must be an agent of the organization",
                    ));
                }
                Store::add_team_members(org, tx, id, &agents).await?;
            }
            Ok(Done::new(format!("teams/{id}"), ChangeTeamMembersResponse {}))
        })
        .await
    }
}

fn parse(message: &ChangeTeamMembersRequest) -> Result<(Uuid, Vec<Uuid>), Violation> {
    let id = field::uuid("id", &message.id)?;
    field::count("agent_ids", message.agent_ids.len(), 0, MEMBERS)?;
    let agents = message
        .agent_ids
        .iter()
        .enumerate()
        .map(|(index, agent)| field::uuid(&format!("agent_ids[{index}]"), agent));
    Ok((id, agents.collect::<Result<_, _>>()?))
}

impl From<Team> for wire::Team {
    fn from(team: Team) -> Self {
        Self {
            id: team.id.to_string(),
            name: team.name,
        }
    }
}
