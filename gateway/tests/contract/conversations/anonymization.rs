//! Asking for anonymization. Redis is away here, so that what is asked for stays under way.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{NOBODY, Office, refused};
use crate::shape::assert_same_shape;
use crate::support::{Answer, within};

const NOT_FOUND: &str = "The requested resource could not be found";
const UNAUTHORIZED: &str = "User is unauthorized to perform an underlying operation";
const NOT_CLOSED: &str = "the conversation is not closed";

async fn anonymize(office: &Office, path: &str) -> Answer {
    Answer::of(office.world.request(Method::PATCH, &format!("/v1/{path}"))).await
}

fn accepted(answer: &Answer) -> &Value {
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    &answer.json["data"]
}

#[tokio::test]
async fn a_request_is_answered_and_read_as_documented() {
    let office = Office::open().await;
    let (one, other) = (office.conversation().await, office.conversation().await);
    let document = include_str!("../../conversations/fixtures/patch-conversation-anonymize.response.json");
    let answer = anonymize(&office, &format!("conversations/{one}/anonymize?force=true")).await;
    let data = accepted(&answer);
    assert_same_shape(&document.replace("[GMT]", ""), &answer.text, &[]);
    assert_eq!(data["entityType"], "ConversationAnonymizationType");
    assert_eq!(data["targetEntityId"], one.to_string());

    let closed = office.put(other, "close", json!({})).await;
    assert_eq!(closed.status, StatusCode::NO_CONTENT);
    let messages = office.read(other, "/messages").await;
    let message = messages.json["data"][0]["id"].as_str().unwrap();
    let document =
        include_str!("../../conversations/fixtures/patch-conversation-messages-messageId-anonymize.response.json");
    let answer = anonymize(&office, &format!("conversations/{other}/messages/{message}/anonymize")).await;
    let data = accepted(&answer);
    assert_same_shape(&document.replace("[GMT]", ""), &answer.text, &[]);
    assert_eq!(data["entityType"], "MessageAnonymizationType");
    assert_eq!(data["targetEntityId"], format!("{other}_{message}"));

    let answer = anonymize(&office, &format!("endusers/{}/anonymize", office.user)).await;
    let data = accepted(&answer);
    assert_eq!(
        (&data["entityType"], &data["_type"], &data["targetEntityId"]),
        (&json!("UserAnonymizationType"), &json!("User"), &json!(office.user))
    );
    let path = format!("/v1/anonymization/request/{}", data["id"].as_str().unwrap());
    let read = office.world.get(&path).await;
    assert_eq!((read.status, &read.json["data"]), (StatusCode::OK, data));
}

#[tokio::test]
async fn an_anonymized_conversation_and_its_messages_show_nothing_of_anybody() {
    let office = Office::open().await;
    let id = office.conversation().await;
    accepted(&anonymize(&office, &format!("conversations/{id}/anonymize?force=true")).await);
    let shown = within(async {
        loop {
            let shown = office.read(id, "").await;
            let messages = office.read(id, "/messages").await;
            if shown.json["data"]["_type"] == "AnonymizedConversation" && !messages.text.contains("shipped") {
                return shown;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    let data = &shown.json["data"];
    assert_eq!(data["state"], "Closed");
    assert!(data["anonymizedAt"].is_string(), "{}", shown.text);
    for personal in ["order", "laura", "shop"] {
        assert!(!shown.text.contains(personal), "{}", shown.text);
    }
    let messages = office.read(id, "/messages").await;
    let attributes = &messages.json["data"][0]["attributes"];
    assert_eq!(
        (&attributes["_type"], &attributes["from"]["email"]),
        (&json!("EmailAttributes"), &json!(""))
    );
    assert_eq!(attributes.get("emailContent"), None);
    for rest in ["close", "reopen"] {
        refused(&office.put(id, rest, json!({})).await, 409, "it is anonymized already");
    }
}

#[tokio::test]
async fn each_cause_of_a_refusal_has_its_status() {
    let office = Office::open().await;
    let id = office.conversation().await;
    let messages = office.read(id, "/messages").await;
    let message = messages.json["data"][0]["id"].as_str().unwrap();
    for (path, parameter) in [
        ("conversations/x/anonymize".to_owned(), "path parameter conversationId"),
        (
            format!("conversations/x/messages/{message}/anonymize"),
            "path parameter conversationId",
        ),
        (
            format!("conversations/{id}/messages/x/anonymize"),
            "path parameter messageId",
        ),
        ("endusers/x/anonymize".to_owned(), "path parameter userId"),
    ] {
        let message = format!("Invalid value for: {parameter}");
        refused(&anonymize(&office, &path).await, 400, &message);
    }
    for path in [
        format!("conversations/{id}/anonymize"),
        format!("endusers/{}/anonymize", office.user),
    ] {
        let answer = anonymize(&office, &format!("{path}?force=perhaps")).await;
        refused(
            &answer,
            400,
            "Invalid value for: query parameter force (must be true or false)",
        );
    }
    refused(
        &office.world.get("/v1/anonymization/request/x").await,
        400,
        "Invalid value for: path parameter requestId",
    );

    for path in [
        "conversations/999999/anonymize".to_owned(),
        format!("conversations/999999/messages/{message}/anonymize"),
        format!("conversations/{id}/messages/{NOBODY}/anonymize"),
        format!("endusers/{NOBODY}/anonymize"),
        format!("endusers/{}/anonymize", office.agent),
    ] {
        refused(&anonymize(&office, &path).await, 404, NOT_FOUND);
    }
    let absent = office.world.get(&format!("/v1/anonymization/request/{NOBODY}")).await;
    refused(&absent, 404, NOT_FOUND);

    for path in [
        format!("conversations/{id}/anonymize"),
        format!("conversations/{id}/anonymize?force=false"),
        format!("conversations/{id}/messages/{message}/anonymize"),
        format!("endusers/{}/anonymize", office.user),
    ] {
        refused(&anonymize(&office, &path).await, 409, NOT_CLOSED);
    }
    assert_eq!(office.read(id, "").await.json["data"]["state"], "Open");
}

#[tokio::test]
async fn anonymizing_takes_the_scopes_of_what_is_anonymized() {
    let mut office = Office::open().await;
    let id = office.conversation().await;
    let end_user = format!("endusers/{}/anonymize?force=true", office.user);
    let request = format!("/v1/anonymization/request/{NOBODY}");
    let mut scoped = async |scopes: &[&str]| {
        office.world.key = office.world.key(office.world.org, scopes).await.1;
        (
            anonymize(&office, &format!("conversations/{id}/anonymize?force=true")).await,
            anonymize(&office, &end_user).await,
            office.world.get(&request).await,
        )
    };
    let (conversation, user, read) = scoped(&["conversations:read"]).await;
    refused(&conversation, 403, UNAUTHORIZED);
    refused(&user, 403, UNAUTHORIZED);
    refused(&read, 404, NOT_FOUND);
    let (_, user, _) = scoped(&["directory:write"]).await;
    refused(&user, 403, UNAUTHORIZED);
    let (conversation, user, read) = scoped(&["conversations:write"]).await;
    accepted(&conversation);
    refused(&user, 403, UNAUTHORIZED);
    refused(&read, 401, UNAUTHORIZED);
    let (_, user, _) = scoped(&["conversations:write", "directory:write"]).await;
    accepted(&user);
}
