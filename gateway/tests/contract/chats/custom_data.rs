//! Custom data: given by integrators, signed or not, and read by agents.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::tokens::{SAMPLE, good, hostile};
use super::{Desk, ROOT, refused};
use crate::support::Answer;

const FIRST: &str = "the first company secret, 32 bytes and more";
const SECOND: &str = "the second company secret, 32 bytes and more";

impl Desk {
    async fn set_company_secret(&self, secret: &str) {
        let path = "/v1/organization/company-secret";
        let answer = self.world.send(Method::PUT, path, json!({"secret": secret})).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    }

    async fn flags(&self, chat: i64) -> Value {
        self.get(&format!("/chats/{chat}/customer_flag")).await.json
    }

    async fn sign(&self, chat: i64, token: impl Into<Value>) -> Answer {
        let body = json!({"signed": true, "signed_data": token.into()});
        self.post(&format!("/chats/{chat}/custom_data"), body).await
    }

    /// What agents with a key are shown.
    async fn shown(&self, chat: i64, key: &str) -> Answer {
        let url = format!("{}/v1/conversations/{chat}/custom-data", self.world.url);
        Answer::of(self.world.http.get(url).bearer_auth(key)).await
    }
}

fn flags(verified: bool, bad: bool, repeat: bool) -> Value {
    json!({"verified_customer": verified, "bad_actor": bad, "repeat_customer": repeat})
}

#[tokio::test]
async fn the_unsigned_example_sets_the_flags_and_is_shown_to_agents() {
    let desk = Desk::open().await;
    let chat = desk.chat(desk.people.1).await;
    let body: Value = serde_json::from_str(include_str!("../../chats/fixtures/custom-data.json")).unwrap();
    let set = desk.post(&format!("/chats/{chat}/custom_data"), body).await;
    assert_eq!((set.status, &*set.text), (StatusCode::OK, "{}"));
    assert_eq!(desk.flags(chat).await, flags(true, false, true));
    let item = |key: &str, label: &str, value: &str| {
        json!({"key": key, "label": label, "value": value,
            "invisibleToAgent": false, "signed": false})
    };
    let shown = desk.shown(chat, &desk.world.key).await;
    assert_eq!(
        (shown.status, &shown.json),
        (
            StatusCode::OK,
            &json!({"data": {"verifiedCustomer": true, "badActor": false, "repeatCustomer": true,
                "items": [item("field1", "LABEL 4", "dummy1"), item("field2", "LABEL 5", "dummy2")]}})
        ),
        "{}",
        shown.text
    );
}

#[tokio::test]
async fn values_of_any_type_come_back_as_they_went_in() {
    let desk = Desk::open().await;
    let chat = desk.chat(desk.people.1).await;
    let body = json!({"signed": false, "data": {
        "a text": {"value": "x", "type": "string"}, "b number": {"value": 4.25, "type": "number"},
        "c date": {"value": 1_729_683_593_000_i64, "type": "date"},
        "d url": {"value": "https://example.com", "type": "url"}, "e boolean": {"value": true, "type": "boolean"},
        "f any": {"value": {"deep": ["thing", null]}}, "g nothing": {"value": null}, "h absent": {},
    }});
    let set = desk.post(&format!("/chats/{chat}/custom_data"), body.clone()).await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.text);
    let shown = desk.shown(chat, &desk.world.key).await;
    let items = shown.json["data"]["items"].as_array().unwrap().clone();
    let data = body["data"].as_object().unwrap();
    assert_eq!(items.len(), data.len(), "{}", shown.text);
    for item in items {
        let given = &data[item["key"].as_str().unwrap()];
        assert_eq!(
            (&item["value"], item.get("type")),
            (&given["value"], given.get("type")),
            "{item}"
        );
    }
}

