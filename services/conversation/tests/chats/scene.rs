//! A world with what chats need: numbers of its people and queues, and a virtual agent.

use platform::link::Link;
use platform::server::Readiness;
use proto::conversation::v1 as wire;
use proto::conversation::v1::chat_service_client::ChatServiceClient;
use proto::settings::v1::SetCompanySecretRequest;
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Request;
use uuid::Uuid;

use crate::support::{World, ok, unknown};

pub(crate) struct Scene {
    pub(crate) world: World,
    /// Of another replica than the world's client.
    pub(crate) chats: ChatServiceClient<Link>,
    /// Where it is.
    pub(crate) link: Link,
    _replica: DropGuard,
    /// The end user with the identifier `ada`.
    pub(crate) ada: i64,
    /// The agents Bo and Cy.
    pub(crate) agents: [i64; 2],
    /// A virtual agent, by id and number.
    pub(crate) bot: (String, i64),
    /// A menu without a virtual agent, which is the default queue.
    pub(crate) people: i64,
    /// The menu of the bot, by id and number.
    pub(crate) bots: (String, i64),
}

/// Calls a method of the chat surface in the name of the scene's organization; its answer.
macro_rules! chat {
    ($scene:ident.$method:ident($message:expr)) => {
        $scene
            .chats
            .clone()
            .$method($scene.world.own.request($message))
            .await
            .unwrap()
            .into_inner()
    };
}
/// The same for a call that must not succeed; its status.
macro_rules! chat_refused {
    ($scene:ident.$method:ident($message:expr)) => {
        $scene
            .chats
            .clone()
            .$method($scene.world.own.request($message))
            .await
            .expect_err("the call must be refused")
    };
}
pub(crate) use {chat, chat_refused};

impl Scene {
    pub(crate) async fn new(options: PgConnectOptions) -> Self {
        let world = World::new(options).await;
        let (link, replica) = world.another().await;
        let bot = virtual_agent(&world, "Botty").await;
        let number = |table: &'static str, id: String| number(&world, table, id);
        let ada = number("people", world.own.end_user.clone()).await;
        let agents = [
            number("people", world.own.agents[0].clone()).await,
            number("people", world.own.agents[1].clone()).await,
        ];
        let people = number("queues", world.own.queues[0].clone()).await;
        sqlx::query("update conversation.people set external_id = 'ada' where org_id = $1 and number = $2")
            .bind(world.own.org.0)
            .bind(ada)
            .execute(&world.db)
            .await
            .unwrap();
        let bots = platform::id::new();
        sqlx::query(
            "insert into conversation.queues (org_id, id, name, is_default, virtual_agent_id, options)
             values ($1, $2, 'Bots', false, $3, '{}')",
        )
        .bind(world.own.org.0)
        .bind(bots)
        .bind(bot.parse::<Uuid>().unwrap())
        .execute(&world.db)
        .await
        .unwrap();
        let bots = (bots.to_string(), self::number(&world, "queues", bots.to_string()).await);
        let bot = (bot.clone(), self::number(&world, "people", bot).await);
        Self {
            world,
            chats: ChatServiceClient::new(link.clone()),
            link,
            _replica: replica,
            ada,
            agents,
            bot,
            people,
            bots,
        }
    }

    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        self.world.own.request(message)
    }

    /// A new chat of the end user at a menu.
    pub(crate) async fn start(&self, menu_id: i64) -> i64 {
        self.begin(menu_id, self.ada).await
    }

    /// A new chat of somebody else, with the bot.
    pub(crate) async fn start_as(&self, end_user_id: i64) -> i64 {
        self.begin(self.bots.1, end_user_id).await
    }

    async fn begin(&self, menu_id: i64, end_user_id: i64) -> i64 {
        let request = wire::CreateChatRequest {
            menu_id,
            end_user_id,
            ..Default::default()
        };
        chat!(self.create_chat(request)).chat.unwrap().id
    }

    pub(crate) async fn chat(&self, id: i64) -> wire::Chat {
        chat!(self.get_chat(wire::GetChatRequest { id })).chat.unwrap()
    }

    pub(crate) async fn status(&self, id: i64) -> wire::ChatStatus {
        self.chat(id).await.status()
    }

    pub(crate) async fn say(&self, chat_id: i64, from_user_id: i64, text: &str) -> wire::Message {
        chat!(self.send_chat_message(said(chat_id, from_user_id, text)))
            .message
            .unwrap()
    }

    pub(crate) async fn escalate(&self, chat_id: i64) -> wire::ChatEscalation {
        chat!(self.create_chat_escalation(escalation(chat_id, false)))
            .escalation
            .unwrap()
    }

    pub(crate) async fn finish(&self, id: i64) -> wire::Chat {
        chat!(self.update_chat(finish(id))).chat.unwrap()
    }

    /// Claims the conversation over its own surface.
    pub(crate) async fn claim(&self, id: i64, agent: usize) {
        let (world, force) = (&self.world, true);
        let agent_id = world.own.agents[agent].clone();
        ok!(world.claim_conversation(wire::ClaimConversationRequest { id, agent_id, force }));
    }

    pub(crate) async fn close(&self, id: i64) {
        let (world, user_id) = (&self.world, None);
        ok!(world.close_conversation(wire::CloseConversationRequest { id, user_id }));
    }

    pub(crate) async fn reopen(&self, id: i64) {
        let (world, user_id) = (&self.world, None);
        ok!(world.reopen_conversation(wire::ReopenConversationRequest { id, user_id }));
    }

    /// The escalation of a number, as it is listed.
    pub(crate) async fn escalation(&self, id: i64) -> wire::ChatEscalation {
        let request = wire::ListChatEscalationsRequest {
            page_size: 100,
            ..Default::default()
        };
        let listed = chat!(self.list_chat_escalations(request)).escalations;
        listed.into_iter().find(|escalation| escalation.id == id).unwrap()
    }

    /// What others were told under a subject, in the order of its sequence, which has no gaps.
    pub(crate) async fn told(&self, subject: &str) -> Vec<(String, serde_json::Value)> {
        let rows: Vec<(String, i64, String, String)> = sqlx::query_as(
            "select type, sequence, data, stream from conversation.outbox where org_id = $1 and subject = $2 order by id",
        )
        .bind(self.world.own.org.0)
        .bind(subject)
        .fetch_all(&self.world.db)
        .await
        .unwrap();
        let sequences: Vec<i64> = rows.iter().map(|(_, sequence, ..)| *sequence).collect();
        let gapless: Vec<i64> = (1..).take(rows.len()).collect();
        assert_eq!(sequences, gapless, "{subject}");
        let stream = if subject.starts_with("escalations/") {
            "handoff:escalations"
        } else {
            "handoff:events"
        };
        assert!(rows.iter().all(|row| row.3 == stream));
        rows.into_iter()
            .map(|(kind, _, data, _)| (kind, serde_json::from_str(&data).unwrap()))
            .collect()
    }

    pub(crate) async fn kinds(&self, subject: &str) -> Vec<String> {
        self.told(subject).await.into_iter().map(|(kind, _)| kind).collect()
    }

    /// Runs the loops of one more replica until what is returned is dropped.
    pub(crate) async fn run_replica(&self) -> DropGuard {
        let stop = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        tokio::spawn(self.world.replica().run(listener, Readiness::default(), stop.clone()));
        stop.drop_guard()
    }

    /// Sets the secret that the own organization signs data with.
    pub(crate) async fn set_company_secret(&self, secret: &str) {
        let request = SetCompanySecretRequest { secret: secret.into() };
        let request = self.request(request);
        self.world.settings.clone().set_company_secret(request).await.unwrap();
    }

    /// What a queue offers chats.
    pub(crate) async fn configure(&self, id: &str, size: Option<i32>, hours: Option<wire::OpeningHours>) {
        chat!(self.configure_queue(wire::ConfigureQueueRequest {
            id: id.to_owned(),
            lang: None,
            max_queue_size: size,
            opening_hours: hours,
        }));
    }
}

