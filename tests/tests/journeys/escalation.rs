//! From a visitor's thread to people who see to it.

use journeys::{CHATBOT, Caller, System, until};
use proto::thread::v1::{EscalateRequest, GetThreadRequest, Mode};
use serde_json::{Value, json};

const ESCALATIONS: &str = "handoff:escalations";

async fn add_thread(caller: &Caller, id: &str) {
    let thread = json!({"threadId": id, "chatUserEmail": "visitor@example.com"});
    caller
        .post(format!("/v0/chatbots/{CHATBOT}/threads"), thread)
        .data()
        .await;
}

async fn escalations(caller: &Caller, state: &str) -> Vec<Value> {
    let page = caller.get(format!("/v1/escalations?state={state}")).data().await;
    page["escalations"].as_array().unwrap().clone()
}

pub(crate) async fn people_hear_of_an_escalation_everywhere_and_see_it_through(mut system: System) {
    let caller = system.caller();
    let mut feed = caller.feed("types=escalation.*").await;

    // The three requests of the README.
    add_thread(&caller, "hello").await;
    let message = json!({"threadId": "hello", "message": "I want to talk to a person"});
    caller
        .post(format!("/v0/chatbots/{CHATBOT}/message"), message)
        .data()
        .await;
    let toggle = format!("/api/v1/chatting/{CHATBOT}/thread/hello/escalate");
    let answer = caller.patch(&toggle, Value::Null).send().await;
    assert_eq!(answer.json()["message"], "Thread escalated to agent successfully");
    let toggled = answer.data();
    assert_eq!(toggled["thread"]["escalated"], true);
    assert_eq!(toggled["systemMessage"]["messageType"], "AGENT_MESSAGE");
    assert_eq!(toggled["systemMessage"]["systemMessageType"], "CONVERSATION_ESCALATED");

    // In the list.
    let [waiting] = &escalations(&caller, "unacknowledged").await[..] else {
        panic!("one escalation waits");
    };
    let id = waiting["id"].as_str().unwrap();
    assert_eq!(waiting["threadId"], "hello");
    assert_eq!(waiting["requestedBy"], "developer");
    assert_eq!(waiting["visitorEmail"], "visitor@example.com");

    // Live, and the same event in the stream.
    let shown = feed.next().await;
    assert_eq!(shown.name, "escalation.created");
    let event = &shown.data;
    let organization = event["organization"].clone();
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["source"], "/handoff/thread");
    assert_eq!(event["type"], "escalation.created");
    assert_eq!(event["subject"], format!("escalations/{id}"));
    assert_eq!(event["sequence"], "1");
    assert_eq!(event["datacontenttype"], "application/json");
    assert!(event["id"].is_string() && event["time"].is_string() && organization.is_string());
    assert_eq!(event["data"]["escalationId"], id);
    assert_eq!(event["data"]["chatbotId"], CHATBOT);
    assert_eq!(event["data"]["threadId"], "hello");
    assert_eq!(event["data"]["visitor"]["email"], "visitor@example.com");

    // In a mail.
    let mail = until("the lead mail is there", async || system.mails().pop()).await;
    assert!(
        mail.contains("support@demo.example") && mail.contains("hello"),
        "{mail}"
    );
    assert_eq!(system.mails().len(), 1);
    assert_eq!(system.redis().events(ESCALATIONS).await, [shown.data]);

    // Somebody takes it.
    let path = format!("/v1/escalations/{id}/acknowledge");
    let taken = caller.ask(reqwest::Method::PUT, &path).data().await;
    assert_eq!(taken["escalation"]["acknowledgedBy"], "developer");
    let shown = feed.next().await;
    assert_eq!(
        (&*shown.name, &shown.data["sequence"]),
        ("escalation.acknowledged", &json!("2"))
    );
    let again = caller.ask(reqwest::Method::PUT, &path).data().await;
    assert_eq!(
        again["escalation"]["acknowledgedAt"],
        taken["escalation"]["acknowledgedAt"]
    );
    assert_eq!(escalations(&caller, "unacknowledged").await.len(), 0);
    assert_eq!(escalations(&caller, "acknowledged").await[0]["id"], id);

    // And is done with it.
    let answer = caller.patch(&toggle, Value::Null).send().await;
    assert_eq!(answer.json()["message"], "Thread de-escalated successfully");
    assert_eq!(
        answer.data()["systemMessage"]["systemMessageType"],
        "CONVERSATION_DEESCALATED"
    );
    let shown = feed.next().await;
    assert_eq!(
        (&*shown.name, &shown.data["sequence"]),
        ("escalation.resolved", &json!("3"))
    );
    let [resolved] = &escalations(&caller, "resolved").await[..] else {
        panic!("one escalation is resolved");
    };
    assert_eq!(
        (&resolved["id"], &resolved["resolvedBy"]),
        (&json!(id), &json!("developer"))
    );
    assert_eq!(escalations(&caller, "acknowledged").await.len(), 0);
    let request = GetThreadRequest {
        chatbot_id: CHATBOT.to_owned(),
        thread_id: "hello".to_owned(),
        message_limit: 0,
    };
    let thread = caller.threads().get_thread(caller.grpc(request)).await.unwrap();
    let thread = thread.into_inner().thread.unwrap();
    assert_eq!((thread.escalated, thread.mode()), (false, Mode::Ai));
    assert_eq!(system.mails().len(), 1, "only the escalation itself is mailed");
}

