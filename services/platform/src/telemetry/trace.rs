//! Spans of requests, and the W3C trace context that ties them together across processes.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::field::Empty;
use tracing::{Span, debug_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The target of request spans, for filters.
pub(crate) const TARGET: &str = "rpc";

struct Headers<'h>(&'h HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct HeadersMut<'h>(&'h mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(key), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(key, value);
        }
    }
}

/// Whether anybody collects the spans of requests: what only a span needs can be left undone otherwise.
pub fn spans_are_collected() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::DEBUG)
}

/// The trace context in `traceparent` and `tracestate`; an empty one when there is none or it is malformed.
pub fn parent_of(headers: &HeaderMap) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers))
}

/// Writes the context of the current span into the headers of an outgoing request (gRPC: `MetadataMap::as_mut`).
/// Headers stay as they are when nothing is traced, so that a context that is only passed on gets through.
pub fn inject(headers: &mut HeaderMap) {
    inject_span(&Span::current(), headers);
}

fn inject_span(span: &Span, headers: &mut HeaderMap) {
    if !span.is_disabled() {
        TraceContextPropagator::new().inject_context(&span.context(), &mut HeadersMut(headers));
    }
}

/// The span of one RPC that is served, for the method with the gRPC path `path`. From here on the headers name it as the
/// parent, so that what the RPC causes later, such as events, belongs to it.
pub fn rpc_span(path: &'static str, headers: &mut HeaderMap) -> Span {
    let span = debug_span!(
        target: TARGET,
        "rpc",
        otel.name = path.trim_start_matches('/'),
        otel.kind = "server",
        otel.status_code = Empty,
        rpc.system = "grpc",
        rpc.service = path.trim_start_matches('/').split('/').next(),
        rpc.method = path.rsplit('/').next(),
        rpc.grpc.status_code = Empty,
    );
    join(span, headers)
}

/// Notes how an RPC ended: its gRPC status code in digits. What a caller did wrong is no error of the server.
pub fn end_rpc(span: &Span, code: &str) {
    if span.is_disabled() {
        return;
    }
    span.record("rpc.grpc.status_code", code.parse::<i64>().unwrap_or(2));
    // UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS.
    if matches!(code, "2" | "4" | "12" | "13" | "14" | "15") {
        span.record("otel.status_code", "ERROR");
    }
}

/// The span of one HTTP request that is served at `route`, the pattern and not the path. As [`rpc_span`] otherwise.
/// Its end is noted by recording `http.response.status_code`, and `otel.status_code` as `ERROR` for a 5xx.
pub fn http_span(method: &http::Method, route: &str, headers: &mut HeaderMap) -> Span {
    let span = debug_span!(
        target: TARGET,
        "http",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method.as_str(),
        http.route = route,
        http.response.status_code = Empty,
    );
    join(span, headers)
}

fn join(span: Span, headers: &mut HeaderMap) -> Span {
    if span.is_disabled() {
        return span;
    }
    let parent = parent_of(headers);
    if parent.span().span_context().is_valid()
        && let Err(error) = span.set_parent(parent)
    {
        tracing::debug!(%error, "a span starts a trace of its own");
    }
    inject_span(&span, headers);
    span
}
