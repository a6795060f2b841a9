use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;
use wire::get_end_user_request::By;

use crate::scene::{NOTHING, Scene, chat, chat_refused};
use crate::support::{Spoil, assert_field, assert_refused};

fn person(identifier: &str) -> wire::UpsertEndUserRequest {
    wire::UpsertEndUserRequest {
        identifier: identifier.to_owned(),
        email: Some(format!("{identifier}@example.com")),
        name: Some("Bea".to_owned()),
        phone: Some("+15550100".to_owned()),
    }
}

fn update(chat_id: i64, identifier: &str) -> wire::UpdateChatEndUserRequest {
    wire::UpdateChatEndUserRequest {
        chat_id,
        identifier: identifier.to_owned(),
        name: Some("Bea".to_owned()),
        ..Default::default()
    }
}

type Kept = (Option<String>, Option<String>, Vec<String>, Vec<String>);

impl Scene {
    /// Name, address and what else is known of an end user.
    async fn kept(&self, number: i64) -> Kept {
        sqlx::query_as(
            "select display_name, email, additional_emails, additional_phone_numbers
             from conversation.people where number = $1",
        )
        .bind(number)
        .fetch_one(&self.world.db)
        .await
        .unwrap()
    }

    async fn upsert(&self, request: wire::UpsertEndUserRequest) -> wire::ChatEndUser {
        let answer = self.chats.clone().upsert_end_user(self.request(request)).await;
        answer.unwrap().into_inner().end_user.unwrap()
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn the_same_identifier_is_the_same_end_user(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let made = scene.upsert(person("bea")).await;
    assert_eq!(made.identifier.as_deref(), Some("bea"));
    let renamed = wire::UpsertEndUserRequest {
        name: Some("Beatrix".to_owned()),
        email: None,
        ..person("bea")
    };
    assert_eq!(scene.upsert(renamed).await, made);
    let (name, email, ..) = scene.kept(made.id).await;
    assert_eq!(
        (name.as_deref(), email.as_deref()),
        (Some("Beatrix"), Some("bea@example.com"))
    );
    for by in [By::Id(made.id), By::Identifier("bea".to_owned())] {
        let request = wire::GetEndUserRequest { by: Some(by) };
        assert_eq!(chat!(scene.get_end_user(request)).end_user.unwrap(), made);
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_address_of_somebody_else_merges_nobody(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let bea = scene.upsert(person("bea")).await;
    let twin = wire::UpsertEndUserRequest {
        email: Some("BEA@example.com".to_owned()),
        ..person("twin")
    };
    let twin = scene.upsert(twin).await;
    assert_ne!(twin.id, bea.id);
    let (_, email, emails, phones) = scene.kept(twin.id).await;
    assert_eq!(
        (email, emails, phones),
        (None, vec!["BEA@example.com".to_owned()], vec!["+15550100".to_owned()])
    );
    assert_eq!(scene.kept(bea.id).await.1.as_deref(), Some("bea@example.com"));
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_end_user_who_is_not_there_is_not_found(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let absent = [
        By::Id(NOTHING),
        By::Id(scene.agents[0]),
        By::Identifier("nobody".to_owned()),
        By::Identifier(String::new()),
    ];
    for by in absent {
        let request = wire::GetEndUserRequest { by: Some(by) };
        let refused = chat_refused!(scene.get_end_user(request));
        assert_refused(&refused, Code::NotFound, "END_USER_NOT_FOUND");
    }
    let nul = By::Identifier("a\0b".to_owned());
    let request = wire::GetEndUserRequest { by: Some(nul) };
    assert_field(&chat_refused!(scene.get_end_user(request)), "identifier");
    let refused = chat_refused!(scene.get_end_user(wire::GetEndUserRequest { by: None }));
    assert_field(&refused, "by");
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_wrong_field_of_an_end_user_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    let spoils: [Spoil<wire::UpsertEndUserRequest>; 5] = [
        (|m| m.identifier = String::new(), "identifier"),
        (|m| m.identifier = "x".repeat(256), "identifier"),
        (|m| m.email = Some("nobody".to_owned()), "email"),
        (|m| m.phone = Some("5550100".to_owned()), "phone"),
        (|m| m.name = Some("x".repeat(201)), "name"),
    ];
    for (spoil, field) in spoils {
        let mut request = person("bea");
        spoil(&mut request);
        assert_field(&chat_refused!(scene.upsert_end_user(request.clone())), field);
        let request = wire::UpdateChatEndUserRequest {
            chat_id: id,
            identifier: request.identifier,
            name: request.name,
            email: request.email,
            phone: request.phone,
        };
        assert_field(&chat_refused!(scene.update_chat_end_user(request)), field);
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn the_end_user_of_a_chat_is_updated(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    let before = scene.world.log(id).await;
    let answer = chat!(scene.update_chat_end_user(update(id, "ada")));
    assert_eq!(answer.end_user.unwrap().id, scene.ada);
    assert_eq!(scene.kept(scene.ada).await.0.as_deref(), Some("Bea"));
    assert_eq!(scene.world.log(id).await, before);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn another_identifier_makes_somebody_else_the_requester(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let bea = scene.upsert(person("bea")).await;
    let id = scene.start(scene.people).await;
    for (identifier, expected) in [("bea", Some(bea.id)), ("new", None)] {
        let answer = chat!(scene.update_chat_end_user(update(id, identifier)));
        let end_user = answer.end_user.unwrap();
        assert!(expected.is_none_or(|number| number == end_user.id));
        assert_eq!(scene.chat(id).await.end_user, Some(end_user.clone()));
        assert_eq!(scene.world.conversation(id).await.requester_id, end_user.person_id);
        let entry = scene.world.entries(id).await.pop().unwrap();
        assert_eq!(entry.r#type, "ConversationEndUserReplaced");
        assert_eq!(entry.attributes_type, "ConversationEndUserReplacedAttribute");
        let users: serde_json::Value = serde_json::from_str(&entry.attributes_json).unwrap();
        assert_eq!(users["newUser"]["id"], end_user.person_id);
        scene.say(id, end_user.id, "It is me").await;
    }
    let (kind, told) = scene.world.told(id).await.remove(1);
    assert_eq!(kind, "conversation.end_user_replaced");
    assert_eq!(told["conversation"]["requester"]["id"], bea.person_id);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn the_same_update_within_ten_seconds_is_a_duplicate(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let (id, other) = (scene.start(scene.people).await, scene.start(scene.people).await);
    chat!(scene.update_chat_end_user(update(id, "ada")));
    let refused = chat_refused!(scene.update_chat_end_user(update(id, "ada")));
    assert_refused(&refused, Code::InvalidArgument, "DUPLICATE_REQUEST");
    chat!(scene.update_chat_end_user(update(other, "ada")));
    chat!(scene.update_chat_end_user(wire::UpdateChatEndUserRequest {
        name: Some("Ada".to_owned()),
        ..update(id, "ada")
    }));
    chat!(scene.update_chat_end_user(update(id, "ada")));
    sqlx::query("update conversation.chats set end_user_update_at = end_user_update_at - interval '11 seconds'")
        .execute(&scene.world.db)
        .await
        .unwrap();
    chat!(scene.update_chat_end_user(update(id, "ada")));
}
