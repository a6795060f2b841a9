//! What moves a conversation: claim, close, reopen, transfer, follow-up, link.

use http::StatusCode;
use proto::conversation::v1 as pb;
use serde::Deserialize;
use utoipa::ToSchema;

use super::answer::Moment;
use super::ask::{Ask, is_uuid};
use super::refusal::{Part, Refusal, Terms};
use super::words::NewLinkKind;
use crate::words::number;

/// How an operation speaks of the user in whose name it acts.
const BY_USER: Terms = Terms::BODY.known(&[
    ("USER_NOT_FOUND", StatusCode::BAD_REQUEST, "User not found"),
    ("USER_NOT_AGENT", StatusCode::BAD_REQUEST, "User is not agent/admin"),
    ("QUEUE_NOT_FOUND", StatusCode::BAD_REQUEST, "Queue does not exist"),
]);

fn uuid(text: Option<String>, name: &str) -> Result<Option<String>, Refusal> {
    match text {
        Some(text) if !is_uuid(&text) => Err(Refusal::invalid(Part::Body, name, "must be a UUID")),
        text => Ok(text),
    }
}

/// Who takes a conversation.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Claim {
    agent_id: String,
    /// False: not from another agent. Default true.
    force: Option<bool>,
}

/// Claim a conversation
///
/// For an agent. Without `force`, 409 with the owner's id while another agent holds it.
#[utoipa::path(put, path = "/v1/conversations/{conversationId}/claim", tag = "Conversations",
    request_body(content = Claim, content_type = "application/json"),
    responses((status = 204, description = "Claimed")))]
pub(super) async fn claim_conversation(ask: Ask) -> Result<StatusCode, Refusal> {
    let id = ask.conversation()?;
    let body: Claim = ask.object()?;
    let request = ask.request(pb::ClaimConversationRequest {
        id,
        agent_id: uuid(Some(body.agent_id), "agentId")?.unwrap_or_default(),
        force: body.force.unwrap_or(true),
    });
    ask.conversations().claim_conversation(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// In whose name it is done.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ByUser {
    /// Of an agent. Absent: the owner of the key.
    user_id: Option<String>,
}

/// Close a conversation
///
/// The body can be left out. Closing a closed conversation changes nothing.
#[utoipa::path(put, path = "/v1/conversations/{conversationId}/close", tag = "Conversations",
    request_body(content = Option<ByUser>, content_type = "application/json"),
    responses((status = 204, description = "Closed")))]
pub(super) async fn close_conversation(ask: Ask) -> Result<StatusCode, Refusal> {
    let id = ask.conversation()?;
    let body: ByUser = ask.object()?;
    let request = ask.request(pb::CloseConversationRequest {
        id,
        user_id: uuid(body.user_id, "userId")?,
    });
    let done = ask.conversations().close_conversation(request).await;
    done.map_err(BY_USER.refuse())?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reopen a conversation
///
/// Back into its queue, or the default one. The body can be left out. Reopening an open conversation changes nothing.
#[utoipa::path(put, path = "/v1/conversations/{conversationId}/reopen", tag = "Conversations",
    request_body(content = Option<ByUser>, content_type = "application/json"),
    responses((status = 204, description = "Reopened")))]
pub(super) async fn reopen_conversation(ask: Ask) -> Result<StatusCode, Refusal> {
    let id = ask.conversation()?;
    let body: ByUser = ask.object()?;
    let request = ask.request(pb::ReopenConversationRequest {
        id,
        user_id: uuid(body.user_id, "userId")?,
    });
    let done = ask.conversations().reopen_conversation(request).await;
    done.map_err(BY_USER.refuse())?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where a conversation goes.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Transfer {
    queue_id: String,
    /// Of an agent. Absent: the owner of the key.
    user_id: Option<String>,
}

/// Transfer a conversation
///
/// Into another queue, unassigned and open.
#[utoipa::path(put, path = "/v1/conversations/{conversationId}/transfer/queue", tag = "Conversations",
    request_body(content = Transfer, content_type = "application/json"),
    responses((status = 204, description = "Transferred")))]
pub(super) async fn transfer_conversation(ask: Ask) -> Result<StatusCode, Refusal> {
    let id = ask.conversation()?;
    let body: Transfer = ask.object()?;
    let request = ask.request(pb::TransferConversationRequest {
        id,
        queue_id: uuid(Some(body.queue_id), "queueId")?.unwrap_or_default(),
        user_id: uuid(body.user_id, "userId")?,
    });
    let done = ask.conversations().transfer_conversation(request).await;
    done.map_err(BY_USER.refuse())?;
    Ok(StatusCode::NO_CONTENT)
}

/// When to come back to a conversation.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FollowUp {
    /// In the future.
    timestamp: Moment,
    /// Of an agent. Absent: the owner of the key.
    user_id: Option<String>,
}

/// Follow up on a conversation
///
/// Pending until a point in time, then open again.
#[utoipa::path(put, path = "/v1/conversations/{conversationId}/followup", tag = "Conversations",
    request_body(content = FollowUp, content_type = "application/json"),
    responses((status = 204, description = "Pending")))]
pub(super) async fn follow_up_conversation(ask: Ask) -> Result<StatusCode, Refusal> {
    let id = ask.conversation()?;
    let body: FollowUp = ask.object()?;
    let request = ask.request(pb::FollowUpConversationRequest {
        id,
        at: Some(body.timestamp.0),
        user_id: uuid(body.user_id, "userId")?,
    });
    let done = ask.conversations().follow_up_conversation(request).await;
    done.map_err(BY_USER.names(&[("at", "timestamp")]).refuse())?;
    Ok(StatusCode::NO_CONTENT)
}

/// The parent of a conversation.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Link {
    parent_id: i64,
    link_type: NewLinkKind,
}

/// Link a conversation
///
/// To a parent. A conversation has one parent, a parent at most 100 children, and a child no children of its own.
#[utoipa::path(put, path = "/v1/conversations/{conversationId}/link", tag = "Conversations",
    request_body(content = Link, content_type = "application/json"),
    responses((status = 204, description = "Linked")))]
pub(super) async fn link_conversation(ask: Ask) -> Result<StatusCode, Refusal> {
    let id = ask.conversation()?;
    let body: Link = ask.object()?;
    let request = ask.request(pb::LinkConversationRequest {
        id,
        parent_id: body.parent_id,
        kind: number(Some(body.link_type)),
    });
    let done = ask.conversations().link_conversation(request).await;
    done.map_err(Terms::BODY.names(&[("kind", "linkType")]).refuse())?;
    Ok(StatusCode::NO_CONTENT)
}
