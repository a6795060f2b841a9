use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;
use wire::ChatStatus;

use crate::scene::{Scene, chat, chat_refused};
use crate::support::{assert_refused, until};

impl Scene {
    /// Lets time pass for a clock of all chats.
    async fn wait(&self, clock: &str) {
        let sql = match clock {
            "idle" => "update conversation.chats set idle_since = idle_since - interval '2 days'",
            _ => "update conversation.chats set dismissed_since = dismissed_since - interval '2 days'",
        };
        sqlx::query(sql).execute(&self.world.db).await.unwrap();
    }

    async fn becomes(&self, id: i64, status: ChatStatus) {
        until(async || self.status(id).await == status).await;
    }

    async fn is_idle(&self, id: i64) -> bool {
        sqlx::query_scalar("select idle_since is not null from conversation.chats where conversation_id = $1")
            .bind(id)
            .fetch_one(&self.world.db)
            .await
            .unwrap()
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_end_user_who_does_not_answer_is_dismissed_and_then_the_chat_finished(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    scene.claim(id, 0).await;
    scene.say(id, scene.ada, "Hi").await;
    assert!(scene.chat(id).await.timeout_at.is_none());
    scene.say(id, scene.agents[0], "Hello, what is your number?").await;
    assert!(scene.chat(id).await.timeout_at.is_some());
    scene.wait("idle").await;
    let _replica = scene.run_replica().await;
    scene.becomes(id, ChatStatus::Dismissed).await;
    let pending = scene.world.conversation(id).await;
    assert_eq!(pending.state(), wire::ConversationState::Pending);
    assert_eq!(scene.world.log(id).await.last().unwrap(), "ConversationPending");
    assert!(scene.chat(id).await.timeout_at.is_some());
    scene.wait("dismissed").await;
    scene.becomes(id, ChatStatus::Finished).await;
    assert_eq!(
        scene.kinds(&format!("chats/{id}")).await.last().unwrap(),
        "chat.finished"
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn the_clock_runs_only_while_the_end_user_has_to_answer(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    scene.say(id, scene.ada, "Hi").await;
    assert!(!scene.is_idle(id).await, "nobody has it");
    scene.claim(id, 0).await;
    assert!(!scene.is_idle(id).await, "nobody has answered");
    scene.say(id, scene.agents[0], "Hello").await;
    assert!(scene.is_idle(id).await);
    scene.say(id, scene.ada, "It is me").await;
    assert!(!scene.is_idle(id).await, "it is the agent's turn");
    scene.say(id, scene.agents[0], "I see").await;
    scene.claim(id, 1).await;
    assert!(!scene.is_idle(id).await, "somebody else has it");

    let silent = scene.start(scene.people).await;
    scene.claim(silent, 0).await;
    scene.say(silent, scene.agents[0], "Anybody there?").await;
    assert!(!scene.is_idle(silent).await, "the end user has not said anything yet");
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_chat_in_which_the_end_user_never_wrote_ends_without_a_response(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.bots.1).await;
    scene.say(id, scene.bot.1, "How can I help?").await;
    scene.wait("idle").await;
    let _replica = scene.run_replica().await;
    scene.becomes(id, ChatStatus::VaDismissed).await;
    scene.wait("dismissed").await;
    scene.becomes(id, ChatStatus::NoResponse).await;
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_dismissed_chat_is_resumed_in_the_queue_or_with_its_virtual_agent(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let scene = Scene::new(options).await;
    let (person, bot) = (scene.start(scene.people).await, scene.start(scene.bots.1).await);
    scene.claim(person, 0).await;
    for (id, agent) in [(person, scene.agents[0]), (bot, scene.bot.1)] {
        let refused = chat_refused!(scene.resume_chat(wire::ResumeChatRequest { id }));
        assert_refused(&refused, Code::AlreadyExists, "CHAT_NOT_DISMISSED");
        scene.say(id, scene.ada, "Hi").await;
        scene.say(id, agent, "Hello").await;
    }
    scene.wait("idle").await;
    let _replica = scene.run_replica().await;
    scene.becomes(person, ChatStatus::Dismissed).await;
    scene.becomes(bot, ChatStatus::VaDismissed).await;
    let resume = async |id| chat!(scene.resume_chat(wire::ResumeChatRequest { id })).chat.unwrap();
    let queued = resume(person).await;
    assert_eq!((queued.status(), queued.agent), (ChatStatus::Queued, None));
    let back = resume(bot).await;
    assert_eq!(
        (back.status(), back.virtual_agent.unwrap().id),
        (ChatStatus::VaAssigned, scene.bot.1)
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_end_user_who_answers_after_all_is_back(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    scene.claim(id, 0).await;
    scene.say(id, scene.ada, "Hi").await;
    scene.say(id, scene.agents[0], "Hello").await;
    scene.wait("idle").await;
    let _replica = scene.run_replica().await;
    scene.becomes(id, ChatStatus::Dismissed).await;
    scene.say(id, scene.ada, "Sorry").await;
    assert_eq!(scene.status(id).await, ChatStatus::Assigned);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_chat_that_an_agent_has_put_off_is_not_finished(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    let id = scene.start(scene.people).await;
    scene.claim(id, 0).await;
    let request = scene.request(wire::FollowUpConversationRequest {
        id,
        at: crate::support::at(4_102_444_800),
        user_id: None,
    });
    scene
        .world
        .client
        .clone()
        .follow_up_conversation(request)
        .await
        .unwrap();
    let put_off = scene.chat(id).await;
    assert_eq!((put_off.status(), put_off.timeout_at), (ChatStatus::Dismissed, None));
    assert_eq!(
        chat!(scene.resume_chat(wire::ResumeChatRequest { id }))
            .chat
            .unwrap()
            .status(),
        ChatStatus::Queued
    );
}
