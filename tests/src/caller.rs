//! Somebody with an API key, over REST and over gRPC.

use std::net::SocketAddr;

use bytes::Bytes;
use proto::conversation::v1::chat_service_client::ChatServiceClient;
use proto::conversation::v1::conversation_service_client::ConversationServiceClient;
use proto::conversation::v1::directory_service_client::DirectoryServiceClient;
use proto::settings::v1::settings_service_client::SettingsServiceClient;
use proto::thread::v1::thread_service_client::ThreadServiceClient;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tonic::transport::{Channel, Endpoint};

use crate::feed::LiveFeed;
use crate::wait::PATIENCE;

/// Where a system's faces are.
#[derive(Clone, Debug)]
pub struct Faces {
    /// The REST gateway.
    pub http: SocketAddr,
    /// gRPC of the settings context.
    pub settings: SocketAddr,
    /// gRPC of the thread context.
    pub threads: SocketAddr,
    /// gRPC of the conversation context.
    pub conversations: SocketAddr,
}

/// A caller. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Caller {
    key: String,
    http: Client,
    base: String,
    settings: Channel,
    threads: Channel,
    conversations: Channel,
}

impl Caller {
    /// A caller who presents `key`. To be called inside of a runtime.
    pub fn new(faces: &Faces, key: impl Into<String>) -> Self {
        let channel = |address: SocketAddr| {
            let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address makes a URL");
            endpoint.connect_lazy()
        };
        Self {
            key: key.into(),
            http: Client::builder().no_proxy().build().expect("a client without TLS"),
            base: format!("http://{}", faces.http),
            settings: channel(faces.settings),
            threads: channel(faces.threads),
            conversations: channel(faces.conversations),
        }
    }

    /// The same caller with connections of its own, to a gateway at `http`.
    #[must_use]
    pub fn through(&self, http: SocketAddr) -> Self {
        Self {
            http: Client::builder().no_proxy().build().expect("a client without TLS"),
            base: format!("http://{http}"),
            ..self.clone()
        }
    }

    /// What is presented.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// A REST request.
    pub fn ask(&self, method: Method, path: impl AsRef<str>) -> Ask {
        let url = format!("{}{}", self.base, path.as_ref());
        Ask(self.http.request(method, url).bearer_auth(&self.key))
    }

    /// `GET` of a path.
    pub fn get(&self, path: impl AsRef<str>) -> Ask {
        self.ask(Method::GET, path)
    }

    /// `POST` of a JSON body, or of none when it is null.
    pub fn post(&self, path: impl AsRef<str>, body: Value) -> Ask {
        self.ask(Method::POST, path).json(body)
    }

    /// `PATCH` with a JSON body, or with none when it is null.
    pub fn patch(&self, path: impl AsRef<str>, body: Value) -> Ask {
        self.ask(Method::PATCH, path).json(body)
    }

    /// The live feed from now on, of what `query` asks for.
    pub async fn feed(&self, query: &str) -> LiveFeed {
        LiveFeed::open(self.get(format!("/v1/events?{query}")).0).await
    }

    /// The thread context.
    pub fn threads(&self) -> ThreadServiceClient<Channel> {
        ThreadServiceClient::new(self.threads.clone())
    }

    /// The conversation context.
    pub fn conversations(&self) -> ConversationServiceClient<Channel> {
        ConversationServiceClient::new(self.conversations.clone())
    }

    /// People and queues of the conversation context.
    pub fn directory(&self) -> DirectoryServiceClient<Channel> {
        DirectoryServiceClient::new(self.conversations.clone())
    }

    /// Chats of the conversation context.
    pub fn chats(&self) -> ChatServiceClient<Channel> {
        ChatServiceClient::new(self.conversations.clone())
    }

    /// The settings context.
    pub fn settings(&self) -> SettingsServiceClient<Channel> {
        SettingsServiceClient::new(self.settings.clone())
    }

    /// A gRPC request in the caller's name.
    pub fn grpc<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        let value = format!("Bearer {}", self.key);
        let value = value.parse().expect("a key is printable");
        request.metadata_mut().insert("authorization", value);
        request
    }
}

/// A REST request that is being put together.
#[derive(Debug)]
#[must_use = "nothing happens before it is sent"]
pub struct Ask(RequestBuilder);

impl Ask {
    /// A JSON body; null stands for none.
    pub fn json(self, body: Value) -> Self {
        match body {
            Value::Null => self,
            body => Self(self.0.json(&body)),
        }
    }

    /// An `Idempotency-Key`.
    pub fn once(self, key: impl AsRef<str>) -> Self {
        Self(self.0.header("idempotency-key", key.as_ref()))
    }

    /// Sends it.
    ///
    /// # Errors
    /// When no whole answer came.
    pub async fn try_send(self) -> reqwest::Result<Reply> {
        let response = self.0.timeout(PATIENCE).send().await?;
        Ok(Reply {
            status: response.status(),
            headers: response.headers().clone(),
            body: response.bytes().await?,
        })
    }

    /// Sends it and takes the answer, whatever it is.
    pub async fn send(self) -> Reply {
        self.try_send().await.expect("an answer came")
    }

    /// Sends it and takes the `data` of its success.
    pub async fn data(self) -> Value {
        self.send().await.data()
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its header.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Reply {
    /// The body, which is JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The `data` of a success.
    pub fn data(&self) -> Value {
        let mut body = self.json();
        assert!(
            self.status.is_success() && body["success"] == true,
            "{} {body}",
            self.status
        );
        body["data"].take()
    }

    /// Fails unless it is a documented failure with this status and code.
    pub fn assert_failure(&self, status: u16, code: &str) {
        let body = self.json();
        assert_eq!(self.status, status, "{body}");
        let error = &body["error"];
        assert_eq!(error["code"], code, "{body}");
        assert!(body["message"].is_string() && error["message"].is_string(), "{body}");
        // Exactly these members, and no other.
        let documented = json!({
            "success": false,
            "message": body["message"],
            "data": null,
            "error": {"code": code, "message": error["message"], "details": error["details"]},
        });
        assert_eq!(body, documented);
    }

    /// Fails unless it is the documented way to say that something is down and when to come back.
    pub fn assert_unavailable(&self) {
        self.assert_failure(503, "UNAVAILABLE");
        let seconds = self.headers.get("retry-after").and_then(|value| value.to_str().ok());
        let seconds = seconds.and_then(|value| value.parse::<u32>().ok());
        assert!(seconds.is_some_and(|seconds| seconds > 0), "{:?}", self.headers);
    }
}
