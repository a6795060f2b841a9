//! Messages of API clients, added by a group commit.
//!
//! Each message of a batch is a step of its conversation that is decided in the domain, and all of it is saved together: also
//! what reopens a conversation, and what a message means for a chat. It does not matter which surface a message comes over.
//!
//! Hardly ever does anybody else change one of these conversations at the same moment. So they are read without locks, and the
//! one statement that saves everything fails when one of them is not the version that was read. Only then, or when a step
//! takes more than that, it is done again in a transaction that locks them first.

use std::collections::{BTreeMap, BTreeSet};

use platform::OrgId;
use platform::batch::commits::Change;
use platform::idempotency::{self, Retry};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::Store;
use super::seen::{Seen, Versions};
use super::transitions::{Keys, Line, Saved};
use crate::domain::ConversationError;
use crate::domain::channel::Channel;
use crate::domain::chats::chat::Chat;
use crate::domain::conversation::{Locked, Message};
use crate::domain::draft::{Author, Draft, Input};
use crate::domain::state::{self, Standing, State};

/// The names that idempotency keys are stored under.
const RPC: &str = "AddMessage";
pub(crate) const CHAT_RPC: &str = "SendChatMessage";

/// The SQLSTATE of a version that is not what it must be.
const SERIALIZATION_FAILURE: &str = "40001";

/// One message on its way into a conversation.
#[derive(Debug)]
pub(crate) struct Addition {
    pub(crate) org: OrgId,
    pub(crate) conversation: i64,
    pub(crate) input: Input,
    pub(crate) retry: Option<Retry>,
    pub(crate) traceparent: Option<String>,
}

impl Addition {
    fn draft(&self) -> Option<&Draft> {
        match &self.input {
            Input::Conversation(draft) => Some(draft),
            Input::Chat { .. } => None,
        }
    }

    fn of(&self) -> (OrgId, i64) {
        (self.org, self.conversation)
    }

    /// The number of who says it in a chat.
    fn number(&self) -> Option<i64> {
        match &self.input {
            Input::Conversation(_) => None,
            Input::Chat { from, .. } => Some(*from),
        }
    }

    /// Whether something has to be looked up for it besides its conversation and its chat, `author` being who is known to
    /// say it. A key or an external id that is taken is noticed when it is saved.
    fn depends(&self, author: Option<Author>) -> bool {
        let agent = self.draft().is_some_and(|draft| draft.agent.is_some());
        let unknown = self.number().is_some() && author.is_none();
        agent || unknown
    }

    fn external_id(&self) -> Option<&str> {
        self.draft().and_then(|draft| draft.external_id.as_deref())
    }

    fn rpc(&self) -> &'static str {
        match &self.input {
            Input::Conversation(_) => RPC,
            Input::Chat { .. } => CHAT_RPC,
        }
    }
}

/// What may be there once in an organization.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) enum Claim {
    Key(&'static str, String, String),
    ExternalId(String),
}

/// What there was before a message.
struct Before {
    agent_found: bool,
    external_id_taken: bool,
    author: Option<Author>,
    /// The first request with the same key: its hash, and the message that it added.
    first: Option<(Vec<u8>, Uuid)>,
}

impl Before {
    /// Nothing, for a message that depends on nothing else.
    fn only(author: Option<Author>) -> Self {
        Self {
            agent_found: true,
            external_id_taken: false,
            author,
            first: None,
        }
    }
}

/// What became of a message.
enum Decision {
    Added(Box<Message>),
    /// A retry: this one was added by the first request.
    Replayed(Uuid),
}

/// A conversation in the middle of a batch.
struct Course<'a> {
    org: OrgId,
    locked: Locked,
    chat: Option<Chat>,
    versions: Versions,
    standing: Standing,
    enqueued: bool,
    /// Its session begins with a message.
    begins: bool,
    lines: Vec<(Line, Option<&'a str>)>,
}

type Courses<'a> = BTreeMap<(OrgId, i64), Course<'a>>;

impl<'a> Course<'a> {
    fn new(org: OrgId, seen: Seen) -> Self {
        let Seen { locked, chat, versions } = seen;
        Self {
            org,
            standing: locked.standing.clone(),
            locked,
            chat,
            versions,
            enqueued: false,
            begins: false,
            lines: Vec::new(),
        }
    }

