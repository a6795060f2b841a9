//! The conversations dialect.

mod anonymization;
mod causes;
mod documents;
mod failures;
mod pages;
mod variants;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, World};

/// An id that nothing has.
pub(crate) const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// People, a queue and a tag to have conversations with.
struct Office {
    world: World,
    agent: String,
    other: String,
    user: String,
    queue: String,
    tag: String,
}

impl Office {
    async fn open() -> Self {
        let world = World::new().await;
        let agent = created(
            &world,
            "agents",
            json!({"displayName": "Dale", "email": "dale@shop.example"}),
        )
        .await;
        let other = created(
            &world,
            "agents",
            json!({"displayName": "Harry", "email": "harry@shop.example"}),
        )
        .await;
        let user = json!({"displayName": "Laura", "email": "laura@home.example", "phoneNumber": "+4511223344"});
        let user = created(&world, "endusers", user).await;
        let queue = json!({"request": {"name": "Support", "isDefault": true, "isDoNotOfferEnabled": false}});
        let queue = created(&world, "queues", queue).await;
        let tag = world.post("/v1/tags", json!({"name": "example"})).await;
        let tag = id(&tag);
        Self {
            world,
            agent,
            other,
            user,
            queue,
            tag,
        }
    }

    /// A new e-mail conversation; its id.
    async fn conversation(&self) -> i64 {
        let answer = self.world.post("/v1/conversations", self.email(&json!({}))).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        answer.json["data"]["id"].as_i64().unwrap()
    }

    /// The body of a new e-mail conversation, with other members in its message.
    fn email(&self, message: &Value) -> Value {
        let mut body = json!({
            "requesterId": self.user, "emailIntegrationId": "shop@email.example", "subject": "order #123",
            "message": inbound(), "language": "en", "_type": "Email",
        });
        for (name, value) in message.as_object().unwrap() {
            body["message"][name] = value.clone();
        }
        body
    }

    async fn put(&self, conversation: i64, rest: &str, body: Value) -> Answer {
        let path = format!("/v1/conversations/{conversation}/{rest}");
        self.world.send(Method::PUT, &path, body).await
    }

    async fn read(&self, conversation: i64, rest: &str) -> Answer {
        self.world.get(&format!("/v1/conversations/{conversation}{rest}")).await
    }
}

fn inbound() -> Value {
    json!({"content": {"value": "My order hasn't shipped", "_type": "Text"}, "attachments": [], "_type": "Inbound"})
}

/// The id of something new.
pub(crate) async fn created(world: &World, kind: &str, body: Value) -> String {
    let answer = world.post(&format!("/v1/{kind}"), body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    id(&answer)
}

fn id(answer: &Answer) -> String {
    answer.json["data"]["id"].as_str().unwrap().to_owned()
}

/// Asserts the documented error body.
fn refused(answer: &Answer, status: u16, message: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.json, json!({"message": message}));
    assert_eq!(answer.headers["content-type"], "application/json");
}
