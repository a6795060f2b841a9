//! Every example of the source, media aside: accepted, and answered in its form.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Desk, is_chat};
use crate::conversations::{NOBODY, created};

#[tokio::test]
async fn creating_a_chat() {
    let desk = Desk::open().await;
    let body = json!({
        "chat": {"menu_id": desk.bots.1, "end_user_id": desk.user, "lang": "it", "email": "laura@work.example",
            "context": {"value": {"foo": "bar", "key": "value"}},
            "transcript": {"transcript": [
                {"sender": "agent", "timestamp": "2021-03-15 12:00:00Z", "content": [{"type": "text", "text": "Hello"}]},
                {"sender": "end_user", "timestamp": "2021-03-15 12:00:15Z",
                    "content": [{"type": "media", "media": {"type": "image", "url": "https://example.com/a.jpg"}},
                        {"type": "text", "text": "It looks like this"}]}]}},
        "end_user": {"phone": "+4511223344"},
    });
    let chat = desk.post("/chats", body).await;
    is_chat(&chat, &["ends_at", "timeout_at", "agent"]);
    assert_eq!(chat.json["status"], "va_assigned");
    assert_eq!(
        chat.json["status_text"],
        "Stai chattando con il nostro agente virtuale."
    );
    assert_eq!(chat.json["virtual_agent"]["name"], "Botty");
    assert_eq!(chat.json["all_virtual_agents"], json!([chat.json["virtual_agent"]]));
    assert_eq!(chat.json["lang"], "it");
    assert_eq!(chat.json["menus"], json!([{"id": desk.bots.1, "name": "Bots"}]));
    assert_eq!(chat.json["end_user"], json!({"id": desk.user, "identifier": "laura"}));

    let id = chat.json["id"].as_i64().unwrap();
    let messages = desk.world.get(&format!("/v1/conversations/{id}/messages")).await;
    let history: Vec<_> = messages.json["data"].as_array().unwrap().iter().collect();
    let at = |message: &Value| message["createdAt"].as_str().unwrap().to_owned();
    assert_eq!(history.len(), 2, "{}", messages.text);
    assert_eq!(at(history[0]), "2021-03-15T12:00:00.000000Z");
    assert_eq!(history[0]["attributes"]["content"]["value"], "Hello");
    assert_eq!(at(history[1]), "2021-03-15T12:00:15.000000Z");
    assert_eq!(history[1]["attributes"]["content"]["value"], "It looks like this");
    assert!(messages.text.contains("https://example.com/a.jpg"), "{}", messages.text);
    // Somebody who has an address keeps it, and gets the number he has not.
    let user = desk.world.get("/v1/endusers?externalId=laura").await;
    let user = &user.json["data"][0];
    assert_eq!(
        (&user["email"], &user["phoneNumber"]),
        (&json!("laura@home.example"), &json!("+4511223344"))
    );
}

#[tokio::test]
async fn a_chat_with_no_more_than_it_needs_waits_in_the_queue() {
    let desk = Desk::open().await;
    let body = json!({"chat": {"menu_id": desk.people.1, "end_user_id": desk.user}});
    let chat = desk.post("/chats", body).await;
    is_chat(&chat, &["ends_at", "timeout_at", "agent", "virtual_agent"]);
    assert_eq!(chat.json["status"], "queued");
    assert_eq!(
        chat.json["status_text"],
        "You are in the queue. An agent will be with you soon."
    );
    assert_eq!(
        (&chat.json["all_agents"], &chat.json["all_virtual_agents"]),
        (&json!([]), &json!([]))
    );
    assert_eq!(chat.json["lang"], "en");
    assert_eq!(chat.text, desk.get(&format!("/chats/{}", chat.json["id"])).await.text);
}

#[tokio::test]
async fn getting_a_chat() {
    let desk = Desk::open().await;
    let id = desk.chat(desk.bots.1).await;
    desk.claim(id).await;
    let chat = desk.get(&format!("/chats/{id}")).await;
    is_chat(&chat, &["ends_at", "timeout_at", "virtual_agent"]);
    assert_eq!(chat.json["status"], "assigned");
    assert_eq!(
        chat.json["agent"],
        json!({"id": desk.agent.1, "name": "Dale Cooper", "first_name": "Dale",
            "avatar_url": "https://cdn.example.com/dale.png", "status": "connected"})
    );
    assert_eq!(chat.json["all_agents"], json!([chat.json["agent"]]));
    assert_eq!(chat.json["all_virtual_agents"][0]["status"], "finished");
}

