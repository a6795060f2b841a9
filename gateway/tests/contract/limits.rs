//! How much and how fast, and what holds for every answer.

use std::num::NonZeroU32;

use http::{Method, StatusCode};
use platform::OrgId;
use platform::access::{Access, ApiKey, ServiceKey};
use platform::events::{Feed, redis};
use platform::link::Link;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::support::{Answer, BOT, Layout, World, within};

#[tokio::test]
async fn a_key_is_taken_as_bearer_bare_or_basic() {
    let world = World::new().await;
    let ask = async |authorization: String| {
        let request = world.http.get(format!("{}/v1/chatbots", world.url));
        Answer::of(request.header("authorization", authorization)).await.status
    };
    assert_eq!(ask(format!("Bearer {}", world.key)).await, StatusCode::OK);
    assert_eq!(ask(world.key.clone()).await, StatusCode::OK);
    let basic = world
        .http
        .get(format!("{}/v1/chatbots", world.url))
        .basic_auth("acme", Some(&world.key));
    assert_eq!(Answer::of(basic).await.status, StatusCode::OK);
    assert_eq!(ask("Bearer hk_nonsense".to_owned()).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_key_without_the_scope_is_told_which_one_it_lacks() {
    let world = World::new().await;
    let (_, reader) = world.key(world.org, &["threads:read"]).await;
    let request = world
        .http
        .post(format!("{}/v0/chatbots/{BOT}/threads", world.url))
        .bearer_auth(&reader);
    let answer = Answer::of(request).await;
    answer.is_error(403, "FORBIDDEN");
    assert!(
        answer.json["error"]["message"]
            .as_str()
            .unwrap()
            .contains("threads:write"),
        "{}",
        answer.text
    );
    let request = world.http.get(format!("{}/v1/events", world.url)).bearer_auth(&reader);
    Answer::of(request).await.is_error(403, "FORBIDDEN");
}

#[tokio::test]
async fn a_key_that_asks_too_fast_is_told_to_wait_and_others_are_not() {
    let limits = gateway::Limits {
        rate_per_second: NonZeroU32::MIN,
        rate_burst: NonZeroU32::new(3).unwrap(),
        ..gateway::Limits::default()
    };
    let world = World::with(Layout {
        limits,
        ..Layout::default()
    })
    .await;
    let first = world.get("/v1/chatbots").await;
    assert_eq!(first.headers["ratelimit-policy"], "\"key\";q=3;w=3");
    assert_eq!(first.headers["ratelimit"], "\"key\";r=2;t=1");
    let mut refused = None;
    for _ in 0..50 {
        let answer = world.get("/v1/chatbots").await;
        if answer.status != StatusCode::OK {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("fifty requests at once are more than three");
    refused.is_error(429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(refused.headers["ratelimit"], "\"key\";r=0;t=3");
    assert_eq!(refused.headers["retry-after"], "1");
    let (_, other) = world.key(world.org, &["settings:read"]).await;
    let request = world.http.get(format!("{}/v1/chatbots", world.url)).bearer_auth(&other);
    assert_eq!(Answer::of(request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_valid_key_is_never_refused_for_the_failures_of_its_address() {
    let world = World::new().await;
    let fail = async || {
        Answer::of(
            world
                .http
                .get(format!("{}/v1/chatbots", world.url))
                .bearer_auth("nonsense"),
        )
        .await
    };
    for _ in 0..20 {
        fail().await.is_error(401, "API_KEY_NOT_VALID");
    }
    fail().await.is_error(429, "TOO_MANY_FAILED_AUTHENTICATIONS");
    assert_eq!(world.get("/v1/chatbots").await.status, StatusCode::OK);
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_address_has_its_own_failures() {
    let limits = gateway::Limits {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..gateway::Limits::default()
    };
    let world = World::with(Layout {
        limits,
        ..Layout::default()
    })
    .await;
    let fail = async |address: &str| {
        let request = world
            .http
            .get(format!("{}/v1/chatbots", world.url))
            .bearer_auth("nonsense");
        Answer::of(request.header("x-forwarded-for", address)).await
    };
    for _ in 0..20 {
        fail("203.0.113.9").await.is_error(401, "API_KEY_NOT_VALID");
    }
    fail("203.0.113.9")
        .await
        .is_error(429, "TOO_MANY_FAILED_AUTHENTICATIONS");
    fail("203.0.113.10").await.is_error(401, "API_KEY_NOT_VALID");
}

#[tokio::test]
async fn every_answer_carries_its_trace_and_is_not_stored() {
    let world = World::new().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = world.request(Method::GET, "/v1/chatbots");
    let answer = Answer::of(request.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))).await;
    assert_eq!(answer.headers["x-request-id"], trace);
    for path in ["/v1/chatbots", "/nowhere", "/healthz", "/openapi.json"] {
        let answer = world.get(path).await;
        assert_eq!(answer.headers["x-request-id"].len(), 32, "{path}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
    }
}

#[tokio::test]
async fn a_head_has_the_header_of_a_get_and_no_body() {
    let world = World::new().await;
    let path = format!("/v1/chatbots/{BOT}");
    let (get, head) = (
        world.get(&path).await,
        Answer::of(world.request(Method::HEAD, &path)).await,
    );
    assert_eq!((head.status, head.text.as_str()), (StatusCode::OK, ""));
    assert_eq!(head.headers["content-length"], get.text.len().to_string());
}

#[tokio::test]
async fn after_a_body_that_is_too_large_the_connection_ends_and_the_answer_is_read() {
    let world = World::new().await;
    let address = world.url.trim_start_matches("http://");
    for head in ["content-length: 3000000", "transfer-encoding: chunked"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /v0/chatbots/{BOT}/threads HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-type: application/json\r\n{head}\r\n\r\n",
            world.key
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        // As a client does that only reads when it has written everything.
        let writing = async {
            let piece = vec![b'a'; 100_000];
            for _ in 0..30 {
                if head.contains("chunked") {
                    write.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
                }
                write.write_all(&piece).await?;
                if head.contains("chunked") {
                    write.write_all(b"\r\n").await?;
                }
            }
            if head.contains("chunked") {
                write.write_all(b"0\r\n\r\n").await?;
            }
            std::io::Result::Ok(())
        };
        within(writing).await.expect("everything is taken in");
        let mut answer = String::new();
        within(read.read_to_string(&mut answer))
            .await
            .expect("the connection ends");
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains("REQUEST_TOO_LARGE"), "{answer}");
    }
}

/// A gateway whose services are all at `url`, asked once.
async fn asked_with_services_at(url: &str, limits: gateway::Limits) -> Answer {
    let link = || Link::remote(url).unwrap();
    let stop = CancellationToken::new();
    let deps = gateway::Dependencies {
        settings: link(),
        thread: link(),
        conversation: link(),
        access: Access::new(link(), ServiceKey::random()),
        feed: Feed::start(redis::Config::new("redis://127.0.0.1:1"), stop.clone()),
        limits,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(gateway::serve(listener, deps, stop.clone()));
    let key = ApiKey::mint(OrgId(uuid::Uuid::nil())).to_text();
    let request = reqwest::Client::new().get(format!("{gateway}/v1/chatbots"));
    let answer = Answer::of(request.bearer_auth(key)).await;
    stop.cancel();
    answer
}

#[tokio::test]
async fn a_service_that_is_away_is_a_503_that_can_be_retried() {
    let answer = asked_with_services_at("http://127.0.0.1:1", gateway::Limits::default()).await;
    answer.is_error(503, "UNAVAILABLE");
    assert!(!answer.text.contains("127.0.0.1"), "{}", answer.text);
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_a_503_when_the_deadline_has_passed() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let limits = gateway::Limits {
        http_deadline_ms: 100,
        ..gateway::Limits::default()
    };
    asked_with_services_at(&url, limits).await.is_error(503, "UNAVAILABLE");
}

#[tokio::test]
async fn a_retry_gets_the_first_answer_and_another_body_is_refused() {
    let world = World::new().await;
    world.thread("t").await;
    let path = format!("/v1/chatting/{BOT}/thread/t/escalate");
    let toggle = async || Answer::of(world.request(Method::PATCH, &path).header("idempotency-key", "k-1")).await;
    let (first, retry) = (toggle().await, toggle().await);
    assert_eq!(first.status, StatusCode::OK, "{}", first.text);
    assert_eq!(first.text, retry.text);

    let create = async |id: &str| {
        let request = world.request(Method::POST, &format!("/v0/chatbots/{BOT}/threads"));
        Answer::of(
            request
                .header("idempotency-key", "\"k-2\"")
                .json(&json!({"threadId": id})),
        )
        .await
    };
    let first = create("a").await;
    assert_eq!(first.text, create("a").await.text);
    create("b").await.is_error(422, "IDEMPOTENCY_KEY_REUSED");
    let long = world
        .request(Method::PATCH, &path)
        .header("idempotency-key", "k".repeat(256));
    Answer::of(long)
        .await
        .is_error(400, "REQUEST_VALIDATION_FAILED")
        .names("idempotency-key");
}

#[tokio::test]
async fn durations_are_told_by_route_and_never_by_path() {
    let metrics = platform::telemetry::metrics();
    let world = World::new().await;
    let ask = async |method: Method, path: &str| {
        let request = world.http.request(method, format!("{}{path}", world.url));
        Answer::of(request.bearer_auth(&world.key)).await.status
    };
    let unique = platform::id::new();
    let thread = format!("/v1/chatting/{BOT}/thread/{unique}/escalate");
    assert_eq!(ask(Method::PATCH, &thread).await, StatusCode::NOT_FOUND);
    assert_eq!(ask(Method::GET, &format!("/v1/{unique}")).await, StatusCode::NOT_FOUND);
    let unknown = Method::from_bytes(unique.simple().to_string().as_bytes()).unwrap();
    assert_eq!(ask(unknown, "/v1/chatbots").await, StatusCode::METHOD_NOT_ALLOWED);

    let text = metrics.render();
    for labels in [
        r#"{route="/v1/chatting/{chatbotId}/thread/{threadId}/escalate",method="PATCH",status="4xx"}"#,
        r#"{route="",method="GET",status="4xx"}"#,
        r#"{route="/v1/chatbots",method="other",status="4xx"}"#,
    ] {
        let line = format!("http_server_duration_seconds_count{labels}");
        assert!(text.contains(&line), "{line}");
    }
    assert!(!text.contains(&unique.to_string()) && !text.contains(&unique.simple().to_string()));
}
