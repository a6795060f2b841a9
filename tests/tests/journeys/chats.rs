//! One chat on two surfaces: for integrators it is a chat, for agents a conversation. After each step both show it.

use journeys::{Caller, Reply, System, until};
use proto::conversation::v1 as pb;
use reqwest::Method;
use serde_json::{Value, json};

const ESCALATIONS: &str = "handoff:escalations";
const EVENTS: &str = "handoff:events";

/// A virtual agent, two people, and the queues of both.
struct Desk {
    caller: Caller,
    bot: Person,
    dale: Person,
    harry: Person,
    bots: Queue,
    people: Queue,
    /// The number of the end user Laura.
    laura: i64,
}

/// Somebody by the ids of both surfaces.
struct Person {
    id: String,
    number: i64,
}

struct Queue {
    id: String,
    menu: i64,
}

/// A success of the conversation surface.
async fn told(caller: &Caller, method: Method, path: &str, body: Value) -> Value {
    let reply = caller.ask(method, format!("/v1/{path}")).json(body).send().await;
    assert!(reply.status.is_success(), "{reply:?}");
    if reply.body.is_empty() {
        return Value::Null;
    }
    reply.json()["data"].take()
}

async fn ask(caller: &Caller, method: Method, path: &str, body: Value) -> Reply {
    let path = format!("/apps/api/v1/{path}");
    caller.ask(method, path).json(body).send().await
}

/// A success of the chat surface.
async fn shown(caller: &Caller, method: Method, path: &str, body: Value) -> Value {
    let reply = ask(caller, method, path, body).await;
    assert!(reply.status.is_success(), "{reply:?}");
    reply.json()
}

async fn person(caller: &Caller, name: &str, is_virtual: bool) -> Person {
    let email = format!("{name}@journey.example");
    let agent = json!({"displayName": name, "email": email, "isVirtual": is_virtual});
    let made = told(caller, Method::POST, "agents", agent).await;
    let request = pb::GetPersonRequest {
        id: made["id"].as_str().unwrap().to_owned(),
        role: pb::Role::Agent.into(),
    };
    let agent = caller.directory().get_person(caller.grpc(request)).await.unwrap();
    let agent = agent.into_inner().person.unwrap();
    Person {
        id: agent.id,
        number: agent.number,
    }
}

async fn queue(caller: &Caller, name: &str, virtual_agent: Option<&Person>) -> Queue {
    let mut queue = json!({"name": name, "isDefault": virtual_agent.is_none(), "isDoNotOfferEnabled": false});
    if let Some(agent) = virtual_agent {
        queue["virtualAgentId"] = json!(agent.id);
    }
    let made = told(caller, Method::POST, "queues", json!({"request": queue})).await;
    let menus = shown(caller, Method::GET, "menus", Value::Null).await;
    let mut menus = menus.as_array().unwrap().iter();
    let menu = menus.find(|menu| menu["name"] == name).unwrap();
    Queue {
        id: made["id"].as_str().unwrap().to_owned(),
        menu: menu["id"].as_i64().unwrap(),
    }
}

impl Desk {
    async fn open(system: &System) -> Self {
        let caller = system.caller();
        let bot = person(&caller, "botty", true).await;
        let laura = json!({"identifier": "laura", "name": "Laura", "email": "laura@journey.example"});
        let laura = shown(&caller, Method::POST, "end_users", laura).await;
        Self {
            dale: person(&caller, "dale", false).await,
            harry: person(&caller, "harry", false).await,
            bots: queue(&caller, "Bots", Some(&bot)).await,
            people: queue(&caller, "People", None).await,
            laura: laura["id"].as_i64().unwrap(),
            bot,
            caller,
        }
    }

    async fn begin(&self, queue: &Queue) -> OneThing<'_> {
        let chat = json!({"menu_id": queue.menu, "end_user_id": self.laura,
            "context": {"value": {"order": "4711"}}});
        let chat = shown(&self.caller, Method::POST, "chats", json!({"chat": chat})).await;
        let id = chat["id"].as_i64().unwrap();
        OneThing { desk: self, id }
    }

    async fn escalations(&self, query: &str) -> Vec<Value> {
        let page = self.caller.get(format!("/v1/escalations?{query}")).data().await;
        page["escalations"].as_array().unwrap().clone()
    }
}

