//! A visitor, a bot and a person in one thread.

use journeys::{CHATBOT, System};
use proto::thread::v1::{AppendMessageRequest, Author, ListMessagesRequest, SystemMessageType, UpdateMessageRequest};
use serde_json::{Value, json};

pub(crate) async fn a_conversation_reads_the_same_on_both_surfaces(system: System) {
    let caller = system.caller();
    let paired = format!("/v0/chatbots/{CHATBOT}/threads/t");
    let flat = format!("/v1/chatting/{CHATBOT}/thread/t");
    let messages = format!("{flat}/messages");
    let thread = async || caller.get(&flat).data().await["thread"].take();
    caller
        .post(format!("/v0/chatbots/{CHATBOT}/threads"), json!({"threadId": "t"}))
        .data()
        .await;
    let send = async |body: Value| {
        let sent = caller
            .post(format!("/v0/chatbots/{CHATBOT}/message"), body)
            .data()
            .await;
        sent["message"].clone()
    };

    // The visitor asks and is answered at once, without an answer yet.
    let question = send(json!({"threadId": "t", "message": "Do you deliver to Mars?"})).await;
    assert_eq!(
        (&question["answer"], &question["messageType"]),
        (&Value::Null, &json!("NORMAL_MESSAGE"))
    );
    assert_eq!(thread().await["unreadMessagesCount"], 1);

    // The bot answers over gRPC.
    let answer = AppendMessageRequest {
        chatbot_id: CHATBOT.to_owned(),
        thread_id: Some("t".to_owned()),
        author: Author::Bot.into(),
        content: "Not yet.".to_owned(),
        parent_message_id: Some(question["id"].as_str().unwrap().to_owned()),
        llm_model_id: Some("model-1".to_owned()),
        sources_json: Some(r#"[{"url":"https://docs.example/delivery"}]"#.to_owned()),
        ..AppendMessageRequest::default()
    };
    let answer = caller.threads().append_message(caller.grpc(answer)).await.unwrap();
    let answer = answer.into_inner().message.unwrap();
    assert_eq!(answer.position, 2);

    // One message on the surface that pairs.
    let read = caller.get(&paired).data().await;
    let [pair] = &read["thread"]["messages"].as_array().unwrap()[..] else {
        panic!("a question and its answer are one message: {read}");
    };
    assert_eq!(pair["messageId"], question["id"]);
    assert_eq!(pair["question"]["text"], "Do you deliver to Mars?");
    assert_eq!(pair["answer"]["text"], "Not yet.");
    assert_eq!(pair["sources"], json!([{"url": "https://docs.example/delivery"}]));
    assert_eq!(pair["gptModel"], "model-1");

    // Two on the flat one, whose reader has then read them.
    let page = caller.get(&messages).data().await;
    let rows = page["messages"].as_array().unwrap();
    let types: Vec<_> = rows.iter().map(|row| &row["messageType"]).collect();
    assert_eq!(types, ["USER_MESSAGE", "NORMAL_MESSAGE"]);
    assert_eq!(rows[1]["parentMessageId"], question["id"]);
    assert_eq!(rows[1]["id"], answer.id);
    assert_eq!(rows[1]["llmModelId"], "model-1");
    assert_eq!(thread().await["unreadMessagesCount"], 0);

    // A reaction to the question is one to its answer.
    let path = format!("/v0/chatbots/{CHATBOT}/messages/{}", question["id"].as_str().unwrap());
    let reaction = caller
        .patch(&path, json!({"threadId": "t", "reaction": "POSITIVE"}))
        .data()
        .await;
    assert_eq!(reaction, Value::Null);
    let counted = thread().await;
    assert_eq!(
        (&counted["positiveCount"], &counted["negativeCount"]),
        (&json!(1), &json!(0))
    );
    let page = caller.get(&messages).data().await;
    assert_eq!(page["messages"][0]["reaction"], Value::Null);
    assert_eq!(page["messages"][1]["reaction"], "POSITIVE");
    caller.patch(&path, json!({"reaction": "NEUTRAL"})).data().await;
    assert_eq!(thread().await["positiveCount"], 0);

    // A person steps in, and corrects himself over gRPC.
    caller.patch(format!("{flat}/escalate"), Value::Null).data().await;
    let reply = send(json!({"threadId": "t", "from": "AGENT", "agentName": "Ada", "message": "We do nwo."})).await;
    assert_eq!(
        (&reply["messageType"], &reply["agentName"]),
        (&json!("AGENT_MESSAGE"), &json!("Ada"))
    );
    let edit = UpdateMessageRequest {
        chatbot_id: CHATBOT.to_owned(),
        message_id: reply["id"].as_str().unwrap().to_owned(),
        content: Some("We do now.".to_owned()),
        ..UpdateMessageRequest::default()
    };
    caller.threads().update_message(caller.grpc(edit)).await.unwrap();
    let thanks = send(json!({"threadId": "t", "message": "Thanks"})).await;
    assert_eq!(thanks["messageType"], "USER_MESSAGE", "a person answers now");
    let system_message = AppendMessageRequest {
        chatbot_id: CHATBOT.to_owned(),
        thread_id: Some("t".to_owned()),
        author: Author::System.into(),
        content: "The address is verified.".to_owned(),
        system_message_type: SystemMessageType::EmailVerified.into(),
        ..AppendMessageRequest::default()
    };
    caller
        .threads()
        .append_message(caller.grpc(system_message))
        .await
        .unwrap();

    let read = caller.get(&paired).data().await;
    let shown: Vec<_> = read["thread"]["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| {
            let text = |side: &str| message[side]["text"].as_str().map(str::to_owned);
            (
                message["messageType"].as_str().unwrap().to_owned(),
                text("question").is_some(),
                text("answer"),
            )
        })
        .collect();
    let types: Vec<_> = shown.iter().map(|(kind, ..)| kind.as_str()).collect();
    assert_eq!(
        types,
        [
            "NORMAL_MESSAGE",
            "SYSTEM_MESSAGE",
            "AGENT_MESSAGE",
            "USER_MESSAGE",
            "SYSTEM_MESSAGE"
        ]
    );
    assert_eq!(
        shown[2],
        ("AGENT_MESSAGE".to_owned(), false, Some("We do now.".to_owned()))
    );

    // Page by page from the newest, over both faces.
    let page = caller.get(format!("{messages}?limit=2")).data().await;
    assert_eq!(page["pagination"]["hasMore"], true);
    assert_eq!(page["messages"][0]["content"], "Thanks");
    assert_eq!(page["messages"][1]["systemMessageType"], "EMAIL_VERIFIED");
    let older = ListMessagesRequest {
        chatbot_id: CHATBOT.to_owned(),
        thread_id: "t".to_owned(),
        page_size: 2,
        before: Some(page["pagination"]["nextCursor"].as_str().unwrap().to_owned()),
        mark_read: false,
    };
    let older = caller
        .threads()
        .list_messages(caller.grpc(older))
        .await
        .unwrap()
        .into_inner();
    let edited = &older.messages[1];
    assert_eq!((edited.content.as_str(), edited.is_edited), ("We do now.", true));
    assert_eq!(edited.edited_by.as_deref(), Some("developer"));
    assert!(edited.edited_at.is_some() && older.has_more);

    // The desk sorts its threads, all or none of them.
    let bulk = format!("/v1/chatting/{CHATBOT}/thread/update-thread");
    let change = json!([{"threadId": "t", "title": "Mars", "tags": ["delivery"], "important": true, "resolved": true}]);
    caller.patch(&bulk, change).data().await;
    let refused = caller
        .patch(
            &bulk,
            json!([{"threadId": "t", "title": "Venus"}, {"threadId": "nowhere", "title": "Venus"}]),
        )
        .send()
        .await;
    refused.assert_failure(404, "THREAD_NOT_FOUND");
    assert!(refused.json().to_string().contains("nowhere"), "{:?}", refused.json());
    let sorted = thread().await;
    assert_eq!(
        (&sorted["title"], &sorted["tags"]),
        (&json!("Mars"), &json!(["delivery"]))
    );
    let listed = async |filter: &str| {
        let list = caller
            .get(format!("/v1/chatting/{CHATBOT}/threads?{filter}"))
            .data()
            .await;
        list["pagination"]["total"].clone()
    };
    assert_eq!(listed("important=true&resolved=true&llmModelId=model-1").await, 1);
    assert_eq!(listed("archived=true").await, 0);

    // The visitor turns out to be somebody.
    let known = json!({"chatUser": {"email": "ada@example.com", "name": "Ada L."}});
    caller.patch(&paired, known).data().await;
    let named = thread().await;
    assert_eq!(
        (&named["anonymous"], &named["visitorName"]),
        (&json!(false), &json!("Ada L."))
    );
}
