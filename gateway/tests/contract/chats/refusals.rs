//! What is refused for the state things are in, word for word.

use http::Method;
use serde_json::{Value, json};

use super::{Desk, NOTHING, refused};

const ENDED: &str = "Chat is already ended";

/// Operations on one chat with a body that is fine; whether they change it.
fn operations(desk: &Desk) -> Vec<(Method, &'static str, Value, bool)> {
    vec![
        (Method::GET, "", Value::Null, false),
        (Method::PATCH, "", json!({"chat": {"status": "finished"}}), true),
        (Method::POST, "/resume", Value::Null, true),
        (
            Method::POST,
            "/message",
            json!({"from_user_id": desk.user, "message": {"type": "text", "content": "a"}}),
            true,
        ),
        (Method::POST, "/escalations", json!({"reason": "unknown"}), true),
        (Method::GET, "/customer_flag", Value::Null, false),
        (Method::POST, "/customer_flag", json!({"bad_actor": true}), false),
        (
            Method::POST,
            "/custom_data",
            json!({"signed": false, "data": {"a": {"value": 1}}}),
            true,
        ),
        (Method::POST, "/end-user", json!({"identifier": "laura"}), true),
        (Method::POST, "/end_user", json!({"identifier": "laura"}), true),
    ]
}

#[tokio::test]
async fn an_id_that_is_none_is_named_and_one_of_nothing_is_not_found() {
    let desk = Desk::open().await;
    for (method, rest, body, _) in operations(&desk) {
        for wrong in ["x", "1.5", "%20", "1e3", "-"] {
            let answer = desk
                .send(method.clone(), &format!("/chats/{wrong}{rest}"), body.clone())
                .await;
            refused(&answer, 400, "chat_id must be an integer");
        }
        for absent in ["9007199254740000", "-1", "0", "99999999999999999999"] {
            let answer = desk
                .send(method.clone(), &format!("/chats/{absent}{rest}"), body.clone())
                .await;
            refused(&answer, 404, "Not Found");
        }
    }
    let chat = desk.chat(desk.people.1).await;
    let deflect = json!({"deflection_channel": "email"});
    let path = format!("/chats/{chat}/escalations");
    refused(
        &desk.patch(&format!("{path}/x"), deflect.clone()).await,
        400,
        "escalation_id must be an integer",
    );
    refused(&desk.patch(&format!("{path}/7"), deflect).await, 404, "Not Found");
}

#[tokio::test]
async fn a_conversation_that_is_no_chat_is_not_found() {
    let desk = Desk::open().await;
    let user = desk.world.get("/v1/endusers?externalId=laura").await;
    let email = json!({"requesterId": user.json["data"][0]["id"], "emailIntegrationId": "shop@email.example",
        "subject": "order", "message": {"content": {"value": "a", "_type": "Text"}, "_type": "Inbound"}, "_type": "Email"});
    let email = desk.world.post("/v1/conversations", email).await;
    let id = email.json["data"]["id"].as_i64().unwrap();
    for (method, rest, body, _) in operations(&desk) {
        refused(
            &desk.send(method, &format!("/chats/{id}{rest}"), body).await,
            404,
            "Not Found",
        );
    }
}

#[tokio::test]
async fn nothing_changes_about_a_chat_that_has_ended() {
    let desk = Desk::open().await;
    let chat = desk.chat(desk.bots.1).await;
    let escalation = desk
        .post(&format!("/chats/{chat}/escalations"), json!({"reason": "unknown"}))
        .await;
    desk.finish(chat).await;
    for (method, rest, body, changes) in operations(&desk) {
        let answer = desk.send(method, &format!("/chats/{chat}{rest}"), body).await;
        if changes {
            refused(&answer, 400, ENDED);
        } else {
            assert_eq!(answer.status, 200, "{rest} {}", answer.text);
        }
    }
    let path = format!("/chats/{chat}/escalations/{}", escalation.json["id"]);
    refused(
        &desk.patch(&path, json!({"deflection_channel": "email"})).await,
        400,
        ENDED,
    );
}

