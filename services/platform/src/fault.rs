//! What a failure looks like outside the context it happened in.
//!
//! A context's error enum implements [`Fault`]; [`status`] turns it into a [`tonic::Status`] with `google.rpc` details,
//! and a dialect turns that into its documented body. `reason` is the contract, messages are not.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// What a caller can do about a failure. The only vocabulary of failure that crosses contexts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request is wrong whatever the state of the system: mend it.
    Invalid,
    /// No credentials, or credentials that are not valid.
    Unauthenticated,
    /// Valid credentials that do not allow this.
    Forbidden,
    /// It does not exist, or belongs to somebody else.
    NotFound,
    /// It exists already, or somebody else was first.
    Conflict,
    /// A concurrent request holds it: the same request may succeed in a moment.
    Busy,
    /// Well-formed but contradicts what was said before, such as an idempotency key reused with another body.
    Unprocessable,
    /// Larger than the documented limit.
    TooLarge,
    /// A quota, a rate or a queue is used up: nothing was done, slow down.
    Exhausted,
    /// A dependency is down or the deadline has passed: try again later.
    Unavailable,
    /// Our mistake.
    Internal,
}

impl Kind {
    /// The gRPC code; each kind has its own, so that [`Kind::of`] can go back.
    pub fn code(self) -> Code {
        match self {
            Self::Invalid => Code::InvalidArgument,
            Self::Unauthenticated => Code::Unauthenticated,
            Self::Forbidden => Code::PermissionDenied,
            Self::NotFound => Code::NotFound,
            Self::Conflict => Code::AlreadyExists,
            Self::Busy => Code::Aborted,
            Self::Unprocessable => Code::FailedPrecondition,
            Self::TooLarge => Code::OutOfRange,
            Self::Exhausted => Code::ResourceExhausted,
            Self::Unavailable => Code::Unavailable,
            Self::Internal => Code::Internal,
        }
    }

    /// The kind of failure a gRPC code stands for.
    pub fn of(code: Code) -> Self {
        match code {
            Code::InvalidArgument => Self::Invalid,
            Code::Unauthenticated => Self::Unauthenticated,
            Code::PermissionDenied => Self::Forbidden,
            Code::NotFound => Self::NotFound,
            Code::AlreadyExists => Self::Conflict,
            Code::Aborted => Self::Busy,
            Code::FailedPrecondition => Self::Unprocessable,
            Code::OutOfRange => Self::TooLarge,
            Code::ResourceExhausted => Self::Exhausted,
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => Self::Unavailable,
            _ => Self::Internal,
        }
    }
}

/// One field of the request that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The proto path of the field, for example `changes[2].thread_id`.
    pub field: String,
    /// What it must be, as a sentence part: `must be at most 500 characters`.
    pub description: String,
}

impl Violation {
    /// A violation of `field`.
    pub fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            description: description.into(),
        }
    }
}

/// An error of a context, as its callers get to see it. `Display` is the message for the caller unless the kind is
/// [`Kind::Internal`] or [`Kind::Unavailable`]: then it goes to the log and the caller gets a fixed sentence.
pub trait Fault: std::error::Error {
    /// The context, for `ErrorInfo.domain`.
    const DOMAIN: &'static str;
    /// What the caller can do about it.
    fn kind(&self) -> Kind;
    /// A stable word for programs, `SCREAMING_SNAKE_CASE`.
    fn reason(&self) -> &'static str;
    /// The fields that are wrong.
    fn violations(&self) -> Vec<Violation> {
        Vec::new()
    }
}

/// The reason of every request that is wrong in a field, whoever finds it.
pub const INVALID_REQUEST: &str = "REQUEST_VALIDATION_FAILED";

/// How long a caller should wait before it tries again after [`Kind::Unavailable`] or [`Kind::Exhausted`].
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The wire form of an error of a context. Logs it, once, when it is not the caller's.
pub fn status<F: Fault>(fault: &F) -> Status {
    let kind = fault.kind();
    let message = match kind {
        Kind::Internal => {
            tracing::error!(error = %chain(fault), domain = F::DOMAIN, "internal error");
            "internal error".to_owned()
        }
        Kind::Unavailable => {
            tracing::warn!(error = %chain(fault), domain = F::DOMAIN, "unavailable");
            "temporarily unavailable, try again".to_owned()
        }
        _ => fault.to_string(),
    };
    build(kind, F::DOMAIN, fault.reason(), message, fault.violations())
}

