//! The HTTP/2 listener.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use platform::http::{Limits, serve_grpc};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{GET, PREFACE, SHORT, Server, beating, hello, patient, within};

#[tokio::test]
async fn a_grpc_listener_closes_a_connection_that_says_nothing() {
    let server = Server::grpc(
        Limits {
            first_byte: SHORT,
            ..patient()
        },
        hello(),
    )
    .await;
    server.connect().await.rest().await;
}

#[tokio::test]
async fn a_grpc_listener_does_not_wait_for_half_a_preface() {
    let server = Server::grpc(
        Limits {
            head: SHORT,
            ..patient()
        },
        hello(),
    )
    .await;
    let mut client = server.connect().await;
    client.send(&PREFACE[..PREFACE.len() - 1]).await;
    client.closed().await;
}

#[tokio::test]
async fn a_grpc_listener_closes_a_peer_that_stops_after_the_preface() {
    let limits = Limits {
        keepalive: SHORT,
        keepalive_timeout: SHORT,
        ..patient()
    };
    let server = Server::grpc(limits, hello()).await;
    let mut client = server.connect().await;
    client.send(PREFACE).await;
    client.closed().await;
}

#[tokio::test]
async fn a_grpc_listener_does_not_serve_http1() {
    let server = Server::grpc(patient(), hello()).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    let answer = client.closed().await;
    assert!(!answer.starts_with("HTTP/1.1"), "{answer}");
}

#[tokio::test]
async fn a_grpc_connection_without_streams_is_closed_when_idle() {
    let server = Server::grpc(
        Limits {
            idle: SHORT,
            ..patient()
        },
        hello(),
    )
    .await;
    let io = TokioIo::new(server.connect().await.0);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get("http://test/").body(Empty::<Bytes>::new()).unwrap();
    let answer = within(sender.send_request(request)).await.unwrap();
    let body = within(answer.into_body().collect()).await.unwrap();
    assert_eq!(body.to_bytes(), "hello");
    within(connection).await.unwrap().unwrap();
    assert!(sender.is_closed());
}

#[tokio::test]
async fn a_grpc_stream_outlives_the_idle_deadline_and_the_pings() {
    let limits = Limits {
        idle: SHORT,
        keepalive: SHORT,
        write_stall: SHORT,
        ..patient()
    };
    let server = Server::grpc(limits, beating(12)).await;
    let io = TokioIo::new(server.connect().await.0);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("http://test/").body(Empty::<Bytes>::new()).unwrap();
    let answer = within(sender.send_request(request)).await.unwrap();
    let body = within(answer.into_body().collect()).await.unwrap();
    assert_eq!(body.to_bytes().len(), 12 * b": heartbeat\n\n".len());
}

#[tokio::test]
async fn tonic_services_are_served_and_drained() {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter
        .set_service_status("handoff", tonic_health::ServingStatus::Serving)
        .await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let routes = tonic::service::Routes::new(health);
    let server = tokio::spawn(serve_grpc(listener, routes, Limits::grpc(), stop.clone()));

    let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut client = HealthClient::new(channel);
    let request = HealthCheckRequest {
        service: "handoff".to_owned(),
    };
    let answer = within(client.check(request)).await.unwrap().into_inner();
    assert_eq!(
        answer.status(),
        tonic_health::pb::health_check_response::ServingStatus::Serving
    );

    stop.cancel();
    within(server).await.unwrap().unwrap();
}
