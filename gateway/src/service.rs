//! The gateway in a process of its own.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context as _;
use platform::access::Access;
use platform::events::{Feed, redis};
use platform::link::Link;
use platform::service::{self, Process, Socket};

use crate::{Dependencies, Limits, serve};

/// The documented REST surfaces, in front of the services.
#[derive(Debug, clap::Parser)]
#[command(name = "gateway", version)]
pub struct Config {
    /// Address of the HTTP listener; port 0 takes a free one.
    #[arg(long = "http", env = "HANDOFF_HTTP", default_value = "127.0.0.1:8080")]
    pub http: SocketAddr,
    #[command(flatten)]
    pub settings: service::Settings,
    /// URL of the thread service, for example `http://thread:9090`.
    #[arg(long, env = "HANDOFF_THREAD_URL")]
    pub thread_url: String,
    /// URL of the conversation service, for example `http://conversation:9090`.
    #[arg(long, env = "HANDOFF_CONVERSATION_URL")]
    pub conversation_url: String,
    #[command(flatten)]
    pub deployment: service::Deployment,
    #[command(flatten)]
    pub redis: redis::Config,
    #[command(flatten)]
    pub limits: Limits,
    #[command(flatten)]
    pub common: service::Common,
}

/// Serves the gateway until it is asked to stop.
pub async fn run(config: Config) -> ExitCode {
    let common = config.common.clone();
    service::process("gateway", &common, async |process| start(config, process).await).await
}

async fn start(config: Config, process: Process) -> anyhow::Result<()> {
    let socket = Socket::bind("http", config.http)?;
    let settings = config.settings.link()?;
    let thread = Link::remote(&config.thread_url).context("the URL of the thread service can't be used")?;
    let conversation =
        Link::remote(&config.conversation_url).context("the URL of the conversation service can't be used")?;
    let deps = Dependencies {
        access: Access::new(settings.clone(), config.deployment.service_key),
        settings,
        thread,
        conversation,
        feed: Feed::start(config.redis, process.stop.clone()),
        limits: config.limits,
    };
    let listener = socket.listen()?;
    // A service that is away is no reason to send callers elsewhere: every gateway would answer the same.
    process.ready.start();
    serve(listener, deps, process.stop).await?;
    Ok(())
}
