//! What is wrong with a request is told as documented, on every route: the routes and their members are taken from the
//! description, so that a new one is covered without being listed here.

use std::sync::LazyLock;

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::support::{Answer, BOT, World};

/// One operation of the description.
struct Operation {
    method: Method,
    /// With its parameters: `/v1/chatting/{chatbotId}/threads`.
    pattern: String,
    detail: Value,
}

static DESCRIPTION: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(&gateway::document()).unwrap());

fn operations() -> Vec<Operation> {
    let mut operations = Vec::new();
    for (pattern, item) in DESCRIPTION["paths"].as_object().unwrap() {
        for (method, detail) in item.as_object().unwrap() {
            operations.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                pattern: pattern.clone(),
                detail: detail.clone(),
            });
        }
    }
    assert!(operations.len() > 50, "the description is read");
    operations
}

impl Operation {
    fn parameters(&self, within: &str) -> Vec<&Value> {
        let parameters = self.detail["parameters"].as_array().unwrap();
        parameters
            .iter()
            .filter(|parameter| parameter["in"] == within)
            .collect()
    }

    /// The path with every parameter set: the chatbot exists, nothing else does.
    fn path(&self) -> String {
        self.path_with("", "")
    }

    fn path_with(&self, name: &str, value: &str) -> String {
        let mut path = self.pattern.clone();
        for parameter in self.parameters("path") {
            let parameter = parameter["name"].as_str().unwrap();
            let filling = match parameter {
                _ if parameter == name => value,
                "chatbotId" => BOT,
                _ => "0190f0c8-7d5c-7cc1-8d3e-0a4a5e1b7a10",
            };
            path = path.replace(&format!("{{{parameter}}}"), filling);
        }
        path
    }

    /// The schema of the request body: that of an item, where the body is an array.
    fn body(&self) -> Option<Body> {
        let schema = &self.detail["requestBody"]["content"]["application/json"]["schema"];
        let (reference, listed) = match &schema["items"]["$ref"] {
            Value::String(reference) => (reference.as_str(), true),
            _ => (schema["$ref"].as_str()?, false),
        };
        let schema = &DESCRIPTION["components"]["schemas"][reference.rsplit('/').next()?];
        Some(Body {
            members: schema["properties"].as_object()?.clone(),
            listed,
        })
    }

    fn describe(&self) -> String {
        format!("{} {}", self.method, self.pattern)
    }
}

struct Body {
    members: Map<String, Value>,
    listed: bool,
}

impl Body {
    fn around(&self, object: Value) -> Value {
        if self.listed { json!([object]) } else { object }
    }

    fn field(&self, member: &str) -> String {
        if self.listed {
            format!("[0].{member}")
        } else {
            member.to_owned()
        }
    }
}

async fn raw(world: &World, operation: &Operation, kind: &str, body: impl Into<reqwest::Body>) -> Answer {
    let request = world
        .request(operation.method.clone(), &operation.path())
        .header("content-type", kind);
    Answer::of(request.body(body)).await
}

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

/// An object that is right by itself.
fn complete(body: &Body) -> Map<String, Value> {
    let known = json!({
        "message": "Hello", "threadId": "t", "title": "Title", "description": "Text", "chatStart": "ai",
        "name": "Name", "resolved": true, "from": "BOT",
    });
    let mut members = known.as_object().unwrap().clone();
    members.retain(|name, _| body.members.contains_key(name));
    members
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
