//! The gRPC face: wire to domain, one step, domain to wire.

use platform::access::Call;
use platform::idempotency::Done;
use platform::seal::MasterKey;
use prost::Message;
use proto::thread::v1 as pb;
use proto::thread::v1::thread_service_server::ThreadService;
use sqlx::PgConnection;
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
    pub(crate) master_key: MasterKey,
}

impl Api {
    /// Makes `effect` true in one transaction, once per idempotency key; a retry gets the first answer.
    async fn once<M, A, F>(&self, call: &Call, rpc: &'static str, message: &M, effect: F) -> Result<Response<A>, Status>
    where
        M: Message,
        A: Message + Default,
        F: AsyncFnOnce(&mut PgConnection) -> Result<Done<A>, Error>,
    {
        let Store { db, idempotency, .. } = &self.store;
        let answer = idempotency.once(db, call, rpc, message, effect).await?;
        self.store.outbox.wake();
        Ok(answer)
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
