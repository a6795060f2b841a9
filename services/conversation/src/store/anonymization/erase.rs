//! What is erased of the tables of this context.

use platform::{Db, OrgId};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::domain::ConversationError;
use crate::domain::anonymization::{KEPT_ATTRIBUTES, TOLD};
use crate::store::Store;

/// Rows in one statement, so that none takes long.
const BATCH: i64 = 500;

impl Store {
    /// Erases the row of a locked conversation, which takes no step any more; the number of the event that tells so.
    pub(super) async fn anonymize_conversation(
        org: OrgId,
        tx: &mut PgConnection,
        id: i64,
    ) -> Result<i64, ConversationError> {
        sqlx::query!(
            "update conversation.chats
             set context = null, end_user_update = null, end_user_update_at = null, idle_since = null, dismissed_since = null,
                 verified_customer = false, bad_actor = false, repeat_customer = false
             where org_id = $1 and conversation_id = $2",
            org.0,
            id,
        )
        .execute(&mut *tx)
        .await?;
        Ok(sqlx::query_scalar!(
            "update conversation.conversations
             set subject = null, language = null, details = '{}', external_id = null, follow_up_at = null,
                 anonymized_at = clock_timestamp(), updated_at = clock_timestamp(), event_sequence = event_sequence + 1
             where org_id = $1 and id = $2 returning event_sequence",
            org.0,
            id,
        )
        .fetch_one(tx)
        .await?)
    }

    /// Numbers the events that tell what is erased of these escalations of a locked chat; with `mentioning`, of those
    /// among them that this text was told of.
    pub(super) async fn anonymize_escalations(
        org: OrgId,
        tx: &mut PgConnection,
        escalations: &[Uuid],
        mentioning: Option<&str>,
    ) -> Result<Vec<(Uuid, i64)>, ConversationError> {
        let numbered = sqlx::query!(
            "update conversation.escalations e set event_sequence = event_sequence + 1
             where e.org_id = $1 and e.id = any($2)
                   and ($3::text is null
                        or exists (select from conversation.outbox o
                                   where o.org_id = $1 and o.subject = 'escalations/' || e.id and o.type <> $4
                                         and strpos(o.data, $3) > 0))
             returning e.id, e.event_sequence",
            org.0,
            escalations,
            mentioning,
            TOLD[3],
        )
        .fetch_all(tx)
        .await?;
        Ok(numbered.into_iter().map(|row| (row.id, row.event_sequence)).collect())
    }

    /// The next escalations of a chat after this one, [`BATCH`] at most.
    pub(super) async fn escalations_of(
        org: OrgId,
        on: impl PgExecutor<'_>,
        chat: i64,
        after: Uuid,
    ) -> Result<Vec<Uuid>, ConversationError> {
        Ok(sqlx::query_scalar!(
            "select id from conversation.escalations
             where org_id = $1 and conversation_id = $2 and id > $3 order by id limit $4",
            org.0,
            chat,
            after,
            BATCH,
        )
        .fetch_all(on)
        .await?)
    }

