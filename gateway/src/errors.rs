//! Failures as the threads dialect shows them.
//!
//! Every failure has the form
//! `{"success":false,"message":…,"data":null,"error":{"code":…,"message":…,"details":null|[{"field","message"}]}}`.
//! [`TABLE`] alone says which status, code and message that is.

mod sentence;
mod table;

use std::borrow::Cow;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use platform::Kind;
use platform::fault;
use serde::Serialize;
use tonic::Status;
use tonic_types::StatusExt as _;
use utoipa::ToSchema;

pub(crate) use sentence::{Sentence, Sentences, sentence};
use table::Row;
pub(crate) use table::{Cause, TABLE, applies};

use crate::answer::Null;

/// Proto field names and what callers of an operation know them as; an empty name vanishes from a path. A field that is
/// not listed is known by its own name in camel case.
pub(crate) type Names = &'static [(&'static str, &'static str)];

/// How a dialect writes the names of fields that come from a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    CamelCase,
    /// As protos have them.
    SnakeCase,
}

/// A failure on its way to the caller.
#[derive(Debug)]
pub(crate) struct Failure(Box<Inner>);

#[derive(Debug)]
struct Inner {
    row: &'static Row,
    reason: Cow<'static, str>,
    text: Cow<'static, str>,
    /// Field and rule, as the context named them.
    fields: Vec<(String, String)>,
    names: Names,
    retry_after: Option<Duration>,
}

impl Failure {
    fn new(cause: Cause, reason: impl Into<Cow<'static, str>>, text: impl Into<Cow<'static, str>>) -> Self {
        let row = TABLE
            .iter()
            .find(|row| row.cause == cause)
            .expect("the table has a row for every cause");
        let retry_after = matches!(cause, Cause::Kind(Kind::Unavailable | Kind::Exhausted | Kind::Busy))
            .then_some(fault::RETRY_AFTER);
        Self(Box::new(Inner {
            row,
            reason: reason.into(),
            text: text.into(),
            fields: Vec::new(),
            names: &[],
            retry_after,
        }))
    }

    /// What a context answered with, its fields named as the callers of this operation know them.
    pub(crate) fn naming(names: Names) -> impl FnOnce(Status) -> Self {
        move |status| {
            let mut failure = Self::from(status);
            failure.0.names = names;
            failure
        }
    }

    /// One field of the request is wrong.
    pub(crate) fn invalid(field: impl Into<String>, rule: impl Into<String>) -> Self {
        let mut failure = Self::new(Cause::Kind(Kind::Invalid), "", "");
        failure.0.fields.push((field.into(), rule.into()));
        failure
    }

    /// The body is larger than `bytes`.
    pub(crate) fn body_too_large(bytes: usize) -> Self {
        let mut failure = Self::new(Cause::Kind(Kind::TooLarge), "", "");
        let rule = format!("must be at most {bytes} bytes");
        failure.0.fields.push(("body".to_owned(), rule));
        failure
    }

    /// The body did not arrive in time.
    pub(crate) fn late() -> Self {
        Self::new(Cause::Late, "", "")
    }

    /// The body has a content type that is not JSON.
    pub(crate) fn media_type() -> Self {
        Self::new(Cause::MediaType, "", "")
    }

    /// The path is nobody's.
    pub(crate) fn path_not_found() -> Self {
        Self::new(
            Cause::Kind(Kind::NotFound),
            "PATH_NOT_FOUND",
            "there is nothing at this path",
        )
    }

    /// The path has no such method.
    pub(crate) fn method_not_allowed() -> Self {
        Self::new(Cause::Method, "", "")
    }

    /// The key asks faster than it may.
    pub(crate) fn rate_limited(wait: Duration) -> Self {
        let mut failure = Self::new(
            Cause::Kind(Kind::Exhausted),
            "RATE_LIMIT_EXCEEDED",
            "the API key makes requests faster than allowed, slow down",
        );
        failure.0.retry_after = Some(wait);
        failure
    }

    /// The deadline has passed.
    pub(crate) fn deadline() -> Self {
        Self::new(Cause::Kind(Kind::Unavailable), "", "")
    }

    /// A mistake of ours: `what` goes to the log only.
    pub(crate) fn internal(what: &str) -> Self {
        tracing::error!(what, "internal error");
        Self::new(Cause::Kind(Kind::Internal), "", "")
    }

    /// The failure with this kind and reason.
    pub(crate) fn refuse(kind: Kind, reason: &'static str, text: &'static str) -> Self {
        Self::new(Cause::Kind(kind), reason, text)
    }

