//! Queues, in which conversations wait.

use std::collections::BTreeMap;

use http::StatusCode;
use proto::conversation::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::Data;
use super::ask::{Ask, is_uuid};
use super::parts::{BulkError, BulkOutcome};
use super::refusal::{Part, Refusal, Terms};
use super::teams::AgentIds;
use crate::answer::{Stamp, given};
use crate::errors::{Failure, Names};
use crate::extract::Object;

/// The documented settings that are kept and shown but not acted on.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
struct QueueOptions {
    queue_thresholds: BTreeMap<String, i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offer_timeout: Option<i32>,
    /// AgentPriorityOneAtATimeRandom, AllAtOnce, AgentPriorityLongestIdle, AgentPriorityAllAtOnce, LongestIdle or
    /// OneAtATimeRandom.
    #[serde(
        rename = "offeringAlgorithm",
        alias = "offerAlgorithm",
        skip_serializing_if = "Option::is_none"
    )]
    offering_algorithm: Option<OfferingAlgorithm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wrapup_timeout: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offer_abandoned_conversations: Option<bool>,
    do_not_offer_timeouts: BTreeMap<String, i32>,
    is_do_not_offer_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_preferred_agent_enabled: Option<bool>,
    preferred_agent_timeouts: BTreeMap<String, i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_agent_offline_timeout: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    personal_agent_offline_timeout: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_restricted: Option<bool>,
}

#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
enum OfferingAlgorithm {
    AgentPriorityOneAtATimeRandom,
    AllAtOnce,
    AgentPriorityLongestIdle,
    AgentPriorityAllAtOnce,
    LongestIdle,
    OneAtATimeRandom,
}

/// A queue.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Queue {
    id: String,
    name: String,
    is_default: bool,
    organization_id: String,
    sla_calculation_method: SlaCalculation,
    /// Who answers before people do. An addition to the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    virtual_agent_id: Option<String>,
    #[serde(flatten)]
    options: QueueOptions,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SlaCalculationMethod)]
enum SlaCalculation {
    AbandonedIgnored,
}

impl Queue {
    fn of(queue: pb::Queue, organization_id: String) -> Result<Self, Failure> {
        let options = if queue.options_json.is_empty() {
            Ok(QueueOptions::default())
        } else {
            serde_json::from_str(&queue.options_json)
        };
        Ok(Self {
            id: queue.id,
            name: queue.name,
            is_default: queue.is_default,
            organization_id,
            sla_calculation_method: SlaCalculation::AbandonedIgnored,
            virtual_agent_id: queue.virtual_agent_id,
            options: options.map_err(|_| Failure::internal("the options of a queue can't be read"))?,
        })
    }
}

/// A queue to be created.
#[derive(Deserialize, ToSchema)]
pub(super) struct CreateQueue {
    #[schema(value_type = QueueRequest)]
    request: Object<QueueRequest>,
}

/// What a queue is to be.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct QueueRequest {
    /// 1 to 200 characters.
    name: String,
    /// The first queue is the default in any case; one that is made default later takes that over.
    is_default: bool,
    /// Who answers before people do. An addition to the source.
    virtual_agent_id: Option<String>,
    #[serde(flatten)]
    options: QueueOptions,
}

/// Create a queue
#[utoipa::path(post, path = "/v1/queues", tag = "Queues",
    request_body(content = CreateQueue, content_type = "application/json",
        example = json!({"request": {"name": "Support", "isDefault": false, "callFunctionality": false, "isDoNotOfferEnabled": false}})),
    responses((status = 201, description = "The queue", body = Data<Queue>)))]
pub(super) async fn create_queue(ask: Ask) -> Result<(StatusCode, Data<Queue>), Refusal> {
    const NAMES: Names = &[
        ("name", "request.name"),
        ("options_json", "request"),
        ("virtual_agent_id", "request.virtualAgentId"),
    ];
    let CreateQueue { request: Object(body) } = ask.object()?;
    if body.virtual_agent_id.as_deref().is_some_and(|id| !is_uuid(id)) {
        let field = "request.virtualAgentId";
        return Err(Refusal::invalid(Part::Body, field, "must be a UUID"));
    }
    let options_json = serde_json::to_string(&body.options);
    let options_json = options_json.map_err(|error| Failure::internal(&error.to_string()))?;
    let request = ask.request(pb::CreateQueueRequest {
        name: body.name,
        is_default: body.is_default,
        virtual_agent_id: body.virtual_agent_id,
        options_json,
    });
    let answer = ask.directory().create_queue(request).await;
    let answer = answer.map_err(Terms::BODY.names(NAMES).refuse())?.into_inner();
    let data = Queue::of(given(answer.queue)?, ask.organization())?;
    Ok((StatusCode::CREATED, Data { data }))
}

