//! The life of a process, from its configuration to its last log line.
//!
//! [`process`] is what every binary shares: telemetry, the admin port, and stopping without a failed request.
//! [`run`] is a binary that serves one context on top of it.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use sqlx::migrate::Migrator;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::access::{Access, ServiceKey};
use crate::db::Difference;
use crate::events::redis;
use crate::fault::{self, Kind};
use crate::link::Link;
use crate::seal::MasterKey;
use crate::server::{Readiness, Server};
use crate::{Db, admin, db, seal, server, telemetry};

/// What every process is told, whatever it serves.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Common {
    #[command(flatten)]
    pub telemetry: telemetry::Config,
    #[command(flatten)]
    pub admin: admin::Config,
    /// Seconds to go on serving after SIGTERM while `/readyz` already says no, so that load balancers can look away.
    #[arg(long, env = "HANDOFF_LINGER_SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(..=60))]
    pub linger_seconds: u64,
}

/// The key that processes of one deployment know each other by.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Deployment {
    /// The deployment's own key: at least 32 printable characters, the same in every process.
    #[arg(long, env = "HANDOFF_SERVICE_KEY", hide_env_values = true)]
    pub service_key: ServiceKey,
}

/// Where settings is, for every process that does not serve it.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Settings {
    /// URL of the settings service, for example `http://settings:9090`: API keys are resolved there.
    #[arg(long, env = "HANDOFF_SETTINGS_URL")]
    pub settings_url: String,
}

impl Settings {
    /// The way there. To be called inside of a tokio runtime.
    ///
    /// # Errors
    /// When the URL can't be read.
    pub fn link(&self) -> anyhow::Result<Link> {
        Link::remote(&self.settings_url).context("the URL of the settings service can't be used")
    }
}

/// What a binary of one context is told.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Config {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub server: server::Config,
    #[command(flatten)]
    pub database: db::Config,
    #[command(flatten)]
    pub startup: Startup,
    #[command(flatten)]
    pub deployment: Deployment,
    #[command(flatten)]
    pub seal: seal::Config,
    #[command(flatten)]
    pub redis: redis::Config,
}

/// What happens to the database before anything is served.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
#[group(skip)]
pub struct Startup {
    /// Don't bring the schema up to date; refuse to start when it is behind.
    #[arg(long, env = "HANDOFF_NO_MIGRATE")]
    pub no_migrate: bool,
    /// Start on a database server that may lose what it has committed (`fsync` or `synchronous_commit` off).
    #[arg(long, env = "HANDOFF_ALLOW_UNSAFE_DURABILITY")]
    pub allow_unsafe_durability: bool,
}

/// What a process hands to what it runs.
#[derive(Clone, Debug)]
pub struct Process {
    /// Whether it should be sent requests.
    pub ready: Readiness,
    /// Cancelled when serving has to end: what is in flight is finished, nothing new is begun.
    pub stop: CancellationToken,
    /// Where the admin port really is.
    pub admin: SocketAddr,
}

/// What one context is built from.
#[derive(Clone, Debug)]
pub struct Deps {
    /// The context's connections.
    pub db: Db,
    /// Who calls, and the deployment's own key.
    pub access: Access,
    /// The way to settings.
    pub settings: Link,
    /// What stored secrets and page tokens are protected with.
    pub master_key: MasterKey,
    /// Where events travel.
    pub redis: redis::Config,
    /// Cancelled when serving has to end.
    pub stop: CancellationToken,
}

/// What is in flight gets 20 seconds ([`crate::http::Limits::drain`]); whatever still runs after this is cut off.
const DRAIN: Duration = Duration::from_secs(22);
/// How long a waiting start rests between two looks at the database, at most.
const RETRY: Duration = Duration::from_secs(5);

/// Runs a process until `serve` ends or SIGTERM or SIGINT asks it to stop. `service_name` is what traces call it.
///
/// Once asked it is not ready any more but goes on serving for the linger time; then [`Process::stop`] is cancelled.
/// Failures are logged here; the exit code is all that is left to return.
pub async fn process(
    service_name: &'static str,
    common: &Common,
    serve: impl AsyncFnOnce(Process) -> anyhow::Result<()>,
) -> ExitCode {
    let guard = match telemetry::init(service_name, &common.telemetry) {
        Ok(guard) => guard,
        Err(error) => {
            eprintln!("{service_name}: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let result = match asked_to_stop() {
        Ok(asked) => supervise(common, asked, serve).await,
        Err(error) => Err(error.into()),
    };
    let code = match result {
        Ok(()) => {
            tracing::info!("stopped");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "stopped by a failure");
            ExitCode::FAILURE
        }
    };
    // Sending the last spans blocks, and may need this very thread to make progress.
    if tokio::task::spawn_blocking(move || drop(guard)).await.is_err() {
        tracing::warn!("the last spans were not sent");
    }
    code
}

fn asked_to_stop() -> std::io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let asked = CancellationToken::new();
    let token = asked.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        token.cancel();
    });
    Ok(asked)
}

