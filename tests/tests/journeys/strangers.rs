//! Two organizations on one system.

use journeys::{CHATBOT, System};
use proto::thread::v1::GetThreadRequest;
use reqwest::Method;
use serde_json::{Value, json};
use tonic::Code;

pub(crate) async fn another_organization_sees_nothing(system: System) {
    let caller = system.caller();
    let stranger = system.stranger("other").await;
    let threads = format!("/v0/chatbots/{CHATBOT}/threads");
    let mine = caller
        .post("/v1/chatbots", json!({"id": "our-chatbot", "name": "Ours"}))
        .data()
        .await;
    assert_eq!(mine["chatbot"]["id"], "our-chatbot");
    caller.post(&threads, json!({"threadId": "our-thread"})).data().await;
    let message = json!({"threadId": "our-thread", "message": "This is ours."});
    let sent = caller
        .post(format!("/v0/chatbots/{CHATBOT}/message"), message)
        .data()
        .await;
    let message = sent["message"]["id"].as_str().unwrap();
    let toggle = format!("/v1/chatting/{CHATBOT}/thread/our-thread/escalate");
    caller.patch(&toggle, Value::Null).data().await;
    let list = caller.get("/v1/escalations").data().await;
    let escalation = list["escalations"][0]["id"].as_str().unwrap();

    // What is another's is absent: nothing but the id that was asked for tells the answers apart.
    let nobodys = "0190f0c8-7d5c-7cc1-8d3e-0a4a5e1b7a10";
    let thread = format!("/v0/chatbots/{CHATBOT}/threads/ID");
    let toggle = format!("/v1/chatting/{CHATBOT}/thread/ID/escalate");
    let reaction = format!("/v0/chatbots/{CHATBOT}/messages/ID");
    let asked = [
        (Method::GET, "/v1/chatbots/ID", "our-chatbot", Value::Null),
        (Method::GET, &thread, "our-thread", Value::Null),
        (Method::PATCH, &toggle, "our-thread", Value::Null),
        (Method::PATCH, &reaction, message, json!({"reaction": "POSITIVE"})),
        (Method::PUT, "/v1/escalations/ID/acknowledge", escalation, Value::Null),
    ];
    for (method, path, id, body) in asked {
        let answer = async |id: &str| {
            let request = stranger.ask(method.clone(), path.replace("ID", id));
            let answer = request.json(body.clone()).send().await;
            let text = answer.json().to_string().replace(id, "ID");
            (answer.status.as_u16(), text)
        };
        let foreign = answer(id).await;
        assert_eq!(foreign.0, 404, "{foreign:?}");
        assert_eq!(foreign, answer(nobodys).await);
    }
    let request = GetThreadRequest {
        chatbot_id: CHATBOT.to_owned(),
        thread_id: "our-thread".to_owned(),
        message_limit: 10,
    };
    let refused = stranger.threads().get_thread(stranger.grpc(request)).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    for list in ["/v1/escalations".to_owned(), format!("/v1/chatting/{CHATBOT}/threads")] {
        let page = stranger.get(&list).data().await;
        let empty = page["escalations"].as_array().or(page["threads"].as_array());
        assert_eq!(empty.map(Vec::len), Some(0), "{page}");
    }

    // The same names and keys are free for another organization, and its feed shows only what is its own.
    let mut feed = stranger.feed("").await;
    caller
        .post(&threads, json!({"threadId": "again"}))
        .once("key")
        .data()
        .await;
    stranger
        .post(&threads, json!({"threadId": "again"}))
        .once("key")
        .data()
        .await;
    stranger.post(&threads, json!({"threadId": "our-thread"})).data().await;
    let own: Vec<_> = [feed.next().await, feed.next().await]
        .iter()
        .map(|shown| shown.data["data"]["threadId"].clone())
        .collect();
    assert_eq!(own, ["again", "our-thread"]);
    assert_eq!(
        caller.get("/v1/escalations").data().await["escalations"][0]["state"],
        list["escalations"][0]["state"]
    );
}
