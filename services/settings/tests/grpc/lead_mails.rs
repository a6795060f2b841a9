mod attempts;

use std::path::PathBuf;

use platform::events::{Consumer as _, Received};
use platform::{OrgId, time};
use proto::settings::v1::{
    CreateHumanSupportSettingsRequest, HumanSupportSettingsChange, LeadMail, LeadMailState, LeadNotificationEmail,
    ListLeadMailsRequest, UpdateGeneralSettingsRequest,
};
use serde_json::{Value, json};
use settings_service::events::LeadMails;
use settings_service::mail::{self, Mailer};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::smtp::{Mode, Smtp};
use crate::support::{World, eventually, fields, refused};

const ESCALATION: &str = "0198f0a0-0000-7000-8000-000000000001";

/// A chatbot whose escalations are told to somebody.
async fn watched_chatbot(world: &World, addresses: &[&str]) -> String {
    let chatbot_id = world.chatbot().await;
    let request = CreateHumanSupportSettingsRequest {
        chatbot_id: chatbot_id.clone(),
        settings: Some(HumanSupportSettingsChange {
            lead_notification: Some(true),
            lead_notification_email: Some(LeadNotificationEmail {
                addresses: addresses.iter().map(|&address| address.to_owned()).collect(),
            }),
            ..HumanSupportSettingsChange::default()
        }),
    };
    let request = world.own.request(request);
    world
        .client
        .clone()
        .create_human_support_settings(request)
        .await
        .unwrap();
    chatbot_id
}

fn escalation(chatbot_id: &str) -> Value {
    json!({
        "kind": "thread", "escalationId": ESCALATION, "chatbotId": chatbot_id, "threadId": "abc-thread-uuid",
        "threadUid": "0198f0a0-0000-7000-8000-000000000002", "requestedBy": "widget", "prompt": "Talk to a person",
        "visitor": {"id": "v", "name": "Jane", "email": "jane@example.com", "phoneNumber": null}, "title": null,
        "createdAt": "2026-01-31T12:00:00.000000Z", "lastMessage": {"author": "USER", "content": "Help!"},
    })
}

fn event(org: OrgId, kind: &str, data: Value) -> Received {
    Received {
        id: platform::id::new(),
        org,
        source: "/handoff/thread".into(),
        kind: kind.into(),
        subject: format!("escalations/{ESCALATION}"),
        sequence: 1,
        time: time::now(),
        cause: None,
        traceparent: None,
        data,
    }
}

async fn hear(world: &World, event: &Received) {
    let mut tx = world.db.begin().await.unwrap();
    LeadMails.handle(&mut tx, event).await.unwrap();
    tx.commit().await.unwrap();
}

async fn list(world: &World, state: LeadMailState) -> Vec<LeadMail> {
    let request = ListLeadMailsRequest {
        state: state.into(),
        page_size: 100,
        ..ListLeadMailsRequest::default()
    };
    let answer = world
        .client
        .clone()
        .list_lead_mails(world.own.request(request))
        .await
        .unwrap();
    answer.into_inner().lead_mails
}

/// Waits until a mail was tried `attempts` times and is in `state`.
async fn tried(world: &World, state: LeadMailState, attempts: i32) -> LeadMail {
    eventually(async || {
        let mails = list(world, state).await;
        // While an attempt is under way there is no outcome of it.
        mails
            .into_iter()
            .find(|mail| mail.attempts == attempts && (mail.last_error.is_some() || mail.sent_at.is_some()))
    })
    .await
}

fn over_smtp(smtp: &Smtp) -> mail::Config {
    mail::Config {
        smtp_url: Some(smtp.url.parse().unwrap()),
        mail_timeout_seconds: 1,
        ..mail::Config::default()
    }
}

fn into_folder(folder: PathBuf) -> mail::Config {
    mail::Config {
        mail_dir: Some(folder),
        ..mail::Config::default()
    }
}

/// Sends until it is dropped.
fn sender(world: &World, config: mail::Config) -> DropGuard {
    let stop = CancellationToken::new();
    let mailer = Mailer::new(config).unwrap();
    tokio::spawn(mail::run(world.db.clone(), mailer, stop.clone()));
    stop.drop_guard()
}

