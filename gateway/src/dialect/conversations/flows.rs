//! Flows, which decide the queue of a new inbound conversation.

use http::StatusCode;
use proto::conversation::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::Data;
use super::ask::{Ask, is_uuid};
use super::refusal::{Part, Refusal, Terms};
use super::words::{Channel, FlowChannel};
use crate::answer::given;
use crate::words::{Word as _, number};

/// A flow.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConversationFlow)]
pub(super) struct Flow {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<Channel>,
    contact_endpoint_id: String,
}

impl From<pb::Flow> for Flow {
    fn from(flow: pb::Flow) -> Self {
        Self {
            channel: Channel::of(flow.channel()),
            id: flow.id,
            name: flow.name,
            contact_endpoint_id: flow.contact_endpoint_id,
        }
    }
}

/// List the flows
#[utoipa::path(get, path = "/v1/conversations/flows", tag = "Conversations",
    params(("channel" = inline(Option<FlowChannel>), Query, description = "Of this channel. Default PstnPhone")),
    responses((status = 200, description = "The flows", body = Data<Vec<Flow>>)))]
pub(super) async fn list_flows(ask: Ask) -> Result<Data<Vec<Flow>>, Refusal> {
    let channel = ask.query()?.word("channel")?.unwrap_or(FlowChannel::PstnPhone);
    let request = ask.request(pb::ListFlowsRequest {
        channel: number(Some(channel)),
    });
    let answer = ask.directory().list_flows(request).await?.into_inner();
    let data = answer.flows.into_iter().map(Flow::from).collect();
    Ok(Data { data })
}

/// A flow to be created.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateFlow {
    /// 1 to 200 characters.
    name: String,
    channel: Channel,
    /// A widget id, an address or a number.
    contact_endpoint_id: String,
    queue_id: String,
}

/// Create a flow
///
/// An addition to the source.
#[utoipa::path(post, path = "/v1/conversations/flows", tag = "Conversations",
    request_body(content = CreateFlow, content_type = "application/json"),
    responses((status = 201, description = "The flow", body = Data<Flow>)))]
pub(super) async fn create_flow(ask: Ask) -> Result<(StatusCode, Data<Flow>), Refusal> {
    const TERMS: Terms = Terms::BODY.known(&[("QUEUE_NOT_FOUND", StatusCode::BAD_REQUEST, "Queue does not exist")]);
    let body: CreateFlow = ask.object()?;
    if !is_uuid(&body.queue_id) {
        return Err(Refusal::invalid(Part::Body, "queueId", "must be a UUID"));
    }
    let request = ask.request(pb::CreateFlowRequest {
        name: body.name,
        channel: number(Some(body.channel)),
        contact_endpoint_id: body.contact_endpoint_id,
        queue_id: body.queue_id,
    });
    let answer = ask.directory().create_flow(request).await;
    let answer = answer.map_err(TERMS.refuse())?.into_inner();
    let data = given(answer.flow)?.into();
    Ok((StatusCode::CREATED, Data { data }))
}
