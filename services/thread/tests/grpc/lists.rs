//! Lists of threads.

use proto::settings::v1::ChatStart;
use proto::thread::v1 as pb;

use crate::support::{BOT, World, assert_invalid, from_visitor};

async fn list(world: &World, request: pb::ListThreadsRequest) -> pb::ListThreadsResponse {
    let request = pb::ListThreadsRequest {
        chatbot_id: BOT.to_owned(),
        ..request
    };
    world.org.api().list_threads(request).await.unwrap().into_inner()
}

fn ids(answer: &pb::ListThreadsResponse) -> Vec<&str> {
    let threads = answer.entries.iter().map(|entry| entry.thread.as_ref().unwrap());
    threads.map(|thread| thread.thread_id.as_str()).collect()
}

#[tokio::test]
async fn each_filter_finds_its_own_and_filters_add_up() {
    let world = World::new().await;
    for id in ["plain", "resolved", "archived", "important", "escalated", "model"] {
        world.org.thread(id).await;
    }
    let known = pb::CreateThreadRequest {
        chatbot_id: BOT.to_owned(),
        thread_id: Some("known".to_owned()),
        mode: pb::Mode::Agent.into(),
        visitor_email: Some("grace@example.com".to_owned()),
        ..pb::CreateThreadRequest::default()
    };
    world.org.create(known).await.unwrap();
    let flag = |id: &str| pb::ThreadChange {
        thread_id: id.to_owned(),
        resolved: Some(id == "resolved"),
        archived: Some(id == "archived"),
        important: Some(id == "important"),
        escalated: Some(id == "escalated"),
        ..pb::ThreadChange::default()
    };
    let bulk = pb::BulkUpdateThreadsRequest {
        chatbot_id: BOT.to_owned(),
        changes: ["resolved", "archived", "important", "escalated"].map(flag).into(),
    };
    world.org.api().bulk_update_threads(bulk).await.unwrap();
    let answer = pb::AppendMessageRequest {
        author: pb::Author::Bot.into(),
        llm_model_id: Some("claude".to_owned()),
        ..from_visitor("model", "An answer")
    };
    world.org.append(answer).await.unwrap();

    let all = [
        "known",
        "model",
        "escalated",
        "important",
        "archived",
        "resolved",
        "plain",
    ];
    let none = pb::ListThreadsRequest::default;
    let without = |excluded: &[&str]| all.into_iter().filter(|id| !excluded.contains(id)).collect::<Vec<_>>();
    let cases = [
        (none(), all.to_vec()),
        (
            pb::ListThreadsRequest {
                mode: pb::Mode::Agent.into(),
                ..none()
            },
            vec!["known", "escalated"],
        ),
        (
            pb::ListThreadsRequest {
                mode: pb::Mode::Ai.into(),
                ..none()
            },
            without(&["known", "escalated"]),
        ),
        (
            pb::ListThreadsRequest {
                resolved: Some(true),
                ..none()
            },
            vec!["resolved"],
        ),
        (
            pb::ListThreadsRequest {
                resolved: Some(false),
                ..none()
            },
            without(&["resolved"]),
        ),
        (
            pb::ListThreadsRequest {
                archived: Some(true),
                ..none()
            },
            vec!["archived"],
        ),
        (
            pb::ListThreadsRequest {
                archived: Some(false),
                ..none()
            },
            without(&["archived"]),
        ),
        (
            pb::ListThreadsRequest {
                escalated: Some(true),
                ..none()
            },
            vec!["escalated"],
        ),
        (
            pb::ListThreadsRequest {
                escalated: Some(false),
                ..none()
            },
            without(&["escalated"]),
        ),
        (
            pb::ListThreadsRequest {
                important: Some(true),
                ..none()
            },
            vec!["important"],
        ),
        (
            pb::ListThreadsRequest {
                important: Some(false),
                ..none()
            },
            without(&["important"]),
        ),
        (
            pb::ListThreadsRequest {
                anonymous: Some(false),
                ..none()
            },
            vec!["known"],
        ),
        (
            pb::ListThreadsRequest {
                anonymous: Some(true),
                ..none()
            },
            without(&["known"]),
        ),
        (
            pb::ListThreadsRequest {
                llm_model_id: Some("claude".to_owned()),
                ..none()
            },
            vec!["model"],
        ),
        (
            pb::ListThreadsRequest {
                llm_model_id: Some("gpt-4".to_owned()),
                ..none()
            },
            vec![],
        ),
        (
            pb::ListThreadsRequest {
                mode: pb::Mode::Agent.into(),
                escalated: Some(false),
                ..none()
            },
            vec!["known"],
        ),
        (
            pb::ListThreadsRequest {
                resolved: Some(true),
                archived: Some(true),
                ..none()
            },
            vec![],
        ),
    ];
    for (request, expected) in cases {
        let answer = list(&world, request.clone()).await;
        assert_eq!(ids(&answer), expected, "{request:?}");
        assert_eq!(answer.total, i32::try_from(expected.len()).unwrap(), "{request:?}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_newest_first() {
    let world = World::new().await;
    world.chatbot("other", ChatStart::Ai).await;
    for n in 0..25 {
        world.org.thread(&format!("t{n}")).await;
    }
    let elsewhere = pb::CreateThreadRequest {
        chatbot_id: "other".to_owned(),
        ..pb::CreateThreadRequest::default()
    };
    world.org.create(elsewhere).await.unwrap();

    let page = |page, page_size| {
        let request = pb::ListThreadsRequest {
            page,
            page_size,
            ..pb::ListThreadsRequest::default()
        };
        list(&world, request)
    };
    let mut found = Vec::new();
    for number in 1..=3 {
        let answer = page(number, 10).await;
        assert_eq!((answer.total, answer.page, answer.page_size), (25, number, 10));
        found.extend(ids(&answer).into_iter().map(str::to_owned));
    }
    let expected: Vec<String> = (0..25).rev().map(|n| format!("t{n}")).collect();
    assert_eq!(found, expected);

    let by_default = page(0, 0).await;
    assert_eq!(
        (by_default.page, by_default.page_size, by_default.entries.len()),
        (1, 20, 20)
    );
    let capped = page(5000, 5000).await;
    assert_eq!((capped.page, capped.page_size, capped.total), (1000, 100, 25));
    assert!(capped.entries.is_empty());
    for (page, page_size, field) in [(-1, 0, "page"), (0, -1, "page_size")] {
        let request = pb::ListThreadsRequest {
            chatbot_id: BOT.to_owned(),
            page,
            page_size,
            ..pb::ListThreadsRequest::default()
        };
        assert_invalid(world.org.api().list_threads(request).await, field);
    }
}

#[tokio::test]
async fn the_last_message_comes_with_the_question_it_answers_when_asked_for() {
    let world = World::new().await;
    world.org.thread("empty").await;
    world.org.thread("answered").await;
    world.org.thread("asked").await;
    let question = world.org.say("answered", "What is your price?").await;
    let answer = world.org.answer(&question, "Ten").await;
    world.org.say("asked", "Anybody here?").await;
    let last = world.org.say("asked", "Hello?").await;

    let request = pb::ListThreadsRequest {
        with_last_message: true,
        ..pb::ListThreadsRequest::default()
    };
    let listed = list(&world, request).await;
    let messages: Vec<_> = listed
        .entries
        .into_iter()
        .map(|entry| (entry.last_message, entry.last_question))
        .collect();
    assert_eq!(
        messages,
        [(Some(last), None), (Some(answer), Some(question)), (None, None)]
    );

    let plain = list(&world, pb::ListThreadsRequest::default()).await;
    assert!(
        plain
            .entries
            .iter()
            .all(|entry| entry.last_message.is_none() && entry.last_question.is_none())
    );
}

#[tokio::test]
async fn a_listed_thread_is_the_thread_that_is_read() {
    let world = World::new().await;
    world.org.thread("t").await;
    world.org.say("t", "Hello").await;
    world.org.toggle("t").await;
    let listed = list(&world, pb::ListThreadsRequest::default()).await;
    assert_eq!(listed.entries[0].thread, Some(world.org.read("t").await.0));
}
