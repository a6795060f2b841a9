//! A client of the live feed.

use std::pin::Pin;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use reqwest::RequestBuilder;
use serde_json::Value;
use tokio::time::timeout;

use crate::wait::PATIENCE;

/// An event as it was shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The position after it.
    pub id: String,
    /// What `event:` says.
    pub name: String,
    /// The CloudEvent.
    pub data: Value,
}

/// An open live feed.
pub struct LiveFeed {
    chunks: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    text: String,
}

impl std::fmt::Debug for LiveFeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveFeed")
            .field("text", &self.text)
            .finish_non_exhaustive()
    }
}

impl LiveFeed {
    /// Returns once the feed says that it is connected: everything from then on is shown.
    pub(crate) async fn open(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("the feed answers");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut feed = Self {
            chunks: Box::pin(response.bytes_stream()),
            text: String::new(),
        };
        let first = feed.block().await;
        assert!(first.starts_with(": connected"), "{first}");
        feed
    }

    /// The next block, without the blank line at its end.
    async fn block(&mut self) -> String {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return block;
            }
            let chunk = timeout(PATIENCE, self.chunks.next()).await;
            let chunk = chunk.expect("the feed shows something in time");
            let chunk = chunk.expect("the feed goes on").expect("the feed is not cut off");
            self.text
                .push_str(std::str::from_utf8(&chunk).expect("the feed is UTF-8"));
        }
    }

    /// The next event; comments are passed over.
    pub async fn next(&mut self) -> Shown {
        loop {
            let block = self.block().await;
            let field = |name: &str| {
                let mut lines = block.lines();
                lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            };
            if let (Some(id), Some(name), Some(data)) = (field("id"), field("event"), field("data")) {
                return Shown {
                    id: id.to_owned(),
                    name: name.to_owned(),
                    data: serde_json::from_str(data).expect("an event is JSON"),
                };
            }
        }
    }
}
