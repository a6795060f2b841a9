//! Search. Statements are put together from constants and bound values; they are not kept prepared, so that each is
//! planned for its own words.

use platform::OrgId;
use sqlx::{PgExecutor, Postgres, QueryBuilder};
use uuid::Uuid;

use super::Store;
use crate::domain::ConversationError;
use crate::domain::search::{Condition, Filters, GENERIC, Moment, Reference, Search, Tags, Values, Word};

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
}

impl Store {
    /// Prepares the words of a search; `None` when nothing in the text is a word.
    pub(crate) async fn search_words(
        org: OrgId,
        on: impl PgExecutor<'_>,
        search: &Search,
    ) -> Result<Option<Words>, ConversationError> {
        let row = sqlx::query!(
            r#"select query::text as "query!", literal::text as "literal!" from conversation.search_query($1, $2, $3)"#,
            org.0,
            search.text,
            search.exact,
        )
        .fetch_one(on)
        .await?;
        Ok(Some(row).filter(|row| !row.query.is_empty()).map(|row| Words {
            query: row.query,
            literal: row.literal,
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
        Ok(sql.build_query_scalar().persistent(false).fetch_all(on).await?)
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
        Ok(sql.build_query_scalar().persistent(false).fetch_optional(on).await?)
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
        Ok(sql.build_query_as().persistent(false).fetch_all(on).await?)
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
        Ok(sql.build_query_as().persistent(false).fetch_all(on).await?)
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
        Ok(sql.build_query_as().persistent(false).fetch_all(on).await?)
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
    sql.push("select c.id from ");
    push_span(sql, org, filters, before, span);
    sql.push(" where ");
    if let Some(words) = words {
        sql.push("(c.search @@ ").push_bind(&words.query);
        // The offset keeps the comparison out of reach of the index of texts, which would be read for each row.
        sql.push("::tsquery or exists (select 1 from (select m.search from conversation.messages m where m.org_id = ")
            .push_bind(org.0)
            .push(" and m.conversation_id = c.id offset 0) m where m.search @@ ")
            .push_bind(&words.query)
            .push("::tsquery)) and ");
    }
    push_filters(sql, org, filters);
    sql.push(" order by c.id desc limit ").push_bind(limit);
}

fn push_walked_to(sql: &mut Sql, org: OrgId, filters: &Filters, before: i64, span: i64) {
    sql.push("select min(c.id) from ");
    push_span(sql, org, filters, before, span);
    sql.push(" having count(*) = ").push_bind(span);
}

fn push_index(sql: &mut Sql, org: OrgId, (filters, words): (&Filters, &Words), before: i64, limit: i64) {
    let query = &words.query;
    sql.push("select h.id, max(h.rank) from ((select m.conversation_id as id, max(ts_rank(m.search, ")
        .push_bind(query)
        .push("::tsquery)) as rank from conversation.messages m where m.org_id = ")
        .push_bind(org.0)
        .push(" and m.conversation_id < ")
        .push_bind(before)
        .push(" and m.search @@ ")
        .push_bind(query)
        .push("::tsquery");
    push_fits(sql, org, filters, "m.conversation_id");
    sql.push(" group by m.conversation_id order by m.conversation_id desc limit ")
        .push_bind(limit)
        .push(") union all (select c.id, ts_rank(c.search, ")
        .push_bind(query)
        .push("::tsquery) from conversation.conversations c where c.org_id = ")
        .push_bind(org.0)
        .push(" and c.id < ")
        .push_bind(before)
        .push(" and c.search @@ ")
        .push_bind(query)
        .push("::tsquery");
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
                 select c.id, conversation.search_headline(conversation.search_config(c.language), c.subject, c.search, ",
        )
        .push_bind(&words.query)
        .push("::tsquery, ")
        .push_bind(&words.literal)
        .push("::tsquery, 'HighlightAll=true') as headline from conversation.conversations c where c.org_id = ")
        .push_bind(org.0)
        .push(" and c.id = p.id and c.search @@ ")
        .push_bind(&words.query)
        .push("::tsquery offset 0) s");
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
                        conversation.search_headline(conversation.search_config(c.language), m.content, m.search, ",
        )
        .push_bind(&words.query)
        .push("::tsquery, ")
        .push_bind(&words.literal)
        .push("::tsquery, 'MaxWords=35, MinWords=15') as headline from conversation.messages m where m.org_id = ")
        .push_bind(org.0)
        .push(" and m.conversation_id = p.id and m.search @@ ")
        .push_bind(&words.query)
        .push("::tsquery order by m.position desc limit ")
        .push_bind(INNER_HITS)
        .push(") f order by p.id, f.position");
}

/// The part of the conversations over which a walk goes, as `c`. What has an index of its own narrows it from within.
fn push_span(sql: &mut Sql, org: OrgId, filters: &Filters, before: i64, span: i64) {
    sql.push("(select * from conversation.conversations c where c.org_id = ")
        .push_bind(org.0)
        .push(" and c.id < ")
        .push_bind(before);
    let needed = filters.conditions.iter().filter(|_| !filters.any);
    for condition in needed {
        if matches!(
            condition,
            Condition::Conversation(Values::OneOf(_))
                | Condition::Reference(Reference::Agent | Reference::Requester, Values::OneOf(_))
        ) {
            sql.push(" and ");
            push_condition(sql, org, condition);
        }
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

/// Whether the conversation `c` fits.
fn push_filters(sql: &mut Sql, org: OrgId, filters: &Filters) {
    if filters.conditions.is_empty() {
        sql.push("true");
        return;
    }
    let between = if filters.any { " or " } else { " and " };
    for (index, condition) in filters.conditions.iter().enumerate() {
        sql.push(if index == 0 { "(" } else { between });
        push_condition(sql, org, condition);
    }
    sql.push(")");
}

fn push_condition(sql: &mut Sql, org: OrgId, condition: &Condition) {
    match condition {
        Condition::Reference(reference, values) => {
            let column = match reference {
                Reference::Agent => "c.agent_id",
                Reference::Queue => "c.queue_id",
                Reference::Requester => "c.requester_id",
            };
            push_values(sql, column, values);
        }
        Condition::Conversation(values) => push_values(sql, "c.id", values),
        Condition::Word(word, values) => {
            let column = match word {
                Word::Channel => return push_channel(sql, values),
                Word::Direction => "c.direction",
                Word::State => "c.state",
            };
            push_values(sql, column, values);
        }
        Condition::Moment(moment, from, to) => {
            let column = match moment {
                Moment::Assigned => "c.assigned_at",
                Moment::Closed => "c.closed_at",
                Moment::Created => "c.created_at",
                Moment::LastActivity => "c.updated_at",
                Moment::LastMessage => "c.last_message_at",
            };
            push_range(sql, column, *from, *to);
        }
        Condition::Duration(min, max) => {
            push_range(
                sql,
                "extract(epoch from coalesce(c.closed_at, now()) - c.created_at)",
                *min,
                *max,
            );
        }
        Condition::Tags(tags) => push_tags(sql, org, tags),
        Condition::Attribute(id, values) => {
            let (negated, wanted) = match values {
                Values::Empty => (true, None),
                Values::NotEmpty => (false, None),
                Values::OneOf(values) => (false, Some(values)),
                Values::NotOneOf(values) => (true, Some(values)),
            };
            sql.push(if negated { "not " } else { "" })
                .push("exists (select 1 from conversation.conversation_attributes a where a.org_id = ")
                .push_bind(org.0)
                .push(" and a.conversation_id = c.id and a.attribute_id = ")
                .push_bind(*id);
            if let Some(wanted) = wanted {
                sql.push(" and a.value = any(").push_bind(wanted.clone()).push(")");
            }
            sql.push(")");
        }
    }
}

fn push_values<T>(sql: &mut Sql, column: &'static str, values: &Values<T>)
where
    T: Clone + for<'a> sqlx::Encode<'a, Postgres> + sqlx::Type<Postgres> + sqlx::postgres::PgHasArrayType,
{
    match values {
        Values::Empty => sql.push(column).push(" is null"),
        Values::NotEmpty => sql.push(column).push(" is not null"),
        Values::OneOf(values) => sql.push(column).push(" = any(").push_bind(values.clone()).push(")"),
        Values::NotOneOf(values) => sql
            .push("(")
            .push(column)
            .push(" = any(")
            .push_bind(values.clone())
            .push(")) is not true"),
    };
}

fn push_channel(sql: &mut Sql, values: &Values<i16>) {
    let (negated, channels) = match values {
        Values::OneOf(channels) => (false, channels),
        Values::NotOneOf(channels) => (true, channels),
        Values::Empty | Values::NotEmpty => return push_values(sql, "c.channel", values),
    };
    let generic = channels.contains(&GENERIC);
    sql.push(if negated { "not " } else { "" })
        .push("(c.channel = any(")
        .push_bind(channels.clone())
        .push(if generic { ") or c.type = 5)" } else { "))" });
}

fn push_range<T>(sql: &mut Sql, column: &'static str, from: Option<T>, to: Option<T>)
where
    T: for<'a> sqlx::Encode<'a, Postgres> + sqlx::Type<Postgres>,
{
    sql.push("(true");
    for (bound, operator) in [(from, " >= "), (to, " <= ")] {
        if let Some(bound) = bound {
            sql.push(" and ").push(column).push(operator).push_bind(bound);
        }
    }
    // Nothing is before or after a time that there is not.
    sql.push(") is true");
}

fn push_tags(sql: &mut Sql, org: OrgId, tags: &Tags) {
    let (before, wanted, after) = match tags {
        Tags::Empty => ("not exists (select 1", None, ")"),
        Tags::NotEmpty => ("exists (select 1", None, ")"),
        Tags::IncludesOne(tags) => ("exists (select 1", Some(tags), ")"),
        Tags::ExcludesAll(tags) => ("not exists (select 1", Some(tags), ")"),
        Tags::IncludesAll(tags) => ("(select count(*)", Some(tags), ") = "),
        Tags::ExcludesOne(tags) => ("(select count(*)", Some(tags), ") < "),
    };
    sql.push(before)
        .push(" from conversation.conversation_tags t where t.org_id = ")
        .push_bind(org.0)
        .push(" and t.conversation_id = c.id");
    if let Some(wanted) = wanted {
        sql.push(" and t.tag_id = any(").push_bind(wanted.clone()).push(")");
    }
    sql.push(after);
    if let Tags::IncludesAll(tags) | Tags::ExcludesOne(tags) = tags {
        sql.push_bind(i64::try_from(tags.len()).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests;
