//! Writes what can be told apart from everything else, wherever an end user's words can be written.

mod chats;

use std::collections::BTreeSet;

use journeys::stores::connect;
use journeys::{Caller, Reply, System};
use platform::OrgId;
use proto::conversation::v1 as wire;
use reqwest::Method;
use serde_json::{Value, json};

/// Every planted word begins so.
pub(crate) const ROOT: &str = "kanarie";
/// Every planted number has this in it.
pub(crate) const NUMBERS: &str = "4599887";
/// The address of somebody who is not anonymized.
pub(crate) const INNOCENT: &str = "harry@home.example";

pub(crate) struct Garden {
    caller: Caller,
    planted: BTreeSet<String>,
    in_a_message: String,
    conversations: BTreeSet<i64>,
    /// A conversation of somebody else.
    of_another: i64,
    /// A request that was answered with what is planted, under the key `0`.
    first: Value,
    keys: usize,
    agent: String,
    queue: String,
    contact_attribute: String,
    conversation_attribute: String,
    org: OrgId,
}

impl Garden {
    /// What the organization itself has: nothing of it is anybody's.
    pub(crate) async fn new(system: &System) -> Self {
        let mut database = connect(system.database_url()).await;
        let org = sqlx::query_scalar("select org_id from settings.organizations where subdomain = 'demo'")
            .fetch_one(&mut database)
            .await
            .unwrap();
        let mut garden = Self {
            caller: system.caller(),
            planted: BTreeSet::new(),
            in_a_message: String::new(),
            conversations: BTreeSet::new(),
            of_another: 0,
            first: Value::Null,
            keys: 0,
            agent: String::new(),
            queue: String::new(),
            contact_attribute: String::new(),
            conversation_attribute: String::new(),
            org: OrgId(org),
        };
        let agent = json!({"displayName": "Dale", "email": "dale@shop.example"});
        garden.agent = garden.made("agents", agent).await;
        let queue = json!({"request": {"name": "Desk", "isDefault": true, "isDoNotOfferEnabled": false}});
        garden.queue = garden.made("queues", queue).await;
        let attribute = |entity: &str| {
            json!({"entityType": entity, "identifier": "canary", "label": "Canary",
                   "inputDefinition": {"_type": "Text"}, "isRequired": false})
        };
        garden.contact_attribute = garden.made("custom-attributes", attribute("Contact")).await;
        garden.conversation_attribute = garden.made("custom-attributes", attribute("Conversation")).await;
        garden
    }

    pub(crate) fn planted(&self) -> &BTreeSet<String> {
        &self.planted
    }

    pub(crate) fn planted_in_a_message(&self) -> &str {
        &self.in_a_message
    }

    pub(crate) fn of_another(&self) -> i64 {
        self.of_another
    }

    pub(crate) fn conversations(&self) -> &BTreeSet<i64> {
        &self.conversations
    }

    /// Sends the first request again.
    pub(crate) async fn retry(&self) -> Reply {
        let again = self.caller.post("/v1/endusers/bulk", self.first.clone());
        again.once("canary-first").send().await
    }

    fn word(&mut self) -> String {
        let word = format!("{ROOT}{}x", self.planted.len());
        self.planted.insert(word.clone());
        word
    }

    fn email(&mut self) -> String {
        format!("{}@home.example", self.word())
    }

    fn url(&mut self) -> String {
        format!("https://files.example/{}", self.word())
    }

    fn number(&mut self) -> String {
        let number = format!("+{NUMBERS}{:03}", self.planted.len());
        self.planted.insert(number.clone());
        number
    }

    fn file(&mut self) -> Value {
        json!({"url": self.url(), "prettyName": self.word()})
    }

    /// The `data` of a success, under an idempotency key, so that the answer is kept.
    async fn send(&mut self, method: Method, path: &str, body: Value) -> Value {
        self.keys += 1;
        let request = self.caller.ask(method, format!("/v1/{path}")).json(body);
        let reply = request.once(format!("canary-{}", self.keys)).send().await;
        assert!(reply.status.is_success(), "{path}: {} {}", reply.status, reply.json());
        if reply.body.is_empty() {
            return Value::Null;
        }
        reply.json()["data"].take()
    }

    async fn made(&mut self, kind: &str, body: Value) -> String {
        let made = self.send(Method::POST, kind, body).await;
        made["id"].as_str().unwrap().to_owned()
    }

    async fn begun(&mut self, kind: &str, body: Value) -> i64 {
        let begun = self.send(Method::POST, kind, body).await;
        let id = begun["id"].as_i64().unwrap();
        self.conversations.insert(id);
        id
    }