    /// Whether nothing has to be read or stored for it but what was read and what one statement saves.
    fn is_plain(&self) -> bool {
        let has_session = self.chat.as_ref().is_some_and(|chat| chat.session.is_some());
        !self.begins && (!has_session || self.standing == self.locked.standing)
    }

    /// Takes the step that a message is.
    fn add(&mut self, addition: &'a Addition, author: Option<Author>) -> Result<Message, ConversationError> {
        let locked = &self.locked;
        if locked.anonymized {
            return Err(ConversationError::AlreadyAnonymized);
        }
        let draft = match &addition.input {
            Input::Conversation(draft) => match locked.channel {
                Channel::Email | Channel::WidgetChat | Channel::Messenger => draft.clone(),
                _ => return Err(ConversationError::UnsupportedChannel),
            },
            Input::Chat { .. } if !locked.is_chat() => return Err(ConversationError::ChatNotFound),
            Input::Chat { .. } if self.standing.state == State::Closed => return Err(ConversationError::ChatEnded),
            Input::Chat { content, .. } => Draft::of_chat(author, &locked.requester, content.clone())?,
        };
        let message = draft.address(
            locked.kind.message_type(),
            &locked.requester,
            &locked.details,
            locked.now,
        );
        let outcome = state::message(&self.standing, message.said(), locked.default_queue.clone());
        self.standing = outcome.standing;
        self.enqueued |= outcome.enqueued;
        for entry in outcome.entries {
            let line = Line {
                author: entry.author.or(Some(message.author_id)),
                at: locked.now,
                entry,
            };
            self.lines.push((line, addition.traceparent.as_deref()));
        }
        let has_session = self.chat.as_ref().is_some_and(|chat| chat.session.is_some());
        self.begins |= addition.number().is_some() && !has_session;
        Ok(message)
    }
}

impl Change for Addition {
    type Answer = Message;
    type Error = ConversationError;
    type Claim = (OrgId, Claim);

    fn claims(&self) -> impl Iterator<Item = Self::Claim> {
        let retry = self.retry.as_ref();
        let key = retry.map(|retry| Claim::Key(self.rpc(), retry.owner.clone(), retry.key.clone()));
        let external_id = self.external_id().map(|id| Claim::ExternalId(id.to_owned()));
        key.into_iter().chain(external_id).map(|claim| (self.org, claim))
    }

    async fn commit(
        connection: &mut PgConnection,
        additions: &[Self],
    ) -> Result<Vec<Result<Message, ConversationError>>, sqlx::Error> {
        metrics::histogram!("conversation_write_batch_size")
            .record(f64::from(u32::try_from(additions.len()).unwrap_or(u32::MAX)));
        let at_once = match at_once(connection, additions).await {
            Err(error) if was_overtaken(&error) => {
                metrics::counter!("conversation_writes_overtaken_total").increment(1);
                None
            }
            done => done?,
        };
        let decisions = match at_once {
            Some(decisions) => decisions,
            None => under_locks(connection, additions).await?,
        };
        let mut answers = Vec::new();
        for (addition, decision) in additions.iter().zip(decisions) {
            answers.push(match decision {
                Ok(Decision::Added(message)) => Ok(*message),
                // What fails from here on is the answer's own: the batch is committed, and must not be tried again.
                Ok(Decision::Replayed(id)) => match Store::message(addition.org, &mut *connection, id).await {
                    Ok(found) => found.ok_or(ConversationError::ConversationNotFound),
                    Err(error) => Err(error.into()),
                },
                Err(error) => Err(error),
            });
        }
        Ok(answers)
    }
}

/// Somebody else has changed what was read, or has used a key or an external id: then it is decided anew.
fn was_overtaken(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error)
        if error.is_unique_violation() || error.code().as_deref() == Some(SERIALIZATION_FAILURE))
}

type Decisions = Vec<Result<Decision, ConversationError>>;

/// Makes additions true without a transaction of several statements: one reads what decides, another one saves it all,
/// unless somebody was faster. `None`: it takes more than that.
async fn at_once(connection: &mut PgConnection, additions: &[Addition]) -> Result<Option<Decisions>, sqlx::Error> {
    let mut courses = read(connection, additions).await?;
    let authors = authors(additions, &courses);
    let on_something = additions
        .iter()
        .zip(&authors)
        .any(|(addition, author)| addition.depends(*author));
    let before = if on_something {
        look_up(connection, additions, authors).await?
    } else {
        authors.into_iter().map(Before::only).collect()
    };
    let decisions = decide_all(additions, before, &mut courses);
    // A key that was used before is noticed by the statement that stores it, and decides more than what failed here.
    let may_be_retry = |(addition, decision): (&Addition, &Result<_, _>)| addition.retry.is_some() && decision.is_err();
    if additions.iter().zip(&decisions).any(may_be_retry) || !courses.values().all(Course::is_plain) {
        return Ok(None);
    }
    save(connection, additions, &decisions, &mut courses, true).await?;
    Ok(Some(decisions))
}

