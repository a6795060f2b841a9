//! Messages that are added together: what happens to one happens to no other.

use futures::future::join_all;
use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection};
use tokio::task::JoinSet;
use tonic::{Code, Request, Status};
use wire::ConversationState;

use crate::support::{World, assert_refused, inbound, ok, outbound, unknown};

fn add(conversation_id: i64, message: wire::MessageInput) -> wire::AddMessageRequest {
    wire::AddMessageRequest {
        conversation_id,
        message: Some(message),
    }
}

async fn send(world: &World, request: Request<wire::AddMessageRequest>) -> Result<wire::Message, Status> {
    let answer = world.client.clone().add_message(request).await?;
    Ok(answer.into_inner().message.unwrap())
}

fn texts(messages: &[wire::Message]) -> Vec<&str> {
    let contents = messages.iter().map(|message| message.content.as_ref().unwrap());
    contents.map(|content| content.value.as_str()).collect()
}

/// Sends messages while an earlier commit is under way, so that they are one batch.
async fn as_one_batch(
    world: &World,
    options: &PgConnectOptions,
    requests: Vec<Request<wire::AddMessageRequest>>,
) -> Vec<Result<wire::Message, Status>> {
    let stall = world.chat().await;
    let mut holder = PgConnection::connect_with(options).await.unwrap();
    let mut lock = holder.begin().await.unwrap();
    sqlx::query("select from conversation.conversations where id = $1 for update")
        .bind(stall)
        .execute(&mut *lock)
        .await
        .unwrap();
    let batch = async {
        world.until_waiting(1).await;
        let mut batch = join_all(requests.into_iter().map(|request| send(world, request)));
        // All of them are in the queue before the one ahead is let go.
        assert!(futures::poll!(&mut batch).is_pending());
        lock.commit().await.unwrap();
        batch.await
    };
    let ahead = send(world, world.own.request(add(stall, inbound("ahead"))));
    let (ahead, batch) = tokio::join!(ahead, batch);
    ahead.unwrap();
    batch
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_poisoned_message_fails_alone(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options.clone()).await;
    let id = world.chat().await;
    sqlx::query("alter table conversation.messages add constraint antidote check (content <> 'poison')")
        .execute(&world.db)
        .await
        .unwrap();
    let contents = ["1", "2", "poison", "3"];
    let requests = contents.map(|content| world.own.request(add(id, inbound(content))));
    let answers = as_one_batch(&world, &options, requests.into()).await;
    for (content, answer) in contents.iter().zip(answers) {
        if *content == "poison" {
            let status = answer.unwrap_err();
            assert_eq!(status.code(), Code::Internal);
            assert!(!status.message().contains("antidote"), "{}", status.message());
        } else {
            assert_eq!(answer.unwrap().content.unwrap().value, *content);
        }
    }
    assert_eq!(texts(&world.messages(id).await), ["hello", "1", "2", "3"]);
    assert_eq!(world.log(id).await.len(), 5);
    assert_eq!(world.told(id).await.len(), 5);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn what_is_wrong_with_a_message_of_a_batch_is_its_own_affair(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options.clone()).await;
    let id = world.chat().await;
    let named = |text: &str| wire::MessageInput {
        external_id: Some("m-1".into()),
        ..inbound(text)
    };
    let foreign = Request::from_parts(
        world.other.request(()).metadata().clone(),
        tonic::Extensions::default(),
        add(id, inbound("not mine")),
    );
    let requests = vec![
        world.own.request(add(id, named("1"))),
        world.own.request(add(i64::MAX, inbound("nowhere"))),
        world.own.request(add(id, outbound(&unknown(), "nobody"))),
        foreign,
        world.own.request(add(id, named("again"))),
        world.own.request(add(id, inbound("2"))),
    ];
    let mut answers = as_one_batch(&world, &options, requests).await.into_iter();
    let mut next = || answers.next().unwrap();
    assert_eq!(next().unwrap().external_id.as_deref(), Some("m-1"));
    assert_refused(&next().unwrap_err(), Code::NotFound, "CONVERSATION_NOT_FOUND");
    assert_refused(&next().unwrap_err(), Code::NotFound, "AGENT_NOT_FOUND");
    assert_refused(&next().unwrap_err(), Code::NotFound, "CONVERSATION_NOT_FOUND");
    assert_refused(&next().unwrap_err(), Code::InvalidArgument, "DUPLICATE_EXTERNAL_ID");
    next().unwrap();
    assert_eq!(texts(&world.messages(id).await), ["hello", "1", "2"]);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn one_key_ten_times_in_a_batch_adds_one_message(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options.clone()).await;
    let id = world.chat().await;
    let keyed = |key: &str, text: &str| world.own.retriable(key, add(id, inbound(text)));
    let mut requests: Vec<_> = (0..10).map(|_| keyed("k", "one")).collect();
    requests.push(keyed("k", "another body"));
    requests.push(keyed("another key", "two"));
    let mut answers = as_one_batch(&world, &options, requests).await;
    let another = answers.pop().unwrap().unwrap();
    let reused = answers.pop().unwrap().unwrap_err();
    assert_refused(&reused, Code::FailedPrecondition, "IDEMPOTENCY_KEY_REUSED");
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(world.messages(id).await[1..], [answers[0].clone(), another]);
    assert_eq!(world.told(id).await.len(), 4);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn the_first_inbound_message_of_a_batch_reopens_a_closed_conversation(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(options.clone()).await;
    let id = world.chat().await;
    ok!(world.close_conversation(wire::CloseConversationRequest { id, user_id: None }));
    let requests = vec![
        world.own.request(add(id, outbound(&world.own.agents[0], "bye"))),
        world.own.request(add(id, inbound("wait"))),
        world.own.request(add(id, inbound("please"))),
    ];
    for answer in as_one_batch(&world, &options, requests).await {
        answer.unwrap();
    }
    assert_eq!(world.conversation(id).await.state(), ConversationState::Open);
    assert_eq!(
        world.log(id).await[3..],
        [
            "MessageAddedByAgent",
            "MessageAddedByCustomer",
            "ConversationReopened",
            "ConversationOffered",
            "MessageAddedByCustomer",
        ]
    );
    assert_eq!(world.told(id).await.len(), 8);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_client_that_is_gone_hurts_nobody(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options.clone()).await;
    let id = world.chat().await;
    let mut gone = Box::pin(send(&world, world.own.request(add(id, inbound("gone")))));
    assert!(futures::poll!(&mut gone).is_pending());
    drop(gone);
    let requests = vec![world.own.request(add(id, inbound("here")))];
    for answer in as_one_batch(&world, &options, requests).await {
        answer.unwrap();
    }
    assert_eq!(texts(&world.messages(id).await).last(), Some(&"here"));
    world.told(id).await;
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_conversation_that_somebody_closes_meanwhile_is_reopened(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    let mut closing = world.db.begin().await.unwrap();
    sqlx::query("update conversation.conversations set state = 3, closed_at = now() where id = $1")
        .bind(id)
        .execute(&mut *closing)
        .await
        .unwrap();
    // It was read as open when this is saved.
    let late = send(&world, world.own.request(add(id, inbound("late"))));
    let closed = async {
        world.until_waiting(1).await;
        closing.commit().await.unwrap();
    };
    let (late, ()) = tokio::join!(late, closed);
    late.unwrap();
    assert_eq!(world.conversation(id).await.state(), ConversationState::Open);
    assert_eq!(
        world.log(id).await[2..],
        ["MessageAddedByCustomer", "ConversationReopened", "ConversationOffered"]
    );
    assert_eq!(world.told(id).await.len(), 5);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn two_replicas_add_to_the_same_conversations(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let (link, _stop) = world.another().await;
    let other = wire::conversation_service_client::ConversationServiceClient::new(link);
    let mut conversations = Vec::new();
    for _ in 0..5 {
        conversations.push(world.chat().await);
    }
    let mut adds = JoinSet::new();
    for n in 0..200 {
        // Each in another order.
        let conversation = if n % 2 == 0 { n / 2 % 5 } else { 4 - n / 2 % 5 };
        let mut client = if n % 2 == 0 {
            world.client.clone()
        } else {
            other.clone()
        };
        let request = world
            .own
            .request(add(conversations[conversation], inbound(&n.to_string())));
        adds.spawn(async move { client.add_message(request).await });
    }
    for answer in adds.join_all().await {
        answer.unwrap();
    }
    for id in conversations {
        assert_eq!(world.messages(id).await.len(), 41);
        assert_eq!(world.told(id).await.len(), 42);
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_list_that_is_too_long_to_be_shared_is_complete(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    let adds = (0..520).map(|n| send(&world, world.own.request(add(id, inbound(&n.to_string())))));
    for answer in join_all(adds).await {
        answer.unwrap();
    }
    let messages = world.messages(id).await;
    assert_eq!(messages.len(), 521);
    assert_eq!(texts(&messages)[0], "hello");
}
