//! The gRPC face: wire to domain, one step, domain to wire.

use platform::access::Call;
use platform::db::Tx;
use platform::idempotency::{Claim, Ticket};
use platform::page::Tokens;
use platform::seal::MasterKey;
use proto::thread::v1 as pb;
use proto::thread::v1::thread_service_server::ThreadService;
use tonic::{Request, Response, Status};

use crate::chatbots::Chatbots;
use crate::domain::Error;
use crate::store::Store;

mod escalations;
mod messages;
mod threads;
mod wire;

/// The service.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) store: Store,
    pub(crate) chatbots: Chatbots,
    pub(crate) tokens: Tokens,
    pub(crate) master_key: MasterKey,
}

/// A mutation that goes on: its transaction, and the right to give the first answer.
struct Begun {
    tx: Tx,
    ticket: Ticket,
}

/// Where a mutation stands after its key was looked at.
enum Begin<A> {
    Fresh(Begun),
    Replay(A),
}

impl Api {
    /// Opens the transaction of a mutation and claims its idempotency key.
    async fn begin<A: prost::Message + Default>(
        &self,
        call: &Call,
        rpc: &'static str,
        message: &impl prost::Message,
    ) -> Result<Begin<A>, Status> {
        let mut tx = self.store.begin().await?;
        match self.store.idempotency.claim(&mut tx, call, rpc, message).await? {
            Claim::Fresh(ticket) => Ok(Begin::Fresh(Begun { tx, ticket })),
            Claim::Replay(answer) => Ok(Begin::Replay(answer)),
        }
    }

    /// Keeps the answer of a mutation and makes everything it did true.
    async fn finish<A: prost::Message>(&self, begun: Begun, subject: &str, answer: A) -> Result<Response<A>, Status> {
        let Begun { mut tx, ticket } = begun;
        ticket.keep(&mut tx, subject, &answer).await.map_err(Error::from)?;
        tx.commit().await.map_err(Error::from)?;
        self.store.outbox.wake();
        Ok(Response::new(answer))
    }
}

/// Forwards each method to its subject's module, with the call taken apart.
macro_rules! methods {
    ($($method:ident($request:ident) -> $response:ident;)*) => {
        #[tonic::async_trait]
        impl ThreadService for Api {
            $(
                async fn $method(&self, request: Request<pb::$request>) -> Result<Response<pb::$response>, Status> {
                    let (call, message) = Call::open(request)?;
                    self.$method(call, message).await
                }
            )*
        }
    };
}

methods! {
    create_thread(CreateThreadRequest) -> CreateThreadResponse;
    list_threads(ListThreadsRequest) -> ListThreadsResponse;
    get_thread(GetThreadRequest) -> GetThreadResponse;
    update_thread(UpdateThreadRequest) -> UpdateThreadResponse;
    bulk_update_threads(BulkUpdateThreadsRequest) -> BulkUpdateThreadsResponse;
    end_thread(EndThreadRequest) -> EndThreadResponse;
    toggle_escalation(ToggleEscalationRequest) -> ToggleEscalationResponse;
    escalate(EscalateRequest) -> EscalateResponse;
    append_message(AppendMessageRequest) -> AppendMessageResponse;
    list_messages(ListMessagesRequest) -> ListMessagesResponse;
    update_message(UpdateMessageRequest) -> UpdateMessageResponse;
    list_escalations(ListEscalationsRequest) -> ListEscalationsResponse;
    acknowledge_escalation(AcknowledgeEscalationRequest) -> AcknowledgeEscalationResponse;
}