/// Makes additions true in a transaction that locks their conversations first.
async fn under_locks(connection: &mut PgConnection, additions: &[Addition]) -> Result<Decisions, sqlx::Error> {
    let mut tx = connection.begin().await?;
    Store::lock_conversations(&mut tx, &conversations(additions)).await?;
    let mut courses = read(&mut tx, additions).await?;
    let authors = authors(additions, &courses);
    let before = look_up(&mut tx, additions, authors).await?;
    let decisions = decide_all(additions, before, &mut courses);
    let begun: Vec<_> = courses
        .iter()
        .filter(|(_, course)| course.begins)
        .map(|(key, _)| *key)
        .collect();
    if !begun.is_empty() {
        Store::open_sessions(&mut tx, &begun).await?;
    }
    save(&mut tx, additions, &decisions, &mut courses, false).await?;
    tx.commit().await?;
    Ok(decisions)
}

/// Saves what was decided, if anything was. With `versions` it must be decided on what still is.
async fn save(
    tx: &mut PgConnection,
    additions: &[Addition],
    decisions: &Decisions,
    courses: &mut Courses<'_>,
    versions: bool,
) -> Result<(), sqlx::Error> {
    let added = additions.iter().zip(decisions);
    let added = added.filter_map(|(addition, decision)| match decision {
        Ok(Decision::Added(message)) => Some((addition, &**message)),
        _ => None,
    });
    let added: Vec<_> = added.collect();
    if added.is_empty() {
        return Ok(());
    }
    let mut messages: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (addition, message) in &added {
        messages.entry(addition.of()).or_default().push(*message);
    }
    let saved = courses.iter_mut().filter_map(|(key, course)| {
        let messages = messages.remove(key)?;
        // Whoever else has it, or where it waits, has to be read again, and so has a session that has just begun.
        let is_same = course.standing == course.locked.standing;
        let chat = course.chat.take().filter(|chat| chat.session.is_some() && is_same);
        Some(Saved {
            org: course.org,
            lines: std::mem::take(&mut course.lines),
            standing: course.standing.clone(),
            enqueued: course.enqueued,
            messages,
            locked: &course.locked,
            chat,
            versions: versions.then_some(&course.versions),
        })
    });
    Store::save_conversations(tx, &saved.collect::<Vec<_>>(), &keys(&added)).await
}

fn decide_all<'a>(additions: &'a [Addition], before: Vec<Before>, courses: &mut Courses<'a>) -> Decisions {
    let decisions = additions.iter().zip(before);
    let decisions = decisions.map(|(addition, before)| decide(addition, before, courses.get_mut(&addition.of())));
    decisions.collect()
}

fn decide<'a>(
    addition: &'a Addition,
    before: Before,
    course: Option<&mut Course<'a>>,
) -> Result<Decision, ConversationError> {
    if let (Some(retry), Some((hash, id))) = (&addition.retry, before.first) {
        return if hash == retry.hash {
            Ok(Decision::Replayed(id))
        } else {
            Err(idempotency::Error::Reused.into())
        };
    }
    if !before.agent_found {
        return Err(ConversationError::AgentNotFound);
    }
    let course = course.ok_or(match addition.input {
        Input::Conversation(_) => ConversationError::ConversationNotFound,
        Input::Chat { .. } => ConversationError::ChatNotFound,
    })?;
    if before.external_id_taken {
        return Err(ConversationError::DuplicateExternalId);
    }
    Ok(Decision::Added(Box::new(course.add(addition, before.author)?)))
}

fn conversations(additions: &[Addition]) -> Vec<(OrgId, i64)> {
    let wanted: BTreeSet<_> = additions.iter().map(Addition::of).collect();
    wanted.into_iter().collect()
}

async fn read<'a>(on: &mut PgConnection, additions: &[Addition]) -> Result<Courses<'a>, sqlx::Error> {
    let wanted = conversations(additions);
    let seen = Store::see_conversations(on, &wanted).await?;
    let courses = wanted.into_iter().zip(seen);
    Ok(courses
        .filter_map(|((org, id), seen)| Some(((org, id), Course::new(org, seen?))))
        .collect())
}

