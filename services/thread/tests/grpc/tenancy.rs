//! What belongs to another organization does not exist.

use proto::settings::v1::ChatStart;
use proto::thread::v1 as pb;
use tonic::Status;

use crate::support::{BOT, Org, World, from_visitor, keyed, refusal};

/// One call of every method that names a chatbot, a thread, a message or an escalation.
struct Names<'a> {
    chatbot: &'a str,
    thread: &'a str,
    message: &'a str,
    escalation: &'a str,
}

async fn call_everything(org: &Org, names: &Names<'_>) -> Vec<(&'static str, Result<(), Status>)> {
    let (chatbot_id, thread_id) = (names.chatbot.to_owned(), names.thread.to_owned());
    let mut answers = Vec::new();
    macro_rules! call {
        ($method:literal, $request:ident { $($field:ident: $value:expr),* }) => {
            let mut request = pb::$request::default();
            request.chatbot_id.clone_from(&chatbot_id);
            $(request.$field = $value;)*
            answers.push(($method, org.call($method, request).await));
        };
    }
    call!(
        "GetThread",
        GetThreadRequest {
            thread_id: thread_id.clone(),
            message_limit: 10
        }
    );
    call!(
        "UpdateThread",
        UpdateThreadRequest {
            thread_id: thread_id.clone(),
            mode: 2
        }
    );
    let change = pb::ThreadChange {
        thread_id: thread_id.clone(),
        important: Some(true),
        ..pb::ThreadChange::default()
    };
    call!("BulkUpdateThreads", BulkUpdateThreadsRequest { changes: vec![change] });
    call!(
        "EndThread",
        EndThreadRequest {
            thread_id: thread_id.clone()
        }
    );
    call!(
        "ToggleEscalation",
        ToggleEscalationRequest {
            thread_id: thread_id.clone()
        }
    );
    call!(
        "Escalate",
        EscalateRequest {
            thread_id: thread_id.clone()
        }
    );
    let content = "Hello".to_owned();
    call!(
        "AppendMessage",
        AppendMessageRequest {
            thread_id: Some(thread_id.clone()),
            author: 1,
            content: content
        }
    );
    call!(
        "ListMessages",
        ListMessagesRequest {
            thread_id: thread_id.clone(),
            mark_read: true
        }
    );
    call!(
        "UpdateMessage",
        UpdateMessageRequest {
            message_id: names.message.to_owned(),
            reaction: 1
        }
    );
    let request = pb::AcknowledgeEscalationRequest {
        id: names.escalation.to_owned(),
    };
    answers.push((
        "AcknowledgeEscalation",
        org.call("AcknowledgeEscalation", request).await,
    ));
    answers
}

/// All that a refusal says, with what the caller himself has named taken out.
fn told(status: &Status, names: &Names<'_>) -> String {
    let mut text = format!(
        "{:?} {} {:?}",
        refusal(status),
        status.message(),
        crate::support::fields(status)
    );
    for name in [names.thread, names.message, names.escalation, names.chatbot] {
        text = text.replace(name, "…");
    }
    text
}

#[tokio::test]
async fn things_of_another_organization_are_as_absent_as_things_that_never_were() {
    let world = World::new().await;
    let stranger = world.stranger().await;
    world.chatbot("only-acme", ChatStart::Ai).await;
    let own = world.org.thread("secret-thread").await;
    let message = world.org.say("secret-thread", "Hello").await.id;
    world.org.toggle("secret-thread").await;
    let escalation = world
        .org
        .escalations(pb::EscalationState::Unspecified)
        .await
        .remove(0)
        .id;
    let before = world.org.read("secret-thread").await;
    let nothing = platform::id::new().to_string();

    for (chatbot, absent_chatbot) in [(BOT, BOT), ("only-acme", "only-nobody")] {
        let theirs = Names {
            chatbot,
            thread: "secret-thread",
            message: &message,
            escalation: &escalation,
        };
        let absent = Names {
            chatbot: absent_chatbot,
            thread: "nowhere",
            message: &nothing,
            escalation: &nothing,
        };
        let answers = call_everything(&stranger, &theirs).await;
        let expected = call_everything(&stranger, &absent).await;
        for ((method, answer), (_, expected)) in answers.into_iter().zip(expected) {
            let (answer, expected) = (answer.unwrap_err(), expected.unwrap_err());
            assert_eq!(answer.code(), tonic::Code::NotFound, "{method}");
            assert_eq!(told(&answer, &theirs), told(&expected, &absent), "{method}");
        }
    }
    for id in ["only-acme", "only-nobody"] {
        let create = pb::CreateThreadRequest {
            chatbot_id: id.to_owned(),
            ..pb::CreateThreadRequest::default()
        };
        let list = pb::ListThreadsRequest {
            chatbot_id: id.to_owned(),
            ..pb::ListThreadsRequest::default()
        };
        for answer in [
            stranger.call("CreateThread", create).await,
            stranger.call("ListThreads", list).await,
        ] {
            let status = answer.unwrap_err();
            assert_eq!(
                refusal(&status),
                (tonic::Code::NotFound, "CHATBOT_NOT_FOUND".to_owned())
            );
        }
    }
    assert_eq!(world.org.read("secret-thread").await, before);
    assert_eq!(before.0.uid, own.uid);
    let open = world.org.escalations(pb::EscalationState::Unacknowledged).await;
    assert_eq!(open.len(), 1);
}

#[tokio::test]
async fn lists_hold_what_is_the_callers_own() {
    let world = World::new().await;
    let stranger = world.stranger().await;
    world.org.thread("t").await;
    world.org.toggle("t").await;
    let list = pb::ListThreadsRequest {
        chatbot_id: BOT.to_owned(),
        ..pb::ListThreadsRequest::default()
    };
    let answer = stranger.api().list_threads(list).await.unwrap().into_inner();
    assert_eq!((answer.total, answer.entries.len()), (0, 0));
    assert!(stranger.escalations(pb::EscalationState::Unspecified).await.is_empty());
}

#[tokio::test]
async fn the_same_names_in_two_organizations_are_two_things() {
    let world = World::new().await;
    let stranger = world.stranger().await;
    let create = || pb::CreateThreadRequest {
        chatbot_id: BOT.to_owned(),
        thread_id: Some("t".to_owned()),
        visitor_email: Some("grace@example.com".to_owned()),
        ..pb::CreateThreadRequest::default()
    };
    let own = world.org.create(create()).await.unwrap();
    let theirs = stranger.create(create()).await.unwrap();
    assert_ne!(own.uid, theirs.uid);
    assert_ne!(own.visitor.unwrap().id, theirs.visitor.unwrap().id);
    let (here, there) = tokio::join!(
        world.org.append(keyed("k", from_visitor("t", "here"))),
        stranger.append(keyed("k", from_visitor("t", "there")))
    );
    let (here, there) = (here.unwrap(), there.unwrap());
    assert_eq!((here.position, there.position), (1, 1));
    assert_eq!(world.org.read("t").await.1, std::slice::from_ref(&here));
    assert_eq!(stranger.read("t").await.1, [there]);

    let parent = pb::AppendMessageRequest {
        parent_message_id: Some(here.id),
        ..from_visitor("t", "an answer")
    };
    crate::support::assert_invalid(stranger.append(parent).await, "parent_message_id");
}
