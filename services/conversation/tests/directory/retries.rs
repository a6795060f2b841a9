//! Every mutation honours the idempotency key.

use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;

use crate::support::{World, absent, assert_refused, named, ok};

/// Calls each method three times with one key: the same request twice, which is answered the same, and another one.
macro_rules! assert_once {
    ($world:ident, $($method:ident: $request:expr, other $other:expr;)*) => {{
        $({
            let call = async |request| $world.client.clone().$method($world.own.retriable("k", request)).await;
            let first = call($request).await.unwrap().into_inner();
            let again = call($request).await.unwrap().into_inner();
            assert_eq!(first, again, stringify!($method));
            let reused = call($other).await.expect_err("the key was used for something else");
            assert_refused(&reused, Code::FailedPrecondition, "IDEMPOTENCY_KEY_REUSED");
        })*
        [$(stringify!($method)),*].len()
    }};
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_retried_mutation_happens_once(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let (ada, bob) = (world.agent("ada").await.id, world.agent("bob").await.id);
    let eve = world.end_user("eve").await.id;
    let queue = world.queue("q").await.id;
    let team = async || ok!(world.create_team(wire::CreateTeamRequest { name: "t".into() })).team;
    let (team, doomed) = (team().await.unwrap().id, team().await.unwrap().id);
    let tag = ok!(world.create_tag(wire::CreateTagRequest {
        name: "t".into(),
        color: None
    }))
    .tag
    .unwrap()
    .id;
    let attribute = ok!(world.create_custom_attribute(crate::attributes::text("a")))
        .definition
        .unwrap()
        .id;
    let people = |name: &str| wire::CreatePeopleRequest {
        role: 2,
        people: vec![named(name)],
    };
    let renamed = |name: &str| wire::UpdatePeopleRequest {
        role: 2,
        changes: vec![wire::PersonChange {
            id: eve.clone(),
            person: Some(named(name)),
            fields: vec![],
        }],
    };
    let values = |text: &str| wire::PatchEndUserAttributesRequest {
        id: eve.clone(),
        changes: vec![wire::AttributeChange {
            id: attribute.clone(),
            text: Some(text.into()),
            path: None,
        }],
    };
    let presence = |working| wire::SetPresenceRequest {
        agent_id: ada.clone(),
        working,
        active_channels: vec![],
    };
    let in_team = |remove| wire::ChangeTeamMembersRequest {
        id: team.clone(),
        agent_ids: vec![ada.clone()],
        remove,
    };
    let in_queue = |remove| wire::ChangeQueueMembersRequest {
        id: queue.clone(),
        agent_ids: vec![ada.clone()],
        remove,
    };
    let new_queue = |name: &str| wire::CreateQueueRequest {
        name: name.into(),
        ..Default::default()
    };
    let new_tag = |name: &str| wire::CreateTagRequest {
        name: name.into(),
        color: None,
    };
    let label = |label: &str| wire::UpdateCustomAttributeRequest {
        id: attribute.clone(),
        label: Some(label.into()),
        ..Default::default()
    };
    let endpoint = |number: &str| wire::CreateContactEndpointRequest {
        contact_endpoint: Some(wire::ContactEndpoint {
            name: None,
            endpoint: Some(wire::contact_endpoint::Endpoint::Telephony(wire::TelephonyEndpoint {
                number: number.into(),
                functionality: vec![],
            })),
        }),
    };
    let flow = |name: &str| wire::CreateFlowRequest {
        name: name.into(),
        channel: 6,
        contact_endpoint_id: "x".into(),
        queue_id: queue.clone(),
    };
    let asked = assert_once!(world,
        create_people: people("x"), other people("y");
        update_people: renamed("z"), other renamed("eve");
        patch_end_user_attributes: values("x"), other values("y");
        set_presence: presence(true), other presence(false);
        create_team: wire::CreateTeamRequest { name: "x".into() }, other wire::CreateTeamRequest { name: "y".into() };
        delete_team: wire::DeleteTeamRequest { id: doomed.clone() }, other wire::DeleteTeamRequest { id: absent() };
        change_team_members: in_team(false), other in_team(true);
        create_queue: new_queue("x"), other new_queue("y");
        change_queue_members: in_queue(false), other in_queue(true);
        create_tag: new_tag("x"), other new_tag("y");
        set_tag_state: wire::SetTagStateRequest { id: tag.clone(), active: false },
            other wire::SetTagStateRequest { id: tag.clone(), active: true };
        delete_tag: wire::DeleteTagRequest { id: tag.clone() }, other wire::DeleteTagRequest { id: absent() };
        create_custom_attribute: crate::attributes::text("x"), other crate::attributes::text("y");
        update_custom_attribute: label("x"), other label("y");
        create_contact_endpoint: endpoint("+4512345678"), other endpoint("+4512345679");
        create_flow: flow("x"), other flow("y");
        remove_agent: wire::RemoveAgentRequest { id: bob.clone() }, other wire::RemoveAgentRequest { id: absent() };
    );
    let mutations = proto::ACCESS.iter().filter(|(method, access)| {
        method.starts_with("/handoff.conversation.v1.DirectoryService/") && *access == "directory:write"
    });
    assert_eq!(asked, mutations.count(), "every mutation is retried");
    let listed = ok!(world.list_flows(wire::ListFlowsRequest::default())).flows;
    assert_eq!(listed.len(), 1);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_failed_outcome_is_answered_again_too(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    world.end_user("eve").await;
    let request = wire::CreatePeopleRequest {
        role: 2,
        people: vec![named("eve"), named("bob")],
    };
    let call = async || {
        let answer = world
            .client
            .clone()
            .create_people(world.own.retriable("k", request.clone()))
            .await;
        answer.unwrap().into_inner()
    };
    assert_eq!(call().await, call().await);
    let people = wire::ListPeopleRequest {
        role: 2,
        ..Default::default()
    };
    assert_eq!(ok!(world.list_people(people)).people.len(), 2);
}
