//! A server to test, and a peer that says exactly what it is told to.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use platform::http::{Limits, serve, serve_grpc};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const SHORT: Duration = Duration::from_millis(300);
pub(crate) const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n";
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) fn patient() -> Limits {
    let minute = Duration::from_mins(1);
    Limits {
        first_byte: minute,
        head: minute,
        idle: minute,
        body: minute,
        body_stall: minute,
        write_stall: minute,
        linger: minute,
        drain: minute,
        keepalive: minute,
        keepalive_timeout: minute,
        ..Limits::default()
    }
}

pub(crate) async fn within<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(PATIENCE, what)
        .await
        .expect("it should have happened long ago")
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    pub(crate) async fn http(limits: Limits, service: Router) -> Self {
        Self::start(|listener, stop| tokio::spawn(serve(listener, service, limits, stop))).await
    }

    pub(crate) async fn grpc(limits: Limits, service: Router) -> Self {
        Self::start(|listener, stop| tokio::spawn(serve_grpc(listener, service, limits, stop))).await
    }

    async fn start(serve: impl FnOnce(TcpListener, CancellationToken) -> JoinHandle<std::io::Result<()>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let stop = CancellationToken::new();
        Self {
            address: listener.local_addr().expect("it listens"),
            task: serve(listener, stop.clone()),
            stop,
        }
    }

    pub(crate) async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.expect("a place in the backlog"))
    }
}

pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        within(self.0.write_all(bytes)).await.expect("the server takes it");
    }

    /// Everything up to the end of the connection, which must be a clean one.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        within(self.0.read_to_end(&mut rest)).await.expect("a clean end");
        String::from_utf8(rest).expect("text")
    }

    /// Everything up to and including `end`.
    pub(crate) async fn read_until(&mut self, end: &str) -> String {
        let mut read = Vec::new();
        while !read.ends_with(end.as_bytes()) {
            read.push(within(self.0.read_u8()).await.expect("more to come"));
        }
        String::from_utf8(read).expect("text")
    }

    /// Everything up to the end of a connection whose peer owes us nothing, so that a reset is as good an end as any.
    pub(crate) async fn closed(&mut self) -> String {
        closed(&mut self.0).await
    }

    /// Sends one byte at a time until the server ends the connection, and returns what it said.
    pub(crate) async fn drip(&mut self, byte: u8) -> String {
        let (mut read, mut write) = self.0.split();
        let mut drops = tokio::time::interval(Duration::from_millis(10));
        let dripping = async {
            loop {
                drops.tick().await;
                // Once the server is gone only the reading side can tell how it went.
                if write.write_all(&[byte]).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            () = dripping => unreachable!("dripping has no end of its own"),
            said = closed(&mut read) => said,
        }
    }
}

async fn closed(connection: &mut (impl AsyncRead + Unpin)) -> String {
    let mut said = Vec::new();
    match within(connection.read_to_end(&mut said)).await {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
        _ => String::from_utf8_lossy(&said).into_owned(),
    }
}

pub(crate) fn hello() -> Router {
    Router::new().route("/", get(async || "hello").post(async || "unread"))
}

fn heartbeats(beats: usize) -> impl Stream<Item = Result<Bytes, Infallible>> {
    futures::stream::unfold(tokio::time::interval(SHORT / 3), |mut interval| async move {
        interval.tick().await;
        Some((Ok(Bytes::from_static(b": heartbeat\n\n")), interval))
    })
    .take(beats)
}

pub(crate) fn beating(beats: usize) -> Router {
    Router::new().route("/", get(async move || Body::from_stream(heartbeats(beats))))
}
