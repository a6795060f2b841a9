use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;
use wire::custom_attribute_definition::Input;
use wire::{AttributeEntity, AttributeValue};

use crate::support::{World, absent, assert_refused, fields, ok, refused};

/// A text attribute of end users.
pub(crate) fn text(identifier: &str) -> wire::CreateCustomAttributeRequest {
    with_input(
        identifier,
        Input::Text(wire::TextInput {
            placeholder: Some("type here".into()),
        }),
    )
}

fn with_input(identifier: &str, input: Input) -> wire::CreateCustomAttributeRequest {
    wire::CreateCustomAttributeRequest {
        definition: Some(wire::CustomAttributeDefinition {
            entity: AttributeEntity::Contact.into(),
            identifier: identifier.into(),
            label: identifier.to_uppercase(),
            input: Some(input),
            ..Default::default()
        }),
    }
}

fn option(value: &str, nested_options: Vec<wire::SelectOption>) -> wire::SelectOption {
    wire::SelectOption {
        label: value.to_uppercase(),
        value: value.into(),
        nested_options,
        ..Default::default()
    }
}

fn select(identifier: &str, options: Vec<wire::SelectOption>) -> wire::CreateCustomAttributeRequest {
    with_input(identifier, Input::Select(wire::SelectInput { options }))
}

fn options(definition: &wire::CustomAttributeDefinition) -> &[wire::SelectOption] {
    match &definition.input {
        Some(Input::Select(select)) => &select.options,
        other => panic!("it is no select: {other:?}"),
    }
}

async fn create(world: &World, request: wire::CreateCustomAttributeRequest) -> wire::CustomAttributeDefinition {
    ok!(world.create_custom_attribute(request)).definition.unwrap()
}

fn set_text(id: &str, text: &str) -> wire::AttributeChange {
    wire::AttributeChange {
        id: id.into(),
        text: Some(text.into()),
        path: None,
    }
}

fn set_path(id: &str, values: &[&str]) -> wire::AttributeChange {
    wire::AttributeChange {
        id: id.into(),
        text: None,
        path: Some(wire::AttributePath {
            values: values.iter().map(|&value| value.into()).collect(),
        }),
    }
}

fn clear(id: &str) -> wire::AttributeChange {
    wire::AttributeChange {
        id: id.into(),
        ..Default::default()
    }
}

