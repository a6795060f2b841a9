//! First answers, so that a retry does not do a thing twice.
//!
//! The row is written in the transaction of the effect: both are there or neither is. A concurrent duplicate waits on the
//! row until the first has committed, and then gets its answer.

use prost::Message;
use sha2::{Digest as _, Sha256};
use sqlx::{PgConnection, Row as _};
use tonic::{Response, Status};

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
            Self::Reused | Self::Busy | Self::Erased => {
                vec![fault::Violation::new("idempotency-key", self.to_string())]
            }
            Self::Storage(_) => Vec::new(),
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        fault::status(&error)
    }
}

/// What a mutation made true.
#[derive(Debug)]
pub struct Done<A> {
    subject: String,
    answer: A,
}

impl<A> Done<A> {
    /// `subject` is what it is about: a kept answer is erased with it.
    pub fn new(subject: impl Into<String>, answer: A) -> Self {
        Self {
            subject: subject.into(),
            answer,
        }
    }
}

/// What a key turned out to be.
enum Claim<A> {
    /// Nobody used it: go on, then [`Idempotency::keep`] the answer.
    Fresh,
    /// A retry: this is the first answer. Nothing must be done.
    Replay(A),
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
    pub async fn erase(&self, db: &Db, org: OrgId, subject: &str, mentioning: Option<&str>) -> Result<(), sqlx::Error> {
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

    /// Makes `effect` true in one transaction, once for the call's key and its owner; a retry gets the first answer. A call
    /// without a key is never taken for a retry.
    ///
    /// # Errors
    /// [`Error`], or what `effect` failed with: then nothing is done, and the key may be used again.
    pub async fn once<M, A, E, F>(
        &self,
        db: &Db,
        call: &Call,
        rpc: &'static str,
        message: &M,
        effect: F,
    ) -> Result<Response<A>, Status>
    where
        M: Message,
        A: Message + Default,
        E: From<sqlx::Error>,
        Status: From<E>,
        F: AsyncFnOnce(&mut PgConnection) -> Result<Done<A>, E>,
    {
        let mut tx = db.begin().await.map_err(E::from)?;
        match self.answer(&mut tx, call, rpc, message, effect).await {
            Ok(answer) => {
                tx.commit().await.map_err(E::from)?;
                Ok(Response::new(answer))
            }
            Err(status) => {
                // A failed rollback has no say in the answer: the server rolls back by itself.
                let _ = tx.rollback().await;
                Err(status)
            }
        }
    }

    async fn answer<M, A, E, F>(
        &self,
        tx: &mut PgConnection,
        call: &Call,
        rpc: &'static str,
        message: &M,
        effect: F,
    ) -> Result<A, Status>
    where
        M: Message,
        A: Message + Default,
        E: From<sqlx::Error>,
        Status: From<E>,
        F: AsyncFnOnce(&mut PgConnection) -> Result<Done<A>, E>,
    {
        if let Claim::Replay(answer) = self.claim(tx, call, rpc, message).await? {
            return Ok(answer);
        }
        let Done { subject, answer } = effect(tx).await?;
        self.keep(tx, call, rpc, &subject, &answer).await.map_err(E::from)?;
        Ok(answer)
    }

    /// Claims the call's key, as the first statement of the effect's transaction.
    async fn claim<A: Message + Default>(
        &self,
        tx: &mut PgConnection,
        call: &Call,
        rpc: &'static str,
        message: &impl Message,
    ) -> Result<Claim<A>, Error> {
        let Some(key) = &call.idempotency_key else {
            return Ok(Claim::Fresh);
        };
        let hash = request_hash(message);
        let claimed = db::statement(&self.claim)
            .bind(call.caller.org.0)
            .bind(&*call.caller.owner)
            .bind(rpc)
            .bind(key)
            .bind(hash.as_slice())
            .execute(&mut *tx)
            .await
            .map_err(waited_too_long)?;
        if claimed.rows_affected() == 1 {
            return Ok(Claim::Fresh);
        }
        let found = db::statement(&self.find)
            .bind(call.caller.org.0)
            .bind(&*call.caller.owner)
            .bind(rpc)
            .bind(key)
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

    /// Keeps the first answer, in the transaction in which the key was claimed.
    async fn keep(
        &self,
        tx: &mut PgConnection,
        call: &Call,
        rpc: &'static str,
        subject: &str,
        answer: &impl Message,
    ) -> Result<(), sqlx::Error> {
        let Some(key) = &call.idempotency_key else {
            return Ok(());
        };
        db::statement(&self.keep)
            .bind(call.caller.org.0)
            .bind(&*call.caller.owner)
            .bind(rpc)
            .bind(key)
            .bind(subject)
            .bind(answer.encode_to_vec())
            .execute(tx)
            .await
            .map(drop)
    }
}

/// Waiting for the first request ran into the lock timeout.
fn waited_too_long(error: sqlx::Error) -> Error {
    match fault::database_kind(&error) {
        Kind::Busy => Error::Busy,
        _ => Error::Storage(error),
    }
}
