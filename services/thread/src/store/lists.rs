//! Lists of threads.

use std::collections::HashMap;

use platform::OrgId;
use uuid::Uuid;

use super::{MessageRow, Store, ThreadRow};
use crate::domain::{Author, Error, Message, Mode, Reaction, Thread};

/// Which threads of a chatbot to list; what is absent does not matter.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) mode: Option<Mode>,
    pub(crate) resolved: Option<bool>,
    pub(crate) archived: Option<bool>,
    pub(crate) escalated: Option<bool>,
    pub(crate) important: Option<bool>,
    pub(crate) anonymous: Option<bool>,
    pub(crate) llm_model_id: Option<String>,
}

/// The last message of a thread, and the message it answers.
pub(crate) type Last = (Message, Option<Message>);

impl Store {
    /// One page of a chatbot's threads, newest first, and how many there are in all.
    pub(crate) async fn threads(
        &self,
        org: OrgId,
        chatbot_id: &str,
        filter: &Filter,
        limit: i64,
        offset: i64,
    ) -> Result<(Vec<Thread>, i64), Error> {
        let mode = filter.mode.map(|mode| mode as i16);
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
               where t.org_id = $1 and t.chatbot_id = $2
                 and ($3::smallint is null or t.mode = $3)
                 and ($4::boolean is null or t.resolved = $4)
                 and ($5::boolean is null or t.archived = $5)
                 and ($6::boolean is null or t.escalated = $6)
                 and ($7::boolean is null or t.important = $7)
                 and ($8::boolean is null or (v.email is null) = $8)
                 and ($9::text is null or (select true from thread.messages m where m.org_id = t.org_id
                                           and m.thread_uid = t.id and m.llm_model_id = $9 limit 1))
               order by t.id desc limit $10 offset $11"#,
            org.0,
            chatbot_id,
            mode,
            filter.resolved,
            filter.archived,
            filter.escalated,
            filter.important,
            filter.anonymous,
            filter.llm_model_id,
            limit,
            offset,
        )
        .fetch_all(&self.db)
        .await?;
        let total = sqlx::query_scalar!(
            r#"select count(*) as "count!" from thread.threads t
               left join thread.visitors v on v.org_id = t.org_id and v.id = t.visitor_id
               where t.org_id = $1 and t.chatbot_id = $2
                 and ($3::smallint is null or t.mode = $3)
                 and ($4::boolean is null or t.resolved = $4)
                 and ($5::boolean is null or t.archived = $5)
                 and ($6::boolean is null or t.escalated = $6)
                 and ($7::boolean is null or t.important = $7)
                 and ($8::boolean is null or (v.email is null) = $8)
                 and ($9::text is null or (select true from thread.messages m where m.org_id = t.org_id
                                           and m.thread_uid = t.id and m.llm_model_id = $9 limit 1))"#,
            org.0,
            chatbot_id,
            mode,
            filter.resolved,
            filter.archived,
            filter.escalated,
            filter.important,
            filter.anonymous,
            filter.llm_model_id,
        )
        .fetch_one(&self.db)
        .await?;
        Ok((rows.into_iter().map(Thread::from).collect(), total))
    }

    /// The last message of each thread, with the message that it answers.
    pub(crate) async fn last_messages(&self, org: OrgId, threads: &[Uuid]) -> Result<HashMap<Uuid, Last>, Error> {
        let last = sqlx::query_as!(
            MessageRow,
            r#"select m.id, m.thread_uid, m.position, m.author as "author: Author", m.mode as "mode: Mode", m.system_message_type,
                      m.content, m.agent_name, m.icon_url, m.parent_id, m.llm_model_id, m.reaction as "reaction: Reaction",
                      m.sources, m.edited_by, m.edited_at, m.created_at, m.updated_at
               from unnest($2::uuid[]) wanted (id)
               cross join lateral (
                   select * from thread.messages where org_id = $1 and thread_uid = wanted.id order by position desc limit 1
               ) m"#,
            org.0,
            threads,
        )
        .fetch_all(&self.db)
        .await?;
        let parents: Vec<Uuid> = last.iter().filter_map(|row| row.parent_id).collect();
        let mut questions: HashMap<Uuid, Message> = if parents.is_empty() {
            HashMap::new()
        } else {
            sqlx::query_as!(
                MessageRow,
                r#"select id, thread_uid, position, author as "author: Author", mode as "mode: Mode", system_message_type, content,
                          agent_name, icon_url, parent_id, llm_model_id, reaction as "reaction: Reaction", sources, edited_by,
                          edited_at, created_at, updated_at
                   from thread.messages where org_id = $1 and id = any($2)"#,
                org.0,
                &parents,
            )
            .fetch_all(&self.db)
            .await?
            .into_iter()
            .map(|row| (row.id, row.into()))
            .collect()
        };
        Ok(last
            .into_iter()
            .map(|row| {
                let question = row.parent_id.and_then(|id| questions.remove(&id));
                (row.thread_uid, (row.into(), question))
            })
            .collect())
    }
}
