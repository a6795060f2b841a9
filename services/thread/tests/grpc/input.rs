//! Wrong input is refused and its field named, whatever method and field it is.

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, ReflectMessage as _, Value};
use proto::thread::v1 as pb;
use tonic::Code;

use crate::support::{BOT, Org, World, assert_invalid, fields, from_visitor};

/// A request of each method that would be served.
async fn requests(org: &Org) -> Vec<(&'static str, DynamicMessage)> {
    org.thread("t").await;
    let message = org.say("t", "Hello").await.id;
    org.toggle("t").await;
    let escalation = org.escalations(pb::EscalationState::Unspecified).await.remove(0).id;
    let (chatbot_id, thread_id) = (BOT.to_owned(), "t".to_owned());
    let mut requests = Vec::new();
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).unwrap();
    macro_rules! request {
        ($method:literal, $type:ident { $($field:ident: $value:expr),* }) => {
            let mut request = pb::$type::default();
            $(request.$field = $value;)*
            let kind = pool.get_message_by_name(concat!("handoff.thread.v1.", stringify!($type))).unwrap();
            requests.push(($method, DynamicMessage::decode(kind, request.encode_to_vec().as_slice()).unwrap()));
        };
    }
    request!(
        "CreateThread",
        CreateThreadRequest {
            chatbot_id: chatbot_id.clone()
        }
    );
    request!(
        "ListThreads",
        ListThreadsRequest {
            chatbot_id: chatbot_id.clone()
        }
    );
    request!(
        "GetThread",
        GetThreadRequest {
            chatbot_id: chatbot_id.clone(),
            thread_id: thread_id.clone()
        }
    );
    request!(
        "UpdateThread",
        UpdateThreadRequest {
            chatbot_id: chatbot_id.clone(),
            thread_id: thread_id.clone(),
            visitor: Some(pb::VisitorChange::default())
        }
    );
    let change = pb::ThreadChange {
        thread_id: thread_id.clone(),
        tags: Some(pb::Tags::default()),
        ..pb::ThreadChange::default()
    };
    request!(
        "BulkUpdateThreads",
        BulkUpdateThreadsRequest {
            chatbot_id: chatbot_id.clone(),
            changes: vec![change]
        }
    );
    request!(
        "EndThread",
        EndThreadRequest {
            chatbot_id: chatbot_id.clone(),
            thread_id: thread_id.clone()
        }
    );
    request!(
        "ToggleEscalation",
        ToggleEscalationRequest {
            chatbot_id: chatbot_id.clone(),
            thread_id: thread_id.clone()
        }
    );
    request!(
        "Escalate",
        EscalateRequest {
            chatbot_id: chatbot_id.clone(),
            thread_id: thread_id.clone()
        }
    );
    request!(
        "AppendMessage",
        AppendMessageRequest {
            chatbot_id: chatbot_id.clone(),
            thread_id: Some(thread_id.clone()),
            author: 1,
            content: "Hello".to_owned()
        }
    );
    request!(
        "ListMessages",
        ListMessagesRequest {
            chatbot_id: chatbot_id.clone(),
            thread_id: thread_id.clone()
        }
    );
    request!(
        "UpdateMessage",
        UpdateMessageRequest {
            chatbot_id: chatbot_id,
            message_id: message
        }
    );
    request!("ListEscalations", ListEscalationsRequest { page_size: 1 });
    request!("AcknowledgeEscalation", AcknowledgeEscalationRequest { id: escalation });
    requests
}

/// The request once for each field that `wrong` has a value for, with that value in it, and the field's path.
fn spoil(
    request: &DynamicMessage,
    wrong: &impl Fn(&FieldDescriptor) -> Option<Value>,
) -> Vec<(String, DynamicMessage)> {
    let mut spoiled = Vec::new();
    for field in request.descriptor().fields() {
        let mut set = |path: String, value: Value| {
            let mut request = request.clone();
            request.set_field(&field, value);
            spoiled.push((path, request));
        };
        let name = field.name();
        let value = request.get_field(&field);
        match (wrong(&field), value.as_ref()) {
            (Some(value), _) if field.is_list() => set(format!("{name}[0]"), Value::List(vec![value])),
            (Some(value), _) => set(name.to_owned(), value),
            (None, Value::Message(inner)) => {
                for (path, inner) in spoil(inner, wrong) {
                    set(format!("{name}.{path}"), Value::Message(inner));
                }
            }
            (None, Value::List(items)) => {
                for (at, item) in items.iter().enumerate() {
                    for (path, inner) in item.as_message().map(|inner| spoil(inner, wrong)).unwrap_or_default() {
                        let mut items = items.clone();
                        items[at] = Value::Message(inner);
                        set(format!("{name}[{at}].{path}"), Value::List(items));
                    }
                }
            }
            (None, _) => {}
        }
    }
    spoiled
}

/// Sends every spoiled request; returns how many there were.
async fn all_refused(world: &World, wrong: impl Fn(&FieldDescriptor) -> Option<Value>) -> usize {
    let mut count = 0;
    for (method, request) in requests(&world.org).await {
        assert_eq!(
            world
                .org
                .call(method, request.clone())
                .await
                .map_err(|status| status.code()),
            Ok(()),
            "{method}"
        );
        for (path, request) in spoil(&request, &wrong) {
            count += 1;
            let status = world
                .org
                .call(method, request)
                .await
                .expect_err(&format!("{method} {path}"));
            // The message around a list of tags has no name of its own in the contract.
            let expected = vec![path.replace(".values[", "[")];
            assert_eq!(
                (status.code(), fields(&status)),
                (Code::InvalidArgument, expected),
                "{method}: {status:?}"
            );
        }
    }
    count
}

