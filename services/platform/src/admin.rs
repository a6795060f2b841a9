//! The admin port: what a supervisor asks a process, and its metrics. Never reachable for callers.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::http::Limits;
use crate::server::Readiness;
use crate::telemetry;

/// Where the admin port is.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Address of the admin listener: `/metrics`, `/livez`, `/readyz`, `/startupz`; port 0 takes a free one.
    #[arg(long, env = "HANDOFF_ADMIN", default_value = "127.0.0.1:9100")]
    pub admin: SocketAddr,
}

/// A scraper and a few probes.
const CONNECTIONS: u32 = 64;
/// The Prometheus text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves the admin port until `stop`, and adds metrics up meanwhile.
///
/// - `/livez`: 200 as long as the process serves at all.
/// - `/startupz`: 200 from the end of the first checks on; migrations are done then.
/// - `/readyz`: 200 when nothing is missing of `ready`, otherwise 503 naming it.
/// - `/metrics`: the Prometheus text format.
///
/// # Errors
/// As [`crate::http::serve`].
pub async fn serve(listener: TcpListener, ready: Readiness, stop: CancellationToken) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/startupz", get(startup))
        .route("/readyz", get(readiness))
        .route("/metrics", get(metrics))
        .with_state(ready);
    let limits = Limits {
        connections: CONNECTIONS,
        ..Limits::default()
    };
    let metrics = telemetry::metrics();
    tokio::select! {
        served = crate::http::serve(listener, routes, limits, stop) => served,
        never = metrics.upkeep() => match never {},
    }
}

async fn startup(State(ready): State<Readiness>) -> Response {
    match ready.missing() {
        Some(_) => answer(StatusCode::OK, "started\n"),
        None => answer(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
    }
}

async fn readiness(State(ready): State<Readiness>) -> Response {
    match ready.missing() {
        None => answer(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Some(missing) if missing.is_empty() => answer(StatusCode::OK, "ready\n"),
        Some(missing) => answer(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("missing: {}\n", missing.join(", ")),
        ),
    }
}

fn answer(status: StatusCode, text: impl Into<String>) -> Response {
    (status, [(CACHE_CONTROL, "no-store")], text.into()).into_response()
}

async fn metrics() -> Response {
    match tokio::task::spawn_blocking(|| telemetry::metrics().render()).await {
        Ok(text) => ([(CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
