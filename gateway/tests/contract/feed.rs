//! The live feed, over a Redis of its own.

use std::process::Stdio;
use std::time::Duration;

use http::{Method, StatusCode};
use platform::events::redis::Config;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::support::{Answer, BOT, Layout, World, within};

/// A Redis server that ends with this value.
struct Redis {
    url: String,
    _child: Child,
    _folder: TempDir,
}

impl Redis {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("redis.sock");
        // Only a socket in a folder of its own: no port that another test could take.
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(&socket)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        within(async {
            while tokio::net::UnixStream::connect(&socket).await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        Self {
            url: format!("redis+unix://{}", socket.display()),
            _child: child,
            _folder: folder,
        }
    }
}

async fn world(redis: &Redis, limits: gateway::Limits) -> World {
    World::with(Layout {
        redis: Config::new(redis.url.clone()),
        limits,
    })
    .await
}

/// An open feed.
struct Stream {
    response: reqwest::Response,
    text: String,
}

/// One block of a feed.
#[derive(Debug, Default)]
struct Block {
    id: String,
    event: String,
    data: String,
    comment: bool,
}

impl Stream {
    async fn open(request: reqwest::RequestBuilder) -> Self {
        let response = within(request.send()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream = Self {
            response,
            text: String::new(),
        };
        let connected = stream.block().await.unwrap();
        assert!(connected.comment);
        stream
    }

    /// The next block; `None` when the feed has ended.
    async fn block(&mut self) -> Option<Block> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let mut read = Block::default();
                for line in block.lines() {
                    match line.split_once(": ").unwrap_or((line, "")) {
                        ("id", text) => text.clone_into(&mut read.id),
                        ("event", text) => text.clone_into(&mut read.event),
                        ("data", text) => read.data.push_str(text),
                        ("", _) => read.comment = true,
                        _ => {}
                    }
                }
                return Some(read);
            }
            let chunk = within(self.response.chunk()).await.ok()??;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next event, whatever the comments before it.
    async fn event(&mut self) -> Block {
        loop {
            let block = self.block().await.expect("the feed goes on");
            if !block.event.is_empty() {
                return block;
            }
        }
    }

