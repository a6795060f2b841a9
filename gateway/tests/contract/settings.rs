//! Chatbots and what is configured about them.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, BOT, World};

#[tokio::test]
async fn a_chatbot_is_created_changed_listed_and_deleted() {
    let world = World::new().await;
    let body = json!({"name": "Shop", "description": "Sells", "agentIconSrc": "https://cdn.example.com/a.png",
        "llmModel": {"id": "m", "provider": "p", "title": "M"}, "humanSupportQueueId": "7"});
    let created = world.post("/api/v1/chatbots", body).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
    let chatbot = &created.json["data"]["chatbot"];
    let id = chatbot["id"].as_str().unwrap();
    assert!(id.bytes().all(|digit| digit.is_ascii_digit()), "{id}");
    assert_eq!(chatbot["llmModel"], json!({"id": "m", "provider": "p", "title": "M"}));
    assert_eq!(chatbot["botIconSrc"], Value::Null);

    let path = format!("/v1/chatbots/{id}");
    let change =
        json!({"name": "Store", "description": "", "botIconSrc": "https://cdn.example.com/b.png", "llmModel": null});
    let changed = world.patch(&path, change).await;
    assert_eq!(changed.json["message"], "Chatbot updated successfully");
    let chatbot = world.get(&path).await.json["data"]["chatbot"].clone();
    assert_eq!(chatbot, changed.json["data"]["chatbot"]);
    assert_eq!(
        (&chatbot["name"], &chatbot["description"]),
        (&"Store".into(), &Value::Null)
    );
    assert_eq!(chatbot["agentIconSrc"], "https://cdn.example.com/a.png");
    assert_eq!(chatbot["llmModel"]["id"], "m", "null is the same as absent");

    let list = world.get("/v1/chatbots?limit=1").await;
    assert_eq!(list.json["data"]["chatbots"][0]["id"], id, "newest first");
    assert_eq!(
        list.json["data"]["pagination"],
        json!({"page": 1, "limit": 1, "total": 2, "totalPages": 2})
    );

    let deleted = Answer::of(world.request(Method::DELETE, &path)).await;
    assert_eq!(
        deleted.json,
        json!({"success": true, "message": "Chatbot deleted successfully", "data": null})
    );
    world.get(&path).await.is_error(404, "CHATBOT_NOT_FOUND");
    world
        .post("/v1/chatbots", json!({"id": BOT, "name": "Again"}))
        .await
        .is_error(409, "CHATBOT_ID_TAKEN");
}

#[tokio::test]
async fn general_settings_are_one_set_under_the_names_of_two_sources() {
    let world = World::new().await;
    let newer = format!("/api/v0/chatbots/chatbot/{BOT}/settings/general");
    let fresh = world.get(&newer).await;
    assert_eq!(fresh.status, StatusCode::OK, "{}", fresh.text);
    let data = fresh.json["data"].as_object().unwrap();
    let mut names: Vec<_> = data.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "chatStart",
            "chatbotId",
            "createdAt",
            "description",
            "disableSmartFollowup",
            "enablePageContextAwareness",
            "fallbackMessage",
            "historyMessageContext",
            "id",
            "limitMessagesPerConversation",
            "llmId",
            "maxMessagesPerConversation",
            "numberOfSmartFollowupQuestionShown",
            "updatedAt"
        ]
    );
    for (name, value) in [
        ("disableSmartFollowup", json!(false)),
        ("numberOfSmartFollowupQuestionShown", json!(3)),
        ("historyMessageContext", json!(1)),
        ("maxMessagesPerConversation", json!(20)),
        ("chatStart", json!("ai")),
    ] {
        assert_eq!(data[name], value, "{name}");
    }

    let older = json!({"chatbotDescription": "Sells", "historyCount": 4, "disableSmartFollowUpPrompts": true,
        "gptModel": "gpt-4", "metadata": {"a": [1, {"b": null}]}});
    let updated = world
        .patch(&format!("/v1/chatbots/{BOT}/settings/general"), older)
        .await;
    assert_eq!(
        updated.json,
        json!({"success": true, "message": "Updated general settings of the chatbot successfully", "data": {}})
    );
    let updated = world
        .patch(&newer, json!({"llmModelId": "m", "fallbackMessage": "Sorry"}))
        .await;
    assert_eq!(updated.json["message"], "General settings updated successfully");
    let data = &updated.json["data"];
    assert_eq!(
        (&data["description"], &data["historyMessageContext"]),
        (&"Sells".into(), &4.into())
    );
    assert_eq!(
        (&data["llmId"], &data["fallbackMessage"]),
        (&"m".into(), &"Sorry".into())
    );
    assert_eq!(data["disableSmartFollowup"], true);
}

#[tokio::test]
async fn the_chat_mode_decides_who_a_new_thread_starts_with() {
    let world = World::new().await;
    // Not the chatbot that others have asked about: what is known of a chatbot may be old for a moment.
    let created = world
        .post("/v1/chatbots", json!({"id": "people-first", "name": "People"}))
        .await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
    let mode = world
        .patch(
            "/v1/chatbots/chatbot/people-first/settings/chat-mode",
            json!({"chatStart": "agent"}),
        )
        .await;
    assert_eq!(
        mode.json,
        json!({"success": true, "message": "Chat mode updated successfully", "data": {"chatStart": "agent"}})
    );
    let thread = world.post("/v0/chatbots/people-first/threads", json!({})).await;
    assert_eq!(thread.json["data"]["thread"]["mode"], "AGENT");
    world
        .patch("/v1/chatbots/chatbot/people-first/settings/chat-mode", json!({}))
        .await
        .is_error(400, "REQUEST_VALIDATION_FAILED")
        .names("chatStart");
}

