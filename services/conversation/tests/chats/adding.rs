//! Messages of chats that are added together: what happens to one happens to no other.

use std::collections::BTreeSet;

use futures::future::join_all;
use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::{Code, Request, Status};
use wire::conversation_service_client::ConversationServiceClient;
use wire::{ChatStatus, Direction};

use crate::custom_data::{data, item};
use crate::scene::{Scene, chat, said};
use crate::support::{assert_field, assert_refused, chat as a_chat, inbound};

type Answer = Result<wire::Message, Status>;

async fn send(scene: &Scene, request: Request<wire::SendChatMessageRequest>) -> Answer {
    let answer = scene.chats.clone().send_chat_message(request).await?;
    Ok(answer.into_inner().message.unwrap())
}

/// Does all of this while an earlier commit is under way, so that it is one batch.
async fn as_one_batch<T>(scene: &Scene, all: Vec<impl Future<Output = T>>) -> Vec<T> {
    let stall = scene.start(scene.people).await;
    let mut lock = scene.world.db.begin().await.unwrap();
    sqlx::query("select from conversation.conversations where id = $1 for update")
        .bind(stall)
        .execute(&mut *lock)
        .await
        .unwrap();
    let batch = async {
        scene.world.until_waiting(1).await;
        let mut batch = join_all(all);
        // All of them are in the queue before the one ahead is let go.
        assert!(futures::poll!(&mut batch).is_pending());
        lock.commit().await.unwrap();
        batch.await
    };
    let ahead = send(scene, scene.request(said(stall, scene.ada, "ahead")));
    let (ahead, batch) = tokio::join!(ahead, batch);
    ahead.unwrap();
    batch
}

fn texts(messages: &[wire::Message]) -> Vec<&str> {
    let contents = messages.iter().map(|message| message.content.as_ref().unwrap());
    contents.map(|content| content.value.as_str()).collect()
}

