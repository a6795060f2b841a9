//! Every JSON example of the source document, ratings aside. Ids are substituted, and times come without `[GMT]`.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Office, created};
use crate::shape::assert_same_shape;
use crate::support::Answer;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../conversations/fixtures/", $name, ".json"))
    };
}

/// Asserts that the answer has the members of the document, in its order and no others.
fn alike(document: &str, answer: &Answer) {
    assert_same_shape(&document.replace("[GMT]", ""), &answer.text, &[]);
}

/// The document with other ids in place of its own.
fn with(document: &str, ids: &[(&str, &str)]) -> Value {
    let mut value: Value = serde_json::from_str(document).unwrap();
    for (pointer, id) in ids {
        *value.pointer_mut(pointer).unwrap() = (*id).into();
    }
    value
}

#[tokio::test]
async fn creating_and_importing_a_conversation() {
    let office = Office::open().await;
    let world = &office.world;
    let body = with(
        fixture!("post-conversations.request"),
        &[("/requesterId", &office.user)],
    );
    let made = world.post("/v1/conversations", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    alike(fixture!("post-conversations.response"), &made);

    let ids = [("/requesterId", &*office.user), ("/assignment/agentId", &office.agent)];
    let body = with(fixture!("post-conversations-import.request"), &ids);
    let made = world.post("/v1/conversations/import", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    alike(fixture!("post-conversations-import.response"), &made);
    let errors = made.json["data"]["partialErrors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "only the empty message can't be used: {errors:?}");
    let shown = world
        .get(&format!("/v1/conversations/{}", made.json["data"]["id"]))
        .await;
    assert_eq!(shown.json["data"]["_type"], "GenericConversation");
    assert_eq!(shown.json["data"]["createdAt"], "2021-12-01T11:00:00.001000Z");
    assert_eq!(shown.json["data"]["assignment"]["agentId"], office.agent.as_str());
}

#[tokio::test]
async fn notes_messages_and_tags() {
    let office = Office::open().await;
    let (world, id) = (&office.world, office.conversation().await);
    let path = |rest: &str| format!("/v1/conversations/{id}/{rest}");

    let body = with(
        fixture!("post-conversation-notes.request"),
        &[("/agentId", &office.agent)],
    );
    let note = world.post(&path("notes"), body).await;
    assert_eq!(note.status, StatusCode::OK, "{}", note.text);
    alike(fixture!("post-conversation-notes.response"), &note);
    assert_eq!(note.json["data"]["createdAt"], "2021-12-01T12:46:36.581000Z");
    assert_eq!(note.json["data"]["csid"], id);

    let mut body = with(
        fixture!("post-conversation-notes-bulk.request"),
        &[("/data/0/agentId", &office.agent)],
    );
    body["data"][1]["agentId"] = super::NOBODY.into();
    let notes = world.post(&path("notes/bulk"), body).await;
    assert_eq!(notes.status, StatusCode::OK, "{}", notes.text);
    let document: Value = serde_json::from_str(fixture!("post-conversation-notes-bulk.response")).unwrap();
    for at in 0..2 {
        let (wanted, given) = (&document["data"][at], &notes.json["data"][at]);
        assert_eq!(wanted["_type"], given["_type"], "{}", notes.text);
        assert_same_shape(&wanted.to_string().replace("[GMT]", ""), &given.to_string(), &[]);
    }
    alike(
        fixture!("get-conversation-notes.response"),
        &office.read(id, "/notes").await,
    );

    let body = with(fixture!("post-conversation-messages.request"), &[]);
    let message = world.post(&path("messages"), body).await;
    assert_eq!(message.status, StatusCode::OK, "{}", message.text);
    alike(fixture!("post-conversation-messages.response"), &message);
    let body = json!({"content": {"value": "a", "_type": "Text"}, "agentId": office.agent, "externalId": "13244",
        "_type": "Outbound"});
    assert_eq!(world.post(&path("messages"), body).await.status, StatusCode::OK);
    let messages = office.read(id, "/messages").await;
    let last = messages.json["data"].as_array().unwrap().last().unwrap();
    let document: Value = serde_json::from_str(fixture!("get-conversation-messages.response")).unwrap();
    for member in document["data"][0].as_object().unwrap().keys() {
        assert!(last.get(member).is_some(), "{member} is missing in {last}");
    }
    assert_eq!(last["attributes"]["_type"], "EmailAttributes");

    let tag = Answer::of(world.request(Method::PUT, &path(&format!("tags/{}", office.tag)))).await;
    assert_eq!((tag.status, &*tag.text), (StatusCode::NO_CONTENT, ""));
    let tags = office.read(id, "/tags").await;
    alike(fixture!("get-conversation-tags.response"), &tags);
    assert_eq!(tags.json["data"].as_array().unwrap().len(), 1);
    let untag = Answer::of(world.request(Method::DELETE, &path(&format!("tags/{}", office.tag)))).await;
    assert_eq!((untag.status, &*untag.text), (StatusCode::NO_CONTENT, ""));
    let bulk = world.post(&path("tags/bulk"), json!({"data": [{"name": "new"}]})).await;
    assert_eq!((bulk.status, &*bulk.text), (StatusCode::ACCEPTED, ""));
}

#[tokio::test]
async fn moving_a_conversation() {
    let office = Office::open().await;
    let id = office.conversation().await;
    let by = |document, pointer| with(document, &[(pointer, &office.agent)]);
    let claim = by(fixture!("put-conversation-claim.request"), "/agentId");
    let close = by(fixture!("put-conversation-close.request"), "/userId");
    let reopen = by(fixture!("put-conversation-reopen.request"), "/userId");
    let mut transfer = by(fixture!("put-conversation-transfer-queue.request"), "/userId");
    transfer["queueId"] = office.queue.clone().into();
    for (rest, body, state) in [
        ("claim", claim, "Open"),
        ("close", close, "Closed"),
        ("reopen", reopen, "Open"),
        ("transfer/queue", transfer, "Open"),
        ("close", json!({}), "Closed"),
        ("reopen", json!({}), "Open"),
        ("followup", json!({"timestamp": "2999-01-01T00:00:00Z[GMT]"}), "Pending"),
    ] {
        let answer = office.put(id, rest, body).await;
        assert_eq!((answer.status, &*answer.text), (StatusCode::NO_CONTENT, ""), "{rest}");
        assert_eq!(office.read(id, "").await.json["data"]["state"], state, "{rest}");
    }
    // Without any body, whatever the header says of it.
    for (rest, state) in [("close", "Closed"), ("reopen", "Open")] {
        let request = office
            .world
            .request(Method::PUT, &format!("/api/v1/conversations/{id}/{rest}"));
        let answer = Answer::of(request.header("content-type", "application/json")).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text);
        assert_eq!(office.read(id, "").await.json["data"]["state"], state, "{rest}");
    }
}

#[tokio::test]
async fn showing_a_chat_with_everything_it_can_have() {
    let office = Office::open().await;
    let world = &office.world;
    let parent = office.conversation().await;
    let browser = json!({"name": "Chrome 9", "version": "91.0.4472.114", "ipAddress": "127.0.0.1",
        "originatingUrl": "http://localhost:3000/"});
    let body = json!({"requesterId": office.user, "widgetId": super::NOBODY, "message": super::inbound(),
        "browserInfo": browser, "language": "en", "_type": "Chat"});
    let chat = world.post("/v1/conversations", body).await;
    assert_eq!(chat.status, StatusCode::CREATED, "{}", chat.text);
    let chat = chat.json["data"]["id"].as_i64().unwrap();
    let email = office.conversation().await;
    for (id, agent) in [(chat, &office.agent), (email, &office.other)] {
        let claim = office.put(id, "claim", json!({"agentId": agent})).await;
        assert_eq!(claim.status, StatusCode::NO_CONTENT, "{}", claim.text);
        let link = json!({"parentId": parent, "linkType": "SideConversation"});
        assert_eq!(office.put(id, "link", link).await.status, StatusCode::NO_CONTENT);
    }

    let text = json!({"entityType": "Conversation", "identifier": "conversation_attribute",
        "label": "Conversation attribute", "inputDefinition": {"_type": "Text"}, "isRequired": false});
    let text = created(world, "custom-attributes", text).await;
    let option = |name: &str, nested: Value| json!({"label": name, "value": name, "nestedOptions": nested});
    let options = json!([option("str1", json!([option("str2", json!([]))]))]);
    let select = json!({"entityType": "Conversation", "identifier": "conversation_attribute_2",
        "label": "Conversation attribute 2", "inputDefinition": {"options": options, "_type": "Select"}});
    let select = created(world, "custom-attributes", select).await;
    let document: Value = serde_json::from_str(fixture!("patch-conversation-custom-attributes.request")).unwrap();
    let mut values = document.as_object().unwrap().values();
    let body = json!({text: values.next().unwrap(), (select.as_str()): values.next().unwrap()});
    let path = format!("/v1/conversations/{chat}/custom-attributes");
    let patched = world.patch(&path, body).await;
    assert_eq!(patched.status, StatusCode::OK, "{}", patched.text);
    let document: Value = serde_json::from_str(fixture!("patch-conversation-custom-attributes.response")).unwrap();
    for wanted in document["data"].as_array().unwrap() {
        let given = patched.json["data"].as_array().unwrap();
        let given = given.iter().find(|given| given["identifier"] == wanted["identifier"]);
        assert_eq!(given.unwrap()["value"], wanted["value"]);
        assert_eq!(given.unwrap()["name"], wanted["name"]);
    }
    assert_eq!(
        world.patch(&path, json!({select: null})).await.json,
        json!({"data": []})
    );

    let shown = office.read(chat, "").await;
    // The direction of an example is one of two words; that it was inbound is our choice.
    alike(fixture!("get-conversation.response"), &shown);
    assert_eq!(shown.json["data"]["link"]["parentId"], parent);
    let linked = office.read(parent, "/linked").await;
    let linked = linked.json["data"].as_array().unwrap().iter();
    let given = linked.clone().find(|child| child["id"] == email).unwrap();
    let document: Value = serde_json::from_str(fixture!("get-conversation-linked.response")).unwrap();
    assert_same_shape(&document["data"][0].to_string(), &given.to_string(), &[]);
    assert_eq!(linked.count(), 2);
}

#[tokio::test]
async fn the_activity_log_and_the_flows() {
    let office = Office::open().await;
    let id = office.conversation().await;
    office.put(id, "claim", json!({"agentId": office.agent})).await;
    let logs = [
        (
            fixture!("get-conversation-activitylog.response"),
            office.read(id, "/activitylog").await,
        ),
        (
            fixture!("get-conversations-activitylog.response"),
            office.world.get("/v1/conversations/activitylog").await,
        ),
    ];
    for (document, log) in logs {
        let document: Value = serde_json::from_str(document).unwrap();
        let entries = log.json["data"].as_array().unwrap();
        assert!(!entries.is_empty(), "{}", log.text);
        for entry in entries {
            for member in document["data"][0].as_object().unwrap().keys() {
                assert!(entry.get(member).is_some(), "{member} is missing in {entry}");
            }
            let at = entry["activityTimestamp"].as_str().unwrap();
            assert!(at.ends_with('Z') && at.len() == 27, "{at}");
        }
        let types: Vec<_> = entries.iter().map(|entry| entry["_type"].as_str().unwrap()).collect();
        assert!(types.contains(&"ConversationClaimed"), "{types:?}");
    }

    let flow = json!({"name": "Default call flow", "channel": "PstnPhone", "contactEndpointId": "+559912443333",
        "queueId": office.queue});
    created(&office.world, "conversations/flows", flow).await;
    let flows = office.world.get("/v1/conversations/flows").await;
    alike(fixture!("get-conversations-flows.response"), &flows);
    assert_eq!(flows.json["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        office.world.get("/v1/conversations/flows?channel=Email").await.json,
        json!({"data": []})
    );
}

/// The answer without the `{}` that ends a last page, where the original may have nothing at all.
fn without_meta(answer: &Answer) -> String {
    let data = answer.text.strip_suffix(r#","meta":{}}"#);
    format!("{}}}", data.expect("the only page is the last"))
}

#[tokio::test]
async fn searching_for_conversations() {
    let office = Office::open().await;
    let mut body = office.email(&json!({}));
    body["subject"] = "Cancel my order".into();
    body["message"]["content"]["value"] = "I want to cancel my order as soon as possible".into();
    let made = office.world.post("/v1/conversations", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    office.conversation().await;

    let document = fixture!("get-search-conversations.response");
    let wanted: Value = serde_json::from_str(document).unwrap();
    for exact in ["", "&exactMatch=false", "&exactMatch=true"] {
        let path = format!("/v1/search/conversations?query=cancel%20my%20order{exact}");
        let found = office.world.get(&path).await;
        assert_eq!(found.status, StatusCode::OK, "{}", found.text);
        // On the last page the original may leave `meta` out; here it is empty.
        assert_same_shape(document, &without_meta(&found), &[]);
        let [hit] = &found.json["data"].as_array().unwrap()[..] else {
            panic!("one conversation has these words: {}", found.text);
        };
        assert_eq!(hit["id"], made.json["data"]["id"]);
        for same in ["/highlights", "/innerHits/0/highlight", "/_type"] {
            assert_eq!(hit.pointer(same), wanted["data"][0].pointer(same), "{exact}");
        }
    }
}

#[tokio::test]
async fn a_deleted_tag_is_on_no_conversation_any_more() {
    let office = Office::open().await;
    let id = office.conversation().await;
    let on_it = format!("/v1/conversations/{id}/tags/{}", office.tag);
    let ask = async |method, path: &str| Answer::of(office.world.request(method, path)).await;
    assert_eq!(ask(Method::PUT, &on_it).await.status, StatusCode::NO_CONTENT);

    let path = format!("/v1/tags/{}", office.tag);
    let deleted = ask(Method::DELETE, &path).await;
    assert_eq!((deleted.status, &*deleted.text), (StatusCode::NO_CONTENT, ""));
    for (method, path) in [
        (Method::GET, &path),
        (Method::DELETE, &path),
        (Method::PUT, &on_it),
        (Method::DELETE, &on_it),
    ] {
        let gone = ask(method, path).await;
        super::refused(&gone, 404, "The requested resource could not be found");
    }
    for list in ["/v1/tags".to_owned(), format!("/v1/conversations/{id}/tags")] {
        assert_eq!(office.world.get(&list).await.json, json!({"data": []}), "{list}");
    }
}
