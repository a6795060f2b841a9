//! First answers, so that a retry does not do a thing twice.
//!
//! The row is written in the transaction of the effect: both are there or neither is. A concurrent duplicate waits on the
//! row until the first has committed, and then gets its answer.

use prost::Message;
use sha2::{Digest as _, Sha256};
use sqlx::{PgConnection, Row as _};

use crate::access::{Call, OrgId};
use crate::db::{self, Db};
use crate::fault::{self, Kind};

/// The first answers of one context.
#[derive(Clone, Debug)]
pub struct Idempotency {
    claim: String,
    find: String,
    keep: String,
    erase: String,
}

/// Answers erased by one statement, so that none holds its locks for long.
const BATCH: u64 = 500;

/// Why a retry can't be answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key came before with another request.
    #[error("the idempotency key was used before with another request")]
    Reused,
    /// The first request with this key is still under way and takes too long to wait for.
    #[error("the first request with this idempotency key is still under way")]
    Busy,
    /// It took effect, and what it was answered has been erased since.
    #[error("the first request with this idempotency key took effect, and its answer has been erased")]
    Erased,
    /// The database failed.
    #[error("the idempotency keys can't be read")]
    Storage(#[from] sqlx::Error),
}

impl fault::Fault for Error {
    const DOMAIN: &'static str = "idempotency";

    fn kind(&self) -> Kind {
        match self {
            Self::Reused => Kind::Unprocessable,
            Self::Busy => Kind::Busy,
            Self::Erased => Kind::Conflict,
            Self::Storage(error) => fault::database_kind(error),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Reused => "IDEMPOTENCY_KEY_REUSED",
            Self::Busy => "IDEMPOTENCY_KEY_IN_USE",
            Self::Erased => "IDEMPOTENCY_ANSWER_ERASED",
            Self::Storage(error) => fault::database_reason(error),
        }
    }

    fn violations(&self) -> Vec<fault::Violation> {
        match self {
            Self::Reused | Self::Busy | Self::Erased => vec![fault::Violation::new("idempotency-key", self.to_string())],
            Self::Storage(_) => Vec::new(),
        }
    }
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        fault::status(&error)
    }
}

/// What a key turned out to be.
#[derive(Debug)]
pub enum Claim<A> {
    /// Nobody used it: go on, then [`Ticket::keep`] the answer.
    Fresh(Ticket),
    /// A retry: this is the first answer. Nothing must be done.
    Replay(A),
}

/// The right to give the first answer.
#[derive(Debug)]
#[must_use = "the answer has to be kept, or a retry finds none"]
pub struct Ticket(Option<Box<Row>>);

#[derive(Debug)]
struct Row {
    keep: String,
    call: Call,
    rpc: &'static str,
    key: String,
}

/// What a retry of a call is recognized by, where the key is stored together with those of other calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// In whose name the call is made.
    pub owner: String,
    /// The call's idempotency key.
    pub key: String,
    /// [`request_hash`] of the request.
    pub hash: [u8; 32],
}

impl Retry {
    /// Of a call with an idempotency key.
    pub fn of(call: &Call, message: &impl Message) -> Option<Self> {
        call.idempotency_key.clone().map(|key| Self {
            owner: call.caller.owner.to_string(),
            key,
            hash: request_hash(message),
        })
    }
}

/// What a request is recognized by: its encoded message.
pub fn request_hash(message: &impl Message) -> [u8; 32] {
    Sha256::digest(message.encode_to_vec()).into()
}

