//! Answers, and how connections begin and end around them.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use platform::http::{Limits, Peer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::{GET, SHORT, Server, beating, hello, patient, within};

#[tokio::test]
async fn pipelined_requests_are_all_answered() {
    let server = Server::http(patient(), hello()).await;
    let mut client = server.connect().await;
    client.send(&GET.repeat(20)).await;
    for _ in 0..20 {
        client.read_until("hello").await;
    }
}

#[tokio::test]
async fn the_handler_sees_the_address_of_its_peer() {
    let echo = async |Extension(Peer(peer)): Extension<Peer>| format!("<{peer}>");
    let server = Server::http(patient(), Router::new().route("/", get(echo))).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    let address = client.0.local_addr().unwrap();
    client.read_until(&format!("\r\n\r\n<{address}>")).await;
}

#[tokio::test]
async fn a_connection_over_the_cap_is_told_so_and_a_freed_place_is_used_again() {
    let server = Server::http(
        Limits {
            connections: 1,
            ..patient()
        },
        hello(),
    )
    .await;
    let mut first = server.connect().await;
    first.send(GET).await;
    first.read_until("hello").await;

    let answer = server.connect().await.rest().await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");

    drop(first);
    within(async {
        loop {
            let mut next = server.connect().await;
            let mut status = [0; 12];
            let sent = next.0.write_all(GET).await;
            if sent.is_ok() && next.0.read_exact(&mut status).await.is_ok() && status == *b"HTTP/1.1 200" {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_its_answer_is_dropped() {
    let dropped = CancellationToken::new();
    let endless = {
        let dropped = dropped.clone();
        async move || {
            let guard: DropGuard = dropped.drop_guard();
            let piece = Bytes::from(vec![b'a'; 64 << 10]);
            Body::from_stream(futures::stream::repeat_with(move || {
                let _held = &guard;
                Ok::<_, Infallible>(piece.clone())
            }))
        }
    };
    let limits = Limits {
        write_stall: SHORT,
        ..patient()
    };
    let server = Server::http(limits, Router::new().route("/", get(endless))).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    within(dropped.cancelled()).await;
}

#[tokio::test]
async fn a_peer_that_takes_its_time_to_read_gets_all_of_its_answer() {
    let bytes = 32 << 20;
    let limits = Limits {
        idle: SHORT / 5,
        linger: SHORT / 5,
        ..patient()
    };
    let large = async move || vec![b'a'; bytes];
    let server = Server::http(limits, Router::new().route("/", get(large))).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    client.read_until("\r\n\r\n").await;
    // Each pause is longer than the idle deadline.
    let mut bites = tokio::time::interval(SHORT / 2);
    let mut bite = vec![0; bytes / 8];
    for _ in 0..8 {
        bites.tick().await;
        within(client.0.read_exact(&mut bite)).await.unwrap();
    }
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn an_event_stream_with_heartbeats_outlives_every_deadline() {
    let limits = Limits {
        first_byte: SHORT,
        head: SHORT,
        idle: SHORT,
        body: SHORT,
        body_stall: SHORT,
        write_stall: SHORT,
        ..patient()
    };
    let server = Server::http(limits, beating(12)).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    let answer = client.read_until("\r\n0\r\n\r\n").await;
    assert_eq!(answer.matches(": heartbeat\n\n").count(), 12);
}

#[tokio::test]
async fn stopping_refuses_new_connections_and_finishes_what_is_in_flight() {
    let started = Arc::new(Notify::new());
    let finish = Arc::new(Notify::new());
    let slow = {
        let (started, finish) = (Arc::clone(&started), Arc::clone(&finish));
        async move || {
            started.notify_one();
            finish.notified().await;
            "done"
        }
    };
    let server = Server::http(patient(), hello().route("/slow", get(slow))).await;
    let mut idle = server.connect().await;
    idle.send(GET).await;
    idle.read_until("hello").await;
    let mut busy = server.connect().await;
    busy.send(b"GET /slow HTTP/1.1\r\nhost: test\r\n\r\n").await;
    within(started.notified()).await;

    server.stop.cancel();
    within(async { while TcpStream::connect(server.address).await.is_ok() {} }).await;
    assert_eq!(idle.rest().await, "");
    assert!(!server.task.is_finished());

    finish.notify_one();
    let answer = busy.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\ndone"), "{answer}");
    within(server.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_does_not_finish_within_the_drain_deadline_is_dropped() {
    let started = Arc::new(Notify::new());
    let stuck = {
        let started = Arc::clone(&started);
        async move || {
            started.notify_one();
            std::future::pending::<()>().await;
        }
    };
    let limits = Limits {
        drain: SHORT,
        ..patient()
    };
    let server = Server::http(limits, Router::new().route("/", get(stuck))).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    within(started.notified()).await;
    server.stop.cancel();
    assert_eq!(client.rest().await, "");
    within(server.task).await.unwrap().unwrap();
}
