//! The hot write path: a group commit.
//!
//! Whatever queued while the last commit was under way goes into the next one, as a single statement: idempotency keys,
//! counters of the threads, messages and outbox rows, in one transaction and one flush to disk. A thread always goes to
//! the same shard, so that two shards of a process never wait for each other's rows; two replicas may, and then the
//! database's deadlock detection breaks the knot and the batch runs again.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use platform::batch::{Batches, Item, Queue, Refused, Reply};
use platform::db::Db;
use platform::events::Outbox;
use platform::fault::{self, Kind};
use platform::time::Time;
use platform::{OrgId, idempotency};
use sqlx::PgConnection;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::domain::{Error, Message, Mode, NewMessage};

/// How the write path is laid out, per replica.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Connections that write messages; each thread is written by one of them. More of them make smaller batches.
    #[arg(long, env = "HANDOFF_WRITE_SHARDS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub write_shards: u16,
    /// Messages that may wait for each of them; one more is refused with RESOURCE_EXHAUSTED.
    #[arg(long, env = "HANDOFF_WRITE_QUEUE", default_value_t = 2048)]
    pub write_queue: usize,
    /// Messages in one commit at most.
    #[arg(long, env = "HANDOFF_WRITE_BATCH", default_value_t = 128)]
    pub write_batch: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            write_shards: 1,
            write_queue: 2048,
            write_batch: 128,
        }
    }
}

/// The name idempotency keys of this path are stored under.
pub(crate) const RPC: &str = "AppendMessage";

/// One message on its way into a thread.
#[derive(Clone, Debug)]
pub(crate) struct Append {
    pub(crate) org: OrgId,
    pub(crate) chatbot_id: String,
    pub(crate) thread_id: String,
    pub(crate) message: NewMessage,
    pub(crate) retry: Option<Retry>,
    pub(crate) traceparent: Option<String>,
    /// The data of its event.
    pub(crate) event: String,
}

/// What a retry of it would be recognized by.
#[derive(Clone, Debug)]
pub(crate) struct Retry {
    pub(crate) owner: String,
    pub(crate) key: String,
    pub(crate) hash: [u8; 32],
}

type Answer = Result<Message, Error>;

/// The submitting side.
#[derive(Clone, Debug)]
pub(crate) struct Appends {
    shards: Vec<Queue<Append, Answer>>,
    hasher: RandomState,
}

/// The working side, to be run as long as the server runs.
#[derive(Debug)]
pub(crate) struct Writers(Vec<Batches<Append, Answer>>, usize);

impl Appends {
    pub(crate) fn new(config: &Config) -> (Self, Writers) {
        let (shards, batches) = (0..config.write_shards).map(|_| Queue::new(config.write_queue)).unzip();
        let appends = Self {
            shards,
            hasher: RandomState::new(),
        };
        (appends, Writers(batches, config.write_batch))
    }

    /// Stores a message with the next commit.
    pub(crate) async fn submit(&self, append: Append) -> Answer {
        let hash = self
            .hasher
            .hash_one((append.org, &append.chatbot_id, &append.thread_id));
        let shard = usize::try_from(hash % self.shards.len() as u64).unwrap_or_default();
        match self.shards[shard].submit(append).await {
            Ok(answer) => answer,
            Err(Refused::Full) => Err(Error::QueueFull),
            Err(Refused::Closed) => Err(Error::QueueGone),
        }
    }
}

impl Writers {
    /// Works the queues off until `stop`, then what is left in them.
    pub(crate) async fn run(self, db: Db, outbox: Outbox, stop: CancellationToken) -> anyhow::Result<()> {
        let mut writers = tokio::task::JoinSet::new();
        for mut batches in self.0 {
            let (db, outbox, stop) = (db.clone(), outbox.clone(), stop.clone());
            writers.spawn(async move {
                let mut writer = Writer { db, connection: None };
                while let Some(batch) = batches.next(self.1, &stop).await {
                    writer.write(batch).await;
                    outbox.wake();
                }
            });
        }
        while let Some(ended) = writers.join_next().await {
            ended?;
        }
        Ok(())
    }
}

