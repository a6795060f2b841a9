//! Processes that are killed in the middle of their work.

use journeys::process::exists;
use journeys::stores::connect;
use journeys::{CHATBOT, Role, Shape, System, until};

use crate::writers::{Writers, nothing_is_lost_or_doubled};

/// The processes of the private servers.
async fn servers(system: &System) -> Vec<i32> {
    let mut database = connect(system.database_url()).await;
    let mut processes: Vec<i32> = sqlx::query_scalar("select pid from pg_stat_activity")
        .fetch_all(&mut database)
        .await
        .unwrap();
    let mut redis = redis::Client::open(system.redis_url())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    let info: String = redis::cmd("INFO").arg("server").query_async(&mut redis).await.unwrap();
    let process = info.lines().find_map(|line| line.strip_prefix("process_id:")).unwrap();
    processes.push(process.trim().parse().unwrap());
    processes
}

#[tokio::test]
async fn a_killed_system_takes_its_servers_along_and_has_every_acknowledged_message_when_it_is_back() {
    let mut system = System::on_private_stores().await;
    let writers = Writers::start(&system.caller()).await;
    writers.progress(100).await;
    let servers = servers(&system).await;
    assert!(
        servers.len() > 3 && servers.iter().all(|pid| exists(*pid)),
        "{servers:?}"
    );
    system.process(Role::Everything).kill();
    let written = writers.stopped().await;
    until("PostgreSQL and Redis have ended", async || {
        (!servers.iter().any(|pid| exists(*pid))).then_some(())
    })
    .await;

    system.restart(Role::Everything).await;
    nothing_is_lost_or_doubled(&system.caller(), &written).await;
}

#[tokio::test]
async fn while_the_thread_service_is_dead_the_gateway_says_when_to_come_back() {
    let mut system = System::start(Shape::SeparateProcesses).await;
    let caller = system.caller();
    let writers = Writers::start(&caller).await;
    writers.progress(100).await;
    system.process(Role::Threads).kill();
    let written = writers.stopped().await;
    assert!(
        written.iter().all(|written| written.failure.is_some()),
        "the gateway is still there and answers"
    );
    let list = format!("/v1/chatting/{CHATBOT}/threads");
    caller.get(&list).send().await.assert_unavailable();
    assert_eq!(
        caller.get("/v1/chatbots").send().await.status,
        200,
        "the other context goes on"
    );

    system.restart(Role::Threads).await;
    until("the gateway finds the service again", async || {
        let answer = caller.get(&list).send().await;
        if answer.status != 200 {
            answer.assert_unavailable();
        }
        (answer.status == 200).then_some(())
    })
    .await;
    nothing_is_lost_or_doubled(&caller, &written).await;
}
