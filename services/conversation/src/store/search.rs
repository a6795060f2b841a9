//! Search. Statements are put together from constants and bound values. Words come from subqueries, which the planner takes
//! for words of any frequency: which plan is right was decided before, and planning costs as much as a small page.

use platform::OrgId;
use sqlx::{PgExecutor, Postgres, QueryBuilder};
use uuid::Uuid;

use super::Store;
use crate::domain::ConversationError;
use crate::domain::search::{Condition, Filters, Reference, Search, Values};
use filters::{push_condition, push_filters};

mod filters;

type Sql = QueryBuilder<Postgres>;

/// Messages that a hit shows at most, newest first.
const INNER_HITS: i64 = 5;

/// The words of a search in the database's form.
#[derive(Debug)]
pub(crate) struct Words {
    /// What finds them.
    query: String,
    /// What finds them as they stand.
    literal: String,
    /// What finds them, and perhaps others, in the index of texts.
    scope: String,
}

impl Store {
    /// Prepares the words of a search; `None` when nothing in the text is a word.
    pub(crate) async fn search_words(
        org: OrgId,
        on: impl PgExecutor<'_>,
        search: &Search,
    ) -> Result<Option<Words>, ConversationError> {
        let row = sqlx::query!(
            r#"select query::text as "query!", literal::text as "literal!",
                      conversation.search_scope($1, query)::text as "scope!"
               from conversation.search_query($1, $2, $3)"#,
            org.0,
            search.text,
            search.exact,
        )
        .fetch_one(on)
        .await?;
        Ok(Some(row).filter(|row| !row.query.is_empty()).map(|row| Words {
            query: row.query,
            literal: row.literal,
            scope: row.scope,
        }))
    }

    /// Walks over the `span` newest conversations below `before`, by key, and stops when `limit` of them fit: their ids,
    /// newest first.
    pub(crate) async fn search_walk(
        org: OrgId,
        on: impl PgExecutor<'_>,
        (filters, words): (&Filters, Option<&Words>),
        before: i64,
        span: i64,
        limit: i64,
    ) -> Result<Vec<i64>, ConversationError> {
        let mut sql = Sql::default();
        push_walk(&mut sql, org, (filters, words), before, span, limit);
        Ok(sql.build_query_scalar().fetch_all(on).await?)
    }

    /// Where a walk over `span` conversations ended; `None` when there were no more of them.
    pub(crate) async fn search_walked_to(
        org: OrgId,
        on: impl PgExecutor<'_>,
        filters: &Filters,
        before: i64,
        span: i64,
    ) -> Result<Option<i64>, ConversationError> {
        let mut sql = Sql::default();
        push_walked_to(&mut sql, org, filters, before, span);
        Ok(sql.build_query_scalar().fetch_optional(on).await?)
    }

    /// The newest conversations below `before` that have the words and fit, through the index of texts, newest first, each
    /// with how well it fits.
    pub(crate) async fn search_index(
        org: OrgId,
        on: impl PgExecutor<'_>,
        (filters, words): (&Filters, &Words),
        before: i64,
        limit: i64,
    ) -> Result<Vec<(i64, f32)>, ConversationError> {
        let mut sql = Sql::default();
        push_index(&mut sql, org, (filters, words), before, limit);
        Ok(sql.build_query_as().fetch_all(on).await?)
    }

    /// The subjects among these conversations' that have the words.
    pub(crate) async fn found_subjects(
        org: OrgId,
        on: impl PgExecutor<'_>,
        ids: &[i64],
        words: &Words,
    ) -> Result<Vec<(i64, String)>, ConversationError> {
        let mut sql = Sql::default();
        push_subjects(&mut sql, org, ids, words);
        Ok(sql.build_query_as().fetch_all(on).await?)
    }

    /// The newest messages of each of these conversations that have the words, oldest first: conversation, message and
    /// headline.
    pub(crate) async fn found_messages(
        org: OrgId,
        on: impl PgExecutor<'_>,
        ids: &[i64],
        words: &Words,
    ) -> Result<Vec<(i64, Uuid, String)>, ConversationError> {
        let mut sql = Sql::default();
        push_messages(&mut sql, org, ids, words);
        Ok(sql.build_query_as().fetch_all(on).await?)
    }
}

fn push_walk(
    sql: &mut Sql,
    org: OrgId,
    (filters, words): (&Filters, Option<&Words>),
    before: i64,
    span: i64,
    limit: i64,
) {
    if let Some(words) = words
        && narrowing(filters).next().is_none()
    {
        return push_walk_over_texts(sql, org, (filters, words), before, span, limit);
    }
    sql.push("select c.id from ");
    push_span(sql, org, filters, before, span);
    sql.push(" where ");
    if let Some(words) = words {
        sql.push("(c.search @@ (select ").push_bind(&words.query);
        // The offset keeps the comparison out of reach of the index of texts, which would be read for each row.
        sql.push("::tsquery) or exists (select 1 from (select m.search from conversation.messages m where m.org_id = ")
            .push_bind(org.0)
            .push(" and m.conversation_id = c.id offset 0) m where m.search @@ (select ")
            .push_bind(&words.query)
            .push("::tsquery))) and ");
    }
    push_filters(sql, org, filters);
    sql.push(" order by c.id desc limit ").push_bind(limit);
}