    /// Plants everything; the end users it is about.
    pub(crate) async fn plant(&mut self, system: &System) -> [String; 2] {
        let person = self.person().await;
        self.begin(&person).await;
        self.import(&person).await;
        if system.is_separate() {
            self.connect(system, &person).await;
        }
        let identifier = self.first["data"][0]["externalId"].as_str().unwrap().to_owned();
        self.chat(&identifier).await;
        [person, self.former_chat().await]
    }

    async fn person(&mut self) -> String {
        self.first = json!({"data": [
            {"displayName": self.word(), "email": self.email(), "phoneNumber": self.number(),
             "additionalEmails": [self.email()], "additionalPhoneNumbers": [self.number()],
             "firstName": self.word(), "lastName": self.word(), "middleNames": [self.word()],
             "avatarUrl": self.url(), "externalId": self.word()},
            {"displayName": "Harry", "email": INNOCENT},
        ]});
        let made = self.caller.post("/v1/endusers/bulk", self.first.clone());
        let made = made.once("canary-first").send().await;
        assert_eq!(made.status, 201, "{}", made.json());
        let made = made.json()["data"].take();
        let id = made[0]["data"]["id"].as_str().unwrap().to_owned();
        let other = made[1]["data"]["id"].as_str().unwrap();
        let chat = json!({"requesterId": other, "widgetId": platform::id::random(), "_type": "Chat",
            "message": {"content": {"value": "of somebody else", "_type": "Text"}, "_type": "Inbound"}});
        let chat = self.send(Method::POST, "conversations", chat).await;
        self.of_another = chat["id"].as_i64().unwrap();
        // Replaced, so that only the first answers know the first ones.
        let changed = json!({"displayName": self.word(), "email": self.email(), "phoneNumber": self.number()});
        self.send(Method::PATCH, &format!("endusers/{id}"), changed).await;
        let changed = json!({"data": [{"id": id, "lastName": self.word()}]});
        self.send(Method::PATCH, "endusers", changed).await;
        let value = json!({self.contact_attribute.clone(): self.word()});
        self.send(Method::PATCH, &format!("endusers/{id}/custom-attributes"), value)
            .await;
        id
    }

    fn inbound(&mut self) -> Value {
        json!({"content": {"value": self.word(), "_type": "Text"}, "attachments": [self.file()],
               "externalId": self.word(), "integrationEmail": self.email(), "_type": "Inbound"})
    }

    fn outbound(&mut self) -> Value {
        json!({"content": {"value": format!("<b>{}</b>", self.word()), "_type": "Html"}, "agentId": self.agent,
               "attachments": [self.file()], "externalId": self.word(), "cc": [self.email()], "bcc": [self.email()],
               "_type": "Outbound"})
    }

    async fn begin(&mut self, person: &str) {
        let callback = json!({"requesterId": person, "direction": "Inbound", "contactEndpointId": self.number(),
            "queueId": self.queue, "_type": "Callback"});
        self.begun("conversations", callback).await;
        let browser = json!({"name": self.word(), "version": self.word(), "ipAddress": self.word(),
            "originatingUrl": self.url()});
        let chat = json!({"requesterId": person, "widgetId": platform::id::random(), "message": self.inbound(),
            "browserInfo": browser, "language": "en", "_type": "Chat"});
        let chat = self.begun("conversations", chat).await;
        let form = json!({"requesterId": person, "emailIntegrationId": self.email(), "subject": self.word(),
            "message": self.inbound(), "language": "da", "_type": "ContactForm"});
        self.begun("conversations", form).await;
        let email = json!({"requesterId": person, "emailIntegrationId": self.email(), "subject": self.word(),
            "message": self.outbound(), "language": "en", "_type": "Email"});
        let email = self.begun("conversations", email).await;
        let sms = json!({"requesterId": person, "contactEndpointId": self.number(), "message": self.outbound(),
            "_type": "Sms"});
        self.begun("conversations", sms).await;
        for id in [chat, email] {
            self.fill(id).await;
        }
        // The others are closed by force.
        self.send(Method::PUT, &format!("conversations/{chat}/close"), json!({}))
            .await;
    }

    /// Adds what can be added to a conversation.
    async fn fill(&mut self, id: i64) {
        let path = |rest: &str| format!("conversations/{id}/{rest}");
        let (inbound, outbound) = (self.inbound(), self.outbound());
        inbound["content"]["value"]
            .as_str()
            .unwrap()
            .clone_into(&mut self.in_a_message);
        self.send(Method::POST, &path("messages"), inbound).await;
        self.send(Method::POST, &path("messages"), outbound).await;
        let note = json!({"message": self.word(), "agentId": self.agent});
        self.send(Method::POST, &path("notes"), note).await;
        let notes = json!({"data": [{"message": self.word()}, {"message": self.word()}]});
        self.send(Method::POST, &path("notes/bulk"), notes).await;
        let value = json!({self.conversation_attribute.clone(): self.word()});
        self.send(Method::PATCH, &path("custom-attributes"), value).await;
        let claim = json!({"agentId": self.agent});
        self.send(Method::PUT, &path("claim"), claim).await;
        self.send(Method::PUT, &path("close"), json!({})).await;
        self.send(Method::PUT, &path("reopen"), json!({})).await;
    }

