//! Serves the settings context.

use std::process::ExitCode;

use clap::Parser;
use platform::link::Link;
use platform::service;
use settings_service::{Dependencies, MIGRATOR, mail, mount};

/// Organizations, API keys, chatbots and their configuration; mails about escalations.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    service: service::Config,
    #[command(flatten)]
    mail: mail::Config,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args { service, mail } = Args::parse();
    // Keys are resolved here.
    service::run("settings", service, Ok(Link::local()), &MIGRATOR, |server, deps| {
        let (db, redis, master_key) = (deps.db, deps.redis, deps.master_key);
        Ok(mount(
            server,
            Dependencies {
                db,
                redis,
                master_key,
                mail,
            },
        ))
    })
    .await
}
