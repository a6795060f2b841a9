//! The accept loop of every listener: [`serve`] for HTTP/1.1 and [`serve_grpc`] for HTTP/2.
//!
//! `axum::serve` and tonic's own transport hold a silent or dripping peer for as long as it likes. Here each state a
//! connection can be in has a deadline ([`Limits`]), kept by one timer per connection: requests only note when
//! something began, so a request costs no timer of its own.

mod activity;
mod body;
mod connection;
mod io;

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::{BoxError, Service};

pub use body::{BodyError, RequestBody, ResponseBody};

/// What a full listener says before it closes a connection nobody has time for.
const OVERLOADED: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n";

/// How long accepting rests when the process is out of file descriptors or memory; a hot loop would cure neither.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// The address at the other end of the connection, an extension of every request.
///
/// Behind a proxy this is the proxy; forwarded addresses are the caller's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// How much time and room one listener gives its peers. [`Limits::default`] suits HTTP, [`Limits::grpc`] gRPC.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections served at once (4096). A further one is shed: it is closed at once, on HTTP/1.1 after a 503, so
    /// that a flood of idle peers is visible to honest ones as an error they can retry and not as a hang.
    pub connections: u32,
    /// From accepting a connection to its first byte (5 s).
    pub first_byte: Duration,
    /// From the first byte of a request head to its end, or of the HTTP/2 preface (5 s).
    pub head: Duration,
    /// Without a request (15 s; gRPC without a stream 5 min, since its clients keep one connection for all calls).
    pub idle: Duration,
    /// From the end of the head to the end of the request body (30 s). HTTP/1.1 only: a gRPC call is bounded by the
    /// deadline of its call.
    pub body: Duration,
    /// Between two pieces of a request body, while the handler waits for one (10 s). HTTP/1.1 only.
    pub body_stall: Duration,
    /// Without the peer taking a single byte of what waits to be sent (30 s). A stream that has nothing to say, or
    /// whose heartbeats are read, lives on.
    pub write_stall: Duration,
    /// What a connection may take to end once that was decided, during which unread input is discarded so that the
    /// peer reads the last answer instead of a reset (5 s).
    pub linger: Duration,
    /// How much unread input is discarded in that time (32 MiB).
    pub linger_bytes: usize,
    /// What requests in flight get when the listener stops (20 s); then they are dropped.
    pub drain: Duration,
    /// Request line and headers (64 KiB; more is a 431), on gRPC the decoded header list.
    pub head_bytes: u32,
    /// Request target (8 KiB; more is a 414, beyond `head_bytes` a 431).
    pub uri_bytes: usize,
    /// Concurrent streams of one gRPC connection (100).
    pub streams: u32,
    /// Streams a gRPC peer may have opened and reset before they were looked at (20); more ends the connection.
    pub resets: usize,
    /// How often a gRPC peer is pinged (5 s).
    pub keepalive: Duration,
    /// How long its answer to a ping may take (5 s).
    pub keepalive_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            first_byte: Duration::from_secs(5),
            head: Duration::from_secs(5),
            idle: Duration::from_secs(15),
            body: Duration::from_secs(30),
            body_stall: Duration::from_secs(10),
            write_stall: Duration::from_secs(30),
            linger: Duration::from_secs(5),
            linger_bytes: 32 << 20,
            drain: Duration::from_secs(20),
            head_bytes: 64 << 10,
            uri_bytes: 8 << 10,
            streams: 100,
            resets: 20,
            keepalive: Duration::from_secs(5),
            keepalive_timeout: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// The defaults of a gRPC listener.
    pub fn grpc() -> Self {
        Self {
            idle: Duration::from_mins(5),
            ..Self::default()
        }
    }
}

/// What a connection speaks. It is never guessed from the first bytes: the guess would have no deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// Serves HTTP/1.1 on `listener` until `stop`, then lets what is in flight finish within [`Limits::drain`].
///
/// Returns when the last connection is gone. The listener is closed first, so new connections are refused meanwhile.
/// Endless responses (event streams) should end by themselves on `stop`, otherwise they take the whole drain time.
///
/// # Errors
/// When the listener has no address, which means that it never listened.
pub async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    limits: Limits,
    stop: CancellationToken,
) -> std::io::Result<()>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error: Into<BoxError>, Future: Send + 'static>
        + Clone
        + Send
        + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    accept(listener, service, limits, stop, Protocol::Http1).await
}

/// Serves HTTP/2 with prior knowledge on `listener`, otherwise as [`serve`]; tonic's `Routes` are such a service.
///
/// # Errors
/// As [`serve`].
pub async fn serve_grpc<S, B>(
    listener: TcpListener,
    service: S,
    limits: Limits,
    stop: CancellationToken,
) -> std::io::Result<()>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error: Into<BoxError>, Future: Send + 'static>
        + Clone
        + Send
        + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    accept(listener, service, limits, stop, Protocol::Http2).await
}

async fn accept<S, B>(
    listener: TcpListener,
    service: S,
    limits: Limits,
    stop: CancellationToken,
    protocol: Protocol,
) -> std::io::Result<()>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error: Into<BoxError>, Future: Send + 'static>
        + Clone
        + Send
        + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    let address = listener.local_addr()?;
    let places = Arc::new(Semaphore::new(limits.connections as usize));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if belongs_to_the_peer(&error) => continue,
            Err(error) => {
                tracing::warn!(%address, %error, "cannot accept connections");
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(ACCEPT_BACKOFF) => continue,
                }
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            shed(stream, protocol);
            continue;
        };
        let service = service.clone();
        // A child, because polling the cancellation of the one token everybody shares would make every request of
        // every connection take the same lock.
        let stop = stop.child_token();
        tokio::spawn(async move {
            connection::run(stream, Peer(peer), service, limits, protocol, stop).await;
            drop(place);
        });
    }
    drop(listener);

    // Connections end themselves at the drain deadline; only one whose handler blocks its thread can miss it.
    let all = places.acquire_many(limits.connections);
    if tokio::time::timeout(limits.drain + Duration::from_secs(1), all)
        .await
        .is_err()
    {
        tracing::warn!(%address, "connections are still busy after the drain deadline");
    }
    Ok(())
}

/// A connection that broke before it was accepted says nothing about the next one.
fn belongs_to_the_peer(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

fn shed(stream: TcpStream, protocol: Protocol) {
    metrics::counter!("connections_shed_total").increment(1);
    // The socket is non-blocking and its send buffer empty, so this neither waits nor fails for lack of room; a peer
    // that is gone already needs no answer.
    if protocol == Protocol::Http1
        && let Ok(mut socket) = stream.into_std()
        && let Err(error) = socket.write(OVERLOADED)
    {
        tracing::debug!(%error, "a shed connection was already gone");
    }
}
