//! Bodies that are refused, word for word.

use http::Method;
use serde_json::{Value, json};

use super::{Desk, NOTHING, missing, refused};
use crate::support::Answer;

#[tokio::test]
async fn what_has_to_be_there_is_named() {
    let desk = Desk::open().await;
    let chat = desk.chat(desk.people.1).await;
    let (menu, user) = (desk.people.1, desk.user);
    let on = |rest: &str| format!("/chats/{chat}{rest}");
    let message = |message: Value| json!({"from_user_id": user, "message": message});
    let post = |path: &str, body: Value, name: &'static str| (Method::POST, path.to_owned(), body, name);
    let cases = [
        post("/end_users", json!({}), "identifier"),
        post("/end_users", json!({"identifier": null, "name": "a"}), "identifier"),
        post("/end_users", json!({"identifier": ""}), "identifier"),
        (Method::GET, "/end_users".to_owned(), Value::Null, "identifier"),
        post("/chats", json!({}), "chat"),
        post("/chats", json!({"chat": null}), "chat"),
        post("/chats", json!({"chat": {}}), "menu_id"),
        post("/chats", json!({"chat": {"end_user_id": user}}), "menu_id"),
        post("/chats", json!({"chat": {"menu_id": menu}}), "end_user_id"),
        (Method::PATCH, on(""), json!({}), "chat"),
        (
            Method::PATCH,
            on(""),
            json!({"chat": {}, "finished_by_user_id": user}),
            "chat",
        ),
        post(&on("/message"), json!({}), "from_user_id"),
        post(&on("/message"), json!({"from_user_id": user}), "message"),
        post(&on("/message"), message(json!({"content": "a"})), "type"),
        post(&on("/message"), message(json!({"type": "text"})), "content"),
        post(
            &on("/message"),
            message(json!({"type": "text", "content": ""})),
            "content",
        ),
        post(&on("/message"), message(json!({"type": "text", "content": {}})), "text"),
        post(&on("/escalations"), json!({"force_escalate": true}), "reason"),
        (
            Method::PATCH,
            on("/escalations/1"),
            json!({"channel": "email"}),
            "deflection_channel",
        ),
        post(&on("/custom_data"), json!({"data": {"a": {"value": 1}}}), "signed"),
        post(&on("/custom_data"), json!({"signed": false}), "data"),
        post(&on("/custom_data"), json!({"signed": false, "data": {}}), "data"),
        post(&on("/custom_data"), json!({"signed": true, "data": {}}), "signed_data"),
        post(&on("/end-user"), json!({"name": "Laura"}), "identifier"),
        post(&on("/end_user"), json!({"identifier": ""}), "identifier"),
    ];
    for (method, path, body, name) in cases {
        let answer = desk.send(method, &path, body.clone()).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json),
            (400, &json!({"message": missing(name)})),
            "{path} {body}"
        );
    }
}

