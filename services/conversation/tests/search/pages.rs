//! Pages of searches.

use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;
use wire::SearchConversationsRequest;

use crate::support::{World, assert_refused, ok, refused};
use crate::{condition, words};

async fn pages(world: &World, request: SearchConversationsRequest) -> Vec<Vec<i64>> {
    let mut pages = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = SearchConversationsRequest {
            page_token,
            ..request.clone()
        };
        let answer = ok!(world.search_conversations(request));
        pages.push(answer.hits.iter().map(|hit| hit.id).collect());
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return pages;
        }
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn common_words_come_newest_first_and_each_once(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let mut ids = Vec::new();
    for n in 0..7 {
        ids.push(world.email("pelican", None, &format!("pelican {n}")).await);
    }
    ids.reverse();
    let request = SearchConversationsRequest {
        page_size: 3,
        ..words("pelican")
    };
    assert_eq!(pages(&world, request.clone()).await, [&ids[..3], &ids[3..6], &ids[6..]]);
    let first = ok!(world.search_conversations(request.clone()));
    // What comes between two pages moves nothing.
    world.email("pelican", None, "pelican").await;
    let second = SearchConversationsRequest {
        page_token: first.next_page_token,
        ..request
    };
    assert_eq!(world.find(second).await, ids[3..6]);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn rare_words_come_best_first_and_each_once(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    // Far enough below the newest that no walk meets them.
    let best = world.email("gnu gnu gnu", None, "gnu").await;
    let others = [
        world.email("x", None, "one gnu").await,
        world.email("y", None, "one gnu").await,
    ];
    sqlx::query(
        "insert into conversation.conversations (org_id, type, channel, direction, state, state_updated_at, requester_id,
                                                 created_at, updated_at)
         select $1, 2, 7, 1, 1, now(), $2::uuid, now(), now() from generate_series(1, 1100)",
    )
    .bind(world.own.org.0)
    .bind(&world.own.end_user)
    .execute(&world.db)
    .await
    .unwrap();
    let request = SearchConversationsRequest {
        page_size: 2,
        ..words("gnu")
    };
    assert_eq!(pages(&world, request).await, [vec![best, others[1]], vec![others[0]]]);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn words_that_were_common_once_are_found_to_the_last(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    sqlx::query(
        "insert into conversation.conversations (org_id, type, channel, direction, state, state_updated_at, requester_id,
                                                 subject, created_at, updated_at)
         select $1, 2, 7, 1, 1, now(), $2::uuid, case when n <= 1100 then 'dodo' end, now(), now()
         from generate_series(1, 3000) n order by n",
    )
    .bind(world.own.org.0)
    .bind(&world.own.end_user)
    .execute(&world.db)
    .await
    .unwrap();
    let found = pages(&world, words("dodo")).await.concat();
    assert_eq!(found.len(), 1100);
    assert!(found.is_sorted_by(|newer, older| newer > older));
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_conversation_of_many_texts_hides_none_below_it(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let below = world.email("x", None, "one auk").await;
    let long = world.email("y", None, "another auk").await;
    for statement in [
        "insert into conversation.conversations (org_id, type, channel, direction, state, state_updated_at, requester_id,
                                                 created_at, updated_at)
         select $1, 2, 7, 1, 1, now(), gen_random_uuid(), now(), now() from generate_series(1, 1100) where $2 > 0",
        "insert into conversation.messages (org_id, conversation_id, position, id, type, direction, author_id, content_type,
                                            content, created_at, search)
         select $1, $2, n, gen_random_uuid(), 2, 1, gen_random_uuid(), 1, 'auk', now(),
                conversation.search_vector('simple', 'auk')
         from generate_series(2, 2000) n",
    ] {
        let query = sqlx::query(statement).bind(world.own.org.0).bind(long);
        query.execute(&world.db).await.unwrap();
    }
    assert_eq!(pages(&world, words("auk")).await, [[long, below]]);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn conditions_alone_find_to_the_last(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let oldest = world.email("x", None, "x").await;
    sqlx::query(
        "insert into conversation.conversations (org_id, type, channel, direction, state, state_updated_at, requester_id,
                                                 created_at, updated_at)
         select $1, 2, 7, 1, 1, now(), $2::uuid, now(), now() from generate_series(1, 2500)",
    )
    .bind(world.own.org.0)
    .bind(&world.own.end_user)
    .execute(&world.db)
    .await
    .unwrap();
    let by_channel = |word: &str| {
        condition(wire::FilterCondition {
            field: wire::FilterField::Channel.into(),
            operator: wire::FilterOperator::IsOneOf.into(),
            values: vec![word.to_owned()],
            ..Default::default()
        })
    };
    assert_eq!(world.find(by_channel("email")).await, [oldest]);
    let forms = pages(&world, by_channel("contactform")).await;
    assert!(forms.iter().all(|page| page.len() == 50));
    assert_eq!(forms.concat().len(), 2500);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_page_has_at_most_fifty_hits(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    for _ in 0..51 {
        world.email("heron", None, "heron").await;
    }
    for page_size in [0, 50, 1000] {
        let request = SearchConversationsRequest {
            page_size,
            ..words("heron")
        };
        assert_eq!(world.find(request).await.len(), 50);
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_token_is_refused_unless_it_was_made_for_this_search(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    for _ in 0..3 {
        world.email("stork", None, "stork").await;
    }
    let request = SearchConversationsRequest {
        page_size: 1,
        ..words("stork")
    };
    let page_token = ok!(world.search_conversations(request.clone())).next_page_token;
    assert!(!page_token.is_empty());
    let with = |page_token: &str, request: SearchConversationsRequest| SearchConversationsRequest {
        page_token: page_token.to_owned(),
        ..request
    };
    // The size of a page may change between pages.
    assert_eq!(world.find(with(&page_token, words("stork"))).await.len(), 2);
    let mut exact = words("stork");
    exact.exact_match = true;
    for request in [
        with("nonsense", request),
        with(&page_token, words("storks")),
        with(&page_token, exact),
    ] {
        assert_refused(
            &refused!(world.search_conversations(request)),
            Code::InvalidArgument,
            "REQUEST_VALIDATION_FAILED",
        );
    }
    let foreign = world.other.request(with(&page_token, words("stork")));
    let status = world.client.clone().search_conversations(foreign).await.unwrap_err();
    assert_refused(&status, Code::InvalidArgument, "REQUEST_VALIDATION_FAILED");
}
