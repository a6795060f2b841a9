//! Tags and custom attributes of conversations.

use proto::conversation::v1 as wire;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;

use crate::support::{World, assert_field, assert_refused, ok, refused, unknown};

fn change(conversation_id: i64, tag_id: &str, remove: bool) -> wire::ChangeConversationTagRequest {
    wire::ChangeConversationTagRequest {
        conversation_id,
        tag_id: tag_id.to_owned(),
        remove,
    }
}

async fn tags(world: &World, conversation_id: i64) -> Vec<String> {
    let tags = ok!(world.list_conversation_tags(wire::ListConversationTagsRequest { conversation_id })).tags;
    tags.into_iter().map(|tag| tag.name).collect()
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_tag_is_put_on_once_and_taken_off_once(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    let (urgent, other) = (world.tag("urgent", true).await, world.tag("other", true).await);
    for tag in [&urgent, &other, &urgent] {
        ok!(world.change_conversation_tag(change(id, tag, false)));
    }
    assert_eq!(tags(&world, id).await, ["other", "urgent"]);
    let told = world.told(id).await;
    assert_eq!(
        told.last().unwrap().1["conversation"]["tags"].as_array().unwrap().len(),
        2
    );
    for _ in 0..2 {
        ok!(world.change_conversation_tag(change(id, &urgent, true)));
    }
    assert_eq!(tags(&world, id).await, ["other"]);
    let log = world.entries(id).await;
    let logged: Vec<_> = log[2..]
        .iter()
        .map(|e| (e.r#type.as_str(), e.attributes_json.as_str()))
        .collect();
    assert_eq!(
        logged,
        [
            ("TagAdded", r#"{"tag":"urgent"}"#),
            ("TagAdded", r#"{"tag":"other"}"#),
            ("TagRemoved", r#"{"tag":"urgent"}"#),
        ]
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_conversation_goes_on_when_its_tags_are_deleted(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    let awkward = "\"quoted\", \\ and\nbroken \u{1} ü";
    let tags = [world.tag("plain", true).await, world.tag(awkward, true).await];
    for tag in &tags {
        ok!(world.change_conversation_tag(change(id, tag, false)));
    }
    let last = async || {
        let told = world.told(id).await;
        let (kind, data) = told.last().unwrap();
        (kind.clone(), data["conversation"]["tags"].clone())
    };
    // What deleting one does: conversations keep their references.
    let delete = async |id: &str| {
        let deleted = sqlx::query("delete from conversation.tags where id = $1::uuid").bind(id);
        assert_eq!(deleted.execute(&world.db).await.unwrap().rows_affected(), 1);
    };
    let [plain, other] = &tags;
    let shown = json!([{ "id": other, "name": awkward }, { "id": plain, "name": "plain" }]);
    assert_eq!(last().await, ("conversation.tag_added".to_owned(), shown));

    delete(plain).await;
    ok!(world.close_conversation(wire::CloseConversationRequest { id, user_id: None }));
    let shown = json!([{ "id": other, "name": awkward }]);
    assert_eq!(last().await, ("conversation.closed".to_owned(), shown));

    delete(other).await;
    ok!(world.reopen_conversation(wire::ReopenConversationRequest { id, user_id: None }));
    assert_eq!(last().await.1, json!([]));
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_inactive_tag_can_be_taken_off_but_not_put_on(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    let (there, inactive) = (world.tag("there", true).await, world.tag("inactive", false).await);
    let status = refused!(world.change_conversation_tag(change(id, &inactive, false)));
    assert_refused(&status, Code::InvalidArgument, "TAG_INACTIVE");
    ok!(world.change_conversation_tag(change(id, &there, false)));
    sqlx::query("update conversation.tags set active = false")
        .execute(&world.db)
        .await
        .unwrap();
    ok!(world.change_conversation_tag(change(id, &there, true)));
    assert!(tags(&world, id).await.is_empty());
    let status = refused!(world.change_conversation_tag(change(id, &unknown(), false)));
    assert_refused(&status, Code::NotFound, "TAG_NOT_FOUND");
    assert_field(
        &refused!(world.change_conversation_tag(change(id, "t", false))),
        "tag_id",
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn tags_by_name_are_made_when_they_are_missing(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    world.tag("there", true).await;
    let named = |names: &[&str]| wire::TagConversationByNameRequest {
        conversation_id: id,
        names: names.iter().map(|&name| name.to_owned()).collect(),
    };
    ok!(world.tag_conversation_by_name(named(&["there", "new", "there"])));
    ok!(world.tag_conversation_by_name(named(&["new"])));
    assert_eq!(tags(&world, id).await, ["new", "there"]);
    assert_eq!(world.log(id).await[2..], ["TagAdded", "TagAdded"]);
    assert_field(&refused!(world.tag_conversation_by_name(named(&[]))), "names");
    assert_field(&refused!(world.tag_conversation_by_name(named(&["a", ""]))), "names[1]");
}

/// A custom attribute, put there without the service.
async fn attribute(world: &World, entity: &str, identifier: &str, input: serde_json::Value) -> String {
    let id = platform::id::new();
    sqlx::query(
        "insert into conversation.custom_attributes (org_id, id, entity, identifier, label, input, is_required,
                                                     is_archived, is_deactivated)
         values ($1, $2, $3, $4, 'Label', $5, false, false, $4 = 'off')",
    )
    .bind(world.own.org.0)
    .bind(id)
    .bind(entity)
    .bind(identifier)
    .bind(input)
    .execute(&world.db)
    .await
    .unwrap();
    id.to_string()
}

fn set(id: &str, text: &str) -> wire::AttributeChange {
    wire::AttributeChange {
        id: id.to_owned(),
        text: Some(text.to_owned()),
        path: None,
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn attributes_are_set_and_cleared_all_or_none(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    let text = attribute(
        &world,
        "conversation",
        "text",
        json!({ "text": { "placeholder": null } }),
    )
    .await;
    let choices =
        json!({ "select": [{ "id": unknown(), "label": "A", "value": "a", "is_deactivated": false, "nested": [] }] });
    let select = attribute(&world, "conversation", "select", choices).await;
    let off = attribute(
        &world,
        "conversation",
        "off",
        json!({ "text": { "placeholder": null } }),
    )
    .await;
    let contact = attribute(&world, "contact", "contact", json!({ "text": { "placeholder": null } })).await;
    let patch = |changes: Vec<wire::AttributeChange>| wire::PatchConversationAttributesRequest {
        conversation_id: id,
        changes,
    };
    let path = wire::AttributeChange {
        id: select.clone(),
        text: None,
        path: Some(wire::AttributePath {
            values: vec!["a".into()],
        }),
    };
    let patched = ok!(world.patch_conversation_attributes(patch(vec![set(&text, "x"), path]))).custom_attributes;
    assert_eq!(patched.len(), 2);
    assert_eq!(patched[0].text.as_deref(), Some("x"));
    assert_eq!(
        (patched[1].path.as_slice(), patched[1].identifier.as_str()),
        (&["a".to_owned()][..], "select")
    );
    assert_eq!(world.conversation(id).await.custom_attributes, patched);
    // The same again changes nothing.
    ok!(world.patch_conversation_attributes(patch(vec![set(&text, "x")])));
    assert_eq!(world.log(id).await.len(), 3);

    for (bad, code, reason) in [
        (set(&select, "a"), Code::InvalidArgument, "ATTRIBUTE_VALUE_INVALID"),
        (set(&off, "a"), Code::InvalidArgument, "ATTRIBUTE_DEACTIVATED"),
        (set(&contact, "a"), Code::NotFound, "ATTRIBUTE_NOT_FOUND"),
        (set(&unknown(), "a"), Code::NotFound, "ATTRIBUTE_NOT_FOUND"),
    ] {
        let status = refused!(world.patch_conversation_attributes(patch(vec![set(&text, "other"), bad])));
        assert_refused(&status, code, reason);
    }
    assert_field(
        &refused!(world.patch_conversation_attributes(patch(vec![set("a", "x")]))),
        "changes[0].id",
    );
    assert_eq!(world.conversation(id).await.custom_attributes, patched);

    let cleared = wire::AttributeChange {
        id: text.clone(),
        ..Default::default()
    };
    let left = ok!(world.patch_conversation_attributes(patch(vec![cleared]))).custom_attributes;
    assert!(left.is_empty());
    assert_eq!(world.conversation(id).await.custom_attributes[..], patched[1..]);
    let entry = world.entries(id).await.pop().unwrap();
    assert_eq!(entry.r#type, "ConversationCustomAttributesUpdated");
    let attributes: serde_json::Value = serde_json::from_str(&entry.attributes_json).unwrap();
    assert_eq!(
        attributes,
        json!({ "updatedAttributeIds": [text], "updatedAttributeValues": {} })
    );
}