/// List the queues
#[utoipa::path(get, path = "/v1/queues", tag = "Queues",
    responses((status = 200, description = "The queues", body = Data<Vec<Queue>>)))]
pub(super) async fn list_queues(ask: Ask) -> Result<Data<Vec<Queue>>, Refusal> {
    let request = ask.request(pb::ListQueuesRequest {});
    let answer = ask.directory().list_queues(request).await?.into_inner();
    let organization = ask.organization();
    let queues = answer.queues.into_iter();
    let data = queues
        .map(|queue| Queue::of(queue, organization.clone()))
        .collect::<Result<_, _>>()?;
    Ok(Data { data })
}

/// Get a queue
#[utoipa::path(get, path = "/v1/queues/{queueId}", tag = "Queues",
    responses((status = 200, description = "The queue", body = Data<Queue>)))]
pub(super) async fn get_queue(ask: Ask) -> Result<Data<Queue>, Refusal> {
    let request = ask.request(pb::GetQueueRequest {
        id: ask.uuid("queueId")?,
    });
    let answer = ask.directory().get_queue(request).await?.into_inner();
    let data = Queue::of(given(answer.queue)?, ask.organization())?;
    Ok(Data { data })
}

/// An agent in a queue.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct QueueMember {
    agent_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<i32>,
}

/// List the members of a queue
#[utoipa::path(get, path = "/v1/queues/{queueId}/members", tag = "Queues",
    responses((status = 200, description = "The members", body = Data<Vec<QueueMember>>)))]
pub(super) async fn list_queue_members(ask: Ask) -> Result<Data<Vec<QueueMember>>, Refusal> {
    let request = ask.request(pb::ListQueueMembersRequest {
        id: ask.uuid("queueId")?,
    });
    let answer = ask.directory().list_queue_members(request).await?.into_inner();
    let members = answer.members.into_iter().map(|member| QueueMember {
        agent_id: member.agent_id,
        priority: member.priority,
    });
    Ok(Data {
        data: members.collect(),
    })
}

async fn change(ask: &Ask, remove: bool) -> Result<Vec<pb::MemberOutcome>, Refusal> {
    let request = ask.request(pb::ChangeQueueMembersRequest {
        id: ask.uuid("queueId")?,
        agent_ids: AgentIds::read(ask)?,
        remove,
    });
    Ok(ask
        .directory()
        .change_queue_members(request)
        .await?
        .into_inner()
        .outcomes)
}

/// Add agents to a queue
///
/// 1 to 10. Each succeeds or fails by itself; outcomes come in the order of the request.
#[utoipa::path(patch, path = "/v1/queues/{queueId}/members", tag = "Queues",
    request_body(content = AgentIds, content_type = "application/json"),
    responses((status = 200, description = "What became of each", body = Data<Vec<BulkOutcome<String, BulkError>>>)))]
pub(super) async fn add_queue_members(ask: Ask) -> Result<Data<Vec<BulkOutcome<String, BulkError>>>, Refusal> {
    let outcomes = change(&ask, false).await?.into_iter();
    let outcomes = outcomes.map(|outcome| match outcome.failure {
        None => BulkOutcome::of(Ok(outcome.agent_id)),
        Some(failure) => BulkOutcome::of(Err(failure.into())),
    });
    Ok(Data {
        data: outcomes.collect(),
    })
}

/// Remove agents from a queue
///
/// 1 to 10.
#[utoipa::path(delete, path = "/v1/queues/{queueId}/members", tag = "Queues",
    request_body(content = AgentIds, content_type = "application/json"),
    responses((status = 204, description = "Removed")))]
pub(super) async fn remove_queue_members(ask: Ask) -> Result<StatusCode, Refusal> {
    change(&ask, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where a conversation waits.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct QueuePosition {
    /// 1-based.
    position: i32,
    queued_at: Stamp,
}

/// Get where a conversation waits
#[utoipa::path(get, path = "/v1/queues/conversation-position/{conversationId}", tag = "Queues",
    responses((status = 200, description = "Its position", body = Data<QueuePosition>)))]
pub(super) async fn get_queue_position(ask: Ask) -> Result<Data<QueuePosition>, Refusal> {
    let conversation_id = ask.conversation()?;
    let request = ask.request(pb::GetQueuePositionRequest { conversation_id });
    let answer = ask.directory().get_queue_position(request).await?.into_inner();
    let data = QueuePosition {
        position: answer.position,
        queued_at: Stamp::of(answer.queued_at),
    };
    Ok(Data { data })
}
