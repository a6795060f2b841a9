//! How the database goes about searches.

use sqlx::PgPool;

use super::*;
use crate::domain::channel::Channel;
use crate::domain::search::{Moment, Tags, Word};

const TAGGED: Uuid = Uuid::from_u128(7);

/// 20 000 conversations of ten messages each: `common` is in each message, `frequent` in each hundredth and `rare` in
/// two of them.
///
/// The index is built afterwards, as a restored dump would have it: row by row takes minutes.
async fn load(pool: &PgPool, org: OrgId) {
    let index: String = sqlx::query_scalar("select pg_get_indexdef('conversation.messages_search'::regclass)")
        .fetch_one(pool)
        .await
        .unwrap();
    for statement in [
        "drop index conversation.messages_search",
        "alter table conversation.messages disable trigger index_message",
    ] {
        sqlx::query(statement).execute(pool).await.unwrap();
    }
    for statement in [
        "insert into conversation.conversations (org_id, type, channel, direction, state, state_updated_at, requester_id,
                                                 subject, language, created_at, updated_at)
         select $1, 3, 6, 1, 1, now(), gen_random_uuid(), 'common subject ' || n, 'en', now(), now()
         from generate_series(1, 20000) n",
        "insert into conversation.messages (org_id, conversation_id, position, id, type, direction, author_id, content_type,
                                            content, created_at, search)
         select $1, c.id, p, gen_random_uuid(), 2, 1, c.requester_id, 1, t.content, now(),
                conversation.search_vector('english', t.content)
         from conversation.conversations c, generate_series(1, 10) p,
              lateral (select concat_ws(' ', 'common', case when (c.id * 10 + p) % 100 = 0 then 'frequent' end,
                                        case when p = 1 and c.id % 10000 = 0 then 'rare' end, 'filler', c.id % 1000)
                       as content) t
         where c.org_id = $1",
    ] {
        sqlx::query(statement).bind(org.0).execute(pool).await.unwrap();
    }
    sqlx::query(sqlx::AssertSqlSafe(index)).execute(pool).await.unwrap();
    for statement in ["analyze conversation.conversations", "analyze conversation.messages"] {
        sqlx::query(statement).execute(pool).await.unwrap();
    }
}

async fn assert_uses_indexes(pool: &PgPool, mut sql: Sql) {
    let plan: Vec<String> = sql
        .build_query_scalar()
        .persistent(false)
        .fetch_all(pool)
        .await
        .unwrap();
    let plan = plan.join("\n");
    for table in ["conversations", "messages"] {
        assert!(
            !plan.contains(&format!("Seq Scan on {table}")),
            "{}\n{plan}",
            sql.sql().as_str()
        );
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn no_search_reads_a_whole_table(pool: PgPool) {
    let org = OrgId(platform::id::random());
    load(&pool, org).await;
    let conditions = || {
        vec![
            vec![],
            vec![Condition::Word(Word::Channel, Values::OneOf(vec![Channel::Sms as i16]))],
            vec![Condition::Moment(Moment::Closed, None, Some(platform::time::now()))],
            vec![Condition::Duration(Some(1), None)],
            vec![Condition::Tags(Tags::IncludesAll(vec![TAGGED]))],
            vec![Condition::Attribute(TAGGED, Values::NotEmpty)],
            vec![Condition::Reference(Reference::Requester, Values::OneOf(vec![TAGGED]))],
            vec![Condition::Reference(Reference::Queue, Values::Empty)],
            vec![Condition::Conversation(Values::OneOf(vec![1, 2, 3]))],
        ]
    };
    let filters = conditions()
        .into_iter()
        .map(|conditions| Filters { any: false, conditions });
    let any = Filters {
        any: true,
        conditions: conditions().into_iter().flatten().collect(),
    };
    let filters: Vec<Filters> = filters.chain([any]).collect();
    let explain = || Sql::new("explain ");
    for before in [i64::MAX, 5000] {
        for filters in &filters {
            for span in [200, 1000] {
                let mut sql = explain();
                push_fitting(&mut sql, org, (filters, None), before, span, 51);
                assert_uses_indexes(&pool, sql).await;
                let mut sql = explain();
                sql.push("with ");
                push_walk(&mut sql, org, (filters, None), before, span, 51);
                sql.push(" select ").push(WALK).push(" from walk");
                assert_uses_indexes(&pool, sql).await;
            }
        }
        for (text, exact) in [
            ("common", false),
            ("frequent", false),
            ("rare", false),
            ("common filler", true),
        ] {
            let search = Search {
                text: text.to_owned(),
                exact,
                filters: Filters {
                    any: false,
                    conditions: Vec::new(),
                },
            };
            let words = Store::search_words(org, &pool, &search).await.unwrap();
            assert_eq!(words.inexact, exact);
            for filters in &filters {
                for span in [200, 1000] {
                    let mut sql = explain();
                    sql.push("with ");
                    push_walk(&mut sql, org, (filters, Some(Asked::Known(&words))), before, span, 51);
                    sql.push(" select ").push(WALK).push(" from walk");
                    assert_uses_indexes(&pool, sql).await;
                    let mut sql = explain();
                    sql.push("with ");
                    push_asked(&mut sql, org, &search);
                    sql.push(", ");
                    push_walk(&mut sql, org, (filters, Some(Asked::Here)), before, span, 51);
                    sql.push(" select ").push(WALK).push(" from walk");
                    assert_uses_indexes(&pool, sql).await;
                }
                let what = (filters, &words);
                let mut sql = explain();
                push_newest(&mut sql, org, what, before, 51);
                assert_uses_indexes(&pool, sql).await;
                for after in [None, Some((0.1, 7))] {
                    let mut sql = explain();
                    push_best(&mut sql, org, what, 2000, after, 51);
                    assert_uses_indexes(&pool, sql).await;
                }
            }
            let ids: Vec<i64> = (1..=50).collect();
            for places in [None, Some(ids.iter().map(|id| (*id, 1)).collect())] {
                let mut sql = explain();
                push_texts(&mut sql, org, &ids, &words, places);
                assert_uses_indexes(&pool, sql).await;
            }
        }
    }
    // The rare words are found although a walk would not meet all of them.
    let search = Search {
        text: "rare".to_owned(),
        exact: false,
        filters: Filters {
            any: false,
            conditions: Vec::new(),
        },
    };
    let mut probe = Store::search_probe(org, &pool, &search, i64::MAX, 1000, 51)
        .await
        .unwrap();
    assert_eq!(probe.walk.ids.len(), 1);
    assert!(probe.walk.reached.is_some());
    let met = probe.walk.places().unwrap();
    assert_eq!(met.len(), 1);
    let what = (&search.filters, &probe.words);
    let (newest, places, texts) = Store::search_newest(org, &pool, what, i64::MAX, 51).await.unwrap();
    assert_eq!((newest.len(), texts), (2, 2));
    let places = places.unwrap();
    assert_eq!(places.len(), 2);
    assert!(places.contains(&met[0]));
    // Known places save looking for them, and nothing else.
    let looked_for = Store::search_texts(org, &pool, &newest, &probe.words, None)
        .await
        .unwrap();
    let known = Store::search_texts(org, &pool, &newest, &probe.words, Some(places))
        .await
        .unwrap();
    assert_eq!(looked_for.len(), 2);
    assert_eq!(looked_for, known);
    let best = Store::search_best(org, &pool, what, 1000, None, 51).await.unwrap();
    assert_eq!(best.len(), 2);
    assert!(best.iter().all(|(_, rank)| *rank > 0.0));
}