/// What [`process`] does between starting telemetry and ending it, with `asked` in place of the signals.
///
/// # Errors
/// When the admin port can't be had, `serve` fails, or it does not end in time.
pub async fn supervise(
    common: &Common,
    asked: CancellationToken,
    serve: impl AsyncFnOnce(Process) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let socket = Socket::bind("admin", common.admin.admin)?;
    let process = Process {
        ready: Readiness::default(),
        stop: CancellationToken::new(),
        admin: socket.address(),
    };
    let ended = CancellationToken::new();
    // A task of its own: the probes are answered whatever `serve` is doing.
    let admin = tokio::spawn(admin::serve(socket.listen()?, process.ready.clone(), ended.clone()));
    let (ready, stop) = (process.ready.clone(), process.stop.clone());
    let cut_off = async {
        asked.cancelled().await;
        ready.stop();
        tracing::info!(linger_seconds = common.linger_seconds, "stopping");
        tokio::time::sleep(Duration::from_secs(common.linger_seconds)).await;
        stop.cancel();
        tokio::time::sleep(DRAIN).await;
    };
    let result = tokio::select! {
        result = serve(process) => result,
        () = cut_off => Err(anyhow::anyhow!("what was in flight did not end in time")),
    };
    stop.cancel();
    ended.cancel();
    let admin = admin.await;
    result?;
    Ok(admin??)
}

/// An address that is taken but not served yet: until [`Socket::listen`], connections to it are refused instead of left
/// waiting.
#[derive(Debug)]
pub struct Socket {
    name: &'static str,
    socket: TcpSocket,
    address: SocketAddr,
}

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

impl Socket {
    /// Takes an address; port 0 takes a free one. `name` is what the log calls the listener.
    ///
    /// # Errors
    /// When the address is in use or not ours.
    pub fn bind(name: &'static str, address: SocketAddr) -> anyhow::Result<Self> {
        let bind = || {
            let socket = if address.is_ipv4() {
                TcpSocket::new_v4()?
            } else {
                TcpSocket::new_v6()?
            };
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            let address = socket.local_addr()?;
            std::io::Result::Ok(Self { name, socket, address })
        };
        bind().with_context(|| format!("can't use {address} as the {name} address"))
    }

    /// The address, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts to accept connections, and logs where: an event `listening` with `listener` and `address`.
    ///
    /// # Errors
    /// When another process listens there.
    pub fn listen(self) -> anyhow::Result<TcpListener> {
        let Self { name, socket, address } = self;
        let listener = socket
            .listen(BACKLOG)
            .with_context(|| format!("can't listen on {address}, the {name} address"))?;
        tracing::info!(listener = name, %address, "listening");
        Ok(listener)
    }
}

/// A binary that serves one context: waits for its database, brings it up to date, and serves what `mount` adds to the
/// server until it is asked to stop.
///
/// `settings` is where API keys are resolved; a local link is led to this very server.
pub async fn run(
    service_name: &'static str,
    config: Config,
    settings: anyhow::Result<Link>,
    migrations: &'static Migrator,
    mount: impl FnOnce(Server, Deps) -> anyhow::Result<Server>,
) -> ExitCode {
    let common = config.common.clone();
    let serve = async |process| serve(service_name, config, settings?, migrations, mount, process).await;
    process(service_name, &common, serve).await
}

/// [`run`] inside of a process that is already supervised.
///
/// # Errors
/// When the context can't be started, or one of its loops fails.
pub async fn serve(
    service_name: &'static str,
    config: Config,
    settings: Link,
    migrations: &'static Migrator,
    mount: impl FnOnce(Server, Deps) -> anyhow::Result<Server>,
    process: Process,
) -> anyhow::Result<()> {
    let socket = Socket::bind("grpc", config.server.grpc)?;
    let db = Db::open(&config.database, service_name).context("the database URL can't be used")?;
    tokio::select! {
        prepared = prepare(&db, migrations, config.startup) => prepared?,
        () = process.stop.cancelled() => return Ok(()),
    }
    let access = Access::new(settings.clone(), config.deployment.service_key);
    let deps = Deps {
        db,
        access: access.clone(),
        settings: settings.clone(),
        master_key: config.seal.master_key,
        redis: config.redis,
        stop: process.stop.clone(),
    };
    let running = mount(Server::new(access, config.server.limits), deps)?.build();
    settings.lead_to(&running.stack());
    running.run(socket.listen()?, process.ready, process.stop).await
}

/// Waits until the database is there, and brings the schema up to date.
///
/// # Errors
/// When the database refuses us, may lose what it commits, or its schema can't be brought up to date.
pub async fn prepare(db: &Db, migrations: &Migrator, startup: Startup) -> anyhow::Result<()> {
    let mut pause = Duration::from_millis(250);
    while let Err(error) = db.check().await {
        if fault::database_kind(&error) != Kind::Unavailable {
            return Err(error).context("the database can't be used");
        }
        tracing::warn!(error = fault::chain(&error), "waiting for the database");
        tokio::time::sleep(pause).await;
        pause = RETRY.min(pause * 2);
    }
    if !startup.allow_unsafe_durability {
        refuse_unsafe(db).await?;
    }
    let Difference { missing, newer } = db.compare(migrations).await?;
    if !newer.is_empty() {
        tracing::warn!(migrations = ?newer, "a newer version has migrated the schema");
    }
    if startup.no_migrate {
        anyhow::ensure!(missing.is_empty(), "migrations are missing: {}", missing.join(", "));
        return Ok(());
    }
    db.migrate(migrations).await.context("a migration failed")
}

/// An acknowledged message must survive a crash of the database server.
async fn refuse_unsafe(db: &Db) -> anyhow::Result<()> {
    let off: Vec<String> = sqlx::query_scalar(
        "select name from pg_settings where name in ('fsync', 'synchronous_commit') and setting = 'off' order by name",
    )
    .fetch_all(db)
    .await?;
    anyhow::ensure!(
        off.is_empty(),
        "the database server may lose what it has committed: {} is off; turn it on, or allow it with \
         --allow-unsafe-durability",
        off.join(" and ")
    );
    Ok(())
}
