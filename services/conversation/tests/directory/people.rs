use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;
use wire::{FailureKind, PersonInput, Role};

use crate::support::{World, absent, assert_refused, fields, named, ok, outcomes, refused};

fn get(id: &str, role: Role) -> wire::GetPersonRequest {
    wire::GetPersonRequest {
        id: id.into(),
        role: role.into(),
    }
}

fn list(role: Role) -> wire::ListPeopleRequest {
    wire::ListPeopleRequest {
        role: role.into(),
        ..Default::default()
    }
}

fn names(people: &[wire::Person]) -> Vec<&str> {
    people.iter().map(wire::Person::display_name).collect()
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_person_is_read_back_with_everything_that_was_said(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let input = PersonInput {
        display_name: Some("Zoë 🦊".into()),
        email: Some("zoe@example.com".into()),
        phone_number: Some("+4512345678".into()),
        additional_emails: vec!["z@example.com".into()],
        additional_phone_numbers: vec!["+4511111111".into()],
        first_name: Some("Zoë".into()),
        last_name: Some("Fox".into()),
        middle_names: vec!["Ann".into()],
        avatar_url: Some("https://example.com/z.png".into()),
        external_id: Some("crm-1".into()),
    };
    let made = world
        .create(Role::EndUser, vec![input.clone()])
        .await
        .remove(0)
        .unwrap();
    let read = ok!(world.get_person(get(&made.id, Role::EndUser))).person.unwrap();
    assert_eq!(read, made);
    assert_eq!(read.roles, [i32::from(Role::EndUser)]);
    assert!(read.number > 0 && read.created_at.is_some() && read.agent_roles.is_empty());
    let said = PersonInput {
        display_name: read.display_name,
        email: read.email,
        phone_number: read.phone_number,
        additional_emails: read.additional_emails,
        additional_phone_numbers: read.additional_phone_numbers,
        first_name: read.first_name,
        last_name: read.last_name,
        middle_names: read.middle_names,
        avatar_url: read.avatar_url,
        external_id: read.external_id,
    };
    assert_eq!(said, input);
    assert_refused(
        &refused!(world.get_person(get(&made.id, Role::Agent))),
        Code::NotFound,
        "AGENT_NOT_FOUND",
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_virtual_agent_is_an_agent_too(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let bot = world
        .create(Role::VirtualAgent, vec![named("bot")])
        .await
        .remove(0)
        .unwrap();
    let ada = world.agent("ada").await;
    assert_eq!(bot.roles, [i32::from(Role::Agent), i32::from(Role::VirtualAgent)]);
    assert_eq!(ada.agent_roles, [i32::from(wire::AgentRole::Agent)]);
    for role in [Role::Agent, Role::VirtualAgent] {
        assert_eq!(ok!(world.get_person(get(&bot.id, role))).person.unwrap().id, bot.id);
    }
    assert_refused(
        &refused!(world.get_person(get(&ada.id, Role::VirtualAgent))),
        Code::NotFound,
        "AGENT_NOT_FOUND",
    );
    assert_eq!(names(&ok!(world.list_people(list(Role::Agent))).people), ["bot", "ada"]);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn outcomes_come_in_the_order_of_the_request(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let mut wrong = named("wrong");
    wrong.email = Some("no address".into());
    let people = vec![named("ada"), wrong, named("bob"), named("ada"), PersonInput::default()];
    let made = world.create(Role::Agent, people).await;
    assert_eq!(made[0].as_ref().unwrap().display_name(), "ada");
    let failure = made[1].as_ref().unwrap_err();
    assert_eq!(
        (failure.kind(), failure.message.as_str()),
        (FailureKind::Validation, "email must be an e-mail address")
    );
    assert_eq!(made[2].as_ref().unwrap().display_name(), "bob");
    let failure = made[3].as_ref().unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Integrity);
    assert_eq!(failure.id, made[0].as_ref().unwrap().id);
    assert!(
        failure.message.ends_with("failed with [errors=EmailExists]"),
        "{}",
        failure.message
    );
    assert_eq!(made[4].as_ref().unwrap_err().message, "display_name must not be empty");
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_address_a_number_and_an_external_id_belong_to_one_person_of_a_kind(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(options).await;
    let eve = PersonInput {
        email: Some("eve@example.com".into()),
        phone_number: Some("+4512345678".into()),
        external_id: Some("7".into()),
        ..Default::default()
    };
    world.create(Role::EndUser, vec![eve.clone()]).await.remove(0).unwrap();
    let cases = [
        (
            PersonInput {
                email: Some("EVE@example.com".into()),
                ..Default::default()
            },
            "EmailExists",
        ),
        (
            PersonInput {
                phone_number: eve.phone_number.clone(),
                ..Default::default()
            },
            "PhoneNumberExists",
        ),
        (
            PersonInput {
                external_id: Some("7".into()),
                ..Default::default()
            },
            "ExternalIdExists",
        ),
        (eve.clone(), "EmailExists, PhoneNumberExists, ExternalIdExists"),
    ];
    for (input, error) in cases {
        let failure = world.create(Role::EndUser, vec![input]).await.remove(0).unwrap_err();
        let expected = format!(
            "Creating EndUser in [org={}] failed with [errors={error}]",
            world.own.org
        );
        assert_eq!(failure.message, expected);
    }
    // Nobody else is in the way: agents are another kind, and so are other organizations.
    let agent = PersonInput {
        display_name: Some("Eve".into()),
        external_id: None,
        ..eve.clone()
    };
    world.create(Role::Agent, vec![agent]).await.remove(0).unwrap();
    let request = wire::CreatePeopleRequest {
        role: Role::EndUser.into(),
        people: vec![eve],
    };
    let answer = world
        .client
        .clone()
        .create_people(world.other.request(request))
        .await
        .unwrap();
    outcomes(answer.into_inner().outcomes).remove(0).unwrap();
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn of_a_hundred_who_add_one_external_id_at_once_one_succeeds(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..100 {
        let (mut client, own) = (world.client.clone(), world.own.clone());
        calls.spawn(async move {
            let input = PersonInput {
                display_name: Some(format!("{n}")),
                external_id: Some("the one".into()),
                ..Default::default()
            };
            let request = wire::CreatePeopleRequest {
                role: Role::EndUser.into(),
                people: vec![input],
            };
            let answer = client.create_people(own.request(request)).await.unwrap();
            outcomes(answer.into_inner().outcomes).remove(0)
        });
    }
    let (made, failed): (Vec<_>, Vec<_>) = calls.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), failed.len()), (1, 99));
    let holder = made[0].as_ref().unwrap();
    for failure in failed {
        let failure = failure.unwrap_err();
        assert_eq!((failure.kind(), &failure.id), (FailureKind::Integrity, &holder.id));
    }
    let mut request = list(Role::EndUser);
    request.external_id = Some("the one".into());
    assert_eq!(ok!(world.list_people(request)).people, std::slice::from_ref(holder));
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_wrong_field_of_a_person_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let text = |text: &str| Some(text.to_owned());
    let long = "x".repeat(201);
    let cases = [
        (
            PersonInput {
                display_name: text("a\0b"),
                ..Default::default()
            },
            "display_name",
        ),
        (
            PersonInput {
                display_name: text(&long),
                ..Default::default()
            },
            "display_name",
        ),
        (
            PersonInput {
                email: text("a\0b@example.com"),
                ..Default::default()
            },
            "email",
        ),
        (
            PersonInput {
                phone_number: text("12345678"),
                ..Default::default()
            },
            "phone_number",
        ),
        (
            PersonInput {
                phone_number: text("+12\0"),
                ..Default::default()
            },
            "phone_number",
        ),
        (
            PersonInput {
                additional_emails: vec!["a@b".into(), "x".into()],
                ..Default::default()
            },
            "additional_emails[1]",
        ),
        (
            PersonInput {
                additional_emails: vec!["a@b".into(); 51],
                ..Default::default()
            },
            "additional_emails",
        ),
        (
            PersonInput {
                additional_phone_numbers: vec!["1".into()],
                ..Default::default()
            },
            "additional_phone_numbers[0]",
        ),
        (
            PersonInput {
                first_name: text("\0"),
                ..Default::default()
            },
            "first_name",
        ),
        (
            PersonInput {
                last_name: text("\0"),
                ..Default::default()
            },
            "last_name",
        ),
        (
            PersonInput {
                middle_names: vec!["\0".into()],
                ..Default::default()
            },
            "middle_names[0]",
        ),
        (
            PersonInput {
                avatar_url: text("z.png"),
                ..Default::default()
            },
            "avatar_url",
        ),
        (
            PersonInput {
                external_id: text(&"x".repeat(256)),
                ..Default::default()
            },
            "external_id",
        ),
        (
            PersonInput {
                external_id: text("a\0b"),
                ..Default::default()
            },
            "external_id",
        ),
    ];
    for (input, field) in cases {
        let failure = world.create(Role::EndUser, vec![input]).await.remove(0).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Validation);
        assert_eq!(failure.message.split(' ').next(), Some(field), "{}", failure.message);
    }
    let create = |role: i32, count: usize| wire::CreatePeopleRequest {
        role,
        people: vec![named("x"); count],
    };
    assert_eq!(fields(&refused!(world.create_people(create(0, 1)))), ["role"]);
    assert_eq!(fields(&refused!(world.create_people(create(9, 1)))), ["role"]);
    assert_eq!(fields(&refused!(world.create_people(create(1, 0)))), ["people"]);
    assert_eq!(fields(&refused!(world.create_people(create(1, 101)))), ["people"]);
    let request = wire::UpdatePeopleRequest {
        role: 1,
        changes: vec![],
    };
    assert_eq!(fields(&refused!(world.update_people(request))), ["changes"]);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn people_are_listed_in_pages_oldest_first(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    for name in ["a", "b", "c", "d", "e"] {
        world.end_user(name).await;
    }
    let mut request = list(Role::EndUser);
    request.page_size = 2;
    let mut pages = Vec::new();
    loop {
        let page = ok!(world.list_people(request.clone()));
        pages.push(names(&page.people).join(""));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(pages, ["ab", "cd", "e"]);
    assert_eq!(
        fields(&refused!(world, other, list_people, request.clone())),
        ["page_token"]
    );
    request.role = Role::Agent.into();
    assert_eq!(fields(&refused!(world.list_people(request.clone()))), ["page_token"]);
    request.page_size = -1;
    assert_eq!(fields(&refused!(world.list_people(request))), ["page_size"]);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn people_are_found_by_one_thing_they_are_known_under(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let mut eve = named("eve");
    eve.phone_number = Some("+4512345678".into());
    eve.external_id = Some("7".into());
    world.create(Role::EndUser, vec![eve, named("bob")]).await;
    let by = |email: Option<&str>, phone_number: Option<&str>, external_id: Option<&str>| wire::ListPeopleRequest {
        email: email.map(Into::into),
        phone_number: phone_number.map(Into::into),
        external_id: external_id.map(Into::into),
        ..list(Role::EndUser)
    };
    for request in [
        by(Some("Eve@Example.com"), None, None),
        by(None, Some("+4512345678"), None),
        by(None, None, Some("7")),
    ] {
        assert_eq!(names(&ok!(world.list_people(request)).people), ["eve"]);
    }
    assert!(
        ok!(world.list_people(by(Some("nobody@example.com"), None, None)))
            .people
            .is_empty()
    );
    let both = by(Some("eve@example.com"), Some("+4512345678"), None);
    assert_eq!(fields(&refused!(world.list_people(both))), ["email"]);
    assert_eq!(
        fields(&refused!(world.list_people(by(None, None, Some("a\0b"))))),
        ["external_id"]
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_removed_agent_stays_as_an_end_user_and_leaves_everything(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let (ada, queue) = (world.agent("ada").await, world.queue("first").await);
    let same_address = world.end_user("ada").await;
    let team = ok!(world.create_team(wire::CreateTeamRequest { name: "t".into() }))
        .team
        .unwrap();
    let agent_ids = vec![ada.id.clone()];
    ok!(world.change_queue_members(wire::ChangeQueueMembersRequest {
        id: queue.id.clone(),
        agent_ids: agent_ids.clone(),
        remove: false,
    }));
    ok!(world.change_team_members(wire::ChangeTeamMembersRequest {
        id: team.id.clone(),
        agent_ids,
        remove: false
    }));
    ok!(world.set_presence(wire::SetPresenceRequest {
        agent_id: ada.id.clone(),
        working: true,
        active_channels: vec![]
    }));
    let eve = world.end_user("eve").await;
    let conversation = wire::CreateConversationRequest {
        kind: wire::CreateKind::Callback.into(),
        requester_id: eve.id,
        direction: wire::Direction::Inbound.into(),
        contact_endpoint_id: "+4512345678".into(),
        queue_id: Some(queue.id.clone()),
        ..Default::default()
    };
    let mut conversations = world.conversations.clone();
    let made = conversations
        .create_conversation(world.own.request(conversation))
        .await
        .unwrap();
    let id = made.into_inner().conversation.unwrap().id;
    let claim = wire::ClaimConversationRequest {
        id,
        agent_id: ada.id.clone(),
        force: false,
    };
    conversations
        .claim_conversation(world.own.request(claim))
        .await
        .unwrap();

    ok!(world.remove_agent(wire::RemoveAgentRequest { id: ada.id.clone() }));
    let left = ok!(world.get_person(get(&ada.id, Role::EndUser))).person.unwrap();
    assert_eq!(left.roles, [i32::from(Role::EndUser)]);
    assert_eq!(
        (left.display_name.as_deref(), left.email),
        (Some("ada"), None),
        "{}",
        same_address.id
    );
    assert!(
        ok!(world.list_queue_members(wire::ListQueueMembersRequest { id: queue.id }))
            .members
            .is_empty()
    );
    assert!(
        ok!(world.list_team_members(wire::ListTeamMembersRequest { id: team.id }))
            .members
            .is_empty()
    );
    assert!(
        ok!(world.list_presence(wire::ListPresenceRequest::default()))
            .presences
            .is_empty()
    );
    let read = conversations
        .get_conversation(world.own.request(wire::GetConversationRequest { id }))
        .await
        .unwrap();
    assert_eq!(read.into_inner().conversation.unwrap().agent_id, None);
    let again = refused!(world.remove_agent(wire::RemoveAgentRequest { id: ada.id }));
    assert_refused(&again, Code::NotFound, "AGENT_NOT_FOUND");
    assert_refused(
        &refused!(world.get_person(get(&absent(), Role::EndUser))),
        Code::NotFound,
        "END_USER_NOT_FOUND",
    );
}
