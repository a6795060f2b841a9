//! Who may ask, how fast, and what the edge refuses.

use std::num::NonZeroU32;

use http::{Method, StatusCode};
use serde_json::json;

use super::{Desk, ROOT, refused};
use crate::support::{Answer, Layout, World};

#[tokio::test]
async fn a_key_comes_as_basic_with_the_subdomain_as_bearer_or_bare() {
    let world = World::new().await;
    let ask = || world.http.get(format!("{}{ROOT}/menus", world.url));
    let key = &*world.key;
    for fine in [
        ask().basic_auth("acme", Some(key)),
        ask().basic_auth("ACME", Some(key)),
        ask().basic_auth("", Some(key)),
        ask().bearer_auth(key),
        ask().header("authorization", key),
    ] {
        let answer = Answer::of(fine).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    }
    let (_, stranger) = world.organization("globex").await;
    for wrong in [
        ask(),
        ask().basic_auth("globex", Some(key)),
        ask().basic_auth("acme", Some(&stranger)),
        ask().basic_auth("acme", Some("nonsense")),
        ask().basic_auth(key, None::<&str>),
        ask().bearer_auth("nonsense"),
        ask().header("authorization", "Basic %%%"),
    ] {
        let answer = Answer::of(wrong).await;
        refused(&answer, 401, "Unauthorized");
        assert_eq!(answer.headers["www-authenticate"], "Basic realm=\"Handoff\"");
    }
}

#[tokio::test]
async fn every_operation_asks_for_a_key_and_for_a_scope() {
    let desk = Desk::open().await;
    let chat = desk.chat(desk.people.1).await;
    let (_, other) = desk.world.key(desk.world.org, &["conversations:write"]).await;
    let (_, reader) = desk.world.key(desk.world.org, &["chats:read"]).await;
    let operations = [
        (Method::POST, "/end_users".to_owned(), json!({"identifier": "x"})),
        (Method::GET, "/end_users?identifier=laura".to_owned(), json!(null)),
        (Method::GET, "/menus".to_owned(), json!(null)),
        (Method::GET, "/agents".to_owned(), json!(null)),
        (
            Method::POST,
            "/chats".to_owned(),
            json!({"chat": {"menu_id": desk.people.1, "end_user_id": desk.user}}),
        ),
        (Method::GET, format!("/chats/{chat}"), json!(null)),
        (
            Method::PATCH,
            format!("/chats/{chat}"),
            json!({"chat": {"status": "finished"}}),
        ),
        (Method::POST, format!("/chats/{chat}/resume"), json!(null)),
        (
            Method::POST,
            format!("/chats/{chat}/message"),
            json!({"from_user_id": desk.user, "message": {"type": "text", "content": "a"}}),
        ),
        (
            Method::POST,
            format!("/chats/{chat}/escalations"),
            json!({"reason": "unknown"}),
        ),
        (
            Method::PATCH,
            format!("/chats/{chat}/escalations/1"),
            json!({"deflection_channel": "email"}),
        ),
        (Method::GET, format!("/chats/{chat}/customer_flag"), json!(null)),
        (
            Method::POST,
            format!("/chats/{chat}/customer_flag"),
            json!({"bad_actor": true}),
        ),
        (
            Method::POST,
            format!("/chats/{chat}/custom_data"),
            json!({"signed": false, "data": {"a": {"value": 1}}}),
        ),
        (
            Method::POST,
            format!("/chats/{chat}/end-user"),
            json!({"identifier": "x"}),
        ),
        (
            Method::POST,
            format!("/chats/{chat}/end_user"),
            json!({"identifier": "x"}),
        ),
    ];
    for (method, path, body) in operations {
        let ask = || {
            let url = format!("{}{ROOT}{path}", desk.world.url);
            desk.world.http.request(method.clone(), url).json(&body)
        };
        refused(&Answer::of(ask()).await, 401, "Unauthorized");
        for (key, may_read) in [(&other, false), (&reader, true)] {
            let answer = Answer::of(ask().bearer_auth(key)).await;
            if may_read && method == Method::GET {
                assert_eq!(answer.status, StatusCode::OK, "{path} {}", answer.text);
                continue;
            }
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path} {}", answer.text);
            let scope = if method == Method::GET {
                "chats:read"
            } else {
                "chats:write"
            };
            let message = answer.json["message"].as_str().unwrap();
            assert!(message.contains(scope), "{method} {path} {message}");
            assert_eq!(answer.json.as_object().unwrap().len(), 1);
        }
    }
}