#[tokio::test]
async fn a_value_of_another_type_is_named_with_what_it_has_to_be() {
    let desk = Desk::open().await;
    let chat = desk.chat(desk.people.1).await;
    let on = |rest: &str| format!("/chats/{chat}{rest}");
    let post = |path: &str, body: Value, message: &'static str| (Method::POST, path.to_owned(), body, message);
    let patch = |path: &str, body: Value, message: &'static str| (Method::PATCH, path.to_owned(), body, message);
    let new = |member: &str, value: Value| {
        let mut body = json!({"chat": {"menu_id": desk.people.1, "end_user_id": desk.user}});
        body["chat"][member] = value;
        body
    };
    let say =
        |kind: Value, content: Value| json!({"from_user_id": desk.user, "message": {"type": kind, "content": content}});
    let cases = [
        post("/end_users", json!([]), "body must be an object"),
        post("/end_users", json!({"identifier": 7}), "identifier must be a string"),
        post(
            "/end_users",
            json!({"identifier": "x", "name": {}}),
            "name must be a string",
        ),
        post("/chats", json!({"chat": []}), "chat must be an object"),
        post("/chats", new("menu_id", json!("1")), "chat.menu_id must be an integer"),
        post(
            "/chats",
            new("end_user_id", json!(1.5)),
            "chat.end_user_id must be an integer",
        ),
        post("/chats", new("lang", json!(7)), "chat.lang must be a string"),
        post("/chats", new("email", json!(true)), "chat.email must be a string"),
        post("/chats", new("context", json!("a")), "chat.context must be an object"),
        post(
            "/chats",
            new("context", json!({"value": []})),
            "chat.context.value must be an object",
        ),
        post(
            "/chats",
            new("transcript", json!([])),
            "chat.transcript must be an object",
        ),
        post(
            "/chats",
            new("transcript", json!({"transcript": {}})),
            "chat.transcript.transcript must be an array",
        ),
        post(
            "/chats",
            new(
                "transcript",
                json!({"transcript": [{"sender": "agent", "content": [{"type": "text", "text": 7}]}]}),
            ),
            "chat.transcript.transcript[0].content[0].text must be a string",
        ),
        post(
            "/chats",
            json!({"chat": {}, "end_user": 7}),
            "end_user must be an object",
        ),
        post(
            "/chats",
            json!({"chat": {}, "end_user": {"phone": 45}}),
            "end_user.phone must be a string",
        ),
        patch(&on(""), json!({"chat": "finished"}), "chat must be an object"),
        patch(
            &on(""),
            json!({"chat": {"status": "queued"}}),
            "chat.status must be one of finished",
        ),
        patch(
            &on(""),
            json!({"chat": {"status": "finished", "deflection_channel": "fax"}}),
            "chat.deflection_channel must be one of email, external_link, human_agent, virtual_agent",
        ),
        patch(
            &on(""),
            json!({"chat": {"status": "finished"}, "finished_by_user_id": "1"}),
            "finished_by_user_id must be an integer",
        ),
        post(
            &on("/message"),
            json!({"from_user_id": "1", "message": {}}),
            "from_user_id must be an integer",
        ),
        post(
            &on("/message"),
            json!({"from_user_id": 1, "message": "a"}),
            "message must be an object",
        ),
        post(
            &on("/message"),
            say(json!("card"), json!("a")),
            "message.type must be one of text, photo, video",
        ),
        post(
            &on("/message"),
            say(json!("text"), json!(7)),
            "message.content must be a string or an object",
        ),
        post(
            &on("/message"),
            say(json!("text"), json!({"text": 7})),
            "message.content.text must be a string",
        ),
        post(
            &on("/message"),
            say(
                json!("video"),
                json!({"photo": [{"s3_path": "a", "photo_type": "photo"}]}),
            ),
            "message.content must be the media_id of a video",
        ),
        post(
            &on("/message"),
            say(json!("photo"), json!("a")),
            "message.content must be the media_id of a photo",
        ),
        post(
            &on("/message"),
            say(json!("photo"), json!({"media_id": "1"})),
            "message.content.media_id must be an integer",
        ),
        post(
            &on("/escalations"),
            json!({"reason": "because"}),
            "reason must be one of unknown, by_end_user_ask, by_end_user_message, by_virtual_agent, payload_failure, \
             could_not_resume, by_human_agent, invalid_queue, dismissed",
        ),
        post(
            &on("/escalations"),
            json!({"reason": "unknown", "force_escalate": "true"}),
            "force_escalate must be a boolean",
        ),
        post(
            &on("/customer_flag"),
            json!({"bad_actor": "true"}),
            "bad_actor must be a boolean",
        ),
        post(
            &on("/customer_flag"),
            json!({"repeat_customers": 1}),
            "repeat_customers must be a boolean",
        ),
        post(
            &on("/customer_flag"),
            json!({"repeat_customers": true, "repeat_customer": false}),
            "repeat_customers must be the same as repeat_customer",
        ),
        post(
            &on("/custom_data"),
            json!({"signed": "false"}),
            "signed must be a boolean",
        ),
        post(
            &on("/custom_data"),
            json!({"signed": false, "data": []}),
            "data must be an object",
        ),
        post(
            &on("/custom_data"),
            json!({"signed": false, "data": {"a": "b"}}),
            "data.a must be an object",
        ),
        post(
            &on("/custom_data"),
            json!({"signed": false, "data": {"a": {"value": 1, "label": 7}}}),
            "data.a.label must be a string",
        ),
        post(
            &on("/end-user"),
            json!({"identifier": ["a"]}),
            "identifier must be a string",
        ),
        post(
            &on("/end-user"),
            json!({"identifier": "a", "phone": 45}),
            "phone must be a string",
        ),
    ];
    for (method, path, body, message) in cases {
        let answer = desk.send(method, &path, body.clone()).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json),
            (400, &json!({"message": message})),
            "{path} {body}"
        );
    }
}