/// A failure found before any context was asked.
pub fn refuse(kind: Kind, reason: &'static str, message: impl Into<String>) -> Status {
    build(kind, "handoff", reason, message.into(), Vec::new())
}

/// A request with one wrong field, found before any context was asked.
pub fn invalid(field: &str, description: &str) -> Status {
    build(
        Kind::Invalid,
        "handoff",
        INVALID_REQUEST,
        format!("{field} {description}"),
        vec![Violation::new(field, description)],
    )
}

fn build(kind: Kind, domain: &str, reason: &str, message: String, violations: Vec<Violation>) -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info(reason, domain, HashMap::new());
    for violation in violations {
        details.add_bad_request_violation(violation.field, violation.description);
    }
    if matches!(kind, Kind::Unavailable | Kind::Exhausted) {
        details.set_retry_info(Some(RETRY_AFTER));
    }
    Status::with_error_details(kind.code(), message, details)
}

/// The failure another service answered with, passed on: unchanged when it is the caller's fault, otherwise as our own
/// [`Kind::Unavailable`], so that the internals of a neighbour never surface.
pub fn pass_on(status: Status) -> Status {
    match Kind::of(status.code()) {
        Kind::Internal | Kind::Unavailable | Kind::Unauthenticated => {
            tracing::warn!(code = ?status.code(), error = status.message(), "a neighbour failed");
            refuse(
                Kind::Unavailable,
                "DEPENDENCY_UNAVAILABLE",
                "temporarily unavailable, try again",
            )
        }
        _ => status,
    }
}

/// What a failure of the database means to a caller.
pub fn database_kind(error: &sqlx::Error) -> Kind {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Kind::Unavailable,
        sqlx::Error::Database(error) => match error.code().as_deref() {
            // Deadlock, serialization failure and lock timeout: somebody else was in the way.
            Some("40P01" | "40001" | "55P03") => Kind::Busy,
            // Connection failures, shutdown, out of connections, read-only after a failover, statement timeout.
            Some(code)
                if code.starts_with("08")
                    || code.starts_with("53")
                    || matches!(code, "57P01" | "57P02" | "57P03" | "57P05" | "25006" | "57014") =>
            {
                Kind::Unavailable
            }
            _ => Kind::Internal,
        },
        _ => Kind::Internal,
    }
}

/// The stable word for a failure of the database.
pub fn database_reason(error: &sqlx::Error) -> &'static str {
    match database_kind(error) {
        Kind::Unavailable => "STORAGE_UNAVAILABLE",
        Kind::Busy => "CONCURRENT_CHANGE",
        _ => "INTERNAL",
    }
}

/// The name of the constraint that a statement ran into, for mapping it to a domain error.
pub fn violated_constraint(error: &sqlx::Error) -> Option<&str> {
    match error {
        sqlx::Error::Database(error) => error.constraint(),
        _ => None,
    }
}

/// An error with all its causes on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("relation \"secret\" does not exist")]
    struct Broken(Kind);

    impl Fault for Broken {
        const DOMAIN: &'static str = "test";
        fn kind(&self) -> Kind {
            self.0
        }
        fn reason(&self) -> &'static str {
            "BROKEN"
        }
        fn violations(&self) -> Vec<Violation> {
            vec![Violation::new("name", "is broken")]
        }
    }

    #[test]
    fn internal_text_never_reaches_a_caller() {
        for kind in [Kind::Internal, Kind::Unavailable] {
            let status = status(&Broken(kind));
            assert!(!status.message().contains("secret"), "{}", status.message());
        }
    }

    #[test]
    fn a_fault_carries_its_reason_its_domain_and_its_fields() {
        let status = status(&Broken(Kind::Invalid));
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("BROKEN", "test"));
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, "name");
    }

    #[test]
    fn every_kind_survives_the_wire() {
        for kind in [
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
        ] {
            assert_eq!(Kind::of(kind.code()), kind);
        }
    }
}
