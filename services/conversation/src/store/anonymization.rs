//! Requests to anonymize, worked off by leases.
//!
//! Each step can be repeated: whoever takes a request up after somebody who died, or beside somebody who is slow, does what
//! is still to be done. A request is processed only when nothing is left anywhere.

mod erase;

use std::time::Duration;

use platform::events::erasure::{Erased, Erasure};
use platform::events::{Event, Outbox, Stream, redis};
use platform::idempotency::Idempotency;
use platform::{Db, OrgId, fault};
use serde_json::{Value, json};
use sqlx::{PgConnection, PgExecutor};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Store;
use super::transitions::Step;
use crate::SCHEMA;
use crate::domain::anonymization::{Anonymization, TOLD, Target, TargetKind};
use crate::domain::conversation::Locked;
use crate::domain::{ConversationError, state};

/// What is due is looked for this often.
const EVERY: Duration = Duration::from_millis(500);
/// Whoever has not finished with a request by then is taken for gone. He does no harm if he is not.
const LEASE: Duration = Duration::from_secs(30);
/// What waits for the relay is looked at again after this.
const SOON: Duration = Duration::from_millis(200);
/// How often in a row.
const GLANCES: usize = 5;
/// The first wait after a failure; it doubles with each further one, up to a minute.
const RETRY: Duration = Duration::from_secs(1);
/// Conversations of an end user that are worked on together: their events are published while the next ones are erased.
const BATCH: i64 = 20;

/// A request that somebody is at.
#[derive(Clone, Debug)]
struct Due {
    org: OrgId,
    id: Uuid,
    target: Target,
    requested_by: Uuid,
    done_to: i64,
    failures: i32,
}

/// Why a request can't be finished now.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Conversation(#[from] ConversationError),
    #[error(transparent)]
    Events(#[from] platform::events::erasure::Error),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Conversation(error.into())
    }
}

/// Works off the requests.
#[derive(Debug)]
pub(crate) struct Anonymizer {
    db: Db,
    outbox: Outbox,
    idempotency: Idempotency,
    erasure: Erasure,
}

impl Anonymizer {
    pub(crate) fn new(db: Db, outbox: Outbox, redis: redis::Config) -> Self {
        Self {
            db,
            outbox,
            idempotency: Idempotency::new(SCHEMA),
            erasure: Erasure::new(SCHEMA, redis),
        }
    }

