//! The hot write path: messages, stored by a group commit.
//!
//! A batch is one statement: idempotency keys, counters of the threads, messages and outbox rows, in one transaction and one
//! flush to disk.

use platform::batch::Failure;
use platform::batch::commits::Change;
use platform::time::Time;
use platform::{OrgId, idempotency};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{Error, Message, Mode, NewMessage};

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

impl Change for Append {
    type Answer = Message;
    type Error = Error;
    /// A key.
    type Claim = (OrgId, String, String);

    fn claims(&self) -> impl Iterator<Item = Self::Claim> {
        let retry = self.retry.iter();
        retry.map(|retry| (self.org, retry.owner.clone(), retry.key.clone()))
    }

    async fn commit(
        connection: &mut PgConnection,
        appends: &[Self],
    ) -> Result<Vec<Result<Message, Error>>, sqlx::Error> {
        metrics::histogram!("thread_write_batch_size")
            .record(f64::from(u32::try_from(appends.len()).unwrap_or(u32::MAX)));
        let mut rows = store(connection, appends).await?.into_iter();
        let mut answers = Vec::with_capacity(appends.len());
        for append in appends {
            answers.push(match rows.next().flatten() {
                Some(row) => Ok(append.message.clone().stored(row.position, row.mode, row.at)),
                None => append.left_out(connection).await,
            });
        }
        Ok(answers)
    }
}

impl Append {
    /// Why it was not stored: most often because it was before, and then a retry gets what the first request stored, which
    /// the same request describes.
    async fn left_out(&self, connection: &mut PgConnection) -> Result<Message, Error> {
        if let Some(retry) = &self.retry
            && let Some(found) = sqlx::query!(
                r#"select k.request_hash, m.id as "id?", m.position as "position?", m.mode as "mode?: Mode", m.created_at as "created_at?"
                   from thread.idempotency_keys k
                   left join thread.messages m on m.org_id = k.org_id and m.id = k.subject::uuid
                   where k.org_id = $1 and k.owner = $2 and k.rpc = $3 and k.key = $4"#,
                self.org.0,
                retry.owner,
                RPC,
                retry.key,
            )
            .fetch_optional(&mut *connection)
            .await?
        {
            if found.request_hash != retry.hash {
                return Err(idempotency::Error::Reused.into());
            }
            return match (found.id, found.position, found.mode, found.created_at) {
                (Some(id), Some(position), Some(mode), Some(at)) => {
                    let message = NewMessage {
                        id,
                        ..self.message.clone()
                    };
                    Ok(message.stored(position, mode, at))
                }
                _ => Err(Error::MessageNotFound),
            };
        }
        let known = sqlx::query_scalar!(
            r#"select exists (select from thread.threads where org_id = $1 and chatbot_id = $2 and thread_id = $3) as "known!""#,
            self.org.0,
            self.chatbot_id,
            self.thread_id,
        )
        .fetch_one(&mut *connection)
        .await?;
        match known {
            false => Err(Error::ThreadNotFound(self.thread_id.clone())),
            true if self.message.parent_id.is_some() => {
                Err(Error::invalid("parent_message_id", "must be a message of this thread"))
            }
            // Its thread came into being meanwhile.
            true => Err(Failure::Unavailable.into()),
        }
    }
}

/// What became of a message that was stored.
struct Row {
    position: i32,
    mode: Mode,
    at: Time,
}

/// Stores messages, and says what became of each. Those whose thread or parent is not there, or whose key was used
/// before, are left out.
async fn store(connection: &mut PgConnection, appends: &[Append]) -> Result<Vec<Option<Row>>, sqlx::Error> {
    fn column<'a, T>(appends: &'a [Append], value: impl Fn(&'a Append) -> T) -> Vec<T> {
        appends.iter().map(value).collect()
    }
    fn retry<'a, T>(appends: &'a [Append], value: impl Fn(&'a Retry) -> T) -> Vec<Option<T>> {
        appends.iter().map(|append| append.retry.as_ref().map(&value)).collect()
    }
    // Rows are locked in the order of threads and then of keys, whatever the order of the messages: two replicas that write to
    // the same ones wait for each other in turn.
    //
    // What is looked up comes from scalar subqueries. `exists` may be planned as a hash of the whole table, which is cheap
    // while the table is small, and the plan is kept while it grows. One array is a subquery, too: a planner that sees how
    // many there are plans anew whenever it is a few.
    let rows = sqlx::query!(
        r#"with input as (
               select i.*, (select t.id from thread.threads t
                            where t.org_id = i.org_id and t.chatbot_id = i.chatbot_id and t.thread_id = i.thread_id)
                           as thread_uid
               from unnest((select $1::uuid[]), $2::text[], $3::text[], $4::uuid[], $5::smallint[], $6::smallint[], $7::text[],
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
        &column(appends, |append| append.org.0),
        &column(appends, |append| append.chatbot_id.as_str()) as &[&str],
        &column(appends, |append| append.thread_id.as_str()) as &[&str],
        &column(appends, |append| append.message.id),
        &column(appends, |append| append.message.author as i16),
        &column(appends, |append| append.message.system_message_type.0),
        &column(appends, |append| append.message.content.as_str()) as &[&str],
        &column(appends, |append| append.message.agent_name.as_deref()) as &[Option<&str>],
        &column(appends, |append| append.message.icon_url.as_deref()) as &[Option<&str>],
        &column(appends, |append| append.message.parent_id) as &[Option<Uuid>],
        &column(appends, |append| append.message.llm_model_id.as_deref()) as &[Option<&str>],
        &column(appends, |append| append.message.sources.as_deref()) as &[Option<&str>],
        &retry(appends, |retry| retry.owner.as_str()) as &[Option<&str>],
        &retry(appends, |retry| retry.key.as_str()) as &[Option<&str>],
        &retry(appends, |retry| retry.hash.as_slice()) as &[Option<&[u8]>],
        &column(appends, |_| platform::id::new()),
        &column(appends, |append| append.traceparent.as_deref()) as &[Option<&str>],
        &column(appends, |append| append.event.as_str()) as &[&str],
        RPC,
    )
    .fetch_all(connection)
    .await?;
    let mut stored: Vec<_> = appends.iter().map(|_| None).collect();
    for row in rows {
        let index = usize::try_from(row.n - 1).unwrap_or_default();
        let (position, mode, at) = (row.position, row.mode, row.at);
        stored[index] = Some(Row { position, mode, at });
    }
    Ok(stored)
}

/// The hash a retry of a request is recognized by.
pub(crate) fn retry(call: &platform::access::Call, message: &impl prost::Message) -> Option<Retry> {
    call.idempotency_key.clone().map(|key| Retry {
        owner: call.caller.owner.to_string(),
        key,
        hash: idempotency::request_hash(message),
    })
}
