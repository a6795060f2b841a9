//! Threads: made, read, changed, ended.

use proto::settings::v1::ChatStart;
use proto::thread::v1 as pb;
use tonic::Code;

use crate::support::{BOT, World, assert_refused, at, from_visitor};

fn new_thread(id: Option<&str>) -> pb::CreateThreadRequest {
    pb::CreateThreadRequest {
        chatbot_id: BOT.to_owned(),
        thread_id: id.map(str::to_owned),
        ..pb::CreateThreadRequest::default()
    }
}

fn change(thread: &str) -> pb::UpdateThreadRequest {
    pb::UpdateThreadRequest {
        chatbot_id: BOT.to_owned(),
        thread_id: thread.to_owned(),
        ..pb::UpdateThreadRequest::default()
    }
}

async fn end(world: &World, thread: &str) -> pb::Thread {
    let request = pb::EndThreadRequest {
        chatbot_id: BOT.to_owned(),
        thread_id: thread.to_owned(),
    };
    let answer = world.org.api().end_thread(request).await.unwrap();
    answer.into_inner().thread.unwrap()
}

#[tokio::test]
async fn a_new_thread_has_what_was_asked_for_and_what_its_chatbot_looks_like() {
    let world = World::new().await;
    let request = pb::CreateThreadRequest {
        mode: pb::Mode::Agent.into(),
        visitor_email: Some("grace@example.com".to_owned()),
        platform_source: Some("widget".to_owned()),
        ..new_thread(Some("A.b_c~1"))
    };
    let thread = world.org.create(request).await.unwrap();

    assert!(uuid::Uuid::parse_str(&thread.uid).is_ok());
    assert!(thread.started_at.is_some());
    let visitor = thread.visitor.clone().unwrap();
    assert!(uuid::Uuid::parse_str(&visitor.id).is_ok());
    assert_eq!(visitor.email.as_deref(), Some("grace@example.com"));
    assert_eq!(
        (visitor.name, visitor.phone_number, visitor.verified),
        (None, None, false)
    );
    assert!(visitor.created_at.is_some() && visitor.updated_at == visitor.created_at);
    let expected = pb::Thread {
        thread_id: "A.b_c~1".to_owned(),
        chatbot_id: BOT.to_owned(),
        uid: thread.uid.clone(),
        mode: pb::Mode::Agent.into(),
        platform_source: "widget".to_owned(),
        visitor: thread.visitor.clone(),
        started_at: thread.started_at,
        updated_at: thread.started_at,
        bot_icon: Some("https://cdn.example.com/bot.png".to_owned()),
        user_icon: Some("https://cdn.example.com/user.png".to_owned()),
        agent_icon: Some("https://cdn.example.com/agent.png".to_owned()),
        bubble_icon: Some("https://cdn.example.com/bubble.png".to_owned()),
        llm_model: Some(pb::LlmModel {
            id: "gpt-4".to_owned(),
            provider: "openai".to_owned(),
            title: "GPT-4".to_owned(),
        }),
        ..pb::Thread::default()
    };
    assert_eq!(thread, expected);
    assert_eq!(world.org.read("A.b_c~1").await, (expected, Vec::new()));

    let events = world.events("threads").await;
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].kind.as_str(), events[0].stream.as_str()),
        ("thread.created", "handoff:events")
    );
    assert_eq!(events[0].subject, format!("threads/{}", thread.uid));
    assert_eq!(events[0].data["visitor"]["email"], "grace@example.com");
}

#[tokio::test]
async fn a_thread_of_which_nothing_is_said_gets_a_random_id_and_no_visitor() {
    let world = World::new().await;
    let first = world.org.create(new_thread(None)).await.unwrap();
    let second = world.org.create(new_thread(None)).await.unwrap();
    assert_ne!(first.thread_id, second.thread_id);
    assert!(uuid::Uuid::parse_str(&first.thread_id).is_ok());
    assert_eq!(
        (first.mode(), first.visitor, first.platform_source.as_str()),
        (pb::Mode::Ai, None, "api")
    );
}

#[tokio::test]
async fn a_thread_starts_with_whom_the_chatbots_settings_say_unless_asked_otherwise() {
    let world = World::new().await;
    world.chatbot("people-first", ChatStart::Agent).await;
    let at_bot = |mode: pb::Mode| pb::CreateThreadRequest {
        chatbot_id: "people-first".to_owned(),
        mode: mode.into(),
        ..pb::CreateThreadRequest::default()
    };
    let by_default = world.org.create(at_bot(pb::Mode::Unspecified)).await.unwrap();
    assert_eq!(by_default.mode(), pb::Mode::Agent);
    let asked = world.org.create(at_bot(pb::Mode::Ai)).await.unwrap();
    assert_eq!(asked.mode(), pb::Mode::Ai);
}

#[tokio::test]
async fn a_thread_id_is_taken_once_for_each_chatbot() {
    let world = World::new().await;
    world.chatbot("other", ChatStart::Ai).await;
    let first = world.org.thread("t").await;
    let again = world.org.create(new_thread(Some("t"))).await;
    assert_refused(again, Code::AlreadyExists, "THREAD_ID_TAKEN");
    let elsewhere = pb::CreateThreadRequest {
        chatbot_id: "other".to_owned(),
        ..new_thread(Some("t"))
    };
    assert_ne!(world.org.create(elsewhere).await.unwrap().uid, first.uid);
    assert_eq!(world.events("threads").await.len(), 2);
}

