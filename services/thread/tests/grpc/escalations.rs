//! The list of what waits for people.

use proto::thread::v1 as pb;
use tonic::Code;

use crate::support::{BOT, OWNER, World, assert_invalid, assert_refused, at};

fn page(state: pb::EscalationState, page_size: i32, before: &str) -> pb::ListEscalationsRequest {
    pb::ListEscalationsRequest {
        state: state.into(),
        page_size,
        before: before.to_owned(),
    }
}

#[tokio::test]
async fn an_escalation_tells_who_asked_for_whom_and_since_when() {
    let world = World::new().await;
    let create = pb::CreateThreadRequest {
        chatbot_id: BOT.to_owned(),
        thread_id: Some("t".to_owned()),
        visitor_email: Some("grace@example.com".to_owned()),
        ..pb::CreateThreadRequest::default()
    };
    world.org.create(create).await.unwrap();
    world.org.escalate("t", Some("Talk to sales")).await;
    let found = world.org.escalations(pb::EscalationState::Unspecified).await.remove(0);
    assert!(uuid::Uuid::parse_str(&found.id).is_ok());
    assert!(found.created_at.is_some() && (0..60).contains(&found.age_seconds));
    let expected = pb::Escalation {
        id: found.id.clone(),
        chatbot_id: BOT.to_owned(),
        thread_id: "t".to_owned(),
        state: pb::EscalationState::Unacknowledged.into(),
        requested_by: OWNER.to_owned(),
        prompt: Some("Talk to sales".to_owned()),
        created_at: found.created_at,
        age_seconds: found.age_seconds,
        visitor_email: Some("grace@example.com".to_owned()),
        ..pb::Escalation::default()
    };
    assert_eq!(found, expected);
}

#[tokio::test]
async fn an_escalation_moves_from_list_to_list() {
    use pb::EscalationState::{Acknowledged, Resolved, Unacknowledged, Unspecified};
    let world = World::new().await;
    for id in ["a", "b", "c"] {
        world.org.thread(id).await;
        world.org.toggle(id).await;
    }
    let all = world.org.escalations(Unspecified).await;
    let threads: Vec<_> = all.iter().map(|escalation| escalation.thread_id.as_str()).collect();
    assert_eq!(threads, ["c", "b", "a"], "newest first");
    world.org.acknowledge(&all[1].id).await;
    world.org.toggle("a").await;

    for (state, expected) in [(Unacknowledged, "c"), (Acknowledged, "b"), (Resolved, "a")] {
        let found = world.org.escalations(state).await;
        assert_eq!(found.len(), 1, "{state:?}");
        assert_eq!((found[0].thread_id.as_str(), found[0].state()), (expected, state));
    }
    assert_eq!(world.org.escalations(Unspecified).await.len(), 3);
    let resolved = world.org.escalations(Resolved).await.remove(0);
    assert_eq!(resolved.resolved_by.as_deref(), Some(OWNER));
    assert!(at(resolved.resolved_at.as_ref()) >= at(resolved.created_at.as_ref()));
}

#[tokio::test]
async fn the_first_acknowledgement_wins() {
    let world = World::new().await;
    let bob = world
        .with_key(
            &world.org,
            "bob@example.com",
            &["escalations:read", "escalations:write"],
        )
        .await;
    world.org.thread("t").await;
    world.org.toggle("t").await;
    let id = world
        .org
        .escalations(pb::EscalationState::Unacknowledged)
        .await
        .remove(0)
        .id;

    let first = bob.acknowledge(&id).await;
    assert_eq!(first.state(), pb::EscalationState::Acknowledged);
    assert_eq!(first.acknowledged_by.as_deref(), Some("bob@example.com"));
    assert!(first.acknowledged_at.is_some());
    let second = world.org.acknowledge(&id).await;
    assert_eq!(second.acknowledged_by, first.acknowledged_by);
    assert_eq!(second.acknowledged_at, first.acknowledged_at);
    let kinds: Vec<_> = world
        .events("escalations")
        .await
        .into_iter()
        .map(|event| event.kind)
        .collect();
    assert_eq!(kinds, ["escalation.created", "escalation.acknowledged"]);
}

