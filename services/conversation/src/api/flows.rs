//! Flows.

use platform::access::Call;
use platform::fault::Violation;
use proto::conversation::v1::{
    self as wire, CreateFlowRequest, CreateFlowResponse, ListFlowsRequest, ListFlowsResponse,
};
use tonic::{Response, Status};

use super::{Api, Done};
use crate::domain::flows::Flow;
use crate::domain::{Channel, ConversationError, field};
use crate::store::Store;

impl Api {
    pub(super) async fn create_flow(
        &self,
        call: Call,
        message: CreateFlowRequest,
    ) -> Result<Response<CreateFlowResponse>, Status> {
        let flow = parse(message.clone()).map_err(ConversationError::from)?;
        self.once(&call, "CreateFlow", &message, async |tx| {
            match Store::queue(call.org(), &mut *tx, flow.queue_id).await {
                Err(ConversationError::QueueNotFound) => {
                    return Err(ConversationError::invalid(
                        "queue_id",
                        "must be a queue of the organization",
                    ));
                }
                found => drop(found?),
            }
            Store::create_flow(call.org(), tx, &flow).await?;
            let subject = format!("flows/{}", flow.id);
            Ok(Done::new(
                subject,
                CreateFlowResponse {
                    flow: Some(flow.into()),
                },
            ))
        })
        .await
    }

    pub(super) async fn list_flows(
        &self,
        call: Call,
        message: ListFlowsRequest,
    ) -> Result<Response<ListFlowsResponse>, Status> {
        let channel = match message.channel {
            0 => None,
            number => Some(Channel::parse("channel", number).map_err(ConversationError::from)?),
        };
        let flows = Store::flows(call.org(), &self.db, channel).await?;
        Ok(Response::new(ListFlowsResponse {
            flows: flows.into_iter().map(Into::into).collect(),
        }))
    }
}

fn parse(message: CreateFlowRequest) -> Result<Flow, Violation> {
    Ok(Flow {
        id: platform::id::new(),
        name: field::required("name", message.name, field::NAME)?,
        channel: Channel::parse("channel", message.channel)?,
        contact_endpoint_id: field::required("contact_endpoint_id", message.contact_endpoint_id, field::EMAIL)?,
        queue_id: field::uuid("queue_id", &message.queue_id)?,
    })
}

impl From<Flow> for wire::Flow {
    fn from(flow: Flow) -> Self {
        Self {
            id: flow.id.to_string(),
            name: flow.name,
            channel: flow.channel.into(),
            contact_endpoint_id: flow.contact_endpoint_id,
            queue_id: flow.queue_id.to_string(),
        }
    }
}
