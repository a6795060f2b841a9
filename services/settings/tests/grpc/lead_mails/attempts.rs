//! What becomes of a mail when the mail server misbehaves.

use platform::events::Received;
use proto::settings::v1::LeadMailState;
use settings_service::mail;
use settings_service::store::{Outcome, Store};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::{ESCALATION, escalation, event, header, hear, list, over_smtp, sender, tried, watched_chatbot};
use crate::smtp::{Mode, Smtp};
use crate::support::{World, eventually};

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_mail_that_is_postponed_comes_again_with_the_same_message_id(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let chatbot_id = watched_chatbot(&world, &["a@example.com"]).await;
    let smtp = Smtp::start(Mode::Postpones).await;
    hear(
        &world,
        &event(world.own.org, "escalation.created", escalation(&chatbot_id)),
    )
    .await;
    let _sender = sender(&world, over_smtp(&smtp));
    let postponed = tried(&world, LeadMailState::Pending, 1).await;
    assert!(postponed.last_error.unwrap().contains("try again later"));
    assert_eq!(smtp.mails().len(), 0);

    smtp.becomes(Mode::Vanishes);
    is_due(&world).await;
    let lost = tried(&world, LeadMailState::Pending, 2).await;
    assert_eq!(lost.last_error.as_deref(), Some("the mail server can't be reached"));

    smtp.becomes(Mode::Takes);
    is_due(&world).await;
    tried(&world, LeadMailState::Sent, 3).await;
    let mails = smtp.mails();
    assert_eq!(
        mails.len(),
        2,
        "the one whose answer got lost and the one that was taken"
    );
    let id = header(&mails[0], "Message-ID");
    assert_eq!(id, header(&mails[1], "Message-ID"));
    assert_eq!(id, format!("<lead-mail.{}@localhost>", postponed.id));
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn the_waits_between_attempts_grow_until_the_mail_has_failed(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let chatbot_id = watched_chatbot(&world, &["a@example.com"]).await;
    let smtp = Smtp::start(Mode::Postpones).await;
    hear(
        &world,
        &event(world.own.org, "escalation.created", escalation(&chatbot_id)),
    )
    .await;
    let _sender = sender(&world, over_smtp(&smtp));
    for (attempt, minutes) in [(1, 1), (2, 10), (3, 60), (4, 360)] {
        tried(&world, LeadMailState::Pending, attempt).await;
        let wait: i64 = sqlx::query_scalar(
            "select round(extract(epoch from next_attempt_at - now()) / 60)::bigint from settings.lead_mails",
        )
        .fetch_one(&world.db)
        .await
        .unwrap();
        assert_eq!(wait, minutes);
        is_due(&world).await;
    }
    let failed = tried(&world, LeadMailState::Failed, 5).await;
    assert_eq!((failed.next_attempt_at, failed.sent_at), (None, None));
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_refused_recipient_is_final_and_visible(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let chatbot_id = watched_chatbot(&world, &["gone@example.com"]).await;
    let smtp = Smtp::start(Mode::Refuses).await;
    hear(
        &world,
        &event(world.own.org, "escalation.created", escalation(&chatbot_id)),
    )
    .await;
    let _sender = sender(&world, over_smtp(&smtp));
    let failed = tried(&world, LeadMailState::Failed, 1).await;
    assert!(failed.last_error.unwrap().contains("no such user"));
    assert_eq!(failed.next_attempt_at, None);
    assert_eq!(smtp.recipients().len(), 1);

    smtp.becomes(Mode::Takes);
    let second = watched_chatbot(&world, &["a@example.com"]).await;
    hear(
        &world,
        &event(world.own.org, "escalation.created", {
            let mut data = escalation(&second);
            data["escalationId"] = "another".into();
            data
        }),
    )
    .await;
    tried(&world, LeadMailState::Sent, 1).await;
    assert_eq!(list(&world, LeadMailState::Failed).await.len(), 1);
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_server_that_does_not_let_us_in_is_tried_again(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let chatbot_id = watched_chatbot(&world, &["a@example.com"]).await;
    let smtp = Smtp::start(Mode::Bars).await;
    hear(
        &world,
        &event(world.own.org, "escalation.created", escalation(&chatbot_id)),
    )
    .await;
    let _sender = sender(&world, over_smtp(&smtp));
    tried(&world, LeadMailState::Pending, 1).await;
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_server_that_hangs_is_given_up_and_tried_again(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let chatbot_id = watched_chatbot(&world, &["a@example.com"]).await;
    let smtp = Smtp::start(Mode::Hangs).await;
    hear(
        &world,
        &event(world.own.org, "escalation.created", escalation(&chatbot_id)),
    )
    .await;
    let _sender = sender(&world, over_smtp(&smtp));
    let postponed = tried(&world, LeadMailState::Pending, 1).await;
    assert!(postponed.last_error.unwrap().starts_with("the mail server"));
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_server_without_tls_gets_nothing_when_tls_is_required(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let chatbot_id = watched_chatbot(&world, &["a@example.com"]).await;
    let smtp = Smtp::start(Mode::Takes).await;
    hear(
        &world,
        &event(world.own.org, "escalation.created", escalation(&chatbot_id)),
    )
    .await;
    let config = mail::Config {
        smtp_url: Some(format!("{}?tls=required", smtp.url).parse().unwrap()),
        ..over_smtp(&smtp)
    };
    let _sender = sender(&world, config);
    tried(&world, LeadMailState::Pending, 1).await;
    assert_eq!((smtp.recipients().len(), smtp.mails().len()), (0, 0));
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn an_attempt_that_was_lost_is_made_again_and_its_late_outcome_ignored(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = World::new(options).await;
    let chatbot_id = watched_chatbot(&world, &["a@example.com"]).await;
    hear(
        &world,
        &event(world.own.org, "escalation.created", escalation(&chatbot_id)),
    )
    .await;
    let lost = Store::lease_lead_mails(&world.db, 9).await.unwrap();
    assert_eq!(lost.len(), 1);
    assert!(
        Store::lease_lead_mails(&world.db, 9).await.unwrap().is_empty(),
        "it is under way"
    );
    is_due(&world).await;
    let second = Store::lease_lead_mails(&world.db, 9).await.unwrap();
    assert_eq!((second[0].id, second[0].attempt), (lost[0].id, 2));
    let late = Outcome::Refused("late".into());
    Store::finish_lead_mail(&world.db, &lost[0], late).await.unwrap();
    assert_eq!(list(&world, LeadMailState::Pending).await.len(), 1);
    Store::finish_lead_mail(&world.db, &second[0], Outcome::Sent)
        .await
        .unwrap();
    assert_eq!(list(&world, LeadMailState::Sent).await.len(), 1);
}

async fn is_due(world: &World) {
    sqlx::query("update settings.lead_mails set next_attempt_at = now(), last_error = null where state = 'pending'")
        .execute(&world.db)
        .await
        .unwrap();
}

/// An escalation beside the one that all tests know.
fn another(world: &World, chatbot_id: &str, n: usize) -> Received {
    let mut data = escalation(chatbot_id);
    data["escalationId"] = format!("{ESCALATION}-{n}").into();
    event(world.own.org, "escalation.created", data)
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_server_that_hangs_holds_no_other_mail_up(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let chatbot_id = watched_chatbot(&world, &["a@example.com"]).await;
    let smtp = Smtp::start(Mode::Hangs).await;
    hear(&world, &another(&world, &chatbot_id, 1)).await;
    let config = mail::Config {
        mail_timeout_seconds: 60,
        ..over_smtp(&smtp)
    };
    let _sender = sender(&world, config);
    eventually(async || (smtp.connections() == 1).then_some(())).await;
    smtp.becomes(Mode::Takes);
    hear(&world, &another(&world, &chatbot_id, 2)).await;
    tried(&world, LeadMailState::Sent, 1).await;
    assert_eq!(
        list(&world, LeadMailState::Pending).await.len(),
        1,
        "the first one still waits"
    );
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn two_replicas_share_the_work_and_send_each_mail_once(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let addresses: Vec<_> = (0..20).map(|n| format!("a{n}@example.com")).collect();
    let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
    let chatbot_id = watched_chatbot(&world, &addresses).await;
    let smtp = Smtp::start(Mode::Takes).await;
    for n in 0..2 {
        hear(&world, &another(&world, &chatbot_id, n)).await;
    }
    let _senders = [sender(&world, over_smtp(&smtp)), sender(&world, over_smtp(&smtp))];
    eventually(async || (list(&world, LeadMailState::Sent).await.len() == 40).then_some(())).await;
    assert_eq!(smtp.mails().len(), 40);
}