#[tokio::test]
async fn agents_see_what_is_invisible_to_them_only_with_the_scope_of_integrators() {
    let desk = Desk::open().await;
    let chat = desk.chat(desk.people.1).await;
    let body =
        json!({"signed": false, "data": {"hidden": {"value": 1, "invisible_to_agent": true}, "shown": {"value": 2}}});
    let set = desk.post(&format!("/chats/{chat}/custom_data"), body).await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.text);
    let keys = |answer: &Answer| -> Vec<String> {
        let items = answer.json["data"]["items"].as_array().unwrap().iter();
        items.map(|item| item["key"].as_str().unwrap().to_owned()).collect()
    };
    let (_, agent) = desk.world.key(desk.world.org, &["conversations:read"]).await;
    assert_eq!(keys(&desk.shown(chat, &agent).await), ["shown"]);
    let (_, both) = desk
        .world
        .key(desk.world.org, &["conversations:read", "chats:read"])
        .await;
    assert_eq!(keys(&desk.shown(chat, &both).await), ["hidden", "shown"]);
    let (_, integrator) = desk.world.key(desk.world.org, &["chats:read"]).await;
    assert_eq!(desk.shown(chat, &integrator).await.status, StatusCode::FORBIDDEN);
    let absent = desk.shown(super::NOTHING, &agent).await;
    refused(&absent, 404, "The requested resource could not be found");
}

#[tokio::test]
async fn a_token_of_either_live_secret_sets_its_flags() {
    let desk = Desk::open().await;
    desk.set_company_secret(FIRST).await;
    desk.set_company_secret(SECOND).await;
    let said = |verified: bool, bad: bool| {
        json!({"reserved_verified_customer": {"value": verified}, "reserved_bad_actor": {"value": bad},
            "reserved_repeat_customer": {"value": false}, "field1": {"value": "dummy111"}, "field2": {"value": "dummy222"}})
    };
    for (secret, verified, bad) in [(FIRST, true, false), (SECOND, false, true)] {
        let chat = desk.chat(desk.people.1).await;
        let set = desk.sign(chat, good(secret, &said(verified, bad))).await;
        assert_eq!((set.status, &*set.text), (StatusCode::OK, "{}"));
        assert_eq!(desk.flags(chat).await, flags(verified, bad, false));
        let shown = desk.shown(chat, &desk.world.key).await;
        let field = json!({"key": "field1", "value": "dummy111", "invisibleToAgent": false, "signed": true});
        assert_eq!(shown.json["data"]["items"][0], field, "{}", shown.text);
    }
}

#[tokio::test]
async fn every_hostile_token_is_refused_with_the_same_answer_and_changes_nothing() {
    let desk = Desk::open().await;
    desk.set_company_secret(FIRST).await;
    let chat = desk.chat(desk.people.1).await;
    let tokens = hostile(FIRST);
    assert!(tokens.len() >= 40, "{}", tokens.len());
    for (why, token) in tokens {
        let answer = desk.sign(chat, token).await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.text),
            (400, r#"{"message":"Invalid signed_data"}"#),
            "{why}"
        );
    }
    for value in [json!(7), json!({}), json!([SAMPLE]), json!(true)] {
        refused(&desk.sign(chat, value).await, 400, "Invalid signed_data");
    }
    assert_eq!(desk.flags(chat).await, flags(false, false, false));
    assert_eq!(desk.shown(chat, &desk.world.key).await.json["data"]["items"], json!([]));
}

#[tokio::test]
async fn what_is_signed_is_signed_for_one_organization() {
    let desk = Desk::open().await;
    desk.set_company_secret(FIRST).await;
    let token = good(FIRST, &json!({"reserved_bad_actor": {"value": true}}));
    let mut other = desk;
    let (_, key) = other.world.organization("globex").await;
    other.world.key = key;
    // Without a secret of its own, and then with another one.
    let user = other.post("/end_users", json!({"identifier": "a"})).await.json["id"].clone();
    let queue = json!({"request": {"name": "Q", "isDefault": true, "isDoNotOfferEnabled": false}});
    crate::conversations::created(&other.world, "queues", queue).await;
    let menu = other.world.get(&format!("{ROOT}/menus")).await.json[0]["id"].clone();
    let chat = other
        .post("/chats", json!({"chat": {"menu_id": menu, "end_user_id": user}}))
        .await;
    let chat = chat.json["id"].as_i64().unwrap();
    refused(&other.sign(chat, token.clone()).await, 400, "Invalid signed_data");
    other.set_company_secret(SECOND).await;
    refused(&other.sign(chat, token).await, 400, "Invalid signed_data");
}
