//! Escalations, of threads and of chats.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, BOT, World};

/// A world with a queue and an end user of chats.
struct Desk {
    world: World,
    menu: i64,
    end_user: i64,
}

impl Desk {
    async fn open() -> Self {
        let world = World::new().await;
        let queue = json!({"request": {"name": "Desk", "isDefault": true, "isDoNotOfferEnabled": false}});
        let queue = world.post("/v1/queues", queue).await;
        assert_eq!(queue.status, StatusCode::CREATED, "{}", queue.text);
        let menus = world.get("/apps/api/v1/menus").await.json;
        let laura = json!({"identifier": "laura", "name": "Laura", "email": "laura@home.example"});
        let laura = world.post("/apps/api/v1/end_users", laura).await.json;
        Self {
            menu: menus[0]["id"].as_i64().unwrap(),
            end_user: laura["id"].as_i64().unwrap(),
            world,
        }
    }

    async fn thread(&self, id: &str) -> String {
        self.world.thread(id).await;
        let path = format!("/v0/chatbots/{BOT}/threads/{id}/escalate");
        let answer = self.world.post(&path, json!({})).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        id.to_owned()
    }

    /// A chat that is escalated, by its id and the escalation's.
    async fn chat(&self) -> (i64, i64) {
        let chat = json!({"chat": {"menu_id": self.menu, "end_user_id": self.end_user}});
        let chat = self.world.post("/apps/api/v1/chats", chat).await.json;
        let id = chat["id"].as_i64().unwrap();
        let path = format!("/apps/api/v1/chats/{id}/escalations");
        let answer = self.world.post(&path, json!({"reason": "by_end_user_ask"})).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        (id, answer.json["id"].as_i64().unwrap())
    }

    /// A page of escalations and the cursor of the next one.
    async fn list(&self, query: &str) -> (Vec<Value>, Value) {
        let answer = self.world.get(&format!("/v1/escalations?{query}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let mut data = answer.json["data"].clone();
        let pagination = &data["pagination"];
        assert_eq!(pagination["hasMore"], pagination["nextCursor"].is_string());
        let next = pagination["nextCursor"].clone();
        let escalations = data["escalations"].take();
        (escalations.as_array().unwrap().clone(), next)
    }

    async fn acknowledge(&self, id: &Value) -> Value {
        let path = format!("/v1/escalations/{}/acknowledge", id.as_str().unwrap());
        let answer = Answer::of(self.world.request(Method::PUT, &path)).await;
        assert_eq!(answer.json["message"], "Escalation acknowledged successfully");
        answer.json["data"]["escalation"].clone()
    }
}

/// What an escalation is of.
fn of(escalations: &[Value]) -> Vec<String> {
    let of = |escalation: &Value| match escalation["kind"].as_str().unwrap() {
        "thread" => escalation["threadId"].as_str().unwrap().to_owned(),
        "chat" => escalation["chatId"].to_string(),
        other => panic!("{other}"),
    };
    escalations.iter().map(of).collect()
}

#[tokio::test]
async fn threads_and_chats_are_one_list_newest_first() {
    let desk = Desk::open().await;
    let mut made = Vec::new();
    for n in 0..3 {
        made.push(desk.thread(&format!("t{n}")).await);
        made.push(desk.chat().await.0.to_string());
    }
    made.reverse();
    for limit in 1..=6 {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        for _ in (0..6).step_by(limit) {
            let (page, next) = desk.list(&format!("state=unacknowledged&limit={limit}{cursor}")).await;
            assert!(page.len() == limit || next.is_null());
            found.extend(of(&page));
            cursor = format!("&cursor={}", next.as_str().unwrap_or_default());
        }
        assert_eq!((found, cursor.as_str()), (made.clone(), "&cursor="), "{limit}");
    }
    let only = |kind: bool| -> Vec<String> {
        let is_thread = |id: &&String| id.starts_with('t');
        made.iter().filter(|id| is_thread(id) == kind).cloned().collect()
    };
    for (kind, expected) in [("thread", only(true)), ("chat", only(false))] {
        assert_eq!(of(&desk.list(&format!("kind={kind}")).await.0), expected);
        let (page, next) = desk.list(&format!("kind={kind}&limit=2")).await;
        let next = next.as_str().unwrap();
        let (rest, none) = desk.list(&format!("kind={kind}&limit=2&cursor={next}")).await;
        assert_eq!((of(&[page, rest].concat()), none), (expected, Value::Null));
    }
    for (query, field) in [("kind=mail", "kind"), ("cursor=x", "cursor"), ("limit=0", "limit")] {
        let answer = desk.world.get(&format!("/v1/escalations?{query}")).await;
        answer.is_error(400, "REQUEST_VALIDATION_FAILED").names(field);
    }
}

#[tokio::test]
async fn an_escalation_of_a_chat_says_what_one_of_a_thread_says() {
    let desk = Desk::open().await;
    desk.thread("t").await;
    let (chat, number) = desk.chat().await;
    let (listed, _) = desk.list("").await;
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&listed[0]), keys(&listed[1]));
    let expected = json!({
        "id": listed[0]["id"], "kind": "chat", "chatbotId": null, "threadId": null, "chatId": chat, "number": number,
        "status": "escalating", "reason": "by_end_user_ask", "state": "unacknowledged",
        "requestedBy": "ada@example.com", "prompt": null, "createdAt": listed[0]["createdAt"],
        "acknowledgedBy": null, "acknowledgedAt": null, "resolvedBy": null, "resolvedAt": null,
        "ageSeconds": listed[0]["ageSeconds"], "visitorName": "Laura", "visitorEmail": "laura@home.example",
    });
    assert_eq!(listed[0], expected);

