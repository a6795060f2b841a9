//! Parents and children.

use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;
use wire::LinkKind;

use crate::support::{World, assert_field, assert_refused, ok, refused};

fn link(id: i64, parent_id: i64) -> wire::LinkConversationRequest {
    wire::LinkConversationRequest {
        id,
        parent_id,
        kind: LinkKind::Related.into(),
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_child_knows_its_parent_and_is_listed_by_it(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let (parent, child) = (world.chat().await, world.chat().await);
    for _ in 0..2 {
        ok!(world.link_conversation(link(child, parent)));
    }
    let shown = world.conversation(child).await;
    assert_eq!((shown.parent_id, shown.link_kind()), (Some(parent), LinkKind::Related));
    let listed = ok!(world.list_linked_conversations(wire::ListLinkedConversationsRequest { id: parent }));
    assert_eq!(listed.conversations, [shown]);
    assert_eq!(world.log(child).await[2..], ["ConversationLinkedToParent"]);
    assert_eq!(world.log(parent).await[2..], ["ConversationLinkedFromChild"]);
    let entry = world.entries(child).await.pop().unwrap();
    let attributes: serde_json::Value = serde_json::from_str(&entry.attributes_json).unwrap();
    assert_eq!(
        attributes,
        serde_json::json!({ "child": child, "parent": parent, "linkType": "Related" })
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn links_form_a_forest_of_height_one(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let (parent, child, third) = (world.chat().await, world.chat().await, world.chat().await);
    ok!(world.link_conversation(link(child, parent)));
    for (id, parent_id) in [(child, third), (third, child), (parent, third), (third, third)] {
        let status = refused!(world.link_conversation(link(id, parent_id)));
        assert_refused(&status, Code::InvalidArgument, "LINK_REFUSED");
    }
    let status = refused!(world.link_conversation(link(third, i64::MAX)));
    assert_refused(&status, Code::NotFound, "CONVERSATION_NOT_FOUND");
    let unknown = wire::LinkConversationRequest {
        kind: 0,
        ..link(third, parent)
    };
    assert_field(&refused!(world.link_conversation(unknown)), "kind");
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_parent_has_a_hundred_children_at_most(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let parent = world.chat().await;
    for _ in 0..100 {
        let child = world.chat().await;
        ok!(world.link_conversation(link(child, parent)));
    }
    let status = refused!(world.link_conversation(link(world.chat().await, parent)));
    assert_refused(&status, Code::InvalidArgument, "LINK_REFUSED");
}
