//! Failures of the dialects that say one sentence and no more: `{"message": …}`.

use std::borrow::Cow;
use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Cause, whole_seconds};

/// Cause → status and message of a dialect; `None`: the text of the failure.
pub(crate) type Sentences = &'static [(Cause, StatusCode, Option<&'static str>)];

/// The documented error body.
#[derive(Serialize, ToSchema)]
#[schema(as = MessageError)]
pub(crate) struct Sentence {
    /// What is wrong.
    message: Cow<'static, str>,
}

/// The answer with this sentence; `challenge` says how to authenticate, where that is what is wrong.
pub(crate) fn sentence(
    status: StatusCode,
    message: Cow<'static, str>,
    challenge: &'static str,
    retry_after: Option<Duration>,
) -> Response {
    let body = serde_json::to_vec(&Sentence { message }).expect("a text is always JSON");
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    if let Some(wait) = retry_after {
        headers.insert(RETRY_AFTER, whole_seconds(wait));
    }
    response
}
