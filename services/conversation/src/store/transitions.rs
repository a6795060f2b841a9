//! The steps of a conversation: locked, decided in the domain, saved with what they log and tell.

use platform::OrgId;
use platform::access::Call;
use platform::time::Time;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Store;
use super::chats::follow::Following;
use super::messages::Columns;
use super::seen::Versions;
use crate::domain::ConversationError;
use crate::domain::chats::chat::Chat;
use crate::domain::conversation::{Locked, Message};
use crate::domain::snapshot::Snapshot;
use crate::domain::state::{Entry, Outcome, Standing};

/// A line of the activity log that is about to be stored, with its event.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) entry: Entry,
    /// Nobody: it happened by itself.
    pub(crate) author: Option<Uuid>,
    pub(crate) at: Time,
}

/// The columns of lines, as statements take them.
pub(super) struct Lines<'a> {
    pub(super) ids: Vec<Uuid>,
    pub(super) kinds: Vec<&'static str>,
    pub(super) authors: Vec<Option<Uuid>>,
    pub(super) ats: Vec<Time>,
    pub(super) attributes: Vec<Option<&'a Value>>,
    pub(super) event_ids: Vec<Uuid>,
    pub(super) events: Vec<&'static str>,
    /// The data of the events but for the id and the tags of their conversation: what comes between these, and the rest.
    pub(super) before_tags: Vec<String>,
    pub(super) after_tags: Vec<String>,
}

impl<'a> Lines<'a> {
    /// Lines, each with its conversation as its event shows it.
    pub(super) fn new(lines: &[(&'a Line, &Snapshot<'_>)]) -> Self {
        fn column<'a, T>(lines: &[(&'a Line, &Snapshot<'_>)], value: impl Fn(&'a Line) -> T) -> Vec<T> {
            lines.iter().map(|(line, _)| value(line)).collect()
        }
        Self {
            ids: column(lines, |_| platform::id::new()),
            kinds: column(lines, |line| line.entry.kind),
            authors: column(lines, |line| line.author),
            ats: column(lines, |line| line.at),
            attributes: column(lines, |line| line.entry.attributes.as_ref()),
            event_ids: column(lines, |_| platform::id::new()),
            events: column(lines, |line| line.entry.event),
            before_tags: lines.iter().map(|(_, snapshot)| snapshot.before_tags()).collect(),
            after_tags: lines
                .iter()
                .map(|(line, snapshot)| match line.entry.data.as_str() {
                    "" => format!("{}}}", snapshot.after_tags()),
                    members => format!("{},{members}}}", snapshot.after_tags()),
                })
                .collect(),
        }
    }

    /// What numbers grow by.
    pub(super) fn count(&self) -> i32 {
        i32::try_from(self.ids.len()).unwrap_or(i32::MAX)
    }
}

/// The text of a JSON value, without the detour of its `Display` through a formatter.
pub(super) fn json_text(value: &Value) -> String {
    // Only what is no value at all can't be written.
    serde_json::to_string(value).unwrap_or_default()
}

/// A step that is about to be saved.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    pub(crate) outcome: Outcome,
    /// Nobody: it happened by itself.
    pub(crate) author: Option<Uuid>,
    /// A message that it adds.
    pub(crate) message: Option<&'a Message>,
}

/// What happened to a conversation, to be saved.
pub(super) struct Saved<'a> {
    pub(super) org: OrgId,
    /// As it was before, which is how it still is: it is locked, or its version tells.
    pub(super) locked: &'a Locked,
    /// Where it is now.
    pub(super) standing: Standing,
    /// It was put at the end of its queue.
    pub(super) enqueued: bool,
    /// Messages that are added, in their order.
    pub(super) messages: Vec<&'a Message>,
    /// What is logged and told, each with the trace it belongs to.
    pub(super) lines: Vec<(Line, Option<&'a str>)>,
    /// Its chat as it still is, when it was read together with it and has a session.
    pub(super) chat: Option<Chat>,
    /// Which versions it and that session must still be; `None` under a lock.
    pub(super) versions: Option<&'a Versions>,
}

