//! The directory service: each method is in the module of its subject.

use proto::conversation::v1::directory_service_server::DirectoryService;

super::methods! {
    DirectoryService {
        create_people(CreatePeopleRequest) -> CreatePeopleResponse;
        update_people(UpdatePeopleRequest) -> UpdatePeopleResponse;
        get_person(GetPersonRequest) -> GetPersonResponse;
        list_people(ListPeopleRequest) -> ListPeopleResponse;
        remove_agent(RemoveAgentRequest) -> RemoveAgentResponse;
        patch_end_user_attributes(PatchEndUserAttributesRequest) -> PatchEndUserAttributesResponse;
        set_presence(SetPresenceRequest) -> SetPresenceResponse;
        list_presence(ListPresenceRequest) -> ListPresenceResponse;
        create_team(CreateTeamRequest) -> CreateTeamResponse;
        list_teams(ListTeamsRequest) -> ListTeamsResponse;
        get_team(GetTeamRequest) -> GetTeamResponse;
        delete_team(DeleteTeamRequest) -> DeleteTeamResponse;
        list_team_members(ListTeamMembersRequest) -> ListTeamMembersResponse;
        change_team_members(ChangeTeamMembersRequest) -> ChangeTeamMembersResponse;
        create_queue(CreateQueueRequest) -> CreateQueueResponse;
        list_queues(ListQueuesRequest) -> ListQueuesResponse;
        get_queue(GetQueueRequest) -> GetQueueResponse;
        list_queue_members(ListQueueMembersRequest) -> ListQueueMembersResponse;
        change_queue_members(ChangeQueueMembersRequest) -> ChangeQueueMembersResponse;
        get_queue_position(GetQueuePositionRequest) -> GetQueuePositionResponse;
        create_tag(CreateTagRequest) -> CreateTagResponse;
        list_tags(ListTagsRequest) -> ListTagsResponse;
        get_tag(GetTagRequest) -> GetTagResponse;
        set_tag_state(SetTagStateRequest) -> SetTagStateResponse;
        delete_tag(DeleteTagRequest) -> DeleteTagResponse;
        create_custom_attribute(CreateCustomAttributeRequest) -> CreateCustomAttributeResponse;
        update_custom_attribute(UpdateCustomAttributeRequest) -> UpdateCustomAttributeResponse;
        list_custom_attributes(ListCustomAttributesRequest) -> ListCustomAttributesResponse;
        get_custom_attribute(GetCustomAttributeRequest) -> GetCustomAttributeResponse;
        create_contact_endpoint(CreateContactEndpointRequest) -> CreateContactEndpointResponse;
        list_contact_endpoints(ListContactEndpointsRequest) -> ListContactEndpointsResponse;
        get_contact_endpoint(GetContactEndpointRequest) -> GetContactEndpointResponse;
        create_flow(CreateFlowRequest) -> CreateFlowResponse;
        list_flows(ListFlowsRequest) -> ListFlowsResponse;
    }
}
