//! Failures as this dialect shows them: `{"message": …}`, whatever the status.

use std::borrow::Cow;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use platform::Kind;
use tonic::Status;

use crate::errors::{Cause, Failure, Names, Sentences, Spelling, Told, sentence};

/// Cause → status and message; `None`: the text of the failure.
///
/// Messages are the documented examples where there are any. 405, 408, 413, 415, 422, 429 and 503 are not in the source,
/// which leaves the infrastructure out.
pub(crate) static TABLE: Sentences = &[
    (Cause::Kind(Kind::Invalid), StatusCode::BAD_REQUEST, None),
    (
        Cause::Kind(Kind::Unauthenticated),
        StatusCode::UNAUTHORIZED,
        Some(UNAUTHORIZED),
    ),
    (Cause::Kind(Kind::Forbidden), StatusCode::FORBIDDEN, Some(UNAUTHORIZED)),
    (
        Cause::Kind(Kind::NotFound),
        StatusCode::NOT_FOUND,
        Some("The requested resource could not be found"),
    ),
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
        Some("There was an internal server error while processing the request"),
    ),
    (
        Cause::Kind(Kind::Unavailable),
        StatusCode::SERVICE_UNAVAILABLE,
        Some("Temporarily unavailable, try again"),
    ),
];

const UNAUTHORIZED: &str = "User is unauthorized to perform an underlying operation";

/// Reasons of the conversation context that the source has words for, whichever operation meets them.
static REASONS: &[(&str, &str)] = &[
    ("DUPLICATE_EXTERNAL_ID", "Duplicate externalId"),
    ("UNSUPPORTED_CHANNEL", "Unsupported ConversationChannel"),
    ("USER_NOT_AGENT", "User is not agent/admin"),
    ("TAG_INACTIVE", "Only active tags can be used to tag conversations"),
];

/// Reasons that one operation answers in its own way: with this status and message.
pub(super) type Known = &'static [(&'static str, StatusCode, &'static str)];

/// Where a missing scope is the documented 401.
pub(super) const SCOPE_IS_401: (&str, StatusCode, &str) = ("SCOPE_MISSING", StatusCode::UNAUTHORIZED, UNAUTHORIZED);

/// A part of a request, as the documented messages name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Path,
    Query,
    Body,
}

/// How an operation speaks of what a context refuses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// The part of the request that the fields of the message were read from.
    pub(super) part: Part,
    pub(super) names: Names,
    pub(super) known: Known,
}

impl Terms {
    /// Of an operation whose fields come from its body.
    pub(super) const BODY: Self = Self {
        part: Part::Body,
        names: &[],
        known: &[],
    };
    /// Of a paginated list.
    pub(super) const PAGE: Self = Self {
        part: Part::Query,
        names: &[("page_size", "pageLimit"), ("page_token", "pageKey")],
        known: &[],
    };

    pub(super) const fn known(self, known: Known) -> Self {
        Self { known, ..self }
    }

    pub(super) const fn names(self, names: Names) -> Self {
        Self { names, ..self }
    }

    /// For `map_err`.
    pub(super) fn refuse(self) -> impl FnOnce(Status) -> Refusal {
        move |status| {
            let failure = Failure::naming(self.names)(status);
            let told = failure.told(Spelling::CamelCase);
            match self.known.iter().find(|(reason, ..)| *reason == told.reason) {
                Some((_, status, text)) => Refusal {
                    status: *status,
                    message: Cow::Borrowed(text),
                    retry_after: None,
                },
                None => Refusal::of(&told, self.part),
            }
        }
    }
}

/// A failure on its way to the caller.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    message: Cow<'static, str>,
    retry_after: Option<Duration>,
}

impl Refusal {
    fn of(told: &Told<'_>, part: Part) -> Self {
        let (_, status, fixed) = TABLE
            .iter()
            .find(|(cause, ..)| *cause == told.cause)
            .expect("the table has a row for every cause");
        let documented = REASONS.iter().find(|(reason, _)| *reason == told.reason);
        let message = match (fixed, documented) {
            (Some(fixed), _) => Cow::Borrowed(*fixed),
            (None, Some((_, text))) => Cow::Borrowed(*text),
            (None, None) if told.cause == Cause::Kind(Kind::Invalid) && !told.fields.is_empty() => {
                Cow::Owned(invalid(part, &told.fields))
            }
            (None, None) if !told.fields.is_empty() => Cow::Owned(rules(&told.fields)),
            (None, None) => Cow::Owned(told.text.to_owned()),
        };
        Self {
            status: *status,
            message,
            retry_after: told.retry_after,
        }
    }

