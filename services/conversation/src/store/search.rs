//! Search. Statements are put together from constants and bound values. Words come from subqueries, which the planner takes
//! for words of any frequency: which plan is right was decided before, and planning costs as much as a small page.

use platform::OrgId;
use sqlx::{PgExecutor, Postgres, QueryBuilder};
use uuid::Uuid;

use super::Store;
use crate::domain::ConversationError;
use crate::domain::search::{Condition, Filters, Reference, Search, Values};
use filters::{push_condition, push_filters};
use texts::push_texts;

mod filters;
mod texts;

type Sql = QueryBuilder<Postgres>;

/// Messages that a hit shows at most, newest first.
const INNER_HITS: usize = 5;
/// So many ids are sent unsorted.
const SENT: i64 = 2000;

/// The words of a search in the database's form.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Words {
    /// What finds them; empty when nothing in the text is a word.
    query: String,
    /// What finds them as they stand.
    literal: String,
    /// What finds them, and perhaps others, in the index of texts.
    scope: String,
    /// Whether the index finds others as well.
    inexact: bool,
}

impl Words {
    /// Whether nothing in the text is a word.
    pub(crate) fn are_none(&self) -> bool {
        self.query.is_empty()
    }
}

/// Where messages are that have the words: the conversation and the position of each.
pub(crate) type Places = Vec<(i64, i32)>;

/// What a walk over the newest conversations found.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Walk {
    /// Those that fit, newest first.
    pub(crate) ids: Vec<i64>,
    hit_ids: Option<Vec<i64>>,
    hit_positions: Option<Vec<i32>>,
    /// Where the next one begins; `None` when there were enough that fit, or no more conversations.
    pub(crate) reached: Option<i64>,
}

impl Walk {
    /// Where the messages of these conversations are that have the words and that a page shows, unless they have to be looked
    /// for.
    pub(crate) fn places(&mut self) -> Option<Places> {
        Some(
            self.hit_ids
                .take()?
                .into_iter()
                .zip(self.hit_positions.take()?)
                .collect(),
        )
    }
}

/// How a search for words begins.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Probe {
    /// The words.
    #[sqlx(flatten)]
    pub(crate) words: Words,
    /// The first walk.
    #[sqlx(flatten)]
    pub(crate) walk: Walk,
}

/// A text that was found: its conversation, its message (`None`: the subject) and its headline.
pub(crate) type Text = (i64, Option<Uuid>, String);

/// The words a statement is about.
#[derive(Clone, Copy, Debug)]
enum Asked<'a> {
    /// Known from before.
    Known(&'a Words),
    /// Those of the part `asked` of the same statement.
    Here,
}

impl Asked<'_> {
    fn push(self, sql: &mut Sql) {
        match self {
            Self::Known(words) => sql.push("(select ").push_bind(&words.query).push("::tsquery)"),
            Self::Here => sql.push("(select asked.query from asked)"),
        };
    }
}

impl Store {
    /// Prepares the words of a search.
    pub(crate) async fn search_words(
        org: OrgId,
        on: impl PgExecutor<'_>,
        search: &Search,
    ) -> Result<Words, ConversationError> {
        let mut sql = Sql::new("with ");
        push_asked(&mut sql, org, search);
        sql.push(" select ").push(WORDS).push(" from asked");
        Ok(sql.build_query_as().fetch_one(on).await?)
    }

    /// The same, with the walk that a search for them begins with.
    pub(crate) async fn search_probe(
        org: OrgId,
        on: impl PgExecutor<'_>,
        search: &Search,
        before: i64,
        span: i64,
        limit: i64,
    ) -> Result<Probe, ConversationError> {
        let mut sql = Sql::new("with ");
        push_asked(&mut sql, org, search);
        sql.push(", ");
        push_walk(&mut sql, org, (&search.filters, Some(Asked::Here)), before, span, limit);
        sql.push(" select ")
            .push(WORDS)
            .push(", ")
            .push(WALK)
            .push(" from asked, walk");
        Ok(sql.build_query_as().fetch_one(on).await?)
    }