    /// What other dialects make their own body of.
    pub(crate) fn told(&self, spelling: Spelling) -> Told<'_> {
        let inner = &*self.0;
        Told {
            cause: inner.row.cause,
            reason: &inner.reason,
            text: &inner.text,
            fields: inner
                .fields
                .iter()
                .map(|(field, rule)| (spelled(field, inner.names, spelling), rule.as_str()))
                .collect(),
            retry_after: inner.retry_after,
        }
    }

    /// The status it is answered with.
    pub(crate) fn status(&self) -> StatusCode {
        self.0.row.status
    }
}

/// A failure without the form of any dialect.
pub(crate) struct Told<'a> {
    pub(crate) cause: Cause,
    /// The stable reason of a context.
    pub(crate) reason: &'a str,
    /// A sentence for people.
    pub(crate) text: &'a str,
    /// The fields that are wrong, as callers know them, with what they have to be.
    pub(crate) fields: Vec<(String, &'a str)>,
    pub(crate) retry_after: Option<Duration>,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let Some(info) = details.error_info() else {
            // No context has said this: the connection broke, or something in between failed.
            tracing::warn!(code = ?status.code(), error = status.message(), "a service did not answer");
            return Self::deadline();
        };
        let mut failure = Self::new(
            Cause::Kind(Kind::of(status.code())),
            info.reason.clone(),
            status.message().to_owned(),
        );
        if let Some(retry) = details.retry_info()
            && let Some(delay) = retry.retry_delay
        {
            failure.0.retry_after = Some(delay);
        }
        if let Some(request) = details.bad_request() {
            failure.0.fields.extend(
                request
                    .field_violations
                    .iter()
                    .map(|violation| (violation.field.clone(), violation.description.clone())),
            );
        }
        failure
    }
}

/// The documented error body.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub(crate) struct Body<'a> {
    /// Always false.
    #[schema(example = false)]
    success: bool,
    /// What failed, over all.
    message: &'a str,
    /// Always null.
    data: Null,
    error: Explanation<'a>,
}

/// Why it failed.
#[derive(Serialize, ToSchema)]
#[schema(as = ErrorExplanation)]
pub(crate) struct Explanation<'a> {
    /// A stable word for programs.
    code: &'a str,
    /// A sentence for people.
    message: Cow<'a, str>,
    /// The fields of the request that are wrong, by their JSON path, query or path parameter, or header.
    details: Option<Vec<Detail<'a>>>,
}

/// One field that is wrong.
#[derive(Serialize, ToSchema)]
#[schema(as = ErrorDetail)]
pub(crate) struct Detail<'a> {
    #[schema(example = "chatUserEmail")]
    field: String,
    #[schema(example = "must be an e-mail address")]
    message: &'a str,
}

impl Failure {
    fn body(&self) -> Vec<u8> {
        let Inner {
            row,
            reason,
            text,
            fields,
            names,
            ..
        } = &*self.0;
        let details: Vec<_> = fields
            .iter()
            .map(|(field, rule)| Detail {
                field: wire_name(field, names),
                message: rule,
            })
            .collect();
        let message = match row.detail {
            Some(fixed) => Cow::Borrowed(fixed),
            // The text of a context speaks of proto fields, which its callers have never seen.
            None if !details.is_empty() => Cow::Owned(
                details
                    .iter()
                    .map(|detail| format!("{} {}", detail.field, detail.message))
                    .collect::<Vec<_>>()
                    .join("; "),
            ),
            None => Cow::Borrowed(&**text),
        };
        serde_json::to_vec(&Body {
            success: false,
            message: row.message,
            data: Null,
            error: Explanation {
                code: row.code.unwrap_or(reason),
                message,
                details: (!details.is_empty()).then_some(details),
            },
        })
        .expect("texts are always JSON")
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = Response::new(self.body().into());
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status() == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.0.retry_after {
            headers.insert(RETRY_AFTER, whole_seconds(wait));
        }
        response
    }
}

/// The value of `Retry-After`: rounded up, at least 1.
pub(crate) fn whole_seconds(wait: Duration) -> HeaderValue {
    HeaderValue::from(wait.as_secs() + u64::from(wait.subsec_nanos() > 0).max(u64::from(wait.is_zero())))
}

/// The name under which callers know the proto field at `path`.
pub(crate) fn wire_name(path: &str, names: Names) -> String {
    spelled(path, names, Spelling::CamelCase)
}

fn spelled(path: &str, names: Names, spelling: Spelling) -> String {
    let mut wire = String::with_capacity(path.len());
    for segment in path.split('.') {
        let (name, index) = segment.find('[').map_or((segment, ""), |at| segment.split_at(at));
        let name = names.iter().find(|(proto, _)| *proto == name).map_or_else(
            || match spelling {
                Spelling::CamelCase => Cow::Owned(camel_case(name)),
                Spelling::SnakeCase => Cow::Borrowed(name),
            },
            |(_, wire)| Cow::Borrowed(*wire),
        );
        if !name.is_empty() && !wire.is_empty() {
            wire.push('.');
        }
        wire.push_str(&name);
        wire.push_str(index);
    }
    if wire.is_empty() { "body".to_owned() } else { wire }
}

fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for letter in name.chars() {
        // One in front is part of the name, as in `_type`.
        if letter == '_' && !camel.is_empty() {
            upper = true;
        } else if std::mem::take(&mut upper) {
            camel.push(letter.to_ascii_uppercase());
        } else {
            camel.push(letter);
        }
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 11] = [
        Kind::Invalid,
        Kind::Unauthenticated,
        Kind::Forbidden,
        Kind::NotFound,
        Kind::Conflict,
        Kind::Busy,
        Kind::Unprocessable,
        Kind::TooLarge,
        Kind::Exhausted,
        Kind::Unavailable,
        Kind::Internal,
    ];

    fn shown(failure: &Failure) -> (StatusCode, serde_json::Value) {
        (failure.status(), serde_json::from_slice(&failure.body()).unwrap())
    }

    #[test]
    fn every_cause_has_exactly_one_row() {
        let causes = KINDS
            .map(Cause::Kind)
            .into_iter()
            .chain([Cause::Method, Cause::MediaType, Cause::Late]);
        for cause in causes {
            assert_eq!(TABLE.iter().filter(|row| row.cause == cause).count(), 1, "{cause:?}");
        }
    }

    #[test]
    fn a_failed_authentication_is_answered_as_documented() {
        let status = fault::refuse(Kind::Unauthenticated, "CREDENTIALS_MISSING", "authorization is missing");
        let (status, body) = shown(&status.into());
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(
            body,
            serde_json::json!({
                "success": false, "message": "Failed to authenticate", "data": null,
                "error": {"code": "API_KEY_NOT_VALID", "message": "Authorization header does not contain valid API key", "details": null}
            })
        );
    }

    #[test]
    fn a_reason_of_a_context_becomes_the_code() {
        let (status, body) =
            shown(&fault::refuse(Kind::NotFound, "THREAD_NOT_FOUND", "the thread does not exist").into());
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!(body["error"]["code"], "THREAD_NOT_FOUND");
        assert_eq!(body["error"]["message"], "the thread does not exist");
    }

    #[test]
    fn fields_carry_the_names_that_callers_know() {
        let names: Names = &[
            ("changes", ""),
            ("visitor_email", "chatUserEmail"),
            ("visitor", "chatUser"),
            ("addresses", ""),
        ];
        for (proto, wire) in [
            ("chatbot_id", "chatbotId"),
            ("visitor_email", "chatUserEmail"),
            ("visitor.phone_number", "chatUser.phoneNumber"),
            ("changes[2].thread_id", "[2].threadId"),
            ("changes[2].tags.values[0]", "[2].tags.values[0]"),
            ("lead_notification_email.addresses[1]", "leadNotificationEmail[1]"),
            ("changes", "body"),
            ("idempotency-key", "idempotency-key"),
            ("content._type", "content._type"),
        ] {
            assert_eq!(wire_name(proto, names), wire);
        }
    }

    #[test]
    fn a_dialect_in_snake_case_keeps_the_names_of_the_proto() {
        let names: Names = &[("phone", "end_user.phone"), ("at", "timestamp")];
        for (proto, wire) in [
            ("menu_id", "menu_id"),
            ("phone", "end_user.phone"),
            ("transcript[2].at", "transcript[2].timestamp"),
        ] {
            assert_eq!(spelled(proto, names, Spelling::SnakeCase), wire);
        }
    }

    #[test]
    fn the_sentence_of_an_invalid_request_speaks_of_the_callers_fields() {
        let failure = Failure::naming(&[("visitor_email", "chatUserEmail")])(fault::invalid(
            "visitor_email",
            "must be an e-mail address",
        ));
        let (_, body) = shown(&failure);
        assert_eq!(body["error"]["message"], "chatUserEmail must be an e-mail address");
        assert_eq!(
            body["error"]["details"],
            serde_json::json!([{"field": "chatUserEmail", "message": "must be an e-mail address"}])
        );
    }

    #[test]
    fn what_no_context_has_said_is_a_503_that_can_be_retried() {
        for code in [tonic::Code::Unknown, tonic::Code::Internal, tonic::Code::Unavailable] {
            let response = Failure::from(Status::new(code, "h2 protocol error: secret.host:9090")).into_response();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(response.headers()[RETRY_AFTER], "1");
        }
        let (_, body) = shown(&Status::unavailable("secret.host").into());
        assert!(!body.to_string().contains("secret"));
    }

    #[test]
    fn our_own_mistakes_say_nothing_of_the_inside() {
        let (status, body) = shown(&fault::refuse(Kind::Internal, "INTERNAL", "relation secret").into());
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!body.to_string().contains("secret"));
    }
}
