//! Anonymization of conversations, messages and end users.

use http::StatusCode;
use proto::conversation::v1 as pb;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::Data;
use super::ask::Ask;
use super::refusal::{Refusal, SCOPE_IS_401, Terms};
use super::words::AnonymizationTarget;
use crate::answer::{Stamp, given};
use crate::words::{Word as _, number};

/// How far an anonymization is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AnonymizationRequestStatus)]
pub(super) struct RequestStatus {
    id: String,
    entity_type: EntityType,
    // Not the discriminator of a union, and therefore not at the end.
    #[serde(rename = "_type", skip_serializing_if = "Option::is_none")]
    kind: Option<AnonymizationTarget>,
    initiated_at: Stamp,
    /// Of a message: the id of its conversation, `_` and its own.
    #[schema(example = "10749")]
    target_entity_id: String,
    requested_by: String,
    /// Absent until it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    processed_at: Option<Stamp>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AnonymizationEntityType)]
enum EntityType {
    #[serde(rename = "ConversationAnonymizationType")]
    Conversation,
    #[serde(rename = "MessageAnonymizationType")]
    Message,
    #[serde(rename = "UserAnonymizationType")]
    User,
    #[serde(rename = "UnknownAnonymizationType")]
    Unknown,
}

impl From<pb::AnonymizationRequest> for RequestStatus {
    fn from(request: pb::AnonymizationRequest) -> Self {
        let kind = AnonymizationTarget::of(request.target());
        Self {
            id: request.id,
            entity_type: match kind {
                Some(AnonymizationTarget::Conversation) => EntityType::Conversation,
                Some(AnonymizationTarget::Message) => EntityType::Message,
                Some(AnonymizationTarget::User) => EntityType::User,
                None => EntityType::Unknown,
            },
            kind,
            initiated_at: Stamp::of(request.initiated_at),
            target_entity_id: request.target_id,
            requested_by: request.requested_by,
            processed_at: Stamp::maybe(request.processed_at),
        }
    }
}

async fn anonymize(
    ask: Ask,
    target: AnonymizationTarget,
    rest: pb::AnonymizeRequest,
) -> Result<(StatusCode, Data<RequestStatus>), Refusal> {
    let request = ask.request(pb::AnonymizeRequest {
        target: number(Some(target)),
        ..rest
    });
    let answer = ask.conversations().anonymize(request).await?.into_inner();
    let data = given(answer.request)?.into();
    Ok((StatusCode::ACCEPTED, Data { data }))
}

fn force(ask: &Ask) -> Result<bool, Refusal> {
    Ok(ask.query()?.flag("force")?.unwrap_or_default())
}

/// Anonymize a conversation
///
/// 409 while it is not closed, unless it is forced.
#[utoipa::path(patch, path = "/v1/conversations/{conversationId}/anonymize", tag = "Conversations",
    params(("force" = Option<bool>, Query, description = "Close it first. Default false")),
    responses((status = 202, description = "The request", body = Data<RequestStatus>)))]
pub(super) async fn anonymize_conversation(ask: Ask) -> Result<(StatusCode, Data<RequestStatus>), Refusal> {
    let rest = pb::AnonymizeRequest {
        conversation_id: ask.conversation()?,
        force: force(&ask)?,
        ..pb::AnonymizeRequest::default()
    };
    anonymize(ask, AnonymizationTarget::Conversation, rest).await
}

/// Anonymize a message
///
/// 409 while its conversation is not closed.
#[utoipa::path(patch, path = "/v1/conversations/{conversationId}/messages/{messageId}/anonymize", tag = "Conversations",
    responses((status = 202, description = "The request", body = Data<RequestStatus>)))]
pub(super) async fn anonymize_message(ask: Ask) -> Result<(StatusCode, Data<RequestStatus>), Refusal> {
    let rest = pb::AnonymizeRequest {
        conversation_id: ask.conversation()?,
        message_id: ask.uuid("messageId")?,
        ..pb::AnonymizeRequest::default()
    };
    anonymize(ask, AnonymizationTarget::Message, rest).await
}

/// Anonymize an end user
///
/// With all his conversations. 409 while one of them is not closed, unless it is forced.
#[utoipa::path(patch, path = "/v1/endusers/{userId}/anonymize", tag = "End users",
    params(("force" = Option<bool>, Query, description = "Close his conversations first. Default false")),
    responses((status = 202, description = "The request", body = Data<RequestStatus>)))]
pub(super) async fn anonymize_end_user(ask: Ask) -> Result<(StatusCode, Data<RequestStatus>), Refusal> {
    let rest = pb::AnonymizeRequest {
        user_id: ask.uuid("userId")?,
        force: force(&ask)?,
        ..pb::AnonymizeRequest::default()
    };
    anonymize(ask, AnonymizationTarget::User, rest).await
}

/// Get an anonymization request
#[utoipa::path(get, path = "/v1/anonymization/request/{requestId}", tag = "Anonymization",
    responses((status = 200, description = "How far it is", body = Data<RequestStatus>)))]
pub(super) async fn get_anonymization_request(ask: Ask) -> Result<Data<RequestStatus>, Refusal> {
    let request = ask.request(pb::GetAnonymizationRequestRequest {
        id: ask.uuid("requestId")?,
    });
    let answer = ask.conversations().get_anonymization_request(request).await;
    let answer = answer
        .map_err(Terms::BODY.known(&[SCOPE_IS_401]).refuse())?
        .into_inner();
    let data = given(answer.request)?.into();
    Ok(Data { data })
}
