//! Whether agents are at work.

use platform::access::Call;
use platform::fault::Violation;
use platform::time;
use proto::conversation::v1::{
    self as wire, ListPresenceRequest, ListPresenceResponse, SetPresenceRequest, SetPresenceResponse,
};
use tonic::{Response, Status};
use uuid::Uuid;

use super::{Api, Done, cut, page_size};
use crate::domain::presence::Presence;
use crate::domain::{Channel, ConversationError, field};
use crate::store::Store;
use crate::store::presence::Whose;

impl Api {
    pub(super) async fn set_presence(
        &self,
        call: Call,
        message: SetPresenceRequest,
    ) -> Result<Response<SetPresenceResponse>, Status> {
        let (agent, channels) = parse(&message).map_err(ConversationError::from)?;
        self.once(&call, "SetPresence", &message, async |tx| {
            let org = call.org();
            if Store::hold_agents(org, tx, &[agent]).await?.is_empty() {
                return Err(ConversationError::AgentNotFound);
            }
            Store::set_presence(org, tx, agent, message.working, &channels).await?;
            let presence = Store::presences(org, tx, Whose::Agent(agent), 0, 1).await?.pop();
            let answer = SetPresenceResponse {
                presence: presence.map(Into::into),
            };
            Ok(Done::new(format!("people/{agent}"), answer))
        })
        .await
    }

    pub(super) async fn list_presence(
        &self,
        call: Call,
        message: ListPresenceRequest,
    ) -> Result<Response<ListPresenceResponse>, Status> {
        let size = page_size(message.page_size)?;
        let (org, whose) = (call.org(), parse_whose(&message).map_err(ConversationError::from)?);
        match whose {
            Whose::Everybody => {}
            Whose::Agent(id) => drop(Store::agent(org, &self.db, id).await?),
            Whose::Team(id) => drop(Store::team(org, &self.db, id).await?),
        }
        let list = ["presence", &org.to_string(), &format!("{whose:?}")];
        let after = self.tokens.read::<i64>(&list, &message.page_token)?.unwrap_or_default();
        let asked_at = Store::now(&self.db).await?;
        let presences = Store::presences(org, &self.db, whose, after, size + 1).await?;
        let (presences, next) = cut(presences, size, |presence| presence.number);
        Ok(Response::new(ListPresenceResponse {
            presences: presences.into_iter().map(Into::into).collect(),
            next_page_token: next.map(|next| self.tokens.make(&list, &next)).unwrap_or_default(),
            asked_at: Some(time::to_proto(asked_at)),
        }))
    }
}

fn parse(message: &SetPresenceRequest) -> Result<(Uuid, Vec<Channel>), Violation> {
    let agent = field::uuid("agent_id", &message.agent_id)?;
    let mut channels = Vec::new();
    for (index, &number) in message.active_channels.iter().enumerate() {
        let channel = Channel::parse(&format!("active_channels[{index}]"), number)?;
        if !channels.contains(&channel) {
            channels.push(channel);
        }
    }
    Ok((agent, channels))
}

fn parse_whose(message: &ListPresenceRequest) -> Result<Whose, Violation> {
    match (&message.agent_id, &message.team_id) {
        (None, None) => Ok(Whose::Everybody),
        (Some(agent), None) => Ok(Whose::Agent(field::uuid("agent_id", agent)?)),
        (None, Some(team)) => Ok(Whose::Team(field::uuid("team_id", team)?)),
        (Some(_), Some(_)) => Err(Violation::new("team_id", "must not be given together with agent_id")),
    }
}

impl From<Presence> for wire::Presence {
    fn from(presence: Presence) -> Self {
        Self {
            agent_id: presence.agent_id.to_string(),
            working: presence.working,
            online: presence.online,
            active_channels: presence.active_channels.into_iter().map(Into::into).collect(),
            last_seen: presence.last_seen.map(time::to_proto),
        }
    }
}
