//! All SQL of the thread context.
//!
//! Single messages are written by [`append`] (a group commit) and single threads are read by [`reads`] (coalesced); the rest
//! is one transaction each, on locked rows.

use platform::OrgId;
use platform::access::Call;
use platform::batch::commits::Commits;
use platform::batch::reads::Reads;
use platform::db::{Db, Tx};
use platform::events::{Event, Outbox, Stream};
use platform::fault::violated_constraint;
use platform::idempotency::Idempotency;
use platform::time::Time;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{Author, Error, Message, Mode, NewMessage, Reaction, SystemMessageType, Thread, Visitor};

pub(crate) mod append;
pub(crate) mod escalations;
pub(crate) mod lists;
pub(crate) mod reads;
pub(crate) mod reminders;
mod visitors;

/// All stored data of this context.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) db: Db,
    pub(crate) outbox: Outbox,
    pub(crate) idempotency: Idempotency,
    pub(crate) appends: Commits<append::Append>,
    pub(crate) reads: Reads<reads::Read>,
}

/// A thread as its row and its visitor's row have it.
#[derive(Debug)]
pub(crate) struct ThreadRow {
    pub(crate) id: Uuid,
    pub(crate) chatbot_id: String,
    pub(crate) thread_id: String,
    pub(crate) mode: Mode,
    pub(crate) title: Option<String>,
    pub(crate) escalated: bool,
    pub(crate) important: bool,
    pub(crate) resolved: bool,
    pub(crate) archived: bool,
    pub(crate) tags: Vec<String>,
    pub(crate) internal_notes: Option<String>,
    pub(crate) platform_source: String,
    pub(crate) webhook_url: Option<String>,
    pub(crate) message_count: i32,
    pub(crate) unread_count: i32,
    pub(crate) read_count: i32,
    pub(crate) positive_count: i32,
    pub(crate) negative_count: i32,
    pub(crate) event_sequence: i64,
    pub(crate) started_at: Time,
    pub(crate) updated_at: Time,
    pub(crate) ended_at: Option<Time>,
    pub(crate) visitor_id: Option<Uuid>,
    pub(crate) visitor_email: Option<String>,
    pub(crate) visitor_name: Option<String>,
    pub(crate) visitor_phone_number: Option<String>,
    pub(crate) visitor_verified: Option<bool>,
    pub(crate) visitor_created_at: Option<Time>,
    pub(crate) visitor_updated_at: Option<Time>,
}

impl From<ThreadRow> for Thread {
    fn from(row: ThreadRow) -> Self {
        let visitor = match (row.visitor_id, row.visitor_created_at, row.visitor_updated_at) {
            (Some(id), Some(created_at), Some(updated_at)) => Some(Visitor {
                id,
                email: row.visitor_email,
                name: row.visitor_name,
                phone_number: row.visitor_phone_number,
                verified: row.visitor_verified.unwrap_or_default(),
                created_at,
                updated_at,
            }),
            _ => None,
        };
        Self {
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
            visitor,
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
        }
    }
}

/// A message as its row has it.
#[derive(Debug)]
pub(crate) struct MessageRow {
    pub(crate) id: Uuid,
    pub(crate) thread_uid: Uuid,
    pub(crate) position: i32,
    pub(crate) author: Author,
    pub(crate) mode: Mode,
    pub(crate) system_message_type: i16,
    pub(crate) content: String,
    pub(crate) agent_name: Option<String>,
    pub(crate) icon_url: Option<String>,
    pub(crate) parent_id: Option<Uuid>,
    pub(crate) llm_model_id: Option<String>,
    pub(crate) reaction: Reaction,
    pub(crate) sources: Option<String>,
    pub(crate) edited_by: Option<String>,
    pub(crate) edited_at: Option<Time>,
    pub(crate) created_at: Time,
    pub(crate) updated_at: Time,
}

impl From<MessageRow> for Message {
    fn from(row: MessageRow) -> Self {
        Self {
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
        }
    }
}

