//! A gRPC server: any number of contexts on one listener, behind the same layers.
//!
//! The layers, from the outside in: load shedding (what can't be served in time is refused at once), the deadline (nothing
//! below may outlast it), then who calls and whether he may. A request that is refused costs no context anything.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::{Service, ServiceExt as _};
use tracing::Instrument as _;

use crate::access::{Access, INTERNAL};
use crate::fault::{self, Kind};
use crate::http::{self, Peer};
use crate::telemetry;

/// Where and within which limits a gRPC server serves.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Address of the gRPC listener; port 0 takes a free one.
    #[arg(long = "grpc", env = "HANDOFF_GRPC", default_value = "127.0.0.1:9090")]
    pub grpc: SocketAddr,
    #[command(flatten)]
    pub limits: Limits,
}

/// What one gRPC server takes on, per replica.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Limits {
    /// Longest a call may take inside, in milliseconds; a shorter `grpc-timeout` of the caller wins.
    #[arg(long, env = "HANDOFF_GRPC_DEADLINE_MS", default_value_t = 3000)]
    pub grpc_deadline_ms: u64,
    /// Calls served at the same time; more are refused at once with RESOURCE_EXHAUSTED.
    #[arg(long, env = "HANDOFF_GRPC_CONCURRENCY", default_value_t = 4096)]
    pub grpc_concurrency: usize,
    /// Serve gRPC reflection.
    #[arg(long, env = "HANDOFF_GRPC_REFLECTION", default_value_t = true, action = clap::ArgAction::Set)]
    pub grpc_reflection: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            grpc_deadline_ms: 3000,
            grpc_concurrency: 4096,
            grpc_reflection: true,
        }
    }
}

/// A loop that runs as long as the server.
type Task = Box<dyn FnOnce(CancellationToken) -> BoxFuture<'static, anyhow::Result<()>> + Send>;
/// Whether something the server can't do without is there.
type Check = Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// Contexts that are being mounted.
pub struct Server {
    routes: Routes,
    names: Vec<&'static str>,
    tasks: Vec<(&'static str, Task)>,
    checks: Vec<(&'static str, Check)>,
    access: Access,
    limits: Limits,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("services", &self.names)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// A server without contexts.
    pub fn new(access: Access, limits: Limits) -> Self {
        Self {
            routes: Routes::default(),
            names: Vec::new(),
            tasks: Vec::new(),
            checks: Vec::new(),
            access,
            limits,
        }
    }

    /// Mounts a gRPC service.
    #[must_use]
    pub fn service<S>(mut self, service: S) -> Self
    where
        S: Service<::http::Request<Body>, Error = Infallible> + NamedService + Clone + Send + Sync + 'static,
        S::Response: axum::response::IntoResponse,
        S::Future: Send + 'static,
    {
        self.routes = self.routes.add_service(service);
        self.names.push(S::NAME);
        self
    }

    /// Adds a loop that runs until its token is cancelled. When it fails the process ends: restarting is the
    /// supervisor's business, so a passing error is retried inside the loop.
    #[must_use]
    pub fn task<F>(mut self, name: &'static str, run: impl FnOnce(CancellationToken) -> F + Send + 'static) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.tasks.push((name, Box::new(move |stop| Box::pin(run(stop)))));
        self
    }

    /// Takes a loop out again: for a process that leaves it to others.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.tasks.retain(|(task, _)| *task != name);
        self
    }

    /// Adds something without which the server is not ready.
    #[must_use]
    pub fn check<F>(mut self, name: &'static str, check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = bool> + Send + 'static,
    {
        self.checks.push((name, Box::new(move || Box::pin(check()))));
        self
    }

    /// Puts the layers around what is mounted. Adds health and reflection.
    pub fn build(self) -> Running {
        let (health, health_service) = tonic_health::server::health_reporter();
        let mut routes = self.routes.add_service(health_service);
        if self.limits.grpc_reflection {
            // The descriptors are compiled in: they are readable or the build is broken.
            let reflection = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                .build_v1()
                .expect("the compiled descriptors are valid");
            routes = routes.add_service(reflection);
        }
        let stack = Stack(Arc::new(Shared {
            routes: routes.prepare(),
            access: self.access,
            slots: Arc::new(Semaphore::new(self.limits.grpc_concurrency)),
            deadline: Duration::from_millis(self.limits.grpc_deadline_ms),
        }));
        Running {
            stack,
            health,
            names: self.names,
            tasks: self.tasks,
            checks: Arc::new(self.checks),
        }
    }
}

/// A server that is put together and can be reached in the process; its loops and its listener still have to be run.
pub struct Running {
    stack: Stack,
    health: tonic_health::server::HealthReporter,
    names: Vec<&'static str>,
    tasks: Vec<(&'static str, Task)>,
    checks: Arc<Vec<(&'static str, Check)>>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("services", &self.names)
            .finish_non_exhaustive()
    }
}

/// How often readiness is looked at.
const CHECK_EVERY: Duration = Duration::from_secs(1);

impl Running {
    /// The mounted services behind their layers.
    pub fn stack(&self) -> Stack {
        self.stack.clone()
    }