    /// Erases a message of a locked conversation; the number of the event that tells so, unless it was erased before.
    pub(super) async fn anonymize_message(
        org: OrgId,
        tx: &mut PgConnection,
        conversation: i64,
        id: Uuid,
    ) -> Result<Option<i64>, ConversationError> {
        let kept = KEPT_ATTRIBUTES.map(str::to_owned);
        Ok(sqlx::query_scalar!(
            "with erased as (
                 update conversation.messages
                 set content = null, content_type = null, attachments = '[]', details = '{}', external_id = null,
                     anonymized_at = clock_timestamp()
                 where org_id = $1 and id = $3 and conversation_id = $2 and anonymized_at is null
                 returning id
             ),
             logged as (
                 update conversation.activity_log l
                 set attributes = (select jsonb_object_agg(a.key, a.value) from jsonb_each(l.attributes) a
                                   where a.key = any($4))
                 where l.org_id = $1 and l.conversation_id = $2
                       and l.attributes ->> 'messageId' = (select id::text from erased)
             )
             update conversation.conversations c set event_sequence = c.event_sequence + 1
             from erased where c.org_id = $1 and c.id = $2 returning c.event_sequence",
            org.0,
            conversation,
            id,
            &kept,
        )
        .fetch_optional(tx)
        .await?)
    }

    /// Erases what is in an anonymized conversation.
    pub(super) async fn erase_content(org: OrgId, db: &Db, conversation: i64) -> Result<(), ConversationError> {
        let full = BATCH.unsigned_abs();
        while Self::erase_messages(org, db, conversation).await? == full {}
        while Self::erase_notes(org, db, conversation).await? == full {}
        while Self::erase_activity(org, db, conversation).await? == full {}
        sqlx::query!(
            "delete from conversation.chat_custom_data where org_id = $1 and conversation_id = $2",
            org.0,
            conversation,
        )
        .execute(db)
        .await?;
        sqlx::query!(
            "delete from conversation.conversation_attributes where org_id = $1 and conversation_id = $2",
            org.0,
            conversation,
        )
        .execute(db)
        .await?;
        Ok(())
    }

    async fn erase_messages(org: OrgId, db: &Db, conversation: i64) -> Result<u64, ConversationError> {
        let erased = sqlx::query!(
            "update conversation.messages
             set content = null, content_type = null, attachments = '[]', details = '{}', external_id = null,
                 anonymized_at = clock_timestamp()
             where org_id = $1 and conversation_id = $2 and position = any (array(
                 select position from conversation.messages
                 where org_id = $1 and conversation_id = $2 and anonymized_at is null order by position limit $3))",
            org.0,
            conversation,
            BATCH,
        )
        .execute(db)
        .await?;
        Ok(erased.rows_affected())
    }

    async fn erase_notes(org: OrgId, db: &Db, conversation: i64) -> Result<u64, ConversationError> {
        let erased = sqlx::query!(
            "delete from conversation.notes
             where org_id = $1 and conversation_id = $2 and (created_at, id) in (
                 select created_at, id from conversation.notes where org_id = $1 and conversation_id = $2 limit $3)",
            org.0,
            conversation,
            BATCH,
        )
        .execute(db)
        .await?;
        Ok(erased.rows_affected())
    }

    async fn erase_activity(org: OrgId, db: &Db, conversation: i64) -> Result<u64, ConversationError> {
        let kept = KEPT_ATTRIBUTES.map(str::to_owned);
        let erased = sqlx::query!(
            "update conversation.activity_log l
             set attributes = (select jsonb_object_agg(a.key, a.value) from jsonb_each(l.attributes) a
                               where a.key = any($3))
             where org_id = $1 and conversation_id = $2 and sequence = any (array(
                 select o.sequence from conversation.activity_log o
                 where o.org_id = $1 and o.conversation_id = $2 and o.attributes - $3::text[] <> '{}'
                 order by o.sequence limit $4))",
            org.0,
            conversation,
            &kept,
            BATCH,
        )
        .execute(db)
        .await?;
        Ok(erased.rows_affected())
    }

    /// Erases what is said of an end user; whether it was not erased before. Whoever begins a conversation with him at this
    /// moment is waited for.
    pub(super) async fn erase_person(org: OrgId, tx: &mut PgConnection, id: Uuid) -> Result<bool, ConversationError> {
        let found = sqlx::query_scalar!(
            "select 1 from conversation.people where org_id = $1 and id = $2 and anonymized_at is null for update",
            org.0,
            id,
        )
        .fetch_optional(&mut *tx)
        .await?;
        if found.is_none() {
            return Ok(false);
        }
        sqlx::query!(
            "update conversation.people
             set display_name = null, email = null, phone_number = null, additional_emails = '{}',
                 additional_phone_numbers = '{}', first_name = null, last_name = null, middle_names = '{}',
                 avatar_url = null, external_id = null, anonymized_at = clock_timestamp()
             where org_id = $1 and id = $2",
            org.0,
            id,
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "delete from conversation.person_attributes where org_id = $1 and person_id = $2",
            org.0,
            id,
        )
        .execute(tx)
        .await?;
        Ok(true)
    }

    /// The ids of an end user's conversations, oldest first, from after `after`.
    pub(super) async fn conversations_after(
        org: OrgId,
        on: impl PgExecutor<'_>,
        requester: Uuid,
        after: i64,
        limit: i64,
    ) -> Result<Vec<i64>, ConversationError> {
        Ok(sqlx::query_scalar!(
            "select id from conversation.conversations
             where org_id = $1 and requester_id = $2 and id > $3 order by id limit $4",
            org.0,
            requester,
            after,
            limit,
        )
        .fetch_all(on)
        .await?)
    }

    /// The ids of conversations that an end user had and somebody else has now, oldest first, from after `after`.
    pub(super) async fn conversations_formerly_of(
        org: OrgId,
        on: impl PgExecutor<'_>,
        person: &str,
        after: i64,
        limit: i64,
    ) -> Result<Vec<i64>, ConversationError> {
        Ok(sqlx::query_scalar!(
            "select distinct conversation_id from conversation.activity_log
             where org_id = $1 and type = 'ConversationEndUserReplaced' and attributes -> 'oldUser' ->> 'id' = $2
                   and conversation_id > $3
             order by conversation_id limit $4",
            org.0,
            person,
            after,
            limit,
        )
        .fetch_all(on)
        .await?)
    }

    /// Erases what the log of a locked conversation says of an end user who has it no more, but for his id.
    pub(super) async fn erase_former(
        org: OrgId,
        tx: &mut PgConnection,
        conversation: i64,
        person: &str,
    ) -> Result<(), ConversationError> {
        sqlx::query!(
            "update conversation.activity_log
             set attributes = (select jsonb_object_agg(a.key, case when a.value ->> 'id' = $3
                                                                   then jsonb_build_object('id', $3::text)
                                                                   else a.value end)
                               from jsonb_each(attributes) a)
             where org_id = $1 and conversation_id = $2 and type = 'ConversationEndUserReplaced'
                   and exists (select from jsonb_each(attributes) a
                               where a.value ->> 'id' = $3 and a.value <> jsonb_build_object('id', $3::text))",
            org.0,
            conversation,
            person,
        )
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Whether a message of a conversation is anonymized; `MESSAGE_NOT_FOUND` when there is none.
    pub(crate) async fn is_message_anonymized(
        org: OrgId,
        on: impl PgExecutor<'_>,
        conversation: i64,
        id: Uuid,
    ) -> Result<bool, ConversationError> {
        sqlx::query_scalar!(
            r#"select anonymized_at is not null as "anonymized!" from conversation.messages
               where org_id = $1 and id = $2 and conversation_id = $3"#,
            org.0,
            id,
            conversation,
        )
        .fetch_optional(on)
        .await?
        .ok_or(ConversationError::MessageNotFound)
    }

    /// Whether an end user is anonymized, with his row locked against whoever else asks; `END_USER_NOT_FOUND` when there is
    /// none.
    pub(crate) async fn is_end_user_anonymized(
        org: OrgId,
        tx: &mut PgConnection,
        id: Uuid,
    ) -> Result<bool, ConversationError> {
        sqlx::query_scalar!(
            r#"select anonymized_at is not null as "anonymized!" from conversation.people
               where org_id = $1 and id = $2 and is_end_user for no key update"#,
            org.0,
            id,
        )
        .fetch_optional(tx)
        .await?
        .ok_or(ConversationError::EndUserNotFound)
    }

    /// Whether an end user has a conversation that is not closed.
    pub(crate) async fn has_open_conversation(
        org: OrgId,
        on: impl PgExecutor<'_>,
        requester: Uuid,
    ) -> Result<bool, ConversationError> {
        Ok(sqlx::query_scalar!(
            r#"select exists (select from conversation.conversations
                              where org_id = $1 and requester_id = $2 and closed_at is null) as "open!""#,
            org.0,
            requester,
        )
        .fetch_one(on)
        .await?)
    }
}
