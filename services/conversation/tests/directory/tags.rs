use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::support::{World, fields, ok, refused};

fn new(name: &str, color: Option<&str>) -> wire::CreateTagRequest {
    wire::CreateTagRequest {
        name: name.into(),
        color: color.map(Into::into),
    }
}

async fn names(world: &World, include_deactivated: bool) -> Vec<String> {
    let tags = ok!(world.list_tags(wire::ListTagsRequest { include_deactivated })).tags;
    tags.into_iter().map(|tag| tag.name).collect()
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_tag_that_is_there_already_is_returned_unchanged(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let made = ok!(world.create_tag(new("urgent", Some("#00fF7f")))).tag.unwrap();
    assert_eq!(
        (made.name.as_str(), made.color(), made.active),
        ("urgent", "#00fF7f", true)
    );
    let off = ok!(world.set_tag_state(wire::SetTagStateRequest {
        id: made.id.clone(),
        active: false
    }))
    .tag
    .unwrap();
    assert_eq!(
        off,
        wire::Tag {
            active: false,
            ..made.clone()
        }
    );
    assert_eq!(ok!(world.create_tag(new("urgent", Some("#111111")))).tag.unwrap(), off);
    assert_eq!(
        ok!(world.get_tag(wire::GetTagRequest { id: made.id })).tag.unwrap(),
        off
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn tags_are_listed_by_name_and_inactive_ones_only_on_demand(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    for name in ["b", "c", "a"] {
        let id = ok!(world.create_tag(new(name, None))).tag.unwrap().id;
        if name == "c" {
            ok!(world.set_tag_state(wire::SetTagStateRequest { id, active: false }));
        }
    }
    assert_eq!(names(&world, false).await, ["a", "b"]);
    assert_eq!(names(&world, true).await, ["a", "b", "c"]);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn of_many_who_make_one_tag_at_once_all_get_the_same(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (mut client, own) = (world.client.clone(), world.own.clone());
        calls.spawn(async move {
            let answer = client.create_tag(own.request(new("one", None))).await.unwrap();
            answer.into_inner().tag.unwrap().id
        });
    }
    let mut ids = calls.join_all().await;
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 1);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_wrong_field_of_a_tag_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    for name in ["", "a\0b", &"x".repeat(201)] {
        assert_eq!(fields(&refused!(world.create_tag(new(name, None)))), ["name"]);
    }
    for color in ["red", "#12345", "#12345g", "000000", "#00000\0"] {
        assert_eq!(fields(&refused!(world.create_tag(new("t", Some(color))))), ["color"]);
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_deleted_tag_is_gone_and_its_name_is_free_again(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let first = ok!(world.create_tag(new("urgent", None))).tag.unwrap().id;
    ok!(world.delete_tag(wire::DeleteTagRequest { id: first.clone() }));
    assert_eq!(names(&world, true).await, [""; 0]);
    let again = refused!(world.delete_tag(wire::DeleteTagRequest { id: first.clone() }));
    assert_eq!(again.code(), tonic::Code::NotFound);
    let second = ok!(world.create_tag(new("urgent", None))).tag.unwrap().id;
    assert_ne!(first, second);
}