/// A thread that is about to be stored.
#[derive(Debug)]
pub(crate) struct NewThread {
    pub(crate) id: Uuid,
    pub(crate) chatbot_id: String,
    pub(crate) thread_id: String,
    pub(crate) mode: Mode,
    pub(crate) platform_source: String,
    pub(crate) visitor: Option<Visitor>,
}

impl Store {
    /// A thread and a page of its messages.
    pub(crate) async fn page(&self, read: reads::Read) -> Result<reads::Page, Error> {
        let thread_id = read.thread_id.clone();
        let found = self.reads.submit(read).await?;
        found.ok_or(Error::ThreadNotFound(thread_id))
    }

    pub(crate) async fn begin(&self) -> Result<Tx, Error> {
        Ok(self.db.begin().await?)
    }

    /// Stores a new thread.
    pub(crate) async fn insert_thread(
        &self,
        tx: &mut PgConnection,
        org: OrgId,
        new: NewThread,
    ) -> Result<Thread, Error> {
        let started_at = sqlx::query_scalar!(
            "insert into thread.threads (org_id, id, chatbot_id, thread_id, mode, platform_source, visitor_id)
             values ($1, $2, $3, $4, $5, $6, $7) returning started_at",
            org.0,
            new.id,
            new.chatbot_id,
            new.thread_id,
            new.mode as i16,
            new.platform_source,
            new.visitor.as_ref().map(|visitor| visitor.id),
        )
        .fetch_one(tx)
        .await
        .map_err(|error| match violated_constraint(&error) {
            Some("threads_thread_id_taken") => Error::ThreadIdTaken,
            _ => error.into(),
        })?;
        Ok(Thread {
            id: new.id,
            chatbot_id: new.chatbot_id,
            thread_id: new.thread_id,
            mode: new.mode,
            title: None,
            escalated: false,
            important: false,
            resolved: false,
            archived: false,
            tags: Vec::new(),
            internal_notes: None,
            platform_source: new.platform_source,
            visitor: new.visitor,
            webhook_url: None,
            message_count: 0,
            unread_count: 0,
            read_count: 0,
            positive_count: 0,
            negative_count: 0,
            event_sequence: 0,
            started_at,
            updated_at: started_at,
            ended_at: None,
        })
    }

    /// Locks threads of one chatbot, in the order of their ids so that two who lock the same ones never block each
    /// other for good. Threads that do not exist are missing in the answer.
    pub(crate) async fn lock_threads(
        &self,
        tx: &mut PgConnection,
        org: OrgId,
        chatbot_id: &str,
        thread_ids: &[String],
    ) -> Result<Vec<Thread>, Error> {
        let rows = sqlx::query_as!(
            ThreadRow,
            r#"select t.id, t.chatbot_id, t.thread_id, t.mode as "mode: Mode", t.title, t.escalated, t.important, t.resolved,
                      t.archived, t.tags, t.internal_notes, t.platform_source, t.webhook_url, t.message_count, t.unread_count,
                      t.read_count, t.positive_count, t.negative_count, t.event_sequence, t.started_at, t.updated_at, t.ended_at,
                      t.visitor_id, v.email as "visitor_email?", v.name as "visitor_name?",
                      v.phone_number as "visitor_phone_number?", v.verified as "visitor_verified?",
                      v.created_at as "visitor_created_at?", v.updated_at as "visitor_updated_at?"
               from thread.threads t
               left join thread.visitors v on v.org_id = t.org_id and v.id = t.visitor_id
               where t.org_id = $1 and t.chatbot_id = $2 and t.thread_id = any($3)
               order by t.id
               for update of t"#,
            org.0,
            chatbot_id,
            thread_ids,
        )
        .fetch_all(tx)
        .await?;
        Ok(rows.into_iter().map(Thread::from).collect())
    }

