//! The gRPC surface: a request becomes domain types or a violation, one transaction makes it true.

mod activity;
mod anonymization;
mod attributes;
mod contact_endpoints;
mod conversation_wire;
mod conversations;
mod directory;
mod flows;
mod import;
mod ingest;
mod links;
mod marks;
mod messages;
mod notes;
mod people;
mod presence;
mod queues;
mod search;
mod tags;
mod teams;
mod transitions;

use platform::Db;
use platform::access::Call;
use platform::batch::commits::Commits;
use platform::batch::reads::Reads;
use platform::events::Outbox;
use platform::fault;
use platform::idempotency::{Claim, Idempotency};
use platform::page::Tokens;
use platform::seal::MasterKey;
use prost::Message;
use sqlx::PgConnection;
use tonic::{Response, Status};

use crate::SCHEMA;
use crate::domain::ConversationError;
use crate::store::additions::Addition;
use crate::store::reads::{MessagesOf, One};

/// Implements a service on [`Api`]: each method takes the call apart and hands it to the inherent method of its name,
/// which is in the module of its subject.
macro_rules! methods {
    ($service:ident { $($method:ident($request:ident) -> $response:ident;)* }) => {
        #[tonic::async_trait]
        impl $service for $crate::api::Api {
            $(
                async fn $method(
                    &self,
                    request: tonic::Request<proto::conversation::v1::$request>,
                ) -> Result<tonic::Response<proto::conversation::v1::$response>, tonic::Status> {
                    let (call, message) = platform::access::Call::open(request)?;
                    self.$method(call, message).await
                }
            )*
        }
    };
}
pub(crate) use methods;

/// Both services of the context.
#[derive(Debug)]
pub(crate) struct Api {
    db: Db,
    idempotency: Idempotency,
    outbox: Outbox,
    tokens: Tokens,
    batched: Batched,
}

/// What is done together with what others ask for at the same time.
#[derive(Debug)]
pub(crate) struct Batched {
    pub(crate) additions: Commits<Addition>,
    pub(crate) conversations: Reads<One>,
    pub(crate) messages: Reads<MessagesOf>,
}

/// What a mutation made true: what it is about, so that a kept answer can be erased with it, and the answer.
struct Done<A> {
    subject: String,
    answer: A,
}

impl<A> Done<A> {
    fn new(subject: impl Into<String>, answer: A) -> Self {
        Self {
            subject: subject.into(),
            answer,
        }
    }
}

impl Api {
    /// The services on their tables.
    pub(crate) fn new(db: Db, outbox: Outbox, master_key: &MasterKey, batched: Batched) -> Self {
        Self {
            db,
            idempotency: Idempotency::new(SCHEMA),
            outbox,
            tokens: Tokens::new(master_key),
            batched,
        }
    }

    /// Makes `effect` true in one transaction, once per idempotency key; a retry gets the first answer.
    async fn once<M, A, F>(&self, call: &Call, rpc: &'static str, message: &M, effect: F) -> Result<Response<A>, Status>
    where
        M: Message,
        A: Message + Default,
        F: AsyncFnOnce(&mut PgConnection) -> Result<Done<A>, ConversationError>,
    {
        let mut tx = self.db.begin().await.map_err(ConversationError::from)?;
        let ticket = match self.idempotency.claim(&mut tx, call, rpc, message).await? {
            Claim::Fresh(ticket) => ticket,
            Claim::Replay(answer) => {
                tx.rollback().await.map_err(ConversationError::from)?;
                return Ok(Response::new(answer));
            }
        };
        let Done { subject, answer } = match effect(&mut tx).await {
            Ok(done) => done,
            Err(error) => {
                // A failed rollback has no say in the answer: the server rolls back by itself.
                let _ = tx.rollback().await;
                return Err(error.into());
            }
        };
        ticket
            .keep(&mut tx, &subject, &answer)
            .await
            .map_err(ConversationError::from)?;
        tx.commit().await.map_err(ConversationError::from)?;
        self.outbox.wake();
        Ok(Response::new(answer))
    }
}

/// The size of a page of the directory: 50 when nothing is asked for, at most 200.
fn page_size(asked: i32) -> Result<i64, Status> {
    match asked {
        ..0 => Err(fault::invalid("page_size", "must not be negative")),
        0 => Ok(50),
        _ => Ok(i64::from(asked.min(200))),
    }
}

/// Cuts the row that was read to see whether there is a next page; says where that one starts.
fn cut<T, P>(mut rows: Vec<T>, size: i64, position: impl Fn(&T) -> P) -> (Vec<T>, Option<P>) {
    let size = usize::try_from(size).unwrap_or_default();
    let more = rows.len() > size;
    rows.truncate(size);
    let next = rows.last().filter(|_| more).map(position);
    (rows, next)
}
