//! Lead mails: a queue in the database, worked off by leases.

use std::time::Duration;

use platform::OrgId;
use platform::time::Time;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::Store;
use crate::domain::SettingsError;
use crate::domain::lead::{self, LeadMail, MailState, Text};

/// A mail whose attempt has begun.
#[derive(Clone, Debug)]
pub struct Due {
    /// Whose it is.
    pub org: OrgId,
    /// Its id.
    pub id: Uuid,
    /// Who is told.
    pub address: String,
    /// What.
    pub text: Text,
    /// When the escalation was heard of.
    pub created_at: Time,
    /// The number of this attempt, from 1: the outcome counts only while no other has begun.
    pub attempt: i32,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The mail server took the mail.
    Sent,
    /// It may take it later.
    Postponed(String),
    /// It never will.
    Refused(String),
}

/// After this long an attempt is given up for lost. Longer than one may take.
const LEASE: Duration = Duration::from_mins(2);
/// Longest kept error, in characters.
const ERROR: usize = 500;

impl Store {
    /// The name of a chatbot and whom to tell about its escalations; `None` when nobody wants to know.
    pub async fn lead_recipients(
        org: OrgId,
        on: impl PgExecutor<'_>,
        chatbot_id: &str,
    ) -> Result<Option<(String, Vec<String>)>, sqlx::Error> {
        let row = sqlx::query!(
            "select c.name, h.lead_notification_email
             from settings.chatbots c
             join settings.general_settings g on g.org_id = c.org_id and g.chatbot_id = c.id
             join settings.human_support_settings h on h.org_id = c.org_id and h.chatbot_id = c.id
             where c.org_id = $1 and c.id = $2 and c.deleted_at is null
               and h.lead_notification and not g.lead_notifications_disabled",
            org.0,
            chatbot_id
        )
        .fetch_optional(on)
        .await?;
        Ok(row.map(|row| (row.name, row.lead_notification_email)))
    }

    /// Queues a mail to each address, once an escalation and address.
    pub async fn queue_lead_mails(
        org: OrgId,
        tx: &mut PgConnection,
        chatbot_id: &str,
        escalation_id: &str,
        addresses: &[String],
        text: &Text,
    ) -> Result<(), sqlx::Error> {
        let ids: Vec<_> = addresses.iter().map(|_| platform::id::new()).collect();
        sqlx::query!(
            "insert into settings.lead_mails (org_id, id, chatbot_id, escalation_id, address, subject, body)
             select $1, mail.id, $2, $3, mail.address, $6, $7 from unnest($4::uuid[], $5::text[]) as mail (id, address)
             on conflict (org_id, escalation_id, address) do nothing",
            org.0,
            chatbot_id,
            escalation_id,
            &ids,
            addresses,
            text.subject,
            text.body
        )
        .execute(tx)
        .await
        .map(drop)
    }

    /// Lead mails, newest first, after a position.
    pub async fn lead_mails(
        org: OrgId,
        on: impl PgExecutor<'_>,
        chatbot_id: Option<&str>,
        state: Option<MailState>,
        after: Option<(Time, Uuid)>,
        limit: i64,
    ) -> Result<Vec<LeadMail>, SettingsError> {
        let (at, id) = after.unzip();
        let rows = sqlx::query!(
            "select id, chatbot_id, escalation_id, address, state, attempts, last_error, created_at, next_attempt_at, sent_at
             from settings.lead_mails
             where org_id = $1 and ($2::text is null or chatbot_id = $2) and ($3::text is null or state = $3)
               and ($4::timestamptz is null or (created_at, id) < ($4, $5))
             order by created_at desc, id desc limit $6",
            org.0,
            chatbot_id,
            state.map(MailState::as_str),
            at,
            id,
            limit
        )
        .fetch_all(on)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| LeadMail {
                id: row.id,
                chatbot_id: row.chatbot_id,
                escalation_id: row.escalation_id,
                address: row.address,
                state: MailState::from_stored(&row.state),
                attempts: row.attempts,
                last_error: row.last_error,
                created_at: row.created_at,
                next_attempt_at: row.next_attempt_at,
                sent_at: row.sent_at,
            })
            .collect())
    }

    /// Begins an attempt at up to `limit` mails that are due, of every organization. Several replicas share the work.
    pub async fn lease_lead_mails(on: impl PgExecutor<'_>, limit: i64) -> Result<Vec<Due>, sqlx::Error> {
        let rows = sqlx::query!(
            "update settings.lead_mails mail
             set attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => $2)
             from (select org_id, id from settings.lead_mails
                   where state = 'pending' and next_attempt_at <= now()
                   order by next_attempt_at limit $1 for update skip locked) due
             where mail.org_id = due.org_id and mail.id = due.id
             returning mail.org_id, mail.id, address, subject, body, created_at, attempts",
            limit,
            LEASE.as_secs_f64()
        )
        .fetch_all(on)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Due {
                org: OrgId(row.org_id),
                id: row.id,
                address: row.address,
                text: Text {
                    subject: row.subject,
                    body: row.body,
                },
                created_at: row.created_at,
                attempt: row.attempts,
            })
            .collect())
    }

    /// Forgets mails that were sent or given up 30 days ago, at most 1000; how many it were.
    pub async fn purge_lead_mails(on: impl PgExecutor<'_>) -> Result<u64, sqlx::Error> {
        let purged = sqlx::query!(
            "delete from settings.lead_mails mail using (
                 select organization.org_id, old.id from settings.organizations organization
                 cross join lateral (
                     select id from settings.lead_mails
                     where org_id = organization.org_id and created_at < now() - interval '30 days' and state <> 'pending'
                     order by created_at limit 100
                 ) old limit 1000
             ) old
             where mail.org_id = old.org_id and mail.id = old.id"
        )
        .execute(on)
        .await?;
        Ok(purged.rows_affected())
    }

    /// Records how an attempt ended, unless another one has begun since.
    pub async fn finish_lead_mail(on: impl PgExecutor<'_>, mail: &Due, outcome: Outcome) -> Result<(), sqlx::Error> {
        let (state, error, wait) = match outcome {
            Outcome::Sent => (MailState::Sent, None, None),
            Outcome::Refused(error) => (MailState::Failed, Some(error), None),
            Outcome::Postponed(error) => match lead::retry_after(mail.attempt) {
                Some(wait) => (MailState::Pending, Some(error), Some(wait.as_secs_f64())),
                None => (MailState::Failed, Some(error), None),
            },
        };
        let error = error.map(|error| {
            let storable = error.chars().filter(|c| *c != '\0');
            storable.take(ERROR).collect::<String>()
        });
        sqlx::query!(
            "update settings.lead_mails
             set state = $4, last_error = $5, next_attempt_at = now() + make_interval(secs => $6),
                 sent_at = case when $4 = 'sent' then now() end
             where org_id = $1 and id = $2 and attempts = $3 and state = 'pending'",
            mail.org.0,
            mail.id,
            mail.attempt,
            state.as_str(),
            error,
            wait
        )
        .execute(on)
        .await
        .map(drop)
    }
}