#[tokio::test]
async fn what_a_request_refers_to_has_to_exist() {
    let desk = Desk::open().await;
    let chat = desk.chat(desk.people.1).await;
    let on = |rest: &str| format!("/chats/{chat}{rest}");
    let media = |kind: &str| json!({"from_user_id": desk.user, "message": {"type": kind, "content": {"media_id": 7}}});
    for (method, path, body) in [
        (
            Method::POST,
            "/chats".to_owned(),
            json!({"chat": {"menu_id": NOTHING, "end_user_id": desk.user}}),
        ),
        (
            Method::POST,
            "/chats".to_owned(),
            json!({"chat": {"menu_id": desk.people.1, "end_user_id": NOTHING}}),
        ),
        // An agent is no end user.
        (
            Method::POST,
            "/chats".to_owned(),
            json!({"chat": {"menu_id": desk.people.1, "end_user_id": desk.agent.1}}),
        ),
        (Method::GET, "/end_users?identifier=nobody".to_owned(), Value::Null),
        (Method::GET, "/end_users?id=9007199254740000".to_owned(), Value::Null),
        (
            Method::GET,
            "/end_users?id=99999999999999999999".to_owned(),
            Value::Null,
        ),
        (Method::POST, on("/message"), media("photo")),
        (Method::POST, on("/message"), media("video")),
        (
            Method::PATCH,
            on(""),
            json!({"chat": {"status": "finished", "escalation_id": NOTHING, "deflection_channel": "email"}}),
        ),
    ] {
        let answer = desk.send(method, &path, body).await;
        refused(&answer, 404, "Not Found");
    }
    refused(&desk.get("/end_users?id=x").await, 400, "id must be an integer");
    refused(
        &desk.get("/end_users?id=1&identifier=a").await,
        400,
        "identifier must not be given beside id",
    );
    assert_eq!(desk.read(chat).await["status"], "queued");
}

#[tokio::test]
async fn members_that_are_not_known_are_ignored() {
    let desk = Desk::open().await;
    let chat = desk.chat(desk.people.1).await;
    for (method, rest, mut body, _) in operations(&desk) {
        if body.is_null() || method == Method::PATCH {
            continue;
        }
        // Two updates of the end user that are the same would be one too many.
        body["name"] = rest.into();
        body["another"] = json!({"member": [1, "a", null]});
        let answer = desk.send(method, &format!("/chats/{chat}{rest}"), body).await;
        assert!(answer.status.is_success(), "{rest} {}", answer.text);
    }
    let body = json!({"identifier": "laura", "another": 7});
    assert_eq!(desk.post("/end_users", body).await.status, 200);
    let body = json!({"chat": {"menu_id": desk.people.1, "end_user_id": desk.user, "priority": "high",
        "context": {"value": {}, "kind": 7}, "transcript": {"agent": {"name": "Bot"}, "transcript": []}}, "device": {}});
    assert_eq!(desk.post("/chats", body).await.status, 200);
    let body = json!({"chat": {"status": "finished", "rating": 5}, "note": null});
    assert_eq!(desk.patch(&format!("/chats/{chat}"), body).await.status, 200);
}

#[tokio::test]
async fn the_same_update_of_an_end_user_again_is_a_duplicate() {
    let desk = Desk::open().await;
    let chat = desk.chat(desk.people.1).await;
    let update = async |path: &str, name: &str| {
        desk.post(
            &format!("/chats/{chat}/{path}"),
            json!({"identifier": "laura", "name": name}),
        )
        .await
    };
    assert_eq!(update("end-user", "Laura P.").await.status, 202);
    for path in ["end-user", "end_user"] {
        let again = update(path, "Laura P.").await;
        refused(&again, 400, "Duplicate request: Please wait for the interval to expire");
    }
    assert_eq!(update("end_user", "Laura").await.status, 202);
}
