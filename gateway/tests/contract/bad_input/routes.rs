//! Wrong paths, queries, methods and keys.

use http::{Method, StatusCode};
use serde_json::json;

use super::description::{complete, operations};
use crate::support::{Answer, BOT, World};

#[tokio::test]
async fn every_operation_asks_for_a_key() {
    let world = World::new().await;
    for operation in operations() {
        let request = world.http.request(
            operation.method.clone(),
            format!("{}/api{}", world.url, operation.path()),
        );
        let answer = Answer::of(request).await;
        answer.is_error(401, "API_KEY_NOT_VALID");
        assert_eq!(
            answer.json["message"],
            "Failed to authenticate",
            "{}",
            operation.describe()
        );
    }
}

#[tokio::test]
async fn every_path_parameter_that_is_no_id_is_named() {
    let world = World::new().await;
    let long = "a".repeat(129);
    for operation in operations() {
        for parameter in operation.parameters("path") {
            let name = parameter["name"].as_str().unwrap();
            for value in [
                "%20",
                "a%2Fb",
                "%00",
                "%FF",
                "%ED%A0%80",
                "%E2%80%AE",
                "%zz",
                "a;b",
                &long,
            ] {
                let path = operation.path_with(name, value);
                let answer = Answer::of(world.request(operation.method.clone(), &path)).await;
                assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{} {path}", operation.method);
                answer.is_error(400, "REQUEST_VALIDATION_FAILED").names(name);
            }
        }
    }
}

#[tokio::test]
async fn every_query_parameter_out_of_its_form_is_named() {
    let world = World::new().await;
    for operation in operations() {
        for parameter in operation.parameters("query") {
            let name = parameter["name"].as_str().unwrap();
            let schema = &parameter["schema"];
            let mut wrong = vec!["%00", "%FF"];
            match schema["type"].as_str() {
                Some("integer") => wrong.extend(["-1", "0", "1001", "99999999999999999999", "1.5", "x"]),
                Some("boolean") => wrong.extend(["yes", "TRUE", "2"]),
                _ if schema.get("enum").is_some() => wrong.extend(["nope", "%22"]),
                // Signed tokens, message ids and positions in the feed.
                _ if matches!(name, "cursor" | "before" | "lastEventId") => wrong.extend(["x", "AAAA", "-1"]),
                _ => {}
            }
            for value in wrong {
                let path = format!("{}?{name}={value}", operation.path());
                // A thread that exists, where the parameter is only looked at behind it.
                let path = path.replace("0190f0c8-7d5c-7cc1-8d3e-0a4a5e1b7a10", "t");
                let answer = world.get(&path).await;
                assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path} {}", answer.text);
                answer.is_error(400, "REQUEST_VALIDATION_FAILED").names(name);
            }
            let twice = format!("{}?{name}=1&{name}=1", operation.path());
            let answer = world.get(&twice).await;
            answer.is_error(400, "REQUEST_VALIDATION_FAILED").names(name);
        }
    }
}

#[tokio::test]
async fn a_chatbot_that_does_not_exist_and_one_of_somebody_else_are_the_same() {
    let world = World::new().await;
    let (_, stranger) = world.organization("globex").await;
    let theirs = world
        .http
        .post(format!("{}/v1/chatbots", world.url))
        .bearer_auth(&stranger);
    let created = Answer::of(theirs.json(&json!({"id": "theirs", "name": "Theirs"}))).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
    for operation in operations() {
        if !operation.pattern.contains("{chatbotId}") {
            continue;
        }
        let mut answers = Vec::new();
        for chatbot in ["nobodys", "theirs"] {
            let request = world.request(operation.method.clone(), &operation.path_with("chatbotId", chatbot));
            let request = match operation.body() {
                Some(body) => request.json(&body.around(complete(&body).into())),
                None => request,
            };
            let answer = Answer::of(request).await;
            assert_eq!(
                answer.status,
                StatusCode::NOT_FOUND,
                "{} {}",
                operation.describe(),
                answer.text
            );
            answer.is_error(404, "CHATBOT_NOT_FOUND");
            answers.push(answer.json);
        }
        assert_eq!(answers[0], answers[1], "{}", operation.describe());
    }
}

#[tokio::test]
async fn a_thread_that_does_not_exist_is_told_so() {
    let world = World::new().await;
    for operation in operations() {
        if !operation.pattern.contains("{threadId}") {
            continue;
        }
        let request = world.request(operation.method.clone(), &operation.path());
        let answer = Answer::of(request).await;
        assert_eq!(
            answer.status,
            StatusCode::NOT_FOUND,
            "{} {}",
            operation.describe(),
            answer.text
        );
        answer.is_error(404, "THREAD_NOT_FOUND");
    }
    let unknown = json!([{"threadId": "t", "important": true}]);
    let answer = world
        .patch(&format!("/v1/chatting/{BOT}/thread/update-thread"), unknown)
        .await;
    answer.is_error(404, "THREAD_NOT_FOUND");
    assert!(
        answer.json["error"]["message"].as_str().unwrap().contains('t'),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_a_405_with_the_ones_it_has() {
    let world = World::new().await;
    for operation in operations() {
        // No path of the surface can be traced.
        let answer = Answer::of(world.request(Method::TRACE, &operation.path())).await;
        answer.is_error(405, "METHOD_NOT_ALLOWED");
        let allowed = answer.headers["allow"].to_str().unwrap();
        assert!(
            allowed.contains(operation.method.as_str()),
            "{} {allowed}",
            operation.describe()
        );
        let options = Answer::of(world.request(Method::OPTIONS, &operation.path())).await;
        assert_eq!((options.status, options.text.as_str()), (StatusCode::NO_CONTENT, ""));
        assert_eq!(options.headers["allow"], allowed);
    }
}

#[tokio::test]
async fn a_path_that_is_nobodys_is_a_404_in_this_form() {
    let world = World::new().await;
    for path in [
        "/",
        "/v1",
        "/api",
        "/v2/chatbots",
        "/api/api/v1/chatbots",
        "/v1/chatbots/a/b/c/d",
        "//",
        "/v1/chatbots/",
    ] {
        world.get(path).await.is_error(404, "PATH_NOT_FOUND");
    }
}
