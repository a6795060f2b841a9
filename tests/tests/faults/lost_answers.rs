//! The effect took place, the caller never heard of it, and asks again.

use journeys::wire::Wire;
use journeys::{CHATBOT, Caller, Reply, Shape, System, until};
use proto::thread::v1::{AppendMessageRequest, Author};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Loses the answer to a request on its way back, and gets it with a second one.
async fn ask_twice(caller: &Caller, system: &System, method: Method, path: &str, body: &Value, key: &str) -> Reply {
    let wire = Wire::to(system.faces().http.to_string()).await;
    wire.hold_answers();
    let unlucky = caller.through(wire.address());
    let request = unlucky.ask(method.clone(), path).json(body.clone()).once(key);
    let lost = tokio::spawn(request.try_send());
    until("the answer is on its way", async || (wire.held() > 0).then_some(())).await;
    wire.cut();
    assert!(lost.await.unwrap().is_err(), "the answer is lost");
    caller.ask(method, path).json(body.clone()).once(key).send().await
}

async fn texts(caller: &Caller) -> Vec<String> {
    let page = caller
        .get(format!("/v1/chatting/{CHATBOT}/thread/t/messages"))
        .data()
        .await;
    let messages = page["messages"].as_array().unwrap().iter();
    messages
        .map(|message| message["content"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_retry_after_a_lost_answer_gets_it_and_changes_nothing() {
    let system = System::start(Shape::OneProcess).await;
    let caller = system.caller();

    let threads = format!("/v0/chatbots/{CHATBOT}/threads");
    let created = ask_twice(
        &caller,
        &system,
        Method::POST,
        &threads,
        &json!({"threadId": "t"}),
        "create",
    )
    .await;
    assert_eq!(created.data()["thread"]["threadId"], "t");

    let message = format!("/v0/chatbots/{CHATBOT}/message");
    let body = json!({"threadId": "t", "message": "once"});
    ask_twice(&caller, &system, Method::POST, &message, &body, "message")
        .await
        .data();
    assert_eq!(texts(&caller).await, ["once"]);

    let toggle = format!("/v1/chatting/{CHATBOT}/thread/t/escalate");
    let toggled = ask_twice(&caller, &system, Method::PATCH, &toggle, &Value::Null, "toggle").await;
    assert_eq!(toggled.data()["thread"]["escalated"], true);
    assert_eq!(texts(&caller).await.len(), 2);
    let list = caller.get("/v1/escalations").data().await;
    let id = list["escalations"][0]["id"].as_str().unwrap();
    assert_eq!(list["escalations"].as_array().unwrap().len(), 1);

    let acknowledge = format!("/v1/escalations/{id}/acknowledge");
    let taken = ask_twice(&caller, &system, Method::PUT, &acknowledge, &Value::Null, "acknowledge").await;
    assert_eq!(taken.data()["escalation"]["acknowledgedBy"], "developer");

    // The same for a caller who hangs up as soon as he has asked.
    let body = json!({"threadId": "t", "message": "hung up"}).to_string();
    let mut connection = TcpStream::connect(system.faces().http).await.unwrap();
    let key = caller.key();
    let request = format!(
        "POST {message} HTTP/1.1\r\nhost: handoff\r\nauthorization: Bearer {key}\r\nidempotency-key: gone\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    drop(connection);
    let body = json!({"threadId": "t", "message": "hung up"});
    for _ in 0..2 {
        caller.post(&message, body.clone()).once("gone").data().await;
    }
    assert_eq!(texts(&caller).await.iter().filter(|text| *text == "hung up").count(), 1);
}

#[tokio::test]
async fn a_retry_over_grpc_after_a_lost_answer_gets_it_and_changes_nothing() {
    let system = System::start(Shape::SeparateProcesses).await;
    let caller = system.caller();
    let threads = format!("/v0/chatbots/{CHATBOT}/threads");
    caller.post(threads, json!({"threadId": "t"})).data().await;
    let request = || {
        let mut request = caller.grpc(AppendMessageRequest {
            chatbot_id: CHATBOT.to_owned(),
            thread_id: Some("t".to_owned()),
            author: Author::Bot.into(),
            content: "once".to_owned(),
            ..AppendMessageRequest::default()
        });
        let key = "answer".parse().unwrap();
        request.metadata_mut().insert("idempotency-key", key);
        request
    };

    let wire = Wire::to(system.faces().threads.to_string()).await;
    let mut faces = system.faces().clone();
    faces.threads = wire.address();
    let unlucky = Caller::new(&faces, caller.key());
    let (mut client, first) = (unlucky.threads(), request());
    wire.hold_answers();
    let lost = tokio::spawn(async move { client.append_message(first).await });
    // HTTP/2 settings are held back too, so that something held is not yet the answer.
    until("the effect took place", async || {
        (!texts(&caller).await.is_empty()).then_some(())
    })
    .await;
    wire.cut();
    assert!(lost.await.unwrap().is_err(), "the answer is lost");

    let answer = caller.threads().append_message(request()).await.unwrap();
    assert_eq!(answer.into_inner().message.unwrap().position, 1);
    assert_eq!(texts(&caller).await, ["once"]);
}
