//! Tags, and which conversations have them.

use http::StatusCode;
use proto::conversation::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::Data;
use super::ask::Ask;
use super::refusal::{Refusal, Terms};
use crate::answer::given;
use crate::errors::Names;
use crate::extract::Object;

/// A tag.
#[derive(Serialize, ToSchema)]
pub(super) struct Tag {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "#8f5fe8")]
    color: Option<String>,
    state: TagState,
}

#[derive(Serialize, ToSchema)]
enum TagState {
    Active,
    Inactive,
}

impl From<pb::Tag> for Tag {
    fn from(tag: pb::Tag) -> Self {
        Self {
            id: tag.id,
            name: tag.name,
            color: tag.color,
            state: if tag.active {
                TagState::Active
            } else {
                TagState::Inactive
            },
        }
    }
}

/// A tag to be created.
#[derive(Deserialize, ToSchema)]
pub(super) struct CreateTag {
    /// 1 to 200 characters.
    name: String,
    #[schema(example = "#8f5fe8")]
    color: Option<String>,
}

/// Create a tag
///
/// Or get the one of that name, unchanged.
#[utoipa::path(post, path = "/v1/tags", tag = "Tags",
    request_body(content = CreateTag, content_type = "application/json", example = json!({"name": "example"})),
    responses((status = 200, description = "The tag", body = Data<Tag>)))]
pub(super) async fn create_tag(ask: Ask) -> Result<Data<Tag>, Refusal> {
    let body: CreateTag = ask.object()?;
    let request = ask.request(pb::CreateTagRequest {
        name: body.name,
        color: body.color,
    });
    let answer = ask.directory().create_tag(request).await?.into_inner();
    let data = given(answer.tag)?.into();
    Ok(Data { data })
}

/// List the tags
///
/// By name.
#[utoipa::path(get, path = "/v1/tags", tag = "Tags",
    params(("includeDeactivated" = Option<bool>, Query, description = "Default false")),
    responses((status = 200, description = "The tags", body = Data<Vec<Tag>>)))]
pub(super) async fn list_tags(ask: Ask) -> Result<Data<Vec<Tag>>, Refusal> {
    let include_deactivated = ask.query()?.flag("includeDeactivated")?.unwrap_or_default();
    let request = ask.request(pb::ListTagsRequest { include_deactivated });
    let answer = ask.directory().list_tags(request).await?.into_inner();
    let data = answer.tags.into_iter().map(Tag::from).collect();
    Ok(Data { data })
}

/// Get a tag
#[utoipa::path(get, path = "/v1/tags/{tagId}", tag = "Tags",
    responses((status = 200, description = "The tag", body = Data<Tag>)))]
pub(super) async fn get_tag(ask: Ask) -> Result<Data<Tag>, Refusal> {
    let request = ask.request(pb::GetTagRequest { id: ask.uuid("tagId")? });
    let answer = ask.directory().get_tag(request).await?.into_inner();
    let data = given(answer.tag)?.into();
    Ok(Data { data })
}

/// Activate a tag
#[utoipa::path(patch, path = "/v1/tags/{tagId}/activate", tag = "Tags",
    responses((status = 204, description = "Active")))]
pub(super) async fn activate_tag(ask: Ask) -> Result<StatusCode, Refusal> {
    set_state(ask, true).await
}

/// Deactivate a tag
///
/// Conversations keep it; no other can get it.
#[utoipa::path(patch, path = "/v1/tags/{tagId}/deactivate", tag = "Tags",
    responses((status = 204, description = "Inactive")))]
pub(super) async fn deactivate_tag(ask: Ask) -> Result<StatusCode, Refusal> {
    set_state(ask, false).await
}

async fn set_state(ask: Ask, active: bool) -> Result<StatusCode, Refusal> {
    let id = ask.uuid("tagId")?;
    let request = ask.request(pb::SetTagStateRequest { id, active });
    ask.directory().set_tag_state(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Delete a tag
///
/// Conversations lose it.
#[utoipa::path(delete, path = "/v1/tags/{tagId}", tag = "Tags",
    responses((status = 204, description = "Deleted")))]
pub(super) async fn delete_tag(ask: Ask) -> Result<StatusCode, Refusal> {
    let id = ask.uuid("tagId")?;
    let request = ask.request(pb::DeleteTagRequest { id });
    ask.directory().delete_tag(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the tags of a conversation
#[utoipa::path(get, path = "/v1/conversations/{conversationId}/tags", tag = "Conversations",
    responses((status = 200, description = "The tags", body = Data<Vec<Tag>>)))]
pub(super) async fn list_conversation_tags(ask: Ask) -> Result<Data<Vec<Tag>>, Refusal> {
    let conversation_id = ask.conversation()?;
    let request = ask.request(pb::ListConversationTagsRequest { conversation_id });
    let answer = ask.conversations().list_conversation_tags(request).await?.into_inner();
    let data = answer.tags.into_iter().map(Tag::from).collect();
    Ok(Data { data })
}

/// Tag a conversation
///
/// With an active tag. One that is there already changes nothing.
#[utoipa::path(put, path = "/v1/conversations/{conversationId}/tags/{tagId}", tag = "Conversations",
    responses((status = 204, description = "Tagged")))]
pub(super) async fn tag_conversation(ask: Ask) -> Result<StatusCode, Refusal> {
    change(ask, false).await
}

/// Untag a conversation
///
/// From an active or inactive tag. One that is not there changes nothing.
#[utoipa::path(delete, path = "/v1/conversations/{conversationId}/tags/{tagId}", tag = "Conversations",
    responses((status = 204, description = "Untagged")))]
pub(super) async fn untag_conversation(ask: Ask) -> Result<StatusCode, Refusal> {
    change(ask, true).await
}

async fn change(ask: Ask, remove: bool) -> Result<StatusCode, Refusal> {
    let request = ask.request(pb::ChangeConversationTagRequest {
        conversation_id: ask.conversation()?,
        tag_id: ask.uuid("tagId")?,
        remove,
    });
    ask.conversations().change_conversation_tag(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tags by name.
#[derive(Deserialize, ToSchema)]
pub(super) struct BulkTags {
    /// 1 to 100.
    #[schema(value_type = Vec<TagName>)]
    data: Vec<Object<TagName>>,
}

/// The name of a tag.
#[derive(Deserialize, ToSchema)]
struct TagName {
    name: String,
}

/// Tag a conversation by names
///
/// Makes the tags that are missing.
#[utoipa::path(post, path = "/v1/conversations/{conversationId}/tags/bulk", tag = "Conversations",
    request_body(content = BulkTags, content_type = "application/json", example = json!({"data": [{"name": "example"}]})),
    responses((status = 202, description = "Tagged")))]
pub(super) async fn bulk_tag_conversation(ask: Ask) -> Result<StatusCode, Refusal> {
    const NAMES: Names = &[("names", "data")];
    let conversation_id = ask.conversation()?;
    let body: BulkTags = ask.object()?;
    let request = ask.request(pb::TagConversationByNameRequest {
        conversation_id,
        names: body.data.into_iter().map(|Object(tag)| tag.name).collect(),
    });
    let done = ask.conversations().tag_conversation_by_name(request).await;
    done.map_err(Terms::BODY.names(NAMES).refuse())?;
    Ok(StatusCode::ACCEPTED)
}
