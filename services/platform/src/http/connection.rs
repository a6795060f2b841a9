//! One connection: hyper does the protocol, a timer beside it does the deadlines.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, StatusCode, Uri};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tower::{BoxError, Service, ServiceExt};

use super::activity::{Activity, Exchange, Overdue};
use super::body::{RequestBody, ResponseBody};
use super::io::Io;
use super::{Limits, Peer, Protocol};

/// hyper's read and write buffer of an HTTP/1.1 connection: room for the largest head, far below its default of
/// 400 KiB, because there are thousands of them.
const BUFFER_BYTES: usize = 128 << 10;

pub(super) async fn run<S, B>(
    stream: TcpStream,
    peer: Peer,
    service: S,
    limits: Limits,
    protocol: Protocol,
    stop: CancellationToken,
) where
    S: Service<Request<RequestBody>, Response = Response<B>, Error: Into<BoxError>, Future: Send + 'static>
        + Clone
        + Send
        + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone before it was served");
        return;
    }
    let activity = Arc::new(Activity::new(limits, protocol));
    let io = TokioIo::new(Io::new(stream, Arc::clone(&activity)));
    let service = exchanges(service, peer, Arc::clone(&activity));
    let ended = match protocol {
        Protocol::Http1 => {
            let connection = http1::Builder::new()
                // Its timer is set anew for every request and would bound idle connections and heads alike.
                .header_read_timeout(None)
                .max_header_size(limits.head_bytes as usize)
                .max_buf_size(BUFFER_BYTES.max(limits.head_bytes as usize))
                .serve_connection(io, service);
            drive(connection, &activity, stop).await
        }
        Protocol::Http2 => {
            let connection = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_concurrent_streams(limits.streams)
                .max_pending_accept_reset_streams(limits.resets)
                .max_header_list_size(limits.head_bytes)
                .keep_alive_interval(limits.keepalive)
                .keep_alive_timeout(limits.keepalive_timeout)
                .serve_connection(io, service);
            drive(connection, &activity, stop).await
        }
    };
    match ended {
        Ended::Alone(Ok(())) => {}
        Ended::Alone(Err(error)) => tracing::debug!(peer = %peer.0, %error, "a connection broke"),
        Ended::Overdue(overdue) => {
            tracing::debug!(peer = %peer.0, deadline = overdue.name(), "a connection was closed");
        }
    }
}

/// The service hyper calls: each request with its peer, bodies that are watched, and the limits hyper lacks.
fn exchanges<S, B>(
    service: S,
    peer: Peer,
    activity: Arc<Activity>,
) -> impl HttpService<Incoming, ResBody = ResponseBody<B>, Error: Into<BoxError>, Future: Send + 'static>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error: Into<BoxError>, Future: Send + 'static>
        + Clone
        + Send
        + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    service_fn(move |request: Request<Incoming>| {
        let watched = activity.protocol == Protocol::Http1 && !request.body().is_end_stream();
        let exchange = Exchange::begin(&activity, watched);
        let mut request = request.map(|body| RequestBody::new(body, watched.then_some(&activity)));
        request.extensions_mut().insert(peer);
        let service = service.clone();
        async move {
            let mut response = if target_bytes(request.uri()) > exchange.activity().limits.uri_bytes {
                drop(request);
                let mut response = Response::new(None);
                *response.status_mut() = StatusCode::URI_TOO_LONG;
                response
            } else {
                service.oneshot(request).await?.map(Some)
            };
            if exchange.activity().announces_end() {
                response
                    .headers_mut()
                    .insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, S::Error>(response.map(|body| ResponseBody::new(body, exchange)))
        }
    })
}

fn target_bytes(uri: &Uri) -> usize {
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    path + uri.authority().map_or(0, |host| host.as_str().len())
}

enum Ended<E> {
    Alone(Result<(), E>),
    Overdue(Overdue),
}

/// Drives `connection` until it ends, misses a deadline that leaves no way to end well, or was asked to by `stop`.
async fn drive<C: GracefulConnection>(connection: C, activity: &Activity, stop: CancellationToken) -> Ended<C::Error> {
    let mut connection = pin!(connection);
    let mut stopped = pin!(stop.cancelled());
    let mut stopping = false;
    let mut timer = pin!(sleep_until(Instant::now() + activity.limits.idle));
    poll_fn(|cx| {
        loop {
            if !stopping && stopped.as_mut().poll(cx).is_ready() {
                stopping = true;
                activity.drain();
                connection.as_mut().graceful_shutdown();
            }
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                return Poll::Ready(Ended::Alone(result));
            }
            // A deadline that moved into the future is left for the timer to find when it rings, so that a busy
            // connection sets its timer once per idle period and not once per request.
            let due = activity.due();
            if let Some((at, _)) = due
                && at < timer.deadline()
            {
                timer.as_mut().reset(at);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            match due {
                Some((at, overdue)) if at <= now => {
                    metrics::counter!("connections_overdue_total", "deadline" => overdue.name()).increment(1);
                    match overdue {
                        Overdue::Idle => {
                            activity.end();
                            connection.as_mut().graceful_shutdown();
                        }
                        Overdue::Body => activity.refuse_body(),
                        Overdue::FirstByte | Overdue::Head | Overdue::Write | Overdue::Goodbye | Overdue::Drain => {
                            return Poll::Ready(Ended::Overdue(overdue));
                        }
                    }
                }
                Some((at, _)) => timer.as_mut().reset(at),
                // A stream of HTTP/2 ends on a task of its own, which does not wake this one.
                None => timer.as_mut().reset(now + activity.limits.idle),
            }
        }
    })
    .await
}
