//! Search for conversations.

use std::collections::HashMap;

use platform::OrgId;
use platform::access::Call;
use platform::fault::Violation;
use proto::conversation::v1 as wire;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tonic::{Response, Status};
use uuid::Uuid;
use wire::{FilterField as Field, FilterOperator as Operator};

use super::Api;
use crate::domain::search::{Condition, Filters, Moment, Reference, Search, Tags, Values, Word, highlighted};
use crate::domain::{ConversationError, field};
use crate::store::Store;
use crate::store::search::{Places, Words};

/// Hits on a page, when the caller does not say and at most.
const PAGE: i32 = 50;
/// Longest text, in characters.
const TEXT: usize = 1000;
/// Most conditions of a search, and most values of a condition.
const CONDITIONS: usize = 20;
const VALUES: usize = 100;
/// How many conversations are looked at first to tell whether words are common, and how many to fill a page with them.
const PROBE: i64 = 150;
const SPAN: i64 = 2000;
/// How many spans a page of a search without words goes over; then it is a shorter page.
const SPANS: usize = 20;
/// The best come first unless more texts are found than this; then the newest do.
const RANKED: i64 = 1000;

/// Where the next page starts.
#[derive(Debug, Serialize, Deserialize)]
enum Position {
    /// Newest first, below this conversation.
    Newest(i64),
    /// Best first, after this rank and conversation.
    Best(f32, i64),
}

/// A page: conversations in their order, and where the next one starts.
type Found = (Vec<i64>, Option<Position>);
/// The words of a page, and where its messages are that have them, as far as that is known.
type Asked = (Words, Option<Places>);

impl Api {
    pub(super) async fn search_conversations(
        &self,
        call: Call,
        message: wire::SearchConversationsRequest,
    ) -> Result<Response<wire::SearchConversationsResponse>, Status> {
        let org = call.org();
        let size = match message.page_size {
            ..0 => return Err(ConversationError::invalid("page_size", "must not be negative").into()),
            0 => PAGE,
            size => size.min(PAGE),
        };
        let size = usize::try_from(size).unwrap_or_default();
        let with_inner_hits = message.with_inner_hits;
        let asked = wire::SearchConversationsRequest {
            page_size: 0,
            page_token: String::new(),
            ..message.clone()
        };
        let (org_text, asked) = (org.to_string(), format!("{asked:?}"));
        let list = ["search", &org_text, &asked];
        let position: Option<Position> = self.tokens.read(&list, &message.page_token)?;
        let search = Search::try_from(message).map_err(ConversationError::from)?;
        let (asked, (ids, next)) = if search.text.is_empty() {
            (None, self.by_conditions(org, &search.filters, position, size).await?)
        } else {
            let (asked, found) = self.by_words(org, &search, position, size).await?;
            (Some(asked), found)
        };
        Ok(Response::new(wire::SearchConversationsResponse {
            hits: self.hits(org, &ids, asked, with_inner_hits).await?,
            next_page_token: next.map_or_else(String::new, |next| self.tokens.make(&list, &next)),
        }))
    }

    /// Newest first, by key.
    async fn by_conditions(
        &self,
        org: OrgId,
        filters: &Filters,
        position: Option<Position>,
        size: usize,
    ) -> Result<Found, ConversationError> {
        let mut before = match position {
            Some(Position::Newest(id)) => id,
            _ => i64::MAX,
        };
        let mut ids = Vec::new();
        for _ in 0..SPANS {
            let missing = count(size + 1 - ids.len());
            let walk = Store::search_walk(org, &self.db, (filters, None), before, SPAN, missing).await?;
            ids.extend(walk.ids);
            match walk.reached {
                Some(id) => before = id,
                None => return Ok(newest(ids, size)),
            }
        }
        Ok((ids, Some(Position::Newest(before))))
    }

    /// Common words fill a page with the newest conversations; rare ones are looked up, and the best come first unless
    /// they are many. An order that was begun is kept.
    async fn by_words(
        &self,
        org: OrgId,
        search: &Search,
        position: Option<Position>,
        size: usize,
    ) -> Result<(Asked, Found), ConversationError> {
        let filters = &search.filters;
        let limit = count(size + 1);
        let (before, may_rank) = match position {
            None => (i64::MAX, true),
            Some(Position::Newest(id)) => (id, false),
            Some(Position::Best(rank, id)) => {
                let words = Store::search_words(org, &self.db, search).await?;
                let found = self.best(org, (filters, &words), Some((rank, id)), size).await?;
                return Ok(((words, None), found));
            }
        };
        let probe = Store::search_probe(org, &self.db, search, before, PROBE, limit).await?;
        let (words, mut walk) = (probe.words, probe.walk);
        if words.are_none() {
            return Ok(((words, None), Found::default()));
        }
        let mut places = walk.places();
        let mut ids = walk.ids;
        let mut walked = PROBE;
        // Farther as long as the page may be filled that way. That words come in clusters is what the factor is for.
        while let Some(reached) = walk.reached
            && walked < SPAN
            && 2 * count(ids.len()) * SPAN > count(size) * walked
        {
            let span = (4 * walked).min(SPAN - walked);
            let missing = limit - count(ids.len());
            walk = Store::search_walk(org, &self.db, (filters, Some(&words)), reached, span, missing).await?;
            ids.append(&mut walk.ids);
            places = places.zip(walk.places()).map(|(places, more)| [places, more].concat());
            walked += span;
        }
        if ids.len() <= size {
            let what = (filters, &words);
            let texts;
            (ids, places, texts) = Store::search_newest(org, &self.db, what, before, limit).await?;
            if may_rank && texts <= RANKED {
                let found = self.best(org, what, None, size).await?;
                return Ok(((words, None), found));
            }
        }
        Ok(((words, places), newest(ids, size)))
    }