/// The same where the span is simply the newest conversations: then their messages lie side by side, and are read in one
/// go until enough of them have the words.
fn push_walk_over_texts(
    sql: &mut Sql,
    org: OrgId,
    (filters, words): (&Filters, &Words),
    before: i64,
    span: i64,
    limit: i64,
) {
    // The offset keeps the words out of reach of the index of texts, which would find all of them to return the newest.
    sql.push(
        "with hit as materialized (select m.conversation_id as id from (
             select m.conversation_id, m.search from conversation.messages m where m.org_id = ",
    )
    .push_bind(org.0)
    .push(" and m.conversation_id < ")
    .push_bind(before)
    .push(" and m.conversation_id >= coalesce((select c.id from conversation.conversations c where c.org_id = ")
    .push_bind(org.0)
    .push(" and c.id < ")
    .push_bind(before)
    .push(" order by c.id desc offset ")
    .push_bind(span - 1)
    .push(" limit 1), 0) order by m.conversation_id desc offset 0) m where m.search @@ (select ")
    .push_bind(&words.query)
    .push("::tsquery)");
    push_fits(sql, org, filters, "m.conversation_id");
    sql.push(" group by m.conversation_id order by m.conversation_id desc limit ")
        .push_bind(limit)
        // Subjects matter only as far back as the page reaches.
        .push(
            ") select h.id from (select hit.id from hit union all (select c.id from (
                 select * from conversation.conversations c where c.org_id = ",
        )
        .push_bind(org.0)
        .push(" and c.id < ")
        .push_bind(before)
        .push(" and c.id >= coalesce((select min(hit.id) from hit having count(*) = ")
        .push_bind(limit)
        .push("), 0) order by c.id desc limit ")
        .push_bind(span)
        .push(") c where c.search @@ (select ")
        .push_bind(&words.query)
        .push("::tsquery) and ");
    push_filters(sql, org, filters);
    sql.push(" order by c.id desc limit ")
        .push_bind(limit)
        .push(")) h group by h.id order by h.id desc limit ")
        .push_bind(limit);
}

fn push_walked_to(sql: &mut Sql, org: OrgId, filters: &Filters, before: i64, span: i64) {
    sql.push("select min(c.id) from ");
    push_span(sql, org, filters, before, span);
    sql.push(" having count(*) = ").push_bind(span);
}

fn push_index(sql: &mut Sql, org: OrgId, (filters, words): (&Filters, &Words), before: i64, limit: i64) {
    let query = &words.query;
    sql.push("select h.id, max(h.rank) from ((select m.conversation_id as id, max(ts_rank(m.search, (select ")
        .push_bind(query)
        .push("::tsquery))) as rank from conversation.messages m where m.org_id = ")
        .push_bind(org.0)
        .push(" and m.conversation_id < ")
        .push_bind(before)
        .push(" and conversation.search_scope(m.org_id, m.search) @@ (select ")
        .push_bind(&words.scope)
        .push("::tsquery) and m.search @@ (select ")
        .push_bind(query)
        .push("::tsquery)");
    push_fits(sql, org, filters, "m.conversation_id");
    sql.push(" group by m.conversation_id order by m.conversation_id desc limit ")
        .push_bind(limit)
        .push(") union all (select c.id, ts_rank(c.search, (select ")
        .push_bind(query)
        .push("::tsquery)) from conversation.conversations c where c.org_id = ")
        .push_bind(org.0)
        .push(" and c.id < ")
        .push_bind(before)
        .push(" and conversation.search_scope(c.org_id, c.search) @@ (select ")
        .push_bind(&words.scope)
        .push("::tsquery) and c.search @@ (select ")
        .push_bind(query)
        .push("::tsquery)");
    push_fits(sql, org, filters, "c.id");
    sql.push(" order by c.id desc limit ")
        .push_bind(limit)
        .push(")) h group by h.id order by h.id desc limit ")
        .push_bind(limit);
}

fn push_subjects(sql: &mut Sql, org: OrgId, ids: &[i64], words: &Words) {
    sql.push("select s.id, s.headline from unnest(")
        .push_bind(ids.to_vec())
        .push(
            "::bigint[]) as p (id) cross join lateral (
                 select c.id, conversation.search_headline(conversation.search_config(c.language), c.subject, c.search, (select ",
        )
        .push_bind(&words.query).push("::tsquery), (select ")
        .push_bind(&words.literal).push("::tsquery), 'HighlightAll=true') as headline from conversation.conversations c where c.org_id = ")
        .push_bind(org.0)
        .push(" and c.id = p.id and c.search @@ (select ")
        .push_bind(&words.query).push("::tsquery) offset 0) s");
}

fn push_messages(sql: &mut Sql, org: OrgId, ids: &[i64], words: &Words) {
    sql.push("select p.id, f.id, f.headline from unnest(")
        .push_bind(ids.to_vec())
        .push(
            "::bigint[]) as p (id)
             cross join lateral (select c.language from conversation.conversations c where c.org_id = ",
        )
        .push_bind(org.0)
        .push(
            " and c.id = p.id offset 0) c
             cross join lateral (
                 select m.id, m.position,
                        conversation.search_headline(conversation.search_config(c.language), m.content, m.search, (select ",
        )
        .push_bind(&words.query).push("::tsquery), (select ")
        .push_bind(&words.literal).push("::tsquery), 'MaxWords=35, MinWords=15') as headline from conversation.messages m where m.org_id = ")
        .push_bind(org.0)
        .push(" and m.conversation_id = p.id and m.search @@ (select ")
        .push_bind(&words.query).push("::tsquery) order by m.position desc limit ")
        .push_bind(INNER_HITS)
        .push(") f order by p.id, f.position");
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
