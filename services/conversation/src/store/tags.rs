//! Tags.

use platform::OrgId;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::{MOST, Store};
use crate::domain::ConversationError;
use crate::domain::tags::Tag;

impl Store {
    /// The tag of a name: a new one, or unchanged the one that is there.
    pub(crate) async fn ensure_tag(
        org: OrgId,
        tx: &mut PgConnection,
        name: &str,
        color: Option<&str>,
    ) -> Result<Tag, ConversationError> {
        loop {
            sqlx::query!(
                "insert into conversation.tags (org_id, id, name, color) values ($1, $2, $3, $4) on conflict do nothing",
                org.0,
                platform::id::new(),
                name,
                color
            )
            .execute(&mut *tx)
            .await?;
            let there = sqlx::query_as!(
                Tag,
                "select id, name, color, active from conversation.tags where org_id = $1 and name = $2",
                org.0,
                name
            )
            .fetch_optional(&mut *tx)
            .await?;
            // The one that was in the way may have been deleted since.
            if let Some(tag) = there {
                return Ok(tag);
            }
        }
    }

    /// A tag, active or not.
    pub(crate) async fn tag(org: OrgId, on: impl PgExecutor<'_>, id: Uuid) -> Result<Tag, ConversationError> {
        sqlx::query_as!(
            Tag,
            "select id, name, color, active from conversation.tags where org_id = $1 and id = $2",
            org.0,
            id
        )
        .fetch_optional(on)
        .await?
        .ok_or(ConversationError::TagNotFound)
    }

    /// The tags, by name.
    pub(crate) async fn tags(
        org: OrgId,
        on: impl PgExecutor<'_>,
        include_inactive: bool,
    ) -> Result<Vec<Tag>, ConversationError> {
        Ok(sqlx::query_as!(
            Tag,
            "select id, name, color, active from conversation.tags
             where org_id = $1 and (active or $2) order by name limit $3",
            org.0,
            include_inactive,
            MOST
        )
        .fetch_all(on)
        .await?)
    }

    /// Activates or deactivates a tag.
    pub(crate) async fn set_tag_state(
        org: OrgId,
        tx: &mut PgConnection,
        id: Uuid,
        active: bool,
    ) -> Result<Tag, ConversationError> {
        sqlx::query_as!(
            Tag,
            "update conversation.tags set active = $3 where org_id = $1 and id = $2 returning id, name, color, active",
            org.0,
            id,
            active
        )
        .fetch_optional(tx)
        .await?
        .ok_or(ConversationError::TagNotFound)
    }

    /// Deletes a tag. Conversations that had it keep a reference that nobody is shown: there may be millions.
    pub(crate) async fn delete_tag(org: OrgId, tx: &mut PgConnection, id: Uuid) -> Result<(), ConversationError> {
        let deleted = sqlx::query!("delete from conversation.tags where org_id = $1 and id = $2", org.0, id)
            .execute(tx)
            .await?;
        if deleted.rows_affected() == 0 {
            return Err(ConversationError::TagNotFound);
        }
        Ok(())
    }
}
