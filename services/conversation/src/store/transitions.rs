//! The steps of a conversation: locked, decided in the domain, saved with what they log and tell.

use platform::OrgId;
use platform::access::Call;
use platform::time::Time;
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::Store;
use super::messages::Columns;
use crate::domain::ConversationError;
use crate::domain::channel::Channel;
use crate::domain::chats::chat::Chat;
use crate::domain::conversation::{ConversationType, Details, Locked, Message, Party};
use crate::domain::snapshot::Snapshot;
use crate::domain::state::{Direction, Entry, Named, Outcome, Standing, State};

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

/// What happened to a locked conversation.
pub(super) struct Saved<'a> {
    pub(super) org: OrgId,
    pub(super) locked: &'a Locked,
    /// Where it is now.
    pub(super) standing: Standing,
    /// It was put at the end of its queue.
    pub(super) enqueued: bool,
    /// Messages that are added, in their order.
    pub(super) messages: Vec<&'a Message>,
    /// What is logged and told, each with the trace it belongs to.
    pub(super) lines: Vec<(Line, Option<&'a str>)>,
    /// Its chat as it still is, when it was read under the lock and has a session.
    pub(super) chat: Option<Chat>,
}

struct LockedRow {
    /// Which of those that were asked for it is.
    n: i64,
    id: i64,
    kind: ConversationType,
    channel: Channel,
    direction: Direction,
    requester_id: Uuid,
    /// Name, e-mail address and phone number.
    requester: Option<Vec<Option<String>>>,
    state: State,
    agent_id: Option<Uuid>,
    /// The same of the agent.
    agent: Option<Vec<Option<String>>>,
    queue_id: Option<Uuid>,
    queue_name: Option<String>,
    /// Id and name, for one that is in no queue.
    default_queue: Option<Vec<String>>,
    details: Json<Details>,
    subject: Option<String>,
    language: Option<String>,
    parent_id: Option<i64>,
    created_at: Time,
    follow_up_at: Option<Time>,
    anonymized: bool,
    message_count: i32,
    activity_sequence: i32,
    event_sequence: i64,
    now: Time,
}

impl From<LockedRow> for Locked {
    fn from(row: LockedRow) -> Self {
        let party = |id: Uuid, said: Option<Vec<Option<String>>>| {
            let mut said = said.unwrap_or_default().into_iter();
            let mut said = || said.next().flatten();
            Party {
                id,
                name: said(),
                email: said(),
                phone: said(),
            }
        };
        let mut default_queue = row.default_queue.unwrap_or_default().into_iter();
        let default_queue = default_queue
            .next()
            .and_then(|id| platform::id::parse(&id))
            .map(|id| Named {
                id,
                name: default_queue.next(),
            });
        Self {
            id: row.id,
            kind: row.kind,
            channel: row.channel,
            direction: row.direction,
            requester: party(row.requester_id, row.requester),
            subject: row.subject,
            created_at: row.created_at,
            details: row.details.0,
            language: row.language,
            parent_id: row.parent_id,
            anonymized: row.anonymized,
            now: row.now,
            standing: Standing {
                state: row.state,
                agent: row.agent_id.map(|id| party(id, row.agent)),
                queue: row.queue_id.map(|id| Named {
                    id,
                    name: row.queue_name,
                }),
                follow_up_at: row.follow_up_at,
            },
            message_count: row.message_count,
            activity_sequence: row.activity_sequence,
            event_sequence: row.event_sequence,
            default_queue,
            ending: None,
        }
    }
}

impl Store {
    /// Locks a conversation until the end of the transaction.
    pub(crate) async fn lock_conversation(
        org: OrgId,
        tx: &mut PgConnection,
        id: i64,
    ) -> Result<Locked, ConversationError> {
        let locked = Self::lock_conversations(tx, &[(org, id)]).await?;
        let mut locked = locked.into_iter().flatten();
        locked.next().ok_or(ConversationError::ConversationNotFound)
    }