    /// Best first, after this rank and conversation.
    async fn best(
        &self,
        org: OrgId,
        what: (&Filters, &Words),
        after: Option<(f32, i64)>,
        size: usize,
    ) -> Result<Found, ConversationError> {
        // Hits that came since must not push the last ones out.
        let mut hits = Store::search_best(org, &self.db, what, 2 * RANKED, after, count(size + 1)).await?;
        let more = hits.len() > size;
        hits.truncate(size);
        let next = hits
            .last()
            .filter(|_| more)
            .map(|(id, rank)| Position::Best(*rank, *id));
        Ok((hits.into_iter().map(|(id, _)| id).collect(), next))
    }

    async fn hits(
        &self,
        org: OrgId,
        ids: &[i64],
        asked: Option<Asked>,
        with_inner_hits: bool,
    ) -> Result<Vec<wire::SearchHit>, ConversationError> {
        let mut hits: HashMap<i64, wire::SearchHit> = HashMap::new();
        if let Some((words, places)) = asked.filter(|_| !ids.is_empty()) {
            for (conversation, message, headline) in Store::search_texts(org, &self.db, ids, &words, places).await? {
                let text = highlighted(&headline);
                let hit = hits.entry(conversation).or_default();
                let field = match message {
                    Some(id) if with_inner_hits => {
                        let id = id.to_string();
                        hit.inner_hits.push(wire::InnerHit { id, text });
                        continue;
                    }
                    Some(_) => "text",
                    None => "subject",
                };
                let highlights = hit.highlights.entry(field.to_owned());
                highlights.or_default().fragments.push(text);
            }
        }
        let hit = |&id| wire::SearchHit {
            id,
            ..hits.remove(&id).unwrap_or_default()
        };
        Ok(ids.iter().map(hit).collect())
    }
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// Cuts a list that is newest first.
fn newest(mut ids: Vec<i64>, size: usize) -> Found {
    let more = ids.len() > size;
    ids.truncate(size);
    let next = ids.last().filter(|_| more).map(|id| Position::Newest(*id));
    (ids, next)
}

impl TryFrom<wire::SearchConversationsRequest> for Search {
    type Error = Violation;

