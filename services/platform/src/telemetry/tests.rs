use std::io;
use std::sync::Arc;

use opentelemetry::trace::TraceContextExt as _;
use parking_lot::Mutex;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::*;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn config(log: &str) -> Config {
    Config {
        log: log.to_owned(),
        log_format: LogFormat::Json,
        otlp_endpoint: None,
    }
}

fn log(what: impl FnOnce()) -> String {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = subscriber(&config("info"), None, move || writer.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, what);
    String::from_utf8(written.0.lock().clone()).unwrap()
}

fn headers(parent: &str) -> http::HeaderMap {
    let mut headers = http::HeaderMap::new();
    headers.insert("traceparent", parent.parse().unwrap());
    headers
}

#[test]
fn an_event_is_one_json_line_whatever_its_values_hold() {
    let hostile = "a\r\nb\u{1b}[31m\u{0}\u{85}\u{2028}\"}\n{\"level\":\"ERROR\"}";
    let text = log(|| {
        tracing::warn!(display = %hostile, debug = ?hostile, plain = hostile, "message {hostile}");
        tracing::info!("the next");
    });
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text:?}");
    let event: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!(event["level"], "WARN");
    assert_eq!(event["plain"], hostile);
    assert!(text.bytes().all(|byte| byte == b'\n' || byte >= b' '), "{text:?}");
}

#[test]
fn the_filter_decides_what_is_logged() {
    let text = log(|| {
        tracing::info!("seen");
        tracing::debug!("unseen");
    });
    assert!(text.contains("\"message\":\"seen\""), "{text}");
    assert!(!text.contains("unseen"), "{text}");
    assert!(log_filter("info,sqlx=warn").is_ok());
    assert!(log_filter("info,sqlx=loud").is_err());
}

#[test]
fn without_an_endpoint_a_request_has_no_span_and_its_headers_stay() {
    let text = log(|| {
        let mut headers = headers(PARENT);
        let span = rpc_span("/a.v1.A/Get", &mut headers);
        assert!(span.is_disabled());
        span.in_scope(|| inject(&mut headers));
        assert_eq!(headers["traceparent"], PARENT);
    });
    assert_eq!(text, "");
}

#[test]
fn a_span_joins_the_trace_of_the_headers_and_hands_it_on() {
    let provider = SdkTracerProvider::builder().build();
    let tracer = provider.tracer("test");
    let subscriber = subscriber(&config("info"), Some(tracer), io::sink).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        let mut incoming = headers(PARENT);
        let span = rpc_span("/a.v1.A/Get", &mut incoming);
        let context = span.context();
        let context = context.span().span_context().clone();
        assert_eq!(context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        let expected = format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", context.span_id());
        assert_eq!(incoming["traceparent"], expected);
        let mut outgoing = http::HeaderMap::new();
        span.in_scope(|| inject(&mut outgoing));
        assert_eq!(outgoing["traceparent"], expected);
    });
}

#[test]
fn a_malformed_traceparent_starts_a_trace_of_its_own() {
    let provider = SdkTracerProvider::builder().build();
    let subscriber = subscriber(&config("info"), Some(provider.tracer("test")), io::sink).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        for wrong in [
            "",
            "00-zz-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        ] {
            let mut incoming = headers(wrong);
            let span = http_span(&http::Method::GET, "/v1/things/{id}", &mut incoming);
            assert!(span.context().span().span_context().is_valid(), "{wrong}");
            assert_ne!(incoming["traceparent"], wrong);
        }
    });
}

#[test]
fn every_metric_of_the_process_is_a_line_with_a_number() {
    let text = metrics().render();
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_max_fds",
    ] {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        let value: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
        assert!(value >= 0.0, "{line}");
    }
}
