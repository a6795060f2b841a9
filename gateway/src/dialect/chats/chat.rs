//! Chats from their beginning to their end.

use proto::conversation::v1 as pb;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::answer::{Chat, Json};
use super::ask::{Ask, required};
use super::refusal::Refusal;
use super::transcript::Transcript;
use super::words::{DeflectionChannel, NewChatStatus};
use crate::errors::{Names, Sentence};
use crate::extract::Object;
use crate::words::number;

/// A chat to be started.
#[derive(Deserialize, ToSchema)]
pub(super) struct CreateChat {
    #[schema(value_type = NewChat)]
    chat: Option<Object<NewChat>>,
    #[schema(value_type = Option<NewChatEndUser>)]
    end_user: Option<Object<NewChatEndUser>>,
}

/// What the chat is to be.
#[derive(Deserialize, ToSchema)]
pub(super) struct NewChat {
    #[schema(value_type = i64)]
    menu_id: Option<i64>,
    #[schema(value_type = i64)]
    end_user_id: Option<i64>,
    /// ISO 639 or BCP 47. Default `en`.
    lang: Option<String>,
    /// Kept with the end user who has no address yet.
    email: Option<String>,
    #[schema(value_type = Option<ChatContext>)]
    context: Option<Object<ChatContext>>,
    #[schema(value_type = Option<Transcript>)]
    transcript: Option<Object<Transcript>>,
}

/// What the virtual agent is to know.
#[derive(Deserialize, ToSchema)]
pub(super) struct ChatContext {
    /// At most 16 KiB.
    #[schema(value_type = Option<Object>, example = json!({"order": "4711"}))]
    value: Option<Map<String, Value>>,
}

/// More about the end user.
#[derive(Deserialize, ToSchema)]
pub(super) struct NewChatEndUser {
    /// E.164. Kept with the end user who has no number yet.
    phone: Option<String>,
}

/// What callers know the fields of a new chat as.
const NEW: Names = &[
    ("menu_id", "chat.menu_id"),
    ("end_user_id", "chat.end_user_id"),
    ("lang", "chat.lang"),
    ("email", "chat.email"),
    ("phone", "end_user.phone"),
    ("context_json", "chat.context.value"),
    ("transcript", "chat.transcript.transcript"),
    ("at", "timestamp"),
    ("text", "content"),
];

/// Create a chat
///
/// With the menu's virtual agent when it has one, else in the queue.
#[utoipa::path(post, path = "/apps/api/v1/chats", tag = "Chats",
    request_body(content = CreateChat, content_type = "application/json",
        example = json!({"chat": {"menu_id": 1, "end_user_id": 1, "lang": "en", "context": {"value": {"order": "4711"}}}})),
    responses(
        (status = 200, description = "The chat", body = Chat),
        (status = 404, description = "There is no such menu or end user", body = Sentence),
    ))]
pub(super) async fn create_chat(ask: Ask) -> Result<Json<Chat>, Refusal> {
    let body: CreateChat = ask.object()?;
    let Object(chat) = required(body.chat, "chat")?;
    let context = chat.context.and_then(|Object(context)| context.value);
    let transcript = chat.transcript.map(|Object(transcript)| transcript.messages());
    let request = ask.request(pb::CreateChatRequest {
        menu_id: required(chat.menu_id, "menu_id")?,
        end_user_id: required(chat.end_user_id, "end_user_id")?,
        lang: chat.lang.filter(|lang| !lang.is_empty()),
        email: chat.email,
        phone: body.end_user.and_then(|Object(end_user)| end_user.phone),
        context_json: context
            .map(|value| Value::Object(value).to_string())
            .unwrap_or_default(),
        transcript: transcript.transpose()?.unwrap_or_default(),
    });
    let answer = ask.chats().create_chat(request).await;
    let answer = answer.map_err(Refusal::naming(NEW))?.into_inner();
    Ok(Json(Chat::of(answer.chat)?))
}

/// Get a chat
#[utoipa::path(get, path = "/apps/api/v1/chats/{chat_id}", tag = "Chats",
    responses((status = 200, description = "The chat", body = Chat)))]
pub(super) async fn get_chat(ask: Ask) -> Result<Json<Chat>, Refusal> {
    let request = ask.request(pb::GetChatRequest { id: ask.chat()? });
    let answer = ask.chats().get_chat(request).await?.into_inner();
    Ok(Json(Chat::of(answer.chat)?))
}

/// What is to become of a chat.
#[derive(Deserialize, ToSchema)]
pub(super) struct UpdateChat {
    /// The chat's end user or an agent. Absent: the end user.
    finished_by_user_id: Option<i64>,
    #[schema(value_type = ChatChange)]
    chat: Option<Object<ChatChange>>,
}

/// At least one of these.
#[derive(Deserialize, ToSchema)]
pub(super) struct ChatChange {
    /// `email` or `external_link`, with an escalation: the chat ends.
    deflection_channel: Option<DeflectionChannel>,
    status: Option<NewChatStatus>,
    /// That of the chat which is deflected.
    escalation_id: Option<i64>,
}

/// What callers know the fields of a change as.
const CHANGE: Names = &[
    ("deflection_channel", "chat.deflection_channel"),
    ("escalation_id", "chat.escalation_id"),
];

/// Finish a chat
///
/// And say what became of its escalation when it was deflecting.
#[utoipa::path(patch, path = "/apps/api/v1/chats/{chat_id}", tag = "Chats",
    request_body(content = UpdateChat, content_type = "application/json", example = json!({"chat": {"status": "finished"}})),
    responses((status = 200, description = "The chat", body = Chat)))]
pub(super) async fn update_chat(ask: Ask) -> Result<Json<Chat>, Refusal> {
    let id = ask.chat()?;
    let body: UpdateChat = ask.object()?;
    let Object(change) = required(body.chat, "chat")?;
    if change.status.is_none() && change.deflection_channel.is_none() && change.escalation_id.is_none() {
        return Err(Refusal::missing("chat"));
    }
    let request = ask.request(pb::UpdateChatRequest {
        id,
        finish: change.status.is_some(),
        finished_by_user_id: body.finished_by_user_id,
        escalation_id: change.escalation_id,
        deflection_channel: number(change.deflection_channel),
    });
    let answer = ask.chats().update_chat(request).await;
    let answer = answer.map_err(Refusal::naming(CHANGE))?.into_inner();
    Ok(Json(Chat::of(answer.chat)?))
}

/// Resume a chat
///
/// One that is dismissed goes back into its queue, or to its virtual agent; 409 while it is under way.
#[utoipa::path(post, path = "/apps/api/v1/chats/{chat_id}/resume", tag = "Chats",
    responses((status = 200, description = "The chat", body = Chat)))]
pub(super) async fn resume_chat(ask: Ask) -> Result<Json<Chat>, Refusal> {
    let request = ask.request(pb::ResumeChatRequest { id: ask.chat()? });
    let answer = ask.chats().resume_chat(request).await?.into_inner();
    Ok(Json(Chat::of(answer.chat)?))
}