    /// Locks these conversations until the end of the transaction, in the order of their keys, so that two of these
    /// transactions never wait for each other. Each is where it was asked for; none of them may come twice.
    ///
    /// Names come from scalar subqueries, which are evaluated again when the row has changed while we waited for it. One array
    /// is a subquery, too, here and when the steps are saved: a planner that sees how many there are plans anew whenever it is
    /// a few.
    pub(super) async fn lock_conversations(
        tx: &mut PgConnection,
        wanted: &[(OrgId, i64)],
    ) -> Result<Vec<Option<Locked>>, sqlx::Error> {
        let rows = sqlx::query_as!(
            LockedRow,
            r#"select i.n as "n!", c.id, c.type as "kind: ConversationType", c.channel as "channel: Channel",
                      c.direction as "direction: Direction", c.requester_id,
                      (select array[p.display_name, p.email, p.phone_number] from conversation.people p
                       where p.org_id = c.org_id and p.id = c.requester_id) as "requester: Vec<Option<String>>",
                      c.state as "state: State", c.agent_id,
                      (select array[p.display_name, p.email, p.phone_number] from conversation.people p
                       where p.org_id = c.org_id and p.id = c.agent_id) as "agent: Vec<Option<String>>",
                      c.queue_id,
                      (select q.name from conversation.queues q
                       where q.org_id = c.org_id and q.id = c.queue_id) as queue_name,
                      case when c.queue_id is null then (select array[q.id::text, q.name] from conversation.queues q
                                                         where q.org_id = c.org_id and q.is_default) end as default_queue,
                      c.details as "details: Json<Details>", c.subject, c.language, c.parent_id, c.created_at,
                      c.follow_up_at, c.anonymized_at is not null as "anonymized!", c.message_count,
                      c.activity_sequence, c.event_sequence, clock_timestamp() as "now!"
               from unnest((select $1::uuid[]), $2::bigint[]) with ordinality as i (org_id, id, n)
               join conversation.conversations c on c.org_id = i.org_id and c.id = i.id
               order by c.org_id, c.id for no key update of c"#,
            &wanted.iter().map(|(org, _)| org.0).collect::<Vec<_>>(),
            &wanted.iter().map(|(_, id)| *id).collect::<Vec<_>>(),
        )
        .fetch_all(tx)
        .await?;
        let mut locked: Vec<Option<Locked>> = wanted.iter().map(|_| None).collect();
        for row in rows {
            let index = usize::try_from(row.n - 1).unwrap_or_default();
            locked[index] = Some(row.into());
        }
        Ok(locked)
    }

