//! Wrong bodies and wrong members.

use http::{Method, StatusCode};
use serde_json::json;

use super::description::{Operation, complete, operations};
use crate::support::{Answer, BOT, World};

async fn raw(world: &World, operation: &Operation, kind: &str, body: impl Into<reqwest::Body>) -> Answer {
    let request = world
        .request(operation.method.clone(), &operation.path())
        .header("content-type", kind);
    Answer::of(request.body(body)).await
}

#[tokio::test]
async fn every_body_that_is_not_what_it_should_be_is_refused() {
    let world = World::new().await;
    let json = "application/json";
    let deep = "[".repeat(10_000);
    for operation in operations() {
        let Some(body) = operation.body() else {
            continue;
        };
        let about = operation.describe();
        for malformed in [
            "{",
            "]",
            "{\"a\":}",
            "{'a':1}",
            "nonsense",
            "\u{feff}{}",
            "{} {}",
            "\"\\ud800\"",
            &deep,
        ] {
            let answer = raw(&world, &operation, json, malformed.to_owned()).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{about} {}", answer.text);
            answer.is_error(400, "REQUEST_VALIDATION_FAILED");
            assert!(answer.json["error"]["details"].is_array(), "{about} {}", answer.text);
        }
        let deep_inside = format!("{{\"unknown\":{deep}{}}}", "]".repeat(10_000));
        for wrong in [
            b"{\"a\":\"\xff\"}".to_vec(),
            b"\xc0\x80".to_vec(),
            deep_inside.into_bytes(),
            b"7".to_vec(),
        ] {
            let answer = raw(&world, &operation, json, wrong).await;
            answer.is_error(400, "REQUEST_VALIDATION_FAILED").names("body");
        }
        let other = if body.listed { "{}" } else { "[]" };
        raw(&world, &operation, json, other)
            .await
            .is_error(400, "REQUEST_VALIDATION_FAILED")
            .names("body");
        for kind in [
            "application/x-www-form-urlencoded",
            "text/plain",
            "multipart/form-data; boundary=x",
        ] {
            raw(&world, &operation, kind, "{}")
                .await
                .is_error(415, "UNSUPPORTED_MEDIA_TYPE");
        }
        let nul = body.around(json!({"unknown": {"deep": ["x\u{0}"]}})).to_string();
        let answer = raw(&world, &operation, json, nul).await;
        answer
            .is_error(400, "REQUEST_VALIDATION_FAILED")
            .names(&body.field("unknown.deep[0]"));
        let large = format!("{{\"unknown\":\"{}\"}}", "a".repeat(1 << 20));
        let answer = raw(&world, &operation, json, large).await;
        answer.is_error(413, "REQUEST_TOO_LARGE").names("body");
    }
}

#[tokio::test]
async fn every_member_of_another_type_is_named() {
    let world = World::new().await;
    for operation in operations() {
        let Some(body) = operation.body() else {
            continue;
        };
        for (member, schema) in &body.members {
            let kind = schema.to_string();
            let mut wrong = Vec::new();
            if kind.contains("\"object\"") && !kind.contains("\"array\"") {
                wrong.extend([json!("a"), json!(7), json!([])]);
            } else if kind.contains("\"boolean\"") {
                wrong.extend([json!("true"), json!(1), json!({})]);
            } else if kind.contains("\"integer\"") {
                wrong.extend([json!("1"), json!(1.5), json!(99_999_999_999_i64), json!([])]);
            } else if kind.contains("\"array\"") {
                wrong.extend([json!("a"), json!({}), json!(true)]);
            } else if kind.contains("\"string\"") {
                wrong.extend([json!(7), json!({}), json!(["a"]), json!("nul \u{0}")]);
            } else {
                wrong.extend([json!("a"), json!(7), json!([])]);
            }
            for value in wrong {
                let mut object = complete(&body);
                object.insert(member.clone(), value);
                let sent = body.around(object.into());
                let answer = raw(&world, &operation, "application/json", sent.to_string()).await;
                assert_eq!(
                    answer.status,
                    StatusCode::BAD_REQUEST,
                    "{} {sent} {}",
                    operation.describe(),
                    answer.text
                );
                let field = body.field(member);
                answer.is_error(400, "REQUEST_VALIDATION_FAILED");
                let details = answer.json["error"]["details"].as_array().unwrap();
                let named = details.iter().any(|detail| {
                    let name = detail["field"].as_str().unwrap();
                    name == field || name.starts_with(&format!("{field}["))
                });
                assert!(named, "{} {sent} {}", operation.describe(), answer.text);
            }
        }
    }
}

#[tokio::test]
async fn a_word_that_is_not_one_of_the_known_is_named_with_those() {
    let world = World::new().await;
    world.thread("t").await;
    let v0 = format!("/v0/chatbots/{BOT}");
    for (method, path, body, field) in [
        (Method::POST, format!("{v0}/threads"), json!({"mode": "HUMAN"}), "mode"),
        (
            Method::POST,
            format!("{v0}/message"),
            json!({"message": "a", "from": "SYSTEM"}),
            "from",
        ),
        (
            Method::POST,
            format!("{v0}/message"),
            json!({"message": "a", "from": "BOT", "systemMessageType": "X"}),
            "systemMessageType",
        ),
        (
            Method::POST,
            format!("{v0}/message"),
            json!({"message": "a", "systemMessageType": "EMAIL_VERIFIED"}),
            "systemMessageType",
        ),
        (
            Method::PATCH,
            format!("{v0}/messages/m"),
            json!({"reaction": "LOVE"}),
            "reaction",
        ),
        (
            Method::PATCH,
            format!("/v1/chatbots/chatbot/{BOT}/settings/chat-mode"),
            json!({"chatStart": "AI"}),
            "chatStart",
        ),
    ] {
        let answer = world.send(method, &path, body).await;
        answer.is_error(400, "REQUEST_VALIDATION_FAILED").names(field);
    }
}