    /// Walks over the `span` newest conversations below `before`, by key, and stops when `limit` of them fit.
    pub(crate) async fn search_walk(
        org: OrgId,
        on: impl PgExecutor<'_>,
        (filters, words): (&Filters, Option<&Words>),
        before: i64,
        span: i64,
        limit: i64,
    ) -> Result<Walk, ConversationError> {
        let mut sql = Sql::new("with ");
        let what = (filters, words.map(Asked::Known));
        push_walk(&mut sql, org, what, before, span, limit);
        sql.push(" select ").push(WALK).push(" from walk");
        Ok(sql.build_query_as().fetch_one(on).await?)
    }

    /// The newest conversations below `before` that have the words and fit, through the index of texts, newest first; where
    /// their messages are that have them, as in [`Walk::places`]; and how many texts were found in all.
    pub(crate) async fn search_newest(
        org: OrgId,
        on: impl PgExecutor<'_>,
        what: (&Filters, &Words),
        before: i64,
        limit: i64,
    ) -> Result<(Vec<i64>, Option<Places>, i64), ConversationError> {
        let mut sql = Sql::default();
        push_newest(&mut sql, org, what, before, limit);
        let found: (Vec<i64>, Option<Vec<i32>>, i64) = sql.build_query_as().fetch_one(on).await?;
        let (mut ids, positions, texts) = found;
        // Subjects have none.
        let places =
            positions.map(|positions| ids.iter().copied().zip(positions).filter(|(_, position)| *position > 0));
        let places = places.map(Iterator::collect);
        ids.sort_unstable_by(|one, other| other.cmp(one));
        ids.dedup();
        ids.truncate(usize::try_from(limit).unwrap_or_default());
        Ok((ids, places, texts))
    }

    /// The conversations that fit the words best, of those with the newest `texts` that have them: each with how well it
    /// does, best first, after this rank and conversation.
    pub(crate) async fn search_best(
        org: OrgId,
        on: impl PgExecutor<'_>,
        what: (&Filters, &Words),
        texts: i64,
        after: Option<(f32, i64)>,
        limit: i64,
    ) -> Result<Vec<(i64, f32)>, ConversationError> {
        let mut sql = Sql::default();
        push_best(&mut sql, org, what, texts, after, limit);
        Ok(sql.build_query_as().fetch_all(on).await?)
    }

    /// What has the words in these conversations: their subjects, and the newest messages of each, oldest first. All of
    /// these messages are in `places`, or they are looked for.
    pub(crate) async fn search_texts(
        org: OrgId,
        on: impl PgExecutor<'_>,
        ids: &[i64],
        words: &Words,
        places: Option<Places>,
    ) -> Result<Vec<Text>, ConversationError> {
        let mut sql = Sql::default();
        push_texts(&mut sql, org, ids, words, places);
        Ok(sql.build_query_as().fetch_all(on).await?)
    }
}

/// What is read of the parts `asked` and `walk` of a statement.
const WORDS: &str =
    "asked.query::text as query, asked.literal::text as literal, asked.scope::text as scope, asked.inexact";
const WALK: &str = "walk.ids, walk.hit_ids, walk.hit_positions, walk.reached";