    /// Gives a conversation that nobody has to an agent, in one conditional update; `None` when somebody has it or it is
    /// closed, anonymized or absent. Of any number of agents at once, one gets it. Returns what it was before.
    pub(crate) async fn take_conversation(
        org: OrgId,
        tx: &mut PgConnection,
        id: i64,
        agent: Uuid,
    ) -> Result<Option<Locked>, ConversationError> {
        let row = sqlx::query_as!(
            LockedRow,
            r#"update conversation.conversations c set agent_id = $3, assigned_at = clock_timestamp()
               where c.org_id = $1 and c.id = $2 and c.agent_id is null and c.state <> 3 and c.anonymized_at is null
               returning 1::bigint as "n!", c.id, c.type as "kind: ConversationType", c.channel as "channel: Channel",
                         c.direction as "direction: Direction", c.requester_id,
                         (select array[p.display_name, p.email, p.phone_number] from conversation.people p
                          where p.org_id = c.org_id and p.id = c.requester_id) as "requester: Vec<Option<String>>",
                         c.state as "state: State", null::uuid as agent_id, null::text[] as "agent: Vec<Option<String>>",
                         c.queue_id,
                         (select q.name from conversation.queues q
                          where q.org_id = c.org_id and q.id = c.queue_id) as queue_name,
                         null::text[] as default_queue,
                         c.details as "details: Json<Details>", c.subject, c.language, c.parent_id, c.created_at,
                         c.follow_up_at, false as "anonymized!", c.message_count, c.activity_sequence, c.event_sequence,
                         clock_timestamp() as "now!""#,
            org.0,
            id,
            agent,
        )
        .fetch_optional(tx)
        .await?;
        Ok(row.map(Locked::from))
    }

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
        };
        Ok(Self::save_conversations(tx, vec![saved]).await?)
    }

    /// Saves what happened to locked conversations, with their messages, their lines of the activity log and their events, in one
    /// statement. Each event shows its conversation as it is after all of that. Then their chats follow.
    pub(super) async fn save_conversations(tx: &mut PgConnection, saved: Vec<Saved<'_>>) -> Result<(), sqlx::Error> {
        fn column<'a, T>(saved: &'a [Saved<'_>], value: impl Fn(&'a Saved<'_>) -> T) -> Vec<T> {
            saved.iter().map(value).collect()
        }
        let (orgs, ids) = (
            column(&saved, |saved| saved.org.0),
            column(&saved, |saved| saved.locked.id),
        );
        let states = column(&saved, |saved| saved.standing.state as i16);
        let agents = column(&saved, |saved| saved.standing.agent.as_ref().map(|agent| agent.id));
        let queues = column(&saved, |saved| saved.standing.queue.as_ref().map(|queue| queue.id));
        let enqueued = column(&saved, |saved| saved.enqueued);
        let follow_ups = column(&saved, |saved| saved.standing.follow_up_at);
        let added = column(&saved, |saved| i32::try_from(saved.messages.len()).unwrap_or(i32::MAX));
        let counts = column(&saved, |saved| i32::try_from(saved.lines.len()).unwrap_or(i32::MAX));
        let ats = column(&saved, |saved| saved.locked.now);
        let chats_unread = column(&saved, |saved| saved.chat.is_none());
        let (mut line_orgs, mut line_ids, mut sequences, mut event_sequences) = (vec![], vec![], vec![], vec![]);
        let mut traceparents = Vec::new();
        for saved in &saved {
            for (n, (_, traceparent)) in (1..).zip(&saved.lines) {
                line_orgs.push(saved.org.0);
                line_ids.push(saved.locked.id);
                sequences.push(saved.locked.activity_sequence + n);
                event_sequences.push(saved.locked.event_sequence + i64::from(n));
                traceparents.push(*traceparent);
            }
        }
        let (mut message_orgs, mut conversations, mut languages, mut positions) = (vec![], vec![], vec![], vec![]);
        for saved in &saved {
            for (n, _) in (1..).zip(&saved.messages) {
                message_orgs.push(saved.org.0);
                conversations.push(saved.locked.id);
                languages.push(saved.locked.language.as_deref());
                positions.push(saved.locked.message_count + n);
            }
        }
        let messages: Vec<_> = saved.iter().flat_map(|saved| saved.messages.iter().copied()).collect();
        let messages = Columns::new(&messages.into_iter());
        let snapshots: Vec<_> = saved
            .iter()
            .map(|saved| saved.locked.snapshot(&saved.standing))
            .collect();
        let told = saved.iter().zip(&snapshots);
        let told = told.flat_map(|(saved, snapshot)| saved.lines.iter().map(move |(line, _)| (line, snapshot)));
        let lines = Lines::new(&told.collect::<Vec<_>>());
        // Ids are the same for every organization, so one stands for one conversation.
        let with_chat = sqlx::query_scalar!(
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
                             $11::boolean[])
                     as s (org_id, id, state, agent_id, queue_id, enqueued, follow_up_at, messages, lines, at, chat_unread)
                 where c.org_id = s.org_id and c.id = s.id
                 returning c.org_id, c.id, s.chat_unread and c.type = 1 and c.channel = 3 as may_have_chat
             ),
             written as (
                 insert into conversation.messages (org_id, conversation_id, position, id, type, direction, author_id,
                                                    external_id, content_type, content, attachments, details, created_at,
                                                    search)
                 select m.org_id, m.conversation_id, m.position, m.id, m.type, m.direction, m.author_id, m.external_id,
                        m.content_type, m.content, m.attachments, m.details, m.created_at,
                        conversation.search_vector(m.config, m.content)
                 from (select i.*, conversation.search_config(i.language) as config
                       from unnest((select $26::uuid[]), $27::bigint[], $28::text[], $29::integer[], $30::uuid[],
                                   $31::smallint[], $32::smallint[], $33::uuid[], $34::text[], $35::smallint[], $36::text[],
                                   $37::jsonb[], $38::jsonb[], $39::timestamptz[])
                           as i (org_id, conversation_id, language, position, id, type, direction, author_id, external_id,
                                 content_type, content, attachments, details, created_at)
                       offset 0) m
             ),
             logged as (
                 insert into conversation.activity_log (org_id, conversation_id, sequence, id, at, type, author_id,
                                                        attributes)
                 select * from unnest((select $12::uuid[]), $13::bigint[], $14::integer[], $15::uuid[], $16::timestamptz[],
                                      $17::text[], $18::uuid[], $19::jsonb[])
             ),
             -- In the order of the arrays: nothing joins them.
             recorded as (
                 insert into conversation.outbox (org_id, event_id, stream, type, subject, sequence, traceparent, data)
                 select l.org_id, l.event_id, 'handoff:events', l.event, 'conversations/' || l.conversation_id,
                        l.event_sequence, l.traceparent,
                        '{"conversation":{"csid":' || l.conversation_id || l.before_tags
                            -- Most have none, and sorting even nothing costs more than to see that.
                            || case when (select true from conversation.conversation_tags t
                                          where t.org_id = l.org_id and t.conversation_id = l.conversation_id limit 1)
                               -- What refers to deleted tags only has none either.
                               then (select coalesce(string_agg('{"id":"' || t.id || '","name":' || to_json(t.name) || '}',
                                                                ',' order by t.name), '')
                                     from conversation.conversation_tags ct
                                     join conversation.tags t on t.org_id = ct.org_id and t.id = ct.tag_id
                                     where ct.org_id = l.org_id and ct.conversation_id = l.conversation_id)
                               else '' end
                            || l.after_tags
                 from unnest((select $12::uuid[]), $13::bigint[], $20::uuid[], $21::text[], $22::bigint[], $23::text[],
                             $24::text[], $25::text[])
                     as l (org_id, conversation_id, event_id, event, event_sequence, traceparent, before_tags, after_tags)
             )
             select saved.id as "id!" from saved
             where saved.may_have_chat and (select true from conversation.chats s
                                            where s.org_id = saved.org_id and s.conversation_id = saved.id)"#,
            &orgs,
            &ids,
            &states,
            &agents as &[Option<Uuid>],
            &queues as &[Option<Uuid>],
            &enqueued,
            &follow_ups as &[Option<Time>],
            &added,
            &counts,
            &ats,
            &chats_unread,
            &line_orgs,
            &line_ids,
            &sequences,
            &lines.ids,
            &lines.ats,
            &lines.kinds as &[&str],
            &lines.authors as &[Option<Uuid>],
            &lines.attributes as &[Option<&Value>],
            &lines.event_ids,
            &lines.events as &[&str],
            &event_sequences,
            &traceparents as &[Option<&str>],
            &lines.before_tags,
            &lines.after_tags,
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
        )
        .fetch_all(&mut *tx)
        .await?;
        let followed = saved.into_iter();
        let followed = followed.filter(|saved| saved.chat.is_some() || with_chat.contains(&saved.locked.id));
        Self::follow_chats(tx, followed.collect()).await
    }
}
