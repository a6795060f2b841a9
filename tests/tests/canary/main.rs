//! Nothing of somebody who was anonymized is left: what his conversations said is planted wherever anything can be
//! written, found everywhere, erased, and looked for again.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

mod look;
mod plant;

use journeys::{Shape, System, until};
use serde_json::Value;

use look::Places;
use plant::Garden;

/// The tables that have to have something of it before, or the test looks in the wrong places.
const TABLES: [&str; 11] = [
    "conversation.activity_log",
    "conversation.chat_custom_data",
    "conversation.chats",
    "conversation.conversation_attributes",
    "conversation.conversations",
    "conversation.idempotency_keys",
    "conversation.messages",
    "conversation.notes",
    "conversation.outbox",
    "conversation.people",
    "conversation.person_attributes",
];

async fn nothing_is_left(system: System) {
    let mut garden = Garden::new(&system).await;
    let people = garden.plant(&system).await;
    let caller = system.caller();
    let search = format!("/v1/search/conversations?query={}", garden.planted_in_a_message());
    let hits = async || {
        caller.get(&search).send().await.json()["data"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(hits().await, 1);

    Places::until_published(&system).await;
    let before = Places::of(&system).await;
    for planted in garden.planted() {
        assert!(!before.with(planted).is_empty(), "{planted} was never written");
    }
    let found = before.with(plant::ROOT);
    for table in TABLES {
        assert!(
            found.iter().any(|place| place == table),
            "nothing was in {table}: {found:?}"
        );
    }
    for stream in ["redis handoff:events", "redis handoff:escalations"] {
        assert!(found.iter().any(|place| place == stream), "{found:?}");
    }
    assert!(!before.with(plant::INNOCENT).is_empty());

    for person in people {
        let asked = caller
            .patch(format!("/v1/endusers/{person}/anonymize?force=true"), Value::Null)
            .send()
            .await;
        assert_eq!(asked.status, 202, "{}", asked.json());
        let request = asked.json()["data"]["id"].as_str().unwrap().to_owned();
        until("the request is processed", async || {
            let status = caller.get(format!("/v1/anonymization/request/{request}")).send().await;
            status.json()["data"]["processedAt"].is_string().then_some(())
        })
        .await;
    }

    let after = Places::of(&system).await;
    for root in [plant::ROOT, plant::NUMBERS] {
        assert_eq!(after.with(root), [""; 0], "{root} is still there");
    }
    assert!(!after.with(plant::INNOCENT).is_empty(), "nobody else is touched");
    assert_eq!(hits().await, 0);
    let retried = garden.retry().await;
    assert_eq!(retried.status, 409, "{}", retried.json());
    for conversation in garden.conversations() {
        let shown = caller
            .get(format!("/v1/conversations/{conversation}"))
            .send()
            .await
            .json();
        assert_eq!(shown["data"]["_type"], "AnonymizedConversation", "{shown}");
    }
    let other = format!("/v1/conversations/{}/messages", garden.of_another());
    let other = caller.get(other).send().await.json();
    assert_eq!(other["data"][0]["attributes"]["content"]["value"], "of somebody else");
    assert_eq!(
        Places::of(&system).await.with(plant::ROOT),
        [""; 0],
        "looking does not bring it back"
    );
}

#[tokio::test]
async fn nothing_is_left_in_separate_processes_with_connectors() {
    nothing_is_left(System::start(Shape::SeparateProcesses).await).await;
}

#[tokio::test]
async fn nothing_is_left_on_private_stores() {
    nothing_is_left(System::on_private_stores().await).await;
}
