//! The chats dialect.

mod access;
mod bodies;
mod custom_data;
mod documents;
mod escalations;
mod lists;
mod refusals;
mod tokens;

use http::{Method, StatusCode};
use proto::conversation::v1 as pb;
use serde_json::{Value, json};

use crate::conversations::created;
use crate::shape::assert_same_shape;
use crate::support::{Answer, World};

/// An id that nothing has.
const NOTHING: i64 = 9_007_199_254_740_000;

/// Where everything of the dialect is.
const ROOT: &str = "/apps/api/v1";

/// People and menus to have chats with.
struct Desk {
    world: World,
    /// An agent, by the id of the conversation surface and by number.
    agent: (String, i64),
    /// The queues, by the id of the conversation surface and by number: one that a virtual agent answers, and the default.
    bots: (String, i64),
    people: (String, i64),
    /// An end user with the identifier `laura`.
    user: i64,
}

impl Desk {
    async fn open() -> Self {
        Self::on(World::new().await).await
    }

    async fn on(world: World) -> Self {
        let agent = json!({"displayName": "Dale Cooper", "firstName": "Dale", "email": "dale@shop.example",
            "avatarUrl": "https://cdn.example.com/dale.png"});
        let agent = created(&world, "agents", agent).await;
        let bot = json!({"displayName": "Botty", "email": "botty@shop.example", "isVirtual": true,
            "avatarUrl": "https://cdn.example.com/botty.png"});
        let bot = created(&world, "agents", bot).await;
        let queue = |name: &str| json!({"request": {"name": name, "isDefault": true, "isDoNotOfferEnabled": false}});
        let mut bots = queue("Bots");
        bots["request"]["virtualAgentId"] = bot.into();
        let bots = created(&world, "queues", bots).await;
        let people = created(&world, "queues", queue("People")).await;
        let menus = world.get(&format!("{ROOT}/menus")).await.json;
        let agents = world.get(&format!("{ROOT}/agents")).await.json;
        let user = json!({"identifier": "laura", "name": "Laura Palmer", "email": "laura@home.example"});
        let user = world.post(&format!("{ROOT}/end_users"), user).await;
        assert_eq!(user.status, StatusCode::OK, "{}", user.text);
        let number = |of: &Value| of["id"].as_i64().unwrap();
        Self {
            agent: (agent, number(&agents[0])),
            bots: (bots, number(&menus[0])),
            people: (people, number(&menus[1])),
            user: number(&user.json),
            world,
        }
    }

    /// A request to the dialect.
    async fn send(&self, method: Method, path: &str, body: Value) -> Answer {
        self.world.send(method, &format!("{ROOT}{path}"), body).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, body).await
    }

    async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, body).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.world.get(&format!("{ROOT}{path}")).await
    }

    /// A new chat at a menu; its id.
    async fn chat(&self, menu: i64) -> i64 {
        let body = json!({"chat": {"menu_id": menu, "end_user_id": self.user}});
        let chat = self.post("/chats", body).await;
        assert_eq!(chat.status, StatusCode::OK, "{}", chat.text);
        chat.json["id"].as_i64().unwrap()
    }

    /// What a chat is now.
    async fn read(&self, chat: i64) -> Value {
        let answer = self.get(&format!("/chats/{chat}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json
    }

    /// A step over the other surface.
    async fn put(&self, conversation: i64, step: &str, body: Value) {
        let path = format!("/v1/conversations/{conversation}/{step}");
        let answer = self.world.send(Method::PUT, &path, body).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text);
    }

    async fn claim(&self, conversation: i64) {
        self.put(conversation, "claim", json!({"agentId": self.agent.0})).await;
    }

    /// Puts a chat off, as nobody's writing would.
    async fn dismiss(&self, conversation: i64) {
        let later = json!({"timestamp": "2999-01-01T00:00:00Z"});
        self.put(conversation, "followup", later).await;
    }

    async fn finish(&self, chat: i64) {
        let finished = json!({"chat": {"status": "finished"}});
        let answer = self.patch(&format!("/chats/{chat}"), finished).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    }

    /// Lets a queue hold so many chats, and opens it at these hours.
    async fn configure(&self, queue: &(String, i64), most: Option<i32>, hours: Option<pb::OpeningHours>) {
        let request = pb::ConfigureQueueRequest {
            id: queue.0.clone(),
            lang: None,
            max_queue_size: most,
            opening_hours: hours,
        };
        let request = self.world.internal(request);
        self.world.chats.clone().configure_queue(request).await.unwrap();
    }
}

/// Asserts that the answer is a chat as documented: its members in order, and nothing but null in those that are `absent`.
fn is_chat(answer: &Answer, absent: &[&str]) {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let document = include_str!("../chats/fixtures/chat.json")
        .replace("\"integer\"", "1")
        .replace("\"time\"", "\"2019-07-17T07:27:14.000Z\"");
    assert_same_shape(&document, &answer.text, absent);
    assert_eq!(answer.json["features"], json!([]));
    for time in ["created_at", "ends_at", "timeout_at"] {
        if let Some(text) = answer.json[time].as_str() {
            assert_eq!(text.len(), "2019-07-17T07:27:14.000Z".len(), "{text}");
        }
    }
}

/// Asserts the documented error body.
fn refused(answer: &Answer, status: u16, message: &str) {
    assert_eq!(
        (answer.status.as_u16(), &answer.json),
        (status, &json!({"message": message})),
        "{}",
        answer.text
    );
    assert_eq!(answer.headers["content-type"], "application/json");
}

/// The documented text for what has to be there.
fn missing(name: &str) -> String {
    format!("param is missing or the value is empty: {name}")
}
