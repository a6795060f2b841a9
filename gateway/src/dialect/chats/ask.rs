//! A request to this dialect, taken apart in its terms.

use axum::extract::{FromRequest, Request};
use proto::conversation::v1::chat_service_client::ChatServiceClient;
use serde::de::DeserializeOwned;

use super::refusal::Refusal;
use crate::errors::Failure;
use crate::extract::{Call, Query};
use crate::{Gateway, Link};

/// A call: all that a handler needs of the request.
pub(super) struct Ask(Call);

impl FromRequest<Gateway> for Ask {
    type Rejection = Refusal;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Refusal> {
        Ok(Self(Call::read(request, gateway).await?))
    }
}

impl Ask {
    pub(super) fn chats(&self) -> ChatServiceClient<Link> {
        self.0.chats()
    }

    /// A message to a context, in the caller's name.
    pub(super) fn request<T>(&self, message: T) -> tonic::Request<T> {
        self.0.request(message)
    }

    /// `{chat_id}`.
    pub(super) fn chat(&self) -> Result<i64, Refusal> {
        self.id("chat_id")
    }

    /// `{escalation_id}`.
    pub(super) fn escalation(&self) -> Result<i64, Refusal> {
        self.id("escalation_id")
    }

    fn id(&self, name: &str) -> Result<i64, Refusal> {
        integer(name, self.0.param(name).unwrap_or_default())
    }

    /// The body, which is a JSON object; no body is the same as `{}`.
    pub(super) fn object<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        self.0.object()
    }

    pub(super) fn query(&self) -> Result<Query<'_>, Refusal> {
        Ok(self.0.query()?)
    }

    /// The URL that the caller asked, without its query.
    pub(super) fn url(&self) -> String {
        self.0.url()
    }
}

/// An id in a path or query. Nothing has one that is too large.
pub(super) fn integer(name: &str, text: &str) -> Result<i64, Refusal> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::invalid(name, "must be an integer"));
    }
    text.parse().map_err(|_| Refusal::not_found())
}

/// A member that has to be there.
pub(super) fn required<T>(value: Option<T>, name: &str) -> Result<T, Refusal> {
    value.ok_or_else(|| Refusal::missing(name))
}

/// A text that has to be there, and not be empty.
pub(super) fn required_text(text: Option<String>, name: &str) -> Result<String, Refusal> {
    required(text.filter(|text| !text.is_empty()), name)
}
