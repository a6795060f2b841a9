//! Parents and children.

use platform::OrgId;
use sqlx::{PgConnection, PgExecutor};

use super::Store;
use crate::domain::ConversationError;
use crate::domain::conversation::LinkKind;

impl Store {
    /// The ids of a conversation's children.
    pub(crate) async fn children(
        org: OrgId,
        on: impl PgExecutor<'_>,
        parent: i64,
    ) -> Result<Vec<i64>, ConversationError> {
        Ok(sqlx::query_scalar!(
            "select id from conversation.conversations where org_id = $1 and parent_id = $2 order by id",
            org.0,
            parent,
        )
        .fetch_all(on)
        .await?)
    }

    /// Makes a locked conversation the child of another locked one.
    pub(crate) async fn link(
        org: OrgId,
        tx: &mut PgConnection,
        child: i64,
        parent: i64,
        kind: LinkKind,
    ) -> Result<(), ConversationError> {
        sqlx::query!(
            "update conversation.conversations set parent_id = $3, link_kind = $4 where org_id = $1 and id = $2",
            org.0,
            child,
            parent,
            kind as i16,
        )
        .execute(tx)
        .await?;
        Ok(())
    }
}