/// A virtual agent, put there without the service.
pub(crate) async fn virtual_agent(world: &World, name: &str) -> String {
    let id = platform::id::new();
    sqlx::query(
        "insert into conversation.people (org_id, id, is_agent, is_end_user, is_virtual, display_name, email)
         values ($1, $2, true, false, true, $3, $4)",
    )
    .bind(world.own.org.0)
    .bind(id)
    .bind(name)
    .bind(format!("{id}@example.com"))
    .execute(&world.db)
    .await
    .unwrap();
    id.to_string()
}

pub(crate) async fn number(world: &World, table: &str, id: String) -> i64 {
    let sql = match table {
        "people" => "select number from conversation.people where id = $1",
        _ => "select number from conversation.queues where id = $1",
    };
    sqlx::query_scalar(sql)
        .bind(id.parse::<Uuid>().unwrap())
        .fetch_one(&world.db)
        .await
        .unwrap()
}

pub(crate) fn said(chat_id: i64, from_user_id: i64, text: &str) -> wire::SendChatMessageRequest {
    wire::SendChatMessageRequest {
        chat_id,
        from_user_id,
        content: Some(wire::send_chat_message_request::Content::Text(text.to_owned())),
    }
}

pub(crate) fn escalation(chat_id: i64, force_escalate: bool) -> wire::CreateChatEscalationRequest {
    wire::CreateChatEscalationRequest {
        chat_id,
        reason: wire::EscalationReason::ByEndUserAsk.into(),
        force_escalate,
    }
}

pub(crate) fn finish(id: i64) -> wire::UpdateChatRequest {
    wire::UpdateChatRequest {
        id,
        finish: true,
        ..Default::default()
    }
}

/// A number that nothing has.
pub(crate) const NOTHING: i64 = 9_007_199_254_740_000;

pub(crate) fn no_uuid() -> String {
    unknown()
}
