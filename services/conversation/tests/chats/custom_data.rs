use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use proto::conversation::v1 as wire;
use serde_json::json;
use sha2::Sha256;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;
use wire::set_custom_data_request::CustomData;

use crate::scene::{NOTHING, Scene, chat, chat_refused};
use crate::support::{assert_field, assert_refused, chat as a_chat, inbound, with_key};

const SECRET: &str = "the company secret of the organization own";

pub(crate) fn item(key: &str, value: &serde_json::Value) -> wire::CustomDataItem {
    wire::CustomDataItem {
        key: key.to_owned(),
        value_json: value.to_string(),
        ..Default::default()
    }
}

pub(crate) fn data(chat_id: i64, items: Vec<wire::CustomDataItem>) -> wire::SetCustomDataRequest {
    wire::SetCustomDataRequest {
        chat_id,
        custom_data: Some(CustomData::Data(wire::CustomData { items })),
    }
}

fn signed(chat_id: i64, token: &str) -> wire::SetCustomDataRequest {
    wire::SetCustomDataRequest {
        chat_id,
        custom_data: Some(CustomData::SignedData(token.to_owned())),
    }
}

fn token(secret: &str, custom_data: &serde_json::Value) -> String {
    let now = platform::time::now().timestamp();
    let payload = json!({ "custom_data": custom_data, "iat": now, "exp": now + 3600 }).to_string();
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let message = format!("{}.{}", encode(br#"{"alg":"HS256"}"#), encode(payload.as_bytes()));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    format!("{message}.{}", encode(&mac.finalize().into_bytes()))
}

impl Scene {
    async fn read(&self, id: i64, key: &str) -> wire::GetConversationCustomDataResponse {
        let request = wire::GetConversationCustomDataRequest { conversation_id: id };
        let request = with_key(key, request);
        let answer = self.chats.clone().get_conversation_custom_data(request).await;
        answer.unwrap().into_inner()
    }

    async fn flags(&self, chat_id: i64) -> (bool, bool, bool) {
        let request = self.request(wire::GetCustomerFlagsRequest { chat_id });
        let answer = self.chats.clone().get_customer_flags(request).await;
        let flags = answer.unwrap().into_inner().flags.unwrap();
        (flags.verified_customer, flags.bad_actor, flags.repeat_customer)
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn flags_are_set_one_by_one_even_on_an_ended_chat(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    assert_eq!(scene.flags(id).await, (false, false, false));
    let set = wire::SetCustomerFlagsRequest {
        chat_id: id,
        verified_customer: Some(true),
        repeat_customer: Some(true),
        ..Default::default()
    };
    let shown = chat!(scene.set_customer_flags(set)).flags.unwrap();
    assert!(shown.verified_customer && !shown.bad_actor && shown.repeat_customer);
    scene.finish(id).await;
    chat!(scene.set_customer_flags(wire::SetCustomerFlagsRequest {
        chat_id: id,
        bad_actor: Some(true),
        repeat_customer: Some(false),
        ..Default::default()
    }));
    assert_eq!(scene.flags(id).await, (true, true, false));
    let refused = chat_refused!(scene.get_customer_flags(wire::GetCustomerFlagsRequest { chat_id: NOTHING }));
    assert_refused(&refused, Code::NotFound, "CHAT_NOT_FOUND");
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn custom_data_is_kept_by_key_and_reserved_keys_are_flags(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    let labeled = wire::CustomDataItem {
        label: Some("LABEL 4".to_owned()),
        r#type: Some("string".to_owned()),
        ..item("field1", &json!("dummy1"))
    };
    chat!(scene.set_custom_data(data(
        id,
        vec![
            item("reserved_verified_customer", &json!(true)),
            item("reserved_bad_actor", &json!(false)),
            labeled.clone(),
            item("field2", &json!({ "any": ["thing"] })),
        ],
    )));
    assert_eq!(scene.flags(id).await, (true, false, false));
    chat!(scene.set_custom_data(data(id, vec![item("field2", &json!(2))])));
    let read = scene.read(id, &scene.world.own.key).await;
    assert_eq!(read.items, [labeled, item("field2", &json!(2))]);
    assert!(read.flags.unwrap().verified_customer);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn agents_do_not_see_what_is_not_for_them(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    let hidden = wire::CustomDataItem {
        invisible_to_agent: true,
        ..item("hidden", &json!("x"))
    };
    chat!(scene.set_custom_data(data(id, vec![hidden, item("shown", &json!("y"))])));
    let keys = async |key: &str| {
        let items = scene.read(id, key).await.items;
        items.into_iter().map(|item| item.key).collect::<Vec<_>>()
    };
    let agent = scene.world.key("agent", &["conversations:read"]).await;
    assert_eq!(keys(&agent).await, ["shown"]);
    let auditor = scene.world.key("auditor", &["conversations:read", "chats:read"]).await;
    assert_eq!(keys(&auditor).await, ["hidden", "shown"]);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn signed_custom_data_needs_a_token_that_verifies(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    scene.set_company_secret(SECRET).await;
    let said = json!({
        "reserved_bad_actor": { "value": true },
        "field1": { "label": "L", "value": "dummy111", "invisible_to_agent": false },
    });
    chat!(scene.set_custom_data(signed(id, &token(SECRET, &said))));
    assert_eq!(scene.flags(id).await, (false, true, false));
    let read = scene.read(id, &scene.world.own.key).await.items;
    assert_eq!(
        (read.len(), read[0].signed, read[0].label.as_deref()),
        (1, true, Some("L"))
    );

    let hostile = [
        token("another secret, which is as long as it has to be", &said),
        token(SECRET, &json!({ "field1": "no object" })),
        token(SECRET, &json!({ "field1": { "value": 1, "type": "string" } })),
        token(SECRET, &json!({ "reserved_bad_actor": { "value": "yes" } })),
        token(SECRET, &json!({ "field1": { "value": "a\u{0}b" } })),
        token(SECRET, &json!({ "": { "value": 1 } })),
        "x".to_owned(),
        String::new(),
    ];
    for token in hostile {
        let refused = chat_refused!(scene.set_custom_data(signed(id, &token)));
        assert_refused(&refused, Code::InvalidArgument, "SIGNED_DATA_INVALID");
        assert_eq!(refused.message(), "the signed data is not valid");
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn wrong_custom_data_is_named_and_changes_nothing(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    let typed = |value: serde_json::Value, kind: &str| wire::CustomDataItem {
        r#type: Some(kind.to_owned()),
        ..item("a", &value)
    };
    let cases = [
        (item("", &json!(1)), "data..key"),
        (
            item("reserved_bad_actor", &json!("true")),
            "data.reserved_bad_actor.value",
        ),
        (item("a", &json!("x\u{0}")), "data.a.value"),
        (typed(json!(1), "text"), "data.a.type"),
        (typed(json!(1), "string"), "data.a.value"),
        (typed(json!("1"), "number"), "data.a.value"),
        (typed(json!("2024-01-01"), "date"), "data.a.value"),
        (typed(json!("ftp://example.com"), "url"), "data.a.value"),
        (typed(json!("yes"), "boolean"), "data.a.value"),
    ];
    for (wrong, field) in cases {
        let request = data(id, vec![item("good", &json!(1)), wrong]);
        assert_field(&chat_refused!(scene.set_custom_data(request)), field);
    }
    let mut broken = item("a", &json!(1));
    broken.value_json = "{".to_owned();
    let refused = chat_refused!(scene.set_custom_data(data(id, vec![broken])));
    assert_field(&refused, "data.items[0].value_json");
    let many = (0..101).map(|n| item(&format!("k{n}"), &json!(n))).collect();
    assert_field(&chat_refused!(scene.set_custom_data(data(id, many))), "data");
    let nothing = wire::SetCustomDataRequest {
        chat_id: id,
        custom_data: None,
    };
    assert_field(&chat_refused!(scene.set_custom_data(nothing)), "custom_data");
    assert!(scene.read(id, &scene.world.own.key).await.items.is_empty());
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_chat_keeps_at_most_two_hundred_items(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    for batch in 0..2 {
        let items = (0..100).map(|n| item(&format!("k{batch}-{n}"), &json!(n))).collect();
        chat!(scene.set_custom_data(data(id, items)));
    }
    let refused = chat_refused!(scene.set_custom_data(data(id, vec![item("more", &json!(1))])));
    assert_field(&refused, "data");
    chat!(scene.set_custom_data(data(id, vec![item("k0-0", &json!("again"))])));
    assert_eq!(scene.read(id, &scene.world.own.key).await.items.len(), 200);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_chat_of_the_other_surface_has_custom_data_too(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let request = scene.request(a_chat(&scene.world.own.end_user, inbound("hello")));
    let made = scene.world.client.clone().create_conversation(request).await.unwrap();
    let id = made.into_inner().conversation.unwrap().id;
    assert!(scene.read(id, &scene.world.own.key).await.items.is_empty());
    chat!(scene.set_custom_data(data(id, vec![item("a", &json!(1))])));
    assert_eq!(scene.read(id, &scene.world.own.key).await.items.len(), 1);
}
