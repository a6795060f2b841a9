use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;
use wire::{ChatStatus, DeflectionChannel as Channel, DeflectionReason, EscalationStatus};

use crate::scene::{Scene, chat, chat_refused, escalation, finish};
use crate::support::{assert_field, assert_refused};

/// Never open: its only minute is that of another day, wherever this runs.
pub(crate) fn closed() -> wire::OpeningHours {
    let today: u32 = platform::time::now().format("%u").to_string().parse().unwrap();
    let other = i32::try_from((today + 2) % 7 + 1).unwrap();
    wire::OpeningHours {
        time_zone: "Europe/Rome".to_owned(),
        intervals: vec![wire::OpenInterval {
            day: other,
            opens: 0,
            closes: 1,
        }],
    }
}

fn always() -> wire::OpeningHours {
    let day = |day| wire::OpenInterval {
        day,
        opens: 0,
        closes: 1440,
    };
    wire::OpeningHours {
        time_zone: "Pacific/Auckland".to_owned(),
        intervals: (1..=7).map(day).collect(),
    }
}

fn choose(escalation: &wire::ChatEscalation, channel: Channel) -> wire::UpdateChatEscalationRequest {
    wire::UpdateChatEscalationRequest {
        chat_id: escalation.chat_id,
        id: escalation.id,
        deflection_channel: channel.into(),
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_full_queue_deflects_and_the_virtual_agent_keeps_the_chat(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    scene.configure(&scene.bots.0, Some(0), None).await;
    let id = scene.start(scene.bots.1).await;
    let deflecting = scene.escalate(id).await;
    assert_eq!(deflecting.status(), EscalationStatus::Deflecting);
    assert_eq!(deflecting.deflection_reason(), DeflectionReason::OverCapacity);
    let offered: Vec<_> = deflecting.offered_channels().collect();
    assert_eq!(
        offered,
        [
            Channel::Email,
            Channel::ExternalLink,
            Channel::HumanAgent,
            Channel::VirtualAgent
        ]
    );
    assert_eq!(scene.status(id).await, ChatStatus::VaAssigned);
    let (_, told) = scene
        .told(&format!("escalations/{}", deflecting.escalation_id))
        .await
        .remove(0);
    assert_eq!(told["deflectionReason"], "over_capacity");
    assert_eq!(
        told["deflectionChannels"],
        serde_json::json!(["email", "external_link", "human_agent", "virtual_agent"])
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_queue_takes_as_many_chats_as_it_holds(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    scene.configure(&scene.bots.0, Some(2), None).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let id = scene.start(scene.bots.1).await;
        statuses.push(scene.escalate(id).await.status());
    }
    assert_eq!(
        statuses,
        [
            EscalationStatus::Escalating,
            EscalationStatus::Escalating,
            EscalationStatus::Deflecting
        ]
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_closed_queue_deflects_and_waiting_is_not_offered(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    scene.configure(&scene.bots.0, None, Some(closed())).await;
    let id = scene.start(scene.bots.1).await;
    let deflecting = scene.escalate(id).await;
    assert_eq!(deflecting.deflection_reason(), DeflectionReason::AfterHours);
    let refused = chat_refused!(scene.update_chat_escalation(choose(&deflecting, Channel::HumanAgent)));
    assert_refused(&refused, Code::InvalidArgument, "DEFLECTION_REFUSED");
    scene.configure(&scene.bots.0, None, Some(always())).await;
    let other = scene.start(scene.bots.1).await;
    assert_eq!(scene.escalate(other).await.status(), EscalationStatus::Escalating);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_forced_escalation_is_not_deflected(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    scene.configure(&scene.bots.0, Some(0), Some(closed())).await;
    let id = scene.start(scene.bots.1).await;
    let forced = chat!(scene.create_chat_escalation(escalation(id, true)))
        .escalation
        .unwrap();
    assert_eq!(forced.status(), EscalationStatus::Escalating);
    let other = scene.start(scene.bots.1).await;
    let deflecting = scene.escalate(other).await;
    assert_eq!(deflecting.status(), EscalationStatus::Deflecting);
    let forced = chat!(scene.create_chat_escalation(escalation(other, true)))
        .escalation
        .unwrap();
    assert_eq!(
        (forced.id, forced.status()),
        (deflecting.id, EscalationStatus::Escalating)
    );
    assert_eq!(scene.status(other).await, ChatStatus::Queued);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn whoever_would_rather_wait_waits(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    scene.configure(&scene.bots.0, Some(0), None).await;
    let id = scene.start(scene.bots.1).await;
    let deflecting = scene.escalate(id).await;
    let waiting = chat!(scene.update_chat_escalation(choose(&deflecting, Channel::HumanAgent)));
    assert_eq!(waiting.escalation.unwrap().status(), EscalationStatus::Escalating);
    assert_eq!(scene.status(id).await, ChatStatus::Queued);
    chat!(scene.update_chat_escalation(choose(&deflecting, Channel::HumanAgent)));
    scene.claim(id, 0).await;
    assert_eq!(
        scene.kinds(&format!("escalations/{}", deflecting.escalation_id)).await,
        ["escalation.created", "escalation.updated", "escalation.resolved"]
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn whoever_goes_on_with_the_virtual_agent_is_deflected(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    scene.configure(&scene.bots.0, Some(0), None).await;
    let id = scene.start(scene.bots.1).await;
    let deflecting = scene.escalate(id).await;
    let deflected = chat!(scene.update_chat_escalation(choose(&deflecting, Channel::VirtualAgent)));
    assert_eq!(deflected.escalation.unwrap().status(), EscalationStatus::Deflected);
    assert_eq!(scene.status(id).await, ChatStatus::VaAssigned);
    let refused = chat_refused!(scene.update_chat_escalation(choose(&deflecting, Channel::Email)));
    assert_refused(&refused, Code::InvalidArgument, "DEFLECTION_REFUSED");
    assert_ne!(scene.escalate(id).await.id, deflecting.id, "it can be escalated again");
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn without_a_virtual_agent_going_on_with_it_is_not_offered(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let queue = scene.world.own.queues[0].clone();
    scene.configure(&queue, Some(0), None).await;
    let id = scene.start(scene.people).await;
    let deflecting = scene.escalate(id).await;
    let refused = chat_refused!(scene.update_chat_escalation(choose(&deflecting, Channel::VirtualAgent)));
    assert_refused(&refused, Code::InvalidArgument, "DEFLECTION_REFUSED");
    assert_eq!(scene.status(id).await, ChatStatus::Queued);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_mail_or_a_link_ends_the_chat(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    scene.configure(&scene.bots.0, Some(0), None).await;
    for (channel, chosen_before) in [
        (Channel::Email, false),
        (Channel::Email, true),
        (Channel::ExternalLink, false),
    ] {
        let id = scene.start(scene.bots.1).await;
        let deflecting = scene.escalate(id).await;
        if chosen_before {
            chat!(scene.update_chat_escalation(choose(&deflecting, channel)));
            assert_eq!(scene.status(id).await, ChatStatus::VaAssigned);
        }
        let request = wire::UpdateChatRequest {
            escalation_id: Some(deflecting.id),
            deflection_channel: channel.into(),
            ..finish(id)
        };
        assert_eq!(
            chat!(scene.update_chat(request)).chat.unwrap().status(),
            ChatStatus::Finished
        );
        let deflected = scene.escalation(deflecting.id).await;
        assert_eq!(
            (deflected.status(), deflected.deflection_channel()),
            (EscalationStatus::Deflected, channel)
        );
        assert_eq!(
            scene.kinds(&format!("escalations/{}", deflecting.escalation_id)).await,
            ["escalation.created", "escalation.resolved"]
        );
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_person_who_takes_a_deflecting_chat_completes_the_escalation(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    scene.configure(&scene.bots.0, Some(0), None).await;
    let id = scene.start(scene.bots.1).await;
    let deflecting = scene.escalate(id).await;
    scene.claim(id, 0).await;
    assert_eq!(
        scene.escalation(deflecting.id).await.status(),
        EscalationStatus::Escalated
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_wrong_channel_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    let open = scene.escalate(id).await;
    for deflection_channel in [0, 99] {
        let request = wire::UpdateChatEscalationRequest {
            deflection_channel,
            ..choose(&open, Channel::Email)
        };
        assert_field(
            &chat_refused!(scene.update_chat_escalation(request)),
            "deflection_channel",
        );
    }
    let refused = chat_refused!(scene.update_chat_escalation(choose(&open, Channel::Email)));
    assert_refused(&refused, Code::InvalidArgument, "DEFLECTION_REFUSED");
    scene.finish(id).await;
    let refused = chat_refused!(scene.update_chat_escalation(choose(&open, Channel::Email)));
    assert_refused(&refused, Code::InvalidArgument, "CHAT_ENDED");
}
