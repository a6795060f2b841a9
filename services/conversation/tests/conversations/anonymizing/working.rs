//! What is left of what was asked for.

use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _};
use tonic::Code;
use uuid::Uuid;
use wire::ConversationState;

use super::redis::Redis;
use super::{SECRET, address, conversation, end_user, message, telling};
use crate::support::{World, assert_refused, chat, inbound, ok, outbound, refused, until};

/// The kinds of the last events about a conversation.
async fn kinds(world: &World, id: i64) -> Vec<String> {
    world.told(id).await.into_iter().map(|(kind, _)| kind).collect()
}

async fn epoch(world: &World) -> Uuid {
    sqlx::query_scalar("select epoch from conversation.relay_streams where stream = 'handoff:events'")
        .fetch_one(&world.db)
        .await
        .unwrap()
}

/// How often anybody has looked for entries, as the relay does for its newest one every second.
async fn looks(redis: &Redis) -> u64 {
    let stats: String = redis.ask(::redis::cmd("INFO").arg("commandstats")).await;
    let line = stats
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_xrange:calls="));
    line.and_then(|line| line.split(',').next())
        .map_or(0, |calls| calls.parse().unwrap())
}

/// As if the worker that was killed had held the request for as long as it may.
async fn lease_is_over(world: &World) {
    sqlx::query("update conversation.anonymizations set due_at = now() where processed_at is null")
        .execute(&world.db)
        .await
        .unwrap();
}

