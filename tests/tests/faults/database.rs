//! PostgreSQL behind a cable that is cut, or that swallows what is sent.

use std::time::Duration;

use futures::future::join_all;
use journeys::stores::Database;
use journeys::wire::Wire;
use journeys::{CHATBOT, Caller, Shape, System, within};
use proto::thread::v1::GetThreadRequest;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;
use tonic::Code;

/// PostgreSQL is down: every request is answered within this.
const CUT: Duration = Duration::from_secs(3);
/// PostgreSQL does not answer: the deadline at the edge.
const BLACKHOLE: Duration = Duration::from_secs(5);
/// It is reachable again: everything works within this.
const RECOVERED: Duration = Duration::from_secs(5);

async fn start(shape: Shape) -> (System, Wire) {
    let database = Database::create().await;
    let wire = Wire::to(database.address()).await;
    let url = database.url_through(wire.address().port());
    (System::start_on(shape, database, url).await, wire)
}

/// One of each kind: reads and writes, of both contexts.
fn requests() -> Vec<(Method, String, Value)> {
    let list = format!("/v1/chatting/{CHATBOT}/threads");
    let thread = format!("/v0/chatbots/{CHATBOT}/threads/t");
    let message = format!("/v0/chatbots/{CHATBOT}/message");
    let escalate = format!("/v1/chatting/{CHATBOT}/thread/t/escalate");
    vec![
        (Method::GET, list, Value::Null),
        (Method::GET, thread, Value::Null),
        (Method::POST, message, json!({"threadId": "t", "message": "Hello?"})),
        (Method::PATCH, escalate, Value::Null),
        (Method::GET, "/v1/escalations".to_owned(), Value::Null),
        (Method::GET, "/v1/chatbots".to_owned(), Value::Null),
    ]
}

/// Several callers ask everything at once, and are told in time to come back later.
async fn everything_is_unavailable(caller: &Caller, limit: Duration) {
    let asked = std::iter::repeat_n(requests(), 4).flatten();
    join_all(asked.map(async |(method, path, body)| {
        let started = Instant::now();
        let answer = caller.ask(method.clone(), &path).json(body).send().await;
        let took = started.elapsed();
        answer.assert_unavailable();
        assert!(took <= limit, "{method} {path} took {took:?}");
    }))
    .await;
    let request = GetThreadRequest {
        chatbot_id: CHATBOT.to_owned(),
        thread_id: "t".to_owned(),
        message_limit: 0,
    };
    let refused = caller.threads().get_thread(caller.grpc(request)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
}

async fn everything_works(caller: &Caller) {
    within(RECOVERED, "every request succeeds again", async || {
        let answers = join_all(requests().into_iter().map(async |(method, path, body)| {
            let answer = caller.ask(method, &path).json(body).send().await;
            if answer.status != 200 {
                answer.assert_unavailable();
            }
            answer.status == 200
        }));
        answers.await.into_iter().all(|success| success).then_some(())
    })
    .await;
}

async fn survives(shape: Shape) {
    let (system, wire) = start(shape).await;
    let caller = system.caller();
    let thread = json!({"threadId": "t"});
    caller
        .post(format!("/v0/chatbots/{CHATBOT}/threads"), thread)
        .data()
        .await;
    everything_works(&caller).await;

    wire.cut();
    everything_is_unavailable(&caller, CUT).await;
    everything_is_unavailable(&caller, CUT).await;
    wire.mend();
    everything_works(&caller).await;

    wire.blackhole();
    everything_is_unavailable(&caller, BLACKHOLE).await;
    everything_is_unavailable(&caller, BLACKHOLE).await;
    wire.mend();
    everything_works(&caller).await;
}

#[tokio::test]
async fn one_process_answers_in_time_without_its_database_and_recovers_by_itself() {
    survives(Shape::OneProcess).await;
}

#[tokio::test]
async fn separate_processes_answer_in_time_without_their_database_and_recover_by_themselves() {
    survives(Shape::SeparateProcesses).await;
}
