//! Messages of chats.

use std::fmt;

use proto::conversation::v1 as pb;
use proto::conversation::v1::send_chat_message_request::Content as Wire;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::answer::Json;
use super::ask::{Ask, required, required_text};
use super::refusal::Refusal;
use crate::answer::Nothing;
use crate::errors::Names;
use crate::extract::Object;

/// A message to be sent.
#[derive(Deserialize, ToSchema)]
pub(super) struct SendChatMessage {
    /// The chat's end user, or an agent, virtual or not.
    #[schema(value_type = i64)]
    from_user_id: Option<i64>,
    #[schema(value_type = ChatMessage)]
    message: Option<Object<ChatMessage>>,
}

/// What is sent.
#[derive(Deserialize, ToSchema)]
struct ChatMessage {
    /// `text`, `photo` or `video`.
    #[schema(value_type = String, example = "text")]
    r#type: Option<String>,
    /// A text of at most 32 KiB, bare or as `{"text"}`; of a photo or video `{"media_id"}`.
    #[schema(value_type = Value)]
    content: Option<Content>,
}

/// The content of a message in one of its two forms.
enum Content {
    Bare(String),
    Parts(Parts),
}

#[derive(Deserialize)]
struct Parts {
    text: Option<String>,
    media_id: Option<i64>,
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;

        impl<'de> Visitor<'de> for Forms {
            type Value = Content;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an object")
            }

            fn visit_str<E>(self, text: &str) -> Result<Content, E> {
                Ok(Content::Bare(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Content, A::Error> {
                Parts::deserialize(MapAccessDeserializer::new(members)).map(Content::Parts)
            }
        }

        deserializer.deserialize_any(Forms)
    }
}

impl ChatMessage {
    fn read(self) -> Result<Wire, Refusal> {
        let kind = required_text(self.r#type, "type")?;
        let media_id = |content| match content {
            Content::Parts(Parts { media_id: Some(id), .. }) => Ok(id),
            Content::Bare(_) | Content::Parts(_) => {
                let rule = format!("must be the media_id of a {kind}");
                Err(Refusal::invalid("message.content", rule))
            }
        };
        let content = required(self.content, "content")?;
        match kind.as_str() {
            "text" => {
                let text = match content {
                    Content::Bare(text) => required_text(Some(text), "content"),
                    Content::Parts(parts) => required_text(parts.text, "text"),
                };
                text.map(Wire::Text)
            }
            "photo" => media_id(content).map(Wire::PhotoMediaId),
            "video" => media_id(content).map(Wire::VideoMediaId),
            _ => Err(Refusal::invalid("message.type", "must be one of text, photo, video")),
        }
    }
}

/// What callers know the fields of a message as.
const NAMES: Names = &[("text", "message.content"), ("content", "message.content")];

/// Send a message
///
/// Of the end user, who wakes a dismissed chat, or of an agent.
#[utoipa::path(post, path = "/apps/api/v1/chats/{chat_id}/message", tag = "Chats",
    request_body(content = SendChatMessage, content_type = "application/json",
        example = json!({"from_user_id": 1, "message": {"type": "text", "content": "Where is my order?"}})),
    responses((status = 200, description = "Sent", body = Nothing)))]
pub(super) async fn send_chat_message(ask: Ask) -> Result<Json<Nothing>, Refusal> {
    let chat_id = ask.chat()?;
    let body: SendChatMessage = ask.object()?;
    let from_user_id = required(body.from_user_id, "from_user_id")?;
    let Object(message) = required(body.message, "message")?;
    let request = ask.request(pb::SendChatMessageRequest {
        chat_id,
        from_user_id,
        content: Some(message.read()?),
    });
    let sent = ask.chats().send_chat_message(request).await;
    sent.map_err(Refusal::naming(NAMES))?;
    Ok(Json(Nothing::default()))
}
