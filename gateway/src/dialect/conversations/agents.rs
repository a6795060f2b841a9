//! Agents.

use http::StatusCode;
use proto::conversation::v1 as pb;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{Data, Page};
use super::ask::Ask;
use super::parts::{BulkError, BulkOutcome};
use super::people::{self, Change, Input, LIST_NAMES, Listed, Who};
use super::refusal::{Refusal, Terms};
use super::words::AgentRole;
use crate::answer::{Stamp, given};
use crate::words::Word as _;

/// An agent.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Agent {
    id: String,
    created_at: Stamp,
    display_name: String,
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number: Option<String>,
    additional_emails: Vec<String>,
    additional_phone_numbers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_name: Option<String>,
    middle_names: Vec<String>,
    roles: Vec<AgentRole>,
    /// A program. An addition to the source; absent of a person.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_virtual: bool,
}

impl From<pb::Person> for Agent {
    fn from(person: pb::Person) -> Self {
        Self {
            roles: person.agent_roles().filter_map(AgentRole::of).collect(),
            is_virtual: person.roles().any(|role| role == pb::Role::VirtualAgent),
            id: person.id,
            created_at: Stamp::of(person.created_at),
            display_name: person.display_name.unwrap_or_default(),
            email: person.email.unwrap_or_default(),
            avatar_url: person.avatar_url,
            phone_number: person.phone_number,
            additional_emails: person.additional_emails,
            additional_phone_numbers: person.additional_phone_numbers,
            first_name: person.first_name,
            last_name: person.last_name,
            middle_names: person.middle_names,
        }
    }
}

/// List the agents
///
/// Oldest first, virtual agents included.
#[utoipa::path(get, path = "/v1/agents", tag = "Agents",
    params(
        ("email" = Option<String>, Query, description = "The one with this address"),
        ("phone" = Option<String>, Query, description = "The one with this number. Not beside `email`"),
        ("pageLimit" = Option<i32>, Query, description = "1 to 200, default 50", minimum = 1, maximum = 200),
        ("pageKey" = Option<String>, Query, description = "From `meta.next` of the page before"),
    ),
    responses((status = 200, description = "A page of agents", body = Page<Agent>)))]
pub(super) async fn list_agents(ask: Ask) -> Result<Page<Agent>, Refusal> {
    let (params, request) = people::list_request(&ask, Who::Agents)?;
    let answer = ask.directory().list_people(ask.request(request)).await;
    let answer = answer.map_err(Terms::PAGE.names(LIST_NAMES).refuse())?.into_inner();
    Ok(Page {
        meta: ask.links(&params, &["email", "phone"], &answer.next_page_token)?,
        data: answer.people.into_iter().map(Agent::from).collect(),
    })
}

/// Create an agent
#[utoipa::path(post, path = "/v1/agents", tag = "Agents",
    request_body(content = Input, content_type = "application/json",
        example = json!({"displayName": "Dale Cooper", "email": "dale@shop.example"})),
    responses((status = 201, description = "The agent", body = Data<Agent>)))]
pub(super) async fn create_agent(ask: Ask) -> Result<(StatusCode, Data<Agent>), Refusal> {
    let data = people::create_one(&ask, Who::Agents).await?;
    Ok((StatusCode::CREATED, Data { data }))
}

type Outcomes = Data<Vec<BulkOutcome<Agent, BulkError>>>;

/// Create agents
///
/// Each succeeds or fails by itself; outcomes come in the order of the request.
#[utoipa::path(post, path = "/v1/agents/bulk", tag = "Agents",
    request_body(content = Listed, content_type = "application/json"),
    responses((status = 201, description = "What became of each", body = Data<Vec<BulkOutcome<Agent, BulkError>>>)))]
pub(super) async fn create_agents(ask: Ask) -> Result<(StatusCode, Outcomes), Refusal> {
    let data = people::create_all(&ask, Who::Agents).await?;
    Ok((StatusCode::CREATED, Data { data }))
}

/// Replace agents
///
/// The body is an array, or an object with `data`. Each succeeds or fails by itself; outcomes come in the order of the
/// request.
#[utoipa::path(put, path = "/v1/agents", tag = "Agents",
    request_body(content = Vec<Input>, content_type = "application/json"),
    responses((status = 200, description = "What became of each", body = Data<Vec<BulkOutcome<Agent, BulkError>>>)))]
pub(super) async fn replace_agents(ask: Ask) -> Result<Outcomes, Refusal> {
    let data = people::update_all(&ask, Who::Agents, Change::Put).await?;
    Ok(Data { data })
}

/// Patch agents
///
/// The body is an array, or an object with `data`. Each succeeds or fails by itself; outcomes come in the order of the
/// request.
#[utoipa::path(patch, path = "/v1/agents", tag = "Agents",
    request_body(content = Vec<Input>, content_type = "application/json"),
    responses((status = 200, description = "What became of each", body = Data<Vec<BulkOutcome<Agent, BulkError>>>)))]
pub(super) async fn patch_agents(ask: Ask) -> Result<Outcomes, Refusal> {
    let data = people::update_all(&ask, Who::Agents, Change::Patch).await?;
    Ok(Data { data })
}

/// Get an agent
#[utoipa::path(get, path = "/v1/agents/{agentId}", tag = "Agents",
    responses((status = 200, description = "The agent", body = Data<Agent>)))]
pub(super) async fn get_agent(ask: Ask) -> Result<Data<Agent>, Refusal> {
    let request = ask.request(pb::GetPersonRequest {
        id: ask.uuid("agentId")?,
        role: pb::Role::Agent.into(),
    });
    let answer = ask.directory().get_person(request).await?.into_inner();
    let data = given(answer.person)?.into();
    Ok(Data { data })
}

/// Replace an agent
#[utoipa::path(put, path = "/v1/agents/{agentId}", tag = "Agents",
    request_body(content = Input, content_type = "application/json"),
    responses((status = 200, description = "The agent", body = Data<Agent>)))]
pub(super) async fn replace_agent(ask: Ask) -> Result<Data<Agent>, Refusal> {
    let data = people::update_one(&ask, Who::Agents, Change::Put, ask.uuid("agentId")?).await?;
    Ok(Data { data })
}

/// Patch an agent
#[utoipa::path(patch, path = "/v1/agents/{agentId}", tag = "Agents",
    request_body(content = Input, content_type = "application/json"),
    responses((status = 200, description = "The agent", body = Data<Agent>)))]
pub(super) async fn patch_agent(ask: Ask) -> Result<Data<Agent>, Refusal> {
    let data = people::update_one(&ask, Who::Agents, Change::Patch, ask.uuid("agentId")?).await?;
    Ok(Data { data })
}

/// Remove an agent
///
/// The person stays as an end user, leaves queues and teams, and loses assignments.
#[utoipa::path(delete, path = "/v1/agents/{agentId}", tag = "Agents",
    responses((status = 204, description = "Removed")))]
pub(super) async fn remove_agent(ask: Ask) -> Result<StatusCode, Refusal> {
    let request = ask.request(pb::RemoveAgentRequest {
        id: ask.uuid("agentId")?,
    });
    ask.directory().remove_agent(request).await?;
    Ok(StatusCode::NO_CONTENT)
}
