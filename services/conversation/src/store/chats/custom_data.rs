//! Flags and custom data of chats.

use platform::OrgId;
use sqlx::{PgConnection, PgExecutor};

use super::Store;
use crate::domain::ConversationError;
use crate::domain::chats::custom_data::{FlagChanges, Flags, Item, MOST};

impl Store {
    /// The flags of a chat; those of one without a session are not set.
    pub(crate) async fn customer_flags(
        org: OrgId,
        on: impl PgExecutor<'_>,
        chat: i64,
    ) -> Result<Flags, ConversationError> {
        sqlx::query_as!(
            Flags,
            r#"select coalesce(s.verified_customer, false) as "verified_customer!",
                      coalesce(s.bad_actor, false) as "bad_actor!",
                      coalesce(s.repeat_customer, false) as "repeat_customer!"
               from conversation.conversations c
               left join conversation.chats s on s.org_id = c.org_id and s.conversation_id = c.id
               where c.org_id = $1 and c.id = $2 and c.type = 1 and c.channel = 3"#,
            org.0,
            chat,
        )
        .fetch_optional(on)
        .await?
        .ok_or(ConversationError::ChatNotFound)
    }

    /// Sets flags of a chat that has a session.
    pub(crate) async fn set_customer_flags(
        org: OrgId,
        tx: &mut PgConnection,
        chat: i64,
        changes: FlagChanges,
    ) -> Result<(), ConversationError> {
        sqlx::query!(
            "update conversation.chats
             set verified_customer = coalesce($3, verified_customer), bad_actor = coalesce($4, bad_actor),
                 repeat_customer = coalesce($5, repeat_customer)
             where org_id = $1 and conversation_id = $2",
            org.0,
            chat,
            changes.verified_customer,
            changes.bad_actor,
            changes.repeat_customer,
        )
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Sets items of a chat's custom data; says whether there is room for them.
    pub(crate) async fn set_custom_data(
        org: OrgId,
        tx: &mut PgConnection,
        chat: i64,
        items: &[Item],
    ) -> Result<bool, ConversationError> {
        for item in items {
            sqlx::query!(
                "insert into conversation.chat_custom_data (org_id, conversation_id, key, label, value, type, invisible,
                                                            signed)
                 values ($1, $2, $3, $4, $5, $6, $7, $8)
                 on conflict (org_id, conversation_id, key) do update
                 set label = excluded.label, value = excluded.value, type = excluded.type,
                     invisible = excluded.invisible, signed = excluded.signed",
                org.0,
                chat,
                item.key,
                item.label,
                item.value,
                item.kind,
                item.invisible,
                item.signed,
            )
            .execute(&mut *tx)
            .await?;
        }
        let count = sqlx::query_scalar!(
            r#"select count(*) as "count!" from conversation.chat_custom_data
               where org_id = $1 and conversation_id = $2"#,
            org.0,
            chat,
        )
        .fetch_one(tx)
        .await?;
        Ok(count <= MOST)
    }

    /// The custom data of a chat, by key; what is not for agents only when asked for.
    pub(crate) async fn custom_data(
        org: OrgId,
        on: impl PgExecutor<'_>,
        chat: i64,
        with_invisible: bool,
    ) -> Result<Vec<Item>, ConversationError> {
        Ok(sqlx::query_as!(
            Item,
            "select key, label, value, type as kind, invisible, signed from conversation.chat_custom_data
             where org_id = $1 and conversation_id = $2 and (not invisible or $3) order by key limit $4",
            org.0,
            chat,
            with_invisible,
            MOST,
        )
        .fetch_all(on)
        .await?)
    }
}