/// Which of these have a key that one before them has.
fn repeated(batch: &[Item<Append, Answer>]) -> Vec<bool> {
    let mut seen = HashSet::new();
    let mut repeated = Vec::with_capacity(batch.len());
    for Item { job, .. } in batch {
        let retry = job.retry.as_ref();
        repeated.push(retry.is_some_and(|retry| !seen.insert((job.org, retry.owner.as_str(), retry.key.as_str()))));
    }
    repeated
}

struct Writer {
    db: Db,
    connection: Option<PgConnection>,
}

/// A commit takes at most this long; the server's own statement timeout comes first.
const COMMIT: Duration = Duration::from_millis(2500);

impl Writer {
    async fn write(&mut self, mut batch: Vec<Item<Append, Answer>>) {
        metrics::histogram!("thread_write_batch_size")
            .record(f64::from(u32::try_from(batch.len()).unwrap_or(u32::MAX)));
        // A key that comes twice is for the next commit: by then the first one's answer is there.
        while !batch.is_empty() {
            let mut repeated = repeated(&batch).into_iter();
            let (now, later) = batch
                .into_iter()
                .partition::<Vec<_>, _>(|_| repeated.next() != Some(true));
            let (jobs, replies): (Vec<_>, Vec<_>) = now.into_iter().map(Item::split).unzip();
            self.commit(jobs, replies).await;
            batch = later;
        }
    }

    async fn commit(&mut self, jobs: Vec<Append>, replies: Vec<Reply<Answer>>) {
        let mut result = self.attempt(&jobs).await;
        if let Err(Error::Storage(error)) = &result
            && (fault::database_kind(error) == Kind::Busy || is_key_taken(error))
        {
            result = self.attempt(&jobs).await;
        }
        match result {
            Ok(rows) => {
                for (index, (job, reply)) in jobs.into_iter().zip(replies).enumerate() {
                    reply.send(self.answer(job, rows.get(&index)).await);
                }
            }
            Err(Error::Storage(error)) if jobs.len() > 1 && fault::database_kind(&error) == Kind::Internal => {
                // One row spoils the statement for all: on its own it fails alone.
                tracing::warn!(error = %fault::chain(&error), messages = jobs.len(), "batch failed, storing its messages one by one");
                for (job, reply) in jobs.into_iter().zip(replies) {
                    let answer = match self.attempt(std::slice::from_ref(&job)).await {
                        Ok(rows) => self.answer(job, rows.get(&0)).await,
                        Err(error) => Err(error),
                    };
                    reply.send(answer);
                }
            }
            Err(error) => {
                for reply in replies {
                    reply.send(Err(again(&error)));
                }
            }
        }
    }

