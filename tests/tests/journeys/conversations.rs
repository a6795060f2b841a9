//! A customer, two agents and a queue.

use journeys::{Ask, Caller, System, until};
use proto::conversation::v1 as pb;
use reqwest::Method;
use serde_json::{Value, json};
use tonic::Code;

const EVENTS: &str = "handoff:events";

/// The `data` of a success in the words of this surface.
async fn told(ask: Ask) -> Value {
    let reply = ask.send().await;
    assert!(reply.status.is_success(), "{reply:?}");
    reply.json()["data"].take()
}

/// Something new; its id.
async fn made(caller: &Caller, kind: &str, body: Value) -> String {
    let data = told(caller.post(format!("/v1/{kind}"), body)).await;
    data["id"].as_str().unwrap().to_owned()
}

async fn agent(caller: &Caller, name: &str) -> String {
    let email = format!("{name}@journey.example");
    made(caller, "agents", json!({"displayName": name, "email": email})).await
}

async fn queue(caller: &Caller, name: &str) -> String {
    let queue = json!({"name": name, "isDefault": false, "isDoNotOfferEnabled": false});
    made(caller, "queues", json!({"request": queue})).await
}

/// Asserts an answer without a body.
async fn done(ask: Ask) {
    let reply = ask.send().await;
    assert_eq!((reply.status.as_u16(), reply.body.len()), (204, 0), "{reply:?}");
}

fn inbound(text: &str) -> Value {
    json!({"content": {"value": text, "_type": "Text"}, "_type": "Inbound"})
}

/// A new conversation about `subject`, which comes in by `endpoint`.
async fn begin(caller: &Caller, user: &str, endpoint: &str, subject: &str) -> i64 {
    let body = json!({"requesterId": user, "emailIntegrationId": endpoint, "subject": subject,
        "message": inbound("Where is my zeppelin?"), "language": "en", "_type": "Email"});
    let data = told(caller.post("/v1/conversations", body)).await;
    data["id"].as_i64().unwrap()
}

