//! Peers that are slow to ask, or ask for too much at once.

use platform::http::Limits;
use tokio::io::AsyncWriteExt as _;

use crate::support::{GET, PREFACE, SHORT, Server, hello, patient};

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let server = Server::http(
        Limits {
            first_byte: SHORT,
            ..patient()
        },
        hello(),
    )
    .await;
    assert_eq!(server.connect().await.rest().await, "");
}

#[tokio::test]
async fn half_a_request_line_is_not_waited_for() {
    let server = Server::http(
        Limits {
            head: SHORT,
            ..patient()
        },
        hello(),
    )
    .await;
    let mut client = server.connect().await;
    client.send(b"GET / HT").await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn half_a_header_is_not_waited_for() {
    let server = Server::http(
        Limits {
            head: SHORT,
            ..patient()
        },
        hello(),
    )
    .await;
    let mut client = server.connect().await;
    client.send(b"GET / HTTP/1.1\r\nhost: test\r\nx-hal").await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_dripping_head_is_closed_although_it_never_stalls() {
    let server = Server::http(
        Limits {
            head: SHORT,
            ..patient()
        },
        hello(),
    )
    .await;
    let mut client = server.connect().await;
    client.send(b"GET / HTTP/1.1\r\nhost: test\r\nx-drip: ").await;
    assert_eq!(client.drip(b'a').await, "");
}

#[tokio::test]
async fn empty_lines_do_not_keep_a_connection_open() {
    let server = Server::http(
        Limits {
            head: SHORT,
            ..patient()
        },
        hello(),
    )
    .await;
    assert_eq!(server.connect().await.drip(b'\n').await, "");
}

#[tokio::test]
async fn a_dripping_head_is_closed_on_a_kept_connection_too() {
    let server = Server::http(
        Limits {
            head: SHORT,
            ..patient()
        },
        hello(),
    )
    .await;
    let mut client = server.connect().await;
    client.send(GET).await;
    client.read_until("hello").await;
    client.send(b"GET / HTTP/1.1\r\nx-drip: ").await;
    assert_eq!(client.drip(b'a').await, "");
}

#[tokio::test]
async fn a_kept_connection_serves_further_requests_and_is_closed_when_idle() {
    let server = Server::http(
        Limits {
            idle: SHORT,
            ..patient()
        },
        hello(),
    )
    .await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.send(GET).await;
        let answer = client.read_until("hello").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn an_http2_preface_is_not_served_on_an_http1_listener() {
    let server = Server::http(patient(), hello()).await;
    let mut client = server.connect().await;
    client.send(PREFACE).await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn half_an_http2_preface_is_not_waited_for_on_an_http1_listener() {
    let server = Server::http(
        Limits {
            head: SHORT,
            ..patient()
        },
        hello(),
    )
    .await;
    let mut client = server.connect().await;
    client.send(&PREFACE[..8]).await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn headers_over_the_limit_are_answered_with_431_and_the_end() {
    let server = Server::http(patient(), hello()).await;
    for bytes in [65 << 10, 8 << 20] {
        let mut client = server.connect().await;
        let mut head = b"GET / HTTP/1.1\r\nhost: test\r\nx-long: ".to_vec();
        head.resize(head.len() + bytes, b'a');
        head.extend_from_slice(b"\r\n\r\n");
        client.send(&head).await;
        client.0.shutdown().await.unwrap();
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
}

#[tokio::test]
async fn headers_below_the_limit_are_accepted() {
    let server = Server::http(patient(), hello()).await;
    let mut client = server.connect().await;
    let value = "a".repeat(63 << 10);
    let head = format!("GET / HTTP/1.1\r\nhost: test\r\nx-long: {value}\r\n\r\n");
    client.send(head.as_bytes()).await;
    client.read_until("hello").await;
}

#[tokio::test]
async fn a_request_target_over_the_limit_is_answered_with_414() {
    let server = Server::http(patient(), hello()).await;
    let mut client = server.connect().await;
    let path = "a".repeat(8 << 10);
    client
        .send(format!("GET /{path} HTTP/1.1\r\nhost: test\r\n\r\n").as_bytes())
        .await;
    let answer = client.read_until("\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 414 "), "{answer}");
    assert!(answer.contains("\r\ncontent-length: 0\r\n"), "{answer}");
    client.send(GET).await;
    client.read_until("hello").await;
}
