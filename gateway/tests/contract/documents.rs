//! Every JSON example of the source documents.

use http::{Method, StatusCode};
use serde_json::Value;

use crate::shape::assert_same_shape;
use crate::support::{Answer, BOT, World};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../fixtures/", $name, ".json"))
    };
}

async fn send(world: &World, method: Method, path: &str, body: &'static str) -> Answer {
    let request = world.request(method, path).header("content-type", "application/json");
    Answer::of(request.body(body)).await
}

#[tokio::test]
async fn creating_a_thread_answers_as_documented() {
    let world = World::new().await;
    for (path, body) in [
        (
            format!("/v0/chatbots/{BOT}/threads"),
            fixture!("threads-create.request"),
        ),
        (format!("/api/v0/chatbots/{BOT}/threads"), "{}"),
        (format!("/v1/chatbots/{BOT}/threads"), ""),
        (
            format!("/api/v1/chatbots/{BOT}/threads"),
            r#"{"threadId":null,"mode":null}"#,
        ),
    ] {
        let answer = send(&world, Method::POST, &path, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_same_shape(fixture!("threads-create.response"), &answer.text, &[]);
        let document: Value = serde_json::from_str(fixture!("threads-create.response")).unwrap();
        for literal in [
            "/success",
            "/message",
            "/data/thread/mode",
            "/data/thread/messages",
            "/data/thread/chatbotId",
        ] {
            assert_eq!(answer.json.pointer(literal), document.pointer(literal), "{literal}");
        }
    }
    let again = send(
        &world,
        Method::POST,
        &format!("/v0/chatbots/{BOT}/threads"),
        fixture!("threads-create.request"),
    )
    .await;
    again.is_error(409, "THREAD_ID_TAKEN").names("threadId");
}

#[tokio::test]
async fn toggling_an_escalation_answers_with_every_key_of_the_document_in_its_order_and_no_other() {
    let world = World::new().await;
    world.thread("abc-thread-uuid").await;
    let path = format!("/api/v1/chatting/{BOT}/thread/abc-thread-uuid/escalate");
    let on = Answer::of(world.request(Method::PATCH, &path)).await;
    assert_eq!(on.status, StatusCode::OK, "{}", on.text);
    let absent = [
        "visitorId",
        "thread.title",
        "endedAt",
        "visitorName",
        "visitorEmail",
        "visitorPhone",
        "userIconSrc",
        "agentIconSrc",
        "bubbleIconSrc",
        "agentName",
        "parentMessageId",
        "llmModelId",
        "reaction",
        "editedBy",
        "editedAt",
    ];
    assert_same_shape(fixture!("threads-escalate.response"), &on.text, &absent);
    let (thread, system) = (&on.json["data"]["thread"], &on.json["data"]["systemMessage"]);
    assert_eq!(on.json["message"], "Thread escalated to agent successfully");
    assert_eq!(
        (&thread["id"], &thread["escalated"]),
        (&"abc-thread-uuid".into(), &true.into())
    );
    assert_eq!(thread["botIconSrc"], "https://cdn.example.com/bot.png");
    assert_eq!(thread["llmModel"]["provider"], "openai");
    assert_eq!(system["messageType"], "AGENT_MESSAGE");
    assert_eq!(system["systemMessageType"], "CONVERSATION_ESCALATED");
    assert_eq!(system["source"], Value::Array(Vec::new()));

    let off = Answer::of(world.request(Method::PATCH, &path)).await;
    assert_same_shape(fixture!("threads-escalate.response"), &off.text, &absent);
    assert_eq!(off.json["message"], "Thread de-escalated successfully");
    assert_eq!(off.json["data"]["thread"]["escalated"], false);
    assert_eq!(
        off.json["data"]["systemMessage"]["systemMessageType"],
        "CONVERSATION_DEESCALATED"
    );
}

#[tokio::test]
async fn creating_human_support_settings_answers_as_documented() {
    let world = World::new().await;
    let path = format!("/api/v1/chatbots/chatbot/{BOT}/human-support-settings");
    let answer = send(&world, Method::POST, &path, fixture!("human-support-settings.request")).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    assert_same_shape(fixture!("human-support-settings.response"), &answer.text, &[]);
    assert_eq!(answer.json["message"], "Human support settings created successfully");
    let sent: Value = serde_json::from_str(fixture!("human-support-settings.request")).unwrap();
    for (name, value) in sent.as_object().unwrap() {
        assert_eq!(&answer.json["data"][name], value, "{name}");
    }
    assert_eq!(answer.json["data"]["chatbotId"], BOT);

    send(&world, Method::POST, &path, "{}")
        .await
        .is_error(409, "HUMAN_SUPPORT_SETTINGS_EXIST");
}

#[tokio::test]
async fn human_support_settings_that_nobody_set_are_at_the_documented_defaults() {
    let world = World::new().await;
    let path = format!("/v1/chatbots/chatbot/{BOT}/human-support-settings");
    world.get(&path).await.is_error(404, "HUMAN_SUPPORT_SETTINGS_NOT_FOUND");
    let ignored = r#"{"id":"x","accountId":"y","chatbotId":"z","createdAt":"1999-01-01T00:00:00Z"}"#;
    let answer = send(&world, Method::POST, &path, ignored).await;
    let absent = [
        "positiveFeedbackPrompt",
        "requestHumanSupportPrompt",
        "humanSupportConfirmationMessage",
    ];
    assert_same_shape(fixture!("human-support-settings.response"), &answer.text, &absent);
    let data = &answer.json["data"];
    for (name, value) in [
        ("enableHumanSupport", false),
        ("replaceAllOtherSuggestionsWithEscalationButtons", false),
        ("leadNotification", false),
        ("showEscalationButtonsAfterResponses", true),
    ] {
        assert_eq!(data[name], value, "{name}");
    }
    assert_eq!(
        (&data["chatbotId"], &data["leadNotificationEmail"]),
        (&BOT.into(), &Value::Array(Vec::new()))
    );
    assert!(data["id"] != "x" && data["createdAt"] != "1999-01-01T00:00:00Z");
    assert_eq!(world.get(&path).await.json["data"], *data);
}