/// A chat that is a conversation.
struct OneThing<'a> {
    desk: &'a Desk,
    id: i64,
}

impl OneThing<'_> {
    async fn as_chat(&self, method: Method, rest: &str, body: Value) -> Value {
        let path = format!("chats/{}{rest}", self.id);
        shown(&self.desk.caller, method, &path, body).await
    }

    async fn as_conversation(&self, method: Method, rest: &str, body: Value) -> Value {
        let path = format!("conversations/{}{rest}", self.id);
        told(&self.desk.caller, method, &path, body).await
    }

    /// Both surfaces show it like this, with whom; the chat.
    async fn is(&self, status: &str, state: &str, holder: Option<&Person>, queue: &Queue) -> Value {
        let chat = self.as_chat(Method::GET, "", Value::Null).await;
        let conversation = self.as_conversation(Method::GET, "", Value::Null).await;
        assert_eq!((&chat["id"], &conversation["id"]), (&json!(self.id), &json!(self.id)));
        assert_eq!(
            (&chat["status"], &conversation["state"]),
            (&json!(status), &json!(state)),
            "{chat} {conversation}"
        );
        let has = |agent: &str| holder.is_some_and(|holder| chat[agent]["id"] == holder.number);
        let nobody = chat["agent"].is_null() && chat["virtual_agent"].is_null();
        assert!(
            nobody == holder.is_none() && (nobody || has("agent") != has("virtual_agent")),
            "{chat}"
        );
        let agent = holder.map_or(Value::Null, |holder| json!(holder.id));
        assert_eq!(conversation["assignment"]["agentId"], agent, "{conversation}");
        assert_eq!(chat["menus"][0]["id"], queue.menu, "{chat}");
        assert_eq!(conversation["queue"]["id"], queue.id, "{conversation}");
        let ended = chat["ends_at"].as_str().map(|at| at.trim_end_matches('Z'));
        let closed = conversation["stateUpdatedAt"].as_str().filter(|_| state == "Closed");
        assert!(
            ended.is_some() == closed.is_some() && closed.unwrap_or_default().starts_with(ended.unwrap_or_default()),
            "{chat} {conversation}"
        );
        chat
    }

    async fn end_user_says(&self, text: &str) {
        let message = json!({"from_user_id": self.desk.laura, "message": {"type": "text", "content": text}});
        assert_eq!(self.as_chat(Method::POST, "/message", message).await, json!({}));
    }

    async fn virtual_agent_says(&self, text: &str) {
        let message = pb::SendChatMessageRequest {
            chat_id: self.id,
            from_user_id: self.desk.bot.number,
            content: Some(pb::send_chat_message_request::Content::Text(text.to_owned())),
        };
        let caller = &self.desk.caller;
        caller.chats().send_chat_message(caller.grpc(message)).await.unwrap();
    }

    async fn agent_says(&self, agent: &Person, text: &str) {
        let message = json!({"content": {"value": text, "_type": "Text"}, "agentId": agent.id, "_type": "Outbound"});
        self.as_conversation(Method::POST, "/messages", message).await;
    }

    async fn escalate(&self) -> Value {
        let body = json!({"reason": "by_end_user_ask"});
        self.as_chat(Method::POST, "/escalations", body).await
    }

    async fn claim(&self, agent: &Person) {
        let claim = json!({"agentId": agent.id});
        self.as_conversation(Method::PUT, "/claim", claim).await;
    }

    async fn close(&self) {
        self.as_conversation(Method::PUT, "/close", Value::Null).await;
    }

    async fn reopen(&self) {
        self.as_conversation(Method::PUT, "/reopen", Value::Null).await;
    }

    async fn finish(&self) {
        let finish = json!({"finished_by_user_id": self.desk.laura, "chat": {"status": "finished"}});
        self.as_chat(Method::PATCH, "", finish).await;
    }

    /// Who wrote, and what.
    async fn messages(&self) -> Vec<(String, String)> {
        let messages = self.as_conversation(Method::GET, "/messages", Value::Null).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let messages = messages.as_array().unwrap().iter();
        messages
            .map(|message| {
                (
                    text(&message["authorId"]),
                    text(&message["attributes"]["content"]["value"]),
                )
            })
            .collect()
    }
}

