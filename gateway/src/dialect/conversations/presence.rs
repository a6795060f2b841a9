//! Who of the agents is there.

use http::StatusCode;
use proto::conversation::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{Bare, Data, Page, ZonelessStamp};
use super::ask::Ask;
use super::refusal::{Refusal, Terms};
use super::words::Channel;
use crate::answer::{Stamp, given};
use crate::words::Word as _;

/// Whether an agent is there.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UserPresence)]
pub(super) struct Presence {
    user_id: String,
    request_time: ZonelessStamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<ZonelessStamp>,
    presence_status: PresenceStatus,
    connection_status: PresenceConnection,
    active_channels: Vec<Channel>,
}

#[derive(Serialize, ToSchema)]
enum PresenceStatus {
    Away,
    Working,
}

#[derive(Serialize, ToSchema)]
enum PresenceConnection {
    Offline,
    Online,
}

impl Presence {
    fn of(presence: pb::Presence, asked_at: Stamp) -> Self {
        Self {
            active_channels: presence.active_channels().filter_map(Channel::of).collect(),
            user_id: presence.agent_id,
            request_time: ZonelessStamp(asked_at),
            last_seen: Stamp::maybe(presence.last_seen).map(ZonelessStamp),
            presence_status: if presence.working {
                PresenceStatus::Working
            } else {
                PresenceStatus::Away
            },
            connection_status: if presence.online {
                PresenceConnection::Online
            } else {
                PresenceConnection::Offline
            },
        }
    }

    fn all(answer: pb::ListPresenceResponse) -> Vec<Self> {
        let asked_at = Stamp::of(answer.asked_at);
        let presences = answer.presences.into_iter();
        presences.map(|presence| Self::of(presence, asked_at)).collect()
    }
}

/// List the presence of all agents
///
/// Without the envelope of other lists.
#[utoipa::path(get, path = "/v1/agents/presence", tag = "Agents",
    responses((status = 200, description = "The presence of each", body = Bare<Presence>)))]
pub(super) async fn list_agent_presence(ask: Ask) -> Result<Bare<Presence>, Refusal> {
    let mut all = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ask.request(pb::ListPresenceRequest {
            page_size: 200,
            page_token,
            ..pb::ListPresenceRequest::default()
        });
        let mut answer = ask.directory().list_presence(request).await?.into_inner();
        page_token = std::mem::take(&mut answer.next_page_token);
        all.extend(Presence::all(answer));
        if page_token.is_empty() {
            return Ok(Bare(all));
        }
    }
}

/// The presence of one agent, as the context has it.
async fn of(ask: &Ask, agent_id: &str) -> Result<pb::ListPresenceResponse, Refusal> {
    let request = ask.request(pb::ListPresenceRequest {
        agent_id: Some(agent_id.to_owned()),
        ..pb::ListPresenceRequest::default()
    });
    Ok(ask.directory().list_presence(request).await?.into_inner())
}

/// Get the presence of an agent
#[utoipa::path(get, path = "/v1/agents/{agentId}/presence", tag = "Agents",
    responses((status = 200, description = "The presence", body = Data<Presence>)))]
pub(super) async fn get_agent_presence(ask: Ask) -> Result<Data<Presence>, Refusal> {
    let answer = of(&ask, &ask.uuid("agentId")?).await?;
    let data = given(Presence::all(answer).into_iter().next())?;
    Ok(Data { data })
}

/// Whether an agent works on a group of channels.
#[derive(Deserialize, ToSchema)]
pub(super) struct WorkingChannel {
    channel: ChannelGroup,
    working: bool,
}

/// Channels that an agent works on together.
#[derive(Clone, Copy, Deserialize, ToSchema)]
enum ChannelGroup {
    Email,
    InteractiveChat,
    Messaging,
    Speak,
}

impl ChannelGroup {
    fn channels(self) -> &'static [pb::Channel] {
        use pb::Channel as C;
        match self {
            Self::Email => &[C::Email, C::ContactForm],
            Self::InteractiveChat => &[C::WidgetChat],
            Self::Messaging => &[C::WhatsApp, C::FacebookMessenger, C::Twitter, C::Sms, C::Messenger],
            Self::Speak => &[C::PstnPhone, C::Callback, C::Voicemail],
        }
    }
}

/// Say whether an agent works on a group of channels
///
/// An agent who works on none is away.
#[utoipa::path(put, path = "/v1/agents/{agentId}/presence/working-channel", tag = "Agents",
    request_body(content = WorkingChannel, content_type = "application/json",
        example = json!({"channel": "InteractiveChat", "working": true})),
    responses((status = 204, description = "Said")))]
pub(super) async fn set_working_channel(ask: Ask) -> Result<StatusCode, Refusal> {
    let agent_id = ask.uuid("agentId")?;
    let body: WorkingChannel = ask.object()?;
    let before = of(&ask, &agent_id).await?.presences.into_iter().next();
    let before = before.iter().flat_map(pb::Presence::active_channels);
    let group = body.channel.channels();
    let mut channels: Vec<_> = before.filter(|channel| !group.contains(channel)).collect();
    if body.working {
        channels.extend(group);
    }
    let request = ask.request(pb::SetPresenceRequest {
        agent_id,
        working: !channels.is_empty(),
        active_channels: channels.into_iter().map(i32::from).collect(),
    });
    ask.directory().set_presence(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the presence of a team
#[utoipa::path(get, path = "/v1/teams/{teamId}/presence", tag = "Teams",
    params(
        ("pageLimit" = Option<i32>, Query, description = "1 to 200, default 50", minimum = 1, maximum = 200),
        ("pageKey" = Option<String>, Query, description = "From `meta.next` of the page before"),
    ),
    responses((status = 200, description = "A page of presences", body = Page<Presence>)))]
pub(super) async fn list_team_presence(ask: Ask) -> Result<Page<Presence>, Refusal> {
    let params = ask.paged(&[])?;
    let request = ask.request(pb::ListPresenceRequest {
        agent_id: None,
        team_id: Some(ask.uuid("teamId")?),
        page_size: params.limit(200)?,
        page_token: params.token(),
    });
    let answer = ask.directory().list_presence(request).await;
    let answer = answer.map_err(Terms::PAGE.refuse())?.into_inner();
    Ok(Page {
        meta: ask.links(&params, &[], &answer.next_page_token)?,
        data: Presence::all(answer),
    })
}
