//! The live feed: what happens in the caller's organization, as server-sent events.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;
use platform::Kind;
use platform::OrgId;
use platform::access::Access;
use platform::events::{Feed, FeedItem, Subscription};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::errors::Failure;
use crate::extract::{Call, Query};
use crate::{Gateway, Limits};

/// The route of the feed.
pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(stream_events))
}

/// What live feeds are made of.
pub(crate) struct Feeds {
    feed: Feed,
    access: Access,
    stop: CancellationToken,
    heartbeat: Duration,
    recheck: Duration,
    per_key: u32,
    open: Arc<Mutex<HashMap<Uuid, u32>>>,
}

impl Feeds {
    pub(crate) fn new(feed: Feed, access: Access, limits: &Limits, stop: CancellationToken) -> Self {
        Self {
            feed,
            access,
            stop,
            heartbeat: Duration::from_millis(limits.feed_heartbeat_ms.max(1)),
            recheck: Duration::from_millis(limits.feed_recheck_ms.max(1)),
            per_key: limits.feeds_per_key,
            open: Arc::default(),
        }
    }

    /// One more feed of a key, unless it has as many as it may.
    fn admit(&self, key: Uuid) -> Option<Place> {
        let mut open = self.open.lock();
        let count = open.entry(key).or_default();
        if *count >= self.per_key {
            return None;
        }
        *count += 1;
        let open = Arc::clone(&self.open);
        Some(Place { open, key })
    }
}

/// An open feed in the count of its key.
struct Place {
    open: Arc<Mutex<HashMap<Uuid, u32>>>,
    key: Uuid,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        if let Some(count) = open.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.key);
            }
        }
    }
}

/// Follow what happens
///
/// Server-sent events of the caller's organization, each a CloudEvent whose `type` is the name of the event. Without a
/// position the feed begins now. After an event named `reset` something may have been missed: fetch what you show anew.
/// A comment is sent when nothing else was for 15 seconds. Needs the scope `events:read`.
#[utoipa::path(get, path = "/v1/events", tag = "Events",
    params(
        ("types" = Option<String>, Query, description = "Types to be told of, separated by commas; `escalation.*` stands for all that begin so. Default all", example = "escalation.*,message.created"),
        ("subject" = Option<String>, Query, description = "Only events about this subject", example = "threads/0190f0c8-7d5c-7cc1-8d3e-0a4a5e1b7a10"),
        ("lastEventId" = Option<String>, Query, description = "As `Last-Event-ID`, for clients that can't set it"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was received: the feed goes on after it"),
    ),
    responses((status = 200, description = "The events, as they happen", content_type = "text/event-stream", body = String)))]
async fn stream_events(call: Call) -> Result<Response, Failure> {
    let feeds = &call.gateway.0.feeds;
    if !call.caller.may(proto::FEED) {
        return Err(Failure::refuse(
            Kind::Forbidden,
            "SCOPE_MISSING",
            "the API key lacks the scope events:read",
        ));
    }
    let query = call.query()?;
    let filter = Filter::read(&query)?;
    let subscription = subscribe(&feeds.feed, &call.headers, &query).await?;
    let place = feeds.admit(call.caller.key_id).ok_or_else(|| {
        Failure::refuse(
            Kind::Exhausted,
            "TOO_MANY_FEEDS",
            "the API key has as many live feeds as it may, close one",
        )
    })?;
    let live = Live {
        subscription,
        filter,
        org: call.caller.org,
        heartbeat: every(feeds.heartbeat),
        recheck: every(feeds.recheck),
        access: feeds.access.clone(),
        headers: call.headers,
        stop: feeds.stop.child_token(),
        opening: true,
        passed: None,
        _place: place,
    };
    let chunks = stream::unfold(live, async |mut live| {
        let chunk = live.next().await?;
        Some((Ok::<_, Infallible>(chunk), live))
    });
    let mut response = Response::new(Body::from_stream(chunks));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // A proxy that collects an answer before it passes it on would hold the events back.
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    Ok(response)
}

