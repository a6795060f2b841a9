//! Failures as this dialect shows them: `{"message": …}`, whatever the status.

use std::borrow::Cow;
use std::fmt::Display;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use platform::Kind;
use tonic::Status;

use crate::errors::{Cause, Failure, Names, Sentences, Spelling, Told, sentence};

/// Cause → status and message; `None`: the text of the failure.
///
/// The source documents 400 and 404 and no text but those below; the rest is what its clients' libraries expect of the
/// status.
pub(crate) static TABLE: Sentences = &[
    (Cause::Kind(Kind::Invalid), StatusCode::BAD_REQUEST, None),
    (
        Cause::Kind(Kind::Unauthenticated),
        StatusCode::UNAUTHORIZED,
        Some("Unauthorized"),
    ),
    (Cause::Kind(Kind::Forbidden), StatusCode::FORBIDDEN, None),
    (Cause::Kind(Kind::NotFound), StatusCode::NOT_FOUND, Some("Not Found")),
    (
        Cause::Method,
        StatusCode::METHOD_NOT_ALLOWED,
        Some("The method is not allowed here"),
    ),
    (
        Cause::Late,
        StatusCode::REQUEST_TIMEOUT,
        Some("The request body did not arrive in time"),
    ),
    (Cause::Kind(Kind::Conflict), StatusCode::CONFLICT, None),
    (Cause::Kind(Kind::Busy), StatusCode::CONFLICT, None),
    (Cause::Kind(Kind::TooLarge), StatusCode::PAYLOAD_TOO_LARGE, None),
    (
        Cause::MediaType,
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Some("The Content-Type of the request body must be application/json"),
    ),
    (Cause::Kind(Kind::Unprocessable), StatusCode::UNPROCESSABLE_ENTITY, None),
    (Cause::Kind(Kind::Exhausted), StatusCode::TOO_MANY_REQUESTS, None),
    (
        Cause::Kind(Kind::Internal),
        StatusCode::INTERNAL_SERVER_ERROR,
        Some("Internal Server Error"),
    ),
    (
        Cause::Kind(Kind::Unavailable),
        StatusCode::SERVICE_UNAVAILABLE,
        Some("Temporarily unavailable, try again"),
    ),
];

const INVALID_SIGNED_DATA: &str = "Invalid signed_data";

/// Reasons of the conversation context that are told in the words of the source, or in better ones than its own.
static REASONS: &[(&str, &str)] = &[
    ("CHAT_ENDED", "Chat is already ended"),
    ("CHAT_NOT_DISMISSED", "Chat is not dismissed"),
    (
        "DEFLECTION_REFUSED",
        "The escalation is not deflecting, or the deflection_channel is not offered",
    ),
    (
        "DUPLICATE_REQUEST",
        "Duplicate request: Please wait for the interval to expire",
    ),
    ("SIGNED_DATA_INVALID", INVALID_SIGNED_DATA),
];

/// A failure on its way to the caller.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    message: Cow<'static, str>,
    retry_after: Option<Duration>,
}

impl Refusal {
    fn of(told: &Told<'_>) -> Self {
        let (_, status, fixed) = TABLE
            .iter()
            .find(|(cause, ..)| *cause == told.cause)
            .expect("the table has a row for every cause");
        let documented = REASONS.iter().find(|(reason, _)| *reason == told.reason);
        let message = match (fixed, documented) {
            (Some(fixed), _) => Cow::Borrowed(*fixed),
            (None, Some((_, text))) => Cow::Borrowed(*text),
            (None, None) if !told.fields.is_empty() => {
                let rules: Vec<_> = told
                    .fields
                    .iter()
                    .map(|(field, rule)| format!("{field} {rule}"))
                    .collect();
                Cow::Owned(rules.join("; "))
            }
            (None, None) => Cow::Owned(told.text.to_owned()),
        };
        Self {
            status: *status,
            message,
            retry_after: told.retry_after,
        }
    }

    /// For `map_err`: what a context refuses, its fields named as the callers of this operation know them.
    pub(super) fn naming(names: Names) -> impl FnOnce(Status) -> Self {
        move |status| Failure::naming(names)(status).into()
    }

    fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message: message.into(),
            retry_after: None,
        }
    }

    /// One field is wrong.
    pub(super) fn invalid(field: impl Display, rule: impl Display) -> Self {
        Self::bad_request(format!("{field} {rule}"))
    }

    /// Something has to be there, and not be empty.
    pub(super) fn missing(name: &str) -> Self {
        Self::bad_request(format!("param is missing or the value is empty: {name}"))
    }

    /// Nothing has this id.
    pub(super) fn not_found() -> Self {
        Failure::refuse(Kind::NotFound, "NOT_FOUND", "").into()
    }

    /// A token that is none, in the words for one that does not verify.
    pub(super) fn signed_data() -> Self {
        Self::bad_request(INVALID_SIGNED_DATA)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::of(&failure.told(Spelling::SnakeCase))
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Failure::from(status).into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        sentence(self.status, self.message, "Basic realm=\"Handoff\"", self.retry_after)
    }
}

#[cfg(test)]
mod tests {
    use platform::fault;

    use super::*;

    fn shown(refusal: Refusal) -> (u16, String) {
        let response = refusal.into_response();
        let status = response.status().as_u16();
        let body = futures::executor::block_on(axum::body::to_bytes(response.into_body(), 1 << 16)).unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn the_documented_texts_are_answered_literally() {
        for (kind, reason, status, text) in [
            (Kind::NotFound, "CHAT_NOT_FOUND", 404, "Not Found"),
            (Kind::Invalid, "CHAT_ENDED", 400, "Chat is already ended"),
            (
                Kind::Invalid,
                "DUPLICATE_REQUEST",
                400,
                "Duplicate request: Please wait for the interval to expire",
            ),
            (Kind::Invalid, "SIGNED_DATA_INVALID", 400, "Invalid signed_data"),
            (Kind::Conflict, "CHAT_NOT_DISMISSED", 409, "Chat is not dismissed"),
            (Kind::Internal, "INTERNAL", 500, "Internal Server Error"),
        ] {
            let refusal = fault::refuse(kind, reason, "relation secret");
            assert_eq!(shown(refusal.into()), (status, format!("{{\"message\":\"{text}\"}}")));
        }
        assert_eq!(
            Refusal::missing("identifier").message,
            "param is missing or the value is empty: identifier"
        );
    }

    #[test]
    fn a_wrong_field_is_named_as_callers_know_it() {
        let status = || fault::invalid("phone", "must be a phone number");
        assert_eq!(Refusal::from(status()).message, "phone must be a phone number");
        let naming = Refusal::naming(&[("phone", "end_user.phone")]);
        assert_eq!(naming(status()).message, "end_user.phone must be a phone number");
        let status = fault::invalid("from_user_id", "must be an agent");
        assert_eq!(Refusal::from(status).message, "from_user_id must be an agent");
    }
}
