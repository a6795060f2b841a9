use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;
use wire::AgentAvailability;

use crate::scene::{Scene, chat, chat_refused, no_uuid};
use crate::support::{Spoil, assert_field, assert_refused};

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn menus_are_listed_by_name_with_their_languages(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    chat!(scene.configure_queue(wire::ConfigureQueueRequest {
        id: scene.bots.0.clone(),
        lang: Some("de".to_owned()),
        ..Default::default()
    }));
    let list = async |page, per_page| {
        let page = chat!(scene.list_menus(wire::ListMenusRequest { page, per_page }));
        let menus: Vec<_> = page.menus.into_iter().map(|menu| (menu.name, menu.lang)).collect();
        (menus, page.has_more)
    };
    let menu = |name: &str, lang: &str| (name.to_owned(), lang.to_owned());
    let all = vec![menu("Bots", "de"), menu("Sales", "en"), menu("Support", "en")];
    assert_eq!(list(0, 0).await, (all.clone(), false));
    assert_eq!(list(1, 2).await, (all[..2].to_vec(), true));
    assert_eq!(list(2, 2).await, (all[2..].to_vec(), false));
    assert_eq!(list(9, 2).await, (Vec::new(), false));
    for (page, per_page, field) in [(-1, 0, "page"), (1001, 0, "page"), (1, -1, "per_page")] {
        let request = wire::ListMenusRequest { page, per_page };
        assert_field(&chat_refused!(scene.list_menus(request)), field);
        let request = wire::ListChatAgentsRequest { page, per_page };
        assert_field(&chat_refused!(scene.list_chat_agents(request)), field);
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn agents_are_listed_with_what_they_are_up_to(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    sqlx::query(
        "insert into conversation.presences (org_id, agent_id, working, active_channels)
         select org_id, id, true, '{}' from conversation.people where number = $1",
    )
    .bind(scene.agents[1])
    .execute(&scene.world.db)
    .await
    .unwrap();
    let page = chat!(scene.list_chat_agents(wire::ListChatAgentsRequest::default()));
    let agents: Vec<_> = page
        .agents
        .iter()
        .map(|agent| (agent.id, agent.availability()))
        .collect();
    assert_eq!(
        agents,
        [
            (scene.agents[0], AgentAvailability::Offline),
            (scene.agents[1], AgentAvailability::Available)
        ],
        "a virtual agent is none of them"
    );
    let first = chat!(scene.list_chat_agents(wire::ListChatAgentsRequest { page: 1, per_page: 1 }));
    assert!(first.has_more && first.agents.len() == 1);
}

fn configured(scene: &Scene) -> wire::ConfigureQueueRequest {
    wire::ConfigureQueueRequest {
        id: scene.bots.0.clone(),
        lang: Some("it".to_owned()),
        max_queue_size: Some(5),
        opening_hours: Some(wire::OpeningHours {
            time_zone: "Europe/Rome".to_owned(),
            intervals: vec![wire::OpenInterval {
                day: 1,
                opens: 540,
                closes: 1020,
            }],
        }),
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn what_a_queue_offers_is_shown_and_replaced(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let shown = chat!(scene.configure_queue(configured(&scene)));
    assert_eq!(
        (shown.number, shown.lang.as_str(), shown.max_queue_size),
        (scene.bots.1, "it", Some(5))
    );
    assert_eq!(shown.opening_hours, configured(&scene).opening_hours);
    let plain = wire::ConfigureQueueRequest {
        id: scene.bots.0.clone(),
        ..Default::default()
    };
    let shown = chat!(scene.configure_queue(plain));
    assert_eq!(
        (shown.lang.as_str(), shown.max_queue_size, shown.opening_hours),
        ("en", None, None)
    );
}

fn interval(request: &mut wire::ConfigureQueueRequest) -> &mut wire::OpenInterval {
    &mut request.opening_hours.as_mut().unwrap().intervals[0]
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_wrong_offer_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let spoils: [Spoil<wire::ConfigureQueueRequest>; 11] = [
        (|m| m.id = "x".to_owned(), "id"),
        (|m| m.lang = Some("??".to_owned()), "lang"),
        (|m| m.max_queue_size = Some(-1), "max_queue_size"),
        (|m| m.max_queue_size = Some(1_000_001), "max_queue_size"),
        (
            |m| m.opening_hours.as_mut().unwrap().time_zone = String::new(),
            "opening_hours.time_zone",
        ),
        (
            |m| m.opening_hours.as_mut().unwrap().time_zone = "Mars/Olympus".to_owned(),
            "opening_hours.time_zone",
        ),
        (
            |m| m.opening_hours.as_mut().unwrap().intervals.clear(),
            "opening_hours.intervals",
        ),
        (|m| interval(m).day = 8, "opening_hours.intervals[0].day"),
        (|m| interval(m).opens = -1, "opening_hours.intervals[0].opens"),
        (|m| interval(m).closes = 540, "opening_hours.intervals[0].closes"),
        (|m| interval(m).closes = 1441, "opening_hours.intervals[0].closes"),
    ];
    for (spoil, field) in spoils {
        let mut request = configured(&scene);
        spoil(&mut request);
        assert_field(&chat_refused!(scene.configure_queue(request)), field);
    }
    let absent = wire::ConfigureQueueRequest {
        id: no_uuid(),
        ..configured(&scene)
    };
    let refused = chat_refused!(scene.configure_queue(absent));
    assert_refused(&refused, Code::NotFound, "QUEUE_NOT_FOUND");
}
