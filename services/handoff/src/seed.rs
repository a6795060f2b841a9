//! The people and queues that the demo organization has to be tried with.

use anyhow::Context as _;
use platform::access::{OrgId, ServiceKey};
use platform::link::Link;
use proto::conversation::v1::directory_service_client::DirectoryServiceClient;
use proto::conversation::v1::{
    ChangeQueueMembersRequest, CreatePeopleRequest, CreateQueueRequest, CreateTagRequest, ListPeopleRequest,
    ListQueuesRequest, PersonInput, Role, person_outcome::Outcome,
};

use crate::admin;

/// What is answered from, before and after a person is asked for.
const QUEUE: &str = "Support";
const VIRTUAL_QUEUE: &str = "Assistant";

/// Makes what is missing: two agents in a default queue, a virtual agent in its own, an end user and a tag.
pub(crate) async fn directory(
    client: &mut DirectoryServiceClient<Link>,
    service: &ServiceKey,
    org: OrgId,
) -> anyhow::Result<()> {
    let mut demo = Demo { client, service, org };
    let ada = demo.person(Role::Agent, "Ada", "ada@demo.example").await?;
    let grace = demo.person(Role::Agent, "Grace", "grace@demo.example").await?;
    let assistant = demo
        .person(Role::VirtualAgent, "Assistant", "assistant@demo.example")
        .await?;
    demo.person(Role::EndUser, "Visitor", "visitor@demo.example").await?;
    let tag = CreateTagRequest {
        name: "demo".to_owned(),
        color: None,
    };
    demo.client
        .create_tag(service.request(org, tag))
        .await
        .map_err(|status| admin::failed(&status))?;
    demo.queue(QUEUE, true, None, vec![ada, grace]).await?;
    demo.queue(VIRTUAL_QUEUE, false, Some(assistant.clone()), vec![assistant])
        .await
}

struct Demo<'a> {
    client: &'a mut DirectoryServiceClient<Link>,
    service: &'a ServiceKey,
    org: OrgId,
}

impl Demo<'_> {
    /// The id of the person with this address, made when there is none.
    async fn person(&mut self, role: Role, name: &str, email: &str) -> anyhow::Result<String> {
        // A virtual agent is found among the agents.
        let listed = if role == Role::VirtualAgent { Role::Agent } else { role };
        let request = ListPeopleRequest {
            role: listed.into(),
            email: Some(email.to_owned()),
            ..ListPeopleRequest::default()
        };
        let found = self.client.list_people(self.service.request(self.org, request)).await;
        if let Some(person) = found
            .map_err(|status| admin::failed(&status))?
            .into_inner()
            .people
            .into_iter()
            .next()
        {
            return Ok(person.id);
        }
        let request = CreatePeopleRequest {
            role: role.into(),
            people: vec![PersonInput {
                display_name: Some(name.to_owned()),
                email: Some(email.to_owned()),
                ..PersonInput::default()
            }],
        };
        let made = self.client.create_people(self.service.request(self.org, request)).await;
        let outcome = made
            .map_err(|status| admin::failed(&status))?
            .into_inner()
            .outcomes
            .into_iter()
            .next();
        match outcome.and_then(|outcome| outcome.outcome) {
            Some(Outcome::Person(person)) => Ok(person.id),
            Some(Outcome::Failure(failure)) => anyhow::bail!("{name} can't be made: {}", failure.message),
            None => anyhow::bail!("the answer has no outcome"),
        }
    }

    /// Makes the queue with its members when there is none of this name.
    async fn queue(
        &mut self,
        name: &str,
        is_default: bool,
        virtual_agent_id: Option<String>,
        agent_ids: Vec<String>,
    ) -> anyhow::Result<()> {
        let request = self.service.request(self.org, ListQueuesRequest {});
        let queues = self
            .client
            .list_queues(request)
            .await
            .map_err(|status| admin::failed(&status))?
            .into_inner()
            .queues;
        if queues.iter().any(|queue| queue.name == name) {
            return Ok(());
        }
        let request = CreateQueueRequest {
            name: name.to_owned(),
            is_default,
            virtual_agent_id,
            options_json: "{}".to_owned(),
        };
        let made = self.client.create_queue(self.service.request(self.org, request)).await;
        let queue = made
            .map_err(|status| admin::failed(&status))?
            .into_inner()
            .queue
            .context("the answer has no queue")?;
        let request = ChangeQueueMembersRequest {
            id: queue.id,
            agent_ids,
            remove: false,
        };
        let changed = self
            .client
            .change_queue_members(self.service.request(self.org, request))
            .await;
        changed.map_err(|status| admin::failed(&status))?;
        Ok(())
    }
}
