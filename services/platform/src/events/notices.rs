//! What caches need to hear at once.
//!
//! The relay says on a channel, too, which events it publishes whose kind ends with `.changed`. Who keeps copies hears of a
//! change there without reading every event. What is said while nobody listens is not said again: whoever comes back is
//! told that something may have been missed.

use std::io;

use futures::StreamExt as _;
use redis::{Msg, Pipeline, RedisResult};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::redis::{Backoff, CONNECT, Config};
use crate::access::OrgId;

const CHANNEL: &str = "handoff:changes";
/// What the kinds of events end with that are said.
const SAID: &str = ".changed";

/// What somebody who keeps copies is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A copy of this is out of date.
    Changed {
        /// Whose it is.
        org: OrgId,
        /// `<noun>.changed`.
        kind: String,
        /// What has changed.
        subject: String,
    },
    /// Nobody listened for a while: any copy may be out of date.
    Missed,
}

/// Says an event, where it is one to be said, right after it was published.
pub(super) fn add(pipe: &mut Pipeline, org: OrgId, kind: &str, subject: &str) {
    if kind.ends_with(SAID) {
        pipe.cmd("PUBLISH")
            .arg(CHANNEL)
            .arg(format!("{org} {kind} {subject}"))
            .ignore();
    }
}

/// Hears every [`Notice`] from now on, until `stop`. The first one is [`Notice::Missed`], as soon as Redis can be reached.
pub async fn listen(redis: &Config, stop: &CancellationToken, mut hear: impl FnMut(Notice)) {
    let mut backoff = Backoff::new();
    loop {
        let session = async {
            let client = redis::Client::open(redis.redis_url.reveal())?;
            let mut connection = timeout(CONNECT, client.get_async_pubsub())
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            connection.subscribe(CHANNEL).await?;
            backoff = Backoff::new();
            hear(Notice::Missed);
            let mut messages = connection.into_on_message();
            while let Some(message) = messages.next().await {
                if let Some(notice) = read(&message) {
                    hear(notice);
                }
            }
            RedisResult::Ok(())
        };
        let ended = tokio::select! {
            ended = session => ended,
            () = stop.cancelled() => return,
        };
        let wait = backoff.next();
        tracing::debug!(
            error = ended.err().map(tracing::field::display),
            ?wait,
            "nobody tells of changes"
        );
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return,
        }
    }
}

fn read(message: &Msg) -> Option<Notice> {
    let text: String = message.get_payload().ok()?;
    let mut parts = text.splitn(3, ' ');
    Some(Notice::Changed {
        org: OrgId(crate::id::parse(parts.next()?)?),
        kind: parts.next()?.to_owned(),
        subject: parts.next()?.to_owned(),
    })
}