/// The events about something, once `count` of them are in the stream, by kind; their sequence has no gap.
async fn heard(system: &mut System, stream: &str, subject: &str, count: usize) -> Vec<(String, Value)> {
    let events = until("every step is in the stream", async || {
        let mut events = system.redis().events(stream).await;
        events.retain(|event| event["subject"] == subject);
        (events.len() >= count).then_some(events)
    })
    .await;
    let numbers: Vec<_> = events.iter().map(|event| event["sequence"].clone()).collect();
    let expected: Vec<_> = (1..=count).map(|number| json!(number.to_string())).collect();
    assert_eq!(numbers, expected);
    let told = events.into_iter().map(|mut event| {
        let kind = event["type"].as_str().unwrap().to_owned();
        (kind, event["data"].take())
    });
    told.collect()
}

fn kinds(told: &[(String, Value)]) -> Vec<&str> {
    told.iter().map(|(kind, _)| &**kind).collect()
}

pub(crate) async fn a_chat_goes_from_the_virtual_agent_to_people_and_is_opened_again(mut system: System) {
    let desk = Desk::open(&system).await;
    let (bots, bot, dale) = (&desk.bots, &desk.bot, &desk.dale);

    // The virtual agent has it, and answers over gRPC.
    let chat = desk.begin(bots).await;
    let begun = chat.is("va_assigned", "Open", Some(bot), bots).await;
    assert_eq!(begun["virtual_agent"]["status"], "waiting");
    chat.end_user_says("Where is my zeppelin?").await;
    chat.virtual_agent_says("In the air.").await;
    let answered = chat.is("va_assigned", "Open", Some(bot), bots).await;
    assert_eq!(answered["virtual_agent"]["status"], "connected");
    let laura = chat.messages().await[0].0.clone();
    let mut said = vec![(laura, "Where is my zeppelin?".to_owned())];
    said.push((bot.id.clone(), "In the air.".to_owned()));
    assert_eq!(chat.messages().await, said);

    // A person is asked for: everybody who looks sees it waiting.
    let escalated = chat.escalate().await;
    assert_eq!(
        (&escalated["chat_id"], &escalated["status"]),
        (&json!(chat.id), &json!("escalating"))
    );
    let queued = chat.is("queued", "Open", None, bots).await;
    assert_eq!(queued["all_virtual_agents"][0]["status"], "finished");
    let [waiting] = &desk.escalations("state=unacknowledged").await[..] else {
        panic!("one escalation waits");
    };
    let id = waiting["id"].as_str().unwrap();
    assert_eq!(
        (&waiting["kind"], &waiting["chatId"], &waiting["number"]),
        (&json!("chat"), &json!(chat.id), &escalated["id"])
    );
    assert_eq!(waiting["visitorEmail"], "laura@journey.example");
    let seen = format!("/v1/escalations/{id}/acknowledge");
    let seen = desk.caller.ask(Method::PUT, seen).data().await;
    assert_eq!(seen["escalation"]["acknowledgedBy"], "developer");

    // Somebody takes the conversation and answers.
    chat.claim(dale).await;
    let taken = chat.is("assigned", "Open", Some(dale), bots).await;
    assert_eq!(
        (&taken["agent"]["name"], &taken["agent"]["status"]),
        (&json!("dale"), &json!("connected"))
    );
    let [resolved] = &desk.escalations("state=resolved&kind=chat").await[..] else {
        panic!("one escalation is resolved");
    };
    assert_eq!(
        (&resolved["id"], &resolved["status"], &resolved["resolvedBy"]),
        (&json!(id), &json!("escalated"), &json!(dale.id))
    );
    chat.agent_says(dale, "It lands at noon.").await;
    said.push((dale.id.clone(), "It lands at noon.".to_owned()));
    assert_eq!(chat.messages().await, said);
    let subject = format!("escalations/{id}");
    let told = heard(&mut system, ESCALATIONS, &subject, 3).await;
    assert_eq!(
        kinds(&told),
        ["escalation.created", "escalation.acknowledged", "escalation.resolved"]
    );
    assert!(told.iter().all(|(_, data)| data["kind"] == "chat"), "{told:?}");
    assert_eq!(told[0].1["lastMessage"]["content"], "Where is my zeppelin?");

    // The end user is done, and after all not.
    chat.finish().await;
    let finished = chat.is("finished", "Closed", Some(dale), bots).await;
    assert_eq!(finished["all_agents"][0]["status"], "finished");
    let message = json!({"from_user_id": desk.laura, "message": {"type": "text", "content": "Hello?"}});
    let late = ask(
        &desk.caller,
        Method::POST,
        &format!("chats/{}/message", chat.id),
        message,
    )
    .await;
    assert_eq!(
        (late.status.as_u16(), late.json()),
        (400, json!({"message": "Chat is already ended"}))
    );
    chat.reopen().await;
    chat.is("queued", "Open", None, bots).await;
    chat.end_user_says("Noon has passed.").await;
    chat.claim(&desk.harry).await;
    let again = chat.is("assigned", "Open", Some(&desk.harry), bots).await;
    let agents: Vec<_> = again["all_agents"].as_array().unwrap().iter().collect();
    assert_eq!(
        [&agents[0]["name"], &agents[1]["name"]],
        [&json!("dale"), &json!("harry")]
    );

    // Whoever hears of chats has heard all of it, whichever surface it came from.
    let told = heard(&mut system, EVENTS, &format!("chats/{}", chat.id), 6).await;
    assert_eq!(
        kinds(&told),
        [
            "chat.created",
            "chat.message_received",
            "chat.message_received",
            "chat.message_received",
            "chat.finished",
            "chat.message_received"
        ]
    );
    assert_eq!(told[0].1["chat"]["context"], json!({"value": {"order": "4711"}}));
    let senders = [1, 2, 3, 5].map(|at: usize| told[at].1["message"]["sender"]["id"].clone());
    assert_eq!(
        senders,
        [desk.laura, bot.number, dale.number, desk.laura].map(Value::from)
    );
}