#[tokio::test]
async fn what_a_context_refuses_is_named_as_its_callers_know_it() {
    let world = World::new().await;
    world.thread("t").await;
    let v0 = format!("/v0/chatbots/{BOT}");
    let human = format!("/v1/chatbots/chatbot/{BOT}/human-support-settings");
    let general = format!("/v1/chatbots/chatbot/{BOT}/settings/general");
    let bulk = format!("/v1/chatting/{BOT}/thread/update-thread");
    for (method, path, body, field) in [
        (
            Method::POST,
            format!("{v0}/threads"),
            json!({"chatUserEmail": "nobody"}),
            "chatUserEmail",
        ),
        (
            Method::POST,
            format!("{v0}/threads"),
            json!({"threadId": "a b"}),
            "threadId",
        ),
        (
            Method::PATCH,
            format!("{v0}/threads/t"),
            json!({"webhookUrl": "ftp://x"}),
            "webhookUrl",
        ),
        (
            Method::PATCH,
            format!("{v0}/threads/t"),
            json!({"chatUser": {"email": "nobody"}}),
            "chatUser.email",
        ),
        (
            Method::POST,
            format!("{v0}/threads/t/escalate"),
            json!({"escalationPrompt": "a".repeat(2001)}),
            "escalationPrompt",
        ),
        (Method::POST, format!("{v0}/message"), json!({"message": ""}), "message"),
        (
            Method::POST,
            format!("{v0}/message"),
            json!({"message": "a", "from": "AGENT"}),
            "threadId",
        ),
        (
            Method::POST,
            format!("{v0}/message"),
            json!({"message": "a", "threadId": "t", "agentName": "A"}),
            "agentName",
        ),
        (
            Method::POST,
            format!("{v0}/message"),
            json!({"message": "a", "threadId": "t", "from": "BOT", "sources": {}}),
            "sources",
        ),
        (
            Method::POST,
            format!("{v0}/message"),
            json!({"message": "a", "threadId": "t", "gptModel": "gpt-4"}),
            "gptModel",
        ),
        (
            Method::POST,
            format!("{v0}/message"),
            json!({"message": "a", "threadId": "t", "parentMessageId": "x"}),
            "parentMessageId",
        ),
        (
            Method::POST,
            format!("{v0}/quick-prompts"),
            json!({"title": "", "description": "d"}),
            "title",
        ),
        (
            Method::POST,
            format!("{v0}/follow-up-prompts"),
            json!({"title": "t", "description": "d", "link": "x"}),
            "link",
        ),
        (
            Method::POST,
            human.clone(),
            json!({"leadNotificationEmail": ["a@b.example", "nobody"]}),
            "leadNotificationEmail[1]",
        ),
        (
            Method::POST,
            human,
            json!({"requestHumanSupportPrompt": "a".repeat(2001)}),
            "requestHumanSupportPrompt",
        ),
        (
            Method::PATCH,
            general.clone(),
            json!({"numberOfSmartFollowupQuestionShown": 6}),
            "numberOfSmartFollowupQuestionShown",
        ),
        (
            Method::PATCH,
            general,
            json!({"historyMessageContext": 0}),
            "historyMessageContext",
        ),
        (
            Method::PATCH,
            format!("{v0}/settings/general"),
            json!({"smartFollowUpPromptsCount": 9}),
            "smartFollowUpPromptsCount",
        ),
        (
            Method::PATCH,
            format!("{v0}/settings/general"),
            json!({"gptModel": "gpt-1"}),
            "gptModel",
        ),
        (Method::PATCH, bulk.clone(), json!([]), "body"),
        (
            Method::PATCH,
            bulk.clone(),
            json!([{"threadId": "t"}, {"resolved": true}]),
            "[1].threadId",
        ),
        (
            Method::PATCH,
            bulk.clone(),
            json!([{"threadId": "t", "tags": [""]}]),
            "[0].tags[0]",
        ),
        (
            Method::PATCH,
            bulk,
            json!([{"threadId": "t"}, {"threadId": "t", "title": "x"}]),
            "[1].threadId",
        ),
        (Method::POST, "/v1/chatbots".to_owned(), json!({}), "name"),
        (
            Method::POST,
            "/v1/chatbots".to_owned(),
            json!({"name": "a", "id": "a b"}),
            "id",
        ),
        (
            Method::POST,
            "/v1/chatbots".to_owned(),
            json!({"name": "a", "botIconSrc": "x"}),
            "botIconSrc",
        ),
        (
            Method::PUT,
            "/v1/organization/company-secret".to_owned(),
            json!({"secret": "short"}),
            "secret",
        ),
    ] {
        let answer = world.send(method, &path, body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path} {field} {}", answer.text);
        answer.is_error(400, "REQUEST_VALIDATION_FAILED").names(field);
    }
    let long = json!({"message": "a".repeat(32 * 1024 + 1), "threadId": "t"});
    world
        .post(&format!("{v0}/message"), long)
        .await
        .is_error(413, "REQUEST_TOO_LARGE")
        .names("message");
}
