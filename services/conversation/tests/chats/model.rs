//! Random steps over both surfaces end where a model of the status table says they end.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use wire::{ChatStatus, ConversationState, EscalationStatus};

use crate::scene::{Scene, escalation, finish, said};
use crate::support::{at, inbound, reason};

#[derive(Clone, Debug)]
enum Action {
    /// Over the chat surface.
    EndUserSays,
    BotSays,
    AgentSays(usize),
    Escalate {
        force: bool,
    },
    Choose(wire::DeflectionChannel),
    Finish,
    Resume,
    /// Over the conversation surface.
    EndUserWrites,
    Claim {
        agent: usize,
        force: bool,
    },
    Close,
    Reopen,
    Transfer,
    FollowUp,
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let channel = prop_oneof![
        Just(wire::DeflectionChannel::HumanAgent),
        Just(wire::DeflectionChannel::VirtualAgent),
        Just(wire::DeflectionChannel::Email),
    ];
    let action = prop_oneof![
        2 => Just(Action::EndUserSays),
        2 => Just(Action::BotSays),
        1 => (0..2usize).prop_map(Action::AgentSays),
        3 => any::<bool>().prop_map(|force| Action::Escalate { force }),
        2 => channel.prop_map(Action::Choose),
        1 => Just(Action::Finish),
        2 => Just(Action::Resume),
        1 => Just(Action::EndUserWrites),
        2 => (0..2usize, any::<bool>()).prop_map(|(agent, force)| Action::Claim { agent, force }),
        1 => Just(Action::Close),
        2 => Just(Action::Reopen),
        1 => Just(Action::Transfer),
        2 => Just(Action::FollowUp),
    ];
    prop::collection::vec(action, 1..25)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Holder {
    Nobody,
    Bot,
    Agent(usize),
}

/// What the contract says of one chat at a menu with a bot and no room.
struct Model {
    state: ConversationState,
    holder: Holder,
    /// The queue is the bot's, which is full.
    is_full: bool,
    follow_up: bool,
    taken: bool,
    ended: ChatStatus,
    /// The newest escalation: where it is, and what was chosen for it.
    escalation: Option<(EscalationStatus, Option<wire::DeflectionChannel>)>,
    /// How many there were.
    escalations: usize,
}

impl Model {
    fn status(&self) -> ChatStatus {
        match (self.state, self.holder) {
            (ConversationState::Open, Holder::Nobody) => ChatStatus::Queued,
            (ConversationState::Open, Holder::Bot) => ChatStatus::VaAssigned,
            (ConversationState::Open, Holder::Agent(_)) => ChatStatus::Assigned,
            (ConversationState::Pending, Holder::Bot) => ChatStatus::VaDismissed,
            (ConversationState::Pending, _) => ChatStatus::Dismissed,
            _ => self.ended,
        }
    }

    fn open_escalation(&mut self) -> Option<&mut (EscalationStatus, Option<wire::DeflectionChannel>)> {
        let is_open =
            |status: EscalationStatus| matches!(status, EscalationStatus::Escalating | EscalationStatus::Deflecting);
        self.escalation.as_mut().filter(|escalation| is_open(escalation.0))
    }

    fn close(&mut self, ended: ChatStatus) {
        self.state = ConversationState::Closed;
        self.follow_up = false;
        self.ended = ended;
        if let Some(escalation) = self.open_escalation() {
            escalation.0 = EscalationStatus::Canceled;
        }
    }

    /// Back into the queue.
    fn queue(&mut self) {
        (self.state, self.holder, self.follow_up) = (ConversationState::Open, Holder::Nobody, false);
    }

    fn hand_over(&mut self) {
        if (self.state, self.holder) != (ConversationState::Open, Holder::Nobody) {
            self.queue();
        }
    }

    fn escalate(&mut self, force: bool) {
        let deflects = self.is_full && !force;
        if let Some(escalation) = self.open_escalation() {
            if force && escalation.0 == EscalationStatus::Deflecting {
                escalation.0 = EscalationStatus::Escalating;
                self.hand_over();
            }
            return;
        }
        let newest = self.escalation.map(|(status, _)| status);
        match self.holder {
            Holder::Agent(_) if newest == Some(EscalationStatus::Escalated) => return,
            Holder::Agent(_) => self.escalation = Some((EscalationStatus::Escalated, None)),
            _ if deflects => self.escalation = Some((EscalationStatus::Deflecting, None)),
            _ => {
                self.escalation = Some((EscalationStatus::Escalating, None));
                self.hand_over();
            }
        }
        self.escalations += 1;
    }

