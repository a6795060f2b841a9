//! A request that was let in, taken apart. Every wrong part is named as the caller knows it.

mod json;
mod query;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequest, FromRequestParts as _, RawPathParams, Request};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, Uri};
use platform::Caller;
use proto::conversation::v1::chat_service_client::ChatServiceClient;
use proto::conversation::v1::conversation_service_client::ConversationServiceClient;
use proto::conversation::v1::directory_service_client::DirectoryServiceClient;
use proto::settings::v1::settings_service_client::SettingsServiceClient;
use proto::thread::v1::thread_service_client::ThreadServiceClient;
use serde::de::DeserializeOwned;
use tonic::metadata::MetadataMap;

use json::is_json;
pub(crate) use json::{Object, parse};
pub(crate) use query::Query;

use crate::errors::Failure;
use crate::{Gateway, Link};

/// How the caller sees the gateway, as far as the request itself does not say it.
#[derive(Clone, Copy)]
pub(crate) struct Front {
    /// He speaks TLS, with us or with a proxy of ours.
    pub(crate) tls: bool,
    /// `/api` was in front of the path.
    pub(crate) api: bool,
}

/// What the edge found out about a request, on its way to the handler.
#[derive(Clone)]
pub(crate) enum Admission {
    /// Who calls, and the whole body.
    Let { caller: Caller, body: Bytes, front: Front },
    /// Nobody we know. Answered by the handler, so that a path that does not exist stays a 404.
    Refused(tonic::Status),
}

/// A call: all that a handler needs of the request.
pub(crate) struct Call {
    /// Who calls.
    pub(crate) caller: Caller,
    /// What the gateway works with.
    pub(crate) gateway: Gateway,
    /// The header of the request.
    pub(crate) headers: HeaderMap,
    front: Front,
    body: Bytes,
    params: Option<RawPathParams>,
    pub(crate) uri: Uri,
}

impl FromRequest<Gateway> for Call {
    type Rejection = Failure;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Failure> {
        let call = Self::read(request, gateway).await?;
        match call.params.iter().flatten().find(|(_, value)| !is_id(value)) {
            None => Ok(call),
            Some((name, _)) => Err(Failure::invalid(
                name,
                "must be 1 to 128 characters of A-Z a-z 0-9 . _ ~ -",
            )),
        }
    }
}

impl Call {
    /// The call behind a request, its path parameters as they are.
    pub(crate) async fn read(request: Request, gateway: &Gateway) -> Result<Self, Failure> {
        let (mut parts, _) = request.into_parts();
        let (caller, body, front) = match parts.extensions.remove::<Admission>() {
            Some(Admission::Let { caller, body, front }) => (caller, body, front),
            Some(Admission::Refused(status)) => return Err(status.into()),
            None => return Err(Failure::internal("a request came around the edge")),
        };
        let params = match RawPathParams::from_request_parts(&mut parts, &()).await {
            Ok(params) => Some(params),
            Err(RawPathParamsRejection::InvalidUtf8InPathParam(error)) => {
                // The name of the parameter is only in the text.
                let text = error.body_text();
                let name = text.split('`').nth(1).unwrap_or("path");
                return Err(Failure::invalid(name, "must be UTF-8"));
            }
            Err(_) => None,
        };
        Ok(Self {
            caller,
            gateway: gateway.clone(),
            headers: parts.headers,
            front,
            body,
            params,
            uri: parts.uri,
        })
    }
}

/// Headers of the caller that go on to the services.
static PASSED_ON: [HeaderName; 3] = [
    AUTHORIZATION,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("traceparent"),
];

/// `[A-Za-z0-9._~-]{1,128}`, which every id of the threads dialect is.
fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-'))
}

impl Call {
    /// The thread context.
    pub(crate) fn threads(&self) -> ThreadServiceClient<Link> {
        self.gateway.0.thread.clone()
    }

    /// The settings context.
    pub(crate) fn settings(&self) -> SettingsServiceClient<Link> {
        self.gateway.0.settings.clone()
    }

    /// A message to a context, in the caller's name.
    pub(crate) fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut metadata = HeaderMap::with_capacity(8);
        for name in &PASSED_ON {
            if let Some(value) = self.headers.get(name) {
                metadata.insert(name.clone(), value.clone());
            }
        }
        metadata.insert(
            HeaderName::from_static("grpc-timeout"),
            self.gateway.0.service_deadline.clone(),
        );
        tonic::Request::from_parts(
            MetadataMap::from_headers(metadata),
            tonic::Extensions::default(),
            message,
        )
    }

    /// The directory of people and queues.
    pub(crate) fn directory(&self) -> DirectoryServiceClient<Link> {
        self.gateway.0.directory.clone()
    }

    /// The conversations.
    pub(crate) fn conversations(&self) -> ConversationServiceClient<Link> {
        self.gateway.0.conversation.clone()
    }

    /// The chats.
    pub(crate) fn chats(&self) -> ChatServiceClient<Link> {
        self.gateway.0.chat.clone()
    }

    /// The URL that the caller asked, without its query: absolute on the host he named; only the path when he has not
    /// said which host that is.
    pub(crate) fn url(&self) -> String {
        let prefix = if self.front.api { "/api" } else { "" };
        let path = self.uri.path();
        let host = self.headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = self.uri.authority().map(Authority::as_str).or(host);
        let scheme = if self.front.tls { "https" } else { "http" };
        match host {
            Some(host) if host.parse::<Authority>().is_ok_and(|host| !host.as_str().contains('@')) => {
                format!("{scheme}://{host}{prefix}{path}")
            }
            _ => format!("{prefix}{path}"),
        }
    }

    /// A path parameter as it is.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        let mut params = self.params.iter().flatten();
        params.find(|(param, _)| *param == name).map(|(_, value)| value)
    }

    /// A path parameter, which is always an id.
    pub(crate) fn id(&self, name: &str) -> Result<String, Failure> {
        self.params
            .iter()
            .flatten()
            .find(|(param, _)| *param == name)
            .map(|(_, id)| id.to_owned())
            .ok_or_else(|| Failure::internal("a handler asks for a parameter its path does not have"))
    }

    /// `{chatbotId}`.
    pub(crate) fn chatbot(&self) -> Result<String, Failure> {
        self.id("chatbotId")
    }

    /// `{threadId}`.
    pub(crate) fn thread(&self) -> Result<String, Failure> {
        self.id("threadId")
    }

    /// The query.
    pub(crate) fn query(&self) -> Result<Query<'_>, Failure> {
        Query::read(self.uri.query().unwrap_or_default())
    }

    /// The body, which is a JSON object; no body is the same as `{}`.
    ///
    /// A body without a content type is taken for JSON; one with another content type is refused, since it was meant to
    /// be read otherwise. Members that are not known are ignored, because the clients of the original send more.
    pub(crate) fn object<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        if self.body.is_empty() {
            return parse::<Object<T>>(b"{}").map(|object| object.0);
        }
        self.json::<Object<T>>().map(|object| object.0)
    }

    /// The body, which is JSON of any type.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        if let Some(kind) = self.headers.get(CONTENT_TYPE)
            && !is_json(kind)
        {
            return Err(Failure::media_type());
        }
        parse(&self.body)
    }
}
