use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;

use crate::support::{World, absent, assert_refused, fields, ok, refused};

async fn team(world: &World, name: &str) -> wire::Team {
    ok!(world.create_team(wire::CreateTeamRequest { name: name.into() }))
        .team
        .unwrap()
}

fn members(id: &str, agents: &[&str], remove: bool) -> wire::ChangeTeamMembersRequest {
    wire::ChangeTeamMembersRequest {
        id: id.into(),
        agent_ids: agents.iter().map(|&agent| agent.into()).collect(),
        remove,
    }
}

async fn names(world: &World, id: &str) -> Vec<String> {
    let members = ok!(world.list_team_members(wire::ListTeamMembersRequest { id: id.into() })).members;
    members.into_iter().map(|person| person.display_name.unwrap()).collect()
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn teams_are_listed_by_name_and_by_member_until_they_are_deleted(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let (second, first) = (team(&world, "Second").await, team(&world, "First").await);
    let read = ok!(world.get_team(wire::GetTeamRequest { id: first.id.clone() }))
        .team
        .unwrap();
    assert_eq!(read, first);
    let list = |agent_id| wire::ListTeamsRequest { agent_id };
    assert_eq!(ok!(world.list_teams(list(None))).teams, [first.clone(), second.clone()]);
    let ada = world.agent("ada").await.id;
    ok!(world.change_team_members(members(&second.id, &[&ada], false)));
    assert_eq!(
        ok!(world.list_teams(list(Some(ada.clone())))).teams,
        std::slice::from_ref(&second)
    );
    ok!(world.delete_team(wire::DeleteTeamRequest { id: second.id.clone() }));
    assert_eq!(ok!(world.list_teams(list(None))).teams, [first]);
    assert!(ok!(world.list_teams(list(Some(ada)))).teams.is_empty());
    let again = refused!(world.delete_team(wire::DeleteTeamRequest { id: second.id }));
    assert_refused(&again, Code::NotFound, "TEAM_NOT_FOUND");
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn members_come_and_go_all_or_none(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = team(&world, "t").await.id;
    let (ada, bob, eve) = (
        world.agent("ada").await.id,
        world.agent("bob").await.id,
        world.end_user("eve").await.id,
    );
    for wrong in [eve, absent()] {
        let status = refused!(world.change_team_members(members(&id, &[&ada, &wrong], false)));
        assert_eq!(fields(&status), ["agent_ids[1]"]);
    }
    assert!(names(&world, &id).await.is_empty());
    ok!(world.change_team_members(members(&id, &[&bob, &ada], false)));
    ok!(world.change_team_members(members(&id, &[&ada], false)));
    assert_eq!(names(&world, &id).await, ["ada", "bob"]);
    ok!(world.change_team_members(members(&id, &[&ada, &absent()], true)));
    assert_eq!(names(&world, &id).await, ["bob"]);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_wrong_field_of_a_team_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    for name in ["", "a\0b", &"x".repeat(201)] {
        let status = refused!(world.create_team(wire::CreateTeamRequest { name: name.into() }));
        assert_eq!(fields(&status), ["name"]);
    }
    let id = team(&world, "t").await.id;
    assert_eq!(
        fields(&refused!(world.change_team_members(members(&id, &["7"], false)))),
        ["agent_ids[0]"]
    );
    let hundred_and_one = vec![absent(); 101];
    let request = wire::ChangeTeamMembersRequest {
        id,
        agent_ids: hundred_and_one,
        remove: true,
    };
    assert_eq!(fields(&refused!(world.change_team_members(request))), ["agent_ids"]);
}
