//! Kind of failure → status, code and message.

use http::{Method, StatusCode};
use platform::Kind;

/// What went wrong, in the terms of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A context, or the gateway before it asked one.
    Kind(Kind),
    /// The path exists, but not with this method.
    Method,
    /// The body is not JSON by its own account.
    MediaType,
    /// The body did not arrive in time.
    Late,
}

/// How one cause is answered.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) cause: Cause,
    pub(crate) status: StatusCode,
    /// `error.code`; `None`: the stable reason of the failure, such as `THREAD_NOT_FOUND`.
    pub(crate) code: Option<&'static str>,
    /// The overall message.
    pub(crate) message: &'static str,
    /// `error.message`; `None`: the text of the failure.
    pub(crate) detail: Option<&'static str>,
    /// The codes a caller has to expect, for the reference.
    pub(crate) codes: &'static [&'static str],
}

/// Kind of failure → what a caller of the threads dialect gets.
///
/// Codes and statuses are the documented ones where the sources name any (`API_KEY_NOT_VALID`,
/// `REQUEST_VALIDATION_FAILED`, `CHATBOT_NOT_FOUND`); the 401 is the documented example, literally. A missing header is
/// answered with it too: of the two sources one knows `MISSING_JWT`, for a route that is not served here, and both list
/// `API_KEY_NOT_VALID` as the code of a failed authentication.
pub(crate) static TABLE: &[Row] = &[
    Row {
        cause: Cause::Kind(Kind::Invalid),
        status: StatusCode::BAD_REQUEST,
        code: Some("REQUEST_VALIDATION_FAILED"),
        message: "The request is not valid",
        detail: None,
        codes: &["REQUEST_VALIDATION_FAILED"],
    },
    Row {
        cause: Cause::Kind(Kind::Unauthenticated),
        status: StatusCode::UNAUTHORIZED,
        code: Some("API_KEY_NOT_VALID"),
        message: "Failed to authenticate",
        detail: Some("Authorization header does not contain valid API key"),
        codes: &["API_KEY_NOT_VALID"],
    },
    Row {
        cause: Cause::Kind(Kind::Forbidden),
        status: StatusCode::FORBIDDEN,
        code: Some("FORBIDDEN"),
        message: "The API key does not allow this",
        detail: None,
        codes: &["FORBIDDEN"],
    },
    Row {
        cause: Cause::Kind(Kind::NotFound),
        status: StatusCode::NOT_FOUND,
        code: None,
        message: "Not found",
        detail: None,
        codes: &[
            "CHATBOT_NOT_FOUND",
            "THREAD_NOT_FOUND",
            "MESSAGE_NOT_FOUND",
            "HUMAN_SUPPORT_SETTINGS_NOT_FOUND",
            "PROMPT_NOT_FOUND",
            "ESCALATION_NOT_FOUND",
            "PATH_NOT_FOUND",
        ],
    },
    Row {
        cause: Cause::Method,
        status: StatusCode::METHOD_NOT_ALLOWED,
        code: Some("METHOD_NOT_ALLOWED"),
        message: "The method is not allowed here",
        detail: Some("the Allow header lists the methods of this path"),
        codes: &["METHOD_NOT_ALLOWED"],
    },
    Row {
        cause: Cause::Late,
        status: StatusCode::REQUEST_TIMEOUT,
        code: Some("REQUEST_TIMEOUT"),
        message: "The request did not arrive",
        detail: Some("the request body did not arrive in time"),
        codes: &["REQUEST_TIMEOUT"],
    },
    Row {
        cause: Cause::Kind(Kind::Conflict),
        status: StatusCode::CONFLICT,
        code: None,
        message: "It exists already",
        detail: None,
        codes: &["THREAD_ID_TAKEN", "CHATBOT_ID_TAKEN", "HUMAN_SUPPORT_SETTINGS_EXIST"],
    },
    Row {
        cause: Cause::Kind(Kind::Busy),
        status: StatusCode::CONFLICT,
        code: None,
        message: "Another request is changing it",
        detail: None,
        codes: &["IDEMPOTENCY_KEY_IN_USE", "CONCURRENT_CHANGE"],
    },
    Row {
        cause: Cause::Kind(Kind::TooLarge),
        status: StatusCode::PAYLOAD_TOO_LARGE,
        code: Some("REQUEST_TOO_LARGE"),
        message: "The request is too large",
        detail: None,
        codes: &["REQUEST_TOO_LARGE"],
    },
    Row {
        cause: Cause::MediaType,
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        code: Some("UNSUPPORTED_MEDIA_TYPE"),
        message: "The request body is not JSON",
        detail: Some("the Content-Type of the request body must be application/json"),
        codes: &["UNSUPPORTED_MEDIA_TYPE"],
    },
    Row {
        cause: Cause::Kind(Kind::Unprocessable),
        status: StatusCode::UNPROCESSABLE_ENTITY,
        code: None,
        message: "The request can't be carried out",
        detail: None,
        codes: &["IDEMPOTENCY_KEY_REUSED", "PROMPT_LIMIT_REACHED"],
    },
    Row {
        cause: Cause::Kind(Kind::Exhausted),
        status: StatusCode::TOO_MANY_REQUESTS,
        code: None,
        message: "Too many requests",
        detail: None,
        codes: &[
            "RATE_LIMIT_EXCEEDED",
            "TOO_MANY_FAILED_AUTHENTICATIONS",
            "WRITE_QUEUE_FULL",
            "OVERLOADED",
            "TOO_MANY_FEEDS",
        ],
    },
    Row {
        cause: Cause::Kind(Kind::Internal),
        status: StatusCode::INTERNAL_SERVER_ERROR,
        code: Some("INTERNAL_SERVER_ERROR"),
        message: "Something went wrong on our side",
        detail: Some("internal error"),
        codes: &["INTERNAL_SERVER_ERROR"],
    },
    Row {
        cause: Cause::Kind(Kind::Unavailable),
        status: StatusCode::SERVICE_UNAVAILABLE,
        code: Some("UNAVAILABLE"),
        message: "Temporarily unavailable",
        detail: Some("temporarily unavailable, try again"),
        codes: &["UNAVAILABLE"],
    },
];

/// Whether an operation can answer with this cause, as far as its method and path tell.
pub(crate) fn applies(cause: Cause, method: &Method, path: &str, has_body: bool) -> bool {
    let writes = *method != Method::GET;
    match cause {
        Cause::Method => false,
        Cause::Kind(Kind::NotFound) => path.contains('{'),
        Cause::Kind(Kind::Conflict | Kind::Busy | Kind::Unprocessable) => writes,
        Cause::Kind(Kind::TooLarge) | Cause::MediaType | Cause::Late => has_body,
        Cause::Kind(_) => true,
    }
}