#[tokio::test]
async fn prompts_are_added_and_read() {
    let world = World::new().await;
    let v0 = format!("/v0/chatbots/{BOT}");
    let starter =
        json!({"success": true, "message": "Added conversation starter to the chatbot successfully", "data": {}});
    let added = world
        .post(
            &format!("{v0}/conversation-starters"),
            json!({"title": "One", "description": "First"}),
        )
        .await;
    assert_eq!(added.json, starter);
    let added = world
        .post(
            &format!("{v0}/quick-prompts"),
            json!({"title": "Two", "description": "Second", "link": "https://example.com"}),
        )
        .await;
    assert_eq!(added.json, starter);
    let list = world.get(&format!("{v0}/quick-prompts")).await;
    assert_eq!(
        list.json["message"],
        "Fetched quick prompts of the chatbot successfully"
    );
    let prompts = list.json["data"]["prompts"].as_array().unwrap();
    let shown: Vec<_> = prompts
        .iter()
        .map(|prompt| (&prompt["title"], &prompt["link"]))
        .collect();
    assert_eq!(json!(shown), json!([["One", null], ["Two", "https://example.com"]]));
    let one = world
        .get(&format!("{v0}/quick-prompts/{}", prompts[0]["id"].as_str().unwrap()))
        .await;
    assert_eq!(one.json["message"], "Fetched quick prompt of the chatbot successfully");
    assert_eq!(one.json["data"], prompts[0]);
    world
        .get(&format!("{v0}/quick-prompts/unknown"))
        .await
        .is_error(404, "PROMPT_NOT_FOUND");

    let follow_up = json!({"title": "Human", "description": "A person, please", "isEscalationPrompt": true});
    let added = world.post(&format!("{v0}/follow-up-prompts"), follow_up).await;
    assert_eq!(
        added.json,
        json!({"success": true, "message": "Added follow-up prompt to the chatbot successfully", "data": {}})
    );
    let list = world.get(&format!("{v0}/follow-up-prompts")).await;
    assert_eq!(list.json["data"]["prompts"][0]["isEscalationPrompt"], true);
}

#[tokio::test]
async fn human_support_settings_are_changed_member_by_member_and_deleted() {
    let world = World::new().await;
    let path = format!("/v1/chatbots/chatbot/{BOT}/human-support-settings");
    world
        .patch(&path, json!({}))
        .await
        .is_error(404, "HUMAN_SUPPORT_SETTINGS_NOT_FOUND");
    world
        .post(
            &path,
            json!({"requestHumanSupportPrompt": "Ask", "leadNotificationEmail": ["a@example.com"]}),
        )
        .await;
    let changed = world
        .patch(
            &path,
            json!({"leadNotification": true, "requestHumanSupportPrompt": null}),
        )
        .await;
    assert_eq!(changed.json["message"], "Human support settings updated successfully");
    let data = &changed.json["data"];
    assert_eq!(
        (&data["leadNotification"], &data["requestHumanSupportPrompt"]),
        (&true.into(), &"Ask".into())
    );
    let emptied = world.patch(&path, json!({"leadNotificationEmail": []})).await;
    assert_eq!(emptied.json["data"]["leadNotificationEmail"], json!([]));
    let deleted = Answer::of(world.request(Method::DELETE, &path)).await;
    assert_eq!(
        deleted.json,
        json!({"success": true, "message": "Human support settings deleted successfully", "data": null})
    );
    world.get(&path).await.is_error(404, "HUMAN_SUPPORT_SETTINGS_NOT_FOUND");
}

#[tokio::test]
async fn a_company_secret_is_set_and_never_shown() {
    let world = World::new().await;
    let set = async |secret: &str| {
        world
            .send(
                Method::PUT,
                "/v1/organization/company-secret",
                json!({"secret": secret}),
            )
            .await
    };
    let first = set(&"a".repeat(32)).await;
    assert_eq!(
        first.json,
        json!({"success": true, "message": "Company secret updated successfully", "data": {"liveSecrets": 1}})
    );
    assert_eq!(set(&"b".repeat(32)).await.json["data"]["liveSecrets"], 2);
    assert_eq!(set(&"c".repeat(32)).await.json["data"]["liveSecrets"], 2);
    let read = Answer::of(world.request(Method::GET, "/v1/organization/company-secret")).await;
    read.is_error(405, "METHOD_NOT_ALLOWED");
}

#[tokio::test]
async fn lead_mails_are_listed_in_pages() {
    let world = World::new().await;
    let answer = world.get(&format!("/v1/lead-mails?state=failed&chatbotId={BOT}")).await;
    assert_eq!(
        answer.json,
        json!({"success": true, "data": {"leadMails": [], "pagination": {"limit": 20, "hasMore": false, "nextCursor": null}}})
    );
}
