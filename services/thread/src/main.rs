//! `thread-service`: the thread context in a process of its own.

use std::process::ExitCode;

use clap::Parser;
use platform::events::redis;
use platform::service;

/// Chatbot threads and their escalation to people.
#[derive(Debug, Parser)]
#[command(name = "thread-service", version)]
struct Args {
    #[command(flatten)]
    service: service::Config,
    #[command(flatten)]
    settings: service::Settings,
    #[command(flatten)]
    redis: redis::Config,
    #[command(flatten)]
    writes: thread_service::WriteConfig,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let mount = async |server, deps: service::Deps| {
        Ok(thread_service::mount(
            server,
            thread_service::Dependencies::new(deps, args.redis, args.writes),
        ))
    };
    service::run(
        "thread-service",
        args.service,
        args.settings.link(),
        &thread_service::MIGRATOR,
        mount,
    )
    .await
}
