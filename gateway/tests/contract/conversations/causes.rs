//! The table of operations and causes: what each answers, word for word.

use http::Method;
use serde_json::{Value, json};

use super::failures::NOT_FOUND;
use super::{NOBODY, Office, created, id, inbound, refused};
use crate::support::Answer;

/// What another organization has.
struct Foreign {
    agent: String,
    user: String,
    queue: String,
    tag: String,
    attribute: String,
    conversation: i64,
}

/// An office, and one beside it of which it must not know.
async fn neighbours() -> (Office, Foreign) {
    let mut office = Office::open().await;
    let (_, key) = office.world.organization("other").await;
    let own = std::mem::replace(&mut office.world.key, key);
    let world = &office.world;
    let agent = json!({"displayName": "Dale", "email": "dale@shop.example"});
    let user = created(world, "endusers", json!({"displayName": "Laura"})).await;
    let queue = json!({"request": {"name": "Support", "isDefault": true, "isDoNotOfferEnabled": false}});
    let foreign = Foreign {
        agent: created(world, "agents", agent).await,
        queue: created(world, "queues", queue).await,
        tag: id(&world.post("/v1/tags", json!({"name": "example"})).await),
        attribute: created(world, "custom-attributes", definition("size")).await,
        conversation: {
            let mut body = office.email(&json!({}));
            body["requesterId"] = user.clone().into();
            let made = world.post("/v1/conversations", body).await;
            made.json["data"]["id"].as_i64().unwrap()
        },
        user,
    };
    office.world.key = own;
    (office, foreign)
}

fn definition(identifier: &str) -> Value {
    json!({"entityType": "Conversation", "identifier": identifier, "label": identifier, "inputDefinition": {"_type": "Text"}})
}

fn outbound(agent: &str) -> Value {
    json!({"content": {"value": "a", "_type": "Text"}, "agentId": agent, "_type": "Outbound"})
}

fn callback(office: &Office, queue: &str) -> Value {
    json!({"requesterId": office.user, "direction": "Inbound", "contactEndpointId": "+4511223355", "queueId": queue,
        "_type": "Callback"})
}

fn import(requester: &str, agent: &str) -> Value {
    json!({"genericChannelName": "MyCustomChat", "requesterId": requester, "direction": "Inbound",
        "createdAt": "2021-12-01T11:00:00.001Z",
        "assignment": {"agentId": agent, "assignedAt": "2021-12-01T12:00:00.002Z"}, "_type": "GenericConversationImport"})
}

/// Sends each request and asserts its refusal; a message that begins with `(` is about the body.
async fn all_refused(office: &Office, requests: Vec<(Method, String, Value, u16, &str)>) {
    for (method, path, body, status, message) in requests {
        let request = office.world.request(method.clone(), &format!("/v1/{path}"));
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = Answer::of(request).await;
        let message = if message.starts_with('(') {
            format!("Invalid value for: body {message}")
        } else {
            message.to_owned()
        };
        assert_eq!(
            (answer.status.as_u16(), &answer.json),
            (status, &json!({"message": message})),
            "{method} {path} {body}"
        );
    }
}

