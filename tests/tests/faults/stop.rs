//! A process is asked to end.

use journeys::process::{Process, command};
use journeys::stores::{Database, Redis, connect};
use journeys::{CHATBOT, Role, Shape, System, until};
use serde_json::json;
use sqlx::Connection as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn finishes_what_is_in_flight(shape: Shape, front: Role, behind: &[Role]) {
    let mut system = System::start(shape).await;
    let caller = system.caller();
    let thread = json!({"threadId": "t"});
    caller
        .post(format!("/v0/chatbots/{CHATBOT}/threads"), thread)
        .data()
        .await;

    // A request whose body is still to come; `100 Continue` says that it is being worked on.
    let gateway = system.faces().http;
    let mut connection = TcpStream::connect(gateway).await.unwrap();
    let body = json!({"threadId": "t", "message": "just in time"}).to_string();
    let key = caller.key();
    let head = format!(
        "POST /v0/chatbots/{CHATBOT}/message HTTP/1.1\r\nhost: handoff\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut wait = [0; 25];
    connection.read_exact(&mut wait).await.unwrap();
    assert_eq!(&wait, b"HTTP/1.1 100 Continue\r\n\r\n");

    system.process(front).terminate();
    until("nobody new is let in", async || TcpStream::connect(gateway).await.err()).await;
    connection.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("just in time"),
        "{answer}"
    );
    assert!(system.process(front).end().await.success());
    for role in behind {
        system.process(*role).terminate();
        assert!(system.process(*role).end().await.success(), "{role:?}");
    }

    let mut database = journeys::stores::connect(system.database_url()).await;
    let stored: Vec<String> = sqlx::query_scalar("select content from thread.messages")
        .fetch_all(&mut database)
        .await
        .unwrap();
    assert_eq!(stored, ["just in time"]);
}

#[tokio::test]
async fn a_system_that_is_asked_to_end_while_it_starts_does_so_without_a_complaint() {
    let (database, redis, data) = (
        Database::create().await,
        Redis::start().await,
        tempfile::tempdir().unwrap(),
    );
    let handoff = |argument: &str| {
        let mut command = command("handoff");
        command
            .arg(argument)
            .env("DATABASE_URL", database.url())
            .env("REDIS_URL", redis.url())
            .env("HANDOFF_ALLOW_UNSAFE_DURABILITY", "true")
            .env("MAIL_DIR", data.path().join("mail"));
        for listener in ["HANDOFF_HTTP", "HANDOFF_GRPC", "HANDOFF_ADMIN"] {
            command.env(listener, "127.0.0.1:0");
        }
        command
    };
    assert!(handoff("migrate").output().unwrap().status.success());
    // It gets as far as its demo organization.
    let mut holder = connect(database.url()).await;
    let mut lock = holder.begin().await.unwrap();
    sqlx::query("lock table settings.organizations in access exclusive mode")
        .execute(&mut *lock)
        .await
        .unwrap();
    let mut dev = handoff("dev");
    dev.arg("--data").arg(data.path());
    let mut process = Process::start("handoff", dev);
    let mut look = connect(database.url()).await;
    until("it waits", async || {
        let waiting =
            "select exists (select from pg_locks where relation = 'settings.organizations'::regclass and not granted)";
        let waits: bool = sqlx::query_scalar(waiting).fetch_one(&mut look).await.unwrap();
        waits.then_some(())
    })
    .await;
    process.terminate();
    assert!(process.end().await.success());
    lock.rollback().await.unwrap();
}

#[tokio::test]
async fn one_process_finishes_what_is_in_flight_before_it_ends() {
    finishes_what_is_in_flight(Shape::OneProcess, Role::Everything, &[]).await;
}

#[tokio::test]
async fn a_gateway_finishes_what_is_in_flight_before_it_ends() {
    let behind = [Role::Threads, Role::Settings];
    finishes_what_is_in_flight(Shape::SeparateProcesses, Role::Gateway, &behind).await;
}
