//! Chats and escalations on the wire.

use std::time::Duration;

use platform::OrgId;
use platform::time::{self, Time};
use proto::conversation::v1 as wire;
use sqlx::PgConnection;

use crate::api::Api;
use crate::domain::ConversationError;
use crate::domain::chats::Holder;
use crate::domain::chats::chat::{Agent, Chat, EndUser, LANGUAGE, Menu, Numbered, Participant};
use crate::domain::chats::escalation::Escalation;
use crate::store::Store;

impl Api {
    /// A chat with everybody who took part.
    pub(super) async fn show(
        &self,
        org: OrgId,
        connection: &mut PgConnection,
        id: i64,
    ) -> Result<wire::Chat, ConversationError> {
        let chat = Store::chat(org, &mut *connection, id).await?;
        let participants = Store::participants(org, connection, id).await?;
        let due = |since: Option<Time>, after: Duration| since.map(|since| time::to_proto(since + after));
        let timeout_at = due(chat.idle_since, self.patience.dismiss_after())
            .or_else(|| due(chat.dismissed_since, self.patience.finish_after()));
        Ok(wire::Chat {
            id: chat.id,
            status: i32::from(chat.status() as i16),
            created_at: Some(time::to_proto(chat.created_at)),
            ends_at: chat.closed_at.map(time::to_proto),
            timeout_at,
            agent: holder(&chat, &participants, false),
            virtual_agent: holder(&chat, &participants, true),
            all_agents: everybody(&participants, false),
            all_virtual_agents: everybody(&participants, true),
            lang: chat.language.clone().unwrap_or_else(|| LANGUAGE.to_owned()),
            menus: chat.menu.clone().into_iter().map(Into::into).collect(),
            end_user: Some(chat.end_user.into()),
            context_json: chat.context.map_or_else(String::new, |context| context.to_string()),
        })
    }

    /// An escalation with what can be done about it.
    pub(super) async fn show_escalation(
        &self,
        org: OrgId,
        connection: &mut PgConnection,
        escalation: Escalation,
    ) -> Result<wire::ChatEscalation, ConversationError> {
        let chat = Store::chat(org, connection, escalation.chat_id).await?;
        Ok(shown(escalation, &chat))
    }
}

/// Who has the chat, when that is a virtual agent or not.
fn holder(chat: &Chat, participants: &[Participant], is_virtual: bool) -> Option<wire::ChatAgent> {
    let agent: &Agent = chat.agent.as_ref().filter(|agent| agent.is_virtual == is_virtual)?;
    let found = participants
        .iter()
        .find(|participant| participant.person.id == agent.person.id);
    found.map(Into::into)
}

fn everybody(participants: &[Participant], virtual_agents: bool) -> Vec<wire::ChatAgent> {
    let wanted = participants
        .iter()
        .filter(|participant| participant.is_virtual == virtual_agents);
    wanted.map(Into::into).collect()
}

impl From<&Participant> for wire::ChatAgent {
    fn from(participant: &Participant) -> Self {
        Self {
            id: participant.person.number,
            name: participant.name.clone(),
            first_name: participant.first_name.clone(),
            avatar_url: participant.avatar_url.clone(),
            status: i32::from(participant.participation as i16),
            person_id: participant.person.id.to_string(),
        }
    }
}

/// An end user by number and identifier.
pub(super) fn end_user(person: &Numbered, identifier: Option<String>) -> wire::ChatEndUser {
    wire::ChatEndUser {
        id: person.number,
        identifier,
        person_id: person.id.to_string(),
    }
}

impl From<EndUser> for wire::ChatEndUser {
    fn from(user: EndUser) -> Self {
        end_user(&user.person, user.identifier)
    }
}

impl From<Menu> for wire::ChatMenu {
    fn from(menu: Menu) -> Self {
        Self {
            id: menu.number,
            name: menu.name,
            lang: menu.language.unwrap_or_else(|| LANGUAGE.to_owned()),
        }
    }
}

/// An escalation of a chat.
pub(super) fn shown(escalation: Escalation, chat: &Chat) -> wire::ChatEscalation {
    let holder: Holder = chat.holder();
    let offered = escalation.offered(holder).into_iter();
    wire::ChatEscalation {
        id: escalation.number,
        chat_id: escalation.chat_id,
        status: i32::from(escalation.status as i16),
        reason: i32::from(escalation.reason as i16),
        deflection_reason: escalation
            .deflection
            .map_or(0, |deflection| i32::from(deflection as i16)),
        deflection_channel: escalation.channel.map_or(0, |channel| i32::from(channel as i16)),
        offered_channels: offered.map(|channel| i32::from(channel as i16)).collect(),
        escalation_id: escalation.id.to_string(),
        state: escalation.progress() as i32,
        requested_by: escalation.requested_by,
        created_at: Some(time::to_proto(escalation.created_at)),
        acknowledged_by: escalation.acknowledged_by,
        acknowledged_at: escalation.acknowledged_at.map(time::to_proto),
        resolved_by: escalation.resolved_by,
        resolved_at: escalation.resolved_at.map(time::to_proto),
        age_seconds: escalation.age_seconds,
        end_user_name: chat.end_user.name.clone(),
        end_user_email: chat.end_user.email.clone(),
        end_user_person_id: chat.end_user.person.id.to_string(),
    }
}
