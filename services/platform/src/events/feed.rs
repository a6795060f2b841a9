//! The live feed.
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use super::redis::Config;
use crate::access::OrgId;

/// One reader.
#[derive(Clone, Debug)]
pub struct Feed {}
/// One subscription.
#[derive(Debug)]
pub struct Subscription {}
/// Bad.
#[derive(Debug, thiserror::Error)]
#[error("the position is malformed")]
pub struct BadPosition;
/// Item.
#[derive(Clone, Debug)]
pub enum FeedItem {
    /// Event
    Event {
        /// id
        id: String,
        /// json
        json: Arc<str>,
        /// org
        org: OrgId,
        /// kind
        kind: Arc<str>,
        /// subject
        subject: Arc<str>,
    },
    /// Reset
    Reset {
        /// id
        id: String,
    },
}
impl Feed {
    /// s
    pub fn start(_redis: Config, _stop: CancellationToken) -> Self {
        Self {}
    }
    /// s
    pub fn subscribe(&self, _last_event_id: Option<&str>) -> Result<Subscription, BadPosition> {
        Ok(Subscription {})
    }
}
impl Subscription {
    /// n
    pub async fn next(&mut self) -> FeedItem {
        std::future::pending().await
    }
}