#[tokio::test]
async fn what_another_organization_has_does_not_exist() {
    let mut desk = Desk::open().await;
    let chat = desk.chat(desk.people.1).await;
    let (_, key) = desk.world.organization("globex").await;
    let key = std::mem::replace(&mut desk.world.key, key);
    refused(&desk.get(&format!("/chats/{chat}")).await, 404, "Not Found");
    refused(&desk.get("/end_users?identifier=laura").await, 404, "Not Found");
    refused(
        &desk.get(&format!("/end_users?id={}", desk.user)).await,
        404,
        "Not Found",
    );
    assert_eq!(desk.get("/menus").await.json, json!([]));
    desk.world.key = key;
    assert_eq!(desk.read(chat).await["status"], "queued");
}

#[tokio::test]
async fn what_the_edge_refuses_is_told_in_the_words_of_the_dialect() {
    let desk = Desk::open().await;
    let world = &desk.world;
    for path in [
        "/apps",
        "/apps/api/v1",
        "/apps/api/v1/nothing",
        "/api/apps/api/v2/chats",
    ] {
        refused(&world.get(path).await, 404, "Not Found");
    }
    let answer = desk.send(Method::DELETE, "/chats", json!({})).await;
    refused(&answer, 405, "The method is not allowed here");
    assert_eq!(answer.headers["allow"], "POST");
    let path = format!("{ROOT}/end_users");
    let form = world.request(Method::POST, &path).body("identifier=a");
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    let message = "The Content-Type of the request body must be application/json";
    refused(&Answer::of(form).await, 415, message);
    let huge = world.request(Method::POST, &path).body(vec![b' '; 2 << 20]);
    refused(&Answer::of(huge).await, 413, "body must be at most 1048576 bytes");
    let long = json!({"from_user_id": desk.user, "message": {"type": "text", "content": "a".repeat(32 * 1024 + 1)}});
    let chat = desk.chat(desk.people.1).await;
    let long = desk.post(&format!("/chats/{chat}/message"), long).await;
    refused(&long, 400, "message.content must be at most 32 KiB");
}

#[tokio::test]
async fn a_retry_gets_the_first_answer_and_another_body_is_refused() {
    let desk = Desk::open().await;
    let start = async |lang: &str| {
        let request = desk.world.request(Method::POST, &format!("{ROOT}/chats"));
        let body = json!({"chat": {"menu_id": desk.people.1, "end_user_id": desk.user, "lang": lang}});
        Answer::of(request.header("idempotency-key", "k-1").json(&body)).await
    };
    let (first, retry) = (start("en").await, start("en").await);
    assert_eq!(first.status, StatusCode::OK, "{}", first.text);
    assert_eq!(first.text, retry.text);
    let other = start("it").await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", other.text);
    assert!(other.json["message"].is_string() && other.json.as_object().unwrap().len() == 1);
}

#[tokio::test]
async fn a_key_that_asks_too_fast_is_told_when_to_come_back() {
    let limits = gateway::Limits {
        rate_per_second: NonZeroU32::MIN,
        rate_burst: NonZeroU32::MIN,
        ..gateway::Limits::default()
    };
    let layout = Layout {
        limits,
        ..Layout::default()
    };
    let world = World::with(layout).await;
    let mut refused = None;
    for _ in 0..50 {
        let answer = world.get(&format!("{ROOT}/menus")).await;
        if answer.status != StatusCode::OK {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("fifty requests at once are more than one");
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.text);
    assert_eq!(refused.headers["retry-after"], "1");
    assert!(refused.json["message"].is_string() && refused.json.as_object().unwrap().len() == 1);
}
