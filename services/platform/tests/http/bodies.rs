//! Request bodies that are late, too long or not wanted.

use std::error::Error;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::post;
use bytes::Bytes;
use platform::http::{BodyError, Limits};
use tokio::io::AsyncWriteExt as _;

use crate::support::{SHORT, Server, hello, patient, within};

/// Answers with the length of the body, or 408 when it is late.
fn counting() -> Router {
    let count = async |body: Body| match to_bytes(body, usize::MAX).await {
        Ok(body) => (StatusCode::OK, body.len().to_string()),
        Err(error) => {
            let mut cause = error.source();
            while let Some(error) = cause {
                if matches!(error.downcast_ref(), Some(BodyError::Late)) {
                    return (StatusCode::REQUEST_TIMEOUT, String::new());
                }
                cause = error.source();
            }
            (StatusCode::BAD_REQUEST, String::new())
        }
    };
    Router::new().route("/", post(count))
}

#[tokio::test]
async fn a_dripping_body_is_refused_although_it_never_stalls() {
    let limits = Limits {
        body: SHORT,
        linger: SHORT,
        ..patient()
    };
    let server = Server::http(limits, counting()).await;
    let mut client = server.connect().await;
    client
        .send(b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 100000\r\n\r\n")
        .await;
    let answer = client.drip(b'a').await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn a_stalled_body_is_refused() {
    let limits = Limits {
        body_stall: SHORT,
        linger: SHORT,
        ..patient()
    };
    let server = Server::http(limits, counting()).await;
    let mut client = server.connect().await;
    client
        .send(b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\nabc")
        .await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn a_handler_that_ignores_its_late_body_does_not_hold_the_connection() {
    let limits = Limits {
        body: SHORT,
        linger: SHORT,
        ..patient()
    };
    let stuck = async |_body: Body| std::future::pending::<()>().await;
    let server = Server::http(limits, Router::new().route("/", post(stuck))).await;
    let mut client = server.connect().await;
    client
        .send(b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\n")
        .await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_body_in_pieces_arrives_whole() {
    let server = Server::http(patient(), counting()).await;
    let mut client = server.connect().await;
    client
        .send(b"POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    for _ in 0..50 {
        client.send(b"2\r\nab\r\n").await;
    }
    client.send(b"0\r\n\r\n").await;
    client.read_until("\r\n\r\n100").await;
}

#[tokio::test]
async fn a_peer_that_sends_ten_mebibytes_against_a_limit_of_one_reads_the_413_and_then_the_end() {
    let router = counting().layer(tower_http::limit::RequestBodyLimitLayer::new(1 << 20));
    let server = Server::http(patient(), router).await;
    let mut client = server.connect().await;
    client
        .send(b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 10485760\r\n\r\n")
        .await;
    client.send(&vec![b'a'; 10 << 20]).await;
    client.0.shutdown().await.unwrap();
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn a_chunked_body_over_the_limit_is_answered_before_the_end_too() {
    let router = Router::new()
        .route("/", post(async |body: Bytes| body.len().to_string()))
        .layer(DefaultBodyLimit::max(1 << 20));
    let server = Server::http(patient(), router).await;
    let mut client = server.connect().await;
    client
        .send(b"POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    let mut chunk = b"10000\r\n".to_vec();
    chunk.resize(chunk.len() + 0x10000, b'a');
    chunk.extend_from_slice(b"\r\n");
    for _ in 0..100 {
        client.send(&chunk).await;
    }
    client.0.shutdown().await.unwrap();
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_peer_that_never_stops_sending_is_dropped_after_the_413() {
    let limits = Limits {
        linger: SHORT,
        ..patient()
    };
    let router = counting().layer(tower_http::limit::RequestBodyLimitLayer::new(1));
    let server = Server::http(limits, router).await;
    let mut client = server.connect().await;
    client
        .send(b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 1000000\r\n\r\n")
        .await;
    client.read_until("\r\n\r\n").await;
    within(async { while client.0.write_all(b"a").await.is_ok() {} }).await;
}

#[tokio::test]
async fn a_small_body_nobody_read_does_not_cost_the_connection() {
    let server = Server::http(patient(), hello()).await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        client
            .send(b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\nabcde")
            .await;
        client.read_until("unread").await;
    }
}
