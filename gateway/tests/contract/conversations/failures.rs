//! Every documented cause of a 400, 404 and 409, and what the edge refuses.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{NOBODY, Office, created, inbound, refused};
use crate::support::{Answer, World};

pub(super) const NOT_FOUND: &str = "The requested resource could not be found";
const UNAUTHORIZED: &str = "User is unauthorized to perform an underlying operation";

/// Operations on one conversation, with a body that is fine.
fn operations() -> Vec<(Method, &'static str, Value)> {
    vec![
        (Method::GET, "", Value::Null),
        (Method::GET, "/messages", Value::Null),
        (Method::GET, "/notes", Value::Null),
        (Method::GET, "/tags", Value::Null),
        (Method::GET, "/linked", Value::Null),
        (Method::GET, "/activitylog", Value::Null),
        (Method::POST, "/notes", json!({"message": "a"})),
        (Method::POST, "/notes/bulk", json!({"data": [{"message": "a"}]})),
        (Method::POST, "/messages", inbound()),
        (Method::POST, "/tags/bulk", json!({"data": [{"name": "a"}]})),
        (Method::PUT, "/claim", json!({"agentId": "AGENT"})),
        (Method::PUT, "/close", json!({})),
        (Method::PUT, "/reopen", json!({})),
        (Method::PUT, "/transfer/queue", json!({"queueId": "QUEUE"})),
        (Method::PUT, "/followup", json!({"timestamp": "2999-01-01T00:00:00Z"})),
        (Method::PUT, "/tags/TAG", Value::Null),
        (Method::DELETE, "/tags/TAG", Value::Null),
        (Method::PATCH, "/custom-attributes", json!({})),
    ]
}

async fn send(world: &World, method: Method, path: &str, body: &Value) -> Answer {
    let request = world.request(method, path);
    Answer::of(if body.is_null() { request } else { request.json(body) }).await
}

#[tokio::test]
async fn an_id_that_is_none_is_a_400_and_one_of_nothing_a_404() {
    let office = Office::open().await;
    let world = &office.world;
    let known = |text: &str| {
        text.replace("AGENT", &office.agent)
            .replace("QUEUE", &office.queue)
            .replace("TAG", &office.tag)
    };
    for (method, rest, body) in operations() {
        let body: Value = serde_json::from_str(&known(&body.to_string())).unwrap();
        let rest = known(rest);
        for malformed in ["x", "1.5", "99999999999999999999", "%20"] {
            let path = format!("/v1/conversations/{malformed}{rest}");
            let answer = send(world, method.clone(), &path, &body).await;
            refused(&answer, 400, "Invalid value for: path parameter conversationId");
        }
        for absent in ["999999", "-1"] {
            let path = format!("/v1/conversations/{absent}{rest}");
            refused(&send(world, method.clone(), &path, &body).await, 404, NOT_FOUND);
        }
    }
    let id = office.conversation().await;
    for method in [Method::PUT, Method::DELETE] {
        let path = format!("/v1/conversations/{id}/tags/7");
        let answer = send(world, method.clone(), &path, &Value::Null).await;
        refused(&answer, 400, "Invalid value for: path parameter tagId");
        let path = format!("/v1/conversations/{id}/tags/{NOBODY}");
        refused(&send(world, method, &path, &Value::Null).await, 404, NOT_FOUND);
    }
    for (kind, name) in [
        ("agents", "agentId"),
        ("endusers", "userId"),
        ("queues", "queueId"),
        ("tags", "tagId"),
        ("teams", "teamId"),
        ("custom-attributes", "customAttributeId"),
    ] {
        let message = format!("Invalid value for: path parameter {name}");
        refused(&world.get(&format!("/v1/{kind}/7")).await, 400, &message);
        refused(&world.get(&format!("/v1/{kind}/{NOBODY}")).await, 404, NOT_FOUND);
    }
    refused(
        &world.get("/v1/contact-endpoints/nonsense").await,
        400,
        "The id is neither a valid email nor a valid E.164 phone number",
    );
    refused(&world.get("/v1/contact-endpoints/a@b.example").await, 404, NOT_FOUND);
    refused(&world.get("/v1/contact-endpoints/+4599887766").await, 404, NOT_FOUND);
}

