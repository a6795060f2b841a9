//! Visitors: found by address or made.

use proto::thread::v1 as pb;

use crate::support::{BOT, World};

async fn thread_of(world: &World, id: &str, email: &str) -> pb::Visitor {
    let request = pb::CreateThreadRequest {
        chatbot_id: BOT.to_owned(),
        thread_id: Some(id.to_owned()),
        visitor_email: Some(email.to_owned()),
        ..pb::CreateThreadRequest::default()
    };
    world.org.create(request).await.unwrap().visitor.unwrap()
}

async fn change(world: &World, thread: &str, visitor: pb::VisitorChange) -> pb::Visitor {
    let request = pb::UpdateThreadRequest {
        chatbot_id: BOT.to_owned(),
        thread_id: thread.to_owned(),
        visitor: Some(visitor),
        ..pb::UpdateThreadRequest::default()
    };
    let answer = world.org.api().update_thread(request).await.unwrap();
    answer.into_inner().thread.unwrap().visitor.unwrap()
}

#[tokio::test]
async fn a_visitor_is_known_by_address_whatever_its_case() {
    let world = World::new().await;
    let first = thread_of(&world, "t1", "Grace@Example.com").await;
    let again = thread_of(&world, "t2", "grace@example.COM").await;
    assert_eq!(again, first);
    assert_ne!(thread_of(&world, "t3", "alan@example.com").await.id, first.id);
}

#[tokio::test]
async fn who_comes_through_two_doors_at_once_is_one_visitor() {
    let world = World::new().await;
    let ids: Vec<String> = (0..20).map(|n| format!("t{n}")).collect();
    let visitors = futures::future::join_all(ids.iter().map(|id| thread_of(&world, id, "grace@example.com"))).await;
    assert!(visitors.iter().all(|visitor| visitor.id == visitors[0].id));
    assert_eq!(world.count("select count(*) from thread.visitors").await, 1);
}

#[tokio::test]
async fn name_and_number_belong_to_the_visitor_and_show_on_every_thread() {
    let world = World::new().await;
    thread_of(&world, "t1", "grace@example.com").await;
    thread_of(&world, "t2", "grace@example.com").await;
    let named = pb::VisitorChange {
        name: Some("Grace Hopper".to_owned()),
        phone_number: Some("+1 212 555 0100".to_owned()),
        ..pb::VisitorChange::default()
    };
    let visitor = change(&world, "t1", named).await;
    assert_eq!(visitor.name.as_deref(), Some("Grace Hopper"));
    assert_eq!(visitor.phone_number.as_deref(), Some("+1 212 555 0100"));
    assert_eq!(world.org.read("t2").await.0.visitor, Some(visitor));
}

#[tokio::test]
async fn another_address_is_another_visitor_and_renames_nobody() {
    let world = World::new().await;
    let grace = thread_of(&world, "t1", "grace@example.com").await;
    thread_of(&world, "t2", "grace@example.com").await;
    let moved = pb::VisitorChange {
        email: Some("alan@example.com".to_owned()),
        name: Some("Alan".to_owned()),
        ..pb::VisitorChange::default()
    };
    let alan = change(&world, "t1", moved).await;
    assert_ne!(alan.id, grace.id);
    assert_eq!(world.org.read("t1").await.0.visitor, Some(alan));
    assert_eq!(world.org.read("t2").await.0.visitor, Some(grace));
}

#[tokio::test]
async fn a_thread_without_a_visitor_gets_one() {
    let world = World::new().await;
    world.org.thread("t").await;
    let named = pb::VisitorChange {
        name: Some("Somebody".to_owned()),
        ..pb::VisitorChange::default()
    };
    let nameless = change(&world, "t", named).await;
    assert_eq!((nameless.email, nameless.name.as_deref()), (None, Some("Somebody")));
    assert_eq!(world.org.read("t").await.0.visitor.unwrap().id, nameless.id);
}
