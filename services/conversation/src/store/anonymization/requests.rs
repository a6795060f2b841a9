//! Requests to anonymize: queued, taken up, finished or given back.

use std::time::Duration;

use platform::{Db, OrgId};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::{BATCH, Due, LEASE};
use crate::domain::ConversationError;
use crate::domain::anonymization::{Anonymization, Target, TargetKind};
use crate::store::Store;

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
    pub(super) async fn take_anonymization(db: &Db) -> Result<Option<Due>, ConversationError> {
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
    pub(super) async fn queue_messages(db: &Db, due: &Due, author: Uuid) -> Result<u64, ConversationError> {
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
    pub(super) async fn waits_for_others(db: &Db, due: &Due) -> Result<bool, ConversationError> {
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
    pub(super) async fn finish_anonymization(db: &Db, due: &Due) -> Result<bool, ConversationError> {
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
    pub(super) async fn postpone_anonymization(
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
    pub(super) async fn save_progress(db: &Db, due: &Due, done_to: i64) -> Result<(), ConversationError> {
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
