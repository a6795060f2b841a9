//! Anonymization of what only chats have.

use platform::server::Readiness;
use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use wire::AnonymizationTarget as Target;

use crate::redis::Redis;
use crate::scene::{Scene, chat, escalation};
use crate::support::{ok, until};

/// What must not be left.
const SECRET: &str = "zebulon-quarkstein";

const ESCALATIONS: &str = "handoff:escalations";

impl Scene {
    async fn run_with(&self, redis: &Redis) -> DropGuard {
        let stop = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let replica = self.world.replica_with(redis.config());
        tokio::spawn(replica.run(listener, Readiness::default(), stop.clone()));
        stop.drop_guard()
    }

    async fn anonymize(&self, request: wire::AnonymizeRequest) {
        let world = &self.world;
        let asked = wire::AnonymizeRequest { force: true, ..request };
        let id = ok!(world.anonymize(asked)).request.unwrap().id;
        until(async || {
            let request = wire::GetAnonymizationRequestRequest { id: id.clone() };
            let request = ok!(world.get_anonymization_request(request)).request.unwrap();
            request.processed_at.is_some()
        })
        .await;
    }

    /// Everything that is kept of what was told, logged and answered, and of chats.
    async fn everything(&self) -> String {
        let kept: Vec<String> = sqlx::query_scalar(
            "select t::text from conversation.outbox t union all select t::text from conversation.activity_log t
             union all select encode(answer, 'escape') from conversation.idempotency_keys where answer is not null
             union all select t::text from conversation.chats t
             union all select t::text from conversation.chat_custom_data t
             union all select t::text from conversation.escalations t
             union all select t::text from conversation.messages t",
        )
        .fetch_all(&self.world.db)
        .await
        .unwrap();
        kept.concat()
    }

    /// A call that can be repeated.
    fn once<T>(&self, message: T) -> tonic::Request<T> {
        let key = platform::id::random().to_string();
        self.world.own.retriable(&key, message)
    }

    /// An end user who is called [`SECRET`], by number and UUID.
    async fn secretive(&self) -> (i64, String) {
        let made = chat!(self.upsert_end_user(wire::UpsertEndUserRequest {
            identifier: format!("{SECRET}-identifier"),
            name: Some(SECRET.to_owned()),
            email: Some(format!("{SECRET}@example.com")),
            phone: None,
        }));
        let made = made.end_user.unwrap();
        (made.id, made.person_id)
    }

