//! Callers who ask again because they did not hear.

use std::sync::Arc;

use journeys::{CHATBOT, System, until};
use serde_json::{Value, json};
use tokio::sync::Barrier;

const TIMES: usize = 100;

pub(crate) async fn one_key_sent_a_hundred_times_at_once_escalates_once(mut system: System) {
    let caller = system.caller();
    let threads = format!("/v0/chatbots/{CHATBOT}/threads");
    caller.post(threads, json!({"threadId": "t"})).data().await;
    let toggle = format!("/v1/chatting/{CHATBOT}/thread/t/escalate");

    let start = Arc::new(Barrier::new(TIMES));
    let answers = (0..TIMES).map(|_| {
        let (caller, start, toggle) = (caller.clone(), Arc::clone(&start), toggle.clone());
        tokio::spawn(async move {
            start.wait().await;
            caller.patch(toggle, Value::Null).once("impatient").send().await
        })
    });
    let answers = futures::future::try_join_all(answers).await.unwrap();
    let first = &answers[0];
    assert_eq!(first.data()["thread"]["escalated"], true);
    for answer in &answers {
        assert_eq!((answer.status, &answer.body), (first.status, &first.body));
    }

    let page = caller
        .get(format!("/v1/chatting/{CHATBOT}/thread/t/messages"))
        .data()
        .await;
    assert_eq!(page["messages"].as_array().unwrap().len(), 1);
    let list = caller.get("/v1/escalations").data().await;
    assert_eq!(list["escalations"].as_array().unwrap().len(), 1);
    until("it is mailed", async || (!system.mails().is_empty()).then_some(())).await;

    // A key belongs to its request.
    let other = caller.patch(format!("/v1/chatting/{CHATBOT}/thread/u/escalate"), Value::Null);
    other
        .once("impatient")
        .send()
        .await
        .assert_failure(422, "IDEMPOTENCY_KEY_REUSED");

    // A further step, so that whatever a duplicate had told would be in the stream before it.
    caller.patch(&toggle, Value::Null).once("done").data().await;
    let events = until("the further step is told", async || {
        let events = system.redis().events("handoff:escalations").await;
        let last = events.last()?;
        (last["type"] == "escalation.resolved").then_some(events)
    })
    .await;
    let kinds: Vec<_> = events.iter().map(|event| &event["type"]).collect();
    assert_eq!(kinds, ["escalation.created", "escalation.resolved"]);
    assert_eq!(system.mails().len(), 1);
}
