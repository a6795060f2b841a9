//! Tags and custom attributes of conversations.

use platform::OrgId;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::{MOST, Store};
use crate::domain::ConversationError;
use crate::domain::attributes::{Change, Shown};
use crate::domain::tags::Tag;

impl Store {
    /// Puts a tag on a locked conversation; whether it was not there before.
    pub(crate) async fn add_conversation_tag(
        org: OrgId,
        tx: &mut PgConnection,
        conversation: i64,
        tag: Uuid,
    ) -> Result<bool, ConversationError> {
        let added = sqlx::query!(
            "insert into conversation.conversation_tags (org_id, conversation_id, tag_id) values ($1, $2, $3)
             on conflict do nothing",
            org.0,
            conversation,
            tag,
        )
        .execute(tx)
        .await?;
        Ok(added.rows_affected() == 1)
    }

    /// Takes a tag off a locked conversation; whether it was there.
    pub(crate) async fn remove_conversation_tag(
        org: OrgId,
        tx: &mut PgConnection,
        conversation: i64,
        tag: Uuid,
    ) -> Result<bool, ConversationError> {
        let removed = sqlx::query!(
            "delete from conversation.conversation_tags where org_id = $1 and conversation_id = $2 and tag_id = $3",
            org.0,
            conversation,
            tag,
        )
        .execute(tx)
        .await?;
        Ok(removed.rows_affected() == 1)
    }

    /// The tags of a conversation, by name.
    pub(crate) async fn conversation_tags(
        org: OrgId,
        on: impl PgExecutor<'_>,
        conversation: i64,
    ) -> Result<Vec<Tag>, ConversationError> {
        Ok(sqlx::query_as!(
            Tag,
            "select t.id, t.name, t.color, t.active from conversation.conversation_tags c
             join conversation.tags t on t.org_id = c.org_id and t.id = c.tag_id
             where c.org_id = $1 and c.conversation_id = $2 order by t.name limit $3",
            org.0,
            conversation,
            MOST,
        )
        .fetch_all(on)
        .await?)
    }

    /// Sets and clears values of a locked conversation; the ids of those that this changed.
    pub(crate) async fn save_conversation_attributes(
        org: OrgId,
        tx: &mut PgConnection,
        conversation: i64,
        changes: &[Change],
    ) -> Result<Vec<Uuid>, ConversationError> {
        let (set, cleared): (Vec<_>, Vec<_>) = changes.iter().partition(|change| change.value.is_some());
        let cleared: Vec<_> = cleared.into_iter().map(|change| change.id).collect();
        let ids: Vec<_> = set.iter().map(|change| change.id).collect();
        let values: Vec<_> = set
            .iter()
            .filter_map(|change| change.value.as_ref())
            .map(Json)
            .collect();
        Ok(sqlx::query_scalar!(
            r#"with gone as (
                   delete from conversation.conversation_attributes
                   where org_id = $1 and conversation_id = $2 and attribute_id = any($3) returning attribute_id
               ),
               there as (
                   insert into conversation.conversation_attributes as a (org_id, conversation_id, attribute_id, value)
                   select $1, $2, * from unnest($4::uuid[], $5::jsonb[])
                   on conflict (org_id, conversation_id, attribute_id) do update set value = excluded.value
                   where a.value <> excluded.value returning attribute_id
               )
               select attribute_id as "id!" from gone union all select attribute_id from there"#,
            org.0,
            conversation,
            &cleared,
            &ids,
            &values as _,
        )
        .fetch_all(tx)
        .await?)
    }

    /// The values that a conversation has of some custom attributes, in the order of their definitions.
    pub(crate) async fn conversation_attributes(
        org: OrgId,
        on: impl PgExecutor<'_>,
        conversation: i64,
        ids: &[Uuid],
    ) -> Result<Vec<Shown>, ConversationError> {
        let rows = sqlx::query!(
            r#"select a.id, a.label, a.identifier, v.value as "value: Json<crate::domain::attributes::Value>"
               from conversation.conversation_attributes v
               join conversation.custom_attributes a on a.org_id = v.org_id and a.id = v.attribute_id
               where v.org_id = $1 and v.conversation_id = $2 and v.attribute_id = any($3) order by a.created_at, a.id"#,
            org.0,
            conversation,
            ids,
        )
        .fetch_all(on)
        .await?;
        let shown = rows.into_iter().map(|row| Shown {
            id: row.id,
            name: row.label,
            identifier: row.identifier,
            value: row.value.0,
        });
        Ok(shown.collect())
    }
}