fn patch(id: &str, changes: Vec<wire::AttributeChange>) -> wire::PatchEndUserAttributesRequest {
    wire::PatchEndUserAttributesRequest { id: id.into(), changes }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_definition_is_read_back_with_the_ids_of_its_options(_: PgPoolOptions, database: PgConnectOptions) {
    let world = World::new(database).await;
    let mut request = select(
        "plan",
        vec![option("basic", vec![option("monthly", vec![])]), option("pro", vec![])],
    );
    let asked = request.definition.as_mut().unwrap();
    asked.description = Some("What they pay for".into());
    asked.is_required = true;
    let made = create(&world, request).await;
    assert_eq!(
        (made.identifier.as_str(), made.label.as_str(), made.is_required),
        ("plan", "PLAN", true)
    );
    assert_eq!(made.entity(), AttributeEntity::Contact);
    assert!(made.created_at.is_some() && made.updated_at.is_none());
    let basic = &options(&made)[0];
    let ids = [&basic.id, &basic.nested_options[0].id, &options(&made)[1].id];
    assert!(ids.iter().all(|id| platform::id::parse(id).is_some()), "{ids:?}");
    let read = ok!(world.get_custom_attribute(wire::GetCustomAttributeRequest { id: made.id.clone() }));
    assert_eq!(read.definition.as_ref(), Some(&made));
    let second = create(&world, text("note")).await;
    let listed = ok!(world.list_custom_attributes(wire::ListCustomAttributesRequest {})).definitions;
    assert_eq!(listed, [made, second]);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_identifier_belongs_to_one_definition_of_a_kind_of_entity(_: PgPoolOptions, database: PgConnectOptions) {
    let world = World::new(database).await;
    create(&world, text("plan")).await;
    let status = refused!(world.create_custom_attribute(text("plan")));
    assert_refused(&status, Code::AlreadyExists, "ATTRIBUTE_IDENTIFIER_TAKEN");
    let mut request = text("plan");
    request.definition.as_mut().unwrap().entity = AttributeEntity::Conversation.into();
    create(&world, request).await;
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn present_fields_of_a_definition_are_changed(_: PgPoolOptions, database: PgConnectOptions) {
    let world = World::new(database).await;
    let made = create(&world, select("plan", vec![option("basic", vec![])])).await;
    let kept = options(&made)[0].clone();
    let request = wire::UpdateCustomAttributeRequest {
        id: made.id.clone(),
        label: Some("Plan".into()),
        is_archived: Some(true),
        select: Some(wire::SelectInput {
            options: vec![kept.clone(), option("pro", vec![])],
        }),
        ..Default::default()
    };
    let changed = ok!(world.update_custom_attribute(request)).definition.unwrap();
    assert_eq!(
        (changed.label.as_str(), changed.is_archived, changed.is_required),
        ("Plan", true, false)
    );
    assert_eq!(options(&changed)[0], kept);
    assert_eq!(options(&changed).len(), 2);
    assert!(changed.updated_at.is_some());
    let request = wire::UpdateCustomAttributeRequest {
        id: made.id,
        text: Some(wire::TextInput::default()),
        ..Default::default()
    };
    assert_eq!(fields(&refused!(world.update_custom_attribute(request))), ["text"]);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_wrong_field_of_a_definition_is_named(_: PgPoolOptions, database: PgConnectOptions) {
    let world = World::new(database).await;
    let with = |change: fn(&mut wire::CustomAttributeDefinition)| {
        let mut request = text("plan");
        change(request.definition.as_mut().unwrap());
        request
    };
    let mut deep = vec![];
    for _ in 0..6 {
        deep = vec![option("x", deep)];
    }
    let many = (0..1001).map(|n| option(&n.to_string(), vec![])).collect();
    let mut wrong_id = option("x", vec![]);
    wrong_id.id = "7".into();
    let cases = [
        (wire::CreateCustomAttributeRequest::default(), "definition"),
        (with(|new| new.entity = 0), "definition.entity"),
        (with(|new| new.identifier.clear()), "definition.identifier"),
        (with(|new| new.identifier = "a\0b".into()), "definition.identifier"),
        (with(|new| new.label = "x".repeat(201)), "definition.label"),
        (
            with(|new| new.description = Some("\0".into())),
            "definition.description",
        ),
        (with(|new| new.input = None), "definition.input"),
        (
            select("s", vec![option("", vec![])]),
            "definition.select.options[0].label",
        ),
        (select("s", vec![wrong_id]), "definition.select.options[0].id"),
        (
            select("s", vec![option("x", vec![]), option("x", vec![])]),
            "definition.select.options",
        ),
        (select("s", many), "definition.select.options"),
        (
            select("s", vec![option("x", vec![option("a\0b", vec![])])]),
            "definition.select.options[0].nested_options[0].label",
        ),
    ];
    for (request, field) in cases {
        assert_eq!(fields(&refused!(world.create_custom_attribute(request))), [field]);
    }
    let status = refused!(world.create_custom_attribute(select("s", deep)));
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn values_of_an_end_user_are_set_shown_and_cleared(_: PgPoolOptions, database: PgConnectOptions) {
    let world = World::new(database).await;
    let note = create(&world, text("note")).await;
    let plan = create(
        &world,
        select("plan", vec![option("basic", vec![option("monthly", vec![])])]),
    )
    .await;
    let eve = world.end_user("eve").await.id;
    let changes = vec![set_path(&plan.id, &["basic", "monthly"]), set_text(&note.id, "vip")];
    let shown = ok!(world.patch_end_user_attributes(patch(&eve, changes))).custom_attributes;
    let noted = AttributeValue {
        id: note.id.clone(),
        name: "NOTE".into(),
        identifier: "note".into(),
        text: Some("vip".into()),
        path: vec![],
    };
    let planned = AttributeValue {
        id: plan.id.clone(),
        name: "PLAN".into(),
        identifier: "plan".into(),
        text: None,
        path: vec!["basic".into(), "monthly".into()],
    };
    assert_eq!(shown, [noted.clone(), planned]);
    let read = wire::GetPersonRequest {
        id: eve.clone(),
        role: wire::Role::EndUser.into(),
    };
    assert_eq!(ok!(world.get_person(read)).person.unwrap().custom_attributes, shown);
    let left = ok!(world.patch_end_user_attributes(patch(&eve, vec![clear(&plan.id)])));
    assert_eq!(left.custom_attributes, [noted]);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_value_that_does_not_fit_changes_nothing(_: PgPoolOptions, database: PgConnectOptions) {
    let world = World::new(database).await;
    let (note, first) = (
        create(&world, text("note")).await.id,
        create(&world, text("first")).await.id,
    );
    let plan = create(&world, select("plan", vec![option("basic", vec![])])).await.id;
    let mut other_entity = text("topic");
    other_entity.definition.as_mut().unwrap().entity = AttributeEntity::Conversation.into();
    let topic = create(&world, other_entity).await.id;
    let mut off = text("off");
    off.definition.as_mut().unwrap().is_deactivated = true;
    let off = create(&world, off).await.id;
    let eve = world.end_user("eve").await.id;
    let cases = [
        (set_text(&absent(), "x"), Code::NotFound, "ATTRIBUTE_NOT_FOUND"),
        (set_text(&topic, "x"), Code::NotFound, "ATTRIBUTE_NOT_FOUND"),
        (set_text(&off, "x"), Code::InvalidArgument, "ATTRIBUTE_DEACTIVATED"),
        (
            set_path(&note, &["x"]),
            Code::InvalidArgument,
            "ATTRIBUTE_VALUE_INVALID",
        ),
        (
            set_text(&plan, "basic"),
            Code::InvalidArgument,
            "ATTRIBUTE_VALUE_INVALID",
        ),
        (
            set_path(&plan, &["pro"]),
            Code::InvalidArgument,
            "ATTRIBUTE_VALUE_INVALID",
        ),
        (
            set_text(&plan, "a\0b"),
            Code::InvalidArgument,
            "REQUEST_VALIDATION_FAILED",
        ),
        (set_path(&plan, &[]), Code::InvalidArgument, "REQUEST_VALIDATION_FAILED"),
        (set_text("7", "x"), Code::InvalidArgument, "REQUEST_VALIDATION_FAILED"),
        (
            set_text(&first, "twice"),
            Code::InvalidArgument,
            "REQUEST_VALIDATION_FAILED",
        ),
    ];
    for (change, code, reason) in cases {
        let request = patch(&eve, vec![set_text(&first, "x"), change]);
        assert_refused(&refused!(world.patch_end_user_attributes(request)), code, reason);
    }
    let request = patch(&eve, vec![set_text(&first, "x"), set_path(&plan, &["pro"])]);
    assert_eq!(
        fields(&refused!(world.patch_end_user_attributes(request))),
        ["changes[1]"]
    );
    let kept = ok!(world.patch_end_user_attributes(patch(&eve, vec![])));
    assert!(kept.custom_attributes.is_empty());
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_agent_has_no_custom_attributes(_: PgPoolOptions, database: PgConnectOptions) {
    let world = World::new(database).await;
    let ada = world.agent("ada").await.id;
    let status = refused!(world.patch_end_user_attributes(patch(&ada, vec![])));
    assert_refused(&status, Code::NotFound, "END_USER_NOT_FOUND");
}