    /// Serves `listener` until `stop` is cancelled, then drains; the loops run until the last call was answered. Keeps
    /// `ready` and gRPC health true to the checks.
    ///
    /// # Errors
    /// When the listener or a loop fails; everything is stopped then.
    pub async fn run(self, listener: TcpListener, ready: Readiness, stop: CancellationToken) -> anyhow::Result<()> {
        let mut tasks = tokio::task::JoinSet::new();
        let inner = stop.child_token();
        let loops = CancellationToken::new();
        for (name, task) in self.tasks {
            let run = task(loops.clone());
            tasks.spawn(async move {
                run.await
                    .map_err(|error| error.context(format!("the {name} loop failed")))
            });
        }
        let (health, names, checks, token) = (self.health, self.names, self.checks, inner.clone());
        tasks.spawn(async move {
            watch(&checks, &health, &names, &ready, &token).await;
            Ok(())
        });
        let token = inner.clone();
        let served = self
            .stack
            .clone()
            .map_request(|request: ::http::Request<http::RequestBody>| request.map(Body::new));
        tasks.spawn(async move {
            // Calls in flight need the loops: those end when the last call has.
            let _loops = loops.drop_guard();
            http::serve_grpc(listener, served, http::Limits::grpc(), token).await?;
            Ok(())
        });
        let mut result = Ok(());
        while let Some(ended) = tasks.join_next().await {
            let ended = ended.map_err(anyhow::Error::from).flatten();
            if result.is_ok() {
                result = ended;
            }
            // One loop less is not the service that was asked for.
            inner.cancel();
        }
        // Local links lead here for as long as a loop may follow one.
        drop(self.stack);
        result
    }
}

/// Whether this process should be sent requests; read by the admin port.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<parking_lot::Mutex<BTreeMap<&'static str, bool>>>);

/// What is missing of a process that has not started or is about to stop.
const RUNNING: &str = "running";

impl Readiness {
    /// Notes whether a dependency is there.
    pub fn set(&self, name: &'static str, there: bool) {
        self.0.lock().insert(name, there);
    }

    /// Notes that the first checks are done. Once stopped a process does not start again.
    pub fn start(&self) {
        self.0.lock().entry(RUNNING).or_insert(true);
    }

    /// Notes that the process is about to stop: it is not ready from now on, whatever the checks say.
    pub fn stop(&self) {
        self.set(RUNNING, false);
    }

    /// Whether everything was looked at and nothing is missing.
    pub fn is_ready(&self) -> bool {
        self.missing().is_some_and(|missing| missing.is_empty())
    }

    /// The dependencies that are missing. `None`: the first checks are not done yet.
    pub fn missing(&self) -> Option<Vec<&'static str>> {
        let checks = self.0.lock();
        checks.contains_key(RUNNING).then(|| {
            checks
                .iter()
                .filter(|(_, there)| !**there)
                .map(|(name, _)| *name)
                .collect()
        })
    }
}

async fn watch(
    checks: &[(&'static str, Check)],
    health: &tonic_health::server::HealthReporter,
    names: &[&'static str],
    ready: &Readiness,
    stop: &CancellationToken,
) {
    let mut every = tokio::time::interval(CHECK_EVERY);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = stop.cancelled() => break,
        }
        for (name, check) in checks {
            ready.set(name, check().await);
        }
        ready.start();
        report(health, names, ready.is_ready()).await;
    }
    ready.stop();
    report(health, names, false).await;
}

async fn report(health: &tonic_health::server::HealthReporter, names: &[&'static str], serving: bool) {
    let status = if serving {
        tonic_health::ServingStatus::Serving
    } else {
        tonic_health::ServingStatus::NotServing
    };
    for name in names.iter().chain(&[""]) {
        health.set_service_status(*name, status).await;
    }
}

/// The mounted services behind their layers. Cloning is cheap.
#[derive(Clone)]
pub struct Stack(Arc<Shared>);

impl Stack {
    /// The same for who must not keep it alive: what is mounted holds links that lead back here.
    pub(crate) fn downgrade(&self) -> WeakStack {
        WeakStack(Arc::downgrade(&self.0))
    }
}

/// A [`Stack`] as long as somebody else holds it.
#[derive(Clone)]
pub(crate) struct WeakStack(Weak<Shared>);

impl WeakStack {
    pub(crate) fn upgrade(&self) -> Option<Stack> {
        self.0.upgrade().map(Stack)
    }
}

impl std::fmt::Debug for WeakStack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WeakStack")
    }
}

struct Shared {
    routes: Routes,
    access: Access,
    slots: Arc<Semaphore>,
    deadline: Duration,
}

impl std::fmt::Debug for Stack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stack")
    }
}

