//! Natural batching: whatever queued while the last batch was under way is the next batch. No added delay: an idle queue
//! hands a single job on at once.

pub mod commits;
mod connection;
mod failure;
pub mod reads;

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub use failure::Failure;

/// A job in a batch, with the way back to who submitted it.
#[derive(Debug)]
pub struct Item<J, R> {
    /// What to do.
    pub job: J,
    reply: oneshot::Sender<R>,
    queued: Instant,
}

impl<J, R> Item<J, R> {
    /// Answers. Nobody may be listening any more.
    pub fn reply(self, answer: R) {
        let _ = self.reply.send(answer);
    }

    /// Splits the job from its answer.
    pub fn split(self) -> (J, Reply<R>) {
        (self.job, Reply(self.reply))
    }
}

/// The way back to who submitted a job.
#[derive(Debug)]
pub struct Reply<R>(oneshot::Sender<R>);

impl<R> Reply<R> {
    /// Answers. Nobody may be listening any more.
    pub fn send(self, answer: R) {
        let _ = self.0.send(answer);
    }
}

/// Why a job was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The queue is full: nothing was done.
    #[error("the queue is full")]
    Full,
    /// The worker is gone, or dropped the job.
    #[error("the queue is closed")]
    Closed,
}

/// The submitting side of a bounded queue that is worked off in batches.
#[derive(Debug)]
pub struct Queue<J, R>(mpsc::Sender<Item<J, R>>);

impl<J, R> Clone for Queue<J, R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A job that waited longer is dropped: whoever submitted it has passed its deadline.
const PATIENCE: Duration = Duration::from_secs(3);

impl<J: Send + 'static, R: Send + 'static> Queue<J, R> {
    /// A queue of at most `capacity` waiting jobs, and the side that works them off.
    pub fn new(capacity: usize) -> (Self, Batches<J, R>) {
        let (sender, receiver) = mpsc::channel(capacity);
        (Self(sender), Batches(receiver))
    }

    /// Queues a job and waits for its answer.
    ///
    /// # Errors
    /// [`Refused`]. After [`Refused::Closed`] it is unknown whether the job was done.
    pub async fn submit(&self, job: J) -> Result<R, Refused> {
        let (reply, answer) = oneshot::channel();
        let item = Item {
            job,
            reply,
            queued: Instant::now(),
        };
        self.0.try_send(item).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refused::Full,
            mpsc::error::TrySendError::Closed(_) => Refused::Closed,
        })?;
        answer.await.map_err(|_| Refused::Closed)
    }
}

/// The working side of a [`Queue`].
#[derive(Debug)]
pub struct Batches<J, R>(mpsc::Receiver<Item<J, R>>);

impl<J, R> Batches<J, R> {
    /// The next batch: at least one and at most `most` jobs that somebody still waits for. `None` once `stop` is
    /// cancelled and the queue has run dry, or nobody can submit any more.
    pub async fn next(&mut self, most: usize, stop: &CancellationToken) -> Option<Vec<Item<J, R>>> {
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                biased;
                count = self.0.recv_many(&mut batch, most) => if count == 0 { return None },
                () = stop.cancelled() => {
                    self.0.close();
                    if self.0.recv_many(&mut batch, most).await == 0 {
                        return None;
                    }
                }
            }
            batch.retain(|item| !item.reply.is_closed() && item.queued.elapsed() < PATIENCE);
            if !batch.is_empty() {
                return Some(batch);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_queues_while_a_batch_is_under_way_is_the_next_batch() {
        let (queue, mut batches) = Queue::<u32, u32>::new(8);
        let stop = CancellationToken::new();
        let clients: Vec<_> = (0..3)
            .map(|job| {
                tokio::spawn({
                    let queue = queue.clone();
                    async move { queue.submit(job).await }
                })
            })
            .collect();
        while queue.0.capacity() > 5 {
            tokio::task::yield_now().await;
        }
        let batch = batches.next(8, &stop).await.unwrap();
        assert_eq!(batch.len(), 3);
        for item in batch {
            let answer = item.job * 10;
            item.reply(answer);
        }
        let mut answers = Vec::new();
        for client in clients {
            answers.push(client.await.unwrap().unwrap());
        }
        answers.sort_unstable();
        assert_eq!(answers, [0, 10, 20]);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_a_gone_client_is_skipped() {
        let (queue, mut batches) = Queue::<u32, u32>::new(1);
        let gone = tokio::spawn({
            let queue = queue.clone();
            async move { queue.submit(1).await }
        });
        while queue.0.capacity() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(queue.submit(2).await, Err(Refused::Full));
        gone.abort();
        let _ = gone.await;
        let stop = CancellationToken::new();
        let (batch, ()) = tokio::join!(batches.next(8, &stop), async {
            while queue.0.capacity() == 0 {
                tokio::task::yield_now().await;
            }
            tokio::spawn({
                let queue = queue.clone();
                async move { queue.submit(3).await }
            });
        });
        let jobs: Vec<_> = batch.unwrap().into_iter().map(|item| item.job).collect();
        assert_eq!(jobs, [3]);
    }

    #[tokio::test]
    async fn a_stopped_queue_is_worked_off_before_it_ends() {
        let (queue, mut batches) = Queue::<u32, u32>::new(4);
        let client = tokio::spawn({
            let queue = queue.clone();
            async move { queue.submit(1).await }
        });
        while queue.0.capacity() > 3 {
            tokio::task::yield_now().await;
        }
        let stop = CancellationToken::new();
        stop.cancel();
        for item in batches.next(8, &stop).await.unwrap() {
            item.reply(9);
        }
        assert_eq!(client.await.unwrap(), Ok(9));
        assert!(batches.next(8, &stop).await.is_none());
        assert_eq!(queue.submit(2).await, Err(Refused::Closed));
    }
}