    fn choose(&mut self, channel: wire::DeflectionChannel) -> Result<(), &'static str> {
        let has_bot = self.holder == Holder::Bot;
        let Some((status, chosen)) = &mut self.escalation else {
            return Err("ESCALATION_NOT_FOUND");
        };
        if *chosen == Some(channel) {
            return Ok(());
        }
        let is_offered = channel != wire::DeflectionChannel::VirtualAgent || has_bot;
        if *status != EscalationStatus::Deflecting || !is_offered {
            return Err("DEFLECTION_REFUSED");
        }
        *chosen = Some(channel);
        if channel == wire::DeflectionChannel::HumanAgent {
            *status = EscalationStatus::Escalating;
            self.hand_over();
        } else {
            *status = EscalationStatus::Deflected;
        }
        Ok(())
    }

    /// Acts, or says why not.
    fn act(&mut self, action: &Action) -> Result<(), &'static str> {
        use ConversationState::{Closed, Open, Pending};
        let over_chats = matches!(
            action,
            Action::EndUserSays
                | Action::BotSays
                | Action::AgentSays(_)
                | Action::Escalate { .. }
                | Action::Finish
                | Action::Resume
        );
        if over_chats && self.state == Closed {
            return Err("CHAT_ENDED");
        }
        match action {
            Action::EndUserSays | Action::EndUserWrites => {
                if self.state == Closed {
                    self.queue();
                }
                (self.state, self.follow_up) = (Open, false);
            }
            Action::BotSays | Action::AgentSays(_) => self.taken = true,
            Action::Escalate { force } => self.escalate(*force),
            Action::Choose(_) if self.state == Closed && self.escalation.is_some() => return Err("CHAT_ENDED"),
            Action::Choose(channel) => return self.choose(*channel),
            Action::Finish => self.close(ChatStatus::Finished),
            Action::Resume if self.state == Open => return Err("CHAT_NOT_DISMISSED"),
            Action::Resume => {
                if self.holder == Holder::Bot {
                    (self.state, self.follow_up) = (Open, false);
                } else {
                    self.queue();
                }
            }
            Action::Claim { .. } | Action::Transfer | Action::FollowUp if self.state == Closed => {
                return Err("CONVERSATION_CLOSED");
            }
            Action::Claim { agent, force } => {
                match self.holder {
                    Holder::Agent(owner) if owner == *agent => return Ok(()),
                    Holder::Agent(_) | Holder::Bot if !force => return Err("ASSIGNED_TO_ANOTHER"),
                    _ => self.holder = Holder::Agent(*agent),
                }
                self.taken = true;
                if let Some(escalation) = self.open_escalation() {
                    escalation.0 = EscalationStatus::Escalated;
                }
            }
            Action::Close if self.state != Closed => {
                let ended = if self.taken {
                    ChatStatus::Finished
                } else {
                    ChatStatus::Canceled
                };
                self.close(ended);
            }
            Action::Reopen if self.state != Open => self.queue(),
            Action::Close | Action::Reopen => {}
            Action::Transfer => {
                self.queue();
                self.is_full = false;
            }
            Action::FollowUp => (self.state, self.follow_up) = (Pending, true),
        }
        Ok(())
    }
}