    /// A chat that says [`SECRET`] wherever it can, and its escalation.
    async fn telling(&self, end_user_id: i64) -> (i64, wire::ChatEscalation) {
        let request = wire::CreateChatRequest {
            menu_id: self.bots.1,
            end_user_id,
            context_json: format!(r#"{{"order":"{SECRET}"}}"#),
            transcript: vec![wire::TranscriptMessage {
                from_end_user: true,
                text: SECRET.to_owned(),
                ..Default::default()
            }],
            ..Default::default()
        };
        let made = self.chats.clone().create_chat(self.once(request)).await.unwrap();
        let chat_id = made.into_inner().chat.unwrap().id;
        let item = wire::CustomDataItem {
            key: SECRET.to_owned(),
            value_json: format!("\"{SECRET}\""),
            invisible_to_agent: true,
            ..Default::default()
        };
        chat!(self.set_custom_data(wire::SetCustomDataRequest {
            chat_id,
            custom_data: Some(wire::set_custom_data_request::CustomData::Data(wire::CustomData {
                items: vec![item]
            })),
        }));
        chat!(self.set_customer_flags(wire::SetCustomerFlagsRequest {
            chat_id,
            bad_actor: Some(true),
            ..Default::default()
        }));
        self.say(chat_id, end_user_id, SECRET).await;
        let request = self.once(escalation(chat_id, false));
        let escalated = self.chats.clone().create_chat_escalation(request).await.unwrap();
        (chat_id, escalated.into_inner().escalation.unwrap())
    }
}

async fn until_told(redis: &Redis, what: &str) {
    until(async || redis.stream(ESCALATIONS).await.concat().contains(what)).await;
}

fn conversation(conversation_id: i64) -> wire::AnonymizeRequest {
    wire::AnonymizeRequest {
        target: Target::Conversation.into(),
        conversation_id,
        ..Default::default()
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn nothing_of_a_chat_is_left(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let redis = Redis::start().await;
    let _worker = scene.run_with(&redis).await;
    let other = scene.start(scene.bots.1).await;
    scene.say(other, scene.ada, "of somebody else").await;
    let other = scene.escalate(other).await;
    let (end_user, _) = scene.secretive().await;
    let (id, escalated) = scene.telling(end_user).await;
    until_told(&redis, SECRET).await;
    assert!(scene.everything().await.contains(SECRET));

    scene.anonymize(conversation(id)).await;
    assert!(!scene.everything().await.contains(SECRET));
    assert!(!redis.events().await.concat().contains(SECRET));
    let told = redis.stream(ESCALATIONS).await.concat();
    assert!(!told.contains(SECRET), "{told}");
    assert!(told.contains("of somebody else") && told.contains(&other.escalation_id));
    let subject = format!("escalations/{}", escalated.escalation_id);
    let told = scene.told(&subject).await;
    let (last, before) = told.split_last().unwrap();
    assert_eq!(last.0, "escalation.anonymized");
    assert_eq!(
        last.1,
        serde_json::json!({"kind": "chat", "escalationId": escalated.escalation_id, "chatId": id})
    );
    assert_eq!(before.len(), 2, "created and canceled");
    assert!(before.iter().all(|(_, data)| data.is_null()), "{before:?}");

    let listed = scene.escalation(escalated.id).await;
    assert_eq!((listed.end_user_name, listed.end_user_email), (None, None));
    let flags = chat!(scene.get_customer_flags(wire::GetCustomerFlagsRequest { chat_id: id }));
    assert_eq!(flags.flags, Some(wire::CustomerFlags::default()));
    assert_eq!(scene.chat(id).await.context_json, "");
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn however_often_a_chat_was_escalated_nothing_is_left(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let redis = Redis::start().await;
    let _worker = scene.run_with(&redis).await;
    let (end_user, _) = scene.secretive().await;
    let (id, _) = scene.telling(end_user).await;
    // More than one statement takes on; the last ones have told of it.
    sqlx::query(
        "with made as (
             insert into conversation.escalations (org_id, id, conversation_id, status, reason, event_sequence,
                                                   requested_by, created_at, resolved_at)
             select org_id, gen_random_uuid(), conversation_id, 2, reason, 1, requested_by, created_at, now()
             from conversation.escalations, generate_series(1, 501) where conversation_id = $1
             returning org_id, id
         )
         insert into conversation.outbox (org_id, event_id, stream, type, subject, sequence, data)
         select org_id, gen_random_uuid(), $2, 'escalation.created', 'escalations/' || id, 1, $3 from made
         order by id desc limit 2",
    )
    .bind(id)
    .bind(ESCALATIONS)
    .bind(serde_json::json!({ "prompt": SECRET }).to_string())
    .execute(&scene.world.db)
    .await
    .unwrap();
    until(async || redis.stream(ESCALATIONS).await.len() == 3).await;

    scene.anonymize(conversation(id)).await;
    assert!(!scene.everything().await.contains(SECRET));
    assert!(!redis.stream(ESCALATIONS).await.concat().contains(SECRET));
    let told: i64 = sqlx::query_scalar("select count(*) from conversation.outbox where type = 'escalation.anonymized'")
        .fetch_one(&scene.world.db)
        .await
        .unwrap();
    assert_eq!(told, 502);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_message_goes_from_what_was_told_of_an_escalation(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let redis = Redis::start().await;
    let _worker = scene.run_with(&redis).await;
    let id = scene.start(scene.bots.1).await;
    let said = scene.say(id, scene.ada, SECRET).await;
    let mentions = scene.escalate(id).await;
    scene.finish(id).await;
    scene.reopen(id).await;
    scene.say(id, scene.ada, "kept").await;
    let other = scene.escalate(id).await;
    scene.finish(id).await;
    until_told(&redis, &other.escalation_id).await;
    assert!(redis.stream(ESCALATIONS).await.concat().contains(SECRET));

    scene
        .anonymize(wire::AnonymizeRequest {
            target: Target::Message.into(),
            conversation_id: id,
            message_id: said.id.clone(),
            ..Default::default()
        })
        .await;
    let told = redis.stream(ESCALATIONS).await.concat();
    assert!(!told.contains(SECRET) && told.contains("kept"));
    assert!(!scene.everything().await.contains(SECRET));
    let kinds = async |escalation: &wire::ChatEscalation| {
        let subject = format!("escalations/{}", escalation.escalation_id);
        scene.kinds(&subject).await
    };
    assert_eq!(
        kinds(&mentions).await,
        ["escalation.created", "escalation.resolved", "escalation.anonymized"]
    );
    assert_eq!(kinds(&other).await, ["escalation.created", "escalation.resolved"]);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_former_end_user_goes_from_chats_that_somebody_else_has_now(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let redis = Redis::start().await;
    let _worker = scene.run_with(&redis).await;
    let (former, person) = scene.secretive().await;
    let id = scene.start_as(former).await;
    scene.say(id, former, SECRET).await;
    let request = scene.once(escalation(id, false));
    let escalated = scene.chats.clone().create_chat_escalation(request).await.unwrap();
    let escalated = escalated.into_inner().escalation.unwrap();
    let update = wire::UpdateChatEndUserRequest {
        chat_id: id,
        identifier: "ada".to_owned(),
        ..Default::default()
    };
    chat!(scene.update_chat_end_user(update));
    scene.say(id, scene.ada, "It is me now").await;
    until_told(&redis, SECRET).await;

    scene
        .anonymize(wire::AnonymizeRequest {
            target: Target::User.into(),
            user_id: person.clone(),
            ..Default::default()
        })
        .await;
    assert!(!scene.everything().await.contains(SECRET));
    for told in [redis.events().await, redis.stream(ESCALATIONS).await] {
        assert!(!told.concat().contains(SECRET));
    }
    assert!(redis.events().await.concat().contains("It is me now"));
    let chat = scene.chat(id).await;
    assert_eq!((chat.end_user.unwrap().id, chat.ends_at), (scene.ada, None));
    let replaced = scene.world.entries(id).await.into_iter();
    let mut replaced = replaced.filter(|entry| entry.r#type == "ConversationEndUserReplaced");
    let users: serde_json::Value = serde_json::from_str(&replaced.next().unwrap().attributes_json).unwrap();
    assert_eq!(users["oldUser"], serde_json::json!({ "id": person }));
    assert_eq!(users["newUser"]["name"], "Ada");
    let told = scene.told(&format!("escalations/{}", escalated.escalation_id)).await;
    assert_eq!(told.last().unwrap().1["endUserId"], person);
}