#[tokio::test]
async fn updating_a_chat() {
    let desk = Desk::open().await;
    let by_agent = desk.chat(desk.people.1).await;
    desk.claim(by_agent).await;
    let by_user = desk.chat(desk.people.1).await;
    for (id, who) in [(by_agent, desk.agent.1), (by_user, desk.user)] {
        let body = json!({"finished_by_user_id": who, "chat": {"status": "finished"}});
        let chat = desk.patch(&format!("/chats/{id}"), body).await;
        let absent: &[&str] = if id == by_agent {
            &["timeout_at", "virtual_agent"]
        } else {
            &["timeout_at", "virtual_agent", "agent"]
        };
        is_chat(&chat, absent);
        assert_eq!(chat.json["status"], "finished");
        assert_eq!(chat.json["status_text"], "The chat has ended.");
        let shown = desk.world.get(&format!("/v1/conversations/{id}")).await;
        assert_eq!(shown.json["data"]["state"], "Closed");
    }
}

#[tokio::test]
async fn updating_a_chat_with_the_way_its_escalation_was_deflected() {
    let desk = Desk::open().await;
    desk.configure(&desk.bots, Some(0), None).await;
    for channel in ["email", "external_link"] {
        let id = desk.chat(desk.bots.1).await;
        let body = json!({"reason": "by_end_user_ask", "force_escalate": false});
        let escalation = desk.post(&format!("/chats/{id}/escalations"), body).await;
        assert_eq!(escalation.json["status"], "deflecting", "{}", escalation.text);
        let body = json!({
            "finished_by_user_id": desk.user,
            "chat": {"deflection_channel": channel, "status": "finished", "escalation_id": escalation.json["id"]},
        });
        let chat = desk.patch(&format!("/chats/{id}"), body).await;
        is_chat(&chat, &["timeout_at", "agent"]);
        assert_eq!(chat.json["status"], "finished");
    }
}

#[tokio::test]
async fn sending_a_message() {
    let desk = Desk::open().await;
    let id = desk.chat(desk.people.1).await;
    desk.claim(id).await;
    let path = format!("/chats/{id}/message");
    for (from, content) in [
        (desk.user, json!("as a string")),
        (desk.user, json!({"text": "as an object"})),
        (desk.agent.1, json!("an answer")),
    ] {
        let body = json!({"from_user_id": from, "message": {"type": "text", "content": content}});
        let sent = desk.post(&path, body).await;
        assert_eq!((sent.status, &*sent.text), (StatusCode::OK, "{}"));
    }
    let messages = desk.world.get(&format!("/v1/conversations/{id}/messages")).await;
    let said = messages.json["data"].as_array().unwrap().iter();
    let said = said.map(|message| {
        (
            &message["attributes"]["direction"],
            &message["attributes"]["content"]["value"],
        )
    });
    let (inbound, outbound) = (json!("Inbound"), json!("Outbound"));
    let texts = ["as a string", "as an object", "an answer"].map(|text| json!(text));
    assert_eq!(
        said.collect::<Vec<_>>(),
        [(&inbound, &texts[0]), (&inbound, &texts[1]), (&outbound, &texts[2])],
        "{}",
        messages.text
    );
    // Both sides have written: the clock of inactivity runs.
    is_chat(&desk.get(&format!("/chats/{id}")).await, &["ends_at", "virtual_agent"]);
}

#[tokio::test]
async fn reading_and_setting_the_reserved_flags() {
    let desk = Desk::open().await;
    let path = format!("/chats/{}/customer_flag", desk.chat(desk.people.1).await);
    let flags = |verified: bool, bad: bool, repeat: bool| json!({"verified_customer": verified, "bad_actor": bad, "repeat_customer": repeat});
    let read = desk.get(&path).await;
    assert_eq!(
        (read.status, &read.json),
        (StatusCode::OK, &flags(false, false, false)),
        "{}",
        read.text
    );
    let members: Vec<_> = read
        .text
        .split('"')
        .filter(|part| part.ends_with("customer") || part.ends_with("actor"))
        .collect();
    assert_eq!(members, ["verified_customer", "bad_actor", "repeat_customer"]);
    for (body, expected) in [
        (
            json!({"verified_customer": true, "bad_actor": true, "repeat_customers": true}),
            flags(true, true, true),
        ),
        (json!({"repeat_customer": false}), flags(true, true, false)),
        (
            json!({"repeat_customer": true, "repeat_customers": true, "more": 7}),
            flags(true, true, true),
        ),
        (
            json!({"bad_actor": false, "verified_customer": null}),
            flags(true, false, true),
        ),
        (json!({}), flags(true, false, true)),
    ] {
        let set = desk.post(&path, body.clone()).await;
        assert_eq!(
            (set.status, &set.json),
            (StatusCode::OK, &expected),
            "{body} {}",
            set.text
        );
        assert_eq!(desk.get(&path).await.json, expected, "{body}");
    }
}

