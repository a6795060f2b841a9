use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;
use wire::FailureKind;

use crate::support::{World, absent, assert_refused, fields, named, ok, refused};

fn new(name: &str) -> wire::CreateQueueRequest {
    wire::CreateQueueRequest {
        name: name.into(),
        ..Default::default()
    }
}

fn members(id: &str, agent_ids: &[&str], remove: bool) -> wire::ChangeQueueMembersRequest {
    wire::ChangeQueueMembersRequest {
        id: id.into(),
        agent_ids: agent_ids.iter().map(|&id| id.into()).collect(),
        remove,
    }
}

fn kinds(answer: &wire::ChangeQueueMembersResponse) -> Vec<Option<FailureKind>> {
    answer
        .outcomes
        .iter()
        .map(|outcome| outcome.failure.as_ref().map(wire::Failure::kind))
        .collect()
}

async fn defaults(world: &World) -> Vec<String> {
    let queues = ok!(world.list_queues(wire::ListQueuesRequest {})).queues.into_iter();
    queues
        .filter(|queue| queue.is_default)
        .map(|queue| queue.name)
        .collect()
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_queue_is_read_back_with_its_options_and_its_virtual_agent(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let bot = world
        .create(wire::Role::VirtualAgent, vec![named("bot")])
        .await
        .remove(0)
        .unwrap();
    let request = wire::CreateQueueRequest {
        virtual_agent_id: Some(bot.id.clone()),
        options_json: r#"{"offerTimeout": 30, "queueThresholds": {}}"#.into(),
        ..new("Support")
    };
    let made = ok!(world.create_queue(request)).queue.unwrap();
    assert_eq!(
        (made.name.as_str(), made.virtual_agent_id()),
        ("Support", bot.id.as_str())
    );
    let kept: serde_json::Value = serde_json::from_str(&made.options_json).unwrap();
    assert_eq!(kept, serde_json::json!({"offerTimeout": 30, "queueThresholds": {}}));
    assert!(made.number > 0 && made.created_at.is_some());
    let read = ok!(world.get_queue(wire::GetQueueRequest { id: made.id.clone() }))
        .queue
        .unwrap();
    assert_eq!(read, made);
    // Once it is no agent any more it answers no longer.
    ok!(world.remove_agent(wire::RemoveAgentRequest { id: bot.id }));
    let read = ok!(world.get_queue(wire::GetQueueRequest { id: made.id }))
        .queue
        .unwrap();
    assert_eq!(read.virtual_agent_id, None);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn the_first_queue_is_the_default_until_another_takes_over(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    world.queue("b").await;
    world.queue("a").await;
    assert_eq!(defaults(&world).await, ["b"]);
    ok!(world.create_queue(wire::CreateQueueRequest {
        is_default: true,
        ..new("c")
    }));
    assert_eq!(defaults(&world).await, ["c"]);
    let names: Vec<_> = ok!(world.list_queues(wire::ListQueuesRequest {}))
        .queues
        .into_iter()
        .map(|q| q.name)
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn of_queues_made_at_once_exactly_one_is_the_default(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..20 {
        let (mut client, own) = (world.client.clone(), world.own.clone());
        let request = wire::CreateQueueRequest {
            is_default: n % 2 == 0,
            ..new(&n.to_string())
        };
        calls.spawn(async move { client.create_queue(own.request(request)).await.unwrap() });
    }
    assert_eq!(calls.join_all().await.len(), 20);
    assert_eq!(defaults(&world).await.len(), 1);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_wrong_field_of_a_queue_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let ada = world.agent("ada").await.id;
    let agent = |id: &str| wire::CreateQueueRequest {
        virtual_agent_id: Some(id.into()),
        ..new("q")
    };
    let options = |json: &str| wire::CreateQueueRequest {
        options_json: json.into(),
        ..new("q")
    };
    let cases = [
        (new(""), "name"),
        (new("a\0b"), "name"),
        (new(&"x".repeat(201)), "name"),
        (agent("7"), "virtual_agent_id"),
        (agent(&absent()), "virtual_agent_id"),
        // A person is no program.
        (agent(&ada), "virtual_agent_id"),
        (options("[]"), "options_json"),
        (options("{"), "options_json"),
        (options(r#"{"a": "\u0000"}"#), "options_json"),
        (
            options(&format!(r#"{{"a": "{}"}}"#, "x".repeat(16 * 1024))),
            "options_json",
        ),
    ];
    for (request, field) in cases {
        assert_eq!(fields(&refused!(world.create_queue(request))), [field]);
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn members_come_and_go_each_by_itself(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let queue = world.queue("q").await.id;
    let (ada, bob, eve) = (
        world.agent("ada").await.id,
        world.agent("bob").await.id,
        world.end_user("eve").await.id,
    );
    let added = ok!(world.change_queue_members(members(&queue, &[&bob, &eve, "7", &ada, &bob], false)));
    let (absent_one, wrong) = (Some(FailureKind::NotFound), Some(FailureKind::Validation));
    assert_eq!(kinds(&added), [None, absent_one, wrong, None, None]);
    let ids: Vec<_> = added.outcomes.iter().map(|outcome| outcome.agent_id.as_str()).collect();
    assert_eq!(ids, [&bob, &eve, "7", &ada, &bob]);
    let list = wire::ListQueueMembersRequest { id: queue.clone() };
    let listed: Vec<_> = ok!(world.list_queue_members(list.clone())).members;
    let agents: Vec<_> = listed.iter().map(|member| member.agent_id.as_str()).collect();
    assert_eq!(agents, [&ada, &bob]);
    assert_eq!(listed[0].priority, None);
    let removed = ok!(world.change_queue_members(members(&queue, &[&eve, &ada], true)));
    assert_eq!(kinds(&removed), [absent_one, None]);
    assert_eq!(ok!(world.list_queue_members(list)).members.len(), 1);
    for count in [0, 11] {
        let status = refused!(world.change_queue_members(members(&queue, &vec![ada.as_str(); count], false)));
        assert_eq!(fields(&status), ["agent_ids"]);
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_waiting_conversation_has_a_place_in_its_queue(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let (first, second) = (world.queue("first").await.id, world.queue("second").await.id);
    let (ada, eve) = (world.agent("ada").await.id, world.end_user("eve").await.id);
    let mut ids = Vec::new();
    for queue in [&first, &second, &first, &first] {
        let request = wire::CreateConversationRequest {
            kind: wire::CreateKind::Callback.into(),
            requester_id: eve.clone(),
            direction: wire::Direction::Inbound.into(),
            contact_endpoint_id: "+4512345678".into(),
            queue_id: Some(queue.clone()),
            ..Default::default()
        };
        let made = world
            .conversations
            .clone()
            .create_conversation(world.own.request(request))
            .await
            .unwrap();
        ids.push(made.into_inner().conversation.unwrap().id);
    }
    let place = |conversation_id| wire::GetQueuePositionRequest { conversation_id };
    for (id, position) in [(ids[0], 1), (ids[1], 1), (ids[2], 2), (ids[3], 3)] {
        let answer = ok!(world.get_queue_position(place(id)));
        assert_eq!(answer.position, position);
        assert!(answer.queued_at.is_some());
    }
    let claim = wire::ClaimConversationRequest {
        id: ids[0],
        agent_id: ada,
        force: false,
    };
    world
        .conversations
        .clone()
        .claim_conversation(world.own.request(claim))
        .await
        .unwrap();
    assert_eq!(ok!(world.get_queue_position(place(ids[3]))).position, 2);
    assert_refused(
        &refused!(world.get_queue_position(place(ids[0]))),
        Code::NotFound,
        "NOT_QUEUED",
    );
    for foreign in [
        refused!(world, other, get_queue_position, place(ids[3])),
        refused!(world.get_queue_position(place(0))),
    ] {
        assert_refused(&foreign, Code::NotFound, "CONVERSATION_NOT_FOUND");
    }
}
