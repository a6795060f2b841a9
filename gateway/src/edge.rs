//! What happens to every request before and after its handler.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{ALLOW, CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use platform::access::Access;
use platform::http::{BodyError, Peer};
use platform::{Caller, Kind, fault, telemetry};
use tonic::Status;
use tower::Service;
use tracing::{Instrument as _, Span};

use crate::auth;
use crate::dialect::Dialect;
use crate::errors::Failure;
use crate::extract::{Admission, Front};
use crate::limit::{Limits, Rate};
use crate::routes::{Route, Routes};
use crate::trace;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The routes behind everything that holds for all of them. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Edge(Arc<Inner>);

struct Inner {
    router: Router,
    routes: Routes,
    access: Access,
    limits: Limits,
    deadline: Duration,
    rate: Rate,
}

impl Edge {
    pub(crate) fn new(router: Router, routes: Routes, access: Access, limits: Limits) -> Self {
        Self(Arc::new(Inner {
            router,
            routes,
            access,
            rate: Rate::new(&limits),
            deadline: Duration::from_millis(limits.http_deadline_ms),
            limits,
        }))
    }
}

impl Service<Request> for Edge {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { Ok(inner.handle(request).await) })
    }
}

impl Inner {
    async fn handle(&self, mut request: Request) -> Response {
        let started = Instant::now();
        let api = strip_api(request.uri_mut());
        let dialect = Dialect::of(request.uri().path());
        let (route, method) = (self.routes.find(request.uri().path()), request.method().clone());
        let span = span(&mut request, route);
        let id = trace::begin(request.headers_mut());

        let answer = async {
            if is_open(request.uri().path()) {
                (self.route(request, dialect).await, None)
            } else {
                self.admit(request, dialect, api).await
            }
        };
        let (mut response, quota) = answer.instrument(span.clone()).await;

        // Which methods a path has is what OPTIONS asks; axum only says it in its refusal.
        if method == Method::OPTIONS && response.headers().contains_key(ALLOW) {
            *response.status_mut() = StatusCode::NO_CONTENT;
            *response.body_mut() = Body::empty();
            response.headers_mut().remove(http::header::CONTENT_TYPE);
            response.headers_mut().remove(http::header::CONTENT_LENGTH);
        }
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, id);
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers
            .entry(CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        if let Some(quota) = quota {
            headers.insert(RATE_LIMIT_POLICY, self.rate.policy());
            headers.insert(RATE_LIMIT, quota);
        }
        end(&span, response.status());
        route.answered(&method, response.status(), started.elapsed());
        response
    }

    /// Finds out who calls, counts the request against his quota, takes in the body, and lets it through.
    async fn admit(&self, mut request: Request, dialect: Dialect, api: bool) -> (Response, Option<HeaderValue>) {
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
        let address = peer.map(|peer| auth::address(peer, request.headers(), &self.limits.trusted_proxies));
        let asked = tokio::time::timeout(self.deadline, self.access.caller(request.headers(), address)).await;
        let asked = asked.map(|known| known.and_then(|caller| of_named(caller, dialect, request.headers())));
        let caller = match asked {
            Err(_) => return (dialect.refuse(Failure::deadline()), None),
            Ok(Err(status)) => {
                request.extensions_mut().insert(Admission::Refused(status));
                return (self.route(request, dialect).await, None);
            }
            Ok(Ok(caller)) => caller,
        };
        let verdict = self.rate.check(caller.key_id);
        let response = match verdict.wait {
            Some(wait) => dialect.refuse(Failure::rate_limited(wait)),
            None => match self.body(&mut request).await {
                Err(failure) => dialect.refuse(failure),
                Ok(body) => {
                    let front = Front {
                        tls: peer.is_some_and(|peer| auth::tls(peer, request.headers(), &self.limits.trusted_proxies)),
                        api,
                    };
                    request.extensions_mut().insert(Admission::Let { caller, body, front });
                    self.route(request, dialect).await
                }
            },
        };
        (response, Some(verdict.quota))
    }

    /// The whole body. Its own deadlines are the listener's; the deadline of the request begins when it is there, since
    /// a slow sender is not a slow service.
    async fn body(&self, request: &mut Request) -> Result<Bytes, Failure> {
        let body = std::mem::take(request.body_mut());
        if body.is_end_stream() {
            return Ok(Bytes::new());
        }
        let most = self.limits.http_body_bytes;
        if body.size_hint().lower() > most as u64 {
            return Err(Failure::body_too_large(most));
        }
        match Limited::new(body, most).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(Failure::body_too_large(most)),
            Err(error) if is_late(&*error) => Err(Failure::late()),
            Err(_) => Err(Failure::invalid("body", "ended before its end")),
        }
    }

    async fn route(&self, request: Request, dialect: Dialect) -> Response {
        let answer = tokio::time::timeout(self.deadline, self.router.clone().call(request)).await;
        if let Ok(answer) = answer {
            return answer.unwrap_or_else(|never| match never {});
        }
        tracing::warn!(deadline = ?self.deadline, "deadline passed");
        dialect.refuse(Failure::deadline())
    }
}

/// The caller, unless he names another organization where that is looked at.
fn of_named(caller: Caller, dialect: Dialect, headers: &HeaderMap) -> Result<Caller, Status> {
    if dialect == Dialect::Chats && auth::names_another(&caller.subdomain, headers) {
        let what = "the API key is of another organization";
        return Err(fault::refuse(Kind::Unauthenticated, "API_KEY_NOT_VALID", what));
    }
    Ok(caller)
}

/// The request's span; disabled when nobody collects spans.
fn span(request: &mut Request, route: &Route) -> Span {
    if !telemetry::spans_are_collected() {
        return Span::none();
    }
    let method = request.method().clone();
    telemetry::http_span(&method, route.pattern(), request.headers_mut())
}

fn end(span: &Span, status: StatusCode) {
    if span.is_disabled() {
        return;
    }
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

/// Paths that need no key: they tell nothing about anybody.
fn is_open(path: &str) -> bool {
    matches!(path, "/healthz" | "/openapi.json" | "/docs") || path.starts_with("/docs/")
}

/// The documented URLs have `/api` before their path; both forms are served. Whether it was there.
fn strip_api(uri: &mut Uri) -> bool {
    let Some(target) = uri.path_and_query() else {
        return false;
    };
    let Some(rest) = target
        .as_str()
        .strip_prefix("/api")
        .filter(|rest| rest.starts_with('/'))
    else {
        return false;
    };
    let stripped = PathAndQuery::from_maybe_shared(Bytes::copy_from_slice(rest.as_bytes()));
    stripped.is_ok_and(|target| {
        *uri = target.into();
        true
    })
}

fn is_late(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source())
        .any(|error| matches!(error.downcast_ref(), Some(BodyError::Late)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_api_in_front_of_a_path_is_taken_off() {
        for (given, expected) in [
            ("/api/v1/chatbots?page=1", "/v1/chatbots?page=1"),
            ("/v1/chatbots", "/v1/chatbots"),
            ("/api/api/v1", "/api/v1"),
            ("/apiary", "/apiary"),
            ("/api", "/api"),
            ("/api/", "/"),
        ] {
            let mut uri = Uri::from_static(given);
            strip_api(&mut uri);
            assert_eq!(uri.to_string(), expected);
        }
    }
}