    /// Locks one thread.
    pub(crate) async fn lock_thread(
        &self,
        tx: &mut PgConnection,
        org: OrgId,
        chatbot_id: &str,
        thread_id: &str,
    ) -> Result<Thread, Error> {
        self.lock_threads(tx, org, chatbot_id, &[thread_id.to_owned()])
            .await?
            .pop()
            .ok_or_else(|| Error::ThreadNotFound(thread_id.to_owned()))
    }

    /// Writes back a locked thread. `webhook_token`, sealed, is set when present; a thread that has just ended gets the
    /// database's time, whatever its `ended_at` says.
    pub(crate) async fn save_thread(
        &self,
        tx: &mut PgConnection,
        org: OrgId,
        thread: &mut Thread,
        webhook_token: Option<&Option<Vec<u8>>>,
    ) -> Result<(), Error> {
        let saved = sqlx::query!(
            "update thread.threads set mode = $3, title = $4, escalated = $5, important = $6, resolved = $7, archived = $8,
                    tags = $9, internal_notes = $10, webhook_url = $11, message_count = $12, unread_count = $13,
                    read_count = $14, positive_count = $15, negative_count = $16, event_sequence = $17, visitor_id = $18,
                    webhook_token = case when $19 then $20 else webhook_token end,
                    ended_at = case when $21 then coalesce(ended_at, now()) end, updated_at = now()
             where org_id = $1 and id = $2 returning updated_at, ended_at",
            org.0,
            thread.id,
            thread.mode as i16,
            thread.title,
            thread.escalated,
            thread.important,
            thread.resolved,
            thread.archived,
            &thread.tags,
            thread.internal_notes,
            thread.webhook_url,
            thread.message_count,
            thread.unread_count,
            thread.read_count,
            thread.positive_count,
            thread.negative_count,
            thread.event_sequence,
            thread.visitor.as_ref().map(|visitor| visitor.id),
            webhook_token.is_some(),
            webhook_token.and_then(Option::as_deref),
            thread.ended_at.is_some(),
        )
        .fetch_one(tx)
        .await?;
        thread.updated_at = saved.updated_at;
        thread.ended_at = saved.ended_at;
        Ok(())
    }

