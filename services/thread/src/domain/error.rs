//! What can go wrong in this context, and what its callers are told.

use platform::batch::Failure;
use platform::fault::{self, Fault, Kind, Violation};
use platform::idempotency;

/// The failure documentation of the thread context.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{field} {rule}")]
    Invalid { field: String, rule: &'static str },
    #[error("the chatbot does not exist")]
    ChatbotNotFound,
    #[error("the thread {0} does not exist")]
    ThreadNotFound(String),
    #[error("the chatbot has a thread with this id already")]
    ThreadIdTaken,
    #[error("the message does not exist")]
    MessageNotFound,
    #[error("the escalation does not exist")]
    EscalationNotFound,
    #[error("{0} is larger than its limit")]
    TooLarge(&'static str),
    #[error(transparent)]
    Batch(#[from] Failure),
    #[error(transparent)]
    Retry(#[from] idempotency::Error),
    #[error("the database failed")]
    Storage(#[from] sqlx::Error),
}

impl Error {
    pub(crate) fn invalid(field: impl Into<String>, rule: &'static str) -> Self {
        Self::Invalid {
            field: field.into(),
            rule,
        }
    }
}

impl Fault for Error {
    const DOMAIN: &'static str = "thread";

    fn kind(&self) -> Kind {
        match self {
            Self::Invalid { .. } => Kind::Invalid,
            Self::ChatbotNotFound | Self::ThreadNotFound(_) | Self::MessageNotFound | Self::EscalationNotFound => {
                Kind::NotFound
            }
            Self::ThreadIdTaken => Kind::Conflict,
            Self::TooLarge(_) => Kind::TooLarge,
            Self::Batch(failure) => failure.kind(),
            Self::Retry(error) => error.kind(),
            Self::Storage(error) => fault::database_kind(error),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => fault::INVALID_REQUEST,
            Self::ChatbotNotFound => "CHATBOT_NOT_FOUND",
            Self::ThreadNotFound(_) => "THREAD_NOT_FOUND",
            Self::ThreadIdTaken => "THREAD_ID_TAKEN",
            Self::MessageNotFound => "MESSAGE_NOT_FOUND",
            Self::EscalationNotFound => "ESCALATION_NOT_FOUND",
            Self::TooLarge(_) => "TOO_LARGE",
            Self::Batch(failure) => failure.reason(),
            Self::Retry(error) => error.reason(),
            Self::Storage(error) => fault::database_reason(error),
        }
    }

    fn violations(&self) -> Vec<Violation> {
        match self {
            Self::Invalid { field, rule } => vec![Violation::new(field.clone(), *rule)],
            Self::ThreadIdTaken => vec![Violation::new("thread_id", "is taken")],
            Self::ThreadNotFound(id) => {
                vec![Violation::new("thread_id", format!("{id} does not exist"))]
            }
            Self::Retry(error) => error.violations(),
            Self::TooLarge(field) => vec![Violation::new(*field, "is larger than its limit")],
            _ => Vec::new(),
        }
    }
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        fault::status(&error)
    }
}
