//! The conditions of a search, as SQL.

use platform::OrgId;
use sqlx::Postgres;

use super::Sql;
use crate::domain::search::{Condition, Filters, GENERIC, Moment, Reference, Tags, Values, Word};

/// Whether the conversation `c` fits.
pub(super) fn push_filters(sql: &mut Sql, org: OrgId, filters: &Filters) {
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

pub(super) fn push_condition(sql: &mut Sql, org: OrgId, condition: &Condition) {
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