/// How often somebody waits for a lock in this database.
async fn somebody_waits(world: &World) -> bool {
    sqlx::query_scalar(
        "select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')",
    )
    .fetch_one(&world.db)
    .await
    .unwrap()
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn nothing_of_a_conversation_is_left(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let redis = Redis::start().await;
    let worker = world.run(&redis).await;
    let (id, other) = (telling(&world).await, world.chat().await);
    until(async || redis.events().await.len() >= 6).await;
    assert!(world.keeps(SECRET).await && redis.events().await.concat().contains(SECRET));
    let before = epoch(&world).await;

    let request = world.anonymize(conversation(id, false)).await;
    world.until_processed(&request.id).await;
    assert!(!world.keeps(SECRET).await);
    assert!(!redis.events().await.concat().contains(SECRET));
    assert_eq!(kinds(&world, id).await.pop().unwrap(), "conversation.anonymized");
    assert_eq!(epoch(&world).await, before, "the relay misses nothing");

    let shown = world.conversation(id).await;
    assert!(shown.anonymized_at.is_some() && shown.state() == ConversationState::Closed);
    let messages = world.messages(id).await;
    assert!(messages[0].anonymized_at.is_some() && messages[0].content.is_none());
    assert!(
        ok!(world.list_notes(wire::ListNotesRequest { conversation_id: id }))
            .notes
            .is_empty()
    );
    assert_eq!(world.log(id).await.len(), 4, "what happened is still known");
    assert_eq!(world.messages(other).await[0].content.as_ref().unwrap().value, "hello");

    for status in [
        refused!(world.add_message(wire::AddMessageRequest {
            conversation_id: id,
            message: Some(inbound("x"))
        })),
        refused!(world.reopen_conversation(wire::ReopenConversationRequest { id, user_id: None })),
        refused!(world.anonymize(conversation(id, true))),
        refused!(world.anonymize(message(id, &messages[0].id))),
    ] {
        assert_refused(&status, Code::AlreadyExists, "ALREADY_ANONYMIZED");
    }
    worker.stop().await;
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_answer_that_is_erased_is_not_given_again_and_nothing_is_done_again(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(options).await;
    let redis = Redis::start().await;
    let worker = world.run(&redis).await;
    let mut client = world.client.clone();
    let begin = chat(&world.own.end_user, inbound(SECRET));
    let made = client
        .create_conversation(world.own.retriable("begin", begin.clone()))
        .await;
    let id = made.unwrap().into_inner().conversation.unwrap().id;
    let asked = conversation(id, true);
    let first = client
        .anonymize(world.own.retriable("ask", asked.clone()))
        .await
        .unwrap();
    let first = first.into_inner();
    world.until_processed(&first.request.as_ref().unwrap().id).await;

    let count = async || -> i64 {
        sqlx::query_scalar("select count(*) from conversation.conversations")
            .fetch_one(&world.db)
            .await
            .unwrap()
    };
    let before = count().await;
    let status = client
        .create_conversation(world.own.retriable("begin", begin))
        .await
        .unwrap_err();
    assert_refused(&status, Code::AlreadyExists, "IDEMPOTENCY_ANSWER_ERASED");
    let other = chat(&world.own.end_user, inbound("other"));
    let status = client
        .create_conversation(world.own.retriable("begin", other))
        .await
        .unwrap_err();
    assert_refused(&status, Code::FailedPrecondition, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(count().await, before);
    let again = client
        .anonymize(world.own.retriable("ask", asked))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again, first, "the request itself says nothing of anybody");
    worker.stop().await;
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn others_are_told_after_it_was_closed(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let redis = Redis::start().await;
    let worker = world.run(&redis).await;
    let (id, other) = (world.chat().await, world.chat().await);
    let first = world.anonymize(conversation(id, true)).await;
    let second = world.anonymize(end_user(&world.own.end_user, true)).await;
    world.until_processed(&first.id).await;
    world.until_processed(&second.id).await;
    for id in [id, other] {
        let told = world.told(id).await;
        let kinds: Vec<_> = told.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(
            kinds[kinds.len() - 2..],
            ["conversation.closed", "conversation.anonymized"]
        );
        let (last, before) = told.split_last().unwrap();
        assert_eq!(last.1, serde_json::json!({ "conversation": { "csid": id } }));
        assert!(before.iter().all(|(_, data)| data.is_null()), "{told:?}");
    }
    let told: Vec<(String, String)> =
        sqlx::query_as("select type, data from conversation.outbox where subject like 'end_users/%'")
            .fetch_all(&world.db)
            .await
            .unwrap();
    let data = serde_json::json!({ "end_user": { "id": world.own.end_user } }).to_string();
    assert_eq!(told, [("end_user.anonymized".to_owned(), data)]);
    worker.stop().await;
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn of_a_message_only_that_message_goes(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let redis = Redis::start().await;
    let worker = world.run(&redis).await;
    let id = telling(&world).await;
    let add = |text: &str| wire::AddMessageRequest {
        conversation_id: id,
        message: Some(outbound(&world.own.agents[0], text)),
    };
    let added = world
        .client
        .clone()
        .add_message(world.own.retriable("k", add("zorblax")))
        .await;
    let of = added.unwrap().into_inner().message.unwrap().id;
    ok!(world.add_message(add("kept")));
    until(async || redis.events().await.concat().contains("kept")).await;
    assert!(redis.events().await.concat().contains("zorblax"));
    let request = world.anonymize(message(id, &of)).await;
    world.until_processed(&request.id).await;
    let told = redis.events().await.concat();
    assert!(!world.keeps("zorblax").await && !told.contains("zorblax"));
    assert!(world.keeps(SECRET).await && told.contains(SECRET) && told.contains("kept"));
    let messages = world.messages(id).await;
    assert!(messages[1].anonymized_at.is_some() && messages[1].content.is_none());
    assert_eq!(messages[2].content.as_ref().unwrap().value, "kept");
    assert_eq!(kinds(&world, id).await.pop().unwrap(), "message.anonymized");
    assert_eq!(world.conversation(id).await.anonymized_at, None);
    let status = refused!(world.anonymize(message(id, &of)));
    assert_refused(&status, Code::AlreadyExists, "ALREADY_ANONYMIZED");

    let request = world.anonymize(conversation(id, false)).await;
    world.until_processed(&request.id).await;
    assert!(!world.keeps(SECRET).await);
    let kinds = kinds(&world, id).await;
    assert_eq!(
        kinds[kinds.len() - 2..],
        ["message.anonymized", "conversation.anonymized"]
    );
    worker.stop().await;
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_end_user_goes_with_all_his_conversations(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let redis = Redis::start().await;
    let worker = world.run(&redis).await;
    let own = world.own.end_user.clone();
    let foreign = crate::support::person(&world.db, world.own.org, "Eve", false).await;
    let begun = chat(&foreign, inbound("of somebody else"));
    let other = ok!(world.create_conversation(begun)).conversation.unwrap().id;
    // More than are worked on together, the first of them closed and the last one anonymized already.
    let mut ids = vec![telling(&world).await];
    for _ in 0..24 {
        ids.push(world.chat().await);
    }
    let last = *ids.last().unwrap();
    let early = world.anonymize(conversation(last, true)).await;
    world.until_processed(&early.id).await;
    assert!(world.keeps(&address(&own)).await);

    let request = world.anonymize(end_user(&own, true)).await;
    world.until_processed(&request.id).await;
    for id in &ids {
        let shown = world.conversation(*id).await;
        assert!(
            shown.anonymized_at.is_some() && shown.state() == ConversationState::Closed,
            "{id}"
        );
        let kinds = kinds(&world, *id).await;
        assert_eq!(
            kinds.iter().filter(|kind| *kind == "conversation.anonymized").count(),
            1
        );
    }
    let told = redis.events().await.concat();
    for secret in [SECRET, &address(&own)] {
        assert!(!world.keeps(secret).await, "{secret}");
        assert!(!told.contains(secret), "{secret}");
    }
    assert_eq!(world.conversation(other).await.state(), ConversationState::Open);
    assert!(world.keeps(&address(&foreign)).await && told.contains("of somebody else"));

    let status = refused!(world.create_conversation(chat(&own, inbound("x"))));
    assert_refused(&status, Code::NotFound, "END_USER_NOT_FOUND");
    let status = refused!(world.anonymize(end_user(&own, true)));
    assert_refused(&status, Code::AlreadyExists, "ALREADY_ANONYMIZED");
    worker.stop().await;
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn what_an_end_user_wrote_to_others_goes_too(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let redis = Redis::start().await;
    let worker = world.run(&redis).await;
    let other = crate::support::person(&world.db, world.own.org, "Eve", false).await;
    let id = world.chat().await;
    for (author, text) in [(other.clone(), SECRET), (world.own.agents[0].clone(), "kept")] {
        let message = wire::IngestMessageRequest {
            conversation_id: id,
            r#type: wire::MessageType::Chat.into(),
            direction: if text == SECRET { 1 } else { 2 },
            author_id: Some(author),
            content: crate::support::text(text),
            ..Default::default()
        };
        world
            .client
            .clone()
            .ingest_message(world.internal(message))
            .await
            .unwrap();
    }
    let request = world.anonymize(end_user(&other, false)).await;
    world.until_processed(&request.id).await;
    assert!(!world.keeps(SECRET).await && !redis.events().await.concat().contains(SECRET));
    let shown = world.conversation(id).await;
    assert_eq!((shown.anonymized_at, shown.state()), (None, ConversationState::Open));
    let messages = world.messages(id).await;
    let texts: Vec<_> = messages
        .iter()
        .map(|message| message.content.clone().map(|content| content.value))
        .collect();
    assert_eq!(texts, [Some("hello".to_owned()), None, Some("kept".to_owned())]);
    worker.stop().await;
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn who_begins_a_conversation_meanwhile_is_refused_or_it_goes_too(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let redis = Redis::start().await;
    let worker = world.run(&redis).await;
    let request = world.anonymize(end_user(&world.own.end_user, true)).await;
    let beginning: Vec<_> = (0..2)
        .map(|_| {
            let (mut client, own) = (world.client.clone(), world.own.clone());
            tokio::spawn(async move {
                loop {
                    match client
                        .create_conversation(own.request(chat(&own.end_user, inbound(SECRET))))
                        .await
                    {
                        Ok(_) => {}
                        Err(status) if status.code() == Code::NotFound => return,
                        Err(status) => panic!("{status:?}"),
                    }
                }
            })
        })
        .collect();
    for begun in beginning {
        begun.await.unwrap();
    }
    world.until_processed(&request.id).await;
    assert!(!world.keeps(SECRET).await && !redis.events().await.concat().contains(SECRET));
    worker.stop().await;
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn any_number_of_replicas_tell_of_it_once(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let redis = Redis::start().await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(telling(&world).await);
    }
    let mut requests = Vec::new();
    for id in &ids {
        requests.push(world.anonymize(conversation(*id, false)).await.id);
    }
    requests.push(world.anonymize(end_user(&world.own.end_user, false)).await.id);
    let workers = [
        world.run(&redis).await,
        world.run(&redis).await,
        world.run(&redis).await,
    ];
    for request in requests {
        world.until_processed(&request).await;
    }
    for id in ids {
        let kinds = kinds(&world, id).await;
        assert_eq!(
            kinds.iter().filter(|kind| *kind == "conversation.anonymized").count(),
            1
        );
    }
    assert!(!world.keeps(SECRET).await && !redis.events().await.concat().contains(SECRET));
    for worker in workers {
        worker.stop().await;
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_worker_that_dies_between_any_two_steps_is_followed_by_another(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options.clone()).await;
    let mut redis = Redis::start().await;
    let id = telling(&world).await;
    let request = world.anonymize(conversation(id, false)).await;
    // Before it is anonymized; before its messages are erased; before the log is; before the answers are.
    for table in [
        format!("conversations where id = {id}"),
        format!("messages where conversation_id = {id}"),
        format!("activity_log where conversation_id = {id}"),
        format!("idempotency_keys where subject = 'conversations/{id}'"),
    ] {
        let mut holder = sqlx::PgConnection::connect_with(&options).await.unwrap();
        let mut tx = holder.begin().await.unwrap();
        let lock = format!("select 1 from conversation.{table} for update");
        let held = sqlx::query(AssertSqlSafe(lock)).fetch_all(&mut *tx).await.unwrap();
        assert!(!held.is_empty(), "{table}");
        let worker = world.run(&redis).await;
        until(async || somebody_waits(&world).await).await;
        worker.kill().await;
        tx.rollback().await.unwrap();
        assert!(world.keeps(SECRET).await);
        assert_eq!(world.request_status(&request.id).await.processed_at, None);
        lease_is_over(&world).await;
    }
    // Before the entries of the stream are deleted.
    let worker = world.run(&redis).await;
    until(async || !world.keeps(SECRET).await).await;
    worker.kill().await;
    redis.kill().await;
    redis.restart().await;
    lease_is_over(&world).await;
    let worker = world.run(&redis).await;
    world.until_processed(&request.id).await;
    assert!(!redis.events().await.concat().contains(SECRET));
    let kinds = kinds(&world, id).await;
    assert_eq!(
        kinds.iter().filter(|kind| *kind == "conversation.anonymized").count(),
        1
    );
    worker.stop().await;
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn while_redis_is_away_a_request_stays_under_way(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let mut redis = Redis::start().await;
    let worker = world.run(&redis).await;
    let id = telling(&world).await;
    until(async || redis.events().await.len() >= 4).await;
    redis.kill().await;
    let request = world.anonymize(conversation(id, false)).await;
    let failed = async || -> bool {
        sqlx::query_scalar("select failures > 1 from conversation.anonymizations")
            .fetch_one(&world.db)
            .await
            .unwrap()
    };
    until(failed).await;
    assert!(!world.keeps(SECRET).await, "the database is done without it");
    assert_eq!(world.request_status(&request.id).await.processed_at, None);
    redis.restart().await;
    world.until_processed(&request.id).await;
    assert!(!redis.events().await.concat().contains(SECRET));
    worker.stop().await;
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn the_relay_goes_on_after_its_newest_entry_was_to_go(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let redis = Redis::start().await;
    let worker = world.run(&redis).await;
    let id = telling(&world).await;
    until(async || redis.events().await.len() >= 4).await;
    let before = epoch(&world).await;
    let request = world.anonymize(conversation(id, false)).await;
    world.until_processed(&request.id).await;
    let before_that = looks(&redis).await;
    until(async || looks(&redis).await >= before_that + 2).await;
    assert_eq!(epoch(&world).await, before);
    let next = world.chat().await;
    let next = format!("\"conversations/{next}\"");
    until(async || redis.events().await.concat().contains(&next)).await;
    let left = redis.events().await.concat();
    assert!(!left.contains(SECRET) && left.contains("conversation.anonymized"));
    assert_eq!(epoch(&world).await, before);
    worker.stop().await;
}
