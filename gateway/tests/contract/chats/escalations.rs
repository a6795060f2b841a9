//! Escalations, and how they are deflected.

use http::StatusCode;
use proto::conversation::v1 as pb;
use serde_json::{Value, json};

use super::{Desk, refused};
use crate::support::Answer;

const REFUSED: &str = "The escalation is not deflecting, or the deflection_channel is not offered";

/// Asserts that the answer is the escalation of a chat in the documented form; its id.
fn is_escalation(answer: &Answer, chat: i64, status: &str) -> i64 {
    let id = answer.json["id"].as_i64().unwrap_or_default();
    let expected = format!(r#"{{"id":{id},"chat_id":{chat},"status":"{status}"}}"#);
    assert_eq!((answer.status, &*answer.text), (StatusCode::OK, &*expected));
    id
}

impl Desk {
    async fn escalate(&self, chat: i64, body: Value) -> Answer {
        self.post(&format!("/chats/{chat}/escalations"), body).await
    }

    async fn deflect(&self, chat: i64, escalation: i64, channel: &str) -> Answer {
        let path = format!("/chats/{chat}/escalations/{escalation}");
        self.patch(&path, json!({"deflection_channel": channel})).await
    }
}

#[tokio::test]
async fn escalating_hands_the_chat_over_to_the_queue() {
    let desk = Desk::open().await;
    let chat = desk.chat(desk.bots.1).await;
    let body = json!({"reason": "by_end_user_ask", "force_escalate": true});
    let id = is_escalation(&desk.escalate(chat, body.clone()).await, chat, "escalating");
    assert_eq!(desk.read(chat).await["status"], "queued");
    assert_eq!(
        is_escalation(&desk.escalate(chat, body.clone()).await, chat, "escalating"),
        id
    );
    desk.claim(chat).await;
    assert_eq!(is_escalation(&desk.escalate(chat, body).await, chat, "escalated"), id);
    assert_eq!(desk.read(chat).await["status"], "assigned");
}

#[tokio::test]
async fn every_documented_reason_is_taken_even_of_a_chat_that_is_queued() {
    let desk = Desk::open().await;
    for reason in [
        "unknown",
        "by_end_user_ask",
        "by_end_user_message",
        "by_virtual_agent",
        "payload_failure",
        "could_not_resume",
        "by_human_agent",
        "invalid_queue",
        "dismissed",
    ] {
        let chat = desk.chat(desk.people.1).await;
        is_escalation(
            &desk.escalate(chat, json!({"reason": reason})).await,
            chat,
            "escalating",
        );
    }
}

#[tokio::test]
async fn a_full_queue_deflects_and_the_end_user_can_wait_or_stay_with_the_virtual_agent() {
    let desk = Desk::open().await;
    desk.configure(&desk.bots, Some(0), None).await;
    let ask = json!({"reason": "by_end_user_ask"});
    for (channel, status, then) in [
        ("human_agent", "escalating", "queued"),
        ("virtual_agent", "deflected", "va_assigned"),
    ] {
        let chat = desk.chat(desk.bots.1).await;
        let id = is_escalation(&desk.escalate(chat, ask.clone()).await, chat, "deflecting");
        assert_eq!(desk.read(chat).await["status"], "va_assigned");
        // The id of the path is the escalation's, not the menu's.
        refused(&desk.deflect(chat, super::NOTHING, channel).await, 404, "Not Found");
        is_escalation(&desk.deflect(chat, id, channel).await, chat, status);
        is_escalation(&desk.deflect(chat, id, channel).await, chat, status);
        assert_eq!(desk.read(chat).await["status"], then);
        refused(&desk.deflect(chat, id, "email").await, 400, REFUSED);
    }
    let chat = desk.chat(desk.bots.1).await;
    let forced = json!({"reason": "by_end_user_ask", "force_escalate": true});
    is_escalation(&desk.escalate(chat, forced).await, chat, "escalating");
}

#[tokio::test]
async fn after_hours_nobody_can_be_waited_for() {
    let desk = Desk::open().await;
    // A minute a week, which is not now: that of three days ago.
    let today = weekday();
    let hours = pb::OpeningHours {
        time_zone: "Etc/UTC".to_owned(),
        intervals: vec![pb::OpenInterval {
            day: (today + 3) % 7 + 1,
            opens: 0,
            closes: 1,
        }],
    };
    desk.configure(&desk.bots, None, Some(hours)).await;
    let chat = desk.chat(desk.bots.1).await;
    let escalation = desk.escalate(chat, json!({"reason": "by_end_user_message"})).await;
    let id = is_escalation(&escalation, chat, "deflecting");
    refused(&desk.deflect(chat, id, "human_agent").await, 400, REFUSED);
    let body = json!({"chat": {"status": "finished", "escalation_id": id, "deflection_channel": "human_agent"}});
    refused(
        &desk.patch(&format!("/chats/{chat}"), body).await,
        400,
        "chat.deflection_channel must be email or external_link with an escalation",
    );
    is_escalation(&desk.deflect(chat, id, "virtual_agent").await, chat, "deflected");
}

/// The day of the week in UTC: 0 is Monday.
fn weekday() -> i32 {
    // 1970-01-01 was a Thursday.
    i32::try_from((platform::time::now().timestamp() / 86_400 + 3) % 7).unwrap()
}
