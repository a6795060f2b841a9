//! End users, and whose a chat is.

use http::StatusCode;
use proto::conversation::v1 as pb;
use proto::conversation::v1::get_end_user_request::By;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{EndUser, Json};
use super::ask::{Ask, integer, required_text};
use super::refusal::Refusal;
use crate::answer::given;
use crate::errors::Sentence;

/// What is known of an end user.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChatEndUserInput)]
pub(super) struct Input {
    /// The caller's own id, 1 to 255 characters: the external id on the conversation surface.
    #[schema(value_type = String)]
    identifier: Option<String>,
    /// At most 200 characters.
    name: Option<String>,
    email: Option<String>,
    /// E.164.
    phone: Option<String>,
}

/// Create or update an end user
///
/// By identifier: what is absent stays as it is.
#[utoipa::path(post, path = "/apps/api/v1/end_users", tag = "Chats",
    request_body(content = Input, content_type = "application/json",
        example = json!({"identifier": "customer-42", "name": "Laura Palmer", "email": "laura@home.example"})),
    responses((status = 200, description = "The end user", body = EndUser)))]
pub(super) async fn upsert_end_user(ask: Ask) -> Result<Json<EndUser>, Refusal> {
    let body: Input = ask.object()?;
    let request = ask.request(pb::UpsertEndUserRequest {
        identifier: required_text(body.identifier, "identifier")?,
        email: body.email,
        name: body.name,
        phone: body.phone,
    });
    let answer = ask.chats().upsert_end_user(request).await?.into_inner();
    Ok(Json(given(answer.end_user)?.into()))
}

/// Find an end user
#[utoipa::path(get, path = "/apps/api/v1/end_users", tag = "Chats",
    params(
        ("id" = Option<i64>, Query, description = "The one with this id"),
        ("identifier" = Option<String>, Query, description = "The one with this identifier. One of the two is given"),
    ),
    responses(
        (status = 200, description = "The end user", body = EndUser),
        (status = 404, description = "There is no such end user", body = Sentence),
    ))]
pub(super) async fn find_end_user(ask: Ask) -> Result<Json<EndUser>, Refusal> {
    let query = ask.query()?;
    let by = match (query.text("id")?, query.owned("identifier")?) {
        (Some(id), None) => By::Id(integer("id", id)?),
        (None, Some(identifier)) => By::Identifier(identifier),
        (None, None) => return Err(Refusal::missing("identifier")),
        (Some(_), Some(_)) => return Err(Refusal::invalid("identifier", "must not be given beside id")),
    };
    let request = ask.request(pb::GetEndUserRequest { by: Some(by) });
    let answer = ask.chats().get_end_user(request).await?.into_inner();
    Ok(Json(given(answer.end_user)?.into()))
}

/// That something was taken in.
#[derive(Serialize, ToSchema)]
pub(super) struct Accepted {
    #[schema(example = "accepted")]
    message: &'static str,
}

/// Update the end user of a chat
///
/// Another identifier makes the chat that of another end user, who is created when there is none. An e-mail address or
/// number of somebody else never merges the two. The same again within ten seconds is refused.
#[utoipa::path(post, path = "/apps/api/v1/chats/{chat_id}/end-user", tag = "Chats",
    request_body(content = Input, content_type = "application/json",
        example = json!({"identifier": "customer-42", "name": "Laura Palmer"})),
    responses((status = 202, description = "Done", body = Accepted)))]
pub(super) async fn update_chat_end_user(ask: Ask) -> Result<(StatusCode, Json<Accepted>), Refusal> {
    let chat_id = ask.chat()?;
    let body: Input = ask.object()?;
    let request = ask.request(pb::UpdateChatEndUserRequest {
        chat_id,
        identifier: required_text(body.identifier, "identifier")?,
        name: body.name,
        email: body.email,
        phone: body.phone,
    });
    ask.chats().update_chat_end_user(request).await?;
    Ok((StatusCode::ACCEPTED, Json(Accepted { message: "accepted" })))
}

/// Update the end user of a chat, under its other name
///
/// The sources spell the path in two ways.
#[utoipa::path(post, path = "/apps/api/v1/chats/{chat_id}/end_user", tag = "Chats",
    request_body(content = Input, content_type = "application/json",
        example = json!({"identifier": "customer-42", "name": "Laura Palmer"})),
    responses((status = 202, description = "Done", body = Accepted)))]
pub(super) async fn update_chat_end_user_underscored(ask: Ask) -> Result<(StatusCode, Json<Accepted>), Refusal> {
    update_chat_end_user(ask).await
}