impl Idempotency {
    /// The first answers of the context that owns `schema`.
    pub fn new(schema: &str) -> Self {
        Self {
            claim: format!(
                "insert into {schema}.idempotency_keys (org_id, owner, rpc, key, request_hash)
                 values ($1, $2, $3, $4, $5) on conflict do nothing"
            ),
            find: format!(
                "select request_hash, answer from {schema}.idempotency_keys
                 where org_id = $1 and owner = $2 and rpc = $3 and key = $4"
            ),
            keep: format!(
                "update {schema}.idempotency_keys set subject = $5, answer = $6
                 where org_id = $1 and owner = $2 and rpc = $3 and key = $4"
            ),
            erase: format!(
                "update {schema}.idempotency_keys set answer = null where ctid = any (array(
                     select ctid from {schema}.idempotency_keys
                     where org_id = $1 and subject = $2 and answer is not null
                           and ($3::bytea is null or position($3 in answer) > 0)
                     limit {BATCH}))"
            ),
        }
    }

    /// Erases the first answers about a subject; with `mentioning`, those that contain this text. A retry still does
    /// nothing, and is told so ([`Error::Erased`]). It needs an index on `(org_id, subject)`.
    ///
    /// # Errors
    /// When the database fails. What was done until then stays done.
    pub async fn erase(
        &self,
        db: &Db,
        org: OrgId,
        subject: &str,
        mentioning: Option<&str>,
    ) -> Result<(), sqlx::Error> {
        loop {
            let erased = db::statement(&self.erase)
                .bind(org.0)
                .bind(subject)
                .bind(mentioning.map(str::as_bytes))
                .execute(db)
                .await?;
            if erased.rows_affected() < BATCH {
                return Ok(());
            }
        }
    }

    /// Claims the call's key, as the first statement of the effect's transaction. Without a key every call is fresh.
    ///
    /// # Errors
    /// [`Error`]. The transaction can't go on after one.
    pub async fn claim<A: Message + Default>(
        &self,
        tx: &mut PgConnection,
        call: &Call,
        rpc: &'static str,
        message: &impl Message,
    ) -> Result<Claim<A>, Error> {
        let Some(key) = call.idempotency_key.clone() else {
            return Ok(Claim::Fresh(Ticket(None)));
        };
        let hash = request_hash(message);
        let claimed = db::statement(&self.claim)
            .bind(call.caller.org.0)
            .bind(&*call.caller.owner)
            .bind(rpc)
            .bind(&key)
            .bind(hash.as_slice())
            .execute(&mut *tx)
            .await
            .map_err(waited_too_long)?;
        if claimed.rows_affected() == 1 {
            return Ok(Claim::Fresh(Ticket(Some(Box::new(Row {
                keep: self.keep.clone(),
                call: call.clone(),
                rpc,
                key,
            })))));
        }
        let found = db::statement(&self.find)
            .bind(call.caller.org.0)
            .bind(&*call.caller.owner)
            .bind(rpc)
            .bind(&key)
            .fetch_optional(&mut *tx)
            .await?
            .ok_or(Error::Busy)?;
        if found.get::<&[u8], _>("request_hash") != hash {
            return Err(Error::Reused);
        }
        let answer = found.get::<Option<&[u8]>, _>("answer").ok_or(Error::Erased)?;
        A::decode(answer)
            .map(Claim::Replay)
            .map_err(|error| Error::Storage(sqlx::Error::Decode(error.into())))
    }
}

/// Waiting for the first request ran into the lock timeout.
fn waited_too_long(error: sqlx::Error) -> Error {
    match fault::database_kind(&error) {
        Kind::Busy => Error::Busy,
        _ => Error::Storage(error),
    }
}

impl Ticket {
    /// Keeps the first answer, in the same transaction. `subject` is what it is about, for erasing it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep(self, tx: &mut PgConnection, subject: &str, answer: &impl Message) -> Result<(), sqlx::Error> {
        let Some(row) = self.0 else {
            return Ok(());
        };
        db::statement(&row.keep)
            .bind(row.call.caller.org.0)
            .bind(&*row.call.caller.owner)
            .bind(row.rpc)
            .bind(&row.key)
            .bind(subject)
            .bind(answer.encode_to_vec())
            .execute(tx)
            .await
            .map(drop)
    }
}
