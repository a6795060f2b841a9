//! The activity log.

use platform::OrgId;
use platform::time::Time;
use sqlx::PgExecutor;
use uuid::Uuid;

use super::Store;
use super::messages::NEWEST;
use crate::domain::ConversationError;
use crate::domain::conversation::Activity;

impl Store {
    /// The newest entries about a conversation, oldest first.
    pub(crate) async fn activity_of(
        org: OrgId,
        on: impl PgExecutor<'_>,
        conversation: i64,
        from: Option<Time>,
        to: Option<Time>,
    ) -> Result<Vec<Activity>, ConversationError> {
        let mut entries = sqlx::query_as!(
            Activity,
            r#"select l.id, l.conversation_id, l.at, l.type as kind, l.author_id, p.display_name as "author_name?",
                      p.email as "author_email?", p.phone_number as "author_phone?", l.attributes
               from conversation.activity_log l
               left join conversation.people p on p.org_id = l.org_id and p.id = l.author_id
               where l.org_id = $1 and l.conversation_id = $2 and l.at >= coalesce($3::timestamptz, '-infinity')
                     and l.at < coalesce($4::timestamptz, 'infinity')
               order by l.sequence desc limit $5"#,
            org.0,
            conversation,
            from,
            to,
            NEWEST,
        )
        .fetch_all(on)
        .await?;
        entries.reverse();
        Ok(entries)
    }

    /// Entries of the organization, oldest first, from after `after`.
    pub(crate) async fn activity(
        org: OrgId,
        on: impl PgExecutor<'_>,
        from: Option<Time>,
        to: Option<Time>,
        after: Option<(Time, Uuid)>,
        limit: i64,
    ) -> Result<Vec<Activity>, ConversationError> {
        let (after_at, after_id) = after.unzip();
        Ok(sqlx::query_as!(
            Activity,
            r#"select l.id, l.conversation_id, l.at, l.type as kind, l.author_id, p.display_name as "author_name?",
                      p.email as "author_email?", p.phone_number as "author_phone?", l.attributes
               from conversation.activity_log l
               left join conversation.people p on p.org_id = l.org_id and p.id = l.author_id
               where l.org_id = $1 and l.at >= coalesce($2::timestamptz, '-infinity') and l.at < coalesce($3::timestamptz, 'infinity')
                     and (l.at, l.id) > (coalesce($4::timestamptz, '-infinity'),
                                       coalesce($5, '00000000-0000-0000-0000-000000000000'::uuid))
               order by l.at, l.id limit $6"#,
            org.0,
            from,
            to,
            after_at,
            after_id,
            limit,
        )
        .fetch_all(on)
        .await?)
    }
}
