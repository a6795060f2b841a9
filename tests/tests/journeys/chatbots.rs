//! What an organization configures, and where visitors notice.

use journeys::{CHATBOT, Caller, System, until};
use proto::settings::v1::GetChatbotRequest;
use reqwest::Method;
use serde_json::{Value, json};

async fn text_of_an_escalation(caller: &Caller, chatbot: &str) -> String {
    let thread = caller
        .post(format!("/v0/chatbots/{chatbot}/threads"), json!({}))
        .data()
        .await;
    let id = thread["thread"]["threadId"].as_str().unwrap();
    let toggled = caller
        .patch(format!("/v1/chatting/{chatbot}/thread/{id}/escalate"), Value::Null)
        .data()
        .await;
    toggled["systemMessage"]["content"].as_str().unwrap().to_owned()
}

pub(crate) async fn what_is_configured_is_what_visitors_get(system: System) {
    let caller = system.caller();

    // A chatbot of the organization's own.
    let body = json!({
        "name": "Shop",
        "botIconSrc": "https://cdn.example/bot.png",
        "llmModel": {"id": "model-1", "provider": "example", "title": "Model 1"},
    });
    let created = caller.post("/v1/chatbots", body).send().await;
    assert_eq!(created.status, 201);
    let chatbot = created.data()["chatbot"].clone();
    let id = chatbot["id"].as_str().unwrap();
    assert!(id.bytes().all(|byte| byte.is_ascii_digit()), "{id}");
    let path = format!("/v1/chatbots/{id}");
    let renamed = caller.patch(&path, json!({"name": "Store"})).data().await;
    assert_eq!(renamed["chatbot"]["name"], "Store");
    assert_eq!(renamed["chatbot"]["llmModel"], chatbot["llmModel"]);
    let request = GetChatbotRequest {
        chatbot_id: id.to_owned(),
    };
    let seen = caller.settings().get_chatbot(caller.grpc(request)).await.unwrap();
    assert_eq!(seen.into_inner().chatbot.unwrap().name, "Store");
    let list = caller.get("/v1/chatbots").data().await;
    let ids: Vec<_> = list["chatbots"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bot| &bot["id"])
        .collect();
    assert_eq!(ids, [id, CHATBOT]);

    // Its human-support settings, from nothing to nothing.
    let human = format!("/v1/chatbots/chatbot/{id}/human-support-settings");
    caller
        .get(&human)
        .send()
        .await
        .assert_failure(404, "HUMAN_SUPPORT_SETTINGS_NOT_FOUND");
    let created = caller
        .post(
            &human,
            json!({"humanSupportConfirmationMessage": "One moment.", "accountId": "ignored"}),
        )
        .send()
        .await;
    assert_eq!(created.status, 201);
    let created = created.data();
    assert_eq!(created["chatbotId"], id);
    assert_eq!(created["enableHumanSupport"], false);
    assert_eq!(created["showEscalationButtonsAfterResponses"], true);
    caller
        .post(&human, json!({}))
        .send()
        .await
        .assert_failure(409, "HUMAN_SUPPORT_SETTINGS_EXIST");
    assert_eq!(caller.get(&human).data().await, created);

    // The thread context knows them: an escalation is confirmed in these words, and in others once they change.
    let icons = caller
        .post(format!("/v0/chatbots/{id}/threads"), json!({"threadId": "t"}))
        .data()
        .await;
    assert_eq!(icons["thread"]["mode"], "AI");
    let thread = caller.get(format!("/v1/chatting/{id}/thread/t")).data().await;
    assert_eq!(thread["thread"]["botIconSrc"], "https://cdn.example/bot.png");
    assert_eq!(thread["thread"]["llmModel"], chatbot["llmModel"]);
    assert_eq!(text_of_an_escalation(&caller, id).await, "One moment.");
    let changed = caller
        .patch(
            &human,
            json!({"humanSupportConfirmationMessage": "Ada is on her way.", "enableHumanSupport": true}),
        )
        .data()
        .await;
    assert_eq!(changed["enableHumanSupport"], true);
    until("an escalation is confirmed in the new words", async || {
        (text_of_an_escalation(&caller, id).await == "Ada is on her way.").then_some(())
    })
    .await;
    let deleted = caller.ask(Method::DELETE, &human).send().await;
    assert_eq!((deleted.status.as_u16(), deleted.data()), (200, Value::Null));
    caller
        .get(&human)
        .send()
        .await
        .assert_failure(404, "HUMAN_SUPPORT_SETTINGS_NOT_FOUND");

    // Who new threads start with.
    let mode = format!("/v0/chatbots/chatbot/{id}/settings/chat-mode");
    let answer = caller.patch(&mode, json!({"chatStart": "agent"})).data().await;
    assert_eq!(answer, json!({"chatStart": "agent"}));
    until("new threads start with a person", async || {
        let thread = caller
            .post(format!("/v0/chatbots/{id}/threads"), json!({}))
            .data()
            .await;
        (thread["thread"]["mode"] == "AGENT").then_some(())
    })
    .await;

    // General settings have one set of values under two sets of names; prompts are listed as they were made.
    let older = format!("/v0/chatbots/{id}/settings/general");
    caller
        .patch(&older, json!({"historyCount": 4, "chatbotDescription": "Sells."}))
        .data()
        .await;
    let newer = format!("/v0/chatbots/chatbot/{id}/settings/general");
    let settings = caller.get(&newer).data().await;
    assert_eq!(
        (&settings["historyMessageContext"], &settings["description"]),
        (&json!(4), &json!("Sells."))
    );
    let prompts = format!("/v0/chatbots/{id}/quick-prompts");
    caller
        .post(
            &prompts,
            json!({"title": "Delivery", "description": "Where is my order?"}),
        )
        .data()
        .await;
    let listed = caller.get(&prompts).data().await;
    assert_eq!(listed["prompts"][0]["description"], "Where is my order?");
    let secret = json!({"secret": "0123456789abcdef0123456789abcdef"});
    let set = caller
        .ask(Method::PUT, "/v1/organization/company-secret")
        .json(secret)
        .send()
        .await;
    assert_eq!(set.status, 200);
    assert!(!set.json().to_string().contains("0123456789abcdef"));

    // Gone with its threads.
    caller.ask(Method::DELETE, &path).data().await;
    caller.get(&path).send().await.assert_failure(404, "CHATBOT_NOT_FOUND");
    until("its threads can't be reached any more", async || {
        let read = caller.get(format!("/v1/chatting/{id}/thread/t")).send().await;
        (read.status == 404).then_some(read)
    })
    .await
    .assert_failure(404, "CHATBOT_NOT_FOUND");
}