/// Who is known to say each of those that come over the surface of chats.
fn authors(additions: &[Addition], courses: &Courses<'_>) -> Vec<Option<Author>> {
    let authors = additions.iter().map(|addition| {
        let number = addition.number()?;
        courses.get(&addition.of())?.chat.as_ref()?.author(number)
    });
    authors.collect()
}

/// Looks up what decides on each message besides its conversation and its chat. It comes after the locks, so that what
/// somebody has committed while we waited for them is seen.
///
/// Each is looked up by itself: `exists`, or a join, may be planned as a hash of the whole table, which is cheap while the
/// table is small, and the plan is kept while it grows.
async fn look_up(
    tx: &mut PgConnection,
    additions: &[Addition],
    authors: Vec<Option<Author>>,
) -> Result<Vec<Before>, sqlx::Error> {
    let column = |value: fn(&Addition) -> Option<&str>| additions.iter().map(value).collect::<Vec<_>>();
    let rows = sqlx::query!(
        r#"select coalesce(i.agent_id is null
                           or (select p.is_agent from conversation.people p
                               where p.org_id = i.org_id and p.id = i.agent_id), false) as "agent_found!",
                  coalesce((select true from conversation.messages m
                            where m.org_id = i.org_id and m.external_id = i.external_id), false) as "external_id_taken!",
                  (select p.id from conversation.people p
                   where p.org_id = i.org_id and p.number = i.number and p.is_agent) as agent_numbered,
                  (select p.id from conversation.people p
                   where p.org_id = i.org_id and p.number = i.number and p.is_end_user) as end_user_numbered,
                  k.request_hash as "request_hash?", k.subject::uuid as first
           from unnest((select $1::uuid[]), $2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[])
               with ordinality as i (org_id, agent_id, external_id, number, owner, rpc, key, n)
           left join lateral (
               select k.request_hash, k.subject from conversation.idempotency_keys k
               where k.org_id = i.org_id and k.owner = i.owner and k.rpc = i.rpc and k.key = i.key offset 0
           ) k on true
           order by i.n"#,
        &additions.iter().map(|addition| addition.org.0).collect::<Vec<_>>(),
        &additions
            .iter()
            .map(|addition| addition.draft().and_then(|draft| draft.agent))
            .collect::<Vec<_>>() as &[Option<Uuid>],
        &column(Addition::external_id) as &[Option<&str>],
        &additions
            .iter()
            .zip(&authors)
            .map(|(addition, author)| addition.number().filter(|_| author.is_none()))
            .collect::<Vec<_>>() as &[Option<i64>],
        &column(|addition| addition.retry.as_ref().map(|retry| retry.owner.as_str())) as &[Option<&str>],
        &additions.iter().map(Addition::rpc).collect::<Vec<_>>() as &[&str],
        &column(|addition| addition.retry.as_ref().map(|retry| retry.key.as_str())) as &[Option<&str>],
    )
    .fetch_all(tx)
    .await?;
    let before = rows.into_iter().zip(authors).map(|(row, author)| {
        let is_agent = row.agent_numbered.is_some();
        let numbered = row.agent_numbered.or(row.end_user_numbered);
        Before {
            agent_found: row.agent_found,
            external_id_taken: row.external_id_taken,
            author: author.or_else(|| numbered.map(|id| Author { id, is_agent })),
            first: row.request_hash.zip(row.first),
        }
    });
    Ok(before.collect())
}

/// The keys of what is added.
fn keys<'a>(added: &[(&'a Addition, &Message)]) -> Keys<'a> {
    let keyed = added.iter();
    let mut keyed: Vec<_> = keyed
        .filter_map(|(addition, message)| Some((addition.org.0, addition.rpc(), addition.retry.as_ref()?, message.id)))
        .collect();
    keyed.sort_unstable_by_key(|(org, rpc, retry, _)| (*org, &retry.owner, *rpc, &retry.key));
    let mut keys = Keys::default();
    for (org, rpc, retry, id) in keyed {
        keys.orgs.push(org);
        keys.owners.push(&retry.owner);
        keys.rpcs.push(rpc);
        keys.keys.push(&retry.key);
        keys.hashes.push(&retry.hash);
        keys.subjects.push(id);
    }
    keys
}
