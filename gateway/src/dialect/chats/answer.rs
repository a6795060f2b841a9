//! The documented success bodies. Every member is always there: null where there is no value.

use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::LINK;
use proto::conversation::v1 as pb;
use serde::{Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use super::phrases::status_text;
use super::refusal::Refusal;
use super::words::{ChatStatus, ParticipantStatus};
use crate::answer::{self, Stamp, given};
use crate::errors::Failure;
use crate::words::Word as _;

/// An answer without an envelope.
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        answer::json(&self.0).unwrap_or_else(|failure| Refusal::from(failure).into_response())
    }
}

/// A page of a list: a bare array, and the way to other pages in `Link`.
pub(super) struct Listed<T> {
    pub(super) items: Vec<T>,
    pub(super) link: Option<HeaderValue>,
}

impl<T: Serialize> IntoResponse for Listed<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.items).into_response();
        if let Some(link) = self.link {
            response.headers_mut().insert(LINK, link);
        }
        response
    }
}

/// A point in time in UTC with milliseconds: `2019-07-17T07:27:14.000Z`.
pub(super) struct Moment(Stamp);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = self.0.text();
        text[23] = b'Z';
        serializer.serialize_str(std::str::from_utf8(&text[..24]).map_err(serde::ser::Error::custom)?)
    }
}

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("ISO 8601 in UTC with milliseconds"))
            .examples(["2019-07-17T07:27:14.000Z"])
            .into()
    }
}

impl ToSchema for Moment {
    fn name() -> std::borrow::Cow<'static, str> {
        "MillisecondTimestamp".into()
    }
}

/// A chat.
#[derive(Serialize, ToSchema)]
pub(super) struct Chat {
    /// Also that of its conversation.
    id: i64,
    status: ChatStatus,
    /// A sentence for the end user, in the language of the chat.
    #[schema(example = "You are in the queue. An agent will be with you soon.")]
    status_text: &'static str,
    /// Always empty.
    features: Vec<String>,
    created_at: Moment,
    /// When it ended.
    ends_at: Option<Moment>,
    /// When it will be dismissed, or finished when it is dismissed, if nothing happens.
    timeout_at: Option<Moment>,
    /// Who has it, or had it when it ended.
    agent: Option<Agent>,
    virtual_agent: Option<VirtualAgent>,
    /// Everybody who took part, in the order of joining.
    all_agents: Vec<Agent>,
    all_virtual_agents: Vec<VirtualAgent>,
    /// ISO 639.
    #[schema(example = "en")]
    lang: String,
    /// The queue, if it has one.
    menus: Vec<MenuName>,
    end_user: EndUser,
}

/// A person in a chat.
#[derive(Serialize, ToSchema)]
#[schema(as = ChatAgent)]
struct Agent {
    id: i64,
    name: Option<String>,
    first_name: Option<String>,
    avatar_url: Option<String>,
    status: Option<ParticipantStatus>,
}

/// A virtual agent in a chat.
#[derive(Serialize, ToSchema)]
#[schema(as = ChatVirtualAgent)]
struct VirtualAgent {
    id: i64,
    name: Option<String>,
    avatar_url: Option<String>,
    status: Option<ParticipantStatus>,
}

/// The menu of a chat.
#[derive(Serialize, ToSchema)]
#[schema(as = ChatMenu)]
struct MenuName {
    id: i64,
    name: String,
}

/// An end user.
#[derive(Serialize, ToSchema)]
#[schema(as = ChatEndUser)]
pub(super) struct EndUser {
    id: i64,
    /// Null for somebody who was made by another surface without an external id.
    identifier: Option<String>,
}

impl Chat {
    pub(super) fn of(chat: Option<pb::Chat>) -> Result<Self, Failure> {
        let chat = given(chat)?;
        let status = given(ChatStatus::of(chat.status()))?;
        Ok(Self {
            id: chat.id,
            status,
            status_text: status_text(status, &chat.lang),
            features: Vec::new(),
            created_at: Moment(Stamp::of(chat.created_at)),
            ends_at: Stamp::maybe(chat.ends_at).map(Moment),
            timeout_at: Stamp::maybe(chat.timeout_at).map(Moment),
            agent: chat.agent.map(Agent::from),
            virtual_agent: chat.virtual_agent.map(VirtualAgent::from),
            all_agents: chat.all_agents.into_iter().map(Agent::from).collect(),
            all_virtual_agents: chat.all_virtual_agents.into_iter().map(VirtualAgent::from).collect(),
            lang: chat.lang,
            menus: chat.menus.into_iter().map(MenuName::from).collect(),
            end_user: given(chat.end_user)?.into(),
        })
    }
}

impl From<pb::ChatAgent> for Agent {
    fn from(agent: pb::ChatAgent) -> Self {
        Self {
            status: ParticipantStatus::of(agent.status()),
            id: agent.id,
            name: agent.name,
            first_name: agent.first_name,
            avatar_url: agent.avatar_url,
        }
    }
}

impl From<pb::ChatAgent> for VirtualAgent {
    fn from(agent: pb::ChatAgent) -> Self {
        Self {
            status: ParticipantStatus::of(agent.status()),
            id: agent.id,
            name: agent.name,
            avatar_url: agent.avatar_url,
        }
    }
}

impl From<pb::ChatMenu> for MenuName {
    fn from(menu: pb::ChatMenu) -> Self {
        Self {
            id: menu.id,
            name: menu.name,
        }
    }
}

impl From<pb::ChatEndUser> for EndUser {
    fn from(user: pb::ChatEndUser) -> Self {
        Self {
            id: user.id,
            identifier: user.identifier,
        }
    }
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;

    #[test]
    fn a_chat_shows_milliseconds_and_null_where_there_is_nothing() {
        let chat = pb::Chat {
            id: 7,
            status: pb::ChatStatus::Queued.into(),
            created_at: Some(Timestamp {
                seconds: 1_563_348_434,
                nanos: 5_999_999,
            }),
            lang: "it".to_owned(),
            end_user: Some(pb::ChatEndUser::default()),
            ..pb::Chat::default()
        };
        let shown = serde_json::to_value(Chat::of(Some(chat)).unwrap()).unwrap();
        assert_eq!(
            shown,
            serde_json::json!({
                "id": 7, "status": "queued", "status_text": "Sei in coda. Un operatore sarà presto da te.", "features": [],
                "created_at": "2019-07-17T07:27:14.005Z", "ends_at": null, "timeout_at": null, "agent": null,
                "virtual_agent": null, "all_agents": [], "all_virtual_agents": [], "lang": "it", "menus": [],
                "end_user": {"id": 0, "identifier": null},
            })
        );
    }
}