    async fn import(&mut self, person: &str) {
        let import = json!({
            "genericChannelName": self.word(), "requesterId": person, "requesterConnectionStatus": "Connected",
            "direction": "Inbound", "externalId": self.word(), "createdAt": "2021-12-01T11:00:00.001Z",
            "messages": [
                {"content": {"value": self.word(), "_type": "Text"}, "attachments": [self.file()],
                 "externalId": self.word(), "createdAt": "2021-12-01T13:00:00.003Z", "_type": "InboundImport"},
                // Named in a partial error, which is part of the answer.
                {"content": {"value": "a", "_type": "Text"}, "agentId": platform::id::random(),
                 "externalId": self.word(), "createdAt": "2021-12-01T13:00:00.003Z", "_type": "OutboundImport"},
            ],
            "_type": "GenericConversationImport",
        });
        self.begun("conversations/import", import).await;
    }

    /// What only connectors can write.
    async fn connect(&mut self, system: &System, person: &str) {
        let (mut client, key) = system.connector();
        for kind in 1..=10 {
            let conversation = wire::IngestConversationRequest {
                r#type: kind,
                channel: if kind == 5 { wire::Channel::Messenger.into() } else { 0 },
                requester_id: person.to_owned(),
                direction: wire::Direction::Inbound.into(),
                details: Some(self.details()),
                external_id: Some(self.word()),
                queue_id: None,
            };
            let made = client.ingest_conversation(key.request(self.org, conversation)).await;
            let id = made.unwrap().into_inner().conversation.unwrap().id;
            self.conversations.insert(id);
            // He also writes in the conversation of somebody else.
            for (id, author) in [(id, None), (self.of_another, Some(person.to_owned()))] {
                let message = self.message(id, kind, author);
                client.ingest_message(key.request(self.org, message)).await.unwrap();
            }
        }
    }

    fn message(&mut self, conversation_id: i64, kind: i32, author_id: Option<String>) -> wire::IngestMessageRequest {
        wire::IngestMessageRequest {
            conversation_id,
            r#type: kind,
            direction: wire::Direction::Inbound.into(),
            author_id,
            content: Some(wire::Content {
                r#type: wire::ContentType::Text.into(),
                value: self.word(),
            }),
            attachments: vec![self.attachment()],
            details: Some(self.message_details()),
            external_id: Some(self.word()),
        }
    }

    fn details(&mut self) -> wire::ConversationDetails {
        wire::ConversationDetails {
            subject: Some(self.word()),
            language: Some("da-DK".to_owned()),
            from_email: Some(self.email()),
            to_email: Some(self.email()),
            integration_email: Some(self.email()),
            from_contact_point_id: Some(self.word()),
            to_contact_point_id: Some(self.word()),
            from_number: Some(self.number()),
            to_number: Some(self.number()),
            twitter_conversation_type: Some("Tweet".to_owned()),
            contact_point_twitter_id: Some(self.word()),
            end_user_twitter_id: Some(self.word()),
            browser_info: Some(wire::BrowserInfo {
                name: self.word(),
                version: Some(self.word()),
                ip_address: Some(self.word()),
                originating_url: Some(self.url()),
            }),
            contact_endpoint_id: Some(self.word()),
        }
    }

    fn attachment(&mut self) -> wire::File {
        wire::File {
            url: self.url(),
            pretty_name: Some(self.word()),
        }
    }

    fn contact(&mut self) -> wire::EmailContact {
        wire::EmailContact {
            email: self.email(),
            name: Some(self.word()),
        }
    }

    fn message_details(&mut self) -> wire::MessageDetails {
        wire::MessageDetails {
            from: Some(self.contact()),
            to: vec![self.contact()],
            cc: vec![self.contact()],
            bcc: vec![self.contact()],
            reply_default_to: vec![self.contact()],
            is_auto_reply: false,
            inline_images: vec![self.attachment()],
            delivery_failure_reason: Some(self.word()),
            original_content_url: Some(self.attachment()),
            content_file: Some(self.attachment()),
            is_automated: false,
            from_number: Some(self.number()),
            to_number: Some(self.number()),
            duration: Some(180),
            recording: Some(self.url()),
            integration_email: Some(self.email()),
        }
    }
}