    /// The next event, which is of this type: where it leads to, and what it says.
    async fn event_of(&mut self, kind: &str) -> (String, Value) {
        let mut block = self.event().await;
        // Who subscribes while the reader is still finding out where now is, is told that by a reset.
        while block.event == "reset" {
            block = self.event().await;
        }
        assert_eq!(block.event, kind, "{block:?}");
        let event: Value = serde_json::from_str(&block.data).unwrap();
        assert_eq!(event["type"], kind);
        (block.id, event)
    }
}

#[tokio::test]
async fn an_escalation_is_seen_by_its_own_organization_as_it_happens() {
    let redis = Redis::start().await;
    let world = world(&redis, gateway::Limits::default()).await;
    let (_, stranger) = world.organization("globex").await;
    let mut all = Stream::open(world.request(Method::GET, "/v1/events")).await;
    let mut escalations = Stream::open(world.request(Method::GET, "/api/v1/events?types=escalation.*")).await;
    let theirs = world
        .http
        .get(format!("{}/v1/events?types=thread.*,escalation.*", world.url))
        .bearer_auth(&stranger);
    let mut theirs = Stream::open(theirs).await;
    // From now on may be a moment from now: the reader of the streams says so by itself when it starts late.
    world.thread("t").await;
    let path = format!("/v1/chatting/{BOT}/thread/t/escalate");
    Answer::of(world.request(Method::PATCH, &path)).await;
    let (_, event) = escalations.event_of("escalation.created").await;
    assert_eq!(event["data"]["threadId"], "t");
    assert_eq!(event["organization"], world.org.to_string());
    let subject = event["subject"].as_str().unwrap();
    loop {
        let block = all.event().await;
        if block.event == "escalation.created" {
            break;
        }
        let others = ["reset", "chatbot.", "thread.", "message."];
        assert!(others.iter().any(|kind| block.event.starts_with(kind)), "{block:?}");
    }

    let mut one = Stream::open(world.request(Method::GET, &format!("/v1/events?subject={subject}"))).await;
    world.thread("other").await;
    Answer::of(world.request(Method::PATCH, &path)).await;
    let (_, event) = one.event_of("escalation.resolved").await;
    assert_eq!(event["subject"], subject);

    // The stranger's own event is the first that the stranger sees.
    let create = world
        .http
        .post(format!("{}/v0/chatbots/{BOT}/threads", world.url))
        .bearer_auth(&stranger);
    Answer::of(create.json(&json!({"threadId": "theirs"}))).await;
    let (_, event) = theirs.event_of("thread.created").await;
    assert_eq!(event["data"]["threadId"], "theirs");
}

#[tokio::test]
async fn a_feed_goes_on_after_the_last_event_that_was_received() {
    let redis = Redis::start().await;
    let world = world(&redis, gateway::Limits::default()).await;
    let path = "/v1/events?types=thread.created";
    let mut stream = Stream::open(world.request(Method::GET, path)).await;
    world.thread("one").await;
    let (last, _) = stream.event_of("thread.created").await;
    drop(stream);
    world.thread("two").await;
    let mut header = Stream::open(world.request(Method::GET, path).header("last-event-id", &last)).await;
    assert_eq!(header.event_of("thread.created").await.1["data"]["threadId"], "two");
    let query = format!("{path}&lastEventId={last}");
    let mut query = Stream::open(world.request(Method::GET, &query)).await;
    assert_eq!(query.event_of("thread.created").await.1["data"]["threadId"], "two");
    let wrong = world.request(Method::GET, path).header("last-event-id", "nonsense");
    Answer::of(wrong)
        .await
        .is_error(400, "REQUEST_VALIDATION_FAILED")
        .names("Last-Event-ID");
}

#[tokio::test]
async fn a_position_that_nobody_knows_any_more_is_told_by_a_reset() {
    let redis = Redis::start().await;
    let world = world(&redis, gateway::Limits::default()).await;
    let mut stream = Stream::open(world.request(Method::GET, "/v1/events?types=thread.created")).await;
    world.thread("one").await;
    stream.event_of("thread.created").await;
    // Redis was emptied since: the position is one of another life.
    let request = world
        .request(Method::GET, "/v1/events?types=thread.created")
        .header("last-event-id", "99999999999999-0,99999999999999-0");
    let mut resumed = Stream::open(request).await;
    let block = resumed.event().await;
    assert_eq!((block.event.as_str(), block.data.as_str()), ("reset", "{}"));
    world.thread("two").await;
    assert_eq!(resumed.event_of("thread.created").await.1["data"]["threadId"], "two");
}

#[tokio::test]
async fn a_quiet_feed_shows_that_it_is_alive() {
    let redis = Redis::start().await;
    let limits = gateway::Limits {
        feed_heartbeat_ms: 20,
        ..gateway::Limits::default()
    };
    let world = world(&redis, limits).await;
    let mut stream = Stream::open(world.request(Method::GET, "/v1/events?types=never.told")).await;
    for _ in 0..3 {
        assert!(stream.block().await.unwrap().comment);
    }
    // What was passed over moves the position on.
    world.thread("t").await;
    within(async { while stream.block().await.unwrap().id.is_empty() {} }).await;
}

#[tokio::test]
async fn a_feed_ends_when_its_key_is_revoked() {
    let redis = Redis::start().await;
    let limits = gateway::Limits {
        feed_recheck_ms: 20,
        ..gateway::Limits::default()
    };
    let world = world(&redis, limits).await;
    let (id, key) = world.key(world.org, &["events:read"]).await;
    let mut stream = Stream::open(world.http.get(format!("{}/v1/events", world.url)).bearer_auth(&key)).await;
    world.revoke(world.org, &id).await;
    within(async { while stream.block().await.is_some() {} }).await;
    let mut own = Stream::open(world.request(Method::GET, "/v1/events?types=thread.created")).await;
    world.thread("t").await;
    own.event_of("thread.created").await;
}

#[tokio::test]
async fn a_key_has_so_many_feeds_and_one_that_was_closed_makes_room() {
    let redis = Redis::start().await;
    let limits = gateway::Limits {
        feeds_per_key: 2,
        feed_heartbeat_ms: 20,
        ..gateway::Limits::default()
    };
    let world = world(&redis, limits).await;
    let first = Stream::open(world.request(Method::GET, "/v1/events")).await;
    let _second = Stream::open(world.request(Method::GET, "/v1/events")).await;
    let refused = Answer::of(world.request(Method::GET, "/v1/events")).await;
    refused.is_error(429, "TOO_MANY_FEEDS");
    drop(first);
    within(async {
        while world.request(Method::GET, "/v1/events").send().await.unwrap().status() != StatusCode::OK {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