#[tokio::test]
async fn nobody_can_use_what_another_organization_has() {
    let (office, foreign) = neighbours().await;
    let c = format!("conversations/{}", office.conversation().await);
    let post = |path: &str, body, status, message| (Method::POST, path.to_owned(), body, status, message);
    let put = |rest: &str, body, status, message| (Method::PUT, format!("{c}/{rest}"), body, status, message);
    let mut stranger = office.email(&json!({}));
    stranger["requesterId"] = foreign.user.clone().into();
    let written = office.email(&outbound(&foreign.agent));
    let of_agent = json!({"userId": foreign.agent});
    let (queue, agent) = (&*office.queue, &*foreign.agent);
    let parent = json!({"parentId": foreign.conversation, "linkType": "Related"});
    all_refused(
        &office,
        vec![
            post("conversations", stranger, 404, NOT_FOUND),
            post("conversations", written, 404, NOT_FOUND),
            post("conversations", callback(&office, &foreign.queue), 404, NOT_FOUND),
            post(
                "conversations/import",
                import(&foreign.user, &office.agent),
                400,
                "Requester does not exist",
            ),
            post(
                "conversations/import",
                import(&office.user, agent),
                400,
                "Agent does not exist",
            ),
            post(
                &format!("{c}/notes"),
                json!({"message": "a", "agentId": agent}),
                400,
                "Agent was not found",
            ),
            post(&format!("{c}/messages"), outbound(agent), 404, NOT_FOUND),
            put("claim", json!({"agentId": agent}), 404, NOT_FOUND),
            put("close", of_agent.clone(), 400, "User not found"),
            put("reopen", of_agent, 400, "User not found"),
            put(
                "transfer/queue",
                json!({"queueId": foreign.queue}),
                400,
                "Queue does not exist",
            ),
            put(
                "transfer/queue",
                json!({"queueId": queue, "userId": agent}),
                400,
                "User not found",
            ),
            put(
                "followup",
                json!({"timestamp": "2999-01-01T00:00:00Z", "userId": agent}),
                400,
                "User not found",
            ),
            put("link", parent, 404, NOT_FOUND),
            put(&format!("tags/{}", foreign.tag), Value::Null, 404, NOT_FOUND),
            (
                Method::DELETE,
                format!("{c}/tags/{}", foreign.tag),
                Value::Null,
                404,
                NOT_FOUND,
            ),
            (
                Method::PATCH,
                format!("{c}/custom-attributes"),
                json!({foreign.attribute.clone(): "a"}),
                400,
                "Invalid input for patching",
            ),
            post(
                "conversations/flows",
                json!({"name": "a", "channel": "Email", "contactEndpointId": "a@b.example", "queueId": foreign.queue}),
                400,
                "(queueId must be a queue of the organization)",
            ),
        ],
    )
    .await;
    let notes = json!({"data": [{"message": "a", "agentId": foreign.agent}, {"message": "b"}]});
    let notes = office.world.post(&format!("/v1/{c}/notes/bulk"), notes).await;
    let words = format!("An agent with id:{} cannot be found in org.", foreign.agent);
    assert_eq!(
        notes.json["data"][0],
        json!({"error": {"message": words}, "_type": "BulkActionFailure"})
    );
    assert_eq!(notes.json["data"][1]["_type"], "BulkActionSuccess");
    let members = json!({"agentIds": [foreign.agent]});
    let members = office
        .world
        .patch(&format!("/v1/queues/{queue}/members"), members)
        .await;
    assert_eq!(
        members.json["data"][0]["error"]["_type"], "NotFound",
        "{}",
        members.text
    );
}

