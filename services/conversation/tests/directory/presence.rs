use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;
use wire::Channel;

use crate::support::{World, assert_refused, fields, ok, refused};

fn set(agent_id: &str, working: bool, active_channels: &[Channel]) -> wire::SetPresenceRequest {
    wire::SetPresenceRequest {
        agent_id: agent_id.into(),
        working,
        active_channels: active_channels.iter().map(|&channel| channel.into()).collect(),
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_agent_is_seen_working_on_channels_and_away_again(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let ada = world.agent("ada").await.id;
    let set_now = ok!(world.set_presence(set(&ada, true, &[Channel::Email, Channel::Sms, Channel::Email])));
    let seen = set_now.presence.unwrap();
    assert_eq!(
        (seen.agent_id.as_str(), seen.working, seen.online),
        (ada.as_str(), true, true)
    );
    assert_eq!(
        seen.active_channels,
        [i32::from(Channel::Email), i32::from(Channel::Sms)]
    );
    let request = wire::ListPresenceRequest {
        agent_id: Some(ada.clone()),
        ..Default::default()
    };
    let listed = ok!(world.list_presence(request));
    assert_eq!(listed.presences, std::slice::from_ref(&seen));
    assert!(listed.asked_at.unwrap().seconds >= seen.last_seen.unwrap().seconds);
    let away = ok!(world.set_presence(set(&ada, false, &[]))).presence.unwrap();
    // Whoever said a moment ago to be away is there.
    assert_eq!(
        (away.working, away.online, away.active_channels.len()),
        (false, true, 0)
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn presences_are_listed_in_pages_and_by_team(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let mut agents = Vec::new();
    for name in ["a", "b", "c"] {
        agents.push(world.agent(name).await.id);
    }
    ok!(world.set_presence(set(&agents[2], true, &[])));
    let mut request = wire::ListPresenceRequest {
        page_size: 2,
        ..Default::default()
    };
    let first = ok!(world.list_presence(request.clone()));
    request.page_token = first.next_page_token;
    let second = ok!(world.list_presence(request.clone()));
    let all: Vec<_> = first.presences.iter().chain(&second.presences).collect();
    assert_eq!(
        all.iter().map(|presence| &presence.agent_id).collect::<Vec<_>>(),
        agents.iter().collect::<Vec<_>>()
    );
    assert_eq!(
        (all[0].online, all[0].last_seen.is_some(), all[2].working),
        (false, false, true)
    );
    assert_eq!(second.next_page_token, "");

    let team = ok!(world.create_team(wire::CreateTeamRequest { name: "t".into() }))
        .team
        .unwrap()
        .id;
    let members = wire::ChangeTeamMembersRequest {
        id: team.clone(),
        agent_ids: vec![agents[1].clone()],
        remove: false,
    };
    ok!(world.change_team_members(members));
    let of_team = wire::ListPresenceRequest {
        team_id: Some(team.clone()),
        ..Default::default()
    };
    let presences = ok!(world.list_presence(of_team.clone())).presences;
    assert_eq!(
        presences.iter().map(|presence| &presence.agent_id).collect::<Vec<_>>(),
        [&agents[1]]
    );
    let of_another = wire::ListPresenceRequest {
        page_token: request.page_token,
        ..of_team
    };
    assert_eq!(
        fields(&refused!(world.list_presence(of_another.clone()))),
        ["page_token"]
    );
    let of_both = wire::ListPresenceRequest {
        agent_id: Some(agents[0].clone()),
        ..of_another
    };
    assert_eq!(fields(&refused!(world.list_presence(of_both))), ["team_id"]);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn only_an_agent_has_a_presence(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let eve = world.end_user("eve").await.id;
    assert_refused(
        &refused!(world.set_presence(set(&eve, true, &[]))),
        Code::NotFound,
        "AGENT_NOT_FOUND",
    );
    assert_eq!(fields(&refused!(world.set_presence(set("7", true, &[])))), ["agent_id"]);
    let wrong = wire::SetPresenceRequest {
        active_channels: vec![6, 12],
        ..set(&eve, true, &[])
    };
    assert_eq!(fields(&refused!(world.set_presence(wrong))), ["active_channels[1]"]);
    let none = wire::SetPresenceRequest {
        active_channels: vec![0],
        ..set(&eve, true, &[])
    };
    assert_eq!(fields(&refused!(world.set_presence(none))), ["active_channels[0]"]);
}