#[tokio::test]
async fn of_many_who_want_the_same_id_at_once_one_gets_it() {
    let world = World::new().await;
    let tries = (0..20).map(|_| world.org.create(new_thread(Some("t"))));
    let (made, refused): (Vec<_>, Vec<_>) = futures::future::join_all(tries)
        .await
        .into_iter()
        .partition(Result::is_ok);
    assert_eq!(made.len(), 1);
    for result in refused {
        assert_refused(result, Code::AlreadyExists, "THREAD_ID_TAKEN");
    }
}

#[tokio::test]
async fn a_chatbot_that_does_not_exist_has_no_threads() {
    let world = World::new().await;
    let request = pb::CreateThreadRequest {
        chatbot_id: "nobody".to_owned(),
        ..pb::CreateThreadRequest::default()
    };
    assert_refused(world.org.create(request).await, Code::NotFound, "CHATBOT_NOT_FOUND");
}

#[tokio::test]
async fn mode_and_webhook_of_a_thread_are_set_and_cleared() {
    let world = World::new().await;
    world.org.thread("t").await;
    let set = pb::UpdateThreadRequest {
        mode: pb::Mode::Agent.into(),
        webhook_url: Some("https://hooks.example.com/handoff?x=1".to_owned()),
        webhook_token: Some("a secret of the webhook".to_owned()),
        ..change("t")
    };
    let answer = world.org.api().update_thread(set).await.unwrap().into_inner();
    let thread = answer.thread.clone().unwrap();
    assert_eq!(thread.mode(), pb::Mode::Agent);
    assert_eq!(
        thread.webhook_url.as_deref(),
        Some("https://hooks.example.com/handoff?x=1")
    );
    assert_eq!(world.org.read("t").await.0, thread);

    let clear = pb::UpdateThreadRequest {
        webhook_url: Some(String::new()),
        webhook_token: Some(String::new()),
        ..change("t")
    };
    let answer = world.org.api().update_thread(clear).await.unwrap().into_inner();
    let thread = answer.thread.unwrap();
    assert_eq!((thread.webhook_url.as_deref(), thread.mode()), (None, pb::Mode::Agent));
    assert_eq!(
        world
            .count("select count(*) from thread.threads where webhook_token is not null")
            .await,
        0
    );
}

#[tokio::test]
async fn a_webhook_token_is_sealed_in_the_database_and_told_to_nobody() {
    const TOKEN: &str = "a secret of the webhook";
    let world = World::new().await;
    let uid = world.org.thread("t").await.uid;
    let set = pb::UpdateThreadRequest {
        webhook_token: Some(TOKEN.to_owned()),
        ..change("t")
    };
    let request = crate::support::keyed("k", set);
    let answer = world.org.api().update_thread(request).await.unwrap().into_inner();
    assert!(!format!("{answer:?}").contains(TOKEN));
    assert!(!format!("{:?}", world.org.read("t").await).contains(TOKEN));
    assert!(!format!("{:?}", world.events("threads").await).contains(TOKEN));

    let sealed: Vec<u8> = sqlx::query_scalar("select webhook_token from thread.threads")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert!(!sealed.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes()));
    let place = format!("thread.threads.webhook_token/{}/{uid}", world.org.id);
    assert_eq!(
        world.master_key.open(place.as_bytes(), &sealed).unwrap(),
        TOKEN.as_bytes()
    );
}

#[tokio::test]
async fn a_change_that_changes_nothing_tells_nothing() {
    let world = World::new().await;
    let before = world.org.thread("t").await;
    let same = pb::UpdateThreadRequest {
        mode: pb::Mode::Ai.into(),
        webhook_url: Some(String::new()),
        ..change("t")
    };
    let answer = world.org.api().update_thread(same).await.unwrap().into_inner();
    assert_eq!(answer.thread.unwrap(), before);
    assert_eq!(world.events("threads").await.len(), 1);
}

#[tokio::test]
async fn a_thread_ends_once_and_takes_its_escalation_along() {
    let world = World::new().await;
    world.org.thread("t").await;
    world.org.toggle("t").await;

    let ended = end(&world, "t").await;
    assert!(ended.ended_at.is_some());
    assert_eq!((ended.escalated, ended.mode()), (false, pb::Mode::Ai));
    let resolved = world.org.escalations(pb::EscalationState::Resolved).await;
    assert_eq!(resolved.len(), 1);
    assert_eq!(resolved[0].resolved_by.as_deref(), Some(crate::support::OWNER));

    assert_eq!(end(&world, "t").await, ended);
    let kinds = |events: Vec<crate::support::Told>| events.into_iter().map(|event| event.kind).collect::<Vec<_>>();
    assert_eq!(kinds(world.events("threads").await), ["thread.created", "thread.ended"]);
    assert_eq!(
        kinds(world.events("escalations").await),
        ["escalation.created", "escalation.resolved"]
    );
}

#[tokio::test]
async fn the_visitors_next_word_opens_an_ended_thread_again_and_nobody_elses_does() {
    let world = World::new().await;
    world.org.thread("t").await;
    let ended = end(&world, "t").await;
    let farewell = pb::AppendMessageRequest {
        author: pb::Author::Agent.into(),
        ..from_visitor("t", "Good bye")
    };
    world.org.append(farewell).await.unwrap();
    assert_eq!(
        at(world.org.read("t").await.0.ended_at.as_ref()),
        at(ended.ended_at.as_ref())
    );
    world.org.say("t", "One more thing").await;
    assert_eq!(world.org.read("t").await.0.ended_at, None);
}

#[tokio::test]
async fn a_thread_that_does_not_exist_is_named() {
    let world = World::new().await;
    let status = assert_refused(
        world.org.api().update_thread(change("nowhere")).await,
        Code::NotFound,
        "THREAD_NOT_FOUND",
    );
    assert_eq!(crate::support::fields(&status), ["thread_id"]);
}