    async fn attempt(&mut self, jobs: &[Append]) -> Result<HashMap<usize, Row>, Error> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.db.dedicated().await?,
        };
        let rows = timeout(COMMIT, append(&mut connection, jobs))
            .await
            .map_err(|_| Error::Late)?;
        // A connection that failed in the middle of something is not used again.
        if !matches!(&rows, Err(error) if fault::database_kind(error) == Kind::Unavailable) {
            self.connection = Some(connection);
        }
        Ok(rows?)
    }

    /// The answer to a job whose statement was committed.
    async fn answer(&self, job: Append, row: Option<&Row>) -> Answer {
        match row {
            Some(row) => Ok(job.message.stored(row.position, row.mode, row.at)),
            None => self.left_out(job).await,
        }
    }

    /// Why a message was not stored: most often because it was before, and then a retry gets what the first request
    /// stored, which the same request describes.
    async fn left_out(&self, job: Append) -> Answer {
        if let Some(retry) = &job.retry
            && let Some(found) = sqlx::query!(
                r#"select k.request_hash, m.id as "id?", m.position as "position?", m.mode as "mode?: Mode", m.created_at as "created_at?"
                   from thread.idempotency_keys k
                   left join thread.messages m on m.org_id = k.org_id and m.id = k.subject::uuid
                   where k.org_id = $1 and k.owner = $2 and k.rpc = $3 and k.key = $4"#,
                job.org.0,
                retry.owner,
                RPC,
                retry.key,
            )
            .fetch_optional(&self.db)
            .await?
        {
            if found.request_hash != retry.hash {
                return Err(idempotency::Error::Reused.into());
            }
            return match (found.id, found.position, found.mode, found.created_at) {
                (Some(id), Some(position), Some(mode), Some(at)) => {
                    let message = NewMessage { id, ..job.message };
                    Ok(message.stored(position, mode, at))
                }
                _ => Err(Error::MessageNotFound),
            };
        }
        let known = sqlx::query_scalar!(
            r#"select exists (select from thread.threads where org_id = $1 and chatbot_id = $2 and thread_id = $3) as "known!""#,
            job.org.0,
            job.chatbot_id,
            job.thread_id,
        )
        .fetch_one(&self.db)
        .await?;
        match known {
            false => Err(Error::ThreadNotFound(job.thread_id)),
            true if job.message.parent_id.is_some() => {
                Err(Error::invalid("parent_message_id", "must be a message of this thread"))
            }
            // Its thread came into being meanwhile.
            true => Err(Error::Late),
        }
    }
}

/// Whether another replica took one of the keys between the look at them and the insertion.
fn is_key_taken(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    error.is_some_and(|error| error.is_unique_violation() && error.constraint() == Some("idempotency_keys_pkey"))
}

/// The same failure for everybody in a batch.
fn again(error: &Error) -> Error {
    match error {
        Error::Storage(error) => {
            tracing::warn!(error = %fault::chain(error), "messages could not be stored");
            match fault::database_kind(error) {
                Kind::Internal => Error::Storage(sqlx::Error::Protocol("the batch failed".to_owned())),
                _ => Error::Late,
            }
        }
        _ => Error::Late,
    }
}

/// What became of a message that was stored.
struct Row {
    position: i32,
    mode: Mode,
    at: Time,
}