    /// Appends a message to a locked thread. The thread has to be saved afterwards.
    pub(crate) async fn append(
        &self,
        tx: &mut PgConnection,
        org: OrgId,
        thread: &mut Thread,
        new: NewMessage,
    ) -> Result<Message, Error> {
        let position = thread.message_count + 1;
        let at = sqlx::query_scalar!(
            "insert into thread.messages (org_id, thread_uid, position, id, author, mode, system_message_type, content,
                                          agent_name, icon_url, parent_id, llm_model_id, sources)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) returning created_at",
            org.0,
            thread.id,
            position,
            new.id,
            new.author as i16,
            thread.mode as i16,
            new.system_message_type.0,
            new.content,
            new.agent_name,
            new.icon_url,
            new.parent_id,
            new.llm_model_id,
            new.sources,
        )
        .fetch_one(tx)
        .await?;
        thread.message_count = position;
        if new.author == Author::User {
            thread.unread_count += 1;
            thread.ended_at = None;
        }
        Ok(new.stored(position, thread.mode, at))
    }

    /// Records an event about a locked thread. The thread has to be saved afterwards.
    pub(crate) async fn tell(
        &self,
        tx: &mut PgConnection,
        call: &Call,
        thread: &mut Thread,
        kind: &'static str,
        data: serde_json::Value,
    ) -> Result<(), Error> {
        thread.event_sequence += 1;
        let event = Event {
            org: call.org(),
            stream: Stream::Events,
            kind,
            subject: format!("threads/{}", thread.id),
            sequence: thread.event_sequence,
            cause: None,
            data,
        };
        Ok(self.outbox.record(tx, call.traceparent.as_deref(), event).await?)
    }

    /// A message by its id, with its thread, which is locked. `thread_id`, when given, has to be the thread's.
    pub(crate) async fn lock_message(
        &self,
        tx: &mut PgConnection,
        org: OrgId,
        chatbot_id: &str,
        thread_id: Option<&str>,
        id: Uuid,
    ) -> Result<(Thread, Message), Error> {
        let thread_id = sqlx::query_scalar!(
            "select t.thread_id from thread.messages m
             join thread.threads t on t.org_id = m.org_id and t.id = m.thread_uid
             where m.org_id = $1 and m.id = $2 and t.chatbot_id = $3 and t.thread_id = coalesce($4, t.thread_id)",
            org.0,
            id,
            chatbot_id,
            thread_id,
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(Error::MessageNotFound)?;
        let thread = self.lock_thread(tx, org, chatbot_id, &thread_id).await?;
        let message = self.message(tx, org, id).await?;
        Ok((thread, message))
    }

    async fn message(&self, tx: &mut PgConnection, org: OrgId, id: Uuid) -> Result<Message, Error> {
        sqlx::query_as!(
            MessageRow,
            r#"select id, thread_uid, position, author as "author: Author", mode as "mode: Mode", system_message_type, content,
                      agent_name, icon_url, parent_id, llm_model_id, reaction as "reaction: Reaction", sources, edited_by,
                      edited_at, created_at, updated_at
               from thread.messages where org_id = $1 and id = $2"#,
            org.0,
            id,
        )
        .fetch_optional(tx)
        .await?
        .map(Message::from)
        .ok_or(Error::MessageNotFound)
    }

    /// The first answer to a message of a locked thread.
    pub(crate) async fn answer_to(
        &self,
        tx: &mut PgConnection,
        org: OrgId,
        id: Uuid,
    ) -> Result<Option<Message>, Error> {
        let row = sqlx::query_as!(
            MessageRow,
            r#"select id, thread_uid, position, author as "author: Author", mode as "mode: Mode", system_message_type, content,
                      agent_name, icon_url, parent_id, llm_model_id, reaction as "reaction: Reaction", sources, edited_by,
                      edited_at, created_at, updated_at
               from thread.messages where org_id = $1 and parent_id = $2 and author = 2 order by position limit 1"#,
            org.0,
            id,
        )
        .fetch_optional(tx)
        .await?;
        Ok(row.map(Message::from))
    }

    /// Writes back a message of a locked thread.
    pub(crate) async fn save_message(
        &self,
        tx: &mut PgConnection,
        org: OrgId,
        message: &mut Message,
        edited: bool,
    ) -> Result<(), Error> {
        let saved = sqlx::query!(
            "update thread.messages set content = $3, reaction = $4, edited_by = $5,
                    edited_at = case when $6 then now() else edited_at end, updated_at = now()
             where org_id = $1 and id = $2 returning edited_at, updated_at",
            org.0,
            message.id,
            message.content,
            message.reaction as i16,
            message.edited_by,
            edited,
        )
        .fetch_one(tx)
        .await?;
        message.edited_at = saved.edited_at;
        message.updated_at = saved.updated_at;
        Ok(())
    }

    /// Says that somebody has read everything that a thread had when it was read. What came since stays unread; of two who
    /// read at once the first counts.
    pub(crate) async fn mark_read(&self, org: OrgId, read: &Thread) -> Result<(), Error> {
        sqlx::query!(
            "update thread.threads set unread_count = unread_count - $3, read_count = $4
             where org_id = $1 and id = $2 and read_count = $5",
            org.0,
            read.id,
            read.unread_count,
            read.message_count,
            read.read_count,
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// Whether a message belongs to a thread.
    pub(crate) async fn holds(&self, org: OrgId, thread: Uuid, message: Uuid) -> Result<bool, Error> {
        let found = sqlx::query_scalar!(
            r#"select exists (select from thread.messages where org_id = $1 and id = $3 and thread_uid = $2) as "found!""#,
            org.0,
            thread,
            message,
        )
        .fetch_one(&self.db)
        .await?;
        Ok(found)
    }
}