/// Idempotency keys of what is saved, as columns, in the order of the keys, so that two batches never wait for each other.
/// The first answer is rebuilt from the subject.
#[derive(Default)]
pub(super) struct Keys<'a> {
    pub(super) orgs: Vec<Uuid>,
    pub(super) owners: Vec<&'a str>,
    pub(super) rpcs: Vec<&'static str>,
    pub(super) keys: Vec<&'a str>,
    pub(super) hashes: Vec<&'a [u8]>,
    pub(super) subjects: Vec<Uuid>,
}

/// Events, as columns.
#[derive(Default)]
pub(super) struct Events<'a> {
    pub(super) orgs: Vec<Uuid>,
    /// Whose they are: of conversations, and of the chats beside them.
    pub(super) conversations: Vec<i64>,
    pub(super) ids: Vec<Uuid>,
    pub(super) kinds: Vec<&'static str>,
    pub(super) sequences: Vec<i64>,
    pub(super) traceparents: Vec<Option<&'a str>>,
    /// The data; of those of conversations what comes before the tags.
    pub(super) data: Vec<String>,
    /// What comes after the tags.
    pub(super) after_tags: Vec<Option<String>>,
}

impl<'a> Events<'a> {
    fn extend(&mut self, mut other: Events<'a>) {
        self.orgs.append(&mut other.orgs);
        self.conversations.append(&mut other.conversations);
        self.ids.append(&mut other.ids);
        self.kinds.append(&mut other.kinds);
        self.sequences.append(&mut other.sequences);
        self.traceparents.append(&mut other.traceparents);
        self.data.append(&mut other.data);
        self.after_tags.append(&mut other.after_tags);
    }
}

impl Store {
    /// Saves a step of a locked conversation, with its lines of the activity log and its events, in one statement.
    pub(crate) async fn save_step(
        call: &Call,
        tx: &mut PgConnection,
        locked: &Locked,
        step: Step<'_>,
    ) -> Result<(), ConversationError> {
        Self::save_outcome(call.org(), call.traceparent.as_deref(), tx, locked, step).await
    }

    /// [`Store::save_step`], for what no caller asked for.
    pub(crate) async fn save_outcome(
        org: OrgId,
        traceparent: Option<&str>,
        tx: &mut PgConnection,
        locked: &Locked,
        step: Step<'_>,
    ) -> Result<(), ConversationError> {
        let lines = step.outcome.entries.into_iter().map(|entry| Line {
            author: entry.author.or(step.author),
            at: locked.now,
            entry,
        });
        let saved = Saved {
            org,
            locked,
            standing: step.outcome.standing,
            enqueued: step.outcome.enqueued,
            messages: step.message.into_iter().collect(),
            lines: lines.map(|line| (line, traceparent)).collect(),
            chat: None,
            versions: None,
        };
        Ok(Self::save_conversations(tx, &[saved], &Keys::default()).await?)
    }

