//! Many threads changed at once, or none.

use proto::thread::v1 as pb;
use tonic::{Code, Status};

use crate::support::{BOT, CONFIRMATION, World, assert_gapless, assert_invalid, assert_refused, fields};

async fn bulk(world: &World, changes: Vec<pb::ThreadChange>) -> Result<Vec<pb::Thread>, Status> {
    let request = pb::BulkUpdateThreadsRequest {
        chatbot_id: BOT.to_owned(),
        changes,
    };
    let answer = world.org.api().bulk_update_threads(request).await?;
    Ok(answer.into_inner().threads)
}

fn change(thread: &str) -> pb::ThreadChange {
    pb::ThreadChange {
        thread_id: thread.to_owned(),
        ..pb::ThreadChange::default()
    }
}

fn tags(tags: &[&str]) -> pb::Tags {
    pb::Tags {
        values: tags.iter().map(|&tag| tag.to_owned()).collect(),
    }
}

#[tokio::test]
async fn each_thread_gets_its_own_change_in_the_order_of_the_request() {
    let world = World::new().await;
    for id in ["a", "b", "c"] {
        world.org.thread(id).await;
    }
    let everything = pb::ThreadChange {
        resolved: Some(true),
        archived: Some(true),
        important: Some(true),
        tags: Some(tags(&["vip", "billing", "vip"])),
        title: Some("About the bill".to_owned()),
        internal_notes: Some("Call back\non Monday".to_owned()),
        ..change("c")
    };
    let changed = bulk(&world, vec![everything, change("a")]).await.unwrap();
    assert_eq!(changed.len(), 2);
    let (c, a) = (&changed[0], &changed[1]);
    assert_eq!((c.thread_id.as_str(), a.thread_id.as_str()), ("c", "a"));
    assert!(c.resolved && c.archived && c.important && !c.escalated);
    assert_eq!(c.tags, ["vip", "billing"]);
    assert_eq!(c.title.as_deref(), Some("About the bill"));
    assert_eq!(c.internal_notes.as_deref(), Some("Call back\non Monday"));
    assert_eq!(world.org.read("c").await.0, *c);
    assert_eq!(world.org.read("a").await.0, *a);
    assert_eq!(
        world.org.read("b").await.0.updated_at,
        world.org.read("b").await.0.started_at
    );

    let cleared = pb::ThreadChange {
        resolved: Some(false),
        tags: Some(tags(&[])),
        title: Some(String::new()),
        internal_notes: Some(String::new()),
        ..change("c")
    };
    let c = bulk(&world, vec![cleared]).await.unwrap().remove(0);
    assert!(!c.resolved && c.archived && c.important);
    assert_eq!((c.tags.len(), c.title, c.internal_notes), (0, None, None));
    let updates = world
        .events("threads")
        .await
        .iter()
        .filter(|event| event.kind == "thread.updated")
        .count();
    assert_eq!(updates, 2);
}

#[tokio::test]
async fn one_unknown_thread_is_named_and_nothing_is_changed() {
    let world = World::new().await;
    let before = world.org.thread("a").await;
    let important = |id: &str| pb::ThreadChange {
        important: Some(true),
        escalated: Some(true),
        ..change(id)
    };
    let result = bulk(&world, vec![important("a"), important("nowhere")]).await;
    let status = assert_refused(result, Code::NotFound, "THREAD_NOT_FOUND");
    assert_eq!(fields(&status), ["thread_id"]);
    assert!(status.message().contains("nowhere"), "{}", status.message());
    assert_eq!(world.org.read("a").await, (before, Vec::new()));
    assert_eq!(world.events("threads").await.len(), 1);
    assert_eq!(world.events("escalations").await.len(), 0);
}