pub(crate) async fn what_agents_do_with_a_conversation_its_chat_shows(system: System) {
    let desk = Desk::open(&system).await;
    let (bots, people, dale, harry) = (&desk.bots, &desk.people, &desk.dale, &desk.harry);

    // From queue to queue and from hand to hand.
    let chat = desk.begin(people).await;
    chat.is("queued", "Open", None, people).await;
    chat.claim(dale).await;
    let transfer = json!({"queueId": bots.id, "userId": dale.id});
    chat.as_conversation(Method::PUT, "/transfer/queue", transfer).await;
    chat.is("queued", "Open", None, bots).await;
    chat.claim(harry).await;
    let force = json!({"agentId": dale.id, "force": true});
    chat.as_conversation(Method::PUT, "/claim", force).await;
    chat.is("assigned", "Open", Some(dale), bots).await;

    // Put off by the agent, gone on with by the end user.
    let later = json!({"timestamp": "2100-01-01T00:00:00Z", "userId": dale.id});
    chat.as_conversation(Method::PUT, "/followup", later).await;
    chat.is("dismissed", "Pending", Some(dale), bots).await;
    let resumed = chat.as_chat(Method::POST, "/resume", Value::Null).await;
    assert_eq!(resumed["status"], "queued");
    chat.is("queued", "Open", None, bots).await;
    let again = ask(
        &desk.caller,
        Method::POST,
        &format!("chats/{}/resume", chat.id),
        Value::Null,
    )
    .await;
    assert_eq!(again.status, 409, "{again:?}");

    // Closed by the agent who had it.
    chat.claim(dale).await;
    chat.close().await;
    chat.is("finished", "Closed", Some(dale), bots).await;
    chat.close().await;
    chat.is("finished", "Closed", Some(dale), bots).await;

    // Closed before anybody had it, and while it was asked for.
    let other = desk.begin(people).await;
    assert_eq!(other.escalate().await["status"], "escalating");
    other.close().await;
    other.is("canceled", "Closed", None, people).await;
    let [canceled] = &desk.escalations("kind=chat").await[..] else {
        panic!("one escalation");
    };
    assert_eq!(
        (&canceled["chatId"], &canceled["status"], &canceled["state"]),
        (&json!(other.id), &json!("canceled"), &json!("resolved"))
    );
    assert_eq!(canceled["resolvedBy"], Value::Null);
    other.reopen().await;
    other.is("queued", "Open", None, people).await;

    // Nothing of it is left on either surface.
    let request = other
        .as_conversation(Method::PATCH, "/anonymize?force=true", Value::Null)
        .await;
    let request = format!("anonymization/request/{}", request["id"].as_str().unwrap());
    until("the request is processed", async || {
        let request = told(&desk.caller, Method::GET, &request, Value::Null).await;
        request["processedAt"].is_string().then_some(())
    })
    .await;
    let anonymized = other.as_conversation(Method::GET, "", Value::Null).await;
    assert_eq!(anonymized["_type"], "AnonymizedConversation");
    let ended = other.as_chat(Method::GET, "", Value::Null).await;
    assert!(ended["ends_at"].is_string(), "{ended}");
    let [canceled] = &desk.escalations("kind=chat").await[..] else {
        panic!("one escalation");
    };
    assert_eq!(
        (&canceled["visitorName"], &canceled["visitorEmail"]),
        (&Value::Null, &Value::Null)
    );
    let refused = ask(
        &desk.caller,
        Method::POST,
        &format!("chats/{}/resume", other.id),
        Value::Null,
    )
    .await;
    assert!(refused.status.is_client_error(), "{refused:?}");
}