/// The header lines of a mail, folded ones joined.
fn headers(mail: &str) -> Vec<String> {
    let head = mail.split_once("\r\n\r\n").unwrap().0;
    head.replace("\r\n ", " ").lines().map(str::to_owned).collect()
}

fn header(mail: &str, name: &str) -> String {
    let lines = headers(mail);
    let mut found = lines.iter().filter_map(|line| line.strip_prefix(&format!("{name}: ")));
    let value = found.next().unwrap_or_else(|| panic!("no {name} in {mail}")).to_owned();
    assert_eq!(found.next(), None, "one {name}");
    value
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn an_escalation_is_mailed_once_to_each_address(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let chatbot_id = watched_chatbot(&world, &["a@example.com", "b@example.com"]).await;
    let smtp = Smtp::start(Mode::Takes).await;
    let created = event(world.own.org, "escalation.created", escalation(&chatbot_id));
    hear(&world, &created).await;
    hear(&world, &created).await;
    hear(
        &world,
        &event(world.own.org, "escalation.resolved", escalation(&chatbot_id)),
    )
    .await;
    let _sender = sender(&world, over_smtp(&smtp));
    let sent = eventually(async || {
        let sent = list(&world, LeadMailState::Sent).await;
        (sent.len() == 2).then_some(sent)
    })
    .await;
    assert!(
        sent.iter()
            .all(|mail| mail.escalation_id == ESCALATION && mail.chatbot_id == chatbot_id)
    );
    assert!(sent.iter().all(|mail| mail.attempts == 1 && mail.sent_at.is_some()));
    assert_eq!(list(&world, LeadMailState::Unspecified).await.len(), 2);

    let mut to: Vec<_> = smtp.mails().iter().map(|mail| header(mail, "To")).collect();
    to.sort_unstable();
    assert_eq!(to, ["a@example.com", "b@example.com"]);
    let mail = &smtp.mails()[0];
    assert_eq!(header(mail, "Subject"), "Jane is waiting for a person (Demo bot)");
    assert_eq!(header(mail, "From"), "Handoff <handoff@localhost>");
    assert!(mail.contains("abc-thread-uuid") && mail.contains("> Talk to a person") && mail.contains("> Help!"));
    assert_ne!(header(mail, "Message-ID"), header(&smtp.mails()[1], "Message-ID"));
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn nobody_is_mailed_unless_somebody_wants_to_know(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let silent = world.chatbot().await;
    hear(&world, &event(world.own.org, "escalation.created", escalation(&silent))).await;
    let watched = watched_chatbot(&world, &["a@example.com"]).await;
    hear(
        &world,
        &event(world.other.org, "escalation.created", escalation(&watched)),
    )
    .await;
    let disable = UpdateGeneralSettingsRequest {
        chatbot_id: watched.clone(),
        lead_notifications_disabled: Some(true),
        ..UpdateGeneralSettingsRequest::default()
    };
    world
        .client
        .update_general_settings(world.own.request(disable))
        .await
        .unwrap();
    hear(
        &world,
        &event(world.own.org, "escalation.created", escalation(&watched)),
    )
    .await;
    let mails: i64 = sqlx::query_scalar("select count(*) from settings.lead_mails")
        .fetch_one(&world.db)
        .await
        .unwrap();
    assert_eq!(mails, 0);
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn no_text_of_a_stranger_becomes_a_header(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let chatbot_id = watched_chatbot(&world, &["a@example.com"]).await;
    let hostile = "x\r\nBcc: evil@example.com\r\n\r\nDear all\n.\r\nMAIL FROM:<evil@example.com>\u{2028}Grüße";
    let mut data = escalation(&chatbot_id);
    for field in ["threadId", "requestedBy", "prompt", "title", "createdAt"] {
        data[field] = hostile.into();
    }
    data["visitor"] = json!({"name": hostile, "email": hostile, "phoneNumber": hostile});
    data["lastMessage"] = json!({"author": "USER", "content": hostile});
    sqlx::query("update settings.chatbots set name = $1")
        .bind(hostile)
        .execute(&world.db)
        .await
        .unwrap();
    let smtp = Smtp::start(Mode::Takes).await;
    hear(&world, &event(world.own.org, "escalation.created", data)).await;
    let _sender = sender(&world, over_smtp(&smtp));
    tried(&world, LeadMailState::Sent, 1).await;

    let mails = smtp.mails();
    let mut names: Vec<_> = headers(&mails[0])
        .iter()
        .map(|line| line.split_once(": ").unwrap().0.to_owned())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "Auto-Submitted",
            "Content-Transfer-Encoding",
            "Content-Type",
            "Date",
            "From",
            "Message-ID",
            "Subject",
            "To"
        ]
    );
    assert_eq!((mails.len(), smtp.recipients().len()), (1, 1));
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn without_a_mail_server_mails_are_whole_files_in_a_folder(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let chatbot_id = watched_chatbot(&world, &["a@example.com"]).await;
    hear(
        &world,
        &event(world.own.org, "escalation.created", escalation(&chatbot_id)),
    )
    .await;
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("mail");
    let _sender = sender(&world, into_folder(folder.clone()));
    let sent = tried(&world, LeadMailState::Sent, 1).await;
    let files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(files, [format!("{}.eml", sent.id)]);
    let mail = std::fs::read_to_string(folder.join(&files[0])).unwrap();
    assert_eq!(header(&mail, "To"), "a@example.com");
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn lead_mails_are_listed_by_chatbot_and_state_within_the_organization(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(options).await;
    let chatbot_id = watched_chatbot(&world, &["a@example.com", "b@example.com", "c@example.com"]).await;
    hear(
        &world,
        &event(world.own.org, "escalation.created", escalation(&chatbot_id)),
    )
    .await;
    let request = |chatbot: &str, page_token: String| ListLeadMailsRequest {
        chatbot_id: Some(chatbot.into()),
        page_size: 2,
        page_token,
        ..ListLeadMailsRequest::default()
    };
    let mut client = world.client.clone();
    let first = client
        .list_lead_mails(world.own.request(request(&chatbot_id, String::new())))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first.lead_mails.len(), 2);
    let token = first.next_page_token;
    let rest = client
        .list_lead_mails(world.own.request(request(&chatbot_id, token.clone())))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((rest.lead_mails.len(), rest.next_page_token.as_str()), (1, ""));
    let mut ids: Vec<_> = first
        .lead_mails
        .iter()
        .chain(&rest.lead_mails)
        .map(|mail| &mail.id)
        .collect();
    ids.dedup();
    assert_eq!(ids.len(), 3);

    let misused = client
        .list_lead_mails(world.own.request(request("another", token.clone())))
        .await;
    assert_eq!(fields(&refused(misused)), ["page_token"]);
    let other = client
        .list_lead_mails(world.own.request(request("another", String::new())))
        .await
        .unwrap();
    assert_eq!(other.into_inner().lead_mails, []);
    let foreign = client
        .list_lead_mails(world.other.request(request(&chatbot_id, String::new())))
        .await
        .unwrap();
    assert_eq!(foreign.into_inner().lead_mails, []);
    let wrong = ListLeadMailsRequest {
        state: 99,
        ..ListLeadMailsRequest::default()
    };
    assert_eq!(
        fields(&refused(client.list_lead_mails(world.own.request(wrong)).await)),
        ["state"]
    );
    let nul = request("a\0b", String::new());
    assert_eq!(
        fields(&refused(client.list_lead_mails(world.own.request(nul)).await)),
        ["chatbot_id"]
    );
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn the_escalation_of_a_chat_is_mailed_to_nobody(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    watched_chatbot(&world, &["lead@example.com"]).await;
    let chat = json!({ "kind": "chat", "escalationId": ESCALATION, "chatId": 7, "requestedBy": "widget" });
    hear(&world, &event(world.own.org, "escalation.created", chat)).await;
    assert!(list(&world, LeadMailState::Unspecified).await.is_empty());
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn an_escalation_that_can_not_be_read_is_an_error_and_not_a_silence(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let mut tx = world.db.begin().await.unwrap();
    let broken = event(world.own.org, "escalation.created", json!({"chatbotId": 7}));
    assert!(LeadMails.handle(&mut tx, &broken).await.is_err());
}