#[tokio::test]
async fn what_the_context_refuses_is_named_as_its_callers_know_it() {
    let desk = Desk::open().await;
    let chat = desk.chat(desk.people.1).await;
    let on = |rest: &str| format!("/chats/{chat}{rest}");
    let new = |member: &str, value: Value| {
        let mut body = json!({"chat": {"menu_id": desk.people.1, "end_user_id": desk.user}});
        body["chat"][member] = value;
        body
    };
    let mut phone = new("lang", json!("en"));
    phone["end_user"] = json!({"phone": "12"});
    let told = |message: Value| new("transcript", json!({"transcript": [message]}));
    let many: Value = (0..101).map(|n| (n.to_string(), json!({"value": n}))).collect();
    let later =
        json!({"sender": "agent", "timestamp": "2999-01-01 00:00:00Z", "content": [{"type": "text", "text": "a"}]});
    for (path, body, field) in [
        (
            "/chats".to_owned(),
            new("lang", json!("nonsense of a language")),
            "chat.lang",
        ),
        ("/chats".to_owned(), new("email", json!("nobody")), "chat.email"),
        ("/chats".to_owned(), phone, "end_user.phone"),
        (
            "/chats".to_owned(),
            new("context", json!({"value": {"a": "b".repeat(17_000)}})),
            "chat.context.value",
        ),
        (
            "/chats".to_owned(),
            told(later),
            "chat.transcript.transcript[0].timestamp",
        ),
        (
            "/chats".to_owned(),
            told(json!({"sender": "agent"})),
            "chat.transcript.transcript[0].content",
        ),
        (
            "/end_users".to_owned(),
            json!({"identifier": "a".repeat(256)}),
            "identifier",
        ),
        (
            "/end_users".to_owned(),
            json!({"identifier": "a", "email": "nobody"}),
            "email",
        ),
        (
            "/end_users".to_owned(),
            json!({"identifier": "a", "phone": "12"}),
            "phone",
        ),
        (
            on("/message"),
            json!({"from_user_id": NOTHING, "message": {"type": "text", "content": "a"}}),
            "from_user_id",
        ),
        (
            on("/custom_data"),
            json!({"signed": false, "data": {"reserved_bad_actor": {"value": "yes"}}}),
            "data.reserved_bad_actor.value",
        ),
        (
            on("/custom_data"),
            json!({"signed": false, "data": {"someKey": {"value": 1, "type": "string"}}}),
            "data.someKey.value",
        ),
        (
            on("/custom_data"),
            json!({"signed": false, "data": {"a": {"value": 1, "type": "color"}}}),
            "data.a.type",
        ),
        (
            on("/custom_data"),
            json!({"signed": false, "data": {"a": {"value": 1}, "b": {"value": "b".repeat(17_000)}}}),
            "data.b.value",
        ),
        (on("/custom_data"), json!({"signed": false, "data": many}), "data"),
        (on("/end-user"), json!({"identifier": "a", "email": "nobody"}), "email"),
    ] {
        let answer = desk.post(&path, body.clone()).await;
        let message = answer.json["message"].as_str().unwrap_or_default();
        assert_eq!(answer.status, 400, "{path} {body} {}", answer.text);
        assert!(
            message.starts_with(&format!("{field} must ")),
            "{path} {field}: {message}"
        );
    }
    let by = json!({"finished_by_user_id": NOTHING, "chat": {"status": "finished"}});
    refused(
        &desk.patch(&on(""), by).await,
        400,
        "finished_by_user_id must be the chat's end user or an agent",
    );
    let half = json!({"chat": {"status": "finished", "deflection_channel": "email"}});
    refused(
        &desk.patch(&on(""), half).await,
        400,
        "chat.escalation_id must be present with a deflection channel",
    );
}

#[tokio::test]
async fn what_is_no_json_is_refused() {
    let desk = Desk::open().await;
    for body in ["{", "nonsense", "{} {}", "\u{feff}{}"] {
        let request = desk.world.request(Method::POST, &format!("{}/end_users", super::ROOT));
        let request = request.header("content-type", "application/json").body(body);
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, 400, "{body} {}", answer.text);
        assert!(
            answer.json["message"].as_str().unwrap().contains("JSON"),
            "{}",
            answer.text
        );
    }
    refused(
        &desk.post("/end_users", json!({"identifier": "a\u{0}b"})).await,
        400,
        "identifier must not contain U+0000",
    );
}