    /// Works off what is due, until `stop`. Any number of replicas may do so at once.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = every.tick() => {}
                () = stop.cancelled() => return Ok(()),
            }
            if let Err(error) = self.round(&stop).await {
                tracing::warn!(error = %fault::chain(&error), "anonymizations wait for the database");
            }
        }
    }

    async fn round(&self, stop: &CancellationToken) -> Result<(), ConversationError> {
        while let (false, Some(due)) = (stop.is_cancelled(), Store::take_anonymization(&self.db).await?) {
            match self.process(&due, stop).await {
                Ok(true) => {
                    if Store::finish_anonymization(&self.db, &due).await? {
                        metrics::counter!("conversation_anonymizations_processed_total").increment(1);
                    }
                }
                Ok(false) => Store::postpone_anonymization(&self.db, &due, SOON, 0).await?,
                Err(error) => {
                    let failures = due.failures.saturating_add(1);
                    tracing::warn!(org = %due.org, request = %due.id, failures, error = %fault::chain(&error),
                        "an anonymization could not be finished, it will be tried again");
                    metrics::counter!("conversation_anonymization_failures_total").increment(1);
                    let wait = RETRY * (1 << (failures - 1).clamp(0, 6));
                    Store::postpone_anonymization(&self.db, &due, wait.min(Duration::from_mins(1)), failures).await?;
                }
            }
        }
        Ok(())
    }

    /// Does what can be done now; whether that was all.
    async fn process(&self, due: &Due, stop: &CancellationToken) -> Result<bool, Trouble> {
        match due.target {
            Target::Conversation(id) => {
                self.erase_conversation(due, id).await?;
                self.forget_all(due.org, vec![id]).await
            }
            Target::Message(conversation, id) => {
                self.erase_message(due.org, conversation, id).await?;
                let message = id.to_string();
                self.forget(due.org, conversation, Some(&message)).await
            }
            Target::EndUser(id) => self.end_user(due, id, stop).await,
        }
    }

    async fn end_user(&self, due: &Due, id: Uuid, stop: &CancellationToken) -> Result<bool, Trouble> {
        // First: from then on nobody can begin another conversation with him.
        self.erase_person(due.org, id).await?;
        let mut done_to = due.done_to;
        loop {
            let conversations = Store::conversations_after(due.org, &self.db, id, done_to, BATCH).await?;
            let Some(last) = conversations.last().copied() else {
                break;
            };
            for conversation in &conversations {
                self.erase_conversation(due, *conversation).await?;
            }
            if !self.forget_all(due.org, conversations).await? {
                return Ok(false);
            }
            done_to = last;
            Store::save_progress(&self.db, due, done_to).await?;
            if stop.is_cancelled() {
                return Ok(false);
            }
        }
        // What he wrote to others is anonymized by requests of its own, which this one waits for.
        if Store::queue_messages(&self.db, due, id).await? > 0 || Store::waits_for_others(&self.db, due).await? {
            return Ok(false);
        }
        let person = id.to_string();
        self.idempotency
            .erase(&self.db, due.org, &format!("people/{id}"), None)
            .await?;
        // Answers about several people at once.
        self.idempotency
            .erase(&self.db, due.org, "people", Some(&person))
            .await?;
        Ok(true)
    }

    /// [`Anonymizer::forget`] for conversations; whether that was all. The relay is waited for a moment, which is cheaper
    /// than to begin again with all of them.
    async fn forget_all(&self, org: OrgId, mut conversations: Vec<i64>) -> Result<bool, Trouble> {
        for _ in 0..GLANCES {
            let mut left = Vec::new();
            for conversation in conversations {
                if !self.forget(org, conversation, None).await? {
                    left.push(conversation);
                }
            }
            if left.is_empty() {
                return Ok(true);
            }
            conversations = left;
            tokio::time::sleep(SOON).await;
        }
        Ok(false)
    }

    /// Erases a person's own row, and tells the others.
    async fn erase_person(&self, org: OrgId, id: Uuid) -> Result<(), Trouble> {
        let mut tx = self.db.begin().await?;
        // Those who change people look before they write.
        Store::lock_people(org, &mut tx, true).await?;
        if Store::erase_person(org, &mut tx, id).await? {
            let data = json!({ "end_user": { "id": id } });
            self.tell(org, &mut tx, TOLD[2], format!("end_users/{id}"), 1, data)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Closes a conversation that is not closed, anonymizes it and tells the others, all at once; then erases what is in
    /// it, bit by bit: nobody can add to it any more.
    async fn erase_conversation(&self, due: &Due, id: i64) -> Result<(), Trouble> {
        let org = due.org;
        let mut tx = self.db.begin().await?;
        let mut locked = Store::lock_conversation(org, &mut tx, id).await?;
        if !locked.anonymized {
            if close(org, &mut tx, &locked, due.requested_by).await? {
                locked = Store::lock_conversation(org, &mut tx, id).await?;
            }
            let sequence = Store::anonymize_conversation(org, &mut tx, locked.id).await?;
            let data = json!({ "conversation": { "csid": id } });
            self.tell(org, &mut tx, TOLD[0], format!("conversations/{id}"), sequence, data)
                .await?;
        }
        tx.commit().await?;
        Store::erase_content(org, &self.db, id).await?;
        Ok(())
    }

    /// Erases a message, and tells the others.
    async fn erase_message(&self, org: OrgId, conversation: i64, id: Uuid) -> Result<(), Trouble> {
        let mut tx = self.db.begin().await?;
        Store::lock_conversation(org, &mut tx, conversation).await?;
        if let Some(sequence) = Store::anonymize_message(org, &mut tx, conversation, id).await? {
            let data = json!({ "conversation": { "csid": conversation }, "message_id": id });
            let subject = format!("conversations/{conversation}");
            self.tell(org, &mut tx, TOLD[1], subject, sequence, data).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn tell(
        &self,
        org: OrgId,
        tx: &mut PgConnection,
        kind: &'static str,
        subject: String,
        sequence: i64,
        data: Value,
    ) -> Result<(), sqlx::Error> {
        let event = Event {
            org,
            stream: Stream::Events,
            kind,
            subject,
            sequence,
            cause: None,
            data,
        };
        self.outbox.record(tx, None, event).await
    }

    /// Erases first answers and events about a conversation and its chat, once nothing more is said about it; whether that
    /// was all.
    async fn forget(&self, org: OrgId, conversation: i64, mentioning: Option<&str>) -> Result<bool, Trouble> {
        self.outbox.wake();
        let mut all = true;
        for subject in [format!("conversations/{conversation}"), format!("chats/{conversation}")] {
            self.idempotency.erase(&self.db, org, &subject, mentioning).await?;
            let what = Erased {
                org,
                subject: &subject,
                mentioning,
                except: &TOLD,
            };
            all &= self.erasure.scrub(&self.db, &what).await?;
            all &= self.erasure.delete_entries(&self.db, &what).await?;
        }
        Ok(all)
    }
}

/// Closes a locked conversation in the name of who asked for its anonymization; whether it was not closed.
async fn close(org: OrgId, tx: &mut PgConnection, locked: &Locked, by: Uuid) -> Result<bool, ConversationError> {
    let outcome = state::close(&locked.standing);
    if outcome.is_noop() {
        return Ok(false);
    }
    let step = Step {
        outcome,
        author: Some(by),
        messages: 0,
    };
    Store::save_outcome(org, None, tx, locked, step).await?;
    Ok(true)
}

impl Store {
    /// Queues a request. The target has to be locked.
    pub(crate) async fn request_anonymization(
        org: OrgId,
        tx: &mut PgConnection,
        target: Target,
        requested_by: Uuid,
    ) -> Result<Anonymization, ConversationError> {
        let (id, target_id) = (platform::id::new(), target.to_string());
        let initiated_at = sqlx::query_scalar!(
            "insert into conversation.anonymizations (org_id, id, target, target_id, requested_by)
             values ($1, $2, $3, $4, $5) returning initiated_at",
            org.0,
            id,
            target.kind() as i16,
            target_id,
            requested_by,
        )
        .fetch_one(tx)
        .await?;
        Ok(Anonymization {
            id,
            kind: target.kind(),
            target_id,
            requested_by,
            initiated_at,
            processed_at: None,
        })
    }

    /// The request for the same that is not processed yet. The target has to be locked.
    pub(crate) async fn pending_anonymization(
        org: OrgId,
        tx: &mut PgConnection,
        target: Target,
    ) -> Result<Option<Anonymization>, ConversationError> {
        Ok(sqlx::query_as!(
            Anonymization,
            r#"select id, target as "kind: TargetKind", target_id, requested_by, initiated_at, processed_at
               from conversation.anonymizations
               where org_id = $1 and target = $2 and target_id = $3 and processed_at is null"#,
            org.0,
            target.kind() as i16,
            target.to_string(),
        )
        .fetch_optional(tx)
        .await?)
    }

    /// A request.
    pub(crate) async fn anonymization(
        org: OrgId,
        on: impl PgExecutor<'_>,
        id: Uuid,
    ) -> Result<Anonymization, ConversationError> {
        sqlx::query_as!(
            Anonymization,
            r#"select id, target as "kind: TargetKind", target_id, requested_by, initiated_at, processed_at
               from conversation.anonymizations where org_id = $1 and id = $2"#,
            org.0,
            id,
        )
        .fetch_optional(on)
        .await?
        .ok_or(ConversationError::AnonymizationRequestNotFound)
    }

    /// Takes up the request that has waited longest, of any organization.
    async fn take_anonymization(db: &Db) -> Result<Option<Due>, ConversationError> {
        let row = sqlx::query!(
            r#"with due as (
                   select org_id, id from conversation.anonymizations where due_at <= now()
                   order by due_at limit 1 for update skip locked
               )
               update conversation.anonymizations a set due_at = now() + make_interval(secs => $1)
               from due where a.org_id = due.org_id and a.id = due.id
               returning a.org_id, a.id, a.target as "kind: TargetKind", a.target_id, a.requested_by, a.done_to, a.failures"#,
            LEASE.as_secs_f64(),
        )
        .fetch_optional(db)
        .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let target = Target::read(row.kind, &row.target_id)
            .ok_or_else(|| sqlx::Error::Decode("the target of an anonymization can't be read".into()))?;
        Ok(Some(Due {
            org: OrgId(row.org_id),
            id: row.id,
            target,
            requested_by: row.requested_by,
            done_to: row.done_to,
            failures: row.failures,
        }))
    }

    /// Queues the anonymization of some of the messages that an end user has written, those of his own conversations being
    /// done; how many that are.
    async fn queue_messages(db: &Db, due: &Due, author: Uuid) -> Result<u64, ConversationError> {
        let messages = sqlx::query!(
            "select m.conversation_id, m.id from conversation.messages m
             where m.org_id = $1 and m.author_id = $2 and m.direction = 1 and m.anonymized_at is null
                   and not exists (select from conversation.anonymizations a
                                   where a.org_id = $1 and a.target = 2 and a.processed_at is null
                                         and a.target_id = m.conversation_id || '_' || m.id)
             limit $3",
            due.org.0,
            author,
            BATCH,
        )
        .fetch_all(db)
        .await?;
        let targets = messages
            .iter()
            .map(|row| Target::Message(row.conversation_id, row.id).to_string());
        let targets: Vec<String> = targets.collect();
        let ids: Vec<Uuid> = targets.iter().map(|_| platform::id::new()).collect();
        let queued = sqlx::query!(
            "insert into conversation.anonymizations (org_id, id, target, target_id, requested_by, parent_id)
             select $1, m.id, 2, m.target, $2, $3 from unnest($4::uuid[], $5::text[]) as m (id, target)
             on conflict do nothing",
            due.org.0,
            due.requested_by,
            due.id,
            &ids,
            &targets,
        )
        .execute(db)
        .await?;
        Ok(queued.rows_affected())
    }

    /// Whether requests that were queued for this one are not processed yet.
    async fn waits_for_others(db: &Db, due: &Due) -> Result<bool, ConversationError> {
        Ok(sqlx::query_scalar!(
            r#"select exists (select from conversation.anonymizations
                              where org_id = $1 and due_at is not null and parent_id = $2) as "waits!""#,
            due.org.0,
            due.id,
        )
        .fetch_one(db)
        .await?)
    }

    /// Everything is erased; whether nobody had said so before.
    async fn finish_anonymization(db: &Db, due: &Due) -> Result<bool, ConversationError> {
        let finished = sqlx::query!(
            "update conversation.anonymizations set processed_at = now(), due_at = null
             where org_id = $1 and id = $2 and processed_at is null",
            due.org.0,
            due.id,
        )
        .execute(db)
        .await?;
        Ok(finished.rows_affected() == 1)
    }

    /// Gives a request back, to be taken up again after `wait`.
    async fn postpone_anonymization(
        db: &Db,
        due: &Due,
        wait: Duration,
        failures: i32,
    ) -> Result<(), ConversationError> {
        sqlx::query!(
            "update conversation.anonymizations set due_at = now() + make_interval(secs => $3), failures = $4
             where org_id = $1 and id = $2 and processed_at is null",
            due.org.0,
            due.id,
            wait.as_secs_f64(),
            failures,
        )
        .execute(db)
        .await?;
        Ok(())
    }

    /// The conversations of an end user up to `done_to` are done. Takes the request for another while.
    async fn save_progress(db: &Db, due: &Due, done_to: i64) -> Result<(), ConversationError> {
        sqlx::query!(
            "update conversation.anonymizations
             set done_to = greatest(done_to, $3), due_at = now() + make_interval(secs => $4)
             where org_id = $1 and id = $2 and processed_at is null",
            due.org.0,
            due.id,
            done_to,
            LEASE.as_secs_f64(),
        )
        .execute(db)
        .await?;
        Ok(())
    }
}
