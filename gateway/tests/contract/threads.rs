//! Threads and messages in both renderings.

mod escalations;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, BOT, World};

fn names(value: &Value) -> Vec<&str> {
    let mut names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_question_and_its_answer_are_one_message_on_v0_and_two_on_v1() {
    let world = World::new().await;
    world.thread("t").await;
    let send = format!("/v0/chatbots/{BOT}/message");
    let asked = world.post(&send, json!({"message": "How?", "threadId": "t"})).await;
    assert_eq!(asked.json["message"], "Sent the message successfully");
    let message = &asked.json["data"]["message"];
    assert_eq!(message["question"]["text"], "How?");
    assert!(message["answer"].is_null(), "the bot answers later");
    assert_eq!(
        (&message["messageType"], &message["threadId"]),
        (&"NORMAL_MESSAGE".into(), &"t".into())
    );
    let question = message["id"].as_str().unwrap();
    let answer = world
        .say(json!({
            "message": "So.", "threadId": "t", "from": "BOT", "parentMessageId": question, "gptModel": "gpt-4",
            "sources": [{"url": "https://docs.example.com", "page": 3}],
        }))
        .await;

    let thread = world.get(&format!("/v0/chatbots/{BOT}/threads/t")).await;
    assert_eq!(thread.json["message"], "Fetched the thread successfully");
    let thread = &thread.json["data"]["thread"];
    assert_eq!(
        names(thread),
        [
            "chatUser",
            "chatUserId",
            "chatbotId",
            "endedAt",
            "escalated",
            "messages",
            "mode",
            "startedAt",
            "threadId",
            "totalMessagesRead",
            "updatedAt",
            "webhookUrl"
        ]
    );
    let messages = thread["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["messageId"], question);
    assert_eq!(messages[0]["answer"]["text"], "So.");
    assert_eq!(messages[0]["gptModel"], "gpt-4");
    assert_eq!(
        messages[0]["sources"],
        json!([{"url": "https://docs.example.com", "page": 3}])
    );

    let flat = world.get(&format!("/v1/chatting/{BOT}/thread/t/messages")).await;
    assert!(
        flat.json.get("message").is_none(),
        "a question is answered without a message"
    );
    let messages = flat.json["data"]["messages"].as_array().unwrap();
    let types: Vec<_> = messages
        .iter()
        .map(|message| message["messageType"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["USER_MESSAGE", "NORMAL_MESSAGE"]);
    assert_eq!(messages[1]["parentMessageId"], question);
    assert_eq!(messages[1]["id"], answer);
    assert_eq!(
        messages[1]["source"],
        json!([{"url": "https://docs.example.com", "page": 3}])
    );
    assert_eq!(
        flat.json["data"]["thread"],
        json!({"id": "t", "mode": "AI", "anonymous": true, "unreadMessagesCount": 0})
    );
}

#[tokio::test]
async fn a_reaction_to_a_question_is_the_answers_and_an_edit_is_told() {
    let world = World::new().await;
    world.thread("t").await;
    let question = world.say(json!({"message": "How?", "threadId": "t"})).await;
    world
        .say(json!({"message": "So.", "threadId": "t", "from": "BOT", "parentMessageId": question}))
        .await;
    let path = format!("/v0/chatbots/{BOT}/messages/{question}");
    let reacted = world
        .patch(&path, json!({"threadId": "t", "reaction": "POSITIVE"}))
        .await;
    assert_eq!(
        reacted.json,
        json!({"success": true, "message": "Updated the message successfully", "data": null})
    );
    world.patch(&path, json!({"text": "How exactly?"})).await;
    world
        .patch(&path, json!({"threadId": "other", "reaction": "NEGATIVE"}))
        .await
        .is_error(404, "MESSAGE_NOT_FOUND");

    let flat = world.get(&format!("/v1/chatting/{BOT}/thread/t/messages")).await;
    let messages = flat.json["data"]["messages"].as_array().unwrap();
    assert_eq!(
        (&messages[0]["reaction"], &messages[1]["reaction"]),
        (&Value::Null, &"POSITIVE".into())
    );
    assert_eq!(
        (&messages[0]["isEdited"], &messages[0]["content"]),
        (&true.into(), &"How exactly?".into())
    );
    assert_eq!(messages[0]["editedBy"], "ada@example.com");
    let paired = world.get(&format!("/v0/chatbots/{BOT}/threads/t")).await;
    assert_eq!(paired.json["data"]["thread"]["messages"][0]["reaction"], "POSITIVE");
    let thread = world.get(&format!("/v1/chatting/{BOT}/thread/t")).await;
    assert_eq!(thread.json["data"]["thread"]["positiveCount"], 1);
}

#[tokio::test]
async fn messages_are_read_in_pages_from_the_newest_back() {
    let world = World::new().await;
    world.thread("t").await;
    for number in 1..=5 {
        world.say(json!({"message": number.to_string(), "threadId": "t"})).await;
    }
    let path = format!("/v1/chatting/{BOT}/thread/t/messages?limit=2");
    let mut before = String::new();
    let mut seen = Vec::new();
    loop {
        let page = world.get(&format!("{path}{before}")).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        let data = &page.json["data"];
        let texts = data["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| message["content"].clone());
        seen.push(texts.collect::<Vec<_>>());
        assert_eq!(data["pagination"]["limit"], 2);
        assert_eq!(
            data["pagination"]["hasMore"],
            !data["pagination"]["nextCursor"].is_null()
        );
        let Some(cursor) = data["pagination"]["nextCursor"].as_str() else {
            break;
        };
        before = format!("&before={cursor}");
    }
    assert_eq!(json!(seen), json!([["4", "5"], ["2", "3"], ["1"]]));
}

#[tokio::test]
async fn reading_the_messages_sets_the_unread_count_to_zero() {
    let world = World::new().await;
    world.thread("t").await;
    world.say(json!({"message": "a", "threadId": "t"})).await;
    let unread = async || {
        world.get(&format!("/v1/chatting/{BOT}/thread/t")).await.json["data"]["thread"]["unreadMessagesCount"].clone()
    };
    assert_eq!(unread().await, 1);
    world.get(&format!("/v1/chatting/{BOT}/thread/t/messages")).await;
    assert_eq!(unread().await, 0);
}

#[tokio::test]
async fn a_visitor_is_found_by_his_address_and_changed_in_place() {
    let world = World::new().await;
    let create = async |id: &str| {
        let body = json!({"threadId": id, "chatUserEmail": "ann@example.com"});
        world.post(&format!("/v0/chatbots/{BOT}/threads"), body).await.json["data"]["thread"].clone()
    };
    let (one, two) = (create("one").await, create("two").await);
    assert_eq!(one["chatUserId"], two["chatUserId"]);
    assert_eq!(one["chatUser"]["id"], one["chatUserId"]);
    assert_eq!(
        names(&one["chatUser"]),
        [
            "createdAt",
            "email",
            "id",
            "isVerified",
            "name",
            "phoneNumber",
            "updatedAt"
        ]
    );
    let change = json!({"chatUser": {"name": "Ann", "phoneNumber": "+49 30 1"}, "webhookUrl": "https://hooks.example.com/x", "webhookToken": "s3cret"});
    let updated = world.patch(&format!("/v0/chatbots/{BOT}/threads/one"), change).await;
    assert_eq!(
        updated.json,
        json!({"success": true, "message": "Updated the chatbot thread successfully", "data": null})
    );
    let thread = world.get(&format!("/v0/chatbots/{BOT}/threads/one")).await;
    assert!(!thread.text.contains("s3cret"), "the token is never shown");
    let thread = &thread.json["data"]["thread"];
    assert_eq!(
        (&thread["webhookUrl"], &thread["chatUser"]["name"]),
        (&"https://hooks.example.com/x".into(), &"Ann".into())
    );
    let flat = world.get(&format!("/v1/chatting/{BOT}/thread/two")).await;
    assert_eq!(flat.json["data"]["thread"]["visitorEmail"], "ann@example.com");
    assert_eq!(flat.json["data"]["thread"]["anonymous"], false);
}

#[tokio::test]
async fn threads_are_listed_with_filters_and_pages_in_both_renderings() {
    let world = World::new().await;
    for id in ["a", "b", "c"] {
        world.thread(id).await;
    }
    let bulk = format!("/v1/chatting/{BOT}/thread/update-thread");
    let changed = world
        .patch(&bulk, json!([{"threadId": "a", "important": true, "tags": ["x"], "title": "A"}, {"threadId": "b", "escalated": true}]))
        .await;
    assert_eq!(changed.json["message"], "Thread statuses updated successfully");
    let updated = &changed.json["data"]["updatedThreads"];
    assert_eq!(
        (&updated[0][0]["id"], &updated[1][0]["escalated"]),
        (&"a".into(), &true.into())
    );
    assert_eq!(
        (&updated[0][0]["tags"], &updated[0][0]["title"]),
        (&json!(["x"]), &"A".into())
    );

    let ids = async |query: &str| {
        let list = world.get(&format!("/v1/chatting/{BOT}/threads?{query}")).await;
        assert_eq!(list.status, StatusCode::OK, "{}", list.text);
        let threads = list.json["data"]["threads"].as_array().unwrap().iter();
        let mut ids: Vec<_> = threads
            .map(|thread| thread["id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids("").await, ["a", "b", "c"]);
    assert_eq!(ids("important=true").await, ["a"]);
    assert_eq!(ids("escalated=true&unknown=1").await, ["b"]);
    assert_eq!(ids("mode=HUMAN").await, ["b"]);
    assert_eq!(
        ids("mode=AI&anonymous=true&resolved=false&archived=false").await,
        ["a", "c"]
    );
    assert_eq!(ids("llmModelId=none").await, [""; 0]);

    let page = world.get(&format!("/v1/chatting/{BOT}/threads?limit=2&page=2")).await;
    assert_eq!(
        page.json["data"]["pagination"],
        json!({"page": 2, "limit": 2, "total": 3, "totalPages": 2})
    );
    assert_eq!(page.json["data"]["threads"].as_array().unwrap().len(), 1);

    world.say(json!({"message": "last", "threadId": "c"})).await;
    let list = world.get(&format!("/v0/chatbots/{BOT}/threads?limit=1")).await;
    assert_eq!(list.json["message"], "Fetched the chatbot threads successfully");
    let thread = &list.json["data"]["threads"][0];
    assert_eq!(
        names(thread),
        [
            "chatUser",
            "endedAt",
            "escalated",
            "important",
            "lastMessage",
            "resolved",
            "startedAt",
            "threadId",
            "totalGpt4MessagesCount",
            "totalMessages",
            "totalMessagesRead",
            "totalNegativeMessages",
            "totalPositiveMessages",
            "updatedAt"
        ]
    );
    assert_eq!(
        (&thread["threadId"], &thread["totalMessages"]),
        (&"c".into(), &1.into())
    );
    assert_eq!(thread["lastMessage"]["question"]["text"], "last");
}

#[tokio::test]
async fn escalating_twice_on_v0_writes_one_system_message() {
    let world = World::new().await;
    world.thread("t").await;
    let path = format!("/v1/chatbots/{BOT}/threads/t/escalate");
    for _ in 0..2 {
        let answer = world.post(&path, json!({"escalationPrompt": "A person, please"})).await;
        assert_eq!(
            answer.json,
            json!({"success": true, "message": "Escalated the conversation successfully", "data": null})
        );
    }
    let thread = world.get(&format!("/v0/chatbots/{BOT}/threads/t")).await;
    let thread = &thread.json["data"]["thread"];
    assert_eq!((&thread["escalated"], &thread["mode"]), (&true.into(), &"AGENT".into()));
    let messages = thread["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["messageType"], "SYSTEM_MESSAGE");
    assert_eq!(messages[0]["systemMessageType"], "CONVERSATION_ESCALATED");
    assert!(messages[0]["question"].is_null() && messages[0]["answer"]["text"].is_string());

    world.say(json!({"message": "Hello?", "threadId": "t"})).await;
    world
        .say(json!({"message": "Here!", "threadId": "t", "from": "AGENT", "agentName": "Bob"}))
        .await;
    let thread = world.get(&format!("/v0/chatbots/{BOT}/threads/t")).await;
    let messages = &thread.json["data"]["thread"]["messages"];
    assert_eq!(
        (&messages[1]["messageType"], &messages[1]["answer"]),
        (&"USER_MESSAGE".into(), &Value::Null)
    );
    assert_eq!(
        (&messages[2]["messageType"], &messages[2]["agentName"]),
        (&"AGENT_MESSAGE".into(), &"Bob".into())
    );
}

#[tokio::test]
async fn a_chatbot_and_a_thread_may_be_called_like_a_literal_segment() {
    let world = World::new().await;
    let created = world
        .post("/v1/chatbots", json!({"id": "chatbot", "name": "Chatbot"}))
        .await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
    assert_eq!(
        world.get("/v1/chatbots/chatbot").await.json["data"]["chatbot"]["id"],
        "chatbot"
    );
    let thread = world
        .post("/v1/chatbots/chatbot/threads", json!({"threadId": "update-thread"}))
        .await;
    assert_eq!(thread.json["data"]["thread"]["chatbotId"], "chatbot", "{}", thread.text);
    let got = world.get("/v1/chatbots/chatbot/threads/update-thread").await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.text);
    let got = world.get("/v1/chatting/chatbot/thread/update-thread").await;
    assert_eq!(got.json["data"]["thread"]["id"], "update-thread", "{}", got.text);
    let settings = world
        .patch("/v0/chatbots/chatbot/settings/general", json!({"historyCount": 2}))
        .await;
    assert_eq!(settings.status, StatusCode::OK, "{}", settings.text);
    let toggled = Answer::of(world.request(Method::PATCH, "/v1/chatting/chatbot/thread/update-thread/escalate")).await;
    assert_eq!(
        toggled.json["data"]["thread"]["id"], "update-thread",
        "{}",
        toggled.text
    );
}
