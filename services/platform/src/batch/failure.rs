//! Why a job of a batch was not done, where it was not the job's own fault.

use super::Refused;
use crate::fault::{self, Kind};

/// What whoever submitted a job is told when the batch as a whole did not come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Too many jobs wait: nothing was done.
    #[error("too many requests wait for the database")]
    Full,
    /// The database did not answer, or not in time. A change may have been made.
    #[error("the database did not answer in time")]
    Unavailable,
    /// The database refused the statement.
    #[error("the database failed")]
    Internal,
}

impl Failure {
    /// Its kind, for [`fault::Fault::kind`].
    pub fn kind(self) -> Kind {
        match self {
            Self::Full => Kind::Exhausted,
            Self::Unavailable => Kind::Unavailable,
            Self::Internal => Kind::Internal,
        }
    }

    /// Its stable word, for [`fault::Fault::reason`].
    pub fn reason(self) -> &'static str {
        match self {
            Self::Full => "WRITE_QUEUE_FULL",
            Self::Unavailable => "STORAGE_UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full => Self::Full,
            Refused::Closed => Self::Unavailable,
        }
    }
}

/// The same failure for everybody in a batch.
impl From<&sqlx::Error> for Failure {
    fn from(error: &sqlx::Error) -> Self {
        match fault::database_kind(error) {
            Kind::Internal => Self::Internal,
            _ => Self::Unavailable,
        }
    }
}
