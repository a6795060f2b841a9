//! What the surface of chats can write.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;

use super::Garden;

const SECRET: &str = "a company secret of 32 bytes and more";

/// Custom data that the organization has signed.
fn signed(data: &Value) -> String {
    let now = platform::time::now().timestamp();
    let claims = json!({"custom_data": data, "iat": now, "exp": now + 600});
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let message = format!(
        "{}.{}",
        encode(br#"{"alg":"HS256"}"#),
        encode(claims.to_string().as_bytes())
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    format!("{message}.{}", encode(&mac.finalize().into_bytes()))
}

impl Garden {
    /// The body of a success, under an idempotency key, so that the answer is kept.
    async fn ask(&mut self, method: Method, path: &str, body: Value) -> Value {
        self.keys += 1;
        let request = self.caller.ask(method, format!("/apps/api/v1/{path}")).json(body);
        let reply = request.once(format!("canary-{}", self.keys)).send().await;
        assert!(reply.status.is_success(), "{path}: {} {}", reply.status, reply.json());
        reply.json()
    }

    async fn numbered(&mut self, path: &str, body: Value) -> i64 {
        self.ask(Method::POST, path, body).await["id"].as_i64().unwrap()
    }

    /// The id of the first menu or agent.
    async fn first_of(&mut self, path: &str) -> i64 {
        let listed = self.caller.get(format!("/apps/api/v1/{path}")).send().await.json();
        listed[0]["id"].as_i64().unwrap()
    }

    async fn say(&mut self, chat: i64, from: i64, text: &str) {
        let message = json!({"from_user_id": from, "message": {"type": "text", "content": text}});
        self.ask(Method::POST, &format!("chats/{chat}/message"), message).await;
    }

    async fn escalate(&mut self, chat: i64) {
        let body = json!({"reason": "by_end_user_message"});
        self.ask(Method::POST, &format!("chats/{chat}/escalations"), body).await;
    }

    /// A chat of the end user with this identifier.
    pub(super) async fn chat(&mut self, identifier: &str) {
        let secret = json!({"secret": SECRET});
        self.send(Method::PUT, "organization/company-secret", secret).await;
        let (menu, agent) = (self.first_of("menus").await, self.first_of("agents").await);
        let user = json!({"identifier": identifier, "name": self.word(), "email": self.email(),
            "phone": self.number()});
        let user = self.numbered("end_users", user).await;
        let content = json!([{"type": "text", "text": self.word()},
            {"type": "buttons", "buttons": [{"label": self.word(), "selected": true}]},
            {"type": "media", "media": {"type": "image", "url": self.url()}}]);
        let answered = json!([{"type": "text", "text": self.word()}]);
        let transcript = json!([{"sender": "end_user", "timestamp": "2021-03-15 12:00:00Z", "content": content},
            {"sender": "agent", "content": answered}]);
        let context = json!({"value": {self.word(): {"nested": self.word()}}});
        let chat = json!({"menu_id": menu, "end_user_id": user, "lang": "en", "context": context,
            "transcript": {"transcript": transcript}});
        let chat = self.numbered("chats", json!({"chat": chat})).await;
        self.conversations.insert(chat);
        let path = |rest: &str| format!("chats/{chat}/{rest}");

        let item = json!({"label": self.word(), "value": self.word(), "invisible_to_agent": true});
        let items = json!({self.word(): item, self.word(): {"value": self.url(), "type": "url"},
            "reserved_bad_actor": {"value": true, "type": "boolean"}});
        let data = json!({"signed": false, "data": items});
        self.ask(Method::POST, &path("custom_data"), data).await;
        let token = signed(&json!({self.word(): {"label": self.word(), "value": self.word()}}));
        let data = json!({"signed": true, "signed_data": token});
        self.ask(Method::POST, &path("custom_data"), data).await;

        let text = self.word();
        self.say(chat, user, &text).await;
        self.escalate(chat).await;
        let claim = json!({"agentId": self.agent});
        self.send(Method::PUT, &format!("conversations/{chat}/claim"), claim)
            .await;
        let text = self.word();
        self.say(chat, agent, &text).await;
        let update = json!({"identifier": identifier, "name": self.word(), "email": self.email(),
            "phone": self.number()});
        self.ask(Method::POST, &path("end-user"), update).await;
        let finish = json!({"finished_by_user_id": user, "chat": {"status": "finished"}});
        self.ask(Method::PATCH, &format!("chats/{chat}"), finish).await;
        self.send(Method::PUT, &format!("conversations/{chat}/reopen"), json!({}))
            .await;
        // Open when it is anonymized, and told with what was updated.
        self.escalate(chat).await;
    }

    /// A chat that somebody else has taken over; who had it before.
    pub(super) async fn former_chat(&mut self) -> String {
        let menu = self.first_of("menus").await;
        let user = json!({"identifier": self.word(), "name": self.word()});
        let user = self.numbered("end_users", user).await;
        let chat = json!({"chat": {"menu_id": menu, "end_user_id": user, "email": self.email()},
            "end_user": {"phone": self.number()}});
        let chat = self.numbered("chats", chat).await;
        let text = self.word();
        self.say(chat, user, &text).await;
        self.escalate(chat).await;
        let shown = self.caller.get(format!("/v1/conversations/{chat}")).send().await;
        let former = shown.json()["data"]["requesterId"].as_str().unwrap().to_owned();
        let update = json!({"identifier": "harriet", "name": "Harriet"});
        self.ask(Method::POST, &format!("chats/{chat}/end_user"), update).await;
        former
    }
}
