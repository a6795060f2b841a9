//! The hot reads: whatever is asked for while the last answer is under way is one query.
//!
//! A read of its own costs a round trip and a wake-up of the server for a row or a page; many at once share them.

use std::time::Duration;

use platform::OrgId;
use platform::batch::{Batches, Item, Queue, Refused};
use platform::db::Db;
use platform::fault::{self, Kind};
use sqlx::PgConnection;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::ThreadRow;
use crate::domain::{Author, Error, Message, Mode, Reaction, SystemMessageType, Thread};

/// Connections that read, per replica: a slow page on one does not hold up the other.
const READERS: usize = 2;
/// Reads that may wait for a connection.
const QUEUE: usize = 4096;
/// Reads in one query at most.
const BATCH: usize = 64;
const QUERY: Duration = Duration::from_millis(2500);

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

type Answer = Result<Page, Error>;

/// The asking side.
#[derive(Clone, Debug)]
pub(crate) struct Reads(Queue<Read, Answer>);

/// The working side, to be run as long as the server runs.
#[derive(Debug)]
pub(crate) struct Readers(Batches<Read, Answer>);

impl Reads {
    pub(crate) fn new() -> (Self, Readers) {
        let (queue, batches) = Queue::new(QUEUE);
        (Self(queue), Readers(batches))
    }

    /// A thread and a page of its messages.
    pub(crate) async fn page(&self, read: Read) -> Answer {
        match self.0.submit(read).await {
            Ok(answer) => answer,
            Err(Refused::Full) => Err(Error::QueueFull),
            Err(Refused::Closed) => Err(Error::QueueGone),
        }
    }
}

impl Readers {
    /// Works the queue off until `stop`.
    pub(crate) async fn run(self, db: Db, stop: CancellationToken) -> anyhow::Result<()> {
        let batches = std::sync::Arc::new(tokio::sync::Mutex::new(self.0));
        let mut readers = tokio::task::JoinSet::new();
        for _ in 0..READERS {
            let (db, stop, batches) = (db.clone(), stop.clone(), std::sync::Arc::clone(&batches));
            readers.spawn(async move {
                let mut connection = None;
                loop {
                    let batch = batches.lock().await.next(BATCH, &stop).await;
                    let Some(batch) = batch else { break };
                    answer(&db, &mut connection, batch).await;
                }
            });
        }
        while let Some(ended) = readers.join_next().await {
            ended?;
        }
        Ok(())
    }
}

async fn answer(db: &Db, slot: &mut Option<PgConnection>, batch: Vec<Item<Read, Answer>>) {
    let (reads, replies): (Vec<_>, Vec<_>) = batch.into_iter().map(Item::split).unzip();
    match query(db, slot, &reads).await {
        Ok(pages) => {
            for ((page, read), reply) in pages.into_iter().zip(reads).zip(replies) {
                reply.send(page.ok_or(Error::ThreadNotFound(read.thread_id)));
            }
        }
        Err(error) => {
            let kind = match &error {
                Error::Storage(error) => fault::database_kind(error),
                _ => Kind::Unavailable,
            };
            tracing::warn!(error = %fault::chain(&error), "threads could not be read");
            for reply in replies {
                reply.send(Err(match kind {
                    Kind::Internal => Error::Storage(sqlx::Error::Protocol("the read failed".to_owned())),
                    _ => Error::Late,
                }));
            }
        }
    }
}

async fn query(db: &Db, slot: &mut Option<PgConnection>, reads: &[Read]) -> Result<Vec<Option<Page>>, Error> {
    let mut connection = match slot.take() {
        Some(connection) => connection,
        None => db.dedicated().await?,
    };
    let pages = timeout(QUERY, pages(&mut connection, reads))
        .await
        .map_err(|_| Error::Late)?;
    if pages.is_ok() {
        *slot = Some(connection);
    }
    Ok(pages?)
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
           from unnest($1::uuid[], $2::text[], $3::text[]) with ordinality as i (org_id, chatbot_id, thread_id, n)
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
    let rows = sqlx::query!(
        r#"select i.n as "n!", m.id, m.position, m.author as "author: Author", m.mode as "mode: Mode",
                  m.system_message_type, m.content, m.agent_name, m.icon_url, m.parent_id, m.llm_model_id,
                  m.reaction as "reaction: Reaction", m.sources, m.edited_by, m.edited_at, m.created_at, m.updated_at
           from unnest($1::bigint[], $2::uuid[], $3::uuid[], $4::uuid[], $5::integer[]) as i (n, org_id, thread_uid, before, size)
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
    .fetch_all(connection)
    .await?;
    for row in rows {
        let index = usize::try_from(row.n).unwrap_or_default();
        let Some(page) = &mut pages[index] else { continue };
        page.messages.push(Message {
            id: row.id,
            position: row.position,
            author: row.author,
            mode: row.mode,
            system_message_type: SystemMessageType(row.system_message_type),
            content: row.content,
            agent_name: row.agent_name,
            icon_url: row.icon_url,
            parent_id: row.parent_id,
            llm_model_id: row.llm_model_id,
            reaction: row.reaction,
            sources: row.sources,
            edited_by: row.edited_by,
            edited_at: row.edited_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        });
    }
    Ok(pages)
}
