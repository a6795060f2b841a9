//! Conditions on conversations.

use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use wire::{FilterCondition, FilterField as Field, FilterOperator as Operator, SearchConversationsRequest};

use crate::support::{World, assert_field, at, chat, inbound, ok, outbound, refused, unknown};
use crate::{condition, words};

fn values(field: Field, operator: Operator, values: &[&str]) -> FilterCondition {
    FilterCondition {
        field: field.into(),
        operator: operator.into(),
        values: values.iter().map(|&value| value.to_owned()).collect(),
        ..Default::default()
    }
}

/// Asserts what each of these conditions finds.
async fn assert_found<const N: usize>(world: &World, cases: [(FilterCondition, &[i64]); N]) {
    for (asked, expected) in cases {
        let described = format!("{asked:?}");
        let mut expected = expected.to_vec();
        expected.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(world.find(condition(asked)).await, expected, "{described}");
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn people_queues_and_ids(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let [bo, cy] = &world.own.agents;
    let free = world.chat().await;
    let held = world.chat().await;
    ok!(world.claim_conversation(wire::ClaimConversationRequest {
        id: held,
        agent_id: bo.clone(),
        force: true,
    }));
    let queue = world.conversation(free).await.queue_id.unwrap();
    let (user, nobody) = (world.own.end_user.clone(), unknown());
    assert_found(
        &world,
        [
            (values(Field::AgentId, Operator::IsOneOf, &[bo, cy]), &[held]),
            (values(Field::AgentId, Operator::IsNotOneOf, &[bo]), &[free]),
            (values(Field::AgentId, Operator::IsEmpty, &[]), &[free]),
            (values(Field::AgentId, Operator::IsNotEmpty, &[]), &[held]),
            (values(Field::QueueId, Operator::IsOneOf, &[&queue]), &[free, held]),
            (values(Field::QueueId, Operator::IsNotOneOf, &[&queue]), &[]),
            (values(Field::QueueId, Operator::IsEmpty, &[]), &[]),
            (values(Field::ContactId, Operator::IsOneOf, &[&user]), &[free, held]),
            (values(Field::ContactId, Operator::IsNotOneOf, &[&user]), &[]),
            (values(Field::ContactId, Operator::IsOneOf, &[&nobody]), &[]),
            (
                values(Field::ConversationId, Operator::IsOneOf, &[&free.to_string()]),
                &[free],
            ),
            (
                values(Field::ConversationId, Operator::IsNotOneOf, &[&free.to_string()]),
                &[held],
            ),
        ],
    )
    .await;
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn channels_directions_and_states(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let chatting = world.chat().await;
    let mail = world.email("x", None, "x").await;
    let request = chat(&world.own.end_user, outbound(&world.own.agents[0], "hi"));
    let outgoing = ok!(world.create_conversation(request)).conversation.unwrap().id;
    ok!(world.close_conversation(wire::CloseConversationRequest {
        id: mail,
        user_id: Some(world.own.agents[0].clone()),
    }));
    assert_found(
        &world,
        [
            (values(Field::Channel, Operator::IsOneOf, &["email", "yotpo"]), &[mail]),
            (
                values(Field::Channel, Operator::IsNotOneOf, &["email"]),
                &[chatting, outgoing],
            ),
            (values(Field::Channel, Operator::IsOneOf, &["genericapimessaging"]), &[]),
            (values(Field::Direction, Operator::IsOneOf, &["outbound"]), &[outgoing]),
            (
                values(Field::Direction, Operator::IsNotOneOf, &["outbound", "internal"]),
                &[chatting, mail],
            ),
            (
                values(Field::Status, Operator::IsOneOf, &["closed", "pending"]),
                &[mail],
            ),
            (
                values(Field::Status, Operator::IsNotOneOf, &["closed"]),
                &[chatting, outgoing],
            ),
        ],
    )
    .await;
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn times_and_durations(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let (old, new) = (world.chat().await, world.chat().await);
    sqlx::query(
        "update conversation.conversations
         set created_at = to_timestamp(1000), agent_id = $3::uuid, assigned_at = to_timestamp(1010), state = 3,
             closed_at = to_timestamp(1100), updated_at = to_timestamp(1100), last_message_at = to_timestamp(1050)
         where org_id = $1 and id = $2",
    )
    .bind(world.own.org.0)
    .bind(old)
    .bind(&world.own.agents[0])
    .execute(&world.db)
    .await
    .unwrap();
    let moment = |field: Field, operator: Operator, from: Option<i64>, to: Option<i64>| FilterCondition {
        from: from.and_then(at),
        to: to.and_then(at),
        ..values(field, operator, &[])
    };
    let seconds = |operator: Operator, min: Option<i64>, max: Option<i64>| FilterCondition {
        min,
        max,
        ..values(Field::Duration, operator, &[])
    };
    assert_found(
        &world,
        [
            (
                moment(Field::CreationDate, Operator::Between, Some(1000), Some(1000)),
                &[old],
            ),
            (moment(Field::CreationDate, Operator::Since, Some(1001), None), &[new]),
            (moment(Field::CreationDate, Operator::Until, None, Some(999)), &[]),
            (moment(Field::AssignedDate, Operator::Until, None, Some(1010)), &[old]),
            (moment(Field::AssignedDate, Operator::Since, Some(0), None), &[old]),
            (
                moment(Field::ClosedDate, Operator::Between, Some(1100), Some(1200)),
                &[old],
            ),
            (moment(Field::ClosedDate, Operator::Since, Some(1101), None), &[]),
            (moment(Field::LastActivity, Operator::Until, None, Some(1100)), &[old]),
            (moment(Field::LastMessage, Operator::Until, None, Some(1050)), &[old]),
            (moment(Field::LastMessage, Operator::Since, Some(1051), None), &[new]),
            (seconds(Operator::Between, Some(100), Some(100)), &[old]),
            (seconds(Operator::LongerThanOrEqualTo, Some(100), None), &[old]),
            (seconds(Operator::ShorterThanOrEqualTo, None, Some(99)), &[new]),
        ],
    )
    .await;
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn tags(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let (red, blue) = (world.tag("red", true).await, world.tag("blue", true).await);
    let (none, one, both) = (world.chat().await, world.chat().await, world.chat().await);
    for (conversation_id, tag_id) in [(one, &red), (both, &red), (both, &blue)] {
        ok!(world.change_conversation_tag(wire::ChangeConversationTagRequest {
            conversation_id,
            tag_id: tag_id.clone(),
            remove: false,
        }));
    }
    let pair = [red.as_str(), blue.as_str()];
    assert_found(
        &world,
        [
            (values(Field::TagId, Operator::IsEmpty, &[]), &[none]),
            (values(Field::TagId, Operator::IsNotEmpty, &[]), &[one, both]),
            (values(Field::TagId, Operator::IncludesAll, &pair), &[both]),
            (values(Field::TagId, Operator::IncludesAll, &[&red, &red]), &[one, both]),
            (values(Field::TagId, Operator::IncludesOne, &pair), &[one, both]),
            (values(Field::TagId, Operator::ExcludesAll, &pair), &[none]),
            (values(Field::TagId, Operator::ExcludesOne, &pair), &[none, one]),
        ],
    )
    .await;
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn custom_attributes(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let attribute = platform::id::new();
    let (none, text, path) = (world.chat().await, world.chat().await, world.chat().await);
    for (id, value) in [(text, serde_json::json!("gold")), (path, serde_json::json!(["a", "b"]))] {
        sqlx::query(
            "insert into conversation.conversation_attributes (org_id, conversation_id, attribute_id, value)
             values ($1, $2, $3, $4)",
        )
        .bind(world.own.org.0)
        .bind(id)
        .bind(attribute)
        .bind(value)
        .execute(&world.db)
        .await
        .unwrap();
    }
    let asked = |operator: Operator, paths: &[&[&str]]| FilterCondition {
        attribute_id: attribute.to_string(),
        paths: paths
            .iter()
            .map(|path| wire::AttributePath {
                values: path.iter().map(|&value| value.to_owned()).collect(),
            })
            .collect(),
        ..values(Field::CustomAttribute, operator, &[])
    };
    let plain = FilterCondition {
        values: vec!["gold".into()],
        ..asked(Operator::IsOneOf, &[])
    };
    assert_found(
        &world,
        [
            (asked(Operator::IsEmpty, &[]), &[none]),
            (asked(Operator::IsNotEmpty, &[]), &[text, path]),
            (plain, &[text]),
            (asked(Operator::IsOneOf, &[&["gold"]]), &[text]),
            (asked(Operator::IsOneOf, &[&["a", "b"]]), &[path]),
            (asked(Operator::IsOneOf, &[&["a"]]), &[]),
            (asked(Operator::IsNotOneOf, &[&["gold"]]), &[none, path]),
        ],
    )
    .await;
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn conditions_join_each_other_and_words(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let mail = world.email("emu", None, "emu").await;
    let request = chat(&world.own.end_user, inbound("emu"));
    let chatting = ok!(world.create_conversation(request)).conversation.unwrap().id;
    let by_mail = values(Field::Channel, Operator::IsOneOf, &["email"]);
    let by_chat = values(Field::Channel, Operator::IsOneOf, &["chat"]);
    let both = |any: bool, query: &str| SearchConversationsRequest {
        any,
        conditions: vec![by_mail.clone(), by_chat.clone()],
        ..words(query)
    };
    assert_eq!(world.find(both(false, "")).await, [0; 0]);
    assert_eq!(world.find(both(true, "")).await, [chatting, mail]);
    assert_eq!(world.find(both(true, "emu")).await.len(), 2);
    assert_eq!(world.find(both(true, "ostrich")).await, [0; 0]);
    // As much when the page is filled by a walk.
    for page_size in [1, 50] {
        let request = SearchConversationsRequest {
            conditions: vec![by_mail.clone()],
            page_size,
            ..words("emu")
        };
        assert_eq!(world.find(request).await, [mail]);
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn what_does_not_fit_is_refused_and_named(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    for (asked, field) in [
        (FilterCondition::default(), "conditions[0].field"),
        (values(Field::AgentId, Operator::Since, &[]), "conditions[0].operator"),
        (
            values(Field::AgentId, Operator::Unspecified, &[]),
            "conditions[0].operator",
        ),
        (
            values(Field::ContactId, Operator::IsEmpty, &[]),
            "conditions[0].operator",
        ),
        (
            values(Field::ConversationId, Operator::IsNotEmpty, &[]),
            "conditions[0].operator",
        ),
        (values(Field::Channel, Operator::IsEmpty, &[]), "conditions[0].operator"),
        (values(Field::TagId, Operator::IsOneOf, &[]), "conditions[0].operator"),
        (
            values(Field::CreationDate, Operator::IsOneOf, &[]),
            "conditions[0].operator",
        ),
        (values(Field::Duration, Operator::Since, &[]), "conditions[0].operator"),
        (values(Field::CreationDate, Operator::Since, &[]), "conditions[0].from"),
        (values(Field::CreationDate, Operator::Until, &[]), "conditions[0].to"),
        (values(Field::Duration, Operator::Between, &[]), "conditions[0].min"),
        (
            values(Field::AgentId, Operator::IsOneOf, &["me"]),
            "conditions[0].values[0]",
        ),
        (
            values(Field::ConversationId, Operator::IsOneOf, &["1", "x"]),
            "conditions[0].values[1]",
        ),
        (
            values(Field::Channel, Operator::IsOneOf, &["Email"]),
            "conditions[0].values[0]",
        ),
        (
            values(Field::Status, Operator::IsOneOf, &["snoozed"]),
            "conditions[0].values[0]",
        ),
        (
            values(Field::Direction, Operator::IsOneOf, &["up"]),
            "conditions[0].values[0]",
        ),
        (
            values(Field::CustomAttribute, Operator::IsEmpty, &[]),
            "conditions[0].attribute_id",
        ),
        (
            values(Field::AgentId, Operator::IsOneOf, &["x"; 101]),
            "conditions[0].values",
        ),
    ] {
        assert_field(&refused!(world.search_conversations(condition(asked))), field);
    }
    let many = SearchConversationsRequest {
        conditions: vec![values(Field::AgentId, Operator::IsEmpty, &[]); 21],
        ..words("x")
    };
    assert_field(&refused!(world.search_conversations(many)), "conditions");
}