    fn try_from(message: wire::SearchConversationsRequest) -> Result<Self, Violation> {
        let text = field::bounded("query", message.query, TEXT)?;
        if text.is_empty() && message.conditions.is_empty() {
            return Err(Violation::new(
                "query",
                "must not be empty when there are no conditions",
            ));
        }
        field::count("conditions", message.conditions.len(), 0, CONDITIONS)?;
        let conditions = message.conditions.iter().enumerate();
        Ok(Self {
            text,
            exact: message.exact_match,
            filters: Filters {
                any: message.any,
                conditions: conditions
                    .map(|(index, condition)| read(&format!("conditions[{index}]"), condition))
                    .collect::<Result<_, _>>()?,
            },
        })
    }
}

fn read(name: &str, condition: &wire::FilterCondition) -> Result<Condition, Violation> {
    let uuids = |condition: &wire::FilterCondition| values(name, condition, |name, text| field::uuid(&name, text));
    let reference = |reference, condition: &wire::FilterCondition| {
        Ok(Condition::Reference(
            reference,
            among(name, condition, uuids(condition)?)?,
        ))
    };
    let single = |condition: &wire::FilterCondition| match condition.operator() {
        Operator::IsOneOf | Operator::IsNotOneOf => Ok(()),
        _ => Err(unfit(name)),
    };
    match condition.field() {
        Field::Unspecified => Err(Violation::new(
            format!("{name}.field"),
            "must be a field of conversations",
        )),
        Field::AgentId => reference(Reference::Agent, condition),
        Field::QueueId => reference(Reference::Queue, condition),
        Field::ContactId => {
            single(condition)?;
            reference(Reference::Requester, condition)
        }
        Field::ConversationId => {
            single(condition)?;
            let ids = values(name, condition, |name, text| {
                text.parse()
                    .map_err(|_| Violation::new(name, "must be the id of a conversation"))
            })?;
            Ok(Condition::Conversation(among(name, condition, ids)?))
        }
        Field::Channel => word(name, Word::Channel, condition),
        Field::Direction => word(name, Word::Direction, condition),
        Field::Status => word(name, Word::State, condition),
        Field::AssignedDate => moment(name, Moment::Assigned, condition),
        Field::ClosedDate => moment(name, Moment::Closed, condition),
        Field::CreationDate => moment(name, Moment::Created, condition),
        Field::LastActivity => moment(name, Moment::LastActivity, condition),
        Field::LastMessage => moment(name, Moment::LastMessage, condition),
        Field::Duration => duration(name, condition),
        Field::TagId => {
            let mut tags = uuids(condition)?;
            tags.sort_unstable();
            tags.dedup();
            Ok(Condition::Tags(match condition.operator() {
                Operator::IsEmpty => Tags::Empty,
                Operator::IsNotEmpty => Tags::NotEmpty,
                Operator::IncludesAll => Tags::IncludesAll(tags),
                Operator::IncludesOne => Tags::IncludesOne(tags),
                Operator::ExcludesAll => Tags::ExcludesAll(tags),
                Operator::ExcludesOne => Tags::ExcludesOne(tags),
                _ => return Err(unfit(name)),
            }))
        }
        Field::CustomAttribute => attribute(name, condition),
    }
}

fn unfit(name: &str) -> Violation {
    Violation::new(format!("{name}.operator"), "does not fit the field")
}

fn values<T>(
    name: &str,
    condition: &wire::FilterCondition,
    read: impl Fn(String, &str) -> Result<T, Violation>,
) -> Result<Vec<T>, Violation> {
    let name = format!("{name}.values");
    field::count(&name, condition.values.len(), 0, VALUES)?;
    let values = condition.values.iter().enumerate();
    values
        .map(|(index, text)| read(format!("{name}[{index}]"), text))
        .collect()
}

fn among<T>(name: &str, condition: &wire::FilterCondition, values: Vec<T>) -> Result<Values<T>, Violation> {
    Ok(match condition.operator() {
        Operator::IsEmpty => Values::Empty,
        Operator::IsNotEmpty => Values::NotEmpty,
        Operator::IsOneOf => Values::OneOf(values),
        Operator::IsNotOneOf => Values::NotOneOf(values),
        _ => return Err(unfit(name)),
    })
}

fn word(name: &str, word: Word, condition: &wire::FilterCondition) -> Result<Condition, Violation> {
    let numbers = values(name, condition, |name, text| {
        word.numbers(text)
            .ok_or_else(|| Violation::new(name, "must be a documented word"))
    })?;
    let numbers = numbers.concat();
    Ok(Condition::Word(
        word,
        match condition.operator() {
            Operator::IsOneOf => Values::OneOf(numbers),
            Operator::IsNotOneOf => Values::NotOneOf(numbers),
            _ => return Err(unfit(name)),
        },
    ))
}

fn moment(name: &str, moment: Moment, condition: &wire::FilterCondition) -> Result<Condition, Violation> {
    let bound = |part: &str, bound: Option<prost_types::Timestamp>| {
        let name = format!("{name}.{part}");
        let bound = bound.ok_or_else(|| Violation::new(&name, "must be present"))?;
        field::time(&name, bound)
    };
    let (needs_from, needs_to) = match condition.operator() {
        Operator::Between => (true, true),
        Operator::Since => (true, false),
        Operator::Until => (false, true),
        _ => return Err(unfit(name)),
    };
    let from = needs_from.then(|| bound("from", condition.from)).transpose()?;
    let to = needs_to.then(|| bound("to", condition.to)).transpose()?;
    Ok(Condition::Moment(moment, from, to))
}

fn duration(name: &str, condition: &wire::FilterCondition) -> Result<Condition, Violation> {
    let bound = |part: &str, bound: Option<i64>| {
        let bound = bound.filter(|bound| *bound >= 0);
        bound.ok_or_else(|| Violation::new(format!("{name}.{part}"), "must be a number of seconds"))
    };
    let (needs_min, needs_max) = match condition.operator() {
        Operator::Between => (true, true),
        Operator::LongerThanOrEqualTo => (true, false),
        Operator::ShorterThanOrEqualTo => (false, true),
        _ => return Err(unfit(name)),
    };
    let min = needs_min.then(|| bound("min", condition.min)).transpose()?;
    let max = needs_max.then(|| bound("max", condition.max)).transpose()?;
    Ok(Condition::Duration(min, max))
}

/// The value of a text attribute is a text, also when it is given as a path of one; that of a select is a path.
fn attribute(name: &str, condition: &wire::FilterCondition) -> Result<Condition, Violation> {
    let id: Uuid = field::uuid(&format!("{name}.attribute_id"), &condition.attribute_id)?;
    let mut wanted = values(name, condition, |name, text| {
        Ok(json!(field::lookup(&name, text.to_owned())?))
    })?;
    field::count(&format!("{name}.paths"), condition.paths.len(), 0, VALUES)?;
    for (index, path) in condition.paths.iter().enumerate() {
        for text in &path.values {
            field::lookup(&format!("{name}.paths[{index}]"), text.clone())?;
        }
        if let [text] = path.values.as_slice() {
            wanted.push(json!(text));
        }
        wanted.push(json!(path.values));
    }
    Ok(Condition::Attribute(id, among(name, condition, wanted)?))
}