    /// Saves what happened to conversations, with their messages, their lines of the activity log, their events and what all
    /// of that means for their chats, in one statement. Each event shows its conversation as it is afterwards. Chats that
    /// were not read before, or are not what they were then, follow.
    ///
    /// # Errors
    /// `serialization_failure` when one is not the version that it must be, a unique violation when a key is taken: nothing
    /// is saved then.
    pub(super) async fn save_conversations(
        tx: &mut PgConnection,
        saved: &[Saved<'_>],
        keys: &Keys<'_>,
    ) -> Result<(), sqlx::Error> {
        let mut following = Following::default();
        for saved in saved {
            if let Some(chat) = &saved.chat {
                Self::follow_chat(tx, &mut following, saved, chat).await?;
            }
        }
        let with_chat = Self::save(tx, saved, keys, following).await?;
        if with_chat.is_empty() {
            return Ok(());
        }
        let left: Vec<_> = saved
            .iter()
            .filter(|saved| with_chat.contains(&saved.locked.id))
            .collect();
        let wanted: Vec<_> = left.iter().map(|saved| (saved.org, saved.locked.id)).collect();
        let chats = Self::chats(&mut *tx, &wanted).await?;
        let mut following = Following::default();
        for (saved, chat) in left.into_iter().zip(chats) {
            if let Some(chat) = chat {
                Self::follow_chat(tx, &mut following, saved, &chat).await?;
            }
        }
        Self::save(tx, &[], &Keys::default(), following).await?;
        Ok(())
    }

    /// Returns the conversations whose chats must follow.
    async fn save(
        tx: &mut PgConnection,
        saved: &[Saved<'_>],
        keys: &Keys<'_>,
        following: Following<'_>,
    ) -> Result<Vec<i64>, sqlx::Error> {
        fn column<'a, T>(saved: &'a [Saved<'_>], value: impl Fn(&'a Saved<'_>) -> T) -> Vec<T> {
            saved.iter().map(value).collect()
        }
        let (mut line_orgs, mut line_ids, mut sequences) = (vec![], vec![], vec![]);
        let mut events = Events::default();
        for saved in saved {
            for (n, (_, traceparent)) in (1..).zip(&saved.lines) {
                line_orgs.push(saved.org.0);
                line_ids.push(saved.locked.id);
                sequences.push(saved.locked.activity_sequence + n);
                events.sequences.push(saved.locked.event_sequence + i64::from(n));
                events.traceparents.push(*traceparent);
            }
        }
        let (mut message_orgs, mut conversations, mut languages, mut positions) = (vec![], vec![], vec![], vec![]);
        for saved in saved {
            for (n, _) in (1..).zip(&saved.messages) {
                message_orgs.push(saved.org.0);
                conversations.push(saved.locked.id);
                languages.push(saved.locked.language.as_deref());
                positions.push(saved.locked.message_count + n);
            }
        }
        let messages: Vec<_> = saved.iter().flat_map(|saved| saved.messages.iter().copied()).collect();
        let messages = Columns::new(&messages.iter().copied());
        let snapshots: Vec<_> = saved
            .iter()
            .map(|saved| saved.locked.snapshot(&saved.standing))
            .collect();
        let told = saved.iter().zip(&snapshots);
        let told = told.flat_map(|(saved, snapshot)| saved.lines.iter().map(move |(line, _)| (line, snapshot)));
        let lines = Lines::new(&told.collect::<Vec<_>>());
        events.orgs.clone_from(&line_orgs);
        events.conversations.clone_from(&line_ids);
        events.ids = lines.event_ids;
        events.kinds = lines.events;
        events.data = lines.before_tags;
        events.after_tags = lines.after_tags.into_iter().map(Some).collect();
        let Following {
            sessions,
            participants,
            events: chat_events,
        } = following;
        events.extend(chat_events);
        let must_be_found = i64::try_from(saved.len() + sessions.ids.len()).unwrap_or(i64::MAX);
        // Ids are the same for every organization, so one stands for one conversation.
        sqlx::query_scalar!(
            r#"with saved as (
                 update conversation.conversations c
                 set state_updated_at = case when c.state = s.state then c.state_updated_at else s.at end, state = s.state,
                     assigned_at = case when s.agent_id is null then null
                                        when c.agent_id is distinct from s.agent_id then s.at else c.assigned_at end,
                     agent_id = s.agent_id, queue_id = s.queue_id,
                     queued_at = case when s.enqueued then s.at else c.queued_at end,
                     closed_at = case when s.state = 3 then coalesce(c.closed_at, s.at) end, follow_up_at = s.follow_up_at,
                     message_count = c.message_count + s.messages,
                     last_message_at = case when s.messages > 0 then s.at else c.last_message_at end,
                     activity_sequence = c.activity_sequence + s.lines, event_sequence = c.event_sequence + s.lines,
                     updated_at = s.at
                 from unnest((select $1::uuid[]), $2::bigint[], $3::smallint[], $4::uuid[], $5::uuid[], $6::boolean[],
                             $7::timestamptz[], $8::integer[], $9::integer[], $10::timestamptz[],
                             $11::boolean[], $12::text[])
                     as s (org_id, id, state, agent_id, queue_id, enqueued, follow_up_at, messages, lines, at, chat_unread,
                           version)
                 where c.org_id = s.org_id and c.id = s.id and (s.version is null or c.xmin = s.version::xid)
                 returning c.org_id, c.id, s.chat_unread and c.type = 1 and c.channel = 3 as may_have_chat
             ),
             followed as (
                 update conversation.chats s
                 set ended_as = f.ended_as, end_user_wrote = f.end_user_wrote, idle_since = f.idle_since,
                     dismissed_since = f.dismissed_since, event_sequence = f.event_sequence
                 from unnest((select $13::uuid[]), $14::bigint[], $15::smallint[], $16::boolean[], $17::timestamptz[],
                             $18::timestamptz[], $19::bigint[], $20::text[])
                     as f (org_id, id, ended_as, end_user_wrote, idle_since, dismissed_since, event_sequence, version)
                 where s.org_id = f.org_id and s.conversation_id = f.id and (f.version is null or s.xmin = f.version::xid)
                 returning s.conversation_id
             ),
             participating as (
                 insert into conversation.chat_participants as t (org_id, conversation_id, person_id, status, joined_at)
                 select * from unnest((select $21::uuid[]), $22::bigint[], $23::uuid[], $24::smallint[], $25::timestamptz[])
                 on conflict (org_id, conversation_id, person_id) do update set status = excluded.status
                 where t.status <> excluded.status
             ),
             kept as (
                 insert into conversation.idempotency_keys (org_id, owner, rpc, key, request_hash, subject)
                 select k.org_id, k.owner, k.rpc, k.key, k.request_hash, k.subject::text
                 from unnest((select $26::uuid[]), $27::text[], $28::text[], $29::text[], $30::bytea[], $31::uuid[])
                     as k (org_id, owner, rpc, key, request_hash, subject)
             ),
             written as (
                 insert into conversation.messages (org_id, conversation_id, position, id, type, direction, author_id,
                                                    external_id, content_type, content, attachments, details, created_at,
                                                    search)
                 select m.org_id, m.conversation_id, m.position, m.id, m.type, m.direction, m.author_id, m.external_id,
                        m.content_type, m.content, m.attachments, m.details, m.created_at,
                        conversation.search_vector(m.config, m.content)
                 from (select i.*, conversation.search_config(i.language) as config
                       from unnest((select $32::uuid[]), $33::bigint[], $34::text[], $35::integer[], $36::uuid[],
                                   $37::smallint[], $38::smallint[], $39::uuid[], $40::text[], $41::smallint[], $42::text[],
                                   $43::jsonb[], $44::jsonb[], $45::timestamptz[])
                           as i (org_id, conversation_id, language, position, id, type, direction, author_id, external_id,
                                 content_type, content, attachments, details, created_at)
                       offset 0) m
             ),
             logged as (
                 insert into conversation.activity_log (org_id, conversation_id, sequence, id, at, type, author_id,
                                                        attributes)
                 select * from unnest((select $46::uuid[]), $47::bigint[], $48::integer[], $49::uuid[], $50::timestamptz[],
                                      $51::text[], $52::uuid[], $53::jsonb[])
             ),
             -- In the order of the arrays: nothing joins them.
             recorded as (
                 insert into conversation.outbox (org_id, event_id, stream, type, subject, sequence, traceparent, data)
                 select e.org_id, e.id, 'handoff:events', e.type,
                        case when e.after_tags is null then 'chats/' else 'conversations/' end || e.conversation_id,
                        e.sequence, e.traceparent,
                        case when e.after_tags is null then e.data
                        else '{"conversation":{"csid":' || e.conversation_id || e.data
                            -- Most have none, and sorting even nothing costs more than to see that.
                            || case when (select true from conversation.conversation_tags t
                                          where t.org_id = e.org_id and t.conversation_id = e.conversation_id limit 1)
                               -- What refers to deleted tags only has none either.
                               then (select coalesce(string_agg('{"id":"' || t.id || '","name":' || to_json(t.name) || '}',
                                                                ',' order by t.name), '')
                                     from conversation.conversation_tags ct
                                     join conversation.tags t on t.org_id = ct.org_id and t.id = ct.tag_id
                                     where ct.org_id = e.org_id and ct.conversation_id = e.conversation_id)
                               else '' end
                            || e.after_tags end
                 from unnest((select $54::uuid[]), $55::bigint[], $56::uuid[], $57::text[], $58::bigint[], $59::text[],
                             $60::text[], $61::text[])
                     as e (org_id, conversation_id, id, type, sequence, traceparent, data, after_tags)
             )
             select saved.id as "id!" from saved
             where saved.may_have_chat and (select true from conversation.chats s
                                            where s.org_id = saved.org_id and s.conversation_id = saved.id)
             union all
             select 0 where conversation.overtaken((select count(*) from saved) + (select count(*) from followed), $62)"#,
            &column(saved, |saved| saved.org.0),
            &column(saved, |saved| saved.locked.id),
            &column(saved, |saved| saved.standing.state as i16),
            &column(saved, |saved| saved.standing.agent.as_ref().map(|agent| agent.id)) as &[Option<Uuid>],
            &column(saved, |saved| saved.standing.queue.as_ref().map(|queue| queue.id)) as &[Option<Uuid>],
            &column(saved, |saved| saved.enqueued),
            &column(saved, |saved| saved.standing.follow_up_at) as &[Option<Time>],
            &column(saved, |saved| i32::try_from(saved.messages.len()).unwrap_or(i32::MAX)),
            &column(saved, |saved| i32::try_from(saved.lines.len()).unwrap_or(i32::MAX)),
            &column(saved, |saved| saved.locked.now),
            &column(saved, |saved| saved.chat.is_none()),
            &column(saved, |saved| saved.versions.map(|versions| versions.conversation.as_str())) as &[Option<&str>],
            &sessions.orgs,
            &sessions.ids,
            &sessions.ended as &[Option<i16>],
            &sessions.end_user_wrote,
            &sessions.idle_since as &[Option<Time>],
            &sessions.dismissed_since as &[Option<Time>],
            &sessions.event_sequences,
            &sessions.versions as &[Option<&str>],
            &participants.orgs,
            &participants.chats,
            &participants.people,
            &participants.statuses,
            &participants.ats,
            &keys.orgs,
            &keys.owners as &[&str],
            &keys.rpcs as &[&str],
            &keys.keys as &[&str],
            &keys.hashes as &[&[u8]],
            &keys.subjects,
            &message_orgs,
            &conversations,
            &languages as &[Option<&str>],
            &positions,
            &messages.ids,
            &messages.kinds,
            &messages.directions,
            &messages.authors,
            &messages.external_ids as &[Option<&str>],
            &messages.content_types as &[Option<i16>],
            &messages.contents as &[Option<&str>],
            &messages.attachments,
            &messages.details,
            &messages.created_ats,
            &line_orgs,
            &line_ids,
            &sequences,
            &lines.ids,
            &lines.ats,
            &lines.kinds as &[&str],
            &lines.authors as &[Option<Uuid>],
            &lines.attributes as &[Option<&Value>],
            &events.orgs,
            &events.conversations,
            &events.ids,
            &events.kinds as &[&str],
            &events.sequences,
            &events.traceparents as &[Option<&str>],
            &events.data,
            &events.after_tags as &[Option<String>],
            must_be_found,
        )
        .fetch_all(tx)
        .await
    }
}