/// The texts of a chat's messages, as others were told of them.
async fn told(scene: &Scene, id: i64) -> Vec<String> {
    let told = scene.told(&format!("chats/{id}")).await.into_iter();
    let received = told.filter(|(kind, _)| kind == "chat.message_received");
    received
        .map(|(_, data)| data["message"]["text"].as_str().unwrap().to_owned())
        .collect()
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn many_messages_at_once_all_find_their_place_with_one_event_each(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let chats = [scene.start(scene.bots.1).await, scene.start(scene.people).await];
    let sent: Vec<_> = (0..60)
        .map(|n| {
            let from = if n % 3 == 0 { scene.agents[0] } else { scene.ada };
            send(&scene, scene.request(said(chats[n % 2], from, &n.to_string())))
        })
        .collect();
    let answers: Vec<_> = as_one_batch(&scene, sent)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    for (n, id) in chats.into_iter().enumerate() {
        let answered: Vec<_> = answers.iter().skip(n).step_by(2).cloned().collect();
        let messages = scene.world.messages(id).await;
        assert_eq!(messages, answered);
        assert_eq!(told(&scene, id).await, texts(&messages));
        let (kinds, data): (Vec<_>, Vec<_>) = scene.world.told(id).await.into_iter().unzip();
        let added: Vec<_> = kinds
            .iter()
            .zip(&data)
            .filter(|(kind, _)| *kind == "conversation.message_added")
            .collect();
        let added: Vec<_> = added
            .into_iter()
            .map(|(_, data)| data["text"].as_str().unwrap())
            .collect();
        assert_eq!(added, texts(&messages));
        assert_eq!(scene.chat(id).await.all_agents.len(), 1, "who writes takes part, once");
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn what_is_wrong_with_a_message_of_a_batch_is_its_own_affair(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let (id, ended) = (scene.start(scene.people).await, scene.start(scene.people).await);
    scene.finish(ended).await;
    let foreign = Request::from_parts(
        scene.world.other.request(()).metadata().clone(),
        tonic::Extensions::default(),
        said(id, scene.ada, "not mine"),
    );
    let requests = [
        scene.request(said(id, scene.ada, "1")),
        scene.request(said(ended, scene.ada, "too late")),
        scene.request(said(crate::scene::NOTHING, scene.ada, "nowhere")),
        scene.request(said(id, crate::scene::NOTHING, "nobody")),
        foreign,
        scene.request(said(id, scene.agents[0], "2")),
    ];
    let sent = requests.into_iter().map(|request| send(&scene, request)).collect();
    let answers = as_one_batch(&scene, sent).await;
    let mut answers = answers.into_iter();
    let mut next = || answers.next().unwrap();
    assert_eq!(next().unwrap().direction(), Direction::Inbound);
    assert_refused(&next().unwrap_err(), Code::InvalidArgument, "CHAT_ENDED");
    assert_refused(&next().unwrap_err(), Code::NotFound, "CHAT_NOT_FOUND");
    assert_field(&next().unwrap_err(), "from_user_id");
    assert_refused(&next().unwrap_err(), Code::NotFound, "CHAT_NOT_FOUND");
    assert_eq!(next().unwrap().direction(), Direction::Outbound);
    assert_eq!(texts(&scene.world.messages(id).await), ["1", "2"]);
    assert_eq!(told(&scene, id).await, ["1", "2"]);
    assert_eq!(
        scene.kinds(&format!("chats/{ended}")).await,
        ["chat.created", "chat.finished"]
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn one_key_many_times_in_a_batch_says_one_message(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    let keyed = |key: &str, text: &str| scene.world.own.retriable(key, said(id, scene.ada, text));
    let mut requests: Vec<_> = (0..5).map(|_| keyed("k", "one")).collect();
    requests.extend([keyed("k", "another body"), keyed("another key", "two")]);
    let sent: Vec<_> = requests.into_iter().map(|request| send(&scene, request)).collect();
    let mut answers = as_one_batch(&scene, sent).await;
    let another = answers.pop().unwrap().unwrap();
    let reused = answers.pop().unwrap().unwrap_err();
    assert_refused(&reused, Code::FailedPrecondition, "IDEMPOTENCY_KEY_REUSED");
    let ids: BTreeSet<_> = answers.into_iter().map(|answer| answer.unwrap().id).collect();
    assert_eq!(ids.len(), 1);
    let messages = scene.world.messages(id).await;
    assert!(ids.contains(&messages[0].id));
    assert_eq!(messages[1..], [another]);
    assert_eq!(told(&scene, id).await, ["one", "two"]);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_key_is_another_one_on_the_other_surface(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    send(&scene, scene.world.own.retriable("k", said(id, scene.ada, "one")))
        .await
        .unwrap();
    let message = Some(inbound("two"));
    let request = wire::AddMessageRequest {
        conversation_id: id,
        message,
    };
    let request = scene.world.own.retriable("k", request);
    scene.world.client.clone().add_message(request).await.unwrap();
    assert_eq!(texts(&scene.world.messages(id).await), ["one", "two"]);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_wrong_retry_is_told_of_its_key_first(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    let keyed = |text: &str| scene.world.own.retriable("k", said(id, scene.ada, text));
    assert_field(&send(&scene, keyed("")).await.unwrap_err(), "text");
    send(&scene, keyed("one")).await.unwrap();
    let reused = send(&scene, keyed("")).await.unwrap_err();
    assert_refused(&reused, Code::FailedPrecondition, "IDEMPOTENCY_KEY_REUSED");
    scene.finish(id).await;
    let ended = send(&scene, scene.request(said(id, scene.ada, ""))).await.unwrap_err();
    assert_refused(&ended, Code::InvalidArgument, "CHAT_ENDED");
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_retry_gets_its_message_although_the_chat_has_ended(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    let keyed = || scene.world.own.retriable("k", said(id, scene.ada, "one"));
    let first = send(&scene, keyed()).await.unwrap();
    scene.finish(id).await;
    assert_eq!(send(&scene, keyed()).await.unwrap(), first);
    assert_eq!(texts(&scene.world.messages(id).await), ["one"]);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_chat_that_somebody_ends_meanwhile_takes_no_message(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    let mut ending = scene.world.db.begin().await.unwrap();
    sqlx::query("update conversation.conversations set state = 3, closed_at = now() where id = $1")
        .bind(id)
        .execute(&mut *ending)
        .await
        .unwrap();
    // It was read as running when this is saved.
    let late = send(&scene, scene.request(said(id, scene.ada, "late")));
    let ended = async {
        scene.world.until_waiting(1).await;
        ending.commit().await.unwrap();
    };
    let (late, ()) = tokio::join!(late, ended);
    assert_refused(&late.unwrap_err(), Code::InvalidArgument, "CHAT_ENDED");
    assert!(scene.world.messages(id).await.is_empty());
    assert!(told(&scene, id).await.is_empty());
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_chat_whose_context_changes_meanwhile_is_told_as_it_is(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    let mut changing = scene.world.db.begin().await.unwrap();
    sqlx::query("update conversation.chats set context = '{\"page\": 2}' where conversation_id = $1")
        .bind(id)
        .execute(&mut *changing)
        .await
        .unwrap();
    let late = send(&scene, scene.request(said(id, scene.ada, "late")));
    let changed = async {
        scene.world.until_waiting(1).await;
        changing.commit().await.unwrap();
    };
    let (late, ()) = tokio::join!(late, changed);
    late.unwrap();
    let data: String = sqlx::query_scalar(
        "select data from conversation.outbox where type = 'chat.message_received' and subject = 'chats/' || $1",
    )
    .bind(id)
    .fetch_one(&scene.world.db)
    .await
    .unwrap();
    let data: serde_json::Value = serde_json::from_str(&data).unwrap();
    assert_eq!(data["chat"]["context"]["value"]["page"], 2);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_session_that_begins_meanwhile_follows(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.world.chat().await;
    let mut lock = scene.world.db.begin().await.unwrap();
    sqlx::query("select from conversation.conversations where id = $1 for update")
        .bind(id)
        .execute(&mut *lock)
        .await
        .unwrap();
    // First in the line for the conversation is what begins the session, second a message that has been read without one.
    let begin = async {
        chat!(scene.set_custom_data(data(id, vec![item("reserved_bad_actor", &serde_json::json!(false))])));
    };
    let late = async {
        scene.world.until_waiting(1).await;
        let request = wire::AddMessageRequest {
            conversation_id: id,
            message: Some(inbound("late")),
        };
        scene
            .world
            .client
            .clone()
            .add_message(scene.request(request))
            .await
            .unwrap();
    };
    let line = async {
        scene.world.until_waiting(2).await;
        lock.commit().await.unwrap();
    };
    tokio::join!(begin, late, line);
    assert_eq!(told(&scene, id).await, ["late"]);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_batch_wakes_a_dismissed_chat_and_begins_the_session_of_a_conversation(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let scene = Scene::new(options).await;
    let (dismissed, conversation) = (scene.start(scene.people).await, {
        let request = scene.request(a_chat(&scene.world.own.end_user, inbound("hello")));
        let made = scene.world.client.clone().create_conversation(request).await.unwrap();
        made.into_inner().conversation.unwrap().id
    });
    for id in [dismissed, conversation] {
        scene.claim(id, 0).await;
    }
    let at = crate::support::at(4_102_444_800);
    let put_off = scene.request(wire::FollowUpConversationRequest {
        id: dismissed,
        at,
        user_id: None,
    });
    scene
        .world
        .client
        .clone()
        .follow_up_conversation(put_off)
        .await
        .unwrap();
    assert_eq!(scene.status(dismissed).await, ChatStatus::Dismissed);
    let requests = [
        said(dismissed, scene.ada, "I am back"),
        said(conversation, scene.ada, "1"),
        said(dismissed, scene.agents[0], "Welcome back"),
        said(conversation, scene.agents[0], "2"),
    ];
    let sent = requests
        .into_iter()
        .map(|request| send(&scene, scene.request(request)))
        .collect();
    for answer in as_one_batch(&scene, sent).await {
        answer.unwrap();
    }
    for (id, said) in [(dismissed, ["I am back", "Welcome back"]), (conversation, ["1", "2"])] {
        assert_eq!(told(&scene, id).await, said);
        let chat = scene.chat(id).await;
        assert_eq!(chat.status(), ChatStatus::Assigned);
        assert!(chat.timeout_at.is_some(), "it is the end user's turn");
        assert_eq!(chat.all_agents.len(), 1);
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn messages_of_both_surfaces_are_one_batch(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    scene.finish(id).await;
    let over_chats = async |text: &str| send(&scene, scene.request(said(id, scene.ada, text))).await;
    let over_conversations = async |text: &str| {
        let request = scene.request(wire::AddMessageRequest {
            conversation_id: id,
            message: Some(inbound(text)),
        });
        let mut client = ConversationServiceClient::new(scene.link.clone());
        Ok(client.add_message(request).await?.into_inner().message.unwrap())
    };
    // Written to the chat it is refused until the conversation is open again.
    let sent: Vec<std::pin::Pin<Box<dyn Future<Output = Answer>>>> = vec![
        Box::pin(over_chats("0")),
        Box::pin(over_conversations("1")),
        Box::pin(over_chats("2")),
    ];
    let answers: Vec<_> = as_one_batch(&scene, sent)
        .await
        .into_iter()
        .map(|answer| answer.is_ok())
        .collect();
    assert_eq!(answers, [false, true, true]);
    assert_eq!(told(&scene, id).await, ["1", "2"]);
    assert_eq!(scene.status(id).await, ChatStatus::Queued);
}