fn every(period: Duration) -> Interval {
    let mut interval = interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

async fn subscribe(feed: &Feed, headers: &HeaderMap, query: &Query<'_>) -> Result<Subscription, Failure> {
    let header = headers.get("last-event-id").filter(|value| !value.is_empty());
    let (field, position) = match header {
        Some(value) => ("Last-Event-ID", Some(value.to_str().unwrap_or_default())),
        None => ("lastEventId", query.text("lastEventId")?),
    };
    feed.subscribe(position)
        .await
        .map_err(|error| Failure::invalid(field, error.to_string()))
}

/// Which events a feed shows.
#[derive(Debug, PartialEq, Eq)]
struct Filter {
    /// Empty: all.
    types: Vec<Type>,
    subject: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Type {
    Is(String),
    BeginsWith(String),
}

/// Types one feed can list.
const TYPES: usize = 50;

impl Filter {
    fn read(query: &Query<'_>) -> Result<Self, Failure> {
        let types = query.text("types")?.map_or(Some(Vec::new()), |list| {
            list.split(',').map(|text| Type::read(text.trim())).collect()
        });
        let types = types.filter(|types| types.len() <= TYPES).ok_or_else(|| {
            Failure::invalid(
                "types",
                "must be at most 50 types such as escalation.created or escalation.*",
            )
        })?;
        let subject = query.owned("subject")?;
        Ok(Self { types, subject })
    }

    fn shows(&self, kind: &str, subject: &str) -> bool {
        let type_fits = self.types.is_empty()
            || self.types.iter().any(|wanted| match wanted {
                Type::Is(text) => text == kind,
                Type::BeginsWith(text) => kind.starts_with(text.as_str()),
            });
        type_fits && self.subject.as_ref().is_none_or(|wanted| wanted == subject)
    }
}

impl Type {
    fn read(text: &str) -> Option<Self> {
        let letters = |text: &str| {
            !text.is_empty()
                && text.len() <= 100
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'.' | b'_' | b'-'))
        };
        match text.strip_suffix('*') {
            Some(prefix) => (prefix.ends_with('.') && letters(prefix)).then(|| Self::BeginsWith(prefix.to_owned())),
            None => letters(text).then(|| Self::Is(text.to_owned())),
        }
    }
}

/// One open feed.
struct Live {
    subscription: Subscription,
    filter: Filter,
    org: OrgId,
    heartbeat: Interval,
    recheck: Interval,
    access: Access,
    headers: HeaderMap,
    stop: CancellationToken,
    /// Nothing was sent yet.
    opening: bool,
    /// The position after events that were not shown.
    passed: Option<String>,
    _place: Place,
}

impl Live {
    /// What to send next; `None` ends the feed.
    async fn next(&mut self) -> Option<Bytes> {
        if std::mem::take(&mut self.opening) {
            // At once, so that a client sees that it is connected, and how soon to come back.
            return Some(Bytes::from_static(b": connected\nretry: 2000\n\n"));
        }
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return None,
                _ = self.recheck.tick() => {
                    if !self.is_still_welcome().await {
                        return None;
                    }
                }
                _ = self.heartbeat.tick() => return Some(heartbeat(self.passed.take())),
                item = self.subscription.next() => match item {
                    FeedItem::Event { id, json, org, kind, subject } => {
                        if org == self.org && self.filter.shows(&kind, &subject) {
                            self.passed = None;
                            self.heartbeat.reset();
                            return Some(event(&id, &kind, &json));
                        }
                        self.passed = Some(id);
                    }
                    FeedItem::Reset { id } => {
                        self.passed = None;
                        return Some(event(&id, "reset", "{}"));
                    }
                },
            }
        }
    }

    /// A key that was revoked, has expired, or lost the scope. While nobody can tell, the feed goes on.
    async fn is_still_welcome(&self) -> bool {
        match self.access.caller(&self.headers, None).await {
            Ok(caller) => caller.may(proto::FEED) && caller.org == self.org,
            Err(status) => !matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied),
        }
    }
}

fn event(id: &str, name: &str, data: &str) -> Bytes {
    let mut text = format!("id: {id}\nevent: {name}\n");
    for line in data.lines() {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    text.into()
}

/// A comment, with the position after what was passed over: a client that comes back need not go through it again.
fn heartbeat(passed: Option<String>) -> Bytes {
    match passed {
        Some(id) => format!(": alive\nid: {id}\n\n").into(),
        None => Bytes::from_static(b": alive\n\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(query: &str) -> Option<Filter> {
        Filter::read(&Query::read(query).ok()?).ok()
    }

    #[test]
    fn a_feed_shows_what_its_filter_names() {
        let all = filter("").unwrap();
        assert!(all.shows("message.created", "threads/1"));
        let some = filter("types=escalation.*,message.created&subject=threads/1").unwrap();
        assert!(some.shows("escalation.resolved", "threads/1"));
        assert!(some.shows("message.created", "threads/1"));
        assert!(!some.shows("message.updated", "threads/1"));
        assert!(!some.shows("message.created", "threads/2"));
        assert!(!filter("types=escalation.*").unwrap().shows("escalations", "s"));
    }

    #[test]
    fn a_filter_that_can_never_match_is_refused() {
        for wrong in [
            "types=,",
            "types=*",
            "types=escalation*",
            "types=a..%00",
            "types=Message.Created",
            "types=a&types=b",
        ] {
            assert_eq!(filter(wrong), None, "{wrong}");
        }
        assert_eq!(filter(&format!("types={}", vec!["a.b"; 51].join(","))), None);
    }

    #[test]
    fn an_event_is_one_block_whatever_its_data() {
        assert_eq!(
            event("1-0,2-0", "message.created", "{\"a\":1}"),
            "id: 1-0,2-0\nevent: message.created\ndata: {\"a\":1}\n\n"
        );
        assert_eq!(event("i", "k", "{\n}"), "id: i\nevent: k\ndata: {\ndata: }\n\n");
        assert_eq!(heartbeat(Some("i".to_owned())), ": alive\nid: i\n\n");
    }
}