#[tokio::test]
async fn escalating_in_bulk_is_the_whole_step_and_only_where_something_changes() {
    let world = World::new().await;
    for id in ["off", "on", "untouched"] {
        world.org.thread(id).await;
    }
    world.org.toggle("on").await;
    let set = |id: &str, escalated| pb::ThreadChange {
        escalated,
        ..change(id)
    };
    let changed = bulk(
        &world,
        vec![set("off", Some(true)), set("on", Some(true)), set("untouched", None)],
    );
    let flags: Vec<_> = changed
        .await
        .unwrap()
        .iter()
        .map(|thread| (thread.escalated, thread.mode()))
        .collect();
    assert_eq!(
        flags,
        [(true, pb::Mode::Agent), (true, pb::Mode::Agent), (false, pb::Mode::Ai)]
    );

    let (_, messages) = world.org.read("off").await;
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].content, CONFIRMATION);
    assert_eq!(
        messages[0].system_message_type(),
        pb::SystemMessageType::ConversationEscalated
    );
    assert_eq!(world.org.read("on").await.1.len(), 1);
    assert_eq!(world.events("escalations").await.len(), 2);

    let back = bulk(&world, vec![set("off", Some(false)), set("untouched", Some(false))])
        .await
        .unwrap();
    assert_eq!((back[0].escalated, back[0].mode()), (false, pb::Mode::Ai));
    let (_, messages) = world.org.read("off").await;
    assert_eq!(
        messages[1].system_message_type(),
        pb::SystemMessageType::ConversationDeescalated
    );
    assert!(world.org.read("untouched").await.1.is_empty());
    assert_eq!(
        world
            .count("select count(*) from thread.escalations where resolved_at is not null")
            .await,
        1
    );
    let events = world.events("escalations").await;
    assert_eq!(events.len(), 3);
    assert_gapless(&events);
}

#[tokio::test]
async fn what_is_wrong_with_a_change_is_named_with_its_place() {
    let world = World::new().await;
    world.org.thread("a").await;
    let second = |wrong: pb::ThreadChange| vec![change("a"), wrong];
    let cases = [
        ("changes", vec![]),
        ("changes", (0..101).map(|n| change(&format!("t{n}"))).collect()),
        ("changes[1].thread_id", second(change("a"))),
        ("changes[1].thread_id", second(change("a b"))),
        ("changes[1].thread_id", second(change(""))),
        (
            "changes[1].title",
            second(pb::ThreadChange {
                title: Some("ü".repeat(501)),
                ..change("b")
            }),
        ),
        (
            "changes[1].internal_notes",
            second(pb::ThreadChange {
                internal_notes: Some("a".repeat(32 * 1024 + 1)),
                ..change("b")
            }),
        ),
        (
            "changes[1].tags",
            second(pb::ThreadChange {
                tags: Some(tags(&["a"; 51])),
                ..change("b")
            }),
        ),
        (
            "changes[1].tags[1]",
            second(pb::ThreadChange {
                tags: Some(tags(&["a", ""])),
                ..change("b")
            }),
        ),
        (
            "changes[1].tags[0]",
            second(pb::ThreadChange {
                tags: Some(tags(&["a".repeat(101).as_str()])),
                ..change("b")
            }),
        ),
    ];
    for (field, changes) in cases {
        assert_invalid(bulk(&world, changes).await, field);
    }
}

#[tokio::test]
async fn bulks_that_overlap_do_not_block_each_other_for_good() {
    let world = World::new().await;
    let ids: Vec<String> = (0..8).map(|n| format!("t{n}")).collect();
    for id in &ids {
        world.org.thread(id).await;
    }
    let rounds = (0..20).map(|round| {
        let changes = ids.iter().map(|id| pb::ThreadChange {
            title: Some(format!("round {round}")),
            ..change(id)
        });
        let mut changes: Vec<_> = changes.collect();
        changes.rotate_left(round % 8);
        if round % 2 == 1 {
            changes.reverse();
        }
        bulk(&world, changes)
    });
    for result in futures::future::join_all(rounds).await {
        assert_eq!(result.unwrap().len(), 8);
    }
    let titles = world.count("select count(distinct title) from thread.threads").await;
    assert_eq!(titles, 1);
    assert_gapless(&world.events("threads").await);
}
