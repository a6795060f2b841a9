//! The commands any executable must offer to use private stores; `handoff` flattens them into its own.

use std::process::ExitCode;

use clap::Subcommand;

use crate::{supervisor, with_stores};

/// Commands that start private stores or belong to them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a command against private PostgreSQL and Redis servers
    ///
    /// The command finds them in DATABASE_URL and REDIS_URL. They stop when it ends, and its exit code is passed on.
    WithStores(with_stores::Args),
    /// Own the servers of the process at the other end of stdin
    #[command(name = supervisor::COMMAND, hide = true)]
    Supervise,
}

impl Command {
    /// Runs the command to its end. Starts its own runtime, so call it from outside one.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::WithStores(args) => with_stores::run(&args),
            Self::Supervise => supervisor::run(),
        }
    }
}
