//! Callers who write all the time and remember what they were told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use journeys::{CHATBOT, Caller, until};
use proto::thread::v1::GetThreadRequest;
use reqwest::StatusCode;
use serde_json::json;
use tokio::task::JoinHandle;

const WRITERS: usize = 8;

/// Writers at work, each in a thread of its own.
pub(crate) struct Writers {
    acknowledged: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<Written>>,
}

/// What one writer has written: `texts` in this order, of which all but the last were acknowledged.
pub(crate) struct Written {
    thread: String,
    texts: Vec<String>,
    /// What he was told about the last; `None`: nothing.
    pub(crate) failure: Option<StatusCode>,
}

async fn send(caller: &Caller, thread: &str, text: &str) -> reqwest::Result<journeys::Reply> {
    let body = json!({"threadId": thread, "message": text});
    caller
        .post(format!("/v0/chatbots/{CHATBOT}/message"), body)
        .once(text)
        .try_send()
        .await
}

impl Writers {
    pub(crate) async fn start(caller: &Caller) -> Self {
        let acknowledged = Arc::<AtomicUsize>::default();
        let threads: Vec<_> = (0..WRITERS).map(|number| format!("writer-{number}")).collect();
        for thread in &threads {
            let body = json!({"threadId": thread});
            caller
                .post(format!("/v0/chatbots/{CHATBOT}/threads"), body)
                .data()
                .await;
        }
        let tasks = threads.into_iter().map(|thread| {
            let (caller, acknowledged) = (caller.clone(), Arc::clone(&acknowledged));
            tokio::spawn(write(caller, thread, acknowledged))
        });
        Self {
            tasks: tasks.collect(),
            acknowledged,
        }
    }

    /// Waits until so many more writes were acknowledged.
    pub(crate) async fn progress(&self, count: usize) {
        let goal = self.acknowledged.load(Ordering::SeqCst) + count;
        until("the writers get on", async || {
            (self.acknowledged.load(Ordering::SeqCst) >= goal).then_some(())
        })
        .await;
    }

    /// Waits until every writer has met a failure.
    pub(crate) async fn stopped(self) -> Vec<Written> {
        join_all(self.tasks).await.into_iter().map(Result::unwrap).collect()
    }
}

/// Writes until a write fails.
async fn write(caller: Caller, thread: String, acknowledged: Arc<AtomicUsize>) -> Written {
    let mut texts = Vec::new();
    loop {
        let text = format!("{thread} says {}", texts.len());
        texts.push(text.clone());
        match send(&caller, &thread, &text).await {
            Ok(reply) if reply.status.is_success() => {
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
            answer => {
                if let Ok(reply) = &answer {
                    reply.assert_unavailable();
                }
                let failure = answer.ok().map(|reply| reply.status);
                return Written { thread, texts, failure };
            }
        }
    }
}

/// Every writer asks again, with the same keys, for the last that was acknowledged and for what was not; then everything
/// is there once, in its order and without a gap.
pub(crate) async fn nothing_is_lost_or_doubled(caller: &Caller, written: &[Written]) {
    for Written { thread, texts, .. } in written {
        for text in texts.iter().rev().take(2) {
            send(caller, thread, text).await.unwrap().data();
        }
        let request = GetThreadRequest {
            chatbot_id: CHATBOT.to_owned(),
            thread_id: thread.clone(),
            message_limit: 1000,
        };
        let found = caller
            .threads()
            .get_thread(caller.grpc(request))
            .await
            .unwrap()
            .into_inner();
        let found: Vec<_> = found
            .messages
            .into_iter()
            .map(|message| (message.position, message.content))
            .collect();
        let expected: Vec<_> = (1..).zip(texts.iter().cloned()).collect();
        // A thread of a fast writer is longer than what is read at once.
        assert_eq!(found, expected[expected.len().saturating_sub(1000)..]);
    }
}