#[tokio::test]
async fn of_many_who_acknowledge_at_once_one_wins() {
    let world = World::new().await;
    world.org.thread("t").await;
    world.org.toggle("t").await;
    let id = world
        .org
        .escalations(pb::EscalationState::Unacknowledged)
        .await
        .remove(0)
        .id;
    let mut people = Vec::new();
    for n in 0..10 {
        people.push(
            world
                .with_key(&world.org, &format!("person {n}"), &["escalations:write"])
                .await,
        );
    }
    let answers = futures::future::join_all(people.iter().map(|person| person.acknowledge(&id))).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.acknowledged_by == answers[0].acknowledged_by)
    );
    assert_eq!(world.events("escalations").await.len(), 2);
}

#[tokio::test]
async fn a_resolved_escalation_is_returned_as_it_is() {
    let world = World::new().await;
    world.org.thread("t").await;
    world.org.toggle("t").await;
    world.org.toggle("t").await;
    let resolved = world.org.escalations(pb::EscalationState::Resolved).await.remove(0);
    let answer = world.org.acknowledge(&resolved.id).await;
    assert_eq!(answer, resolved);
    assert_eq!(world.events("escalations").await.len(), 2);
}

#[tokio::test]
async fn an_escalation_that_does_not_exist_can_not_be_acknowledged() {
    let world = World::new().await;
    for id in [platform::id::new().to_string(), "not an id".to_owned(), String::new()] {
        let request = pb::AcknowledgeEscalationRequest { id };
        let answer = world.org.api().acknowledge_escalation(request).await;
        assert_refused(answer, Code::NotFound, "ESCALATION_NOT_FOUND");
    }
}

#[tokio::test]
async fn pages_of_escalations_follow_each_other() {
    use pb::EscalationState::{Resolved, Unacknowledged};
    let world = World::new().await;
    let stranger = world.stranger().await;
    for n in 0..7 {
        let id = format!("t{n}");
        world.org.thread(&id).await;
        world.org.toggle(&id).await;
    }
    let mut api = world.org.api();
    let (mut before, mut found) = (String::new(), Vec::new());
    for (expected, more) in [(3, true), (3, true), (1, false)] {
        let answer = api.list_escalations(page(Unacknowledged, 3, &before)).await.unwrap();
        let answer = answer.into_inner();
        assert_eq!((answer.escalations.len(), answer.has_more), (expected, more));
        before.clone_from(&answer.escalations.last().unwrap().id);
        found.extend(answer.escalations.into_iter().map(|escalation| escalation.thread_id));
    }
    assert_eq!(found, ["t6", "t5", "t4", "t3", "t2", "t1", "t0"]);

    // Where a page begins shows nothing that its reader may not see.
    let newer = platform::id::new().to_string();
    for (state, count) in [(Unacknowledged, 7), (Resolved, 0)] {
        let answer = api.list_escalations(page(state, 0, &newer)).await.unwrap().into_inner();
        assert_eq!(answer.escalations.len(), count);
        let answer = stranger.api().list_escalations(page(state, 0, &newer)).await.unwrap();
        assert_eq!(answer.into_inner(), pb::ListEscalationsResponse::default());
    }
    for wrong in ["x", "%%%", &before[1..], &"A".repeat(4096)] {
        assert_invalid(api.list_escalations(page(Unacknowledged, 3, wrong)).await, "before");
    }
    assert_invalid(api.list_escalations(page(Unacknowledged, -1, "")).await, "page_size");
}

#[tokio::test]
async fn a_page_of_escalations_has_20_by_default_and_an_exactly_full_one_has_no_more() {
    let world = World::new().await;
    for n in 0..21 {
        let id = format!("t{n}");
        world.org.thread(&id).await;
        world.org.toggle(&id).await;
    }
    let mut api = world.org.api();
    for (size, expected) in [(0, (20, true)), (21, (21, false))] {
        let page = page(pb::EscalationState::Unspecified, size, "");
        let answer = api.list_escalations(page).await.unwrap().into_inner();
        assert_eq!((answer.escalations.len(), answer.has_more), expected);
    }
}
