//! Messages.

use platform::OrgId;
use platform::time::Time;
use serde_json::{Value, json};
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::Store;
use crate::domain::ConversationError;
use crate::domain::conversation::{Content, ContentType, File, Locked, Message, MessageDetails, MessageType};
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
    pub(super) fn new(messages: &'a [Message]) -> Self {
        fn column<'a, T>(messages: &'a [Message], value: impl Fn(&'a Message) -> T) -> Vec<T> {
            messages.iter().map(value).collect()
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
    /// Adds a message to a locked conversation, whose step has to be saved afterwards.
    pub(crate) async fn insert_message(
        org: OrgId,
        tx: &mut PgConnection,
        locked: &Locked,
        message: &Message,
    ) -> Result<(), ConversationError> {
        sqlx::query!(
            "insert into conversation.messages (org_id, conversation_id, position, id, type, direction, author_id,
                                                external_id, content_type, content, attachments, details, created_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            org.0,
            locked.id,
            locked.message_count + 1,
            message.id,
            message.kind as i16,
            message.direction as i16,
            message.author_id,
            message.external_id,
            message.content.as_ref().map(|content| content.kind as i16),
            message.content.as_ref().map(|content| content.value.as_str()),
            Json(&message.attachments) as _,
            Json(&message.details) as _,
            message.created_at,
        )
        .execute(tx)
        .await?;
        Ok(())
    }

    /// The newest messages of a conversation, oldest first.
    pub(crate) async fn messages(
        org: OrgId,
        on: impl PgExecutor<'_>,
        conversation: i64,
    ) -> Result<Vec<Message>, ConversationError> {
        let rows = sqlx::query_as!(
            Row,
            r#"select id, type as "kind: MessageType", direction as "direction: Direction", author_id, external_id,
                      content_type as "content_type: ContentType", content, attachments as "attachments: Json<Vec<File>>",
                      details as "details: Json<MessageDetails>", created_at, anonymized_at
               from conversation.messages where org_id = $1 and conversation_id = $2
               order by position desc limit $3"#,
            org.0,
            conversation,
            NEWEST,
        )
        .fetch_all(on)
        .await?;
        Ok(rows.into_iter().rev().map(Message::from).collect())
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