    /// A 400 about one part of the request.
    pub(super) fn invalid(part: Part, field: impl Into<String>, rule: &str) -> Self {
        Self::bad_request(invalid(part, &[(field.into(), rule)]))
    }

    /// A 400 with these words.
    pub(super) fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message: message.into(),
            retry_after: None,
        }
    }

    /// A member of the body that has to be there.
    pub(super) fn required(field: &str) -> Self {
        Self::invalid(Part::Body, field, "is required")
    }

    pub(super) fn not_found() -> Self {
        Self::of(
            &Told {
                cause: Cause::Kind(Kind::NotFound),
                reason: "",
                text: "",
                fields: Vec::new(),
                retry_after: None,
            },
            Part::Path,
        )
    }

    /// A failure of reading `part`.
    pub(super) fn reading(part: Part) -> impl FnOnce(Failure) -> Self {
        move |failure| Self::of(&failure.told(Spelling::CamelCase), part)
    }

    /// What is said to the caller.
    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

/// The documented form: `Invalid value for: path parameter conversationId`, and what is wrong with it.
fn invalid(part: Part, fields: &[(String, &str)]) -> String {
    let (field, rule) = &fields[0];
    match part {
        _ if field == "idempotency-key" => format!("Invalid value for: header Idempotency-Key ({rule})"),
        // In the query, also where the rest of the request is a body.
        Part::Body if matches!(&**field, "pageKey" | "pageLimit") => invalid(Part::Query, fields),
        // What is wrong with an id needs no words.
        Part::Path => format!("Invalid value for: path parameter {field}"),
        Part::Query => format!("Invalid value for: query parameter {field} ({rule})"),
        Part::Body => format!("Invalid value for: body ({})", rules(fields)),
    }
}

fn rules(fields: &[(String, &str)]) -> String {
    let rules: Vec<_> = fields.iter().map(|(field, rule)| format!("{field} {rule}")).collect();
    rules.join("; ")
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::of(&failure.told(Spelling::CamelCase), Part::Body)
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Failure::from(status).into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        sentence(self.status, self.message, "Bearer", self.retry_after)
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
    fn the_documented_examples_are_answered_literally() {
        for (kind, status, text) in [
            (Kind::NotFound, 404, "The requested resource could not be found"),
            (Kind::Unauthenticated, 401, UNAUTHORIZED),
            (
                Kind::Internal,
                500,
                "There was an internal server error while processing the request",
            ),
        ] {
            let expected = format!("{{\"message\":\"{text}\"}}");
            let refusal = fault::refuse(kind, "SOME_REASON", "relation secret");
            assert_eq!(shown(refusal.into()), (status, expected));
        }
    }

    #[test]
    fn the_part_that_is_wrong_is_named_as_documented() {
        let status = || fault::invalid("page_token", "was not issued for this list");
        assert_eq!(
            Terms::PAGE.refuse()(status()).message(),
            "Invalid value for: query parameter pageKey (was not issued for this list)"
        );
        assert_eq!(
            Refusal::from(fault::invalid("agent_id", "must be a UUID")).message(),
            "Invalid value for: body (agentId must be a UUID)"
        );
        assert_eq!(
            Refusal::invalid(Part::Path, "tagId", "must be a UUID").message(),
            "Invalid value for: path parameter tagId"
        );
        assert_eq!(
            Refusal::from(fault::invalid("idempotency-key", "must be printable")).message(),
            "Invalid value for: header Idempotency-Key (must be printable)"
        );
    }

    #[test]
    fn an_operation_can_have_its_own_words_for_a_reason() {
        const TERMS: Terms = Terms::BODY.known(&[("QUEUE_NOT_FOUND", StatusCode::BAD_REQUEST, "Queue does not exist")]);
        let status = || fault::refuse(Kind::NotFound, "QUEUE_NOT_FOUND", "there is no such queue");
        assert_eq!(
            shown(TERMS.refuse()(status())),
            (400, "{\"message\":\"Queue does not exist\"}".to_owned())
        );
        assert_eq!(shown(status().into()).0, 404);
    }

    #[test]
    fn a_reason_that_the_source_knows_is_told_in_its_words() {
        let status = fault::refuse(Kind::Invalid, "DUPLICATE_EXTERNAL_ID", "the external id is taken");
        assert_eq!(Refusal::from(status).message(), "Duplicate externalId");
    }

    #[test]
    fn a_conflict_says_what_the_context_says() {
        let status = fault::refuse(
            Kind::Conflict,
            "ASSIGNED_TO_ANOTHER",
            "the conversation is assigned to 7",
        );
        assert_eq!(
            shown(status.into()),
            (409, "{\"message\":\"the conversation is assigned to 7\"}".to_owned())
        );
    }
}