async fn act(scene: &Scene, id: i64, newest: i64, action: &Action) -> Result<(), String> {
    let world = &scene.world;
    let (mut chats, mut conversations) = (scene.chats.clone(), world.client.clone());
    let say = |from| scene.request(said(id, from, "x"));
    let user_id = None;
    let done = match action {
        Action::EndUserSays => chats.send_chat_message(say(scene.ada)).await.map(drop),
        Action::BotSays => chats.send_chat_message(say(scene.bot.1)).await.map(drop),
        Action::AgentSays(agent) => chats.send_chat_message(say(scene.agents[*agent])).await.map(drop),
        Action::Escalate { force } => {
            let request = scene.request(escalation(id, *force));
            chats.create_chat_escalation(request).await.map(drop)
        }
        Action::Choose(channel) => {
            let request = wire::UpdateChatEscalationRequest {
                chat_id: id,
                id: newest,
                deflection_channel: (*channel).into(),
            };
            chats.update_chat_escalation(scene.request(request)).await.map(drop)
        }
        Action::Finish => chats.update_chat(scene.request(finish(id))).await.map(drop),
        Action::Resume => {
            let request = scene.request(wire::ResumeChatRequest { id });
            chats.resume_chat(request).await.map(drop)
        }
        Action::EndUserWrites => {
            let request = wire::AddMessageRequest {
                conversation_id: id,
                message: Some(inbound("x")),
            };
            conversations.add_message(scene.request(request)).await.map(drop)
        }
        Action::Claim { agent, force } => {
            let request = wire::ClaimConversationRequest {
                id,
                agent_id: world.own.agents[*agent].clone(),
                force: *force,
            };
            conversations.claim_conversation(scene.request(request)).await.map(drop)
        }
        Action::Close => {
            let request = scene.request(wire::CloseConversationRequest { id, user_id });
            conversations.close_conversation(request).await.map(drop)
        }
        Action::Reopen => {
            let request = scene.request(wire::ReopenConversationRequest { id, user_id });
            conversations.reopen_conversation(request).await.map(drop)
        }
        Action::Transfer => {
            let queue_id = world.own.queues[1].clone();
            let request = wire::TransferConversationRequest { id, queue_id, user_id };
            conversations
                .transfer_conversation(scene.request(request))
                .await
                .map(drop)
        }
        Action::FollowUp => {
            let request = wire::FollowUpConversationRequest {
                id,
                at: at(4_102_444_800),
                user_id,
            };
            conversations
                .follow_up_conversation(scene.request(request))
                .await
                .map(drop)
        }
    };
    done.map_err(|status| reason(&status))
}

/// Number and status of the escalations of a chat, newest first.
async fn escalations(scene: &Scene, id: i64) -> Vec<(i64, i16)> {
    sqlx::query_as("select number, status from conversation.escalations where conversation_id = $1 order by id desc")
        .bind(id)
        .fetch_all(&scene.world.db)
        .await
        .unwrap()
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn random_steps_on_both_surfaces_follow_the_status_table(_: PgPoolOptions, options: PgConnectOptions) {
    let scene = Scene::new(options).await;
    scene.configure(&scene.bots.0, Some(0), None).await;
    let mut runner = TestRunner::default();
    for _ in 0..25 {
        let actions = actions().new_tree(&mut runner).unwrap().current();
        let id = scene.start(scene.bots.1).await;
        let mut model = Model {
            state: ConversationState::Open,
            holder: Holder::Bot,
            is_full: true,
            follow_up: false,
            taken: true,
            ended: ChatStatus::Finished,
            escalation: None,
            escalations: 0,
        };
        for action in &actions {
            let newest = escalations(&scene, id).await.first().map_or(0, |(number, _)| *number);
            let done = act(&scene, id, newest, action).await;
            let expected = model.act(action).map_err(str::to_owned);
            assert_eq!(done, expected, "{action:?} of {actions:?}");
            let (chat, conversation) = (scene.chat(id).await, scene.world.conversation(id).await);
            assert_eq!(chat.status(), model.status(), "after {action:?} of {actions:?}");
            assert_eq!(conversation.state(), model.state, "after {action:?} of {actions:?}");
            let found = escalations(&scene, id).await;
            assert_eq!(found.len(), model.escalations, "after {action:?} of {actions:?}");
            assert_eq!(
                found.first().map(|(_, status)| i32::from(*status)),
                model.escalation.map(|(status, _)| status.into()),
                "after {action:?} of {actions:?}"
            );
            assert_eq!(chat.ends_at, conversation.closed_at);
            assert_eq!(conversation.follow_up_at.is_some(), model.follow_up);
            let at_work = chat.all_agents.iter().chain(&chat.all_virtual_agents);
            let at_work = at_work
                .filter(|agent| agent.status() != wire::ParticipantStatus::Finished)
                .count();
            let held = model.state != ConversationState::Closed && model.holder != Holder::Nobody;
            assert_eq!(at_work, usize::from(held), "after {action:?} of {actions:?}");
        }
        scene.kinds(&format!("chats/{id}")).await;
        let subjects: Vec<String> =
            sqlx::query_scalar("select 'escalations/' || id from conversation.escalations where conversation_id = $1")
                .bind(id)
                .fetch_all(&scene.world.db)
                .await
                .unwrap();
        for subject in subjects {
            scene.kinds(&subject).await;
        }
    }
}
