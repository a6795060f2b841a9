use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;

use crate::support::{World, assert_refused, with_key};

/// Calls each method with a key and asserts that it is refused.
macro_rules! assert_denied {
    ($world:ident, $key:ident, $($method:ident: $request:ident,)*) => {{
        $(
            let answer = $world.client.clone().$method(with_key(&$key, wire::$request::default())).await;
            assert_refused(&answer.expect_err("the call must be refused"), Code::PermissionDenied, "SCOPE_MISSING");
        )*
        [$(stringify!($method)),*].len()
    }};
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_key_without_the_scope_is_refused_by_every_method(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let reader = world.key(&["directory:read", "conversations:write"]).await;
    let writes = assert_denied!(world, reader,
        create_people: CreatePeopleRequest,
        update_people: UpdatePeopleRequest,
        remove_agent: RemoveAgentRequest,
        patch_end_user_attributes: PatchEndUserAttributesRequest,
        set_presence: SetPresenceRequest,
        create_team: CreateTeamRequest,
        delete_team: DeleteTeamRequest,
        change_team_members: ChangeTeamMembersRequest,
        create_queue: CreateQueueRequest,
        change_queue_members: ChangeQueueMembersRequest,
        create_tag: CreateTagRequest,
        set_tag_state: SetTagStateRequest,
        delete_tag: DeleteTagRequest,
        create_custom_attribute: CreateCustomAttributeRequest,
        update_custom_attribute: UpdateCustomAttributeRequest,
        create_contact_endpoint: CreateContactEndpointRequest,
        create_flow: CreateFlowRequest,
    );
    let writer = world.key(&["directory:write", "conversations:read"]).await;
    let reads = assert_denied!(world, writer,
        get_person: GetPersonRequest,
        list_people: ListPeopleRequest,
        list_presence: ListPresenceRequest,
        list_teams: ListTeamsRequest,
        get_team: GetTeamRequest,
        list_team_members: ListTeamMembersRequest,
        list_queues: ListQueuesRequest,
        get_queue: GetQueueRequest,
        list_queue_members: ListQueueMembersRequest,
        get_queue_position: GetQueuePositionRequest,
        list_tags: ListTagsRequest,
        get_tag: GetTagRequest,
        list_custom_attributes: ListCustomAttributesRequest,
        get_custom_attribute: GetCustomAttributeRequest,
        list_contact_endpoints: ListContactEndpointsRequest,
        get_contact_endpoint: GetContactEndpointRequest,
        list_flows: ListFlowsRequest,
    );
    let methods = proto::ACCESS
        .iter()
        .filter(|(method, _)| method.starts_with("/handoff.conversation.v1.DirectoryService/"));
    assert_eq!(writes + reads, methods.count(), "every method is asked");
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn what_belongs_to_another_organization_does_not_exist(_: PgPoolOptions, options: PgConnectOptions) {
    use crate::support::{absent, ok, refused, why};
    let world = World::new(options).await;
    let agent = world.agent("ada").await.id;
    let end_user = world.end_user("eve").await.id;
    let queue = world.queue("first").await.id;
    let team = ok!(world.create_team(wire::CreateTeamRequest { name: "t".into() }))
        .team
        .unwrap()
        .id;
    let tag = ok!(world.create_tag(wire::CreateTagRequest {
        name: "t".into(),
        color: None
    }))
    .tag
    .unwrap()
    .id;
    let attribute = ok!(world.create_custom_attribute(crate::attributes::text("plan")))
        .definition
        .unwrap()
        .id;

    /// Asserts that the other organization gets the same answer for the id that is there and for one that is nowhere.
    macro_rules! assert_hidden {
        ($($id:ident: $method:ident($request:expr);)*) => {$({
            let request = $request;
            let there = refused!(world, other, $method, request($id.clone()));
            let nowhere = refused!(world, other, $method, request(absent()));
            assert_eq!(why(&there), why(&nowhere), stringify!($method));
            assert_eq!(there.message().replace(&$id, ""), nowhere.message().replace(&absent(), ""));
            assert_eq!(there.code(), Code::NotFound, stringify!($method));
        })*};
    }
    let person = |role: wire::Role| move |id| wire::GetPersonRequest { id, role: role.into() };
    assert_hidden! {
        agent: get_person(person(wire::Role::Agent));
        end_user: get_person(person(wire::Role::EndUser));
        agent: remove_agent(|id| wire::RemoveAgentRequest { id });
        end_user: patch_end_user_attributes(|id| wire::PatchEndUserAttributesRequest { id, changes: vec![] });
        agent: set_presence(|agent_id| wire::SetPresenceRequest { agent_id, ..Default::default() });
        agent: list_presence(|id| wire::ListPresenceRequest { agent_id: Some(id), ..Default::default() });
        team: list_presence(|id| wire::ListPresenceRequest { team_id: Some(id), ..Default::default() });
        agent: list_teams(|id| wire::ListTeamsRequest { agent_id: Some(id) });
        team: get_team(|id| wire::GetTeamRequest { id });
        team: delete_team(|id| wire::DeleteTeamRequest { id });
        team: list_team_members(|id| wire::ListTeamMembersRequest { id });
        team: change_team_members(|id| wire::ChangeTeamMembersRequest { id, ..Default::default() });
        queue: get_queue(|id| wire::GetQueueRequest { id });
        queue: list_queue_members(|id| wire::ListQueueMembersRequest { id });
        queue: change_queue_members(|id| wire::ChangeQueueMembersRequest { id, agent_ids: vec![absent()], remove: false });
        tag: get_tag(|id| wire::GetTagRequest { id });
        tag: set_tag_state(|id| wire::SetTagStateRequest { id, active: false });
        tag: delete_tag(|id| wire::DeleteTagRequest { id });
        attribute: get_custom_attribute(|id| wire::GetCustomAttributeRequest { id });
        attribute: update_custom_attribute(|id| wire::UpdateCustomAttributeRequest { id, ..Default::default() });
    }
    // In bulk it is an outcome instead of a refusal.
    for (role, id) in [(wire::Role::Agent, agent), (wire::Role::EndUser, end_user)] {
        let change = wire::PersonChange {
            id,
            person: Some(crate::support::named("x")),
            fields: vec![],
        };
        let request = wire::UpdatePeopleRequest {
            role: role.into(),
            changes: vec![change],
        };
        let answer = world
            .client
            .clone()
            .update_people(world.other.request(request))
            .await
            .unwrap();
        let failure = crate::support::outcomes(answer.into_inner().outcomes)
            .remove(0)
            .unwrap_err();
        assert_eq!(failure.kind(), wire::FailureKind::NotFound);
    }
    let lists = world.other.request(wire::ListPeopleRequest {
        role: wire::Role::Agent.into(),
        ..Default::default()
    });
    assert!(
        world
            .client
            .clone()
            .list_people(lists)
            .await
            .unwrap()
            .into_inner()
            .people
            .is_empty()
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_id_that_is_none_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    use crate::support::{fields, refused};
    let world = World::new(options).await;
    for id in ["", "7", "a\0b", "{01890000-0000-7000-8000-000000000000}"] {
        let id = id.to_owned();
        let role = wire::Role::Agent.into();
        let statuses = [
            refused!(world.get_person(wire::GetPersonRequest { id: id.clone(), role })),
            refused!(world.remove_agent(wire::RemoveAgentRequest { id: id.clone() })),
            refused!(world.get_team(wire::GetTeamRequest { id: id.clone() })),
            refused!(world.get_queue(wire::GetQueueRequest { id: id.clone() })),
            refused!(world.get_tag(wire::GetTagRequest { id: id.clone() })),
            refused!(world.get_custom_attribute(wire::GetCustomAttributeRequest { id: id.clone() })),
            refused!(world.get_contact_endpoint(wire::GetContactEndpointRequest { id })),
        ];
        for status in &statuses {
            assert_eq!(fields(status), ["id"]);
        }
    }
}
