//! Retries get the first answer and do nothing.

use proto::thread::v1 as pb;
use tonic::Code;

use crate::support::{BOT, Org, World, assert_refused, from_visitor, keyed, toggle};

/// Sends a request with a key, again, and then another one with the same key: the second gets the first one's answer,
/// the third is refused, and the answer to the first is returned.
macro_rules! retried {
    ($org:expr, $method:ident, $request:expr, $other:expr) => {{
        let (request, key) = ($request, concat!("key of ", stringify!($method)));
        let first = $org
            .api()
            .$method(keyed(key, request.clone()))
            .await
            .unwrap()
            .into_inner();
        let second = $org.api().$method(keyed(key, request)).await.unwrap().into_inner();
        assert_eq!(second, first, stringify!($method));
        let other = $org.api().$method(keyed(key, $other)).await;
        let status = assert_refused(other, Code::FailedPrecondition, "IDEMPOTENCY_KEY_REUSED");
        assert_eq!(crate::support::fields(&status), ["idempotency-key"]);
        first
    }};
}

#[tokio::test]
async fn a_retry_of_any_mutation_gets_the_first_answer_and_does_nothing() {
    let world = World::new().await;
    let org = &world.org;
    let create = pb::CreateThreadRequest {
        chatbot_id: BOT.to_owned(),
        visitor_email: Some("grace@example.com".to_owned()),
        ..pb::CreateThreadRequest::default()
    };
    let other = pb::CreateThreadRequest {
        visitor_email: None,
        ..create.clone()
    };
    let thread = retried!(org, create_thread, create, other).thread.unwrap();
    let id = thread.thread_id.as_str();

    let message = retried!(
        org,
        append_message,
        from_visitor(id, "Hello"),
        from_visitor(id, "Hullo")
    );
    let message = message.message.unwrap();
    let update = pb::UpdateThreadRequest {
        chatbot_id: BOT.to_owned(),
        thread_id: id.to_owned(),
        webhook_token: Some("secret".to_owned()),
        ..pb::UpdateThreadRequest::default()
    };
    let other = pb::UpdateThreadRequest {
        webhook_token: Some("other".to_owned()),
        ..update.clone()
    };
    retried!(org, update_thread, update, other);
    let bulk = |important| pb::BulkUpdateThreadsRequest {
        chatbot_id: BOT.to_owned(),
        changes: vec![pb::ThreadChange {
            thread_id: id.to_owned(),
            important: Some(important),
            ..pb::ThreadChange::default()
        }],
    };
    retried!(org, bulk_update_threads, bulk(true), bulk(false));
    let edit = |content: &str| pb::UpdateMessageRequest {
        chatbot_id: BOT.to_owned(),
        message_id: message.id.clone(),
        content: Some(content.to_owned()),
        reaction: pb::Reaction::Positive.into(),
        ..pb::UpdateMessageRequest::default()
    };
    retried!(org, update_message, edit("Hello there"), edit("Good bye"));
    let flipped = retried!(org, toggle_escalation, toggle(id), toggle("other"));
    assert!(flipped.thread.unwrap().escalated);
    let acknowledge = |id: &str| pb::AcknowledgeEscalationRequest { id: id.to_owned() };
    let escalation = org.escalations(pb::EscalationState::Unacknowledged).await.remove(0).id;
    let other = platform::id::new().to_string();
    retried!(
        org,
        acknowledge_escalation,
        acknowledge(&escalation),
        acknowledge(&other)
    );
    org.toggle(id).await;
    let escalate = |prompt: &str| pb::EscalateRequest {
        chatbot_id: BOT.to_owned(),
        thread_id: id.to_owned(),
        prompt: Some(prompt.to_owned()),
    };
    let escalated = retried!(org, escalate, escalate("sales"), escalate("billing"));
    assert!(escalated.system_message.is_some());
    let end = |id: &str| pb::EndThreadRequest {
        chatbot_id: BOT.to_owned(),
        thread_id: id.to_owned(),
    };
    retried!(org, end_thread, end(id), end("other"));

    let (thread, messages) = org.read(id).await;
    assert_eq!(
        (thread.message_count, thread.unread_count, thread.positive_count),
        (4, 1, 1)
    );
    assert_eq!(messages[0].content, "Hello there");
    assert_eq!(world.count("select count(*) from thread.threads").await, 1);
    assert_eq!(world.count("select count(*) from thread.escalations").await, 2);
    let kinds: Vec<_> = world
        .events("threads")
        .await
        .into_iter()
        .map(|event| event.kind)
        .collect();
    assert_eq!(
        kinds,
        [
            "thread.created",
            "message.created",
            "thread.updated",
            "thread.updated",
            "message.updated",
            "message.updated",
            "thread.ended"
        ]
    );
}