/// Stores messages. Those whose thread or parent is not there, or whose key was used before, are left out.
async fn append(connection: &mut PgConnection, jobs: &[Append]) -> Result<HashMap<usize, Row>, sqlx::Error> {
    fn column<'a, T>(jobs: &'a [Append], value: impl Fn(&'a Append) -> T) -> Vec<T> {
        jobs.iter().map(value).collect()
    }
    fn retry<'a, T>(jobs: &'a [Append], value: impl Fn(&'a Retry) -> T) -> Vec<Option<T>> {
        jobs.iter().map(|job| job.retry.as_ref().map(&value)).collect()
    }
    // Rows are locked in the order of threads and then of keys, whatever the order of the jobs: two replicas that write to
    // the same ones wait for each other in turn.
    //
    // What is looked up comes from scalar subqueries. `exists` may be planned as a hash of the whole table, which is cheap
    // while the table is small, and the plan is kept while it grows.
    let rows = sqlx::query!(
        r#"with input as (
               select i.*, (select t.id from thread.threads t
                            where t.org_id = i.org_id and t.chatbot_id = i.chatbot_id and t.thread_id = i.thread_id)
                           as thread_uid
               from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::smallint[], $6::smallint[], $7::text[],
                           $8::text[], $9::text[], $10::uuid[], $11::text[], $12::text[], $13::text[], $14::text[],
                           $15::bytea[], $16::uuid[], $17::text[], $18::text[])
                   with ordinality as i (org_id, chatbot_id, thread_id, id, author, system_message_type, content,
                                         agent_name, icon_url, parent_id, llm_model_id, sources, owner, key,
                                         request_hash, event_id, traceparent, data, n)
               offset 0
           ),
           fresh as materialized (
               select i.*, row_number() over (partition by i.org_id, i.thread_uid order by n) as place from input i
               where i.thread_uid is not null
                 and (i.parent_id is null or i.thread_uid = (select p.thread_uid from thread.messages p
                                                             where p.org_id = i.org_id and p.id = i.parent_id))
                 and (i.key is null or (select true from thread.idempotency_keys k
                                        where k.org_id = i.org_id and k.owner = i.owner and k.rpc = $19
                                          and k.key = i.key) is null)
           ),
           updated as (
               update thread.threads t
               set message_count = t.message_count + c.messages, unread_count = t.unread_count + c.from_visitor,
                   event_sequence = t.event_sequence + c.messages, updated_at = now(),
                   ended_at = case when c.from_visitor = 0 then t.ended_at end
               from (select org_id, thread_uid, count(*)::integer as messages,
                            (count(*) filter (where author = 1))::integer as from_visitor
                     from fresh group by org_id, thread_uid order by org_id, thread_uid) c
               where t.org_id = c.org_id and t.id = c.thread_uid
               returning t.org_id, t.id, t.mode, t.message_count - c.messages as position,
                         t.event_sequence - c.messages as sequence
           ),
           placed as materialized (
               select f.*, u.mode, u.position + f.place::integer as position, u.sequence + f.place as sequence
               from fresh f join updated u on u.org_id = f.org_id and u.id = f.thread_uid
           ),
           claimed as (
               insert into thread.idempotency_keys (org_id, owner, rpc, key, request_hash, subject)
               select org_id, owner, $19, key, request_hash, id::text from placed
               where key is not null order by org_id, owner, key
           ),
           stored as (
               insert into thread.messages (org_id, thread_uid, position, id, author, mode, system_message_type, content,
                                            agent_name, icon_url, parent_id, llm_model_id, sources)
               select org_id, thread_uid, position, id, author, mode, system_message_type, content,
                      agent_name, icon_url, parent_id, llm_model_id, sources from placed
           ),
           told as (
               insert into thread.outbox (org_id, event_id, stream, type, subject, sequence, traceparent, data)
               select org_id, event_id, 'handoff:events', 'message.created', 'threads/' || thread_uid, sequence, traceparent,
                      data from placed order by thread_uid, sequence
           )
           select n as "n!", position as "position!", mode as "mode!: Mode", now() as "at!" from placed"#,
        &column(jobs, |job| job.org.0),
        &column(jobs, |job| job.chatbot_id.as_str()) as &[&str],
        &column(jobs, |job| job.thread_id.as_str()) as &[&str],
        &column(jobs, |job| job.message.id),
        &column(jobs, |job| job.message.author as i16),
        &column(jobs, |job| job.message.system_message_type.0),
        &column(jobs, |job| job.message.content.as_str()) as &[&str],
        &column(jobs, |job| job.message.agent_name.as_deref()) as &[Option<&str>],
        &column(jobs, |job| job.message.icon_url.as_deref()) as &[Option<&str>],
        &column(jobs, |job| job.message.parent_id) as &[Option<Uuid>],
        &column(jobs, |job| job.message.llm_model_id.as_deref()) as &[Option<&str>],
        &column(jobs, |job| job.message.sources.as_deref()) as &[Option<&str>],
        &retry(jobs, |retry| retry.owner.as_str()) as &[Option<&str>],
        &retry(jobs, |retry| retry.key.as_str()) as &[Option<&str>],
        &retry(jobs, |retry| retry.hash.as_slice()) as &[Option<&[u8]>],
        &column(jobs, |_| platform::id::new()),
        &column(jobs, |job| job.traceparent.as_deref()) as &[Option<&str>],
        &column(jobs, |job| job.event.as_str()) as &[&str],
        RPC,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let index = usize::try_from(row.n - 1).unwrap_or_default();
            let (position, mode, at) = (row.position, row.mode, row.at);
            (index, Row { position, mode, at })
        })
        .collect())
}

/// The hash a retry of a request is recognized by.
pub(crate) fn retry(call: &platform::access::Call, message: &impl prost::Message) -> Option<Retry> {
    call.idempotency_key.clone().map(|key| Retry {
        owner: call.caller.owner.to_string(),
        key,
        hash: idempotency::request_hash(message),
    })
}
