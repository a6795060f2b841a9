//! The command line. A command's arguments and its work are in the module named after it.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{dev, key, migrate, org};

/// Conversation backend for support teams.
#[derive(Debug, Parser)]
#[command(name = "handoff", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything in this process, on private PostgreSQL and Redis servers
    Dev(Box<dev::Args>),
    /// Bring the database's schemas up to date
    Migrate(migrate::Args),
    /// Create organizations
    #[command(subcommand)]
    Org(org::Command),
    /// Create, list and revoke API keys
    #[command(subcommand)]
    Key(key::Command),
    #[command(flatten)]
    Stores(crate::stores::Command),
}

impl Cli {
    /// Runs the command to its end. Each command starts the runtime it needs, so call this outside of one.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Dev(args) => dev::run(*args),
            Command::Migrate(args) => block_on(migrate::run(args)),
            Command::Org(command) => block_on(org::run(command)),
            Command::Key(command) => block_on(key::run(command)),
            Command::Stores(command) => command.run(),
        }
    }
}

fn block_on(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(command)
}
