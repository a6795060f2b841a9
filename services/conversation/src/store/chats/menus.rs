//! Menus, which are queues, and what they offer chats.

use platform::OrgId;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::Store;
use crate::domain::ConversationError;
use crate::domain::chats::chat::Menu;
use crate::domain::chats::hours::{Moment, OpeningHours};

/// The queue that a chat starts in.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) queue_id: Uuid,
    pub(crate) virtual_agent_id: Option<Uuid>,
}

/// What a queue offers chats.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) language: Option<String>,
    pub(crate) max_size: Option<i32>,
    pub(crate) opening_hours: Option<OpeningHours>,
}

/// Whether a queue takes one more chat.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reception {
    pub(crate) is_open: bool,
    pub(crate) is_full: bool,
}

impl Store {
    /// A page of menus, by name.
    pub(crate) async fn menus(
        org: OrgId,
        on: impl PgExecutor<'_>,
        offset: i64,
        limit: i64,
    ) -> Result<Vec<Menu>, ConversationError> {
        Ok(sqlx::query_as!(
            Menu,
            "select number, name, language from conversation.queues where org_id = $1
             order by name, id offset $2 limit $3",
            org.0,
            offset,
            limit,
        )
        .fetch_all(on)
        .await?)
    }

    /// The queue with a number.
    pub(crate) async fn menu(org: OrgId, on: impl PgExecutor<'_>, number: i64) -> Result<Start, ConversationError> {
        sqlx::query_as!(
            Start,
            "select id as queue_id, virtual_agent_id from conversation.queues where org_id = $1 and number = $2",
            org.0,
            number,
        )
        .fetch_optional(on)
        .await?
        .ok_or(ConversationError::QueueNotFound)
    }

    /// Replaces what a queue offers chats; its number.
    pub(crate) async fn configure_queue(
        org: OrgId,
        tx: &mut PgConnection,
        id: Uuid,
        offer: &Offer,
    ) -> Result<i64, ConversationError> {
        sqlx::query_scalar!(
            "update conversation.queues set language = $3, max_size = $4, opening_hours = $5
             where org_id = $1 and id = $2 returning number",
            org.0,
            id,
            offer.language,
            offer.max_size,
            offer.opening_hours.as_ref().map(Json) as _,
        )
        .fetch_optional(tx)
        .await?
        .ok_or(ConversationError::QueueNotFound)
    }

    /// Whether the database knows a time zone.
    pub(crate) async fn knows_time_zone(on: impl PgExecutor<'_>, name: &str) -> Result<bool, ConversationError> {
        Ok(sqlx::query_scalar!(
            r#"select exists(select from pg_timezone_names where name = $1) as "known!""#,
            name
        )
        .fetch_one(on)
        .await?)
    }

    /// Whether a queue takes one more chat besides this one. Of two at once that ask for the last place, one gets it.
    pub(crate) async fn reception(
        org: OrgId,
        tx: &mut PgConnection,
        queue: Uuid,
        chat: i64,
    ) -> Result<Reception, ConversationError> {
        let row = sqlx::query!(
            r#"select max_size, opening_hours as "opening_hours: Json<OpeningHours>",
                      clock_timestamp() at time zone (opening_hours ->> 'time_zone') as local_time
               from conversation.queues where org_id = $1 and id = $2 for no key update"#,
            org.0,
            queue,
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(ConversationError::QueueNotFound)?;
        let is_open = match (row.opening_hours, row.local_time) {
            (Some(Json(hours)), Some(now)) => hours.is_open(Moment::of(now)),
            _ => true,
        };
        let is_full = match row.max_size {
            None => false,
            Some(most) => {
                let waiting = sqlx::query_scalar!(
                    r#"select count(*) as "count!" from (
                           select from conversation.conversations
                           where org_id = $1 and queue_id = $2 and state = 1 and agent_id is null and id <> $3 limit $4
                       ) waiting"#,
                    org.0,
                    queue,
                    chat,
                    i64::from(most),
                )
                .fetch_one(tx)
                .await?;
                waiting >= i64::from(most)
            }
        };
        Ok(Reception { is_open, is_full })
    }
}