fn push_asked(sql: &mut Sql, org: OrgId, search: &Search) {
    // Places and weights are not in the index of texts; their signs may stand in a word, too.
    sql.push(
        "asked as materialized (
             select q.query, q.literal, conversation.search_scope(",
    )
    .push_bind(org.0)
    .push(", q.query) as scope, q.query::text ~ '[<:]' as inexact from conversation.search_query(")
    .push_bind(org.0)
    .push(", ")
    .push_bind(search.text.clone())
    .push(", ")
    .push_bind(search.exact)
    .push(") q)");
}

fn push_walk(
    sql: &mut Sql,
    org: OrgId,
    (filters, words): (&Filters, Option<Asked<'_>>),
    before: i64,
    span: i64,
    limit: i64,
) {
    if let Some(words) = words
        && narrowing(filters).next().is_none()
    {
        return push_walk_over_texts(sql, org, (filters, words), before, span, limit);
    }
    sql.push("walked as materialized (select array(");
    push_fitting(sql, org, (filters, words), before, span, limit);
    sql.push(
        ") as ids), walk as (select walked.ids, null::bigint[] as hit_ids, null::integer[] as hit_positions,
             case when cardinality(walked.ids) < ",
    )
    .push_bind(limit)
    .push(" then (select min(c.id) from ");
    push_span(sql, org, filters, before, span);
    sql.push(" having count(*) = ")
        .push_bind(span)
        .push(") end as reached from walked)");
}

/// The ids of those that fit, newest first.
fn push_fitting(
    sql: &mut Sql,
    org: OrgId,
    (filters, words): (&Filters, Option<Asked<'_>>),
    before: i64,
    span: i64,
    limit: i64,
) {
    sql.push("select c.id from ");
    push_span(sql, org, filters, before, span);
    sql.push(" where ");
    if let Some(words) = words {
        sql.push("(c.search @@ ");
        words.push(sql);
        sql.push(" or exists (select 1 from conversation.messages m where m.org_id = ")
            .push_bind(org.0)
            .push(" and m.conversation_id = c.id and m.search @@ ");
        words.push(sql);
        sql.push(" offset 0)) and ");
    }
    push_filters(sql, org, filters);
    sql.push(" order by c.id desc limit ").push_bind(limit);
}

/// The same where the span is simply the newest conversations: then their messages lie side by side, and are read in one
/// go until enough of them have the words.
fn push_walk_over_texts(
    sql: &mut Sql,
    org: OrgId,
    (filters, words): (&Filters, Asked<'_>),
    before: i64,
    span: i64,
    limit: i64,
) {
    sql.push("bound as materialized (select coalesce((select c.id from conversation.conversations c where c.org_id = ")
        .push_bind(org.0)
        .push(" and c.id < ")
        .push_bind(before)
        .push(" order by c.id desc offset ")
        .push_bind(span - 1)
        .push(
            " limit 1), 0) as id),
             ",
        )
        // No more of a conversation than a page shows.
        .push(format_args!(
            "hit as materialized (select m.conversation_id as id,
                                         (array_agg(m.position order by m.position desc))[:{INNER_HITS}] as positions
                                  from conversation.messages m where m.org_id = ",
        ))
        .push_bind(org.0)
        .push(" and m.conversation_id < ")
        .push_bind(before)
        .push(" and m.conversation_id >= (select bound.id from bound) and m.search @@ ");
    words.push(sql);
    push_fits(sql, org, filters, "m.conversation_id");
    sql.push(" group by m.conversation_id order by m.conversation_id desc limit ")
        .push_bind(limit)
        // Subjects matter only as far back as the page reaches.
        .push(
            "), walked as materialized (select array(
                 select h.id from (select hit.id from hit union all (select c.id from (
                     select * from conversation.conversations c where c.org_id = ",
        )
        .push_bind(org.0)
        .push(" and c.id < ")
        .push_bind(before)
        .push(" and c.id >= coalesce((select min(hit.id) from hit having count(*) = ")
        .push_bind(limit)
        .push("), 0) order by c.id desc limit ")
        .push_bind(span)
        .push(") c where c.search @@ ");
    words.push(sql);
    sql.push(" and ");
    push_filters(sql, org, filters);
    sql.push(" order by c.id desc limit ")
        .push_bind(limit)
        .push(")) h group by h.id order by h.id desc limit ")
        .push_bind(limit)
        .push(
            ") as ids, array(select hit.id from hit, unnest(hit.positions)) as hit_ids,
                 array(select place.position from hit, unnest(hit.positions) as place (position)) as hit_positions),
             walk as (select walked.*, case when cardinality(walked.ids) < ",
        )
        .push_bind(limit)
        .push(" and bound.id > 0 then bound.id end as reached from walked, bound)");
}

fn push_newest(sql: &mut Sql, org: OrgId, what: (&Filters, &Words), before: i64, limit: i64) {
    sql.push(
        "with hit as materialized (select coalesce(array_agg(h.id), '{}') as ids,
                                          coalesce(array_agg(h.position), '{}') as positions from (",
    );
    push_hits(sql, org, what, before, false);
    // To sort few of them costs more here than to send them.
    sql.push(") h) select case when cardinality(hit.ids) <= ")
        .push_bind(SENT)
        .push(
            " then hit.ids else array(
                  select of.id from unnest(hit.ids) as of (id) group by of.id order by of.id desc limit ",
        )
        .push_bind(limit)
        .push(") end, case when cardinality(hit.ids) <= ")
        .push_bind(SENT)
        .push(" then hit.positions end, cardinality(hit.ids)::bigint from hit");
}

fn push_best(sql: &mut Sql, org: OrgId, what: (&Filters, &Words), texts: i64, after: Option<(f32, i64)>, limit: i64) {
    sql.push("select p.id, p.rank from (select h.id, max(h.rank) as rank from (select * from (");
    push_hits(sql, org, what, i64::MAX, true);
    sql.push(") h order by h.id desc limit ")
        .push_bind(texts)
        .push(") h group by h.id) p where true");
    if let Some((rank, id)) = after {
        sql.push(" and (p.rank, p.id) < (")
            .push_bind(rank)
            .push(", ")
            .push_bind(id)
            .push(")");
    }
    sql.push(" order by p.rank desc, p.id desc limit ").push_bind(limit);
}

/// The texts with the words in conversations below `before` that fit, through the index of texts: each by the `id` of its
/// conversation and its `position`, which is 0 for a subject, and with its `rank`.
fn push_hits(sql: &mut Sql, org: OrgId, (filters, words): (&Filters, &Words), before: i64, ranked: bool) {
    for (table, id, position) in [
        ("messages", "t.conversation_id", "t.position"),
        ("conversations", "t.id", "0"),
    ] {
        if table != "messages" {
            sql.push(" union all ");
        }
        sql.push(format_args!("(select {id} as id, {position} as position"));
        if ranked {
            sql.push(", ts_rank(t.search, (select ")
                .push_bind(&words.query)
                .push("::tsquery)) as rank");
        }
        sql.push(format_args!(" from conversation.{table} t where t.org_id = "))
            .push_bind(org.0)
            .push(format_args!(" and {id} < "))
            .push_bind(before)
            .push(" and conversation.search_scope(t.org_id, t.search) @@ (select ")
            .push_bind(&words.scope)
            .push("::tsquery)");
        if words.inexact {
            sql.push(" and t.search @@ (select ")
                .push_bind(&words.query)
                .push("::tsquery)");
        }
        push_fits(sql, org, filters, id);
        // The offset keeps the order from the planner, which would read all texts by key, newest first.
        sql.push(" offset 0)");
    }
}

/// What narrows a walk from within, because it has an index of its own.
fn narrowing(filters: &Filters) -> impl Iterator<Item = &Condition> {
    let needed = filters.conditions.iter().filter(|_| !filters.any);
    needed.filter(|condition| {
        matches!(
            condition,
            Condition::Conversation(Values::OneOf(_))
                | Condition::Reference(Reference::Agent | Reference::Requester, Values::OneOf(_))
        )
    })
}

/// The part of the conversations over which a walk goes, as `c`.
fn push_span(sql: &mut Sql, org: OrgId, filters: &Filters, before: i64, span: i64) {
    sql.push("(select * from conversation.conversations c where c.org_id = ")
        .push_bind(org.0)
        .push(" and c.id < ")
        .push_bind(before);
    for condition in narrowing(filters) {
        sql.push(" and ");
        push_condition(sql, org, condition);
    }
    sql.push(" order by c.id desc limit ").push_bind(span).push(") c");
}

/// And the conversation with the id in `column` fits. The offset keeps the conditions from the planner, which would read
/// everything to find the few that fit, instead of the newest until there are enough.
fn push_fits(sql: &mut Sql, org: OrgId, filters: &Filters, column: &'static str) {
    if filters.conditions.is_empty() {
        return;
    }
    sql.push(" and exists (select 1 from (select * from conversation.conversations x where x.org_id = ")
        .push_bind(org.0)
        .push(" and x.id = ")
        .push(column)
        .push(" offset 0) c where ");
    push_filters(sql, org, filters);
    sql.push(")");
}

#[cfg(test)]
mod tests;