#[tokio::test]
async fn the_character_that_can_not_be_stored_is_refused_in_every_text() {
    let world = World::new().await;
    let count = all_refused(&world, |field| {
        matches!(field.kind(), Kind::String).then(|| Value::String("a\0b".to_owned()))
    });
    assert!(count.await > 40, "the texts are found in the protos");
}

#[tokio::test]
async fn a_number_that_no_enum_knows_is_refused_in_every_enum() {
    let world = World::new().await;
    for number in [99, -1] {
        let count = all_refused(&world, |field| {
            matches!(field.kind(), Kind::Enum(_)).then_some(Value::EnumNumber(number))
        });
        assert_eq!(count.await, 7, "the enums are found in the protos");
        world
            .execute("truncate thread.threads, thread.messages, thread.escalations")
            .await;
    }
}

#[tokio::test]
async fn a_negative_number_is_refused_in_every_number() {
    let world = World::new().await;
    let count = all_refused(&world, |field| {
        matches!(field.kind(), Kind::Int32).then_some(Value::I32(-1))
    });
    assert_eq!(count.await, 5, "the numbers are found in the protos");
}

#[tokio::test]
async fn a_new_thread_id_is_what_a_url_can_hold() {
    let world = World::new().await;
    for wrong in ["", "a b", "a/b", "ü", "a%20", &"x".repeat(129)] {
        let request = pb::CreateThreadRequest {
            chatbot_id: BOT.to_owned(),
            thread_id: Some(wrong.to_owned()),
            ..pb::CreateThreadRequest::default()
        };
        assert_invalid(world.org.create(request).await, "thread_id");
    }
    assert_eq!(world.org.thread(&"x".repeat(128)).await.thread_id.len(), 128);
}

#[tokio::test]
async fn texts_keep_to_their_limits() {
    let world = World::new().await;
    world.org.thread("t").await;
    let create = || pb::CreateThreadRequest {
        chatbot_id: BOT.to_owned(),
        ..pb::CreateThreadRequest::default()
    };
    for wrong in [
        "",
        "nobody",
        "a@b c",
        "a@b\r\nBcc: x@y",
        &format!("{}@example.com", "a".repeat(300)),
    ] {
        let request = pb::CreateThreadRequest {
            visitor_email: Some(wrong.to_owned()),
            ..create()
        };
        assert_invalid(world.org.create(request).await, "visitor_email");
    }
    for wrong in [String::new(), "a".repeat(65)] {
        let request = pb::CreateThreadRequest {
            platform_source: Some(wrong),
            ..create()
        };
        assert_invalid(world.org.create(request).await, "platform_source");
    }

    let update = || pb::UpdateThreadRequest {
        chatbot_id: BOT.to_owned(),
        thread_id: "t".to_owned(),
        ..pb::UpdateThreadRequest::default()
    };
    for wrong in [
        "hooks.example.com",
        "ftp://example.com",
        "http://",
        "http:///x",
        &format!("http://{}", "a".repeat(2048)),
    ] {
        let request = pb::UpdateThreadRequest {
            webhook_url: Some(wrong.to_owned()),
            ..update()
        };
        assert_invalid(world.org.api().update_thread(request).await, "webhook_url");
    }
    // A limit in bytes, unlike those of texts that people read.
    let request = pb::UpdateThreadRequest {
        webhook_token: Some("ü".repeat(513)),
        ..update()
    };
    assert_invalid(world.org.api().update_thread(request).await, "webhook_token");
    let request = pb::UpdateThreadRequest {
        webhook_token: Some("ü".repeat(512)),
        ..update()
    };
    assert!(world.org.api().update_thread(request).await.is_ok());
    let visitor = |visitor| pb::UpdateThreadRequest {
        visitor: Some(visitor),
        ..update()
    };
    let name = pb::VisitorChange {
        name: Some("a".repeat(201)),
        ..pb::VisitorChange::default()
    };
    assert_invalid(world.org.api().update_thread(visitor(name)).await, "visitor.name");
    let number = pb::VisitorChange {
        phone_number: Some("1".repeat(51)),
        ..pb::VisitorChange::default()
    };
    assert_invalid(
        world.org.api().update_thread(visitor(number)).await,
        "visitor.phone_number",
    );

    let agent = |name: String| pb::AppendMessageRequest {
        author: pb::Author::Agent.into(),
        agent_name: Some(name),
        ..from_visitor("t", "Hello")
    };
    assert!(world.org.append(agent("ü".repeat(200))).await.is_ok());
    assert_invalid(world.org.append(agent("ü".repeat(201))).await, "agent_name");
    let icon = pb::AppendMessageRequest {
        icon_url: Some("not a url".to_owned()),
        ..from_visitor("t", "Hello")
    };
    assert_invalid(world.org.append(icon).await, "icon_url");
    let escalate = pb::EscalateRequest {
        chatbot_id: BOT.to_owned(),
        thread_id: "t".to_owned(),
        prompt: Some("a".repeat(2001)),
    };
    assert_invalid(world.org.api().escalate(escalate).await, "prompt");
}
