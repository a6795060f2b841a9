//! Traces that leave the process: a real gRPC server with a real exporter, and a collector in between.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

use std::net::SocketAddr;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use platform::access::{Access, ApiKey, OrgId, ServiceKey};
use platform::http::{Limits, serve_grpc};
use platform::link::Link;
use platform::server::{self, Server};
use platform::telemetry::{self, LogFormat};
use proto::settings::v1::GetOrganizationRequest;
use proto::settings::v1::settings_service_client::SettingsServiceClient;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status};
use tower::ServiceExt as _;

struct Collector(mpsc::UnboundedSender<ExportTraceServiceRequest>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.send(request.into_inner()).unwrap();
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

async fn collector() -> (SocketAddr, mpsc::UnboundedReceiver<ExportTraceServiceRequest>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = tonic::service::Routes::new(TraceServiceServer::new(Collector(sender)))
        .prepare()
        .map_request(|request: http::Request<platform::http::RequestBody>| request.map(tonic::body::Body::new));
    tokio::spawn(serve_grpc(listener, service, Limits::grpc(), CancellationToken::new()));
    (address, receiver)
}

fn attribute<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a Value> {
    let found = attributes.iter().find(|attribute| attribute.key == name)?;
    found.value.as_ref()?.value.as_ref()
}

fn text(attributes: &[KeyValue], name: &str) -> String {
    match attribute(attributes, name) {
        Some(Value::StringValue(text)) => text.clone(),
        other => panic!("{name} is {other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// A call with an API key makes a second one inside the process, which resolves the key: two spans of one trace.
#[tokio::test]
async fn spans_reach_the_collector_in_the_callers_trace() {
    let (address, mut received) = collector().await;
    let guard = telemetry::init(
        "test-service",
        &telemetry::Config {
            log: "off".to_owned(),
            log_format: LogFormat::Json,
            otlp_endpoint: Some(format!("http://{address}")),
        },
    )
    .unwrap();

    let link = Link::local();
    let access = Access::new(link.clone(), ServiceKey::random());
    let running = Server::new(access, server::Limits::default()).build();
    link.lead_to(&running.stack());
    let mut request = Request::new(GetOrganizationRequest::default());
    let key = ApiKey::mint(OrgId(platform::id::new())).to_text();
    let metadata = request.metadata_mut();
    metadata.insert("authorization", format!("Bearer {key}").parse().unwrap());
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    metadata.insert("traceparent", parent.parse().unwrap());
    let answer = SettingsServiceClient::new(link).get_organization(request).await;
    assert_ne!(answer.unwrap_err().code(), Code::Ok);

    tokio::task::spawn_blocking(move || drop(guard)).await.unwrap();
    let mut exported = Vec::new();
    while let Ok(request) = received.try_recv() {
        exported.extend(request.resource_spans);
    }
    let resource = exported[0].resource.as_ref().unwrap();
    assert_eq!(text(&resource.attributes, "service.name"), "test-service");
    let spans: Vec<&Span> = exported
        .iter()
        .flat_map(|resource| &resource.scope_spans)
        .flat_map(|scope| &scope.spans)
        .collect();
    let span = |name: &str| {
        let found = spans.iter().find(|span| span.name == name);
        *found.unwrap_or_else(|| panic!("no span {name} in {spans:?}"))
    };
    let outer = span("handoff.settings.v1.SettingsService/GetOrganization");
    let inner = span("handoff.settings.v1.SettingsService/ResolveApiKey");
    assert_eq!(hex(&outer.trace_id), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(hex(&outer.parent_span_id), "b7ad6b7169203331");
    assert_eq!(
        (&inner.trace_id, &inner.parent_span_id),
        (&outer.trace_id, &outer.span_id)
    );
    assert_eq!(inner.kind(), SpanKind::Server);
    assert_eq!(text(&inner.attributes, "rpc.system"), "grpc");
    assert_eq!(
        text(&inner.attributes, "rpc.service"),
        "handoff.settings.v1.SettingsService"
    );
    assert_eq!(text(&inner.attributes, "rpc.method"), "ResolveApiKey");
    // No context is mounted here.
    let unimplemented = Some(&Value::IntValue(12));
    assert_eq!(attribute(&inner.attributes, "rpc.grpc.status_code"), unimplemented);
    // Where the code came from is nobody's business.
    assert_eq!(attribute(&inner.attributes, "code.file.path"), None);
}