#[tokio::test]
async fn somebody_of_another_role_is_as_good_as_nobody() {
    let office = Office::open().await;
    let c = format!("conversations/{}", office.conversation().await);
    let user = office.user.clone();
    let mut by_agent = office.email(&json!({}));
    by_agent["requesterId"] = office.agent.clone().into();
    let put = |rest: &str, body, status, message| (Method::PUT, format!("{c}/{rest}"), body, status, message);
    all_refused(
        &office,
        vec![
            (Method::POST, "conversations".to_owned(), by_agent, 404, NOT_FOUND),
            (
                Method::POST,
                "conversations".to_owned(),
                office.email(&outbound(&user)),
                404,
                NOT_FOUND,
            ),
            (Method::POST, format!("{c}/messages"), outbound(&user), 404, NOT_FOUND),
            (
                Method::POST,
                format!("{c}/notes"),
                json!({"message": "a", "agentId": user}),
                400,
                "Agent was not found",
            ),
            put("claim", json!({"agentId": user}), 404, NOT_FOUND),
            put(
                "transfer/queue",
                json!({"queueId": office.queue, "userId": user}),
                400,
                "User is not agent/admin",
            ),
            put(
                "followup",
                json!({"timestamp": "2999-01-01T00:00:00Z", "userId": user}),
                400,
                "User is not agent/admin",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_body_that_is_not_as_documented_is_refused_by_the_name_of_its_member() {
    const OBJECT: &str = "(body must be an object)";
    let office = Office::open().await;
    let c = format!("conversations/{}", office.conversation().await);
    let post = |rest: &str, body, message| (Method::POST, format!("{c}/{rest}"), body, 400, message);
    let put = |rest: &str, body, message| (Method::PUT, format!("{c}/{rest}"), body, 400, message);
    let new = |body, message| (Method::POST, "conversations".to_owned(), body, 400, message);
    let large = "a".repeat((32 << 10) + 1);
    let note = json!({"message": "a"});
    let with = |name: &str, value: Value| {
        let mut message = inbound();
        message[name] = value;
        message
    };
    let mut internal = callback(&office, &office.queue);
    internal["direction"] = "Internal".into();
    all_refused(
        &office,
        vec![
            post("notes", json!([]), OBJECT),
            post("notes", json!({}), "(message is required)"),
            post("notes", json!({"message": 7}), "(message must be a string)"),
            post("notes", json!({"message": ""}), "(message must not be empty)"),
            post("notes", json!({"message": large}), "(message must be at most 32 KiB)"),
            post(
                "notes",
                json!({"message": "a", "agentId": "7"}),
                "(agentId must be a UUID)",
            ),
            post("notes/bulk", json!({}), "(data is required)"),
            post("notes/bulk", json!({"data": []}), "(data must have 1 to 100 entries)"),
            post(
                "notes/bulk",
                json!({"data": vec![note; 101]}),
                "(data must have 1 to 100 entries)",
            ),
            post("notes/bulk", json!({"data": [{}]}), "(data[0].message is required)"),
            post("messages", json!({"_type": "Inbound"}), "(content is required)"),
            post(
                "messages",
                with("_type", "Sideways".into()),
                "(_type must be one of Inbound, Outbound)",
            ),
            post(
                "messages",
                with("content", json!({"value": "a"})),
                "(content._type is required)",
            ),
            post(
                "messages",
                with("content", json!({"value": "a", "_type": "Markdown"})),
                "(content._type must be one of Html, Text)",
            ),
            post(
                "messages",
                with("content", json!({"value": large, "_type": "Text"})),
                "(content.value must be at most 32 KiB)",
            ),
            post(
                "messages",
                with("attachments", json!([{"url": "ftp://files.example.com/a"}])),
                "(attachments[0].url must be an absolute http or https URL)",
            ),
            post("messages", outbound("7"), "(agentId must be a UUID)"),
            post("tags/bulk", json!({"data": []}), "(data must have 1 to 100 entries)"),
            post("tags/bulk", json!({"data": [{}]}), "(data[0].name is required)"),
            put("claim", json!({}), "(agentId is required)"),
            put("claim", json!({"agentId": "7"}), "(agentId must be a UUID)"),
            put(
                "claim",
                json!({"agentId": office.agent, "force": "no"}),
                "(force must be a boolean)",
            ),
            put("close", json!({"userId": "7"}), "(userId must be a UUID)"),
            put("close", json!([]), OBJECT),
            put("reopen", json!({"userId": "7"}), "(userId must be a UUID)"),
            put("transfer/queue", json!({}), "(queueId is required)"),
            put("transfer/queue", json!({"queueId": "7"}), "(queueId must be a UUID)"),
            put("followup", json!({}), "(timestamp is required)"),
            put(
                "followup",
                json!({"timestamp": "2020-01-01T00:00:00Z"}),
                "(timestamp must be in the future)",
            ),
            put(
                "link",
                json!({"parentId": 1, "linkType": "Sibling"}),
                "(linkType must be one of Related, SideConversation)",
            ),
            (Method::PATCH, format!("{c}/custom-attributes"), json!([]), 400, OBJECT),
            (
                Method::PATCH,
                format!("{c}/custom-attributes"),
                json!({"x": "a"}),
                400,
                "(x must be a UUID)",
            ),
            new(json!({}), "(_type is required)"),
            new(
                json!({"_type": "WidgetChat"}),
                "(_type must be one of Callback, Chat, ContactForm, Email, Sms)",
            ),
            new(internal, "(direction must be one of Inbound, Outbound)"),
            (
                Method::POST,
                "conversations/import".to_owned(),
                json!({}),
                400,
                "(genericChannelName is required)",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_would_break_a_rule_is_refused_in_its_words() {
    let office = Office::open().await;
    let (child, parent, other) = (
        office.conversation().await,
        office.conversation().await,
        office.conversation().await,
    );
    let linked = json!({"parentId": parent, "linkType": "Related"});
    assert_eq!(office.put(child, "link", linked).await.status, 204);
    let link = |of: i64, to: i64, message| {
        let body = json!({"parentId": to, "linkType": "Related"});
        (Method::PUT, format!("conversations/{of}/link"), body, 400, message)
    };
    let text = created(&office.world, "custom-attributes", definition("size")).await;
    let options = json!([{"label": "x", "value": "x", "nestedOptions": []}]);
    let mut select = definition("kind");
    select["inputDefinition"] = json!({"options": options, "_type": "Select"});
    let select = created(&office.world, "custom-attributes", select).await;
    let attribute = |id: &str, value: Value| {
        let path = format!("conversations/{child}/custom-attributes");
        (
            Method::PATCH,
            path,
            json!({id: value}),
            400,
            "Invalid input for patching",
        )
    };
    all_refused(
        &office,
        vec![
            link(child, child, "a conversation can't be its own parent"),
            link(child, other, "the conversation has a parent already"),
            link(other, child, "links can't be nested"),
            link(parent, other, "links can't be nested"),
            attribute(&text, json!(["x"])),
            attribute(&select, json!("x")),
            attribute(&select, json!(["y"])),
            (
                Method::POST,
                "custom-attributes".to_owned(),
                definition("size"),
                409,
                "the identifier is taken",
            ),
            (
                Method::POST,
                "agents".to_owned(),
                json!({"displayName": "a", "email": "nonsense"}),
                400,
                "(email must be an e-mail address)",
            ),
            (
                Method::POST,
                "endusers".to_owned(),
                json!({"phoneNumber": "nonsense"}),
                400,
                "(phoneNumber must be an E.164 phone number)",
            ),
            (
                Method::PATCH,
                format!("queues/{}/members", office.queue),
                json!({"agentIds": vec![NOBODY; 11]}),
                400,
                "(agentIds must have 1 to 10 entries)",
            ),
            (
                Method::POST,
                "queues".to_owned(),
                json!({"request": {"name": "a", "isDefault": false, "virtualAgentId": NOBODY}}),
                400,
                "(request.virtualAgentId must be a virtual agent of the organization)",
            ),
        ],
    )
    .await;
    let taken = json!({"displayName": "a", "email": "dale@shop.example"});
    let taken = office.world.post("/v1/agents", taken).await;
    let words = format!(
        "Creating Agent in [org={}] failed with [errors=EmailExists]",
        office.world.org.0
    );
    refused(&taken, 400, &words);
    let known = json!({"number": "+4511223355", "functionality": ["Sms"], "_type": "TelephonyEndpoint"});
    created_endpoint(&office, &known).await;
    let again = office.world.post("/v1/contact-endpoints", known).await;
    refused(&again, 409, "the contact endpoint exists already");
}

async fn created_endpoint(office: &Office, body: &Value) {
    let made = office.world.post("/v1/contact-endpoints", body.clone()).await;
    assert_eq!(made.status, 201, "{}", made.text);
}

#[tokio::test]
async fn a_search_that_cannot_be_understood_is_refused_by_its_parameter() {
    let office = Office::open().await;
    let get = |query: &str, message| {
        (
            Method::GET,
            format!("search/conversations?{query}"),
            Value::Null,
            400,
            message,
        )
    };
    let post = |body, message| (Method::POST, "search/conversations".to_owned(), body, 400, message);
    let filter = |field: Value| json!({"filters": {"strategy": "All", "conditions": [{"field": field}]}});
    let is = |values: Value| json!({"values": values, "_type": "IsOneOf"});
    all_refused(
        &office,
        vec![
            get("", "Invalid value for: query parameter query (is required)"),
            get("query=", "Invalid value for: query parameter query (is required)"),
            get(
                "query=a&exactMatch=x",
                "Invalid value for: query parameter exactMatch (must be true or false)",
            ),
            get(
                "query=a&pageLimit=51",
                "Invalid value for: query parameter pageLimit (must be an integer from 1 to 50)",
            ),
            post(json!({"query": {}}), "(query.value is required)"),
            post(
                json!({}),
                "(query.value must not be empty when there are no conditions)",
            ),
            post(
                json!({"filters": {"strategy": "Some"}}),
                "(filters.strategy must be `All` or `Any`)",
            ),
            post(
                filter(json!({"operator": {"values": []}, "_type": "AgentId"})),
                "(filters.conditions[0].field.operator._type is required)",
            ),
            post(
                filter(json!({"operator": is(json!(["pigeon"])), "_type": "Channel"})),
                "(filters.conditions[0].field.operator.values[0] must be a documented word)",
            ),
            post(
                filter(json!({"operator": is(json!(["7"])), "_type": "AgentId"})),
                "(filters.conditions[0].field.operator.values[0] must be a UUID)",
            ),
        ],
    )
    .await;
}