pub(crate) async fn a_queue_that_has_no_room_deflects_until_somebody_would_rather_wait(system: System) {
    let desk = Desk::open(&system).await;
    let bots = &desk.bots;
    let full = pb::ConfigureQueueRequest {
        id: bots.id.clone(),
        max_queue_size: Some(0),
        ..Default::default()
    };
    let caller = &desk.caller;
    caller.chats().configure_queue(caller.grpc(full)).await.unwrap();

    let chat = desk.begin(bots).await;
    let deflecting = chat.escalate().await;
    assert_eq!(deflecting["status"], "deflecting");
    chat.is("va_assigned", "Open", Some(&desk.bot), bots).await;
    let [waiting] = &desk.escalations("state=unacknowledged").await[..] else {
        panic!("one escalation waits");
    };
    assert_eq!(waiting["status"], "deflecting");
    let choose = async |channel: &str| {
        let path = format!("/escalations/{}", deflecting["id"]);
        chat.as_chat(Method::PATCH, &path, json!({"deflection_channel": channel}))
            .await
    };
    assert_eq!(choose("human_agent").await["status"], "escalating");
    chat.is("queued", "Open", None, bots).await;
    chat.claim(&desk.dale).await;
    chat.is("assigned", "Open", Some(&desk.dale), bots).await;
    assert_eq!(desk.escalations("state=resolved").await[0]["status"], "escalated");

    let mailed = desk.begin(bots).await;
    let deflecting = mailed.escalate().await;
    let change = json!({"chat": {"status": "finished", "escalation_id": deflecting["id"],
        "deflection_channel": "email"}});
    mailed.as_chat(Method::PATCH, "", change).await;
    mailed.is("finished", "Closed", Some(&desk.bot), bots).await;
    assert_eq!(desk.escalations("limit=1").await[0]["status"], "deflected");
}
