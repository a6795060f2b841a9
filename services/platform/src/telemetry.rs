//! What a process tells about itself: logs, traces and metrics.
//!
//! Logs go to standard error, for people when it is a terminal and otherwise one JSON object a line. Traces are exported
//! exactly when there is an OTLP endpoint; without one a request's span is disabled where it would be made, which costs
//! a few nanoseconds. Metrics are always on and wait to be scraped at [`crate::admin`].

mod metrics;
mod trace;

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Context as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt};

pub use metrics::{Metrics, metrics};
pub(crate) use trace::TARGET;
pub use trace::{end_rpc, http_span, inject, parent_of, rpc_span, spans_are_collected};

/// What is logged and where traces go.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Log events that are written: a level, or `target=level` pairs separated by commas (`info,sqlx=warn`).
    #[arg(long, env = "HANDOFF_LOG", default_value = "info", value_parser = log_filter)]
    pub log: String,
    /// Form of the log.
    #[arg(long, env = "HANDOFF_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// OTLP/gRPC endpoint that traces are sent to, for example `http://collector:4317`; none are made without it.
    /// The other `OTEL_*` variables of the OpenTelemetry specification (sampler, headers, batch sizes) are honoured.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
}

/// How a log event is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// `human` when standard error is a terminal, otherwise `json`.
    #[default]
    Auto,
    /// A coloured line for people.
    Human,
    /// One JSON object a line.
    Json,
}

fn log_filter(text: &str) -> Result<String, ParseError> {
    EnvFilter::try_new(text).map(|_| text.to_owned())
}

/// How long the last spans may take to leave a process that ends.
const FLUSH: Duration = Duration::from_secs(3);

/// Keeps telemetry going. Dropping it sends what is left, which blocks the thread for up to three seconds.
#[derive(Debug)]
#[must_use = "telemetry ends when it is dropped"]
pub struct Guard(Option<SdkTracerProvider>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(provider) = &self.0
            && let Err(error) = provider.shutdown_with_timeout(FLUSH)
        {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// Starts the telemetry of a process that is known as `service_name`. To be called once, inside of a tokio runtime and
/// before anything else, since what is logged or counted earlier is lost.
///
/// # Errors
/// When the endpoint can't be read, or telemetry was started before.
pub fn init(service_name: &'static str, config: &Config) -> anyhow::Result<Guard> {
    metrics();
    let endpoint = config.otlp_endpoint.as_deref().filter(|endpoint| !endpoint.is_empty());
    let provider = endpoint.map(|endpoint| exporting(service_name, endpoint)).transpose()?;
    let tracer = provider.as_ref().map(|provider| provider.tracer("handoff"));
    subscriber(config, tracer, std::io::stderr)?
        .try_init()
        .context("telemetry was started before")?;
    Ok(Guard(provider))
}

/// Samples as the parent did; a trace that starts here is kept unless `OTEL_TRACES_SAMPLER` says otherwise.
fn exporting(service_name: &'static str, endpoint: &str) -> anyhow::Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
        .context("the OTLP endpoint can't be used")?;
    let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder()
        .with_service_name(service_name)
        .with_attribute(version)
        .build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .build())
}

fn subscriber<W>(
    config: &Config,
    tracer: Option<SdkTracer>,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + 'static, ParseError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let terminal = std::io::stderr().is_terminal();
    let json = match config.log_format {
        LogFormat::Auto => !terminal,
        LogFormat::Human => false,
        LogFormat::Json => true,
    };
    let log = fmt::layer().with_writer(writer);
    let log = if json {
        log.json().flatten_event(true).with_span_list(false).boxed()
    } else {
        log.with_ansi(terminal).boxed()
    };
    // Spans of requests are at the debug level so that the log's filter leaves them out; exporting takes them in.
    let exported = Targets::new()
        .with_default(LevelFilter::INFO)
        .with_target(trace::TARGET, LevelFilter::DEBUG);
    let export = tracer.map(|tracer| {
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(exported)
    });
    Ok(Registry::default()
        .with(log.with_filter(EnvFilter::try_new(&config.log)?))
        .with(export))
}

#[cfg(test)]
mod tests;