pub(crate) async fn a_conversation_goes_from_hand_to_hand_until_it_is_found_again(mut system: System) {
    let caller = system.caller();
    let (dale, harry) = (agent(&caller, "dale").await, agent(&caller, "harry").await);
    let (first, second) = (queue(&caller, "First").await, queue(&caller, "Second").await);
    let laura = json!({"displayName": "Laura", "email": "laura@journey.example"});
    let laura = made(&caller, "endusers", laura).await;
    let flow =
        json!({"name": "Mail", "channel": "Email", "contactEndpointId": "shop@journey.example", "queueId": first});
    made(&caller, "conversations/flows", flow).await;

    // A mail comes in by the flow.
    let id = begin(&caller, &laura, "shop@journey.example", "Order 4711").await;
    let path = |rest: &str| format!("/v1/conversations/{id}{rest}");
    let shown = async || told(caller.get(path(""))).await;
    let begun = shown().await;
    assert_eq!(
        (&begun["state"], &begun["queue"]["id"]),
        (&json!("Open"), &json!(first))
    );
    assert!(begun.get("assignment").is_none(), "{begun}");

    // It is noted and tagged.
    let note = json!({"message": "A regular customer", "agentId": dale});
    assert_eq!(told(caller.post(path("/notes"), note)).await["csid"], id);
    let tag = told(caller.post("/v1/tags", json!({"name": "zeppelins"}))).await;
    let tag_path = path(&format!("/tags/{}", tag["id"].as_str().unwrap()));
    done(caller.ask(Method::PUT, tag_path)).await;
    assert_eq!(told(caller.get(path("/tags"))).await, json!([tag]));

    // One claims it over gRPC, so the other can't over REST.
    let claim = pb::ClaimConversationRequest {
        id,
        agent_id: dale.clone(),
        force: false,
    };
    let claimed = caller.conversations().claim_conversation(caller.grpc(claim)).await;
    assert_eq!(claimed.unwrap().into_inner().conversation.unwrap().agent_id(), dale);
    let claim = json!({"agentId": harry, "force": false});
    let taken = caller.ask(Method::PUT, path("/claim")).json(claim).send().await;
    assert_eq!(taken.status, 409, "{taken:?}");
    assert!(taken.json()["message"].as_str().unwrap().contains(&dale), "{taken:?}");
    assert_eq!(shown().await["assignment"]["agentId"], dale);

    // They write to each other.
    let answer = json!({"content": {"value": "<p>It is on its way.</p>", "_type": "Html"}, "agentId": dale,
        "externalId": "answer", "_type": "Outbound"});
    assert_eq!(
        told(caller.post(path("/messages"), answer.clone())).await["authorId"],
        dale
    );
    let again = caller.post(path("/messages"), answer).send().await;
    assert_eq!(
        (again.status.as_u16(), again.json()),
        (400, json!({"message": "Duplicate externalId"}))
    );
    let thanks = pb::AddMessageRequest {
        conversation_id: id,
        message: Some(pb::MessageInput {
            direction: pb::Direction::Inbound.into(),
            content: Some(pb::Content {
                r#type: pb::ContentType::Text.into(),
                value: "But it leaks helium!".to_owned(),
            }),
            ..pb::MessageInput::default()
        }),
    };
    caller.conversations().add_message(caller.grpc(thanks)).await.unwrap();
    let messages = told(caller.get(path("/messages"))).await;
    let authors: Vec<_> = messages
        .as_array()
        .unwrap()
        .iter()
        .map(|message| &message["authorId"])
        .collect();
    assert_eq!(authors, [&json!(laura), &json!(dale), &json!(laura)]);

    // It is somebody else's matter, settled, and after all not.
    let transfer = json!({"queueId": second, "userId": dale});
    done(caller.ask(Method::PUT, path("/transfer/queue")).json(transfer)).await;
    let moved = shown().await;
    assert_eq!(moved["queue"]["id"], second);
    assert!(moved.get("assignment").is_none(), "{moved}");
    let close = pb::CloseConversationRequest {
        id,
        user_id: Some(harry.clone()),
    };
    caller
        .conversations()
        .close_conversation(caller.grpc(close))
        .await
        .unwrap();
    assert_eq!(shown().await["state"], "Closed");
    done(caller.ask(Method::PUT, path("/reopen"))).await;
    let reopened = shown().await;
    assert_eq!(
        (&reopened["state"], &reopened["queue"]["id"]),
        (&json!("Open"), &json!(second))
    );

    // It is found by what was said in it.
    begin(&caller, &laura, "shop@journey.example", "Order 4712").await;
    let found = told(caller.get("/v1/search/conversations?query=leaks%20helium&exactMatch=true")).await;
    assert_eq!(found[0]["id"], id);
    assert_eq!(
        found[0]["innerHits"][0]["highlight"]["text"],
        "But it <em class=\"highlight\">leaks helium</em>!"
    );
    let search = pb::SearchConversationsRequest {
        query: "helium".to_owned(),
        ..pb::SearchConversationsRequest::default()
    };
    let hits = caller.conversations().search_conversations(caller.grpc(search)).await;
    let hits: Vec<_> = hits.unwrap().into_inner().hits.iter().map(|hit| hit.id).collect();
    assert_eq!(hits, [id]);

    // The log tells all of it, on both surfaces the same.
    let log = told(caller.get(path("/activitylog"))).await;
    let steps: Vec<_> = log
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["_type"].as_str().unwrap())
        .collect();
    assert_eq!(
        steps,
        [
            "ConversationCreatedByCustomer",
            "MessageAddedByCustomer",
            "NoteAdded",
            "TagAdded",
            "ConversationClaimed",
            "MessageAddedByAgent",
            "MessageAddedByCustomer",
            "TransferInitiated",
            "ConversationUnassigned",
            "TransferSuccessful",
            "ConversationClosed",
            "ConversationReopened",
            "ConversationOffered",
        ]
    );
    let request = pb::ListActivityLogRequest {
        conversation_id: Some(id),
        ..pb::ListActivityLogRequest::default()
    };
    let entries = caller.conversations().list_activity_log(caller.grpc(request)).await;
    let entries = entries.unwrap().into_inner().entries;
    let ids: Vec<_> = log
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["id"].as_str().unwrap())
        .collect();
    assert_eq!(entries.iter().map(|entry| &*entry.id).collect::<Vec<_>>(), ids);
    assert_eq!(entries.iter().map(|entry| &*entry.r#type).collect::<Vec<_>>(), steps);

    // And the others have been told, in order and without a gap.
    let subject = format!("conversations/{id}");
    let events = until("every step is in the stream", async || {
        let mut events = system.redis().events(EVENTS).await;
        events.retain(|event| event["subject"] == subject.as_str());
        let last = events.last()?;
        (last["type"] == "conversation.enqueued" && events.len() > 2).then_some(events)
    })
    .await;
    let sequences: Vec<_> = events
        .iter()
        .map(|event| event["sequence"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<_> = (1..=events.len()).map(|number| number.to_string()).collect();
    assert_eq!(sequences, expected);
    let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    for kind in [
        "created",
        "message_added",
        "note_added",
        "tag_added",
        "assigned",
        "transferred",
        "closed",
        "reopened",
    ] {
        assert!(
            types.contains(&&*format!("conversation.{kind}")),
            "{kind} is not in {types:?}"
        );
    }
}

pub(crate) async fn another_organization_sees_nothing_of_a_conversation(system: System) {
    let caller = system.caller();
    queue(&caller, "First").await;
    let laura = made(&caller, "endusers", json!({"displayName": "Laura"})).await;
    let id = begin(&caller, &laura, "shop@journey.example", "Order 4711").await;

    let stranger = system.stranger("other").await;
    let absent = json!({"message": "The requested resource could not be found"});
    for rest in ["", "/messages", "/notes", "/tags", "/linked", "/activitylog"] {
        let reply = stranger.get(format!("/v1/conversations/{id}{rest}")).send().await;
        assert_eq!((reply.status.as_u16(), reply.json()), (404, absent.clone()), "{rest}");
    }
    for (rest, body) in [
        ("close", Value::Null),
        ("reopen", Value::Null),
        ("messages", inbound("Hello")),
    ] {
        let method = if rest == "messages" { Method::POST } else { Method::PUT };
        let path = format!("/v1/conversations/{id}/{rest}");
        let reply = stranger.ask(method, path).json(body).send().await;
        assert_eq!((reply.status.as_u16(), reply.json()), (404, absent.clone()), "{rest}");
    }
    let request = pb::GetConversationRequest { id };
    let refused = stranger.conversations().get_conversation(stranger.grpc(request)).await;
    assert_eq!(refused.unwrap_err().code(), Code::NotFound);
    let nothing = json!([]);
    assert_eq!(
        told(stranger.get("/v1/search/conversations?query=zeppelin")).await,
        nothing
    );
    assert_eq!(told(stranger.get("/v1/conversations/activitylog")).await, nothing);
    assert_eq!(told(stranger.get("/v1/endusers")).await, nothing);

    let found = told(caller.get("/v1/search/conversations?query=zeppelin")).await;
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!(
        told(caller.get(format!("/v1/conversations/{id}"))).await["state"],
        "Open"
    );
}