/// One method: who may call it, and its metrics.
struct Method {
    name: &'static str,
    access: &'static str,
    duration: metrics::Histogram,
}

fn methods() -> &'static HashMap<&'static str, Method> {
    static METHODS: OnceLock<HashMap<&'static str, Method>> = OnceLock::new();
    METHODS.get_or_init(|| {
        proto::ACCESS
            .iter()
            .map(|(name, access)| {
                let duration = metrics::histogram!("grpc_server_duration_seconds", "method" => *name);
                (*name, Method { name, access, duration })
            })
            .collect()
    })
}

impl Service<::http::Request<Body>> for Stack {
    type Response = ::http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: ::http::Request<Body>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        Box::pin(async move { Ok(shared.handle(request).await) })
    }
}

impl Shared {
    async fn handle(&self, mut request: ::http::Request<Body>) -> ::http::Response<Body> {
        let Some(method) = methods().get(request.uri().path()) else {
            return self.handle_infrastructure(request).await;
        };
        let Ok(_slot) = self.slots.try_acquire() else {
            return fault::refuse(Kind::Exhausted, "OVERLOADED", "too many calls at once, slow down").into_http();
        };
        let started = Instant::now();
        let span = telemetry::rpc_span(method.name, request.headers_mut());
        let deadline = deadline_of(&request).map_or(self.deadline, |asked| asked.min(self.deadline));
        let serve = async {
            if let Err(status) = self.admit(method, &mut request).await {
                return status.into_http();
            }
            // A clone of the prepared router, so that concurrent calls share nothing mutable.
            let answer = self.routes.clone().oneshot(request).await;
            answer.unwrap_or_else(|never| match never {})
        };
        let response = tokio::time::timeout(deadline, serve.instrument(span.clone()))
            .await
            .unwrap_or_else(|_| {
                tracing::warn!(parent: &span, method = method.name, ?deadline, "deadline passed");
                fault::refuse(
                    Kind::Unavailable,
                    "DEADLINE_EXCEEDED",
                    "the deadline has passed, try again",
                )
                .into_http()
            });
        method.duration.record(started.elapsed().as_secs_f64());
        // Success is told in the trailers; a failure in the headers.
        let code = response
            .headers()
            .get("grpc-status")
            .and_then(|code| code.to_str().ok());
        telemetry::end_rpc(&span, code.unwrap_or("0"));
        if let Some(code) = code.filter(|code| *code != "0") {
            metrics::counter!("grpc_server_failures_total", "method" => method.name, "code" => code.to_owned())
                .increment(1);
        }
        response
    }

    /// Health and reflection are open to everybody; anything else that no proto declares does not exist.
    async fn handle_infrastructure(&self, request: ::http::Request<Body>) -> ::http::Response<Body> {
        let path = request.uri().path();
        if path.starts_with("/grpc.health.v1.") || path.starts_with("/grpc.reflection.v1.") {
            let answer = self.routes.clone().oneshot(request).await;
            return answer.unwrap_or_else(|never| match never {});
        }
        Status::new(Code::Unimplemented, "there is no such method").into_http()
    }

    /// Lets the call in, with its caller, or says why not.
    async fn admit(&self, method: &Method, request: &mut ::http::Request<Body>) -> Result<(), Status> {
        match method.access {
            "public" => return Ok(()),
            "" => {
                return Err(fault::refuse(
                    Kind::Forbidden,
                    "FORBIDDEN",
                    "nobody may call this method",
                ));
            }
            _ => {}
        }
        let address: Option<IpAddr> = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
        let caller = self.access.caller(request.headers(), address).await?;
        if !caller.may(method.access) {
            return Err(fault::refuse(
                Kind::Forbidden,
                "SCOPE_MISSING",
                format!("the API key lacks the scope {}", method.access),
            ));
        }
        if caller.org.0.is_nil() && method.access != INTERNAL {
            return Err(fault::invalid(
                crate::access::ORGANIZATION,
                "must name the organization the service key acts for",
            ));
        }
        request.extensions_mut().insert(caller);
        Ok(())
    }
}

/// The caller's own deadline: `grpc-timeout`, at most eight digits and a unit (gRPC over HTTP/2).
fn deadline_of(request: &::http::Request<Body>) -> Option<Duration> {
    let text = request.headers().get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let amount: u64 = (digits.len() <= 8).then(|| digits.parse().ok())??;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_deadline_is_read_in_every_unit() {
        let read = |text: &str| {
            let request = ::http::Request::builder()
                .header("grpc-timeout", text)
                .body(Body::empty())
                .unwrap();
            deadline_of(&request)
        };
        assert_eq!(read("1H"), Some(Duration::from_hours(1)));
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(read("5S"), Some(Duration::from_secs(5)));
        for wrong in ["", "S", "5", "-1S", "123456789S", "5x"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
