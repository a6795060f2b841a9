//! Reads that share a query: whatever is asked for while the last answer is under way is asked together.
//!
//! A read of its own costs a round trip and a wake-up of the server for a row or a page; many at once share them.

use std::sync::Arc;

use sqlx::PgConnection;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::connection::Kept;
use super::{Batches, Failure, Item, Queue};
use crate::db::Db;
use crate::fault;

/// Connections that read, per replica: a slow page on one does not hold up the other.
const READERS: usize = 2;
/// Reads that may wait for a connection.
const QUEUE: usize = 4096;
/// Reads in one query at most.
const BATCH: usize = 64;

/// Something to be read, together with others of its kind.
pub trait Read: Sized + Send + Sync + 'static {
    /// What was found.
    type Found: Send + 'static;

    /// Reads all of them, and answers in their order.
    fn read(
        connection: &mut PgConnection,
        reads: &[Self],
    ) -> impl Future<Output = Result<Vec<Self::Found>, sqlx::Error>> + Send;
}

/// The asking side.
#[derive(Debug)]
pub struct Reads<R: Read>(Queue<R, Result<R::Found, Failure>>);

/// The working side, to be run as long as the server runs.
#[derive(Debug)]
pub struct Readers<R: Read>(Batches<R, Result<R::Found, Failure>>);

impl<R: Read> Clone for Reads<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<R: Read> Reads<R> {
    /// Both sides of a queue.
    pub fn new() -> (Self, Readers<R>) {
        let (queue, batches) = Queue::new(QUEUE);
        (Self(queue), Readers(batches))
    }

    /// Reads with the next query.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn submit(&self, read: R) -> Result<R::Found, Failure> {
        self.0.submit(read).await?
    }
}

impl<R: Read> Readers<R> {
    /// Works the queue off until `stop`.
    ///
    /// # Errors
    /// When a reader panics.
    pub async fn run(self, db: Db, stop: CancellationToken) -> anyhow::Result<()> {
        let batches = Arc::new(Mutex::new(self.0));
        let mut readers = tokio::task::JoinSet::new();
        for _ in 0..READERS {
            let (mut kept, stop, batches) = (Kept::new(db.clone()), stop.clone(), Arc::clone(&batches));
            readers.spawn(async move {
                loop {
                    let batch = batches.lock().await.next(BATCH, &stop).await;
                    let Some(batch) = batch else { break };
                    answer(&mut kept, batch).await;
                }
            });
        }
        while let Some(ended) = readers.join_next().await {
            ended?;
        }
        Ok(())
    }
}

async fn answer<R: Read>(kept: &mut Kept, batch: Vec<Item<R, Result<R::Found, Failure>>>) {
    let (reads, replies): (Vec<R>, Vec<_>) = batch.into_iter().map(Item::split).unzip();
    match kept.run(async |connection| R::read(connection, &reads).await).await {
        Ok(found) => {
            for (found, reply) in found.into_iter().zip(replies) {
                reply.send(Ok(found));
            }
        }
        Err(error) => {
            tracing::warn!(error = %fault::chain(&error), reads = reads.len(), "reads failed");
            for reply in replies {
                reply.send(Err(Failure::from(&error)));
            }
        }
    }
}