    let seen = desk.acknowledge(&listed[0]["id"]).await;
    assert_eq!(
        (&seen["kind"], &seen["state"], &seen["acknowledgedBy"]),
        (&"chat".into(), &"acknowledged".into(), &"ada@example.com".into())
    );
    assert_eq!(
        desk.acknowledge(&listed[0]["id"]).await["acknowledgedAt"],
        seen["acknowledgedAt"]
    );
    assert_eq!(of(&desk.list("state=acknowledged").await.0), [chat.to_string()]);
    assert_eq!(of(&desk.list("state=unacknowledged").await.0), ["t"]);
    let finish = desk
        .world
        .request(Method::PATCH, &format!("/apps/api/v1/chats/{chat}"))
        .json(&json!({"chat": {"status": "finished"}}));
    assert_eq!(Answer::of(finish).await.status, StatusCode::OK);
    let (resolved, _) = desk.list("state=resolved").await;
    assert_eq!(
        (&resolved[0]["chatId"], &resolved[0]["status"]),
        (&chat.into(), &"canceled".into())
    );
}

#[tokio::test]
async fn a_retry_of_an_acknowledgement_is_answered_as_the_first_one() {
    let desk = Desk::open().await;
    desk.thread("t").await;
    let (chat, _) = desk.chat().await;
    let (listed, _) = desk.list("").await;
    for escalation in listed {
        let path = format!("/v1/escalations/{}/acknowledge", escalation["id"].as_str().unwrap());
        let acknowledge = async || {
            let request = desk.world.request(Method::PUT, &path);
            Answer::of(request.header("idempotency-key", "k")).await
        };
        let first = acknowledge().await;
        assert_eq!(first.status, StatusCode::OK, "{}", first.text);
        if escalation["kind"] == "chat" {
            let finish = desk
                .world
                .request(Method::PATCH, &format!("/apps/api/v1/chats/{chat}"))
                .json(&json!({"chat": {"status": "finished"}}));
            assert_eq!(Answer::of(finish).await.status, StatusCode::OK);
        }
        assert_eq!(acknowledge().await.text, first.text);
    }
}

#[tokio::test]
async fn an_escalation_is_listed_until_it_is_over_and_says_who_has_seen_it() {
    let world = World::new().await;
    world.thread("t").await;
    world
        .post(
            &format!("/v0/chatbots/{BOT}/threads/t/escalate"),
            json!({"escalationPrompt": "Help"}),
        )
        .await;
    let list = async |state: &str| {
        let answer = world.get(&format!("/v1/escalations?state={state}&limit=5")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json["data"]["escalations"].as_array().unwrap().clone()
    };
    let open = list("unacknowledged").await;
    assert_eq!(open.len(), 1);
    assert_eq!(
        (&open[0]["kind"], &open[0]["threadId"], &open[0]["prompt"]),
        (&"thread".into(), &"t".into(), &"Help".into())
    );
    assert_eq!(
        (&open[0]["state"], &open[0]["requestedBy"]),
        (&"unacknowledged".into(), &"ada@example.com".into())
    );
    assert!(open[0]["ageSeconds"].is_u64());
    let id = open[0]["id"].as_str().unwrap();
    let seen = Answer::of(world.request(Method::PUT, &format!("/v1/escalations/{id}/acknowledge"))).await;
    assert_eq!(seen.json["message"], "Escalation acknowledged successfully");
    assert_eq!(seen.json["data"]["escalation"]["acknowledgedBy"], "ada@example.com");
    assert!(list("unacknowledged").await.is_empty());
    assert_eq!(list("acknowledged").await.len(), 1);
    let ended = Answer::of(world.request(Method::POST, &format!("/v1/chatting/{BOT}/thread/t/end"))).await;
    assert_eq!(ended.json["message"], "Thread ended successfully");
    assert!(ended.json["data"]["thread"]["endedAt"].is_string());
    assert_eq!(list("resolved").await.len(), 1);
    assert_eq!(list("all").await.len(), 1);
    let unknown = world.request(
        Method::PUT,
        "/v1/escalations/0190f0c8-7d5c-7cc1-8d3e-0a4a5e1b7a10/acknowledge",
    );
    Answer::of(unknown).await.is_error(404, "ESCALATION_NOT_FOUND");
}
