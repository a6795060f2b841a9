use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use wire::Channel;

use crate::support::{World, absent, fields, ok, refused};

fn new(name: &str, channel: Channel, queue_id: &str) -> wire::CreateFlowRequest {
    wire::CreateFlowRequest {
        name: name.into(),
        channel: channel.into(),
        contact_endpoint_id: "+4512345678".into(),
        queue_id: queue_id.into(),
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn flows_are_listed_by_channel_and_name(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let queue = world.queue("q").await.id;
    for (name, channel) in [
        ("b", Channel::PstnPhone),
        ("c", Channel::Email),
        ("a", Channel::PstnPhone),
    ] {
        let flow = ok!(world.create_flow(new(name, channel, &queue))).flow.unwrap();
        assert_eq!(
            (flow.name.as_str(), flow.channel(), &flow.queue_id),
            (name, channel, &queue)
        );
        assert!(platform::id::parse(&flow.id).is_some());
    }
    let names = async |channel: Channel| {
        let flows = ok!(world.list_flows(wire::ListFlowsRequest {
            channel: channel.into()
        }))
        .flows;
        flows.into_iter().map(|flow| flow.name).collect::<Vec<_>>()
    };
    assert_eq!(names(Channel::PstnPhone).await, ["a", "b"]);
    assert_eq!(names(Channel::Sms).await, [""; 0]);
    assert_eq!(names(Channel::Unspecified).await, ["a", "b", "c"]);
    let foreign = world.other.request(wire::ListFlowsRequest::default());
    assert!(
        world
            .client
            .clone()
            .list_flows(foreign)
            .await
            .unwrap()
            .into_inner()
            .flows
            .is_empty()
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_wrong_field_of_a_flow_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let queue = world.queue("q").await.id;
    let elsewhere = world.other.request(wire::CreateQueueRequest {
        name: "q".into(),
        ..Default::default()
    });
    let foreign = world
        .client
        .clone()
        .create_queue(elsewhere)
        .await
        .unwrap()
        .into_inner()
        .queue
        .unwrap()
        .id;
    let way_in = |id: &str| wire::CreateFlowRequest {
        contact_endpoint_id: id.into(),
        ..new("f", Channel::Sms, &queue)
    };
    let cases = [
        (new("", Channel::Sms, &queue), "name"),
        (new("a\0b", Channel::Sms, &queue), "name"),
        (new("f", Channel::Unspecified, &queue), "channel"),
        (way_in(""), "contact_endpoint_id"),
        (way_in(&"x".repeat(255)), "contact_endpoint_id"),
        (way_in("a\0b"), "contact_endpoint_id"),
        (new("f", Channel::Sms, "7"), "queue_id"),
        (new("f", Channel::Sms, &absent()), "queue_id"),
        (new("f", Channel::Sms, &foreign), "queue_id"),
    ];
    for (request, field) in cases {
        assert_eq!(fields(&refused!(world.create_flow(request))), [field]);
    }
    assert_eq!(
        fields(&refused!(world.list_flows(wire::ListFlowsRequest { channel: 12 }))),
        ["channel"]
    );
}
