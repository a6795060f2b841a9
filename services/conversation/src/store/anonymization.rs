//! Requests to anonymize, worked off by leases.
//!
//! Each step can be repeated: whoever takes a request up after somebody who died, or beside somebody who is slow, does what
//! is still to be done. A request is processed only when nothing is left anywhere.

mod erase;
mod requests;

use std::time::Duration;

use platform::events::erasure::{Erased, Erasure};
use platform::events::{Event, Outbox, Stream, redis};
use platform::idempotency::Idempotency;
use platform::{Db, OrgId, fault};
use serde_json::{Value, json};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Store;
use super::transitions::Step;
use crate::SCHEMA;
use crate::domain::anonymization::{TOLD, Target};
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
                self.forget_all(due.org, vec![id], None).await
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
            if !self.forget_all(due.org, conversations, None).await? {
                return Ok(false);
            }
            done_to = last;
            Store::save_progress(&self.db, due, done_to).await?;
            if stop.is_cancelled() {
                return Ok(false);
            }
        }
        if !self.forget_former(due.org, id, stop).await? {
            return Ok(false);
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

    /// Erases what conversations that somebody else has taken over say of an end user; whether that was all.
    async fn forget_former(&self, org: OrgId, id: Uuid, stop: &CancellationToken) -> Result<bool, Trouble> {
        let person = id.to_string();
        let mut done_to = 0;
        loop {
            let conversations = Store::conversations_formerly_of(org, &self.db, &person, done_to, BATCH).await?;
            let Some(last) = conversations.last().copied() else {
                return Ok(true);
            };
            for conversation in &conversations {
                let mut tx = self.db.begin().await?;
                Store::lock_conversation(org, &mut tx, *conversation).await?;
                Store::erase_former(org, &mut tx, *conversation, &person).await?;
                self.tell_escalations(org, &mut tx, *conversation, Some(("endUserId", &person)))
                    .await?;
                tx.commit().await?;
            }
            if !self.forget_all(org, conversations, Some(&person)).await? || stop.is_cancelled() {
                return Ok(false);
            }
            done_to = last;
        }
    }

    /// [`Anonymizer::forget`] for conversations; whether that was all. The relay is waited for a moment, which is cheaper
    /// than to begin again with all of them.
    async fn forget_all(
        &self,
        org: OrgId,
        mut conversations: Vec<i64>,
        mentioning: Option<&str>,
    ) -> Result<bool, Trouble> {
        for _ in 0..GLANCES {
            let mut left = Vec::new();
            for conversation in conversations {
                if !self.forget(org, conversation, mentioning).await? {
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
            let subject = format!("conversations/{id}");
            self.tell(org, &mut tx, TOLD[0], subject, sequence, data).await?;
            self.tell_escalations(org, &mut tx, id, None).await?;
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
            let of = Some(("messageId", &*id.to_string()));
            self.tell_escalations(org, &mut tx, conversation, of).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Tells that something is erased of what was said about a chat's escalations: everything, or what `of` names. They
    /// have a stream of their own, whose newest entry can't be deleted before another one comes.
    async fn tell_escalations(
        &self,
        org: OrgId,
        tx: &mut PgConnection,
        chat: i64,
        of: Option<(&str, &str)>,
    ) -> Result<(), ConversationError> {
        let mut after = Some(Uuid::nil());
        while let Some(last) = after {
            let page = Store::escalations_of(org, &mut *tx, chat, last).await?;
            for (id, sequence) in Store::anonymize_escalations(org, tx, &page, of.map(|(_, id)| id)).await? {
                let mut data = json!({ "kind": "chat", "escalationId": id, "chatId": chat });
                if let Some((name, of)) = of {
                    data[name] = json!(of);
                }
                self.tell(org, tx, TOLD[3], format!("escalations/{id}"), sequence, data)
                    .await?;
            }
            after = page.last().copied();
        }
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
        let stream = if kind == TOLD[3] {
            Stream::Escalations
        } else {
            Stream::Events
        };
        let event = Event {
            org,
            stream,
            kind,
            subject,
            sequence,
            cause: None,
            data,
        };
        self.outbox.record(tx, None, event).await
    }

    /// Erases first answers and events about a conversation, its chat and the chat's escalations, once nothing more is said
    /// about it; whether that was all.
    async fn forget(&self, org: OrgId, conversation: i64, mentioning: Option<&str>) -> Result<bool, Trouble> {
        self.outbox.wake();
        let subjects = vec![format!("conversations/{conversation}"), format!("chats/{conversation}")];
        self.idempotency.erase(&self.db, org, &subjects[0], mentioning).await?;
        let mut all = self.forget_subjects(org, subjects, mentioning).await?;
        let mut after = Some(Uuid::nil());
        while let Some(last) = after {
            let page = Store::escalations_of(org, &self.db, conversation, last).await?;
            let subjects = page.iter().map(|id| format!("escalations/{id}")).collect();
            all &= self.forget_subjects(org, subjects, mentioning).await?;
            after = page.last().copied();
        }
        Ok(all)
    }

    /// Erases events about these subjects; whether that was all.
    async fn forget_subjects(
        &self,
        org: OrgId,
        subjects: Vec<String>,
        mentioning: Option<&str>,
    ) -> Result<bool, Trouble> {
        let mut all = true;
        for subject in subjects {
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
        message: None,
    };
    Store::save_outcome(org, None, tx, locked, step).await?;
    Ok(true)
}
