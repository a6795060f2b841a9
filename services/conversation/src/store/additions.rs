//! Messages of API clients, added by a group commit.
//!
//! The conversations of a batch are locked, each message is a step that is decided in the domain, and all of it is saved
//! together: also what reopens a conversation, and what a message means for a chat. It does not matter which surface a
//! message comes over.

use std::collections::{BTreeMap, BTreeSet};

use platform::OrgId;
use platform::batch::commits::Change;
use platform::idempotency::{self, Retry};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::Store;
use super::transitions::{Line, Saved};
use crate::domain::ConversationError;
use crate::domain::channel::Channel;
use crate::domain::chats::chat::Chat;
use crate::domain::conversation::{Locked, Message};
use crate::domain::draft::{Author, Draft, Input};
use crate::domain::state::{self, Standing, State};

/// The names that idempotency keys are stored under.
const RPC: &str = "AddMessage";
pub(crate) const CHAT_RPC: &str = "SendChatMessage";

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

    /// Whether something besides its conversation and its chat decides on it, `author` being who is known to say it.
    fn depends(&self, author: Option<Author>) -> bool {
        let agent = self.draft().is_some_and(|draft| draft.agent.is_some());
        let unknown = self.number().is_some() && author.is_none();
        agent || unknown || self.external_id().is_some() || self.retry.is_some()
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
    /// Nothing that a message without further ado depends on.
    fn nothing() -> Self {
        Self {
            agent_found: true,
            external_id_taken: false,
            author: None,
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
    standing: Standing,
    enqueued: bool,
    lines: Vec<(Line, Option<&'a str>)>,
}

impl<'a> Course<'a> {
    fn new(org: OrgId, locked: Locked) -> Self {
        Self {
            org,
            standing: locked.standing.clone(),
            locked,
            enqueued: false,
            lines: Vec::new(),
        }
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
        let mut tx = connection.begin().await?;
        let mut courses = lock(&mut tx, additions).await?;
        let mut chats = read_chats(&mut tx, additions).await?;
        let before = look_up(&mut tx, additions, &chats).await?;
        let mut begun = BTreeSet::new();
        let mut decisions = Vec::new();
        for (addition, before) in additions.iter().zip(before) {
            let key = addition.of();
            let chat = chats.get(&key).filter(|_| addition.number().is_some());
            let begins = chat.is_some_and(|chat| chat.session.is_none());
            let decision = decide(addition, before, courses.get_mut(&key));
            if begins && let Ok(Decision::Added(_)) = &decision {
                begun.insert(key);
            }
            decisions.push(decision);
        }
        let added = additions.iter().zip(&decisions);
        let added = added.filter_map(|(addition, decision)| match decision {
            Ok(Decision::Added(message)) => Some((addition, &**message)),
            _ => None,
        });
        let added: Vec<_> = added.collect();
        if !added.is_empty() {
            if !begun.is_empty() {
                Store::open_sessions(&mut tx, &begun.into_iter().collect::<Vec<_>>()).await?;
            }
            keep_keys(&mut tx, &added).await?;
            let mut messages: BTreeMap<_, Vec<_>> = BTreeMap::new();
            for (addition, message) in &added {
                messages.entry(addition.of()).or_default().push(*message);
            }
            let saved = courses.iter_mut().filter_map(|(key, course)| {
                let messages = messages.remove(key)?;
                // Whoever else has it, or where it waits, has to be read again, and so has a session that has just begun.
                let chat = chats
                    .remove(key)
                    .filter(|chat| chat.session.is_some() && course.standing == course.locked.standing);
                Some(Saved {
                    org: course.org,
                    lines: std::mem::take(&mut course.lines),
                    standing: course.standing.clone(),
                    enqueued: course.enqueued,
                    messages,
                    locked: &course.locked,
                    chat,
                })
            });
            Store::save_conversations(&mut tx, saved.collect()).await?;
        }
        tx.commit().await?;
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

async fn lock<'a>(
    tx: &mut PgConnection,
    additions: &[Addition],
) -> Result<BTreeMap<(OrgId, i64), Course<'a>>, sqlx::Error> {
    let wanted: BTreeSet<_> = additions.iter().map(Addition::of).collect();
    let wanted: Vec<_> = wanted.into_iter().collect();
    let locked = Store::lock_conversations(tx, &wanted).await?;
    let courses = wanted.into_iter().zip(locked);
    Ok(courses
        .filter_map(|((org, id), locked)| Some(((org, id), Course::new(org, locked?))))
        .collect())
}

/// Reads the chats of messages that came over their surface.
async fn read_chats(
    tx: &mut PgConnection,
    additions: &[Addition],
) -> Result<BTreeMap<(OrgId, i64), Chat>, sqlx::Error> {
    let wanted = additions.iter().filter(|addition| addition.number().is_some());
    let wanted: BTreeSet<_> = wanted.map(Addition::of).collect();
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let wanted: Vec<_> = wanted.into_iter().collect();
    let chats = wanted.iter().copied().zip(Store::chats(tx, &wanted).await?);
    Ok(chats.filter_map(|(key, chat)| Some((key, chat?))).collect())
}

/// Looks up what decides on each message besides its conversation and its chat. It comes after the locks, so that what
/// somebody has committed while we waited for them is seen.
///
/// Each is looked up by itself: `exists`, or a join, may be planned as a hash of the whole table, which is cheap while the
/// table is small, and the plan is kept while it grows.
async fn look_up(
    tx: &mut PgConnection,
    additions: &[Addition],
    chats: &BTreeMap<(OrgId, i64), Chat>,
) -> Result<Vec<Before>, sqlx::Error> {
    let authors = additions.iter().map(|addition| {
        let chat = chats.get(&addition.of())?;
        chat.author(addition.number()?)
    });
    let authors: Vec<_> = authors.collect();
    if !additions
        .iter()
        .zip(&authors)
        .any(|(addition, author)| addition.depends(*author))
    {
        let before = authors.into_iter().map(|author| Before {
            author,
            ..Before::nothing()
        });
        return Ok(before.collect());
    }
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

/// Keeps the keys of what was added. The first answer is rebuilt from the message.
///
/// A key that another replica has just used with another conversation spoils the batch; alone, its request finds the key.
async fn keep_keys(tx: &mut PgConnection, added: &[(&Addition, &Message)]) -> Result<(), sqlx::Error> {
    let keyed = added.iter();
    let mut keyed: Vec<_> = keyed
        .filter_map(|(addition, message)| {
            let retry = addition.retry.as_ref()?;
            Some((addition.org.0, addition.rpc(), retry, message.id))
        })
        .collect();
    if keyed.is_empty() {
        return Ok(());
    }
    // In order, so that two batches never wait for each other.
    keyed.sort_unstable_by_key(|(org, rpc, retry, _)| (*org, &retry.owner, *rpc, &retry.key));
    sqlx::query!(
        "insert into conversation.idempotency_keys (org_id, owner, rpc, key, request_hash, subject)
         select i.org_id, i.owner, i.rpc, i.key, i.request_hash, i.id::text
         from unnest((select $1::uuid[]), $2::text[], $3::text[], $4::text[], $5::bytea[], $6::uuid[])
             as i (org_id, owner, rpc, key, request_hash, id)",
        &keyed.iter().map(|(org, ..)| *org).collect::<Vec<_>>(),
        &keyed
            .iter()
            .map(|(_, _, retry, _)| retry.owner.as_str())
            .collect::<Vec<_>>() as &[&str],
        &keyed.iter().map(|(_, rpc, ..)| *rpc).collect::<Vec<_>>() as &[&str],
        &keyed
            .iter()
            .map(|(_, _, retry, _)| retry.key.as_str())
            .collect::<Vec<_>>() as &[&str],
        &keyed
            .iter()
            .map(|(_, _, retry, _)| retry.hash.as_slice())
            .collect::<Vec<_>>() as &[&[u8]],
        &keyed.iter().map(|(.., id)| *id).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}
