//! Changing people.

use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use wire::{FailureKind, PersonInput, Role};

use crate::support::{Outcome, World, absent, named, ok, outcomes};

fn change(id: &str, person: PersonInput, fields: &[&str]) -> wire::PersonChange {
    wire::PersonChange {
        id: id.into(),
        person: Some(person),
        fields: fields.iter().map(|&field| field.into()).collect(),
    }
}

async fn update(world: &World, role: Role, changes: Vec<wire::PersonChange>) -> Vec<Outcome> {
    outcomes(
        ok!(world.update_people(wire::UpdatePeopleRequest {
            role: role.into(),
            changes,
        }))
        .outcomes,
    )
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn named_fields_are_set_and_cleared_and_the_others_stay(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let mut eve = named("eve");
    eve.first_name = Some("Eve".into());
    eve.middle_names = vec!["M".into()];
    let eve = world.create(Role::EndUser, vec![eve]).await.remove(0).unwrap();
    let input = PersonInput {
        last_name: Some("Fox".into()),
        display_name: Some("not named".into()),
        ..Default::default()
    };
    let changes = vec![change(&eve.id, input, &["last_name", "first_name", "middle_names"])];
    let changed = update(&world, Role::EndUser, changes).await.remove(0).unwrap();
    let expected = wire::Person {
        last_name: Some("Fox".into()),
        first_name: None,
        middle_names: vec![],
        ..eve.clone()
    };
    assert_eq!(changed, expected);
    let read = wire::GetPersonRequest {
        id: eve.id,
        role: Role::EndUser.into(),
    };
    assert_eq!(ok!(world.get_person(read)).person, Some(expected));
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn without_names_of_fields_everything_is_replaced(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let eve = world.end_user("eve").await;
    let only_name = PersonInput {
        display_name: Some("E".into()),
        ..Default::default()
    };
    let changed = update(&world, Role::EndUser, vec![change(&eve.id, only_name.clone(), &[])])
        .await
        .remove(0)
        .unwrap();
    assert_eq!((changed.display_name.as_deref(), changed.email), (Some("E"), None));
    // An agent signs in with the address, so that one stays.
    let ada = world.agent("ada").await;
    let changed = update(&world, Role::Agent, vec![change(&ada.id, only_name, &[])])
        .await
        .remove(0)
        .unwrap();
    assert_eq!(
        (changed.display_name.as_deref(), changed.email.as_deref()),
        (Some("E"), Some("ada@example.com"))
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn each_change_succeeds_or_fails_by_itself_in_order(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let mut eve = named("eve");
    eve.phone_number = Some("+4512345678".into());
    let eve = world.create(Role::EndUser, vec![eve]).await.remove(0).unwrap();
    let (bob, ada) = (world.end_user("bob").await, world.agent("ada").await);
    let taken = PersonInput {
        phone_number: Some("+4512345678".into()),
        ..Default::default()
    };
    let wrong = PersonInput {
        email: Some("x".into()),
        ..Default::default()
    };
    let renamed = PersonInput {
        display_name: Some("Bobby".into()),
        ..Default::default()
    };
    let empty = wire::PersonChange {
        id: bob.id.clone(),
        ..Default::default()
    };
    let changed = update(
        &world,
        Role::EndUser,
        vec![
            change(&bob.id, taken, &["phone_number"]),
            change(&bob.id, wrong, &["email"]),
            change(&absent(), renamed.clone(), &["display_name"]),
            change(&ada.id, renamed.clone(), &["display_name"]),
            empty,
            change(&bob.id, renamed.clone(), &["id"]),
            change("7", renamed.clone(), &["display_name"]),
            change(&bob.id, renamed, &["display_name"]),
            change(&eve.id, named("eve"), &["email"]),
        ],
    )
    .await;
    let failed: Vec<_> = changed[..7]
        .iter()
        .map(|outcome| outcome.as_ref().unwrap_err())
        .map(|failure| (failure.kind(), failure.id.as_str()))
        .collect();
    let bob_id = bob.id.as_str();
    assert_eq!(
        failed,
        [
            (FailureKind::Integrity, bob_id),
            (FailureKind::Validation, bob_id),
            (FailureKind::NotFound, absent().as_str()),
            (FailureKind::NotFound, ada.id.as_str()),
            (FailureKind::EmptyPatch, bob_id),
            (FailureKind::Validation, bob_id),
            (FailureKind::Validation, "7"),
        ]
    );
    let text = format!(
        "Updating EndUser [id={bob_id}] in [org={}] failed with [errors=PhoneNumberExists]",
        world.own.org
    );
    assert_eq!(changed[0].as_ref().unwrap_err().message, text);
    assert_eq!(changed[7].as_ref().unwrap().display_name(), "Bobby");
    // Somebody's own address is in nobody's way.
    assert_eq!(changed[8].as_ref().unwrap().email(), "eve@example.com");
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_agent_keeps_a_name_and_an_address(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let ada = world.agent("ada").await;
    for field in ["display_name", "email"] {
        let changes = vec![change(&ada.id, PersonInput::default(), &[field])];
        let failure = update(&world, Role::Agent, changes).await.remove(0).unwrap_err();
        assert_eq!(failure.message, format!("{field} must not be empty"));
    }
    let input = PersonInput {
        external_id: Some("7".into()),
        ..Default::default()
    };
    let failure = update(&world, Role::Agent, vec![change(&ada.id, input, &["external_id"])])
        .await
        .remove(0);
    assert_eq!(failure.unwrap_err().kind(), FailureKind::Validation);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn of_many_who_take_one_address_at_once_one_succeeds(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let people = (0..20).map(|n| named(&format!("p{n}"))).collect();
    let mut calls = tokio::task::JoinSet::new();
    for person in world.create(Role::EndUser, people).await {
        let (mut client, own) = (world.client.clone(), world.own.clone());
        let changes = vec![change(&person.unwrap().id, named("the-one"), &["email"])];
        calls.spawn(async move {
            let request = wire::UpdatePeopleRequest {
                role: Role::EndUser.into(),
                changes,
            };
            let answer = client.update_people(own.request(request)).await.unwrap();
            outcomes(answer.into_inner().outcomes).remove(0).is_ok()
        });
    }
    let succeeded = calls.join_all().await.into_iter().filter(|ok| *ok).count();
    assert_eq!(succeeded, 1);
}
