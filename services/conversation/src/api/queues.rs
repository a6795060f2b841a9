//! Queues.

use platform::access::Call;
use platform::fault::Violation;
use platform::time;
use proto::conversation::v1::{
    self as wire, ChangeQueueMembersRequest, ChangeQueueMembersResponse, CreateQueueRequest, CreateQueueResponse,
    GetQueuePositionRequest, GetQueuePositionResponse, GetQueueRequest, GetQueueResponse, ListQueueMembersRequest,
    ListQueueMembersResponse, ListQueuesRequest, ListQueuesResponse,
};
use tonic::{Response, Status};
use uuid::Uuid;

use super::{Api, Done};
use crate::domain::queues::{Member, Queue};
use crate::domain::{ConversationError, field};
use crate::store::Store;
use crate::store::queues::NewQueue;

/// How many agents a request adds or removes at most.
const MEMBERS: usize = 10;
/// The largest options, in bytes.
const OPTIONS: usize = 16 * 1024;

impl Api {
    pub(super) async fn create_queue(
        &self,
        call: Call,
        message: CreateQueueRequest,
    ) -> Result<Response<CreateQueueResponse>, Status> {
        let new = parse(message.clone()).map_err(ConversationError::from)?;
        self.once(&call, "CreateQueue", &message, async |tx| {
            let org = call.org();
            if let Some(agent) = new.virtual_agent_id
                && !Store::hold_virtual_agent(org, tx, agent).await?
            {
                return Err(ConversationError::invalid(
                    "virtual_agent_id",
                    "must be a virtual agent of the organization",
                ));
            }
            let queue = Store::create_queue(org, tx, new).await?;
            let subject = format!("queues/{}", queue.id);
            let answer = CreateQueueResponse {
                queue: Some(queue.into()),
            };
            Ok(Done::new(subject, answer))
        })
        .await
    }

    pub(super) async fn list_queues(
        &self,
        call: Call,
        _: ListQueuesRequest,
    ) -> Result<Response<ListQueuesResponse>, Status> {
        let queues = Store::queues(call.org(), &self.db).await?;
        Ok(Response::new(ListQueuesResponse {
            queues: queues.into_iter().map(Into::into).collect(),
        }))
    }

    pub(super) async fn get_queue(
        &self,
        call: Call,
        message: GetQueueRequest,
    ) -> Result<Response<GetQueueResponse>, Status> {
        let id = field::uuid("id", &message.id).map_err(ConversationError::from)?;
        let queue = Store::queue(call.org(), &self.db, id).await?;
        Ok(Response::new(GetQueueResponse {
            queue: Some(queue.into()),
        }))
    }

    pub(super) async fn list_queue_members(
        &self,
        call: Call,
        message: ListQueueMembersRequest,
    ) -> Result<Response<ListQueueMembersResponse>, Status> {
        let id = field::uuid("id", &message.id).map_err(ConversationError::from)?;
        Store::queue(call.org(), &self.db, id).await?;
        let members = Store::queue_members(call.org(), &self.db, id).await?;
        Ok(Response::new(ListQueueMembersResponse {
            members: members.into_iter().map(Into::into).collect(),
        }))
    }

    pub(super) async fn change_queue_members(
        &self,
        call: Call,
        message: ChangeQueueMembersRequest,
    ) -> Result<Response<ChangeQueueMembersResponse>, Status> {
        let id = field::uuid("id", &message.id).map_err(ConversationError::from)?;
        field::count("agent_ids", message.agent_ids.len(), 1, MEMBERS).map_err(ConversationError::from)?;
        let agents: Vec<_> = message
            .agent_ids
            .iter()
            .filter_map(|id| platform::id::parse(id))
            .collect();
        self.once(&call, "ChangeQueueMembers", &message, async |tx| {
            let org = call.org();
            Store::queue(org, &mut *tx, id).await?;
            let done = if message.remove {
                Store::remove_queue_members(org, tx, id, &agents).await?
            } else {
                let agents = Store::hold_agents(org, tx, &agents).await?;
                Store::add_queue_members(org, tx, id, &agents).await?;
                agents
            };
            let outcomes = message
                .agent_ids
                .iter()
                .map(|text| outcome(text, message.remove, &done));
            let answer = ChangeQueueMembersResponse {
                outcomes: outcomes.collect(),
            };
            Ok(Done::new(format!("queues/{id}"), answer))
        })
        .await
    }

    pub(super) async fn get_queue_position(
        &self,
        call: Call,
        message: GetQueuePositionRequest,
    ) -> Result<Response<GetQueuePositionResponse>, Status> {
        let position = Store::queue_position(call.org(), &self.db, message.conversation_id).await?;
        Ok(Response::new(GetQueuePositionResponse {
            position: i32::try_from(position.position).unwrap_or(i32::MAX),
            queued_at: Some(time::to_proto(position.queued_at)),
        }))
    }
}

/// What became of one agent of a request, `done` being those it worked for.
fn outcome(text: &str, remove: bool, done: &[Uuid]) -> wire::MemberOutcome {
    let failure = |kind: wire::FailureKind, message: &str| wire::Failure {
        kind: kind.into(),
        id: text.to_owned(),
        message: message.to_owned(),
    };
    let failure = match platform::id::parse(text) {
        None => Some(failure(wire::FailureKind::Validation, "agent_ids must be UUIDs")),
        Some(id) if done.contains(&id) => None,
        Some(_) if remove => Some(failure(
            wire::FailureKind::NotFound,
            "the agent is not a member of the queue",
        )),
        Some(_) => Some(failure(wire::FailureKind::NotFound, "there is no such agent")),
    };
    wire::MemberOutcome {
        agent_id: text.to_owned(),
        failure,
    }
}

fn parse(message: CreateQueueRequest) -> Result<NewQueue, Violation> {
    Ok(NewQueue {
        id: platform::id::new(),
        name: field::required("name", message.name, field::NAME)?,
        is_default: message.is_default,
        virtual_agent_id: field::optional_uuid("virtual_agent_id", message.virtual_agent_id.as_deref())?,
        options: parse_options(&message.options_json)?,
    })
}

fn parse_options(json: &str) -> Result<serde_json::Value, Violation> {
    if json.is_empty() {
        return Ok(serde_json::Value::Object(serde_json::Map::new()));
    }
    let refused = |description: &str| Violation::new("options_json", description);
    if json.len() > OPTIONS {
        return Err(refused("must be at most 16 KiB"));
    }
    if json.contains("\\u0000") {
        return Err(refused("must not contain U+0000"));
    }
    let options: serde_json::Map<_, _> = serde_json::from_str(json).map_err(|_| refused("must be a JSON object"))?;
    Ok(options.into())
}

impl From<Queue> for wire::Queue {
    fn from(queue: Queue) -> Self {
        Self {
            id: queue.id.to_string(),
            number: queue.number,
            name: queue.name,
            is_default: queue.is_default,
            virtual_agent_id: queue.virtual_agent_id.map(|id| id.to_string()),
            options_json: queue.options,
            created_at: Some(time::to_proto(queue.created_at)),
        }
    }
}

impl From<Member> for wire::QueueMember {
    fn from(member: Member) -> Self {
        Self {
            agent_id: member.agent_id.to_string(),
            priority: member.priority,
        }
    }
}
