//! Redis dies, forgets, or comes back as it was a while ago.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use journeys::{CHATBOT, Caller, Shape, System, until};
use serde_json::{Value, json};
use sqlx::Row as _;

const STREAM: &str = "handoff:escalations";

/// How many threads are escalated at the same time.
const AT_ONCE: usize = 4;

/// Escalates new threads. Each is answered as if nothing were wrong.
async fn escalate(caller: &Caller, threads: std::ops::Range<usize>) {
    let escalations = futures::stream::iter(threads).map(async |number| {
        let thread = json!({"threadId": name(number)});
        caller
            .post(format!("/v0/chatbots/{CHATBOT}/threads"), thread)
            .data()
            .await;
        let path = format!("/v1/chatting/{CHATBOT}/thread/{}/escalate", name(number));
        let toggled = caller.patch(path, Value::Null).data().await;
        assert_eq!(toggled["thread"]["escalated"], true);
    });
    escalations.buffer_unordered(AT_ONCE).collect::<()>().await;
}

fn name(number: usize) -> String {
    format!("thread-{number:03}-end")
}

/// How often each thread is named in the lead mails.
fn mailed(system: &System, threads: usize) -> BTreeMap<String, usize> {
    let mails = system.mails();
    (0..threads)
        .map(|number| {
            let name = name(number);
            let count = mails.iter().filter(|mail| mail.contains(&name)).count();
            (name, count)
        })
        .collect()
}

/// Waits until every escalation was told and nothing is under way any more, and fails if something happened twice.
async fn each_is_told_once(system: &mut System, threads: usize) {
    let once: BTreeMap<_, _> = (0..threads).map(|number| (name(number), 1)).collect();
    until("every escalation is mailed", async || {
        (mailed(system, threads).values().sum::<usize>() >= threads).then_some(())
    })
    .await;

    // Duplicates come before what is told after them.
    let caller = system.caller();
    escalate(&caller, threads..threads + 1).await;
    let last = name(threads);
    let events = until("the last escalation is in the stream", async || {
        let events = system.redis().events(STREAM).await;
        let told = events.iter().any(|event| event["data"]["threadId"] == last);
        told.then_some(events)
    })
    .await;
    until("the last escalation is mailed", async || {
        system.mails().iter().any(|mail| mail.contains(&last)).then_some(())
    })
    .await;
    for name in once.keys() {
        let told = events.iter().any(|event| event["data"]["threadId"] == *name);
        assert!(told, "{name} is in the stream");
    }
    assert_eq!(mailed(system, threads), once);

    let mut database = journeys::stores::connect(system.database_url()).await;
    let row = sqlx::query(
        "select (select count(*) from settings.lead_mails) as mails,
                (select count(*) from settings.inbox) as effects,
                (select count(*) from settings.parked_events) as parked,
                (select count(*) from thread.outbox_unpublished) as untold",
    )
    .fetch_one(&mut database)
    .await
    .unwrap();
    let count = |column: &str| usize::try_from(row.get::<i64, _>(column)).unwrap();
    assert_eq!((count("mails"), count("effects")), (threads + 1, threads + 1));
    assert_eq!((count("parked"), count("untold")), (0, 0));
}

#[tokio::test]
async fn escalations_go_on_while_redis_is_dead_and_are_told_once_when_it_is_back_empty() {
    let mut system = System::start(Shape::OneProcess).await;
    let caller = system.caller();
    escalate(&caller, 0..10).await;
    system.redis().kill();
    escalate(&caller, 10..40).await;
    system.redis().restart().await;
    escalate(&caller, 40..50).await;
    each_is_told_once(&mut system, 50).await;
}

#[tokio::test]
async fn escalations_are_told_once_though_redis_is_flushed_among_them() {
    let mut system = System::start(Shape::SeparateProcesses).await;
    let caller = system.caller();
    escalate(&caller, 0..20).await;
    let flush = ::redis::cmd("FLUSHALL");
    let redis = system.redis();
    let ((), ()) = tokio::join!(escalate(&caller, 20..40), redis.ask(&flush));
    escalate(&caller, 40..50).await;
    each_is_told_once(&mut system, 50).await;
}

#[tokio::test]
async fn escalations_are_told_once_though_redis_falls_back_to_an_older_copy() {
    let mut system = System::start(Shape::OneProcess).await;
    let caller = system.caller();
    escalate(&caller, 0..15).await;
    until("some are told", async || {
        (!system.redis().events(STREAM).await.is_empty()).then_some(())
    })
    .await;
    system.redis().save().await;
    escalate(&caller, 15..35).await;
    until("more are told than the copy has", async || {
        (system.redis().events(STREAM).await.len() >= 35).then_some(())
    })
    .await;
    system.redis().kill();
    system.redis().restart().await;
    escalate(&caller, 35..50).await;
    each_is_told_once(&mut system, 50).await;
}

#[tokio::test]
async fn escalations_go_on_while_redis_hangs_and_are_told_once_when_it_goes_on() {
    let mut system = System::start(Shape::SeparateProcesses).await;
    let caller = system.caller();
    escalate(&caller, 0..10).await;
    system.redis().pause();
    escalate(&caller, 10..20).await;
    system.redis().resume();
    each_is_told_once(&mut system, 20).await;
}
