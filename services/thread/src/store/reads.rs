//! The hot reads: threads and pages of their messages, read together with what others ask for at the same time.

use futures::TryStreamExt as _;
use platform::OrgId;
use platform::batch::reads;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgTypeInfo, PgValueRef};
use sqlx::{Decode, PgConnection, Postgres, Type};
use uuid::Uuid;

use super::ThreadRow;
use crate::domain::{Author, Message, Mode, Reaction, SystemMessageType, Thread};

/// What to read: a thread, and a page of its messages when `limit` is not zero.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) org: OrgId,
    pub(crate) chatbot_id: String,
    pub(crate) thread_id: String,
    /// The page ends before this message.
    pub(crate) before: Option<Uuid>,
    pub(crate) limit: i32,
}

/// A thread and a page of its messages, newest first.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) thread: Thread,
    pub(crate) messages: Vec<Message>,
}

impl reads::Read for Read {
    /// Nothing when there is no such thread.
    type Found = Option<Page>;

    async fn read(connection: &mut PgConnection, reads: &[Self]) -> Result<Vec<Option<Page>>, sqlx::Error> {
        pages(connection, reads).await
    }
}

/// The small numbers of a message, which a page reads as one: a column costs the server and us a tenth of a microsecond, a
/// message has five of them, and a page is full of messages.
#[derive(Debug)]
struct Numbers {
    author: Author,
    mode: Mode,
    reaction: Reaction,
    system_message_type: SystemMessageType,
    position: i32,
}

impl Type<Postgres> for Numbers {
    fn type_info() -> PgTypeInfo {
        <i64 as Type<Postgres>>::type_info()
    }
}

impl<'r> Decode<'r, Postgres> for Numbers {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let number = <i64 as Decode<Postgres>>::decode(value)?;
        let [author, modes, type_high, type_low, position @ ..] = number.to_be_bytes();
        Ok(Self {
            author: Author::try_from(author)?,
            mode: Mode::try_from(modes >> 4)?,
            reaction: Reaction::try_from(modes & 15)?,
            system_message_type: SystemMessageType(i16::from_be_bytes([type_high, type_low])),
            position: i32::from_be_bytes(position),
        })
    }
}

