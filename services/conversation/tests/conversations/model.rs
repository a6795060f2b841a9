//! Random steps over the API end where a model of the contract says they end, and log what it says they log.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use wire::ConversationState;

use crate::support::{World, at, inbound, outbound, reason};

#[derive(Clone, Debug)]
enum Action {
    Inbound,
    Outbound,
    Claim(usize, bool),
    Close,
    Reopen,
    Transfer(usize),
    FollowUp(i64),
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        Just(Action::Inbound),
        Just(Action::Outbound),
        (0..2usize, any::<bool>()).prop_map(|(agent, force)| Action::Claim(agent, force)),
        Just(Action::Close),
        Just(Action::Reopen),
        (0..2usize).prop_map(Action::Transfer),
        (0..2i64).prop_map(|n| Action::FollowUp(4_102_444_800 + n)),
    ];
    prop::collection::vec(action, 1..25)
}

/// What the contract says of one conversation.
struct Model {
    state: ConversationState,
    agent: Option<usize>,
    queue: usize,
    follow_up: Option<i64>,
    log: Vec<&'static str>,
}

impl Model {
    fn drop_follow_up(&mut self) {
        if self.follow_up.take().is_some() {
            self.log.push("FollowupRemoved");
        }
    }

    fn unassign(&mut self) {
        if self.agent.take().is_some() {
            self.log.push("ConversationUnassigned");
        }
    }

    fn reopen(&mut self) {
        self.state = ConversationState::Open;
        self.log.push("ConversationReopened");
        self.unassign();
        self.log.push("ConversationOffered");
    }

    /// Acts, or says why not.
    fn act(&mut self, action: &Action) -> Result<(), &'static str> {
        use ConversationState::{Closed, Open, Pending};
        match (action, self.state) {
            (Action::Inbound, state) => {
                self.log.push("MessageAddedByCustomer");
                if state == Closed {
                    self.reopen();
                }
                self.drop_follow_up();
                self.state = Open;
            }
            (Action::Outbound, _) => self.log.push("MessageAddedByAgent"),
            (Action::Claim(..) | Action::Transfer(_) | Action::FollowUp(_), Closed) => {
                return Err("CONVERSATION_CLOSED");
            }
            (Action::Claim(agent, force), _) => match self.agent {
                Some(owner) if owner == *agent => {}
                Some(_) if !force => return Err("ASSIGNED_TO_ANOTHER"),
                _ => {
                    self.unassign();
                    self.agent = Some(*agent);
                    self.log.push("ConversationClaimed");
                }
            },
            (Action::Close, Closed) | (Action::Reopen, Open) => {}
            (Action::Close, _) => {
                self.drop_follow_up();
                self.state = Closed;
                self.log.push("ConversationClosed");
            }
            (Action::Reopen, _) => {
                self.drop_follow_up();
                self.reopen();
            }
            (Action::Transfer(queue), Open) if *queue == self.queue && self.agent.is_none() => {}
            (Action::Transfer(queue), _) => {
                self.drop_follow_up();
                self.log.push("TransferInitiated");
                self.unassign();
                (self.state, self.queue) = (Open, *queue);
                self.log.push("TransferSuccessful");
            }
            (Action::FollowUp(when), _) if self.follow_up == Some(*when) => {}
            (Action::FollowUp(when), state) => {
                self.drop_follow_up();
                self.follow_up = Some(*when);
                self.log.push("FollowupAdded");
                if state != Pending {
                    self.state = Pending;
                    self.log.push("ConversationPending");
                }
            }
        }
        Ok(())
    }
}

async fn act(world: &World, id: i64, action: &Action) -> Result<(), String> {
    let (mut client, own) = (world.client.clone(), &world.own);
    let say = |message| {
        own.request(wire::AddMessageRequest {
            conversation_id: id,
            message: Some(message),
        })
    };
    let user_id = None;
    let done = match action {
        Action::Inbound => client.add_message(say(inbound("x"))).await.map(drop),
        Action::Outbound => client.add_message(say(outbound(&own.agents[0], "x"))).await.map(drop),
        Action::Claim(agent, force) => {
            let agent_id = own.agents[*agent].clone();
            let request = wire::ClaimConversationRequest {
                id,
                agent_id,
                force: *force,
            };
            client.claim_conversation(own.request(request)).await.map(drop)
        }
        Action::Close => {
            let request = wire::CloseConversationRequest { id, user_id };
            client.close_conversation(own.request(request)).await.map(drop)
        }
        Action::Reopen => {
            let request = wire::ReopenConversationRequest { id, user_id };
            client.reopen_conversation(own.request(request)).await.map(drop)
        }
        Action::Transfer(queue) => {
            let queue_id = own.queues[*queue].clone();
            let request = wire::TransferConversationRequest { id, queue_id, user_id };
            client.transfer_conversation(own.request(request)).await.map(drop)
        }
        Action::FollowUp(seconds) => {
            let request = wire::FollowUpConversationRequest {
                id,
                at: at(*seconds),
                user_id,
            };
            client.follow_up_conversation(own.request(request)).await.map(drop)
        }
    };
    done.map_err(|status| reason(&status))
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn random_steps_end_where_the_model_says(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let mut runner = TestRunner::default();
    for _ in 0..30 {
        let actions = actions().new_tree(&mut runner).unwrap().current();
        let id = world.chat().await;
        let mut model = Model {
            state: ConversationState::Open,
            agent: None,
            queue: 0,
            follow_up: None,
            log: vec!["ConversationCreatedByCustomer", "MessageAddedByCustomer"],
        };
        for action in &actions {
            let done = act(&world, id, action).await;
            assert_eq!(
                done,
                model.act(action).map_err(str::to_owned),
                "{action:?} of {actions:?}"
            );
        }
        let conversation = world.conversation(id).await;
        assert_eq!(conversation.state(), model.state, "{actions:?}");
        assert_eq!(
            conversation.agent_id.as_ref(),
            model.agent.map(|n| &world.own.agents[n]),
            "{actions:?}"
        );
        assert_eq!(
            conversation.queue_id.as_ref(),
            Some(&world.own.queues[model.queue]),
            "{actions:?}"
        );
        assert_eq!(conversation.follow_up_at, model.follow_up.and_then(at), "{actions:?}");
        assert_eq!(
            conversation.closed_at.is_some(),
            model.state == ConversationState::Closed
        );
        assert_eq!(world.log(id).await, model.log, "{actions:?}");
        assert_eq!(world.told(id).await.len(), model.log.len());
    }
}
