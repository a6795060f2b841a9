//! The calls that tests make, as one caller of one organization.

use platform::OrgId;
use platform::link::Link;
use proto::thread::v1 as pb;
use proto::thread::v1::thread_service_client::ThreadServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Status};

use super::BOT;

/// Puts an API key into each request.
#[derive(Clone)]
pub(crate) struct Key(MetadataValue<Ascii>);

impl Key {
    /// The text of a key; the empty one is nobody's.
    pub(crate) fn new(text: &str) -> Self {
        Self(format!("Bearer {text}").parse().unwrap())
    }
}

impl Interceptor for Key {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

pub(crate) type Threads = ThreadServiceClient<InterceptedService<Link, Key>>;

/// An organization as one of its callers.
#[derive(Clone)]
pub(crate) struct Org {
    pub(crate) id: OrgId,
    pub(crate) key: Key,
    pub(crate) link: Link,
}

impl Org {
    /// The client.
    pub(crate) fn api(&self) -> Threads {
        ThreadServiceClient::with_interceptor(self.link.clone(), self.key.clone())
    }

    /// The same caller on another replica.
    pub(crate) fn at(&self, link: Link) -> Self {
        Self { link, ..self.clone() }
    }

    /// A call of a method by its name; the answer is not looked at.
    pub(crate) async fn call(&self, method: &str, message: impl prost::Message + 'static) -> Result<(), Status> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.key.0.clone());
        call(self.link.clone(), method, request).await
    }

    pub(crate) async fn thread(&self, id: &str) -> pb::Thread {
        let request = pb::CreateThreadRequest {
            chatbot_id: BOT.to_owned(),
            thread_id: Some(id.to_owned()),
            ..pb::CreateThreadRequest::default()
        };
        self.create(request).await.unwrap()
    }

    pub(crate) async fn create(&self, request: pb::CreateThreadRequest) -> Result<pb::Thread, Status> {
        let answer = self.api().create_thread(request).await?;
        Ok(answer.into_inner().thread.unwrap())
    }

    pub(crate) async fn read(&self, thread: &str) -> (pb::Thread, Vec<pb::Message>) {
        let request = pb::GetThreadRequest {
            chatbot_id: BOT.to_owned(),
            thread_id: thread.to_owned(),
            message_limit: 1000,
        };
        let answer = self.api().get_thread(request).await.unwrap().into_inner();
        (answer.thread.unwrap(), answer.messages)
    }

    pub(crate) async fn append(
        &self,
        request: impl tonic::IntoRequest<pb::AppendMessageRequest>,
    ) -> Result<pb::Message, Status> {
        let answer = self.api().append_message(request).await?;
        Ok(answer.into_inner().message.unwrap())
    }

    /// What a visitor writes.
    pub(crate) async fn say(&self, thread: &str, content: &str) -> pb::Message {
        self.append(from_visitor(thread, content)).await.unwrap()
    }

    /// What the bot answers.
    pub(crate) async fn answer(&self, question: &pb::Message, content: &str) -> pb::Message {
        let request = pb::AppendMessageRequest {
            author: pb::Author::Bot.into(),
            parent_message_id: Some(question.id.clone()),
            ..from_visitor(&question.thread_id, content)
        };
        self.append(request).await.unwrap()
    }

    pub(crate) async fn toggle(&self, thread: &str) -> (pb::Thread, pb::Message) {
        let answer = self.api().toggle_escalation(toggle(thread)).await.unwrap().into_inner();
        (answer.thread.unwrap(), answer.system_message.unwrap())
    }

    pub(crate) async fn escalate(&self, thread: &str, prompt: Option<&str>) -> (pb::Thread, Option<pb::Message>) {
        let request = pb::EscalateRequest {
            chatbot_id: BOT.to_owned(),
            thread_id: thread.to_owned(),
            prompt: prompt.map(str::to_owned),
        };
        let answer = self.api().escalate(request).await.unwrap().into_inner();
        (answer.thread.unwrap(), answer.system_message)
    }

    pub(crate) async fn escalations(&self, state: pb::EscalationState) -> Vec<pb::Escalation> {
        let request = pb::ListEscalationsRequest {
            state: state.into(),
            ..pb::ListEscalationsRequest::default()
        };
        self.api()
            .list_escalations(request)
            .await
            .unwrap()
            .into_inner()
            .escalations
    }

    pub(crate) async fn acknowledge(&self, id: &str) -> pb::Escalation {
        let request = pb::AcknowledgeEscalationRequest { id: id.to_owned() };
        let answer = self.api().acknowledge_escalation(request).await.unwrap();
        answer.into_inner().escalation.unwrap()
    }
}

/// A call of a method of the thread service by its name; the answer is not looked at.
pub(crate) async fn call<M: prost::Message + 'static>(
    link: Link,
    method: &str,
    request: Request<M>,
) -> Result<(), Status> {
    let path = format!("/handoff.thread.v1.ThreadService/{method}").parse().unwrap();
    let mut client = tonic::client::Grpc::new(link);
    client.ready().await.unwrap();
    client
        .unary(request, path, tonic_prost::ProstCodec::<M, ()>::default())
        .await
        .map(drop)
}

pub(crate) fn from_visitor(thread: &str, content: &str) -> pb::AppendMessageRequest {
    pb::AppendMessageRequest {
        chatbot_id: BOT.to_owned(),
        thread_id: Some(thread.to_owned()),
        author: pb::Author::User.into(),
        content: content.to_owned(),
        ..pb::AppendMessageRequest::default()
    }
}

pub(crate) fn toggle(thread: &str) -> pb::ToggleEscalationRequest {
    pb::ToggleEscalationRequest {
        chatbot_id: BOT.to_owned(),
        thread_id: thread.to_owned(),
    }
}

/// A request that is the same however often it is sent.
pub(crate) fn keyed<T>(key: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("idempotency-key", key.parse().unwrap());
    request
}
