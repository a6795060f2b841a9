//! The activity log.

use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;

use crate::support::{World, assert_field, assert_refused, at, ok, refused};

fn page(page_size: i32, page_token: String) -> wire::ListActivityLogRequest {
    wire::ListActivityLogRequest {
        page_size,
        page_token,
        ..Default::default()
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn the_organizations_log_holds_every_conversation_page_by_page(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let mut expected = Vec::new();
    for _ in 0..3 {
        let id = world.chat().await;
        expected.extend(world.entries(id).await);
    }
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let answer = ok!(world.list_activity_log(page(4, token)));
        assert!(answer.entries.len() <= 4);
        seen.extend(answer.entries);
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, expected);
    let whole = ok!(world.list_activity_log(page(0, String::new())));
    assert_eq!((whole.entries, whole.next_page_token), (expected, String::new()));
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_log_is_cut_by_time_from_inclusive_to_exclusive(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let (first, second) = (world.chat().await, world.chat().await);
    let boundary = world.entries(second).await[0].at;
    for (conversation_id, mine) in [(None, first), (Some(first), first)] {
        let until = wire::ListActivityLogRequest {
            conversation_id,
            to: boundary,
            ..Default::default()
        };
        let entries = ok!(world.list_activity_log(until)).entries;
        assert_eq!(entries, world.entries(mine).await);
    }
    let from = wire::ListActivityLogRequest {
        from: boundary,
        ..Default::default()
    };
    assert_eq!(ok!(world.list_activity_log(from)).entries, world.entries(second).await);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_token_is_good_for_the_list_it_was_made_for_only(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    world.chat().await;
    let token = ok!(world.list_activity_log(page(1, String::new()))).next_page_token;
    ok!(world.list_activity_log(page(2, token.clone())));
    let other = wire::ListActivityLogRequest {
        from: at(1),
        ..page(1, token.clone())
    };
    for request in [other, page(1, "forged".into())] {
        assert_eq!(refused!(world.list_activity_log(request)).code(), Code::InvalidArgument);
    }
    let elsewhere = world.other.request(page(1, token));
    let status = world.client.clone().list_activity_log(elsewhere).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn what_is_wrong_or_absent_is_refused(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    assert_field(&refused!(world.list_activity_log(page(-1, String::new()))), "page_size");
    let late = wire::ListActivityLogRequest {
        to: at(i64::MAX),
        ..Default::default()
    };
    assert_field(&refused!(world.list_activity_log(late)), "to");
    let absent = wire::ListActivityLogRequest {
        conversation_id: Some(i64::MAX),
        ..Default::default()
    };
    assert_refused(
        &refused!(world.list_activity_log(absent)),
        Code::NotFound,
        "CONVERSATION_NOT_FOUND",
    );
}
