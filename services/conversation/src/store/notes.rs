//! Internal notes.

use platform::OrgId;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::Store;
use super::messages::NEWEST;
use crate::domain::ConversationError;
use crate::domain::conversation::Note;

impl Store {
    /// Adds notes to a locked conversation, whose step has to be saved afterwards.
    pub(crate) async fn insert_notes(
        org: OrgId,
        tx: &mut PgConnection,
        conversation: i64,
        notes: &[Note],
    ) -> Result<(), ConversationError> {
        let ids: Vec<_> = notes.iter().map(|note| note.id).collect();
        let authors: Vec<_> = notes.iter().map(|note| note.author_id).collect();
        let ats: Vec<_> = notes.iter().map(|note| note.created_at).collect();
        let texts: Vec<_> = notes.iter().map(|note| note.text.as_str()).collect();
        sqlx::query!(
            "insert into conversation.notes (org_id, conversation_id, id, author_id, created_at, text)
             select $1, $2, * from unnest($3::uuid[], $4::uuid[], $5::timestamptz[], $6::text[])",
            org.0,
            conversation,
            &ids,
            &authors,
            &ats,
            &texts as &[&str],
        )
        .execute(tx)
        .await?;
        Ok(())
    }

    /// The newest notes of a conversation, oldest first.
    pub(crate) async fn notes(
        org: OrgId,
        on: impl PgExecutor<'_>,
        conversation: i64,
    ) -> Result<Vec<Note>, ConversationError> {
        let mut notes = sqlx::query_as!(
            Note,
            "select id, conversation_id, author_id, text, created_at from conversation.notes
             where org_id = $1 and conversation_id = $2 order by created_at desc, id desc limit $3",
            org.0,
            conversation,
            NEWEST,
        )
        .fetch_all(on)
        .await?;
        notes.reverse();
        Ok(notes)
    }

    /// Which of these people are agents.
    pub(crate) async fn agents_among(
        org: OrgId,
        on: impl PgExecutor<'_>,
        ids: &[Uuid],
    ) -> Result<Vec<Uuid>, ConversationError> {
        Ok(sqlx::query_scalar!(
            "select id from conversation.people where org_id = $1 and id = any($2) and is_agent",
            org.0,
            ids,
        )
        .fetch_all(on)
        .await?)
    }
}