#[tokio::test]
async fn the_retry_of_a_message_gets_the_first_answer_whatever_has_happened_since() {
    let world = World::new().await;
    world.org.thread("t").await;
    let send = || world.org.append(keyed("k", from_visitor("t", "Hello")));
    let first = send().await.unwrap();
    world.org.toggle("t").await;
    let edit = pb::UpdateMessageRequest {
        chatbot_id: BOT.to_owned(),
        message_id: first.id.clone(),
        content: Some("Good bye".to_owned()),
        reaction: pb::Reaction::Negative.into(),
        ..pb::UpdateMessageRequest::default()
    };
    world.org.api().update_message(edit).await.unwrap();
    assert_eq!(send().await.unwrap(), first);
}

#[tokio::test]
async fn a_message_that_starts_a_thread_starts_one() {
    let world = World::new().await;
    let start = || pb::AppendMessageRequest {
        thread_id: None,
        ..from_visitor("", "Hello")
    };
    let calls = (0..20).map(|_| world.org.append(keyed("k", start())));
    let answers = futures::future::join_all(calls).await;
    let first = answers[0].as_ref().unwrap();
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap() == first));
    assert_eq!(world.count("select count(*) from thread.threads").await, 1);
    let with_thread = world
        .org
        .append(keyed("k", from_visitor(&first.thread_id, "Hello")))
        .await;
    assert_refused(with_thread, Code::FailedPrecondition, "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn a_key_belongs_to_its_owner_its_organization_and_its_method() {
    let world = World::new().await;
    let bob = world.with_key(&world.org, "bob@example.com", &proto::scopes()).await;
    let ada = world
        .with_key(&world.org, crate::support::OWNER, &proto::scopes())
        .await;
    let stranger = world.stranger().await;
    world.org.thread("t").await;
    stranger.thread("t").await;
    let flip = async |org: &Org| {
        let answer = org.api().toggle_escalation(keyed("k", toggle("t"))).await.unwrap();
        answer.into_inner().thread.unwrap().escalated
    };
    assert!(flip(&world.org).await);
    assert!(flip(&ada).await, "another API key of the same owner retries");
    assert!(!flip(&bob).await, "another owner flips");
    assert!(flip(&stranger).await);
    let send = async |org: &Org| org.append(keyed("k", from_visitor("t", "Hello"))).await.unwrap().id;
    let first = send(&world.org).await;
    assert_eq!(send(&ada).await, first);
    assert_ne!(send(&bob).await, first);
    assert_ne!(send(&stranger).await, first);
}

#[tokio::test]
async fn what_was_refused_leaves_its_key_free() {
    let world = World::new().await;
    let nowhere = world.org.api().toggle_escalation(keyed("k", toggle("nowhere"))).await;
    assert_refused(nowhere, Code::NotFound, "THREAD_NOT_FOUND");
    let nowhere = world.org.append(keyed("k", from_visitor("nowhere", "Hello"))).await;
    assert_refused(nowhere, Code::NotFound, "THREAD_NOT_FOUND");
    world.org.thread("t").await;
    assert!(world.org.api().toggle_escalation(keyed("k", toggle("t"))).await.is_ok());
    assert!(world.org.append(keyed("k", from_visitor("t", "Hello"))).await.is_ok());
}

#[tokio::test]
async fn a_key_is_1_to_255_printable_characters() {
    let world = World::new().await;
    world.org.thread("t").await;
    for wrong in [String::new(), "a".repeat(256)] {
        let answer = world.org.api().toggle_escalation(keyed(&wrong, toggle("t"))).await;
        crate::support::assert_invalid(answer, "idempotency-key");
    }
}