#[tokio::test]
async fn updating_the_end_user_of_a_chat() {
    let desk = Desk::open().await;
    let id = desk.chat(desk.people.1).await;
    for (path, name) in [("end-user", "Laura P."), ("end_user", "Laura Palmer")] {
        let body = json!({"identifier": "laura", "name": name, "email": "laura@work.example", "phone": "+4511223344"});
        let updated = desk.post(&format!("/chats/{id}/{path}"), body).await;
        assert_eq!(
            (updated.status, &*updated.text),
            (StatusCode::ACCEPTED, r#"{"message":"accepted"}"#)
        );
        let user = desk.world.get("/v1/endusers?externalId=laura").await;
        assert_eq!(user.json["data"][0]["displayName"], name);
        assert_eq!(user.json["data"][0]["email"], "laura@work.example");
    }
    let body = json!({"identifier": "maddy"});
    let updated = desk.post(&format!("/chats/{id}/end-user"), body).await;
    assert_eq!(updated.status, StatusCode::ACCEPTED, "{}", updated.text);
    assert_eq!(desk.read(id).await["end_user"]["identifier"], "maddy");
}

#[tokio::test]
async fn creating_and_finding_an_end_user() {
    let desk = Desk::open().await;
    let body = json!({"identifier": "bob", "email": "bob@lodge.example", "name": "Bob", "phone": "+4511223355"});
    let first = desk.post("/end_users", body.clone()).await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.text);
    let id = first.json["id"].as_i64().unwrap();
    assert_eq!(first.text, format!(r#"{{"id":{id},"identifier":"bob"}}"#));
    assert_eq!(desk.post("/end_users", body).await.text, first.text);
    let renamed = desk
        .post("/end_users", json!({"identifier": "bob", "name": "Robert"}))
        .await;
    assert_eq!(renamed.text, first.text);
    for query in [format!("id={id}"), "identifier=bob".to_owned()] {
        let found = desk.get(&format!("/end_users?{query}")).await;
        assert_eq!(
            (found.status, found.text),
            (StatusCode::OK, first.text.clone()),
            "{query}"
        );
    }
    let shown = desk.world.get("/v1/endusers?externalId=bob").await;
    let shown = &shown.json["data"][0];
    assert_eq!(
        (&shown["displayName"], &shown["email"]),
        (&json!("Robert"), &json!("bob@lodge.example"))
    );
}

#[tokio::test]
async fn resuming_a_chat() {
    let desk = Desk::open().await;
    for (menu, status, paused) in [
        (desk.people.1, "queued", "dismissed"),
        (desk.bots.1, "va_assigned", "va_dismissed"),
    ] {
        let id = desk.chat(menu).await;
        desk.dismiss(id).await;
        assert_eq!(desk.read(id).await["status"], paused);
        let resumed = desk.post(&format!("/chats/{id}/resume"), Value::Null).await;
        assert_eq!(resumed.status, StatusCode::OK, "{}", resumed.text);
        assert_eq!(resumed.json["status"], status);
        assert_eq!(resumed.json["id"], id);
        let again = desk.post(&format!("/chats/{id}/resume"), Value::Null).await;
        super::refused(&again, 409, "Chat is not dismissed");
    }
    let id = desk.chat(desk.people.1).await;
    desk.dismiss(id).await;
    let body = json!({"from_user_id": desk.user, "message": {"type": "text", "content": "Still there"}});
    assert_eq!(
        desk.post(&format!("/chats/{id}/message"), body).await.status,
        StatusCode::OK
    );
    let woken = desk.get(&format!("/chats/{id}")).await;
    is_chat(&woken, &["ends_at", "timeout_at", "agent", "virtual_agent"]);
    assert_eq!(woken.json["status"], "queued");
}

#[tokio::test]
async fn a_chat_of_the_other_surface_is_shown_with_null_for_what_it_has_not() {
    let desk = Desk::open().await;
    let user = created(&desk.world, "endusers", json!({"displayName": "Leland"})).await;
    let message = json!({"content": {"value": "Hello", "_type": "Text"}, "_type": "Inbound"});
    let body = json!({"requesterId": user, "widgetId": NOBODY, "message": message, "_type": "Chat"});
    let chat = desk.world.post("/v1/conversations", body).await;
    assert_eq!(chat.status, StatusCode::CREATED, "{}", chat.text);
    let shown = desk.get(&format!("/chats/{}", chat.json["data"]["id"])).await;
    is_chat(
        &shown,
        &["ends_at", "timeout_at", "agent", "virtual_agent", "identifier"],
    );
    assert_eq!(shown.json["id"], chat.json["data"]["id"]);
    assert_eq!(
        (&shown.json["status"], &shown.json["lang"]),
        (&json!("queued"), &json!("en"))
    );
}
