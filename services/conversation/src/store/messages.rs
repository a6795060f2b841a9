//! Messages.

use platform::OrgId;
use platform::time::Time;
use serde_json::{Value, json};
use sqlx::PgExecutor;
use sqlx::types::Json;
use uuid::Uuid;

use super::Store;
use crate::domain::ConversationError;
use crate::domain::conversation::{Content, ContentType, File, Message, MessageDetails, MessageType};
use crate::domain::state::Direction;

/// The most that a list that is not paged shows.
pub(crate) const NEWEST: i64 = 10_000;

/// The columns of messages, as statements take them.
pub(super) struct Columns<'a> {
    pub(super) ids: Vec<Uuid>,
    pub(super) kinds: Vec<i16>,
    pub(super) directions: Vec<i16>,
    pub(super) authors: Vec<Uuid>,
    pub(super) external_ids: Vec<Option<&'a str>>,
    pub(super) content_types: Vec<Option<i16>>,
    pub(super) contents: Vec<Option<&'a str>>,
    pub(super) attachments: Vec<Value>,
    pub(super) details: Vec<Value>,
    pub(super) created_ats: Vec<Time>,
}

impl<'a> Columns<'a> {
    pub(super) fn new(messages: &(impl Iterator<Item = &'a Message> + Clone)) -> Self {
        fn column<'a, T>(
            messages: &(impl Iterator<Item = &'a Message> + Clone),
            value: impl Fn(&'a Message) -> T,
        ) -> Vec<T> {
            messages.clone().map(value).collect()
        }
        Self {
            ids: column(messages, |message| message.id),
            kinds: column(messages, |message| message.kind as i16),
            directions: column(messages, |message| message.direction as i16),
            authors: column(messages, |message| message.author_id),
            external_ids: column(messages, |message| message.external_id.as_deref()),
            content_types: column(messages, |message| {
                message.content.as_ref().map(|content| content.kind as i16)
            }),
            contents: column(messages, |message| {
                message.content.as_ref().map(|content| content.value.as_str())
            }),
            attachments: column(messages, |message| json!(message.attachments)),
            details: column(messages, |message| json!(message.details)),
            created_ats: column(messages, |message| message.created_at),
        }
    }

    pub(super) fn count(&self) -> i32 {
        i32::try_from(self.ids.len()).unwrap_or(i32::MAX)
    }
}

struct Row {
    /// Whose it is, of those that were asked for.
    n: i64,
    position: i32,
    id: Uuid,
    kind: MessageType,
    direction: Direction,
    author_id: Uuid,
    external_id: Option<String>,
    content_type: Option<ContentType>,
    content: Option<String>,
    attachments: Json<Vec<File>>,
    details: Json<MessageDetails>,
    created_at: Time,
    anonymized_at: Option<Time>,
}

impl From<Row> for Message {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            direction: row.direction,
            author_id: row.author_id,
            external_id: row.external_id,
            content: row
                .content_type
                .zip(row.content)
                .map(|(kind, value)| Content { kind, value }),
            attachments: row.attachments.0,
            details: row.details.0,
            created_at: row.created_at,
            anonymized_at: row.anonymized_at,
        }
    }
}

impl Store {
    /// The newest messages of each of these conversations, `limit` at most, oldest first.
    pub(super) async fn message_lists(
        on: impl PgExecutor<'_>,
        conversations: &[(OrgId, i64)],
        limit: i64,
    ) -> Result<Vec<Vec<Message>>, sqlx::Error> {
        let rows = sqlx::query_as!(
            Row,
            r#"select i.n as "n!", m.position, m.id, m.type as "kind: MessageType", m.direction as "direction: Direction",
                      m.author_id, m.external_id, m.content_type as "content_type: ContentType", m.content,
                      m.attachments as "attachments: Json<Vec<File>>", m.details as "details: Json<MessageDetails>",
                      m.created_at, m.anonymized_at
               from unnest((select $1::uuid[]), $2::bigint[]) with ordinality as i (org_id, id, n)
               cross join lateral (
                   select * from conversation.messages
                   where org_id = i.org_id and conversation_id = i.id order by position desc limit $3
               ) m"#,
            &conversations.iter().map(|(org, _)| org.0).collect::<Vec<_>>(),
            &conversations.iter().map(|(_, id)| *id).collect::<Vec<_>>(),
            limit,
        )
        .fetch_all(on)
        .await?;
        let mut lists: Vec<Vec<(i32, Message)>> = conversations.iter().map(|_| Vec::new()).collect();
        for row in rows {
            let index = usize::try_from(row.n - 1).unwrap_or_default();
            lists[index].push((row.position, row.into()));
        }
        let sorted = |mut list: Vec<(i32, Message)>| {
            list.sort_unstable_by_key(|(position, _)| *position);
            list.into_iter().map(|(_, message)| message).collect()
        };
        Ok(lists.into_iter().map(sorted).collect())
    }

    /// The newest messages of a conversation, oldest first.
    pub(crate) async fn messages(
        org: OrgId,
        on: impl PgExecutor<'_>,
        conversation: i64,
    ) -> Result<Vec<Message>, ConversationError> {
        let lists = Self::message_lists(on, &[(org, conversation)], NEWEST).await?;
        Ok(lists.into_iter().flatten().collect())
    }

    /// A message.
    pub(super) async fn message(org: OrgId, on: impl PgExecutor<'_>, id: Uuid) -> Result<Option<Message>, sqlx::Error> {
        let row = sqlx::query_as!(
            Row,
            r#"select 1::bigint as "n!", position, id, type as "kind: MessageType", direction as "direction: Direction",
                      author_id, external_id, content_type as "content_type: ContentType", content,
                      attachments as "attachments: Json<Vec<File>>", details as "details: Json<MessageDetails>",
                      created_at, anonymized_at
               from conversation.messages where org_id = $1 and id = $2"#,
            org.0,
            id,
        )
        .fetch_optional(on)
        .await?;
        Ok(row.map(Message::from))
    }

    /// Which of these external ids messages of the organization have already.
    pub(crate) async fn taken_external_ids(
        org: OrgId,
        on: impl PgExecutor<'_>,
        external_ids: &[String],
    ) -> Result<Vec<String>, ConversationError> {
        Ok(sqlx::query_scalar!(
            r#"select external_id as "external_id!" from conversation.messages
               where org_id = $1 and external_id = any($2)"#,
            org.0,
            external_ids,
        )
        .fetch_all(on)
        .await?)
    }
}