pub(super) async fn pages(connection: &mut PgConnection, reads: &[Read]) -> Result<Vec<Option<Page>>, sqlx::Error> {
    let mut pages: Vec<Option<Page>> = reads.iter().map(|_| None).collect();
    let rows = sqlx::query!(
        r#"select i.n as "n!", t.id, t.chatbot_id, t.thread_id, t.mode as "mode: Mode", t.title, t.escalated, t.important, t.resolved,
                  t.archived, t.tags, t.internal_notes, t.platform_source, t.webhook_url, t.message_count, t.unread_count,
                  t.read_count, t.positive_count, t.negative_count, t.event_sequence, t.started_at, t.updated_at, t.ended_at,
                  t.visitor_id, v.email as "visitor_email?", v.name as "visitor_name?",
                  v.phone_number as "visitor_phone_number?", v.verified as "visitor_verified?",
                  v.created_at as "visitor_created_at?", v.updated_at as "visitor_updated_at?"
           from unnest((select $1::uuid[]), $2::text[], $3::text[]) with ordinality as i (org_id, chatbot_id, thread_id, n)
           join thread.threads t on t.org_id = i.org_id and t.chatbot_id = i.chatbot_id and t.thread_id = i.thread_id
           left join thread.visitors v on v.org_id = t.org_id and v.id = t.visitor_id"#,
        &reads.iter().map(|read| read.org.0).collect::<Vec<_>>(),
        &reads.iter().map(|read| read.chatbot_id.as_str()).collect::<Vec<_>>() as &[&str],
        &reads.iter().map(|read| read.thread_id.as_str()).collect::<Vec<_>>() as &[&str],
    )
    .fetch_all(&mut *connection)
    .await?;
    for row in rows {
        let index = usize::try_from(row.n - 1).unwrap_or_default();
        let thread = ThreadRow {
            id: row.id,
            chatbot_id: row.chatbot_id,
            thread_id: row.thread_id,
            mode: row.mode,
            title: row.title,
            escalated: row.escalated,
            important: row.important,
            resolved: row.resolved,
            archived: row.archived,
            tags: row.tags,
            internal_notes: row.internal_notes,
            platform_source: row.platform_source,
            webhook_url: row.webhook_url,
            message_count: row.message_count,
            unread_count: row.unread_count,
            read_count: row.read_count,
            positive_count: row.positive_count,
            negative_count: row.negative_count,
            event_sequence: row.event_sequence,
            started_at: row.started_at,
            updated_at: row.updated_at,
            ended_at: row.ended_at,
            visitor_id: row.visitor_id,
            visitor_email: row.visitor_email,
            visitor_name: row.visitor_name,
            visitor_phone_number: row.visitor_phone_number,
            visitor_verified: row.visitor_verified,
            visitor_created_at: row.visitor_created_at,
            visitor_updated_at: row.visitor_updated_at,
        };
        pages[index] = Some(Page {
            thread: thread.into(),
            messages: Vec::new(),
        });
    }
    let mut wanted: Vec<(usize, &Read, Uuid)> = Vec::with_capacity(reads.len());
    for (index, read) in reads.iter().enumerate() {
        if let Some(page) = &mut pages[index]
            && read.limit > 0
        {
            page.messages
                .reserve_exact(usize::try_from(read.limit).unwrap_or_default());
            wanted.push((index, read, page.thread.id));
        }
    }
    if wanted.is_empty() {
        return Ok(pages);
    }
    let mut rows = sqlx::query!(
        r#"select i.n as "n!", m.id,
                  (m.author::bigint << 56) | (m.mode::bigint << 52) | (m.reaction::bigint << 48)
                      | (m.system_message_type::bigint << 32) | m.position as "numbers!: Numbers",
                  m.content, m.agent_name, m.icon_url, m.parent_id, m.llm_model_id, m.sources, m.edited_by, m.edited_at,
                  m.created_at, nullif(m.updated_at, m.created_at) as updated_at
           from unnest((select $1::bigint[]), $2::uuid[], $3::uuid[], $4::uuid[], $5::integer[]) as i (n, org_id, thread_uid, before, size)
           cross join lateral (
               select * from thread.messages
               where org_id = i.org_id and thread_uid = i.thread_uid
                 and position < case when i.before is null then 2147483647 else coalesce(
                     (select b.position from thread.messages b
                      where b.org_id = i.org_id and b.id = i.before and b.thread_uid = i.thread_uid), 0) end
               order by position desc limit i.size
           ) m"#,
        &wanted.iter().map(|(index, ..)| i64::try_from(*index).unwrap_or_default()).collect::<Vec<_>>(),
        &wanted.iter().map(|(_, read, _)| read.org.0).collect::<Vec<_>>(),
        &wanted.iter().map(|(_, _, id)| *id).collect::<Vec<_>>(),
        &wanted.iter().map(|(_, read, _)| read.before).collect::<Vec<_>>() as &[Option<Uuid>],
        &wanted.iter().map(|(_, read, _)| read.limit).collect::<Vec<_>>(),
    )
    .fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let index = usize::try_from(row.n).unwrap_or_default();
        let Some(page) = &mut pages[index] else { continue };
        page.messages.push(Message {
            id: row.id,
            position: row.numbers.position,
            author: row.numbers.author,
            mode: row.numbers.mode,
            system_message_type: row.numbers.system_message_type,
            content: row.content,
            agent_name: row.agent_name,
            icon_url: row.icon_url,
            parent_id: row.parent_id,
            llm_model_id: row.llm_model_id,
            reaction: row.numbers.reaction,
            sources: row.sources,
            edited_by: row.edited_by,
            edited_at: row.edited_at,
            created_at: row.created_at,
            updated_at: row.updated_at.unwrap_or(row.created_at),
        });
    }
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_as_the_number_it_is_stored_as() {
        for author in [Author::User, Author::Bot, Author::Agent, Author::System] {
            assert_eq!(Author::try_from(author as u8), Ok(author));
        }
        for mode in [Mode::Ai, Mode::Agent] {
            assert_eq!(Mode::try_from(mode as u8), Ok(mode));
        }
        for reaction in [
            Reaction::None,
            Reaction::Positive,
            Reaction::Negative,
            Reaction::Neutral,
        ] {
            assert_eq!(Reaction::try_from(reaction as u8), Ok(reaction));
        }
        assert!(Author::try_from(0).is_err() && Mode::try_from(3).is_err() && Reaction::try_from(4).is_err());
    }
}
