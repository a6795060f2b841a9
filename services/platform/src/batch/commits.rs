//! A group commit: whatever queued while the last commit was under way goes into the next one, in one transaction and
//! one flush to disk.
//!
//! Two replicas may wait for each other's rows; then the database breaks the knot and the batch runs again. A change that
//! spoils the batch for all fails alone.

use std::collections::HashSet;
use std::hash::Hash;

use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use super::connection::Kept;
use super::{Batches, Failure, Item, Queue, Reply};
use crate::db::Db;
use crate::events::Outbox;
use crate::fault::{self, Kind};

/// How much group commits take on, per replica and kind of change.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Messages that may wait for the next commit; one more is refused with RESOURCE_EXHAUSTED.
    #[arg(long, env = "HANDOFF_WRITE_QUEUE", default_value_t = 2048)]
    pub write_queue: usize,
    /// Messages in one commit at most.
    #[arg(long, env = "HANDOFF_WRITE_BATCH", default_value_t = 128)]
    pub write_batch: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            write_queue: 2048,
            write_batch: 128,
        }
    }
}

/// Something to be made true, together with others of its kind.
pub trait Change: Sized + Send + Sync + 'static {
    /// What it is answered with.
    type Answer: Send + 'static;
    /// Why it was not made true.
    type Error: From<sqlx::Error> + From<Failure> + Send + 'static;
    /// What may be there once.
    type Claim: Hash + Eq;

    /// What it claims. Of two changes with the same claim the second waits for the next commit: by then the first one's
    /// outcome is there.
    fn claims(&self) -> impl Iterator<Item = Self::Claim>;

    /// Makes all of them true in one transaction, and answers in their order. An error is one of the whole batch: nothing
    /// is true then.
    fn commit(
        connection: &mut PgConnection,
        changes: &[Self],
    ) -> impl Future<Output = Result<Vec<Answer<Self>>, sqlx::Error>> + Send;
}

type Answer<C> = Result<<C as Change>::Answer, <C as Change>::Error>;

/// The submitting side.
#[derive(Debug)]
pub struct Commits<C: Change>(Queue<C, Result<C::Answer, C::Error>>);

/// The working side, to be run as long as the server runs.
#[derive(Debug)]
pub struct Committer<C: Change>(Batches<C, Result<C::Answer, C::Error>>, usize);

impl<C: Change> Clone for Commits<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C: Change> Commits<C> {
    /// Both sides of a queue.
    pub fn new(config: &Config) -> (Self, Committer<C>) {
        let (queue, batches) = Queue::new(config.write_queue);
        (Self(queue), Committer(batches, config.write_batch))
    }

    /// Makes a change true with the next commit.
    ///
    /// # Errors
    /// The change's own, or [`Failure`] as one of those.
    pub async fn submit(&self, change: C) -> Answer<C> {
        self.0.submit(change).await.map_err(Failure::from)?
    }
}

impl<C: Change> Committer<C> {
    /// Works the queue off until `stop`, then what is left in it. Events that a commit tells of go out with `outbox`.
    ///
    /// # Errors
    /// None.
    pub async fn run(mut self, db: Db, outbox: Outbox, stop: CancellationToken) -> anyhow::Result<()> {
        let mut kept = Kept::new(db);
        while let Some(mut batch) = self.0.next(self.1, &stop).await {
            while !batch.is_empty() {
                let mut claimed = HashSet::new();
                // Also a change that waits claims: what it claims must not overtake it.
                let (now, later) = batch.into_iter().partition::<Vec<_>, _>(|item| {
                    let claims: Vec<_> = item.job.claims().map(|claim| claimed.insert(claim)).collect();
                    claims.into_iter().all(|first| first)
                });
                let (changes, replies): (Vec<C>, Vec<_>) = now.into_iter().map(Item::split).unzip();
                commit(&mut kept, &changes, replies).await;
                batch = later;
            }
            outbox.wake();
        }
        Ok(())
    }
}

async fn commit<C: Change>(kept: &mut Kept, changes: &[C], replies: Vec<Reply<Answer<C>>>) {
    match attempt(kept, changes).await {
        Ok(answers) => {
            for (answer, reply) in answers.into_iter().zip(replies) {
                reply.send(answer);
            }
        }
        Err(error) if changes.len() > 1 && fault::database_kind(&error) == Kind::Internal => {
            tracing::warn!(error = %fault::chain(&error), changes = changes.len(), "batch failed, committing one by one");
            for (change, reply) in changes.iter().zip(replies) {
                let answers = attempt(kept, std::slice::from_ref(change)).await;
                let answer = answers.map(|mut answers| answers.pop());
                reply.send(match answer {
                    Ok(answer) => answer.unwrap_or_else(|| Err(Failure::Internal.into())),
                    Err(error) => Err(error.into()),
                });
            }
        }
        Err(error) => {
            let failure = Failure::from(&error);
            if changes.len() > 1 {
                tracing::warn!(error = %fault::chain(&error), changes = changes.len(), "changes could not be committed");
            }
            let mut own = Some(error).filter(|_| changes.len() == 1);
            for reply in replies {
                reply.send(Err(own.take().map_or_else(|| failure.into(), C::Error::from)));
            }
        }
    }
}

/// How often a batch is tried while others are in its way.
const ATTEMPTS: u32 = 3;

async fn attempt<C: Change>(kept: &mut Kept, changes: &[C]) -> Result<Vec<Answer<C>>, sqlx::Error> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match kept.run(async |connection| C::commit(connection, changes).await).await {
            Err(error) if in_the_way(&error) && attempts < ATTEMPTS => {}
            done => return done,
        }
    }
}

/// Somebody else held a row, or has just made what was about to be made: both look different the next time.
fn in_the_way(error: &sqlx::Error) -> bool {
    fault::database_kind(error) == Kind::Busy
        || matches!(error, sqlx::Error::Database(error) if error.is_unique_violation())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change that nobody makes.
    #[derive(Debug)]
    struct Waiting;

    #[derive(Debug, thiserror::Error)]
    enum Error {
        #[error(transparent)]
        Batch(#[from] Failure),
        #[error(transparent)]
        Storage(#[from] sqlx::Error),
    }

    impl Change for Waiting {
        type Answer = ();
        type Error = Error;
        type Claim = ();

        fn claims(&self) -> impl Iterator<Item = ()> {
            std::iter::empty()
        }

        async fn commit(_: &mut PgConnection, changes: &[Self]) -> Result<Vec<Result<(), Error>>, sqlx::Error> {
            Ok(changes.iter().map(|_| Ok(())).collect())
        }
    }

    #[tokio::test]
    async fn one_more_than_may_wait_is_refused_at_once() {
        let config = Config::default();
        let (commits, _committer) = Commits::new(&config);
        let mut waiting: Vec<_> = (0..config.write_queue)
            .map(|_| Box::pin(commits.submit(Waiting)))
            .collect();
        for change in &mut waiting {
            assert!(futures::poll!(change).is_pending());
        }
        let refused = commits.submit(Waiting).await.unwrap_err();
        assert!(matches!(refused, Error::Batch(Failure::Full)), "{refused:?}");
    }
}