#[tokio::test]
async fn what_another_organization_has_does_not_exist() {
    let mut office = Office::open().await;
    let id = office.conversation().await;
    let (_, key) = office.world.organization("other").await;
    office.world.key = key;
    refused(&office.read(id, "").await, 404, NOT_FOUND);
    for (kind, id) in [
        ("agents", &office.agent),
        ("endusers", &office.user),
        ("queues", &office.queue),
        ("tags", &office.tag),
    ] {
        refused(&office.world.get(&format!("/v1/{kind}/{id}")).await, 404, NOT_FOUND);
    }
    let answer = office.world.post("/v1/conversations", office.email(&json!({}))).await;
    refused(&answer, 404, NOT_FOUND);
}

#[tokio::test]
async fn each_documented_cause_has_its_words() {
    let office = Office::open().await;
    let world = &office.world;
    let id = office.conversation().await;
    let notes = format!("/v1/conversations/{id}/notes");
    let messages = format!("/v1/conversations/{id}/messages");
    let note = world.post(&notes, json!({"message": "a", "agentId": NOBODY})).await;
    refused(&note, 400, "Agent was not found");
    let note = world
        .post(&notes, json!({"message": "a", "createdAt": "yesterday"}))
        .await;
    refused(
        &note,
        400,
        "Invalid value for: body (createdAt must be a date and time, for example 2021-12-01T12:46:36.581Z)",
    );

    let mut message = inbound();
    message["externalId"] = "42".into();
    assert_eq!(world.post(&messages, message.clone()).await.status, StatusCode::OK);
    refused(&world.post(&messages, message).await, 400, "Duplicate externalId");
    let again = office.email(&json!({"externalId": "42"}));
    refused(
        &world.post("/v1/conversations", again).await,
        400,
        "Duplicate externalId",
    );
    let callback = json!({"requesterId": office.user, "direction": "Inbound", "contactEndpointId": "+4511223355",
        "queueId": office.queue, "_type": "Callback"});
    let callback = world.post("/v1/conversations", callback).await;
    assert_eq!(callback.status, StatusCode::CREATED, "{}", callback.text);
    let path = format!("/v1/conversations/{}/messages", callback.json["data"]["id"]);
    refused(
        &world.post(&path, inbound()).await,
        400,
        "Unsupported ConversationChannel",
    );

    for rest in ["close", "reopen"] {
        let answer = office.put(id, rest, json!({"userId": NOBODY})).await;
        refused(&answer, 400, "User not found");
        let answer = office.put(id, rest, json!({"userId": office.user})).await;
        refused(&answer, 400, "User is not agent/admin");
    }
    let answer = office.put(id, "transfer/queue", json!({"queueId": NOBODY})).await;
    refused(&answer, 400, "Queue does not exist");
    let body = json!({"queueId": office.queue, "userId": NOBODY});
    refused(&office.put(id, "transfer/queue", body).await, 400, "User not found");

    assert_eq!(
        office.put(id, "claim", json!({"agentId": office.agent})).await.status,
        204
    );
    let claim = |agent: &str| json!({"agentId": agent, "force": false});
    let taken = office.put(id, "claim", claim(&office.other)).await;
    assert_eq!(taken.status, StatusCode::CONFLICT, "{}", taken.text);
    assert!(
        taken.json["message"].as_str().unwrap().contains(&office.agent),
        "{}",
        taken.text
    );
    assert_eq!(office.put(id, "claim", claim(&office.agent)).await.status, 204);
    refused(
        &office.put(id, "claim", json!({"agentId": NOBODY})).await,
        404,
        NOT_FOUND,
    );

    let path = format!("/v1/tags/{}/deactivate", office.tag);
    assert_eq!(Answer::of(world.request(Method::PATCH, &path)).await.status, 204);
    let tag = Answer::of(world.request(Method::PUT, &format!("/v1/conversations/{id}/tags/{}", office.tag))).await;
    refused(&tag, 400, "Only active tags can be used to tag conversations");

    let path = format!("/v1/conversations/{id}/custom-attributes");
    let answer = world.patch(&path, json!({NOBODY: "a"})).await;
    refused(&answer, 400, "Invalid input for patching");
    let definition = json!({"entityType": "Conversation", "identifier": "size", "label": "Size",
        "inputDefinition": {"_type": "Text"}, "isDeactivated": true});
    let definition = created(world, "custom-attributes", definition).await;
    let answer = world.patch(&path, json!({definition: "a"})).await;
    refused(&answer, 400, "Invalid input for patching");

    let import = |requester: &str, agent: &str| {
        json!({"genericChannelName": "MyCustomChat", "requesterId": requester, "direction": "Inbound",
            "createdAt": "2021-12-01T11:00:00.001Z", "messages": [],
            "assignment": {"agentId": agent, "assignedAt": "2021-12-01T12:00:00.002Z"}, "_type": "GenericConversationImport"})
    };
    let answer = world
        .post("/v1/conversations/import", import(NOBODY, &office.agent))
        .await;
    refused(&answer, 400, "Requester does not exist");

    let answer = world.get("/v1/agents?email=a@b.example&phone=%2B4511").await;
    refused(&answer, 400, "Cannot provide both phone number and email address");
    let answer = world.get("/v1/conversations/flows?channel=Twitter").await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    let message = answer.json["message"].as_str().unwrap();
    assert!(
        message.starts_with("Invalid value for: query parameter channel"),
        "{message}"
    );
}

