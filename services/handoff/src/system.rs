//! Every context and the gateway in one process.
//!
//! Contexts and gateway reach each other through their generated clients on the same service stacks that the gRPC
//! listener serves, deadlines and access checks included, without a socket in between.

use std::net::SocketAddr;

use anyhow::Context as _;
use platform::access::{Access, ServiceKey};
use platform::batch::commits;
use platform::db::{self, Db};
use platform::events::{self, Feed};
use platform::link::Link;
use platform::seal::MasterKey;
use platform::server::{self, Server};
use platform::service::{self, Process, Socket};
use proto::conversation::v1::directory_service_client::DirectoryServiceClient;
use proto::settings::v1::settings_service_client::SettingsServiceClient;
use tokio_util::sync::CancellationToken;

/// What the process is told.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    pub(crate) database: db::Config,
    pub(crate) redis: events::redis::Config,
    pub(crate) startup: service::Startup,
    pub(crate) master_key: MasterKey,
    pub(crate) service_key: ServiceKey,
    pub(crate) mail: settings_service::mail::Config,
    pub(crate) writes: commits::Config,
    pub(crate) patience: conversation_service::Patience,
    pub(crate) grpc_limits: server::Limits,
    pub(crate) gateway_limits: gateway::Limits,
}

/// What is known once everything listens.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) settings: SettingsServiceClient<Link>,
    pub(crate) directory: DirectoryServiceClient<Link>,
    pub(crate) service_key: ServiceKey,
}

/// Runs the system until the process is asked to stop. `started` is told once everything listens.
pub(crate) async fn run(
    config: Config,
    process: Process,
    started: impl AsyncFnOnce(Started) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let http = Socket::bind("http", config.http)?;
    let grpc = Socket::bind("grpc", config.grpc)?;
    let settings_db = Db::open(&config.database, settings_service::SCHEMA).context("the database URL can't be used")?;
    let thread_db = Db::open(&config.database, thread_service::SCHEMA)?;
    let conversation_db = Db::open(&config.database, conversation_service::SCHEMA)?;
    let prepare = async {
        service::prepare(&settings_db, &settings_service::MIGRATOR, config.startup).await?;
        service::prepare(&thread_db, &thread_service::MIGRATOR, config.startup).await?;
        service::prepare(&conversation_db, &conversation_service::MIGRATOR, config.startup).await
    };
    tokio::select! {
        prepared = prepare => prepared?,
        () = process.stop.cancelled() => return Ok(()),
    }

    let link = Link::local();
    let access = Access::new(link.clone(), config.service_key.clone());
    let feed = Feed::start(config.redis.clone(), process.stop.clone());
    let server = Server::new(access.clone(), config.grpc_limits);
    let server = settings_service::mount(
        server,
        settings_service::Dependencies {
            db: settings_db,
            redis: config.redis.clone(),
            master_key: config.master_key.clone(),
            mail: config.mail,
        },
    );
    let server = thread_service::mount(
        server,
        thread_service::Dependencies {
            db: thread_db,
            redis: config.redis.clone(),
            master_key: config.master_key.clone(),
            settings: link.clone(),
            service_key: config.service_key.clone(),
            writes: config.writes.clone(),
        },
    );
    let server = conversation_service::mount(
        server,
        conversation_service::Dependencies {
            db: conversation_db,
            redis: config.redis,
            master_key: config.master_key,
            settings: link.clone(),
            service_key: config.service_key.clone(),
            patience: config.patience,
            writes: config.writes,
        },
    );
    let running = server.build();
    link.lead_to(&running.stack());

    let told = Started {
        http: http.address(),
        grpc: grpc.address(),
        admin: process.admin,
        settings: SettingsServiceClient::new(link.clone()),
        directory: DirectoryServiceClient::new(link.clone()),
        service_key: config.service_key,
    };
    let edge = gateway::Dependencies {
        settings: link.clone(),
        thread: link.clone(),
        conversation: link,
        access,
        feed,
        limits: config.gateway_limits,
    };
    let (http, grpc) = (http.listen()?, grpc.listen()?);
    // Each side stops the other when it ends, whatever the reason. The services end last: what the gateway has in
    // flight needs them.
    let stop = process.stop.child_token();
    let services = CancellationToken::new();
    let grpc_side = async {
        let result = running.run(grpc, process.ready.clone(), services.clone()).await;
        stop.cancel();
        result
    };
    let http_side = async {
        let result = gateway::serve(http, edge, stop.clone()).await;
        services.cancel();
        result.map_err(anyhow::Error::from)
    };
    let tell = async {
        // What is left of it when the process has to stop is made at the next start.
        let result = stop.run_until_cancelled(started(told)).await.unwrap_or(Ok(()));
        if result.is_err() {
            stop.cancel();
        }
        result
    };
    let (grpc_ended, http_ended, told) = tokio::join!(grpc_side, http_side, tell);
    told.and(grpc_ended).and(http_ended)
}
