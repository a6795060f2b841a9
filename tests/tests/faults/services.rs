//! A service is away, or hangs.

use std::time::Duration;

use futures::future::join_all;
use journeys::{CHATBOT, Role, Shape, System, until};
use proto::settings::v1::CreateApiKeyRequest;
use serde_json::{Value, json};
use tokio::time::Instant;

/// The deadline at the edge.
const ANSWERED: Duration = Duration::from_secs(5);

#[tokio::test]
async fn while_settings_is_down_known_keys_and_chatbots_go_on() {
    let mut system = System::start(Shape::SeparateProcesses).await;
    let caller = system.caller();
    let request = CreateApiKeyRequest {
        owner: "late".to_owned(),
        scopes: vec!["threads:read".to_owned()],
        expires_at: None,
    };
    let made = caller.settings().create_api_key(caller.grpc(request)).await.unwrap();
    let unknown = system.caller_with(made.into_inner().key);
    let settings = format!("/v1/chatbots/chatbot/{CHATBOT}/human-support-settings");
    let words = json!({"humanSupportConfirmationMessage": "One moment."});
    caller.patch(&settings, words).data().await;
    let threads = format!("/v0/chatbots/{CHATBOT}/threads");
    let escalate = async |id: &str| {
        caller.post(&threads, json!({"threadId": id})).data().await;
        let toggle = format!("/v1/chatting/{CHATBOT}/thread/{id}/escalate");
        let toggled = caller.patch(toggle, Value::Null).data().await;
        toggled["systemMessage"]["content"].as_str().unwrap().to_owned()
    };
    let mut count = 0;
    until("the chatbot's settings are known", async || {
        count += 1;
        (escalate(&format!("before-{count}")).await == "One moment.").then_some(())
    })
    .await;

    system.process(Role::Settings).kill();
    assert_eq!(escalate("while").await, "One moment.");
    caller.get(&settings).send().await.assert_unavailable();
    let list = format!("/v1/chatting/{CHATBOT}/threads");
    unknown.get(&list).send().await.assert_unavailable();
    let other = caller.post("/v0/chatbots/never-met/threads", json!({})).send().await;
    other.assert_unavailable();

    system.restart(Role::Settings).await;
    until("what was unknown can be asked for again", async || {
        let answers = (unknown.get(&list).send().await, caller.get(&settings).send().await);
        (answers.0.status == 200 && answers.1.status == 200).then_some(())
    })
    .await;
    until("what was escalated meanwhile is mailed", async || {
        system.mails().iter().any(|mail| mail.contains("while")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn while_the_thread_service_hangs_callers_are_answered_in_time_and_nothing_is_done_twice_later() {
    let mut system = System::start(Shape::SeparateProcesses).await;
    let caller = system.caller();
    let threads = format!("/v0/chatbots/{CHATBOT}/threads");
    caller.post(&threads, json!({"threadId": "t"})).data().await;
    let message = format!("/v0/chatbots/{CHATBOT}/message");
    let send = async |number: usize| {
        let text = format!("message {number}");
        let body = json!({"threadId": "t", "message": text});
        caller.post(&message, body).once(text).send().await
    };

    system.process(Role::Threads).pause();
    join_all((0..20).map(async |number| {
        let asked = Instant::now();
        let answer = send(number).await;
        let took = asked.elapsed();
        answer.assert_unavailable();
        assert!(took <= ANSWERED, "it took {took:?}");
    }))
    .await;
    system.process(Role::Threads).resume();

    for number in 0..20 {
        until("a retry succeeds", async || {
            let answer = send(number).await;
            (answer.status == 200).then_some(())
        })
        .await;
    }
    let thread = caller.get(format!("{threads}/t")).data().await;
    let messages = thread["thread"]["messages"].as_array().unwrap();
    let mut texts: Vec<_> = messages
        .iter()
        .map(|message| message["question"]["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts.len(), 20);
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), 20);
}