#[tokio::test]
async fn a_union_without_its_type_is_refused_by_name() {
    let office = Office::open().await;
    let mut body = office.email(&json!({}));
    body.as_object_mut().unwrap().remove("_type");
    let answer = office.world.post("/v1/conversations", body).await;
    refused(&answer, 400, "Invalid value for: body (_type is required)");
    let body = office.email(&json!({"_type": "Sideways"}));
    let answer = office.world.post("/v1/conversations", body).await;
    refused(
        &answer,
        400,
        "Invalid value for: body (message._type must be one of Inbound, Outbound)",
    );
    let body = office.email(&json!({"_type": "Outbound"}));
    let answer = office.world.post("/v1/conversations", body).await;
    refused(&answer, 400, "Invalid value for: body (message.agentId is required)");
}

#[tokio::test]
async fn what_the_edge_refuses_is_told_in_the_words_of_the_paths_owner() {
    let world = World::new().await;
    let tags = format!("{}/v1/tags", world.url);
    for prefix in ["", "/api"] {
        let path = format!("{}{prefix}/v1/conversations/1", world.url);
        let answer = Answer::of(world.http.get(path)).await;
        refused(&answer, 401, UNAUTHORIZED);
    }
    let answer = Answer::of(world.http.get(&tags).bearer_auth("nonsense")).await;
    refused(&answer, 401, UNAUTHORIZED);
    let (_, key) = world.key(world.org, &["threads:read"]).await;
    let answer = Answer::of(world.http.get(&tags).bearer_auth(&key)).await;
    refused(&answer, 403, UNAUTHORIZED);
    let search = format!("{}/v1/search/conversations?query=a", world.url);
    refused(
        &Answer::of(world.http.get(search).bearer_auth(&key)).await,
        401,
        UNAUTHORIZED,
    );
    // The bare key is an authorization, too.
    let bare = world.http.get(&tags).header("authorization", &world.key);
    assert_eq!(Answer::of(bare).await.status, 200);

    refused(&world.get("/v1/conversations/1/nothing").await, 404, NOT_FOUND);
    let answer = world.send(Method::DELETE, "/v1/tags", json!({})).await;
    refused(&answer, 405, "The method is not allowed here");
    assert_eq!(answer.headers["allow"], "GET,HEAD,POST");
    let form = world.request(Method::POST, "/v1/tags").body("name=a");
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    let message = "The Content-Type of the request body must be application/json";
    refused(&Answer::of(form).await, 415, message);
    let huge = world.request(Method::POST, "/v1/tags").body(vec![b' '; 2 << 20]);
    refused(&Answer::of(huge).await, 413, "body must be at most 1048576 bytes");
    let tag = async |name: &str| {
        let request = world.request(Method::POST, "/v1/tags").header("idempotency-key", "k");
        Answer::of(request.json(&json!({"name": name}))).await
    };
    assert_eq!(tag("a").await.status, 200);
    let reused = tag("b").await;
    assert_eq!(reused.status, 422, "{}", reused.text);
    assert!(reused.json["message"].is_string() && reused.json.as_object().unwrap().len() == 1);

    // Nobody's path is answered by the threads dialect.
    world.get("/v1/nothing").await.is_error(404, "PATH_NOT_FOUND");
}