pub(crate) async fn every_route_takes_the_same_step(mut system: System) {
    let caller = system.caller();
    for id in ["toggled", "set", "bulk", "grpc"] {
        add_thread(&caller, id).await;
    }
    let update = format!("/v1/chatting/{CHATBOT}/thread/update-thread");

    // Each twice, as people click: only the toggle means something else the second time.
    let toggle = format!("/v1/chatting/{CHATBOT}/thread/toggled/escalate");
    caller.patch(toggle, Value::Null).data().await;
    for _ in 0..2 {
        let set = format!("/v0/chatbots/{CHATBOT}/threads/set/escalate");
        let answer = caller
            .post(set, json!({"escalationPrompt": "a person, please"}))
            .data()
            .await;
        assert_eq!(answer, Value::Null);
        let changes = json!([{"threadId": "bulk", "escalated": true}]);
        caller.patch(&update, changes).data().await;
        let request = EscalateRequest {
            chatbot_id: CHATBOT.to_owned(),
            thread_id: "grpc".to_owned(),
            prompt: None,
        };
        let answer = caller.threads().escalate(caller.grpc(request)).await.unwrap();
        assert!(answer.into_inner().thread.unwrap().escalated);
    }

    let threads = caller
        .get(format!("/v1/chatting/{CHATBOT}/threads?escalated=true&mode=AGENT"))
        .data()
        .await;
    assert_eq!(threads["pagination"]["total"], 4);
    for id in ["toggled", "set", "bulk", "grpc"] {
        let page = caller
            .get(format!("/v1/chatting/{CHATBOT}/thread/{id}/messages"))
            .data()
            .await;
        let [message] = &page["messages"].as_array().unwrap()[..] else {
            panic!("{id} has one system message: {page}");
        };
        assert_eq!(message["systemMessageType"], "CONVERSATION_ESCALATED");
    }
    let list = escalations(&caller, "all").await;
    let prompts: Vec<_> = list.iter().filter_map(|entry| entry["prompt"].as_str()).collect();
    assert_eq!((list.len(), &prompts[..]), (4, &["a person, please"][..]));

    // All back at once; ending a thread is the other way to be done.
    let ended = format!("/v1/chatting/{CHATBOT}/thread/grpc/end");
    let ended = caller.post(ended, Value::Null).data().await;
    assert!(ended["thread"]["endedAt"].is_string(), "{ended}");
    let changes = json!([
        {"threadId": "toggled", "escalated": false},
        {"threadId": "set", "escalated": false},
        {"threadId": "bulk", "escalated": false},
    ]);
    caller.patch(&update, changes).data().await;
    assert_eq!(escalations(&caller, "resolved").await.len(), 4);

    let told = until("every event is in the stream", async || {
        let events = system.redis().events(ESCALATIONS).await;
        (events.len() >= 8).then_some(events)
    })
    .await;
    let count = |kind: &str| told.iter().filter(|event| event["type"] == kind).count();
    assert_eq!((count("escalation.created"), count("escalation.resolved")), (4, 4));
    until("every escalation is mailed", async || {
        (system.mails().len() == 4).then_some(())
    })
    .await;
}
