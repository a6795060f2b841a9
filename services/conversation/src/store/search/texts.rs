//! What is shown of a hit.

use std::collections::HashMap;

use platform::OrgId;

use super::{INNER_HITS, Places, Sql, Words};
use crate::domain::search::{START, STOP};

/// The subjects and messages of these conversations that have the words, with headlines.
pub(super) fn push_texts(sql: &mut Sql, org: OrgId, ids: &[i64], words: &Words, places: Option<Places>) {
    sql.push("select p.id, f.id, f.headline from unnest(")
        .push_bind(ids.to_vec())
        .push("::bigint[]");
    let places = places.map(|places| Shown::new(ids, places));
    let (mut columns, mut positions) = ("id", None);
    if let Some(shown) = places {
        sql.push(", ")
            .push_bind(shown.firsts)
            .push("::integer[], ")
            .push_bind(shown.lasts)
            .push("::integer[]");
        columns = "id, first, last";
        positions = Some(shown.positions);
    }
    sql.push(format_args!(") as p ({columns})"))
        .push(
            " cross join lateral (
                 select c.language, c.subject, c.search from conversation.conversations c where c.org_id = ",
        )
        .push_bind(org.0)
        .push(" and c.id = p.id offset 0) c cross join lateral (select null::uuid as id, 0 as position, ");
    push_headline(sql, ("c.subject", "c.search"), words, "HighlightAll=true");
    sql.push(" as headline where c.search @@ (select ")
        .push_bind(&words.query)
        .push("::tsquery) union all (select m.id, m.position, ");
    push_headline(sql, ("m.content", "m.search"), words, "MaxWords=35, MinWords=15");
    sql.push(" as headline from conversation.messages m where m.org_id = ")
        .push_bind(org.0)
        .push(" and m.conversation_id = p.id and m.search @@ (select ")
        .push_bind(&words.query)
        .push("::tsquery)");
    match positions {
        Some(positions) => sql
            .push(" and m.position = any ((")
            .push_bind(positions)
            .push("::integer[])[p.first:p.last])"),
        None => sql.push(format_args!(" order by m.position desc limit {INNER_HITS}")),
    };
    sql.push(")) f order by p.id, f.position");
}

/// Which of the places that are known a page shows: a slice of `positions` for each conversation, counted from 1.
struct Shown {
    firsts: Vec<i32>,
    lasts: Vec<i32>,
    positions: Vec<i32>,
}

impl Shown {
    fn new(ids: &[i64], places: Places) -> Self {
        let mut found: HashMap<i64, Vec<i32>> = ids.iter().map(|id| (*id, Vec::new())).collect();
        for (id, position) in places {
            found.entry(id).and_modify(|positions| positions.push(position));
        }
        let mut shown = Self {
            firsts: Vec::with_capacity(ids.len()),
            lasts: Vec::with_capacity(ids.len()),
            positions: Vec::new(),
        };
        let count = |positions: &Vec<i32>| i32::try_from(positions.len()).unwrap_or(i32::MAX);
        for id in ids {
            let mut newest = found.remove(id).unwrap_or_default();
            newest.sort_unstable_by(|one, other| other.cmp(one));
            newest.truncate(INNER_HITS);
            shown.firsts.push(count(&shown.positions) + 1);
            shown.positions.append(&mut newest);
            shown.lasts.push(count(&shown.positions));
        }
        shown
    }
}

/// A text with what was found in it marked. What stands there as it was asked for is marked alone.
fn push_headline(sql: &mut Sql, (text, search): (&'static str, &'static str), words: &Words, options: &'static str) {
    let push_marked = |sql: &mut Sql, config: &str, query: &str| {
        sql.push(format_args!("ts_headline({config}, translate({text}, "))
            .push_bind(format!("{START}{STOP}"))
            .push(", ''), (select ")
            .push_bind(query.to_owned())
            .push("::tsquery), ")
            .push_bind(format!("StartSel={START}, StopSel={STOP}, {options}"))
            .push(")");
    };
    sql.push(format_args!("case when {search} @@ (select "))
        .push_bind(&words.literal)
        .push("::tsquery) then ");
    push_marked(sql, "'pg_catalog.simple'", &words.literal);
    sql.push(" else ");
    push_marked(sql, "conversation.search_config(c.language)", &words.query);
    sql.push(" end");
}
